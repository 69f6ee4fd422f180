//! Kind full: what a run publishes, and on what base.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::jobs::error::RunError;
use crate::jobs::lease::Held;
use crate::jobs::materialise;
use crate::jobs::state::{PublishedState, RUN_ID_SUMMARY, SOURCES_SUMMARY};

const COUNTS: &str =
    "CREATE MATERIALIZED VIEW c.counts AS SELECT kind, count(*) AS n FROM s.e GROUP BY kind";

#[tokio::test]
async fn a_run_replaces_the_whole_and_names_what_it_read() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "a"), (3, "b")]).await;
    let jobs = world.jobs(&[COUNTS]);
    let first = jobs.once("c.counts").await;
    assert_eq!(first.state, RunState::Succeeded, "{first:?}");
    assert_eq!(first.rows, Some(2));
    assert_eq!(
        world.rows("SELECT * FROM c.counts").await.unwrap(),
        ["a 2", "b 1"]
    );

    let source = world.snapshot("s.e").await.unwrap();
    assert_eq!(first.source_snapshots, format!("{{\"s.e\":{source}}}"));
    let table = world.lake.table(&name("c.counts")).await.unwrap();
    let snapshot = table.metadata().current_snapshot().unwrap();
    let summary = &snapshot.summary().additional_properties;
    assert_eq!(summary[RUN_ID_SUMMARY], first.run_id);
    assert_eq!(summary[SOURCES_SUMMARY], first.source_snapshots);
    assert_eq!(first.target_snapshot, Some(snapshot.snapshot_id()));
    let state = PublishedState::of(&table).unwrap().unwrap();
    assert_eq!(state.sequence_number, snapshot.sequence_number());

    world.add("s.e", &[(4, "c")]).await;
    let second = jobs.once("c.counts").await;
    assert_eq!(second.rows, Some(3));
    assert_eq!(
        world.rows("SELECT * FROM c.counts").await.unwrap(),
        ["a 2", "b 1", "c 1"]
    );
}

#[tokio::test]
async fn nothing_new_is_not_computed_again_unless_the_clock_is_asked() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[
        COUNTS,
        "CREATE MATERIALIZED VIEW c.timed AS SELECT id, now() AS seen FROM s.e",
    ]);
    let first = jobs.once("c.counts").await;
    let second = jobs.once("c.counts").await;
    assert_eq!((second.state, second.rows), (RunState::Succeeded, None));
    assert_eq!(second.target_snapshot, first.target_snapshot);

    let first = jobs.once("c.timed").await;
    let second = jobs.once("c.timed").await;
    assert_eq!(second.rows, Some(1), "{second:?}");
    assert_ne!(second.target_snapshot, first.target_snapshot);

    world.add("c.counts", &[]).await;
    let third = jobs.once("c.counts").await;
    assert_eq!(
        third.rows,
        Some(1),
        "somebody changed the table: it is made anew"
    );
}

#[tokio::test]
async fn a_model_reads_the_latest_snapshot_of_another() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let jobs = world.jobs(&[
        "CREATE MATERIALIZED VIEW c.total AS SELECT sum(n) AS total FROM c.counts",
        COUNTS,
    ]);
    let stop = CancellationToken::new();
    for total in ["2", "3"] {
        let records = jobs.run_all_once(&stop).await.unwrap();
        let order: Vec<&str> = records.iter().map(|record| record.model.as_str()).collect();
        assert_eq!(order, ["c.counts", "c.total"]);
        assert!(
            records.iter().all(|r| r.state == RunState::Succeeded),
            "{records:?}"
        );
        assert_eq!(world.rows("SELECT * FROM c.total").await.unwrap(), [total]);
        world.add("s.e", &[(3, "a")]).await;
    }
}

