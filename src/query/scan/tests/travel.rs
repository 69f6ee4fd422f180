//! Time travel, pins and metadata tables.

use iceberg::spec::{Literal, Transform};

use super::deletes::delete_positions_of;
use super::fixture::{FIRST_MS, Fixture};
use super::schema;
use crate::query::tests::{failure, lines};
use crate::query::{Pin, QueryErrorKind};

/// Three snapshots, 1001 to 1003, each with one more row; a minute apart.
async fn table() -> Fixture {
    let fixture = Fixture::new(schema(), &[]).await;
    for id in 1..=3 {
        let file = fixture.file(&format!(r#"{{"id":{id}}}"#), &[]).await;
        fixture.append(vec![file]).await;
    }
    fixture
}

fn time(number: i64, plus_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(FIRST_MS + number * 60_000 + plus_ms);
    at.expect("valid")
        .format("%Y-%m-%d %H:%M:%S%.3f")
        .to_string()
}

#[tokio::test]
async fn by_id_time_tag_and_branch() {
    let fixture = table().await;
    fixture.set_ref("audited", 1001, false).await;
    fixture.set_ref("side", 1002, true).await;
    let session = &fixture.session;
    let (second, before_third) = (time(2, 0), time(3, -1));
    for (version, rows) in [
        ("VERSION AS OF 1001".to_owned(), 1),
        ("VERSION AS OF 1003".to_owned(), 3),
        (format!("FOR SYSTEM_TIME AS OF '{second}'"), 2),
        (
            format!("FOR SYSTEM_TIME AS OF TIMESTAMP '{before_third}'"),
            2,
        ),
        (
            format!("FOR SYSTEM_TIME AS OF '{second}+00'::timestamptz"),
            2,
        ),
        (format!("TIMESTAMP AS OF '{second}'"), 2),
        ("FOR SYSTEM_TIME AS OF now()".to_owned(), 3),
        ("AT(TAG => 'audited')".to_owned(), 1),
        ("AT(BRANCH => 'side')".to_owned(), 2),
        ("AT(VERSION => 1002)".to_owned(), 2),
    ] {
        let text = format!("SELECT count(*) FROM shop.events {version} e");
        assert_eq!(lines(session, &text).await, [rows.to_string()], "{version}");
    }
    assert_eq!(
        lines(
            session,
            "SELECT count(*) FROM shop.events VERSION AS OF 1001 a, shop.events b"
        )
        .await,
        ["3"]
    );
}

#[tokio::test]
async fn a_time_without_a_zone_is_one_of_the_sessions() {
    let fixture = table().await;
    let session = &fixture.session;
    session.set_time_zone("Europe/Berlin").expect("known");
    // Berlin's clock is an hour ahead of UTC in November: the same digits are an hour earlier.
    let error = failure(
        session,
        &format!(
            "SELECT * FROM shop.events FOR SYSTEM_TIME AS OF '{}'",
            time(2, 0)
        ),
    )
    .await;
    assert_eq!(error.kind, QueryErrorKind::UndefinedObject, "{error:?}");
}

#[tokio::test]
async fn no_versioned_reference_falls_through_to_today() {
    let fixture = table().await;
    let session = &fixture.session;
    for (text, kind) in [
        (
            "SELECT * FROM shop.events VERSION AS OF 9",
            QueryErrorKind::UndefinedObject,
        ),
        (
            "SELECT * FROM shop.events AT(TAG => 'none')",
            QueryErrorKind::UndefinedObject,
        ),
        (
            "SELECT * FROM shop.events FOR SYSTEM_TIME AS OF '1999-01-01'",
            QueryErrorKind::UndefinedObject,
        ),
        (
            "SELECT * FROM shop.none VERSION AS OF 1001",
            QueryErrorKind::UndefinedTable,
        ),
        (
            "WITH e AS (SELECT * FROM shop.events) SELECT * FROM e VERSION AS OF 1001",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r VERSION AS OF 1 WHERE n < 3) SELECT * FROM r",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM generate_series(1, 2) VERSION AS OF 1",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM system.queries VERSION AS OF 1",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM information_schema.tables VERSION AS OF 1",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM shop.events$files VERSION AS OF 1001",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM shop.events BEFORE(TIMESTAMP => '2026-01-01')",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM shop.events AT(OFFSET => 5)",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM shop.events CHANGES(INFORMATION => DEFAULT) AT(VERSION => 1001)",
            QueryErrorKind::FeatureNotSupported,
        ),
        (
            "SELECT * FROM shop.events FOR SYSTEM_TIME AS OF $1",
            QueryErrorKind::FeatureNotSupported,
        ),
    ] {
        let error = failure(session, text).await;
        assert!(
            error.kind == kind || error.kind == QueryErrorKind::Syntax,
            "{text}: {error:?}"
        );
    }
    for text in [
        "WITH e AS (SELECT * FROM shop.events VERSION AS OF 1001) SELECT count(*) FROM e",
        "SELECT count(*) FROM (SELECT * FROM shop.events VERSION AS OF 1001) e",
        "SELECT (SELECT count(*) FROM shop.events VERSION AS OF 1001)",
        "SELECT count(*) FROM shop.events WHERE id IN (SELECT id FROM shop.events VERSION AS OF 1001)",
    ] {
        assert_eq!(lines(session, text).await, ["1"], "{text}");
    }
    let plan = lines(
        session,
        "EXPLAIN SELECT * FROM shop.events VERSION AS OF 1001",
    )
    .await;
    assert_eq!(plan.join(" ").matches(".parquet").count(), 1, "{plan:?}");
}

#[tokio::test]
async fn a_pin_holds_for_the_session_and_no_other() {
    let fixture = table().await;
    let session = &fixture.session;
    let other = crate::query::tests::session(session.engine());
    let count = "SELECT count(*) FROM shop.events";
    session.pin(fixture.name.clone(), Some(1002));
    assert_eq!(lines(session, count).await, ["2"]);
    assert_eq!(lines(&other, count).await, ["3"]);
    let explicit = "SELECT count(*) FROM shop.events VERSION AS OF 1001";
    assert_eq!(lines(session, explicit).await, ["1"]);
    session.pin(fixture.name.clone(), None);
    assert_eq!(lines(session, count).await, ["0"]);
    session.pin_to(
        fixture.name.clone(),
        Pin {
            snapshot_id: Some(1003),
            after_sequence_number: Some(1),
        },
    );
    assert_eq!(
        lines(session, "SELECT id FROM shop.events ORDER BY id").await,
        ["2", "3"]
    );
    session.pin(fixture.name.clone(), Some(7));
    let error = failure(session, count).await;
    assert_eq!(error.kind, QueryErrorKind::UndefinedObject);
}

#[tokio::test]
async fn metadata_tables_tell_of_snapshots_files_and_manifests() {
    let fixture = table().await;
    let session = &fixture.session;
    for name in ["shop.events$snapshots", "shop.\"events$snapshots\""] {
        assert_eq!(
            lines(
                session,
                &format!("SELECT snapshot_id, parent_id, operation FROM {name} ORDER BY 1")
            )
            .await,
            ["1001,,append", "1002,1001,append", "1003,1002,append"]
        );
    }
    assert_eq!(
        lines(
            session,
            "SELECT count(*), sum(record_count), min(sequence_number), max(snapshot_id) \
             FROM shop.events$files WHERE content = 'data'"
        )
        .await,
        ["3,3,1,1003"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT count(*), sum(added_rows_count) FROM shop.events$manifests"
        )
        .await,
        ["3,3"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT snapshot_id, is_current_ancestor FROM shop.events$history ORDER BY 1"
        )
        .await,
        ["1001,true", "1002,true", "1003,true"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT record_count, file_count FROM shop.events$partitions"
        )
        .await,
        ["3,3"]
    );
    let error = failure(session, "SELECT * FROM shop.events$nothing").await;
    assert_eq!(error.kind, QueryErrorKind::UndefinedTable);
}

/// Partitions of two specs, delete files, what a rollback leaves behind.
#[tokio::test]
async fn metadata_tables_tell_of_partitions_deletes_and_a_rollback() {
    let fixture = Fixture::new(schema(), &[]).await;
    let file = fixture.file(r#"{"id":1}"#, &[]).await;
    fixture.append(vec![file]).await;
    fixture.set_spec(&[(3, "note", Transform::Identity)]).await;
    let note = |text: &str| [Some(Literal::string(text))];
    let first = fixture
        .file(
            "{\"id\":2,\"note\":\"a\"}\n{\"id\":3,\"note\":\"a\"}",
            &note("a"),
        )
        .await;
    let second = fixture.file(r#"{"id":4,"note":"b"}"#, &note("b")).await;
    fixture.append(vec![first.clone(), second]).await;
    delete_positions_of(&fixture, first.file_path(), vec![0], &note("a")).await;
    let session = &fixture.session;
    let partitions = "SELECT partition, spec_id, record_count, file_count, delete_file_count \
                      FROM shop.events$partitions ORDER BY 1, 2";
    assert_eq!(
        lines(session, partitions).await,
        [",0,1,1,0", "note=a,1,2,1,1", "note=b,1,1,1,0"]
    );
    let files = "SELECT content, file_format, spec_id, partition, record_count, snapshot_id \
                 FROM shop.events$files ORDER BY 3, 4, 1";
    assert_eq!(
        lines(session, files).await,
        [
            "data,parquet,0,,1,1001",
            "data,parquet,1,note=a,2,1002",
            "position deletes,parquet,1,note=a,1,1003",
            "data,parquet,1,note=b,1,1002",
        ]
    );
    let manifests = "SELECT content, partition_spec_id, added_snapshot_id, added_files_count \
                     FROM shop.events$manifests ORDER BY 3";
    assert_eq!(
        lines(session, manifests).await,
        ["data,0,1001,1", "data,1,1002,2", "deletes,1,1003,1"]
    );
    // Back to the second; what came after it is in the history, and no ancestor.
    fixture.set_ref("main", 1002, true).await;
    fixture
        .append(vec![
            fixture.file(r#"{"id":5,"note":"b"}"#, &note("b")).await,
        ])
        .await;
    let history = "SELECT snapshot_id, parent_id, is_current_ancestor FROM shop.events$history";
    assert_eq!(
        lines(session, history).await,
        [
            "1001,,true",
            "1002,1001,true",
            "1003,1002,false",
            "1002,1001,true",
            "1004,1002,true"
        ]
    );
    let snapshots = "SELECT snapshot_id, extract(epoch from committed_at)::bigint, \
                     summary ->> 'total-records' IS NULL FROM shop.events$snapshots LIMIT 1";
    let first_s = (FIRST_MS + 60_000) / 1_000;
    assert_eq!(
        lines(session, snapshots).await,
        [format!("1001,{first_s},true")]
    );
}
