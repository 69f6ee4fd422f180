//! A process: an opened lake, its rooms as services, and the order in which they come and go.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::declared::Declared;
use super::figures;
use super::keepers;
use super::open::{OpenError, open_engine, open_lake};
use super::probe::ProcessProbe;
use super::roles::{Role, Roles};
use super::runtimes::Runtimes;
use super::samples::Samples;
use super::sinks;
use super::supervisor::{Ending, Roster, Service, Stage, Supervisor};
use super::wires;
use crate::config::{Config, SourceConfig};
use crate::jobs::Jobs;
use crate::lake::Lake;
use crate::ops::{self, Metrics};
use crate::query::Engine;
use crate::sink::SinkMetrics;
use crate::sink::source::embedded::EmbeddedLog;
use crate::upkeep;
use crate::wire::WireMetrics;

/// What the services of a process share.
#[derive(Clone, Debug)]
pub struct Shared {
    pub config: Arc<Config>,
    pub declared: Arc<Declared>,
    pub lake: Lake,
    pub engine: Arc<Engine>,
    /// The embedded log, where that is the source.
    pub log: Option<EmbeddedLog>,
    /// Names this process in leases and statuses; another one after a restart.
    pub holder: String,
    /// One for each stream, in their order.
    pub sinks: Arc<Vec<Arc<SinkMetrics>>>,
    pub upkeep: Arc<upkeep::Totals>,
    pub wire: Arc<WireMetrics>,
}

/// A process on its way up, and then running.
#[derive(Debug)]
pub struct Process {
    shared: Shared,
    supervisor: Supervisor,
    front: Handle,
    work: Handle,
    wire: Option<SocketAddr>,
    ops: Option<SocketAddr>,
    /// Carries out statements about models, in processes that serve the wire or run models.
    jobs: Option<Arc<Jobs>>,
}

impl Process {
    /// Opens what the process needs; nothing runs yet.
    pub async fn open(
        config: Arc<Config>,
        declared: Declared,
        runtimes: &Runtimes,
    ) -> Result<Self, OpenError> {
        let lake = open_lake(&config).await?;
        let engine = open_engine(&config, lake.clone())?;
        let log = match &config.source {
            SourceConfig::Kafka { .. } => None,
            SourceConfig::Embedded { path } => Some(sinks::open_log(path, &lake).await?),
        };
        let short_id = lake.entropy.next_u64() >> 32;
        let holder = format!("frazil-{}-{short_id:08x}", std::process::id());
        let sinks = declared.streams.iter().map(|_| Arc::default()).collect();
        Ok(Self {
            shared: Shared {
                config,
                declared: Arc::new(declared),
                lake,
                engine,
                log,
                holder,
                sinks: Arc::new(sinks),
                upkeep: Arc::default(),
                wire: Arc::default(),
            },
            supervisor: Supervisor::default(),
            front: runtimes.front().clone(),
            work: runtimes.work().clone(),
            wire: None,
            ops: None,
            jobs: None,
        })
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Where the Postgres wire listens, once started.
    pub fn wire_address(&self) -> Option<SocketAddr> {
        self.wire
    }

    /// Where health and metrics are served, once started.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops
    }

    pub fn roster(&self) -> Roster {
        self.supervisor.roster()
    }

    /// Tells this too what a stop waits for, `waits for sink shop`.
    pub fn tell_waits(&mut self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.supervisor.tell_waits(listener);
    }

    /// Starts the roles: who listens first, so that a busy port is told before work begins.
    pub async fn start(&mut self, roles: &Roles) -> Result<(), OpenError> {
        let ops = self.listen_ops().await?;
        if roles.has(Role::Wire) || roles.has(Role::Jobs) {
            self.jobs = Some(keepers::jobs(&self.shared));
        }
        if roles.has(Role::Wire) {
            let (server, drain) = wires::start(&self.shared).await?;
            self.wire = Some(server.address());
            self.supervisor
                .start(wires::service(server, drain), &self.front);
        }
        if roles.has(Role::Sink) {
            for service in sinks::services(&self.shared)? {
                self.supervisor.start(service, &self.work);
            }
        }
        if let Some(jobs) = &self.jobs
            && roles.has(Role::Jobs)
        {
            let service = keepers::jobs_service(Arc::clone(jobs));
            self.supervisor.start(service, &self.work);
        }
        if roles.has(Role::Upkeep) {
            let service = keepers::upkeep_service(&self.shared);
            self.supervisor.start(service, &self.work);
        }
        self.start_ops(ops, roles);
        tracing::info!(holder = self.shared.holder, "all services run");
        Ok(())
    }

    /// Adds a service of the caller's own, on the threads for those who move data.
    pub fn add(&mut self, service: Service) {
        self.supervisor.start(service, &self.work);
    }

    /// Runs until `asked` resolves or a service dies, then stops all in order.
    pub async fn run(self, asked: impl Future<Output = ()>) -> Ending {
        let log = self.shared.log.clone();
        let ending = self.supervisor.run(asked).await;
        if let Some(log) = log {
            log.close().await;
        }
        ending
    }

    async fn listen_ops(&mut self) -> Result<TcpListener, OpenError> {
        let listen = self.shared.config.ops.listen;
        let failed = |error| cannot_listen("ops", "ops.listen", listen, &error);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "health and metrics are served");
        self.ops = Some(address);
        Ok(listener)
    }

    /// Behind all others: it is asked about them.
    fn start_ops(&mut self, listener: TcpListener, roles: &Roles) {
        let jobs = self.jobs.as_ref().filter(|_| roles.has(Role::Jobs));
        let probe = ProcessProbe {
            shared: self.shared.clone(),
            roster: self.supervisor.roster(),
            roles: roles.clone(),
            wire: self.wire,
            jobs: jobs.cloned(),
        };
        let samples = Samples::default();
        let roster = self.supervisor.roster();
        let metrics = Metrics::new(figures::sources(&self.shared, roster, &samples));
        if let Some(jobs) = jobs {
            let service = samples.service(&self.shared, Arc::clone(jobs));
            self.supervisor.start(service, &self.front);
        }
        let service = Service::new("ops", Stage::Ops, move |stop| async move {
            ops::serve(listener, Arc::new(probe), metrics, stop)
                .await
                .map_err(|error| error.to_string())
        });
        self.supervisor.start(service, &self.front);
    }
}

fn cannot_listen(who: &str, key: &str, address: SocketAddr, error: &std::io::Error) -> OpenError {
    let port = address.port();
    OpenError::Machine(match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "port {port} of {} is in use, so {who} can't listen there: stop what listens there \
             (`ss -ltnp 'sport = :{port}'` names it) or choose another port with {key}",
            address.ip()
        ),
        _ => format!("{who} can't listen on {address}: {error}"),
    })
}
