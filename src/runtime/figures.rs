//! The rooms' counters under their names in `/metrics`.

use std::sync::Arc;

use super::process::Shared;
use super::samples::Samples;
use super::supervisor::{Roster, ServiceState};
use crate::ops::{Figure, FigureSource};
use crate::query::QueryFigures;
use crate::sink::SinkMetrics;
use crate::upkeep::Totals;
use crate::wire::WireFigures;

/// All figures of a process.
pub(super) fn sources(shared: &Shared, roster: Roster, samples: &Samples) -> Vec<FigureSource> {
    let started = shared.lake.clock.elapsed();
    let clock = Arc::clone(&shared.lake.clock);
    let process: FigureSource = Arc::new(move || {
        let uptime = clock.elapsed().saturating_sub(started);
        let mut figures = vec![Figure::gauge(
            "runtime_uptime_seconds",
            "Since the process started",
            uptime.as_secs_f64(),
        )];
        figures.extend(roster.list().into_iter().map(|(name, state)| {
            let up = f64::from(u8::from(state == ServiceState::Running));
            Figure::gauge("runtime_service_up", "1 while the service runs", up)
                .label("service", name)
        }));
        figures
    });
    let streams: Vec<(String, Arc<SinkMetrics>)> = shared
        .declared
        .streams
        .iter()
        .zip(shared.sinks.iter())
        .map(|(stream, metrics)| (stream.name.clone(), Arc::clone(metrics)))
        .collect();
    let sinks: FigureSource = Arc::new(move || {
        streams
            .iter()
            .flat_map(|(stream, metrics)| sink(stream, metrics))
            .collect()
    });
    let totals = Arc::clone(&shared.upkeep);
    let clock = Arc::clone(&shared.lake.clock);
    let upkeep: FigureSource = Arc::new(move || {
        let mut figures = upkeep(&totals);
        figures.extend(totals.current().map(|current| {
            let seconds = clock.elapsed().saturating_sub(current.since).as_secs_f64();
            let help = "How long the table's upkeep has been under way, while it is";
            Figure::gauge("upkeep_running_seconds", help, seconds)
                .label("table", current.table.to_string())
        }));
        figures
    });
    let engine = Arc::clone(&shared.engine);
    let queries: FigureSource = Arc::new(move || queries(engine.figures()));
    let wire = Arc::clone(&shared.wire);
    let wire: FigureSource = Arc::new(move || wires(wire.figures()));
    vec![process, sinks, upkeep, queries, wire, samples.source()]
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn queries(figures: QueryFigures) -> Vec<Figure> {
    vec![
        Figure::counter("query_started", "Queries started", figures.started as f64),
        Figure::gauge(
            "query_running",
            "Queries that run now",
            figures.running as f64,
        ),
        Figure::gauge(
            "query_memory_bytes",
            "What the running queries hold in memory",
            figures.memory_bytes as f64,
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn wires(figures: WireFigures) -> Vec<Figure> {
    let mut all = vec![
        Figure::gauge(
            "wire_connections",
            "Clients that are logged in",
            figures.connections as f64,
        ),
        Figure::counter("wire_sessions", "Logins", figures.sessions as f64),
        Figure::counter(
            "wire_rows_sent",
            "Rows sent to clients",
            figures.rows as f64,
        ),
        Figure::counter(
            "wire_bytes_sent",
            "Bytes sent to clients",
            figures.bytes as f64,
        ),
        Figure::histogram(
            "wire_statement_seconds",
            "Time that statements took, rows sent included",
            figures.durations,
            figures.duration_seconds,
        ),
    ];
    all.extend(figures.refused.into_iter().map(|(sqlstate, count)| {
        let help = "Clients that were not let in, by SQLSTATE: 28P01 is a wrong password";
        Figure::counter("wire_sessions_refused", help, count as f64).label("sqlstate", sqlstate)
    }));
    all.extend(
        figures
            .statements
            .into_iter()
            .map(|((kind, class), count)| {
                let help = "Statements ended, by kind and class of SQLSTATE: 00 is success";
                Figure::counter("wire_statements", help, count as f64)
                    .label("kind", kind)
                    .label("class", class)
            }),
    );
    all
}

/// Counters stay exact up to 2^53, which is enough for any process's life.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn upkeep(totals: &Totals) -> Vec<Figure> {
    let counters: [(&'static str, &'static str, u64); 4] = [
        ("upkeep_passes", "Passes over a table", totals.passes()),
        (
            "upkeep_snapshots_expired",
            "Snapshots thinned or expired",
            totals.snapshots_expired(),
        ),
        (
            "upkeep_files_deleted",
            "Files deleted that nothing reached",
            totals.files_deleted(),
        ),
        (
            "upkeep_failures",
            "Tables whose upkeep failed",
            totals.failures(),
        ),
    ];
    let figure = |(name, help, value)| Figure::counter(name, help, value as f64);
    counters.into_iter().map(figure).collect()
}

/// Counters stay exact up to 2^53, which is enough for any process's life.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn sink(stream: &str, m: &SinkMetrics) -> Vec<Figure> {
    let counters: [(&'static str, &'static str, u64); 10] = [
        (
            "sink_records_read",
            "Records read, again after a discarded batch too",
            m.records_read(),
        ),
        (
            "sink_bytes_read",
            "Payload and key bytes read",
            m.bytes_read(),
        ),
        (
            "sink_rows_committed",
            "Rows made visible in the event table",
            m.rows_committed(),
        ),
        (
            "sink_dead_letters_committed",
            "Rows made visible in the dead letters",
            m.dead_letters_committed(),
        ),
        ("sink_commits", "Commits that took place", m.commits()),
        (
            "sink_commit_failures",
            "Attempts at a commit that did not take place",
            m.commit_failures(),
        ),
        (
            "sink_unknown_outcomes",
            "Commits whose outcome had to be looked up",
            m.unknown_outcomes(),
        ),
        (
            "sink_batches_fenced",
            "Batches dropped because another writer was first",
            m.fenced(),
        ),
        (
            "sink_batches_discarded",
            "Batches dropped and read again",
            m.batches_discarded(),
        ),
        (
            "sink_records_lost",
            "Offsets that the source no longer had",
            m.records_lost(),
        ),
    ];
    let mut figures: Vec<Figure> = counters
        .into_iter()
        .map(|(name, help, value)| Figure::counter(name, help, value as f64))
        .collect();
    figures.push(Figure::counter(
        "sink_commit_seconds",
        "Time spent in commits, files included",
        m.commit_seconds(),
    ));
    figures.push(Figure::gauge(
        "sink_lag_records",
        "Offsets between what is committed and the ends of the partitions held",
        m.lag_records() as f64,
    ));
    figures.push(Figure::gauge(
        "sink_partitions_at_risk",
        "Partitions about to lose unread records to retention",
        m.partitions_at_risk() as f64,
    ));
    figures
        .into_iter()
        .map(|figure| figure.label("stream", stream))
        .collect()
}
