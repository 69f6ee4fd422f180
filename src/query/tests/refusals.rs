//! SQL reads the lake and nothing else: every way out is tried.

use super::*;
use crate::query::QueryErrorKind;

#[path = "../../../tests/known/refused.rs"]
mod refused;

/// What changes the lake or the session, beside [`refused`]: a reader may do none of it, and nobody
/// may where only questions are asked.
const CHANGES: &[&str] = &[
    "COPY shop.events FROM STDIN;",
    "CREATE TABLE t (a int)",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE SCHEMA s",
    "DROP TABLE shop.events",
    "ALTER TABLE shop.events ADD COLUMN x int",
    "TRUNCATE shop.events",
    "INSERT INTO shop.events VALUES (1)",
    "UPDATE shop.events SET a = 1",
    "DELETE FROM shop.events",
    "MERGE INTO shop.events e USING shop.events f ON true WHEN MATCHED THEN DELETE",
    "WITH x AS (INSERT INTO shop.events VALUES (1) RETURNING 1) SELECT 1",
    "WITH x AS (DELETE FROM shop.events RETURNING 1) SELECT 1",
    "SELECT 1 INTO t",
    "SET datafusion.catalog.location = '/etc'",
    "SET datafusion.runtime.memory_limit = '100G'",
    "SET search_path = shop",
    "RESET ALL",
    "EXPLAIN ANALYZE INSERT INTO shop.events VALUES (1)",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "EXPLAIN EXPLAIN ANALYZE DELETE FROM shop.events",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "VACUUM",
    "SELECT * FROM information_schema.tables TABLESAMPLE BERNOULLI (1)",
    "BEGIN",
];

#[tokio::test]
async fn every_way_out_of_the_lake_is_refused() {
    let engine = engine();
    let changes = CHANGES.iter().map(|text| (*text).to_owned());
    let known = [refused::ALWAYS, refused::WRITES]
        .into_iter()
        .flat_map(|list| refused::filled(list, "/etc/passwd", "/tmp/frazil_refused"));
    let known: Vec<String> = changes.chain(known).collect();
    // A session reads and nothing else, even that of a user who may write over the wire.
    for session in [session(&engine), writer(&engine)] {
        for text in &known {
            let error = failure(&session, text).await;
            assert!(
                matches!(
                    error.kind,
                    QueryErrorKind::InsufficientPrivilege
                        | QueryErrorKind::FeatureNotSupported
                        | QueryErrorKind::Syntax
                        | QueryErrorKind::UndefinedTable
                        | QueryErrorKind::UndefinedFunction
                ),
                "{text}: {error:?}"
            );
        }
    }
    assert!(!std::path::Path::new("/tmp/frazil_refused").exists());
}

#[tokio::test]
async fn what_names_files_is_a_question_of_privilege() {
    let session = session(&engine());
    for text in [
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "COPY shop.events FROM '/etc/passwd'",
        "COPY shop.events FROM PROGRAM 'cat /etc/passwd'",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'",
        "SET datafusion.catalog.location = '/etc'",
    ] {
        let error = failure(&session, text).await;
        assert_eq!(
            error.kind,
            QueryErrorKind::InsufficientPrivilege,
            "{text}: {error:?}"
        );
    }
}

/// A caller that made its own plan is held to the same list.
#[tokio::test]
async fn a_plan_that_does_more_than_read_is_refused_however_it_was_made() {
    let session = session(&engine());
    let state = session.context().state();
    for text in [
        "CREATE TABLE frazil.public.t AS SELECT 1 AS a",
        "COPY (SELECT 1 AS a) TO '/tmp/frazil_refused.parquet' STORED AS PARQUET",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM (VALUES (1)) t(a) WHERE a IN (SELECT 1)",
    ] {
        let plan = state.create_logical_plan(text).await.expect(text);
        let outcome = session.execute(plan, text).await;
        assert_eq!(
            outcome.is_ok(),
            text.starts_with("SELECT"),
            "{text}: {outcome:?}"
        );
    }
    assert!(!std::path::Path::new("/tmp/frazil_refused.parquet").exists());
}

#[tokio::test]
async fn nothing_of_the_machine_is_in_reach_of_a_plan() {
    let engine = engine();
    let registry = &engine.environment().object_store_registry;
    for url in ["file:///etc/passwd", "s3://bucket/key", "http://localhost/"] {
        let url = url.parse().expect("a URL");
        assert!(registry.get_store(&url).is_err(), "{url} can be reached");
    }
}

#[tokio::test]
async fn a_reader_may_not_change_models_and_without_jobs_nobody_may() {
    use crate::declare::model::ModelStatement;
    let engine = engine();
    let statement = ModelStatement::Refresh {
        name: "curated.x".parse().expect("a name"),
    };
    let reader = session(&engine);
    let error = reader.run_model(&statement).await.expect_err("refused");
    assert_eq!(error.kind, QueryErrorKind::InsufficientPrivilege);
    let error = writer(&engine)
        .run_model(&statement)
        .await
        .expect_err("nobody there");
    assert_eq!(error.kind, QueryErrorKind::FeatureNotSupported);
}

fn writer(engine: &Arc<Engine>) -> Session {
    let options = SessionOptions {
        user: "bob".to_owned(),
        access: Access::Write,
        application: None,
    };
    engine.session(options).expect("opens")
}
