//! Faults around catalog and object store: before, after and instead of the call; a swap that
//! arrives late; outages.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frazil::domain::TableName;
use frazil::lake::catalog::{Catalog, Guard, Pointer, Swap, SwapOutcome};
use frazil::lake::{Error, Result};
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use tokio::time::Instant;

use super::dice::Dice;
use super::history::History;
use super::mutant::Mutant;
use super::process::Trap;
use super::tally::Tally;

/// How often what goes wrong, in a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub store_before: u32,
    pub store_after: u32,
    pub store_slow: u32,
    pub catalog_before: u32,
    pub lost_reply: u32,
    pub late_swap: u32,
    pub false_conflict: u32,
    pub source: u32,
}

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    Before,
    /// It was carried out.
    After,
}

/// The rates that hold now, and outages; shared by all actors.
#[derive(Debug)]
pub struct Weather {
    rates: Mutex<Rates>,
    /// Calls of store and catalog so far, and which of them is to fail.
    calls: AtomicU64,
    strike: Mutex<Option<(u64, Strike)>>,
    /// Every call suspends on both of its sides, not every other one.
    restless: AtomicBool,
    store_down_until: Mutex<Option<Instant>>,
    catalog_down_until: Mutex<Option<Instant>>,
    pub tally: Arc<Tally>,
}

impl Weather {
    pub fn new(rates: Rates) -> Self {
        Self {
            rates: Mutex::new(rates),
            calls: AtomicU64::new(0),
            strike: Mutex::default(),
            restless: AtomicBool::new(false),
            store_down_until: Mutex::new(None),
            catalog_down_until: Mutex::new(None),
            tally: Arc::default(),
        }
    }

    /// Of store and catalog, by all processes.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// This very call fails, counted from 0.
    pub fn strike_at(&self, call: u64, strike: Strike) {
        *self.strike.lock().unwrap() = Some((call, strike));
    }

    pub fn make_restless(&self) {
        self.restless.store(true, Ordering::Relaxed);
    }

    /// Counts a call; how it fails, if it is the one.
    fn count(&self) -> Option<Strike> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let strike = *self.strike.lock().unwrap();
        strike.filter(|(at, _)| *at == call).map(|(_, how)| how)
    }

    pub fn rates(&self) -> Rates {
        *self.rates.lock().unwrap()
    }

    /// No more faults from now on.
    pub fn calm_down(&self) {
        *self.rates.lock().unwrap() = Rates::default();
        *self.store_down_until.lock().unwrap() = None;
        *self.catalog_down_until.lock().unwrap() = None;
    }

    pub fn take_store_down(&self, duration: Duration) {
        *self.store_down_until.lock().unwrap() = Some(Instant::now() + duration);
    }

    pub fn take_catalog_down(&self, duration: Duration) {
        *self.catalog_down_until.lock().unwrap() = Some(Instant::now() + duration);
    }

    fn store_is_down(&self) -> bool {
        let until = *self.store_down_until.lock().unwrap();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn catalog_is_down(&self) -> bool {
        let until = *self.catalog_down_until.lock().unwrap();
        until.is_some_and(|until| Instant::now() < until)
    }
}

/// Suspends now and then, so that a crash can fall on either side of a call.
async fn wander(weather: &Weather, dice: &Dice, slow_permille: u32) {
    if weather.restless.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    if dice.permille(slow_permille) {
        tokio::time::sleep(dice.millis(100, 3_000)).await;
    } else if dice.permille(500) {
        tokio::time::sleep(dice.millis(0, 4)).await;
    }
}

/// An object store that fails before the call, or carries it out and reports failure.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    dice: Dice,
    weather: Arc<Weather>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>, dice: Dice, weather: Arc<Weather>) -> Self {
        Self {
            inner,
            dice,
            weather,
        }
    }

    /// Whether the call is to fail once it is carried out.
    async fn before(&self) -> object_store::Result<bool> {
        let rates = self.weather.rates();
        wander(&self.weather, &self.dice, rates.store_slow).await;
        let strike = self.weather.count();
        if self.weather.store_is_down() {
            self.weather.tally.outages.add();
            return Err(unavailable("503 before the call"));
        }
        if self.dice.permille(rates.store_before) || strike == Some(Strike::Before) {
            self.weather.tally.store_before.add();
            return Err(unavailable("503 before the call"));
        }
        Ok(strike == Some(Strike::After))
    }

    async fn after(&self, cut: bool) -> object_store::Result<()> {
        let rates = self.weather.rates();
        wander(&self.weather, &self.dice, 0).await;
        if self.dice.permille(rates.store_after) || cut {
            self.weather.tally.store_after.add();
            return Err(unavailable("the connection was cut after the call"));
        }
        Ok(())
    }
}

/// Of a call that changes nothing it is all the same when it fails.
fn cut_off(cut: bool) -> object_store::Result<()> {
    match cut {
        true => Err(unavailable("the connection was cut")),
        false => Ok(()),
    }
}

