//! What `/health` and `/ready` are answered from: looks, never guesses.

use async_trait::async_trait;

use super::process::Shared;
use super::roles::{Role, Roles};
use super::supervisor::{Roster, ServiceState};
use crate::lake::control::StreamStatus;
use crate::ops::{Check, Probe};

/// A stream's status that is older says nothing about now.
const FRESH_MS: i64 = 60_000;

pub(super) struct ProcessProbe {
    shared: Shared,
    roster: Roster,
    roles: Roles,
}

impl ProcessProbe {
    pub(super) fn new(shared: Shared, roster: Roster, roles: Roles) -> Self {
        Self {
            shared,
            roster,
            roles,
        }
    }

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
        let mut checks = vec![self.catalog().await, self.store().await];
        if self.roles.has(Role::Sink) {
            checks.extend(self.streams().await);
        }
        checks
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
}
