//! One client's socket: bytes in, messages out, and a watch over both while a query runs.
//! Must never hold more than one message of input and one chunk of output beyond the limits here.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::frame::{self, FrameError, Frontend, Opening};
use super::metrics::WireMetrics;
use super::sqlstate::WireError;

/// A byte stream to a client: plain TCP, or later one wrapped in TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// The addresses of a connection: the client's, and the server's as this client reached it.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: Option<SocketAddr>,
    pub server: Option<SocketAddr>,
}

/// Output beyond this is sent before more is made.
pub const OUTPUT_CHUNK_BYTES: usize = 64 * 1024;
/// What is read ahead while a query runs.
const READ_AHEAD_BYTES: usize = 256 * 1024;
/// An idle connection keeps no larger buffer than this.
const IDLE_BUFFER_BYTES: usize = 16 * 1024;
/// How long a client that must go is given to take its last message.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the client is gone")]
    Gone,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Why a statement was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    Cancelled,
    TimedOut,
    ShutDown,
    ClientGone,
}

impl From<Interrupt> for WireError {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Cancelled => Self::new("57014", "canceling statement due to user request"),
            Interrupt::TimedOut => {
                Self::new("57014", "canceling statement due to statement timeout")
            }
            Interrupt::ShutDown => Self::fatal(
                "57P01",
                "terminating connection due to administrator command",
            ),
            Interrupt::ClientGone => Self::fatal("08006", "connection to client lost"),
        }
    }
}

/// What may stop a statement.
#[derive(Clone, Debug)]
pub struct Limits {
    pub cancel: CancellationToken,
    pub deadline: Option<Instant>,
    pub shutdown: CancellationToken,
}

pub struct Connection {
    reader: ReadHalf<Box<dyn Socket>>,
    writer: WriteHalf<Box<dyn Socket>>,
    input: BytesMut,
    output: BytesMut,
    input_limit: usize,
    pub metrics: Arc<WireMetrics>,
}

impl Connection {
    pub fn new(socket: Box<dyn Socket>, metrics: Arc<WireMetrics>) -> Self {
        let (reader, writer) = tokio::io::split(socket);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            input_limit: frame::STARTUP_LIMIT_BYTES,
            metrics,
        }
    }

    /// From now on the client is known: it may send long messages.
    pub fn authenticated(&mut self) {
        self.input_limit = frame::MESSAGE_LIMIT_BYTES;
    }

    pub async fn opening(&mut self) -> Result<Opening, Lost> {
        loop {
            if let Some(opening) = frame::decode_opening(&mut self.input)? {
                return Ok(opening);
            }
            self.fill().await?;
        }
    }

    /// The next message; what is to be sent goes out before waiting for it. Cancel-safe.
    pub async fn message(&mut self) -> Result<Frontend, Lost> {
        loop {
            if let Some(message) = frame::decode(&mut self.input, self.input_limit)? {
                return Ok(message);
            }
            self.flush().await?;
            if self.input.is_empty() && self.input.capacity() > IDLE_BUFFER_BYTES {
                self.input = BytesMut::new();
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Lost> {
        if self.reader.read_buf(&mut self.input).await? == 0 {
            return Err(Lost::Gone);
        }
        Ok(())
    }

    /// Raw bytes before the protocol proper: the answers to SSL and GSS requests.
    pub async fn answer(&mut self, byte: u8) -> Result<(), Lost> {
        self.output.extend_from_slice(&[byte]);
        self.flush().await
    }

    /// True when the client has sent more than what was decoded.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    pub fn send(&mut self, message: PgWireBackendMessage) {
        let start = self.output.len();
        if message.encode(&mut self.output).is_err() {
            // Only lengths beyond the protocol's own fail, and none of ours come near.
            self.output.truncate(start);
            debug_assert!(false, "a backend message could not be encoded");
        }
    }

    /// Where rows are written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    pub fn is_chunk_full(&self) -> bool {
        self.output.len() >= OUTPUT_CHUNK_BYTES
    }

    pub async fn flush(&mut self) -> Result<(), Lost> {
        if !self.output.is_empty() {
            let length = self.output.len();
            self.writer.write_all_buf(&mut self.output).await?;
            self.metrics.bytes(length);
        }
        if self.output.capacity() > 4 * OUTPUT_CHUNK_BYTES {
            self.output = BytesMut::new();
        }
        self.writer.flush().await?;
        Ok(())
    }

    /// Sends what is left, for a bounded time, and closes.
    pub async fn close(mut self) {
        let farewell = async {
            let _ = self.flush().await;
            let _ = self.writer.shutdown().await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Runs a future until it ends or something stops it; a client that goes away is noticed.
    pub async fn watch<T>(
        &mut self,
        limits: &Limits,
        future: impl Future<Output = T>,
    ) -> Result<T, Interrupt> {
        tokio::pin!(future);
        let deadline = limits.deadline;
        loop {
            let reads = self.input.len() < READ_AHEAD_BYTES;
            tokio::select! {
                biased;
                () = limits.cancel.cancelled() => return Err(Interrupt::Cancelled),
                () = limits.shutdown.cancelled() => return Err(Interrupt::ShutDown),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(Interrupt::TimedOut);
                }
                value = &mut future => return Ok(value),
                read = self.reader.read_buf(&mut self.input), if reads => {
                    if !matches!(read, Ok(1..)) {
                        return Err(Interrupt::ClientGone);
                    }
                }
            }
        }
    }

    /// Sends the output that has gathered, unless something stops the statement meanwhile. What
    /// could not be sent yet stays, so that the stream of messages stays whole.
    pub async fn flush_watched(&mut self, limits: &Limits) -> Result<(), Interrupt> {
        while !self.output.is_empty() {
            let deadline = limits.deadline;
            let reads = self.input.len() < READ_AHEAD_BYTES;
            tokio::select! {
                biased;
                () = limits.cancel.cancelled() => return Err(Interrupt::Cancelled),
                () = limits.shutdown.cancelled() => return Err(Interrupt::ShutDown),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(Interrupt::TimedOut);
                }
                written = self.writer.write_buf(&mut self.output) => {
                    match written {
                        Ok(count @ 1..) => self.metrics.bytes(count),
                        _ => return Err(Interrupt::ClientGone),
                    }
                }
                read = self.reader.read_buf(&mut self.input), if reads => {
                    if !matches!(read, Ok(1..)) {
                        return Err(Interrupt::ClientGone);
                    }
                }
            }
        }
        Ok(())
    }
}
