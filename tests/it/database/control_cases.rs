//! What every control store promises.

use std::sync::Arc;
use std::time::Duration;

use frazil::lake::ErrorKind;
use frazil::lake::control::{FilledTable, RunRecord, RunState, StoredModel, StreamStatus};

use super::backend::Backend;

const LONG_MS: i64 = 600_000;
const LAPSE: Duration = Duration::from_millis(50);

pub async fn a_lease_is_one_holders(backend: Backend) {
    let control = &*backend.control;
    let mine = control.acquire("l", "me", LONG_MS).await.unwrap().unwrap();
    assert_eq!(
        (mine.name.as_str(), mine.holder.as_str(), mine.generation),
        ("l", "me", 1)
    );
    assert_eq!(control.acquire("l", "you", LONG_MS).await.unwrap(), None);
    let other = control.acquire("m", "you", LONG_MS).await.unwrap();
    assert_eq!(other.unwrap().generation, 1, "another lease is apart");
    assert!(control.renew(&mine, LONG_MS).await.unwrap());
    assert_eq!(control.acquire("l", "you", LONG_MS).await.unwrap(), None);
}

pub async fn a_holder_that_asks_again_keeps_its_generation(backend: Backend) {
    let control = &*backend.control;
    let first = control.acquire("l", "me", LONG_MS).await.unwrap().unwrap();
    let again = control
        .acquire("l", "me", 2 * LONG_MS)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.generation, first.generation);
    assert!(again.expires_at_ms >= first.expires_at_ms + LONG_MS);
    assert!(control.renew(&first, LONG_MS).await.unwrap());
}

pub async fn a_lapse_raises_the_generation(backend: Backend) {
    let control = &*backend.control;
    let first = control.acquire("l", "me", 1).await.unwrap().unwrap();
    backend.pass(LAPSE).await;
    let second = control.acquire("l", "you", 1).await.unwrap().unwrap();
    assert_eq!(second.generation, first.generation + 1);
    assert!(!control.renew(&first, LONG_MS).await.unwrap());
    backend.pass(LAPSE).await;
    // One's own lapse too: who was there between is not known.
    let third = control.acquire("l", "you", LONG_MS).await.unwrap().unwrap();
    assert_eq!(third.generation, second.generation + 1);
    assert!(!control.renew(&second, LONG_MS).await.unwrap());
    assert!(control.renew(&third, LONG_MS).await.unwrap());
}

pub async fn a_lapsed_holder_may_renew_until_displaced(backend: Backend) {
    let control = &*backend.control;
    let lease = control.acquire("l", "me", 1).await.unwrap().unwrap();
    backend.pass(LAPSE).await;
    assert!(control.renew(&lease, LONG_MS).await.unwrap());
    assert_eq!(control.acquire("l", "you", LONG_MS).await.unwrap(), None);
}

pub async fn a_release_frees_at_once_and_only_ones_own(backend: Backend) {
    let control = &*backend.control;
    let first = control.acquire("l", "me", LONG_MS).await.unwrap().unwrap();
    control.release(&first).await.unwrap();
    assert!(!control.renew(&first, LONG_MS).await.unwrap());
    let second = control.acquire("l", "you", LONG_MS).await.unwrap().unwrap();
    assert_eq!(second.generation, first.generation + 1);
    // The old holder's late release takes nothing from the new one.
    control.release(&first).await.unwrap();
    assert_eq!(control.acquire("l", "me", LONG_MS).await.unwrap(), None);
    control.release(&second).await.unwrap();
    let third = control.acquire("l", "you", LONG_MS).await.unwrap().unwrap();
    assert_eq!(third.generation, second.generation + 1);
}

