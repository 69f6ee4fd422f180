//! Named services in stages: all run, or the process ends.
//!
//! A service that ends or panics unasked brings the process down with its reason (never a
//! half-dead server). A stop goes through the stages in order, each with a bounded wait; whoever
//! is late is named and cut off.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// When a service stops, relative to others: in the order written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Whoever makes events (the demo).
    Producer,
    /// Stop taking clients, let their queries end.
    Frontend,
    /// Running models end or are given up; they write through the lake.
    Jobs,
    /// The last commit of what was read.
    Sink,
    Upkeep,
    /// Health and metrics answer until everybody else has stopped.
    Ops,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Producer,
        Self::Frontend,
        Self::Jobs,
        Self::Sink,
        Self::Upkeep,
        Self::Ops,
    ];

    /// How long services of this stage may take to stop.
    fn grace(self) -> Duration {
        Duration::from_secs(match self {
            Self::Producer | Self::Ops => 5,
            Self::Frontend => 10,
            Self::Jobs => 20,
            Self::Sink => 45,
            Self::Upkeep => 10,
        })
    }
}

/// Why a service ended, for people.
pub type Reason = String;

type Run = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), Reason>> + Send>;

/// A task of the process with a name.
pub struct Service {
    name: String,
    stage: Stage,
    may_end: bool,
    run: Run,
}

impl Service {
    /// `run` gets a token that is cancelled when it should stop.
    pub fn new<F>(
        name: impl Into<String>,
        stage: Stage,
        run: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Reason>> + Send + 'static,
    {
        Self {
            name: name.into(),
            stage,
            may_end: false,
            run: Box::new(move |stop| run(stop).boxed()),
        }
    }

    /// A service that is allowed to be done, once it succeeds.
    #[must_use]
    pub fn may_end(mut self) -> Self {
        self.may_end = true;
        self
    }
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    Running,
    Ended,
    Failed,
}

impl ServiceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// The services and how they are, for whoever is asked about health.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    services: BTreeMap<String, ServiceState>,
    /// Whom the drain waits for; None while nobody asked for a stop.
    drain: Option<String>,
}

impl Roster {
    pub fn list(&self) -> Vec<(String, ServiceState)> {
        let seen = self.lock();
        let services = seen.services.iter();
        services
            .map(|(name, state)| (name.clone(), *state))
            .collect()
    }

    /// What a process that stops waits for, for people; None while it doesn't stop.
    pub fn drain(&self) -> Option<String> {
        self.lock().drain.clone()
    }

    fn set(&self, name: &str, state: ServiceState) {
        self.lock().services.insert(name.to_owned(), state);
    }

    fn set_drain(&self, text: String) {
        self.lock().drain = Some(text);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// How it all ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The service that ended unasked, and why; None when a stop was asked for.
    pub died: Option<(String, Reason)>,
    /// Services that failed while they stopped.
    pub failed: Vec<(String, Reason)>,
    /// Services that did not stop in their time and were cut off.
    pub stragglers: Vec<String>,
}

#[derive(Debug)]
struct Member {
    name: String,
    stage: Stage,
    may_end: bool,
}

/// While a stage is waited for, this is said so often.
const WAIT_BEAT: Duration = Duration::from_secs(3);

/// Who is told what a drain waits for, beside the log.
type Listener = Box<dyn Fn(&str) + Send + Sync>;

/// Runs services and stops them in order.
pub struct Supervisor {
    tasks: JoinSet<Result<(), Reason>>,
    members: BTreeMap<Id, Member>,
    stops: BTreeMap<Stage, CancellationToken>,
    roster: Roster,
    listener: Option<Listener>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            members: BTreeMap::new(),
            stops: Stage::ALL
                .into_iter()
                .map(|stage| (stage, CancellationToken::new()))
                .collect(),
            roster: Roster::default(),
            listener: None,
        }
    }
}

impl Supervisor {
    pub fn roster(&self) -> Roster {
        self.roster.clone()
    }

    /// Tells this too what a drain waits for, `waits for sink shop`.
    pub fn tell_waits(&mut self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.listener = Some(Box::new(listener));
    }

    /// Starts a service on this runtime.
    pub fn start(&mut self, service: Service, on: &Handle) {
        let stop = self.stops[&service.stage].child_token();
        self.roster.set(&service.name, ServiceState::Running);
        tracing::info!(service = service.name, "starts");
        let task = self.tasks.spawn_on((service.run)(stop), on);
        let member = Member {
            name: service.name,
            stage: service.stage,
            may_end: service.may_end,
        };
        self.members.insert(task.id(), member);
    }

