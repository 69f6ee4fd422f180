//! What `/health` and `/ready` are answered from: looks, never guesses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::Shared;
use super::roles::{Role, Roles};
use super::supervisor::{Roster, ServiceState};
use crate::jobs::Jobs;
use crate::lake::control::StreamStatus;
use crate::ops::{Check, Probe};

/// A stream's status that is older says nothing about now.
const FRESH_MS: i64 = 60_000;

/// Models are looked at each second; whoever hasn't for so long is stuck, or the store is away.
const LOOKED: Duration = Duration::from_secs(30);

/// For the wire to answer a client on the same machine.
const WIRE_WAIT: Duration = Duration::from_secs(2);

pub(super) struct ProcessProbe {
    pub shared: Shared,
    pub roster: Roster,
    pub roles: Roles,
    /// Where the wire listens, where it is served.
    pub wire: Option<SocketAddr>,
    /// Who runs models, where they are run.
    pub jobs: Option<Arc<Jobs>>,
}

impl ProcessProbe {
    async fn catalog(&self) -> Check {
        let listed = self.shared.lake.catalog.namespaces().await;
        check("catalog", listed.map(|_| "answers".to_owned()))
    }

    async fn store(&self) -> Check {
        let place = format!("{}/.ready", self.shared.lake.warehouse);
        let asked = self.shared.lake.store.exists(&place).await;
        check("store", asked.map(|_| "answers".to_owned()))
    }

    async fn streams(&self) -> Vec<Check> {
        let lines = match self.shared.lake.control.stream_status().await {
            Ok(lines) => lines,
            Err(error) => return vec![check("streams", Err(error))],
        };
        let now_ms = self.shared.lake.clock.now_ms();
        let names = self.shared.declared.streams.iter().map(|s| &s.name);
        names.map(|name| stream(name, &lines, now_ms)).collect()
    }
}

#[async_trait]
impl Probe for ProcessProbe {
    fn services(&self) -> Vec<Check> {
        let services = self.roster.list();
        services
            .into_iter()
            .map(|(name, state)| Check {
                name,
                is_good: state != ServiceState::Failed,
                detail: state.as_str().to_owned(),
            })
            .collect()
    }

    async fn readiness(&self) -> Vec<Check> {
        if let Some(waits) = self.roster.drain() {
            // Whoever sends work here must stop at once; the rest is of no interest any more.
            return vec![stopping(&waits)];
        }
        let mut checks = vec![self.catalog().await, self.store().await];
        if self.roles.has(Role::Sink) {
            checks.extend(self.streams().await);
        }
        if let Some(address) = self.wire {
            checks.push(listener(address).await);
        }
        if let Some(jobs) = &self.jobs {
            checks.push(looked(jobs.last_look(), self.shared.lake.clock.elapsed()));
        }
        checks
    }
}

fn stopping(waits: &str) -> Check {
    Check {
        name: "process".to_owned(),
        is_good: false,
        detail: format!("stops, {waits}"),
    }
}

/// Whether the wire takes a client and answers it: its first question is whether the wire
/// encrypts, and needs no login.
async fn listener(address: SocketAddr) -> Check {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let asked = async {
        let mut socket = TcpStream::connect(reachable(address)).await?;
        socket.write_all(&SSL_REQUEST).await?;
        socket.read_u8().await
    };
    let detail = match tokio::time::timeout(WIRE_WAIT, asked).await {
        Ok(Ok(_)) => Ok("answers".to_owned()),
        Ok(Err(error)) => Err(format!("{address} can't be reached: {error}")),
        Err(_) => Err(format!("{address} did not answer within {WIRE_WAIT:?}")),
    };
    Check {
        name: "listener".to_owned(),
        is_good: detail.is_ok(),
        detail: detail.unwrap_or_else(|error| error),
    }
}

/// An address to connect to for one that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether models are scheduled: `last` is when they were looked at last.
fn looked(last: Option<Duration>, now: Duration) -> Check {
    let ago = last.map(|last| now.saturating_sub(last));
    Check {
        name: "schedules".to_owned(),
        is_good: ago.is_some_and(|ago| ago < LOOKED),
        detail: match ago {
            Some(ago) => format!("looked at {} s ago", ago.as_secs()),
            None => "not looked at yet".to_owned(),
        },
    }
}

/// A stream is ready when somebody reads it: a process of a group may well have no partition.
fn stream(name: &str, lines: &[StreamStatus], now_ms: i64) -> Check {
    let fresh: Vec<&StreamStatus> = lines
        .iter()
        .filter(|line| line.stream == name && now_ms - line.seen_at_ms < FRESH_MS)
        .collect();
    let is_good = fresh
        .iter()
        .any(|line| matches!(line.state.as_str(), "reading" | "at_risk"));
    let newest = fresh.iter().max_by_key(|line| line.seen_at_ms);
    Check {
        name: format!("stream {name}"),
        is_good,
        detail: match newest {
            Some(line) => match &line.message {
                Some(message) => format!("{}: {message}", line.state),
                None => line.state.clone(),
            },
            None => "no partition is assigned yet".to_owned(),
        },
    }
}

fn check(name: &str, result: crate::lake::Result<String>) -> Check {
    Check {
        name: name.to_owned(),
        is_good: result.is_ok(),
        detail: result.unwrap_or_else(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: &str, seen_at_ms: i64) -> StreamStatus {
        StreamStatus {
            stream: "shop".into(),
            topic: "t".into(),
            topic_id: "i".into(),
            partition: 0,
            committed_offset: 0,
            low_watermark: 0,
            high_watermark: 0,
            holder: "h".into(),
            state: state.into(),
            message: None,
            seen_at_ms,
        }
    }

    #[test]
    fn a_stream_is_ready_when_it_is_read_now() {
        let now_ms = 1_000_000;
        assert!(stream("shop", &[line("reading", now_ms)], now_ms).is_good);
        assert!(!stream("shop", &[line("reading", now_ms - FRESH_MS)], now_ms).is_good);
        assert!(!stream("shop", &[line("stopped", now_ms)], now_ms).is_good);
        assert!(!stream("shop", &[], now_ms).is_good);
        assert!(!stream("other", &[line("reading", now_ms)], now_ms).is_good);
    }

    #[test]
    fn models_that_nobody_looks_at_are_not_ready() {
        let now = Duration::from_secs(100);
        assert!(!looked(None, now).is_good);
        assert!(looked(Some(now - LOOKED / 2), now).is_good);
        assert!(!looked(Some(now - LOOKED), now).is_good);
    }

    #[tokio::test]
    async fn a_listener_must_answer_and_not_only_be_there() {
        let server = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let answer = tokio::spawn(async move {
            let (mut socket, _) = server.accept().await.unwrap();
            let mut request = [0; 8];
            socket.read_exact(&mut request).await.unwrap();
            socket.write_all(b"N").await.unwrap();
            // The next one is accepted and left without an answer.
            let (socket, _) = server.accept().await.unwrap();
            drop(socket);
        });
        assert!(listener(address).await.is_good);
        let left = listener(address).await;
        assert!(!left.is_good, "{left:?}");
        answer.await.unwrap();
        let gone = listener(address).await;
        assert!(
            !gone.is_good && gone.detail.contains("can't be reached"),
            "{gone:?}"
        );
    }
}
