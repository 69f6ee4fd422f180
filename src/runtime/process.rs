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

    /// Starts the roles: who listens first, so that a busy port is told before work begins.
    pub async fn start(&mut self, roles: &Roles) -> Result<(), OpenError> {
        self.start_ops(roles).await?;
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

    async fn start_ops(&mut self, roles: &Roles) -> Result<(), OpenError> {
        let listen = self.shared.config.ops.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| cannot_listen("ops", "ops.listen", listen, &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| cannot_listen("ops", "ops.listen", listen, &error))?;
        tracing::info!(%address, "health and metrics are served");
        self.ops = Some(address);
        let probe = Arc::new(ProcessProbe::new(
            self.shared.clone(),
            self.supervisor.roster(),
            roles.clone(),
        ));
        let samples = Samples::default();
        let roster = self.supervisor.roster();
        let metrics = Metrics::new(figures::sources(&self.shared, roster, &samples));
        if roles.has(Role::Jobs) {
            let service = samples.service(&self.shared);
            self.supervisor.start(service, &self.front);
        }
        let service = Service::new("ops", Stage::Ops, move |stop| async move {
            ops::serve(listener, probe, metrics, stop)
                .await
                .map_err(|error| error.to_string())
        });
        self.supervisor.start(service, &self.front);
        Ok(())
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
