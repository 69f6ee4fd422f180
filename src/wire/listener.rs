//! The listener: accepts, bounds and drains connections.
//! Must never leave a client without an answer: one too many is told 53300, not dropped.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cancel::Registry;
use super::catalog::CatalogCache;
use super::connection::{Connection, Ends};
use super::metrics::WireMetrics;
use super::scram::Verifier;
use super::{session, startup};
use crate::query::{Access, Engine};

/// Somebody who may log in.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub verifier: Verifier,
    pub access: Access,
    /// What `statement_timeout` is at first; None: the listener's.
    pub statement_timeout: Option<Duration>,
}

/// How the wire is served.
#[derive(Clone, Debug)]
pub struct WireOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The name of the one database.
    pub database: String,
    /// Nobody else can log in.
    pub users: Vec<User>,
    /// Beyond it a client is told 53300.
    pub max_connections: usize,
    /// What `statement_timeout` is at first, for users without one of their own.
    pub statement_timeout: Option<Duration>,
    /// How long a client may take to log in.
    pub startup_timeout: Duration,
    /// How long statements that run may go on when the listener ends.
    pub drain_timeout: Duration,
    /// Where it counts; shared with whoever shows the figures.
    pub metrics: Arc<WireMetrics>,
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5432)),
            database: "frazil".to_owned(),
            users: Vec::new(),
            max_connections: 200,
            statement_timeout: None,
            startup_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            metrics: Arc::default(),
        }
    }
}

/// Why the wire can't be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "port {} of {} is in use: another server listens there, choose another port with wire.listen",
        .0.port(), .0.ip()
    )]
    PortInUse(SocketAddr),
    #[error("can't listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// What all connections of a listener share.
pub(super) struct Shared {
    pub engine: Arc<Engine>,
    pub options: WireOptions,
    pub users: HashMap<String, User>,
    pub cancels: Arc<Registry>,
    pub catalog: Arc<CatalogCache>,
    /// Seeds the salts of unknown users; made anew with the process.
    pub secret: [u8; 32],
    /// The listener ends: idle sessions go, running ones after their statement.
    pub draining: CancellationToken,
    /// The drain's time is over: running statements are stopped.
    pub stopping: CancellationToken,
}

/// A listener that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns once the listener has ended and its connections are drained.
    pub async fn finished(self) {
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            tracing::error!("the listener of the Postgres wire ended by a defect: {error}");
        }
    }
}

/// Starts to listen, and returns once clients can connect. Ends when `cancel` is cancelled: then
/// idle sessions get 57P01, running statements `drain_timeout` to finish.
pub async fn serve(
    engine: Arc<Engine>,
    options: WireOptions,
    cancel: CancellationToken,
) -> Result<Server, StartError> {
    let listen = options.listen;
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => StartError::PortInUse(listen),
        _ => StartError::Listen {
            address: listen,
            source,
        },
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let entropy = Arc::clone(&engine.lake().entropy);
    let mut secret = [0; 32];
    for chunk in secret.chunks_mut(8) {
        chunk.copy_from_slice(&entropy.next_u64().to_be_bytes());
    }
    let shared = Arc::new(Shared {
        users: options
            .users
            .iter()
            .map(|user| (user.name.clone(), user.clone()))
            .collect(),
        cancels: Arc::new(Registry::default()),
        catalog: Arc::new(CatalogCache::new(&options)),
        secret,
        draining: cancel,
        stopping: CancellationToken::new(),
        engine,
        options,
    });
    tracing::info!(%address, "the Postgres wire is served");
    let task = tokio::spawn(run(listener, shared));
    Ok(Server { address, task })
}

/// Clients that are being turned away at one time; beyond it they wait in the kernel's queue.
const MAX_REFUSALS: usize = 64;

async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    // Room for those who authenticate too: they may be over the limit and must be told so, and
    // cancel requests must get through when all places are taken.
    let places = Arc::new(Semaphore::new(
        shared.options.max_connections + MAX_REFUSALS,
    ));
    loop {
        while connections.try_join_next().is_some() {}
        let place = tokio::select! {
            () = shared.draining.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => {
                place.expect("this semaphore is never closed")
            }
        };
        let socket = tokio::select! {
            () = shared.draining.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Out of descriptors, say: what holds them must get the time to let go.
                    tracing::warn!("can't accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            serve_socket(socket, shared).await;
            drop(place);
        });
    }
    drop(listener);
    drain(connections, &shared).await;
}

async fn drain(mut connections: JoinSet<()>, shared: &Shared) {
    let all = async { while connections.join_next().await.is_some() {} };
    let limit = shared.options.drain_timeout;
    if tokio::time::timeout(limit, all).await.is_ok() {
        return;
    }
    tracing::warn!(
        "{} clients still ran statements after {limit:?}: they are stopped",
        connections.len()
    );
    shared.stopping.cancel();
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
    connections.abort_all();
}

/// Counts a logged-in client for as long as it lives.
pub(super) struct Place<'a>(&'a AtomicUsize);

impl Shared {
    /// A place among `max_connections`; None when all are taken.
    pub fn place(&self) -> Option<Place<'_>> {
        let most = self.options.max_connections;
        let live = &self.options.metrics.live;
        live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            (live < most).then_some(live + 1)
        })
        .ok()
        .map(|_| Place(live))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn serve_socket(socket: TcpStream, shared: Arc<Shared>) {
    // Messages are small and come in turns: waiting to fill a packet would only add delay.
    let _ = socket.set_nodelay(true);
    let ends = Ends {
        client: socket.peer_addr().ok(),
        server: socket.local_addr().ok(),
    };
    let mut connection = Connection::new(Box::new(socket), Arc::clone(&shared.options.metrics));
    let limit = shared.options.startup_timeout;
    let started = tokio::select! {
        () = shared.draining.cancelled() => None,
        started = tokio::time::timeout(limit, startup::run(&mut connection, &shared)) => {
            started.ok().flatten()
        }
    };
    match started {
        Some(client) => Box::pin(session::run(connection, client, ends, &shared)).await,
        None => connection.close().await,
    }
}