#[tokio::test]
async fn a_target_changed_between_plan_and_publish_is_not_overwritten() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[COUNTS]);
    jobs.once("c.counts").await;
    world.add("s.e", &[(2, "b")]).await;

    let model = model(COUNTS);
    let held = Held::acquire(&world.lake, &model.name, "x", Duration::from_secs(30)).await;
    let held = held.unwrap().unwrap();
    let ready = materialise::compute(&world.engine, &model, &AtomicUsize::new(0))
        .await
        .unwrap();
    world.replace_counts().await;
    let before = world.snapshot("c.counts").await;
    let refused = materialise::publish(&world.lake, &model, "r", held.lease(), ready).await;
    assert!(
        matches!(refused, Err(RunError::Transient(_))),
        "{refused:?}"
    );
    assert_eq!(world.snapshot("c.counts").await, before);
    held.release().await;

    let record = jobs.once("c.counts").await;
    assert_eq!(record.state, RunState::Succeeded);
    assert_eq!(
        world.rows("SELECT * FROM c.counts").await.unwrap(),
        ["a 1", "b 1"]
    );
}

impl World {
    /// Another engine empties the model's table.
    async fn replace_counts(&self) {
        let change = TableChange::new(name("c.counts"), FileChange::OverwriteAll { add: vec![] });
        let commit = Commit {
            id: self.lake.entropy.uuid(),
            changes: vec![change],
            guards: Vec::new(),
        };
        self.lake.commit(&commit).await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_is_no_models_is_left_alone() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    world.add("c.counts", &[(7, "precious")]).await;
    let record = world.jobs(&[COUNTS]).once("c.counts").await;
    assert_eq!(record.state, RunState::Failed);
    let error = record.error.unwrap();
    assert!(error.contains("not this model's"), "{error}");
    assert_eq!(
        world.rows("SELECT * FROM c.counts").await.unwrap(),
        ["7 precious"]
    );
}

#[tokio::test]
async fn a_new_definition_changes_the_table_in_the_commit_of_its_rows() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    world.jobs(&[COUNTS]).once("c.counts").await;
    let old = world.lake.table(&name("c.counts")).await.unwrap();

    let wider = "CREATE MATERIALIZED VIEW c.counts AS
        SELECT kind, max(id) AS newest, CAST(count(*) AS text) AS n FROM s.e GROUP BY kind";
    let record = world.jobs(&[wider]).once("c.counts").await;
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    assert_eq!(
        world
            .rows("SELECT kind, newest, n FROM c.counts")
            .await
            .unwrap(),
        ["a 1 1", "b 2 1"]
    );
    let new = world.lake.table(&name("c.counts")).await.unwrap();
    assert_eq!(new.metadata().uuid(), old.metadata().uuid());
    let id = |table: &crate::lake::Table, column| {
        table.metadata().current_schema().field_id_by_name(column)
    };
    assert_eq!(id(&new, "kind"), id(&old, "kind"));
    assert_ne!(
        id(&new, "n"),
        id(&old, "n"),
        "text is another column than a number"
    );
    let before = old.metadata().current_snapshot_id().unwrap();
    assert_eq!(
        world
            .rows(&format!(
                "SELECT kind, n FROM c.counts VERSION AS OF {before}"
            ))
            .await
            .unwrap(),
        ["a 1", "b 1"],
        "the old snapshot is as it was"
    );
}

#[tokio::test]
async fn partitions_are_those_of_the_model_and_stay() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b"), (3, "b")]).await;
    let by_kind = "CREATE MATERIALIZED VIEW c.p WITH (partition_by = 'kind, bucket(4, id)') AS SELECT id, kind FROM s.e";
    let record = world.jobs(&[by_kind]).once("c.p").await;
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    assert_eq!(
        world
            .rows("SELECT * FROM c.p WHERE kind = 'b'")
            .await
            .unwrap(),
        ["2 b", "3 b"]
    );
    let other = "CREATE MATERIALIZED VIEW c.p AS SELECT id, kind FROM s.e";
    let error = world.jobs(&[other]).once("c.p").await.error.unwrap();
    assert!(error.contains("keeps its partitioning"), "{error}");
    assert!(
        error.contains("DROP MATERIALIZED VIEW c.p and create it again"),
        "{error}"
    );
    assert_eq!(world.rows("SELECT * FROM c.p").await.unwrap().len(), 3);
    let wrong =
        "CREATE MATERIALIZED VIEW c.q WITH (partition_by = 'day(id)') AS SELECT id FROM s.e";
    let error = world.jobs(&[wrong]).once("c.q").await.error.unwrap();
    assert!(error.contains("does not go with the type long"), "{error}");
}