fn unavailable(what: &'static str) -> object_store::Error {
    object_store::Error::Generic {
        store: "simulated",
        source: what.into(),
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated store")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        let cut = self.before().await?;
        let done = self.inner.put_opts(location, payload, opts).await;
        self.after(cut).await?;
        done
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        cut_off(self.before().await?)?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        cut_off(self.before().await?)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        cut_off(self.before().await?)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        cut_off(self.before().await?)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        let cut = self.before().await?;
        self.inner.copy_opts(from, to, options).await?;
        self.after(cut).await
    }
}

/// A catalog that fails before the swap, loses the reply after it, carries it out later, or
/// claims a conflict. Every swap that takes place goes into the history.
#[derive(Debug)]
pub struct FaultyCatalog {
    inner: Arc<dyn Catalog>,
    dice: Dice,
    weather: Arc<Weather>,
    history: Arc<History>,
    mutant: Mutant,
    trap: Arc<Trap>,
}

impl FaultyCatalog {
    pub fn new(
        inner: Arc<dyn Catalog>,
        dice: Dice,
        weather: Arc<Weather>,
        history: Arc<History>,
        mutant: Mutant,
        trap: Arc<Trap>,
    ) -> Self {
        Self {
            inner,
            dice,
            weather,
            history,
            mutant,
            trap,
        }
    }

    /// Whether the call is to fail once it is carried out.
    async fn before(&self) -> Result<bool> {
        let rates = self.weather.rates();
        wander(&self.weather, &self.dice, 0).await;
        let strike = self.weather.count();
        let down = self.weather.catalog_is_down();
        let fails = self.dice.permille(rates.catalog_before) || strike == Some(Strike::Before);
        if down || fails {
            let tally = &self.weather.tally;
            let count = if down {
                &tally.outages
            } else {
                &tally.catalog_before
            };
            count.add();
            return Err(Error::unavailable("simulated: the catalog does not answer"));
        }
        Ok(strike == Some(Strike::After))
    }

    /// A look at the catalog, which may be cut off.
    async fn look(&self) -> Result<()> {
        match self.before().await? {
            true => Err(Error::unavailable("simulated: the reply was lost")),
            false => Ok(()),
        }
    }
}

impl FaultyCatalog {
    /// Whoever loses a reply often finds nobody to ask for a while.
    fn then_away(&self) {
        if self.dice.permille(400) {
            self.weather
                .take_catalog_down(self.dice.millis(100, 40_000));
        }
    }
}

async fn carry_out(
    inner: &dyn Catalog,
    history: &History,
    mutant: Mutant,
    swaps: &[Swap],
    guards: &[Guard],
) -> Result<SwapOutcome> {
    let outcome = mutant.swap(inner, swaps, guards).await?;
    if outcome == SwapOutcome::Swapped {
        history.swapped(swaps).await;
    }
    Ok(outcome)
}

#[async_trait]
impl Catalog for FaultyCatalog {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        self.look().await?;
        let loaded = self.inner.load_all(tables).await;
        wander(&self.weather, &self.dice, 0).await;
        loaded
    }

    async fn list(&self) -> Result<Vec<TableName>> {
        self.look().await?;
        self.inner.list().await
    }

    async fn namespaces(&self) -> Result<Vec<String>> {
        self.look().await?;
        self.inner.namespaces().await
    }

    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        let cut = self.before().await?;
        self.inner.create_namespace(namespace).await?;
        match cut {
            true => Err(Error::unavailable("simulated: the reply was lost")),
            false => Ok(()),
        }
    }

    async fn swap(&self, swaps: &[Swap], guards: &[Guard]) -> Result<SwapOutcome> {
        let cut = self.before().await?;
        let rates = self.weather.rates();
        if self.dice.permille(rates.false_conflict) {
            self.weather.tally.false_conflicts.add();
            return Ok(SwapOutcome::Moved(swaps[0].table.clone()));
        }
        if self.dice.permille(rates.late_swap) {
            let (inner, history) = (self.inner.clone(), self.history.clone());
            let (swaps, guards) = (swaps.to_vec(), guards.to_vec());
            let delay = self.dice.millis(0, 8_000);
            let mutant = self.mutant;
            let tally = self.weather.tally.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let late = carry_out(inner.as_ref(), &history, mutant, &swaps, &guards).await;
                if matches!(late, Ok(SwapOutcome::Swapped)) {
                    tally.late_swaps.add();
                }
            });
            self.then_away();
            return Err(Error::unavailable(
                "simulated: no reply, the swap is on its way",
            ));
        }
        self.trap.pass().await;
        let outcome = carry_out(
            self.inner.as_ref(),
            &self.history,
            self.mutant,
            swaps,
            guards,
        )
        .await;
        self.trap.pass().await;
        wander(&self.weather, &self.dice, rates.store_slow).await;
        if self.dice.permille(rates.lost_reply) || cut {
            if matches!(outcome, Ok(SwapOutcome::Swapped)) {
                self.weather.tally.lost_replies.add();
            }
            self.then_away();
            return Err(Error::unavailable("simulated: the reply was lost"));
        }
        outcome
    }
}
