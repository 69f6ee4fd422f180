//! One visit: a walk through the funnel, event by event.

use uuid::Uuid;

use super::draw::Draw;
use super::shop::{
    PAGE_WEIGHTS, PAGES, Popularity, Product, REFERRER_WEIGHTS, REFERRERS, User, VERSIONS,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    PageView,
    ProductView,
    AddToCart,
    Purchase,
}

impl EventType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::ProductView => "product_view",
            Self::AddToCart => "add_to_cart",
            Self::Purchase => "purchase",
        }
    }
}

/// A visit that goes on; `next_ms` is when its next event happens.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub user: User,
    pub id: u64,
    pub correlation_id: Uuid,
    pub version: u64,
    pub next_ms: i64,
    /// The event that happens at `next_ms`.
    pub step: EventType,
    /// What step and page are about; for a purchase, what lies in the cart.
    pub product: Product,
    /// Cents of the cart.
    pub cart_cents: u64,
    /// Index into [`PAGES`], for a page view.
    pub page: usize,
    pub referrer: &'static str,
}

/// Events of a session in the mean; the walk below makes it, a test holds it.
pub(super) const MEAN_EVENTS: f64 = 4.5;

impl Session {
    pub(super) fn begin(user: User, now_ms: i64, draw: &mut Draw, popularity: &Popularity) -> Self {
        let version = VERSIONS[draw.weighted(&[0.15, 0.55, 0.30])];
        let id = draw.bits();
        // One visit in four lands on a product straight away (an advertisement, a search).
        let step = if draw.chance(0.25) {
            EventType::ProductView
        } else {
            EventType::PageView
        };
        Self {
            user,
            id,
            correlation_id: uuid(draw),
            version,
            next_ms: now_ms,
            step,
            product: popularity.pick(draw),
            cart_cents: 0,
            page: draw.weighted(&PAGE_WEIGHTS),
            referrer: REFERRERS[draw.weighted(&REFERRER_WEIGHTS)],
        }
    }

    /// Moves to the next event; false when the visitor left.
    pub(super) fn advance(&mut self, draw: &mut Draw, popularity: &Popularity) -> bool {
        use EventType::{AddToCart, PageView, ProductView, Purchase};
        let choice = draw.unit();
        let next = match self.step {
            PageView => pick(
                choice,
                &[(0.58, ProductView), (0.24, PageView), (0.02, Purchase)],
            ),
            ProductView => pick(
                choice,
                &[(0.36, ProductView), (0.20, AddToCart), (0.20, PageView)],
            ),
            AddToCart => pick(
                choice,
                &[(0.38, Purchase), (0.26, ProductView), (0.16, PageView)],
            ),
            Purchase => pick(choice, &[(0.25, PageView)]),
        };
        let Some(next) = next else { return false };
        // Nobody buys an empty cart.
        let next = if next == Purchase && self.cart_cents == 0 {
            PageView
        } else {
            next
        };
        self.enter(next, draw, popularity);
        true
    }

    fn enter(&mut self, next: EventType, draw: &mut Draw, popularity: &Popularity) {
        match next {
            EventType::PageView => self.page = draw.weighted(&PAGE_WEIGHTS),
            EventType::ProductView => self.product = popularity.pick(draw),
            EventType::AddToCart => {
                let pieces = if draw.chance(0.2) { 2 } else { 1 };
                self.cart_cents += self.product.price_cents() * pieces;
            }
            EventType::Purchase => {}
        }
        if self.step == EventType::Purchase {
            self.cart_cents = 0;
        }
        self.step = next;
        self.referrer = "https://shop.example/";
        // 2 s at least, 35 s in the mean, sometimes minutes.
        self.next_ms += 2_000 + (draw.exponential() * 33_000.0) as i64;
    }

    pub(super) fn page(&self) -> &'static str {
        PAGES[self.page]
    }
}

fn pick(choice: f64, steps: &[(f64, EventType)]) -> Option<EventType> {
    let mut left = choice;
    for (probability, step) in steps {
        left -= probability;
        if left < 0.0 {
            return Some(*step);
        }
    }
    None
}

pub(super) fn uuid(draw: &mut Draw) -> Uuid {
    let bytes = (u128::from(draw.bits()) << 64) | u128::from(draw.bits());
    uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
}
