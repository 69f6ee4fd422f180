//! The runtime on which queries execute, apart from the one that answers clients: a query that
//! computes for long must never keep a client from being heard.

use tokio::runtime::{Builder, Handle, Runtime};

use super::{QueryError, QueryErrorKind};

/// A thread pool for queries, shut down without waiting when it is dropped (also from within
/// another runtime, where waiting is not allowed).
#[derive(Debug)]
pub(super) struct QueryRuntime {
    inner: Option<Runtime>,
    handle: Handle,
}

/// Plans of real queries nest deeper than the usual 2 MiB hold in a debug build.
const STACK_BYTES: usize = 8 << 20;

impl QueryRuntime {
    pub(super) fn new(threads: usize) -> Result<Self, QueryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("frazil-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| {
                QueryError::new(
                    QueryErrorKind::Internal,
                    format!("the threads for queries can't be started: {error}"),
                )
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            inner: Some(runtime),
        })
    }

    /// Somebody else's runtime, who also ends it.
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            inner: None,
            handle,
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for QueryRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.inner.take() {
            runtime.shutdown_background();
        }
    }
}