pub async fn eight_racing_holders_have_one_winner(backend: Backend) {
    for round in 0..5 {
        let name = format!("l{round}");
        let asks: Vec<_> = (0..8)
            .map(|holder| {
                let (control, name) = (Arc::clone(&backend.control), name.clone());
                tokio::spawn(async move {
                    control
                        .acquire(&name, &format!("h{holder}"), LONG_MS)
                        .await
                        .unwrap()
                })
            })
            .collect();
        let mut granted = Vec::new();
        for ask in asks {
            granted.extend(ask.await.unwrap());
        }
        assert_eq!(granted.len(), 1, "{granted:?}");
        assert_eq!(granted[0].generation, 1);
    }
}

pub async fn a_lease_without_sense_is_refused(backend: Backend) {
    for (name, holder, ttl_ms) in [("", "me", 1), ("l", "", 1), ("l", "me", 0), ("l", "me", -1)] {
        let error = backend
            .control
            .acquire(name, holder, ttl_ms)
            .await
            .expect_err("no sense");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

fn run(id: &str, model: &str, state: RunState, started_at_ms: i64) -> RunRecord {
    RunRecord {
        run_id: id.to_owned(),
        model: model.to_owned(),
        state,
        scheduled_at_ms: None,
        started_at_ms,
        ended_at_ms: None,
        source_snapshots: "{}".to_owned(),
        target_snapshot: None,
        rows: None,
        error: None,
        holder: "me".to_owned(),
    }
}

async fn run_ids(backend: &Backend, model: Option<&str>, limit: usize) -> Vec<String> {
    let runs = backend.control.runs(model, limit).await.unwrap();
    runs.into_iter().map(|run| run.run_id).collect()
}

pub async fn runs_are_replaced_filtered_and_newest_first(backend: Backend) {
    let control = &*backend.control;
    for run in [
        run("a", "c.x", RunState::Running, 10),
        run("b", "c.y", RunState::Failed, 30),
        run("c", "c.x", RunState::Succeeded, 20),
        run("B", "c.x", RunState::Abandoned, 20),
    ] {
        control.put_run(&run).await.unwrap();
    }
    assert_eq!(run_ids(&backend, None, 10).await, ["b", "c", "B", "a"]);
    assert_eq!(run_ids(&backend, None, 2).await, ["b", "c"]);
    assert_eq!(run_ids(&backend, Some("c.x"), 10).await, ["c", "B", "a"]);
    assert!(run_ids(&backend, Some("c.z"), 10).await.is_empty());
    let ended = RunRecord {
        scheduled_at_ms: Some(9),
        ended_at_ms: Some(12),
        source_snapshots: r#"{"shop.events":9223372036854775807}"#.to_owned(),
        target_snapshot: Some(i64::MAX),
        rows: Some(7),
        error: Some("it's \"over\"".to_owned()),
        ..run("a", "c.x", RunState::Failed, 10)
    };
    control.put_run(&ended).await.unwrap();
    let runs = control.runs(None, usize::MAX).await.unwrap();
    assert_eq!(runs.len(), 4);
    assert_eq!(runs[3], ended);
    assert_eq!(runs[2], run("B", "c.x", RunState::Abandoned, 20));
}

pub async fn old_runs_are_forgotten_and_running_ones_never(backend: Backend) {
    let control = &*backend.control;
    for started in 0..5 {
        let (x, y) = (format!("x{started}"), format!("y{started}"));
        let at_ms = 100 + started;
        control
            .put_run(&run(&x, "c.x", RunState::Succeeded, at_ms))
            .await
            .unwrap();
        control
            .put_run(&run(&y, "c.y", RunState::Failed, at_ms))
            .await
            .unwrap();
    }
    control
        .put_run(&run("x-old", "c.x", RunState::Running, 1))
        .await
        .unwrap();
    control.prune_runs(2).await.unwrap();
    assert_eq!(
        run_ids(&backend, Some("c.x"), 10).await,
        ["x4", "x3", "x-old"]
    );
    assert_eq!(run_ids(&backend, Some("c.y"), 10).await, ["y4", "y3"]);
    control.prune_runs(usize::MAX).await.unwrap();
    assert_eq!(run_ids(&backend, None, 10).await.len(), 5);
}

pub async fn models_are_replaced_and_dropped(backend: Backend) {
    let control = &*backend.control;
    let model = |name: &str, changed_at_ms| StoredModel {
        name: name.to_owned(),
        statement: format!("CREATE MATERIALIZED VIEW {name} AS SELECT 1"),
        owner: "me".to_owned(),
        changed_at_ms,
    };
    for model in [model("c.y", 1), model("c.X", 2), model("c.y", 3)] {
        control.put_model(&model).await.unwrap();
    }
    assert_eq!(
        control.models().await.unwrap(),
        [model("c.X", 2), model("c.y", 3)]
    );
    assert!(control.drop_model("c.y").await.unwrap());
    assert!(!control.drop_model("c.y").await.unwrap());
    assert_eq!(control.models().await.unwrap(), [model("c.X", 2)]);
}

fn status(stream: &str, topic_id: &str, partition: i32, committed_offset: i64) -> StreamStatus {
    StreamStatus {
        stream: stream.to_owned(),
        topic: "shop-events".to_owned(),
        topic_id: topic_id.to_owned(),
        partition,
        committed_offset,
        low_watermark: 0,
        high_watermark: i64::MAX,
        holder: "me".to_owned(),
        state: "running".to_owned(),
        message: None,
        seen_at_ms: 5,
    }
}

pub async fn stream_status_is_replaced_by_partition(backend: Backend) {
    let control = &*backend.control;
    control.put_stream_status(&[]).await.unwrap();
    assert_eq!(control.stream_status().await.unwrap(), []);
    let first = [
        status("shop", "t", 10, 1),
        status("shop", "t", 2, 1),
        status("shop", "s", 2, 1),
        status("a", "t", 2, 1),
    ];
    control.put_stream_status(&first).await.unwrap();
    let mut later = status("shop", "t", 2, 7);
    later.message = Some("the topic was made again".to_owned());
    control
        .put_stream_status(std::slice::from_ref(&later))
        .await
        .unwrap();
    assert_eq!(
        control.stream_status().await.unwrap(),
        [
            status("a", "t", 2, 1),
            status("shop", "s", 2, 1),
            later,
            status("shop", "t", 10, 1),
        ]
    );
}

pub async fn filled_tables_are_replaced_and_forgotten(backend: Backend) {
    let control = &*backend.control;
    let filled = |table: &str, uuid: &str| FilledTable {
        table: table.to_owned(),
        uuid: uuid.to_owned(),
        stream: "shop".to_owned(),
        since_ms: 5,
    };
    assert_eq!(control.filled_table("shop.events").await.unwrap(), None);
    for table in [
        filled("shop.events", "a"),
        filled("shop.other", "b"),
        filled("shop.events", "c"),
    ] {
        control.put_filled_table(&table).await.unwrap();
    }
    let found = control.filled_table("shop.events").await.unwrap();
    assert_eq!(found, Some(filled("shop.events", "c")));
    for _ in 0..2 {
        control.forget_filled_table("shop.events").await.unwrap();
    }
    assert_eq!(control.filled_table("shop.events").await.unwrap(), None);
    let other = control.filled_table("shop.other").await.unwrap();
    assert_eq!(other, Some(filled("shop.other", "b")));
}

pub async fn any_text_survives(backend: Backend) {
    let mut record = run("a", "c.x", RunState::Failed, 1);
    record.error = Some("ü 🦀 ' \" \\ $1 ? \n".to_owned());
    backend.control.put_run(&record).await.unwrap();
    assert_eq!(backend.control.runs(None, 1).await.unwrap(), [record]);
    // Postgres has no NUL in a text: it may be replaced, the run must not get lost.
    let mut record = run("b", "c.x", RunState::Failed, 2);
    record.error = Some("bad byte \0 at 3".to_owned());
    backend.control.put_run(&record).await.unwrap();
    let stored = backend.control.runs(None, 1).await.unwrap();
    let text = stored[0].error.as_deref().unwrap();
    assert!(
        text.starts_with("bad byte ") && text.ends_with(" at 3"),
        "{text:?}"
    );
}
