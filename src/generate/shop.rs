//! The shop: its regions, visitors, products and pages. Everything derives from numbers.

use super::draw::{Draw, mix};

/// Visitors a region has and when: share of the traffic, hours ahead of UTC.
pub(super) struct Region {
    pub name: &'static str,
    share: f64,
    utc_offset_hours: u64,
}

pub(super) const REGIONS: [Region; 6] = [
    region("eu-west", 0.28, 1),
    region("eu-north", 0.12, 1),
    region("us-east", 0.24, 19),
    region("us-west", 0.14, 16),
    region("ap-south", 0.12, 5),
    region("ap-east", 0.10, 9),
];

const fn region(name: &'static str, share: f64, utc_offset_hours: u64) -> Region {
    Region {
        name,
        share,
        utc_offset_hours,
    }
}

/// Traffic by local hour; the mean is 1.
const RHYTHM: [f64; 24] = [
    0.40, 0.25, 0.15, 0.10, 0.10, 0.15, 0.35, 0.60, 0.85, 1.05, 1.20, 1.30, 1.40, 1.30, 1.20, 1.20,
    1.25, 1.35, 1.55, 1.80, 2.00, 1.85, 1.45, 1.15,
];

const HOUR_MS: i64 = 3_600_000;

/// How many visits each region gets at this time, about 1 in sum over a day.
pub(super) fn traffic(now_ms: i64) -> [f64; REGIONS.len()] {
    let hour = u64::try_from(now_ms.div_euclid(HOUR_MS)).unwrap_or(0);
    std::array::from_fn(|index| {
        let region = &REGIONS[index];
        let local = (hour + region.utc_offset_hours) % 24;
        region.share * RHYTHM[usize::try_from(local).expect("below 24")]
    })
}

/// Who visits. The number's remainder by the number of regions is the home region.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub number: u64,
}

const DEVICES: [(&str, &str); 4] = [
    ("mobile", "ios"),
    ("mobile", "android"),
    ("desktop", "web"),
    ("tablet", "web"),
];

impl User {
    pub(super) fn in_region(region: usize, count: u64) -> Self {
        Self {
            number: count * REGIONS.len() as u64 + region as u64,
        }
    }

    pub(super) fn region(self) -> &'static str {
        REGIONS[(self.number % REGIONS.len() as u64) as usize].name
    }

    /// Device and the source of its events.
    pub(super) fn device(self) -> (&'static str, &'static str) {
        let index = match mix(self.number) % 100 {
            0..=29 => 0,
            30..=57 => 1,
            58..=91 => 2,
            _ => 3,
        };
        DEVICES[index]
    }

    /// An address of 198.18.0.0/15, which is reserved for tests: nobody's.
    pub(super) fn ip(self) -> [u8; 4] {
        let bytes = mix(self.number ^ 0x1b).to_le_bytes();
        [198, 18 + (bytes[0] & 1), bytes[1], bytes[2]]
    }
}

pub(super) const PRODUCTS: usize = 2_000;

const CATEGORIES: [(&str, u64); 10] = [
    ("books", 1_200),
    ("electronics", 18_000),
    ("garden", 4_500),
    ("groceries", 600),
    ("home", 6_000),
    ("kitchen", 3_500),
    ("music", 1_500),
    ("sports", 5_500),
    ("toys", 2_200),
    ("clothing", 4_000),
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub number: u64,
}

impl Product {
    fn category_index(self) -> usize {
        (mix(self.number ^ 0xca7) % CATEGORIES.len() as u64) as usize
    }

    pub(super) fn category(self) -> &'static str {
        CATEGORIES[self.category_index()].0
    }

    /// Price of one piece in cents: around its category's usual price, ending in 9.
    pub(super) fn price_cents(self) -> u64 {
        let usual = CATEGORIES[self.category_index()].1;
        let cents = usual / 3 + mix(self.number ^ 0x9c) % (usual * 2);
        cents / 10 * 10 + 9
    }
}

/// Popularity by Zipf's law with a softened head: the product of rank `r` has weight `1/(r + 3)`.
#[derive(Debug, Clone)]
pub(super) struct Popularity {
    cumulative: Vec<f64>,
}

impl Popularity {
    pub(super) fn new() -> Self {
        let mut sum = 0.0;
        let cumulative = (0..PRODUCTS)
            .map(|rank| {
                sum += 1.0 / (rank as f64 + 3.0);
                sum
            })
            .collect();
        Self { cumulative }
    }

    pub(super) fn pick(&self, draw: &mut Draw) -> Product {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let wanted = draw.unit() * total;
        let rank = self
            .cumulative
            .partition_point(|sum| *sum <= wanted)
            .min(PRODUCTS - 1);
        Product {
            number: rank as u64,
        }
    }
}

/// Where a session came from, most of them from nowhere that is told.
pub(super) const REFERRERS: [&str; 6] = [
    "",
    "https://www.google.com/search",
    "https://www.bing.com/search",
    "https://news.example.org/deals",
    "https://social.example.net/feed",
    "https://mail.example.com/campaign",
];

pub(super) const REFERRER_WEIGHTS: [f64; 6] = [0.35, 0.30, 0.05, 0.08, 0.14, 0.08];

/// Pages that show no single product.
pub(super) const PAGES: [&str; 6] = [
    "/",
    "/search",
    "/deals",
    "/new-arrivals",
    "/account/orders",
    "/help/delivery",
];

pub(super) const PAGE_WEIGHTS: [f64; 6] = [0.34, 0.30, 0.14, 0.12, 0.06, 0.04];

/// Versions of the application that sends the events.
pub(super) const VERSIONS: [u64; 3] = [14, 15, 16];