    /// Runs until `asked` resolves or a service ends unasked, then stops all in order.
    pub async fn run(mut self, asked: impl Future<Output = ()>) -> Ending {
        let died = {
            let mut asked = std::pin::pin!(asked);
            loop {
                tokio::select! {
                    () = &mut asked => break None,
                    ended = self.next_end() => match ended {
                        Some((member, Ok(()))) if member.may_end => {}
                        Some((member, Ok(()))) => {
                            break Some((member.name, "it ended though nobody asked it to".to_owned()));
                        }
                        Some((member, Err(reason))) => break Some((member.name, reason)),
                        // No service left: nothing to do but to stop.
                        None => break None,
                    },
                }
            }
        };
        if let Some((name, reason)) = &died {
            tracing::error!(service = name, reason, "a service died: the process stops");
        }
        let (failed, stragglers) = self.drain().await;
        Ending {
            died,
            failed,
            stragglers,
        }
    }

    /// Stops stage after stage.
    async fn drain(&mut self) -> (Vec<(String, Reason)>, Vec<String>) {
        let mut failed = Vec::new();
        let mut stragglers = Vec::new();
        for stage in Stage::ALL {
            self.stops[&stage].cancel();
            self.drain_stage(stage, &mut failed, &mut stragglers).await;
        }
        self.tasks.abort_all();
        (failed, stragglers)
    }

    /// Waits for the services of a stage as long as it may take, and says for whom.
    async fn drain_stage(
        &mut self,
        stage: Stage,
        failed: &mut Vec<(String, Reason)>,
        stragglers: &mut Vec<String>,
    ) {
        let is_there = |member: &Member| member.stage == stage;
        if !self.members.values().any(is_there) {
            return;
        }
        let mut waited = Duration::ZERO;
        self.say_wait(stage, waited);
        let grace = tokio::time::sleep(stage.grace());
        tokio::pin!(grace);
        let mut beat = tokio::time::interval(WAIT_BEAT);
        // It comes at once.
        beat.tick().await;
        while self.members.values().any(is_there) {
            tokio::select! {
                _ = beat.tick() => {
                    waited += WAIT_BEAT;
                    self.say_wait(stage, waited);
                }
                ended = self.next_end() => {
                    if let Some((member, Err(reason))) = ended {
                        tracing::error!(service = member.name, reason, "failed while it stopped");
                        failed.push((member.name, reason));
                    }
                }
                () = &mut grace => self.cut_off(stage, stragglers),
            }
        }
    }

    fn say_wait(&self, stage: Stage, waited: Duration) {
        let members = self.members.values();
        let names: Vec<&str> = members
            .filter(|member| member.stage == stage)
            .map(|member| member.name.as_str())
            .collect();
        let text = format!("waits for {}", names.join(", "));
        let (waited_s, at_most_s) = (waited.as_secs(), stage.grace().as_secs());
        tracing::info!(waited_s, at_most_s, "stopping: {text}");
        self.roster.set_drain(text.clone());
        if let Some(listener) = &self.listener {
            listener(&text);
        }
    }

    /// Gives up on those of a stage who are late.
    fn cut_off(&mut self, stage: Stage, stragglers: &mut Vec<String>) {
        for member in self.members.values().filter(|m| m.stage == stage) {
            tracing::error!(
                service = member.name,
                waited_s = stage.grace().as_secs(),
                "did not stop in its time and is cut off"
            );
            stragglers.push(member.name.clone());
        }
        self.members.retain(|_, member| member.stage != stage);
    }

