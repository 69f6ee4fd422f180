//! A connection that fails on purpose: forwards bytes, and can be cut, stalled, lose answers (of
//! Postgres to a COMMIT, of a REST catalog to a change, of an HTTP server to anything), or answer HTTP
//! requests with an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Forward,
    /// Accepts and keeps connections, moves no byte: a server that hangs.
    Stall,
    /// Closes every connection, old and new: a server that is away.
    Cut,
    /// Once a COMMIT has passed, no byte comes back on that connection.
    LoseCommitReply,
    /// A COMMIT does not pass, and nothing comes back on that connection.
    LoseCommit,
    /// A request passes, and the connection is cut when its answer comes.
    CutReplies,
    /// An HTTP server that answers each request with this status, and does nothing.
    Answer(u16),
    /// A REST catalog's change passes, and the connection is cut when its answer comes.
    LoseChanges,
    /// A REST catalog's change does not pass and is answered with this status; what reads passes.
    RefuseChanges(u16),
}

pub struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    accept: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Stands before the server of `url`; returns the URL through it too.
    pub async fn before(url: &str) -> (Self, String) {
        let parsed = url::Url::parse(url).unwrap();
        let host = parsed.host_str().unwrap().to_owned();
        let port = parsed.port().unwrap_or(5432);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::channel(Mode::Forward).0);
        let modes = Arc::clone(&mode);
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let now = *modes.borrow();
                if let Mode::Answer(status) = now {
                    tokio::spawn(refuse(client, status));
                    continue;
                }
                let Ok(server) = TcpStream::connect((host.as_str(), port)).await else {
                    continue;
                };
                tokio::spawn(forward(client, server, modes.subscribe()));
            }
        });
        let mut through = parsed;
        through.set_host(Some("127.0.0.1")).unwrap();
        through.set_port(Some(address.port())).unwrap();
        let proxy = Self {
            address,
            mode,
            accept,
        };
        (proxy, through.to_string())
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn forward(client: TcpStream, server: TcpStream, mode: watch::Receiver<Mode>) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let lost = Arc::new(watch::channel(false).0);
    let refused = Arc::new(watch::channel(None).0);
    let mut cut = mode.clone();
    let until_cut = async move {
        let ends = |mode: &Mode| matches!(mode, Mode::Cut | Mode::Answer(_));
        let _ = cut.wait_for(ends).await;
    };
    let up = pump(
        client_read,
        Arc::new(Mutex::new(server_write)),
        mode.clone(),
        Arc::clone(&lost),
        Some(&refused),
    );
    let (answer_refused, client_write) = (refused.subscribe(), Arc::new(Mutex::new(client_write)));
    let down = pump(server_read, Arc::clone(&client_write), mode, lost, None);
    let answer = answer_instead(answer_refused, client_write);
    tokio::select! {
        () = until_cut => {}
        // One side's end, or a cut of ours, ends both.
        () = up => {}
        () = down => {}
        () = answer => {}
    }
}

/// Once a request was refused, the client gets that for an answer.
async fn answer_instead(
    mut refused: watch::Receiver<Option<u16>>,
    client: Arc<Mutex<OwnedWriteHalf>>,
) {
    let status = refused
        .wait_for(Option::is_some)
        .await
        .map(|status| *status);
    let Ok(Some(status)) = status else {
        return std::future::pending().await;
    };
    let answer =
        format!("HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut client = client.lock().await;
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.shutdown().await;
    // Closed with bytes of the request unread, the answer itself would be lost.
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// A request that may change a REST catalog, not one for a token.
fn is_change(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let has = |part: &[u8]| line.windows(part.len()).any(|at| at == part);
    (line.starts_with(b"POST ") || line.starts_with(b"DELETE "))
        && [&b"/namespaces"[..], b"/transactions/", b"/tables/"]
            .into_iter()
            .any(has)
}

/// One HTTP request, as far as its headers go, and the answer.
async fn refuse(mut client: TcpStream, status: u16) {
    let mut request = Vec::new();
    let mut bytes = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 64 * 1024 {
        match client.read(&mut bytes).await {
            Ok(n) if n > 0 => request.extend_from_slice(&bytes[..n]),
            _ => return,
        }
    }
    let answer =
        format!("HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = client.write_all(answer.as_bytes()).await;
    // Closed with bytes unread, the answer itself would be lost.
    let drained = async { while client.read(&mut bytes).await.is_ok_and(|n| n > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
}

async fn pump(
    mut from: OwnedReadHalf,
    to: Arc<Mutex<OwnedWriteHalf>>,
    mode: watch::Receiver<Mode>,
    lost: Arc<watch::Sender<bool>>,
    // Only of what comes from the client.
    refuse: Option<&watch::Sender<Option<u16>>>,
) {
    let from_client = refuse.is_some();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(n) = from.read(&mut bytes).await else {
            return;
        };
        if n == 0 {
            return;
        }
        let now = *mode.borrow();
        if let (Some(refuse), Mode::RefuseChanges(status)) = (refuse, now)
            && is_change(&bytes[..n])
        {
            refuse.send_replace(Some(status));
            // The rest of it, until the connection ends.
            while from.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
            return std::future::pending().await;
        }
        if from_client && now == Mode::LoseChanges && is_change(&bytes[..n]) {
            lost.send_replace(true);
        }
        if !from_client && now == Mode::LoseChanges && *lost.borrow() {
            return;
        }
        let is_commit = from_client && bytes[..n].windows(7).any(|word| word == b"COMMIT\0");
        let loses = is_commit && matches!(now, Mode::LoseCommit | Mode::LoseCommitReply);
        if loses {
            lost.send_replace(true);
        }
        let holds_back = now == Mode::Stall
            || (loses && now == Mode::LoseCommit)
            || (!from_client && *lost.borrow());
        if holds_back {
            // Until the test ends or cuts the connection; a hung server comes back with its old
            // bytes only after Stall, which no test here needs.
            tokio::time::sleep(Duration::from_secs(600)).await;
            return;
        }
        if now == Mode::CutReplies && !from_client {
            return;
        }
        if to.lock().await.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
