//! The HTTP side: three routes, no state of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub is_good: bool,
    /// What was seen, for people.
    pub detail: String,
}

/// Who is asked about the process.
#[async_trait]
pub trait Probe: Send + Sync {
    /// The services and whether they run; must answer at once.
    fn services(&self) -> Vec<Check>;

    /// Whether work can be done now: looks at catalog, store, streams, listener and schedules.
    /// Not while the process stops.
    async fn readiness(&self) -> Vec<Check>;
}

/// A readiness that takes longer is an answer too: not ready.
const READY_WAIT: Duration = Duration::from_secs(5);

struct Shared {
    probe: Arc<dyn Probe>,
    metrics: Metrics,
}

/// Answers until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    probe: Arc<dyn Probe>,
    metrics: Metrics,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let shared = Arc::new(Shared { probe, metrics });
    let router = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(figures))
        .with_state(shared);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    answer("health", &shared.probe.services())
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let mut checks = shared.probe.services();
    match tokio::time::timeout(READY_WAIT, shared.probe.readiness()).await {
        Ok(more) => checks.extend(more),
        Err(_) => checks.push(Check {
            name: "readiness".to_owned(),
            is_good: false,
            detail: format!("no answer within {} s", READY_WAIT.as_secs()),
        }),
    }
    answer("ready", &checks)
}

fn answer(question: &str, checks: &[Check]) -> Response {
    let is_good = checks.iter().all(|check| check.is_good);
    let status = if is_good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let checks: Vec<_> = checks
        .iter()
        .map(|check| json!({"name": check.name, "ok": check.is_good, "detail": check.detail}))
        .collect();
    let body = json!({question: is_good, "checks": checks});
    (status, axum::Json(body)).into_response()
}

async fn figures(State(shared): State<Arc<Shared>>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::ops::Figure;

    struct Fake(AtomicBool);

    #[async_trait]
    impl Probe for Fake {
        fn services(&self) -> Vec<Check> {
            vec![Check {
                name: "sink".into(),
                is_good: true,
                detail: "running".into(),
            }]
        }

        async fn readiness(&self) -> Vec<Check> {
            vec![Check {
                name: "catalog".into(),
                is_good: self.0.load(Ordering::Relaxed),
                detail: "asked".into(),
            }]
        }
    }

    async fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn says_what_is_wrong_and_stops_when_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let probe = Arc::new(Fake(AtomicBool::new(false)));
        let metrics = Metrics::new(vec![Arc::new(|| {
            vec![Figure::gauge("lake_tables", "Tables", 3.0)]
        })]);
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, probe.clone(), metrics, stop.clone()));

        assert!(get(port, "/health").await.starts_with("HTTP/1.1 200"));
        let not_ready = get(port, "/ready").await;
        assert!(not_ready.starts_with("HTTP/1.1 503"), "{not_ready}");
        assert!(not_ready.contains("\"catalog\""), "{not_ready}");
        probe.0.store(true, Ordering::Relaxed);
        assert!(get(port, "/ready").await.starts_with("HTTP/1.1 200"));
        assert!(get(port, "/metrics").await.contains("frazil_lake_tables 3"));

        stop.cancel();
        server.await.unwrap().unwrap();
    }
}
