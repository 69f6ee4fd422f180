//! Threads by class of work: clients are answered on one pool, sink, jobs and upkeep work on
//! another (queries execute on the engine's own), so that none starves the others.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Planning recurses with the query: tokio's 2 MiB are too few for DataFusion's frames without
/// optimisation. Only what is used becomes memory.
pub const STACK_BYTES: usize = 16 << 20;

/// The thread pools of a process.
#[derive(Debug)]
pub struct Runtimes {
    front: Runtime,
    work: Runtime,
}

impl Runtimes {
    pub fn start() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let pool = |name: &str, threads: usize| {
            Builder::new_multi_thread()
                .thread_name(name)
                .worker_threads(threads)
                .thread_stack_size(STACK_BYTES)
                .enable_all()
                .build()
        };
        Ok(Self {
            front: pool("frazil-front", 2)?,
            work: pool("frazil-work", cores.max(2))?,
        })
    }

    /// For those who answer: wire, ops, supervisor.
    pub fn front(&self) -> &Handle {
        self.front.handle()
    }

    /// For those who move data.
    pub fn work(&self) -> &Handle {
        self.work.handle()
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.front.block_on(future)
    }

    /// Ends the pools; work that blocks a thread is waited for only shortly.
    pub fn end(self) {
        self.work.shutdown_timeout(Duration::from_secs(2));
        self.front.shutdown_timeout(Duration::from_secs(1));
    }
}