    /// The next service to end; None when there is none.
    async fn next_end(&mut self) -> Option<(Member, Result<(), Reason>)> {
        loop {
            let (id, result) = match self.tasks.join_next_with_id().await? {
                Ok((id, result)) => (id, result),
                Err(error) => {
                    let id = error.id();
                    let reason = match error.try_into_panic() {
                        Ok(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
                        Err(error) => error.to_string(),
                    };
                    (id, Err(reason))
                }
            };
            // One that was cut off before has no entry any more.
            let Some(member) = self.members.remove(&id) else {
                continue;
            };
            let state = match &result {
                Ok(()) => ServiceState::Ended,
                Err(_) => ServiceState::Failed,
            };
            self.roster.set(&member.name, state);
            tracing::info!(service = member.name, "ended");
            return Some((member, result));
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obedient(name: &str, stage: Stage, log: &Arc<Mutex<Vec<String>>>) -> Service {
        let (log, text) = (Arc::clone(log), name.to_owned());
        Service::new(name, stage, move |stop| async move {
            stop.cancelled().await;
            log.lock().unwrap().push(text);
            Ok(())
        })
    }

    #[tokio::test]
    async fn stops_stage_by_stage() {
        let log = Arc::default();
        let mut supervisor = Supervisor::default();
        for (name, stage) in [
            ("sink", Stage::Sink),
            ("ops", Stage::Ops),
            ("wire", Stage::Frontend),
            ("jobs", Stage::Jobs),
            ("upkeep", Stage::Upkeep),
        ] {
            supervisor.start(obedient(name, stage, &log), &Handle::current());
        }
        let roster = supervisor.roster();
        assert!(
            roster
                .list()
                .iter()
                .all(|(_, state)| *state == ServiceState::Running)
        );
        let ending = supervisor.run(async {}).await;
        assert_eq!(ending.died, None);
        assert!(ending.stragglers.is_empty() && ending.failed.is_empty());
        assert_eq!(
            *log.lock().unwrap(),
            ["wire", "jobs", "sink", "upkeep", "ops"]
        );
        assert!(
            roster
                .list()
                .iter()
                .all(|(_, state)| *state == ServiceState::Ended)
        );
    }

    #[tokio::test]
    async fn a_panic_brings_all_down_with_its_reason() {
        let log = Arc::default();
        let mut supervisor = Supervisor::default();
        supervisor.start(obedient("wire", Stage::Frontend, &log), &Handle::current());
        let broken = Service::new("sink", Stage::Sink, |_| async { panic!("no such column") });
        supervisor.start(broken, &Handle::current());
        let ending = supervisor.run(std::future::pending()).await;
        let (name, reason) = ending.died.expect("it died");
        assert_eq!(name, "sink");
        assert!(reason.contains("no such column"), "{reason}");
        assert_eq!(*log.lock().unwrap(), ["wire"]);
    }

    #[tokio::test]
    async fn a_service_that_just_ends_is_a_death_unless_it_may() {
        let mut supervisor = Supervisor::default();
        let done = Service::new("history", Stage::Producer, |_| async { Ok(()) }).may_end();
        supervisor.start(done, &Handle::current());
        let gone = Service::new("wire", Stage::Frontend, |_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        });
        supervisor.start(gone, &Handle::current());
        let ending = supervisor.run(std::future::pending()).await;
        assert_eq!(ending.died.expect("it died").0, "wire");
    }

    #[tokio::test(start_paused = true)]
    async fn a_straggler_is_named_and_cut_off() {
        let log = Arc::default();
        let mut supervisor = Supervisor::default();
        let deaf = Service::new("jobs", Stage::Jobs, |_| std::future::pending());
        supervisor.start(deaf, &Handle::current());
        supervisor.start(obedient("sink", Stage::Sink, &log), &Handle::current());
        let ending = supervisor.run(async {}).await;
        assert_eq!(ending.stragglers, ["jobs"]);
        assert_eq!(*log.lock().unwrap(), ["sink"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_stop_waits_for_is_said_at_once_and_again() {
        let slow = |name: &str, stage, seconds| {
            Service::new(name, stage, move |stop| async move {
                stop.cancelled().await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(())
            })
        };
        let mut supervisor = Supervisor::default();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (heard, roster) = (Arc::clone(&said), supervisor.roster());
        let shown = roster.clone();
        supervisor.tell_waits(move |text| {
            assert_eq!(shown.drain().as_deref(), Some(text));
            heard.lock().unwrap().push(text.to_owned());
        });
        for (name, seconds) in [("sink shop", 5), ("log retention", 1)] {
            supervisor.start(slow(name, Stage::Sink, seconds), &Handle::current());
        }
        supervisor.start(slow("ops", Stage::Ops, 0), &Handle::current());
        assert_eq!(roster.drain(), None);
        let ending = supervisor.run(async {}).await;
        assert!(ending.stragglers.is_empty());
        assert_eq!(
            *said.lock().unwrap(),
            [
                "waits for sink shop, log retention",
                "waits for sink shop",
                "waits for ops"
            ]
        );
    }
}