#[tokio::test]
async fn what_can_not_be_a_table_is_said() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    for (query, part) in [
        ("SELECT count(*) FROM s.e", "AS name"),
        ("SELECT NULL AS x FROM s.e", "CAST it"),
        ("SELECT CAST(kind AS int) AS x FROM s.e", "a"),
        ("SELECT nothing FROM s.e", "nothing"),
        ("SELECT id FROM s.none", "s.none does not exist"),
    ] {
        let statement = format!("CREATE MATERIALIZED VIEW c.x AS {query}");
        let record = world.jobs(&[&statement]).once("c.x").await;
        assert_eq!(record.state, RunState::Failed, "{query}");
        let error = record.error.unwrap();
        assert!(error.contains(part), "{query}: {error}");
        assert!(record.ended_at_ms.is_some());
    }
    assert!(
        world.rows("SELECT * FROM c.x").await.is_err(),
        "nothing was made"
    );
}

/// What a release that gives sums another type finds: the same definition over a table with the
/// old type.
async fn with_the_old_type(world: &World, old: &str, new: &str) {
    world.jobs(&[old]).once("c.t").await;
    let table = world.lake.table(&name("c.t")).await.unwrap();
    let mut state = PublishedState::of(&table).unwrap().unwrap();
    state.definition = crate::jobs::state::definition(&model(new));
    let property = crate::jobs::state::STATE_PROPERTY.to_owned();
    let commit = Commit {
        id: world.lake.entropy.uuid(),
        changes: vec![TableChange {
            set_properties: [(property, state.to_json())].into(),
            ..TableChange::new(name("c.t"), FileChange::Nothing)
        }],
        guards: Vec::new(),
    };
    world.lake.commit(&commit).await.unwrap();
}

#[tokio::test]
async fn a_sum_whose_type_became_wider_replaces_the_column_with_the_rows() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let with = |sum: &str| {
        format!("CREATE MATERIALIZED VIEW c.t AS SELECT kind, {sum} AS n FROM s.e GROUP BY kind")
    };
    let (old, new) = (with("CAST(sum(id) AS bigint)"), with("sum(id)"));
    with_the_old_type(&world, &old, &new).await;
    let jobs = world.jobs(&[&new]);
    let before = world.snapshot("c.t").await.unwrap();
    // With nothing new to read the table stays as it is.
    assert_eq!(jobs.once("c.t").await.rows, None);

    world.add("s.e", &[(i64::MAX, "b")]).await;
    let record = jobs.once("c.t").await;
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    let rows = world.rows("SELECT kind, n FROM c.t").await.unwrap();
    assert_eq!(rows, ["a 1", "b 9223372036854775809"]);
    let older = format!("SELECT kind, n FROM c.t VERSION AS OF {before}");
    assert_eq!(world.rows(&older).await.unwrap(), ["a 1", "b 2"]);
}

#[tokio::test]
async fn rows_that_were_appended_are_not_left_behind_by_a_new_type() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let with = |value: &str| {
        format!(
            "CREATE MATERIALIZED VIEW c.t WITH (kind = 'append') AS SELECT {value} AS v FROM s.e"
        )
    };
    let (old, new) = (with("CAST(id AS text)"), with("id"));
    with_the_old_type(&world, &old, &new).await;
    world.add("s.e", &[(3, "c")]).await;
    let record = world.jobs(&[&new]).once("c.t").await;
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    let rows = world.rows("SELECT v FROM c.t").await.unwrap();
    assert_eq!(rows, ["1", "2", "3"]);
    world.add("s.e", &[(4, "d")]).await;
    assert_eq!(world.jobs(&[&new]).once("c.t").await.rows, Some(1));
    assert_eq!(world.rows("SELECT v FROM c.t").await.unwrap().len(), 4);
}
