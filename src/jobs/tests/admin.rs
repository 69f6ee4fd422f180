//! CREATE, REFRESH, ALTER and DROP as psql sends them.

use super::*;
use crate::query::QueryErrorKind;

impl World {
    /// Runs a statement as a user who may write.
    async fn execute(&self, statement: &str) -> Result<String, QueryError> {
        let admin = self.engine.model_admin().expect("jobs are there");
        admin
            .execute("ann", &parse_statement(statement).unwrap())
            .await
    }

    async fn refused(&self, statement: &str, kind: QueryErrorKind, part: &str) {
        let error = self.execute(statement).await.expect_err(statement);
        assert_eq!(error.kind, kind, "{statement}: {error}");
        let text = format!("{error} {}", error.hint.as_deref().unwrap_or_default());
        assert!(text.contains(part), "{statement}: {text}");
    }
}

#[tokio::test]
async fn a_model_lives_from_create_to_drop() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let _jobs = world.jobs(&[]);
    let tag = world
        .execute("CREATE MATERIALIZED VIEW c.m AS SELECT id FROM s.e")
        .await;
    assert_eq!(tag.unwrap(), "CREATE MATERIALIZED VIEW");
    assert_eq!(world.rows("SELECT * FROM c.m").await.unwrap(), ["1", "2"]);

    world.add("s.e", &[(3, "c")]).await;
    let tag = world
        .execute("REFRESH MATERIALIZED VIEW c.m")
        .await
        .unwrap();
    assert_eq!(tag, "REFRESH MATERIALIZED VIEW");
    assert_eq!(
        world.rows("SELECT * FROM c.m").await.unwrap(),
        ["1", "2", "3"]
    );

    world
        .execute("ALTER MATERIALIZED VIEW c.m SET (schedule = 'every 1h')")
        .await
        .unwrap();
    assert_eq!(
        world
            .rows("SELECT name, schedule, origin FROM system.models")
            .await
            .unwrap(),
        ["c.m every 3600000ms psql"]
    );
    let stored = world.lake.control.models().await.unwrap().remove(0);
    assert_eq!(stored.owner, "ann");

    let replaced = "CREATE OR REPLACE MATERIALIZED VIEW c.m AS SELECT kind FROM s.e WHERE id = 1";
    world.execute(replaced).await.unwrap();
    assert_eq!(world.rows("SELECT * FROM c.m").await.unwrap(), ["a"]);

    world.execute("DROP MATERIALIZED VIEW c.m").await.unwrap();
    assert!(world.lake.table(&name("c.m")).await.is_err());
    assert!(world.lake.control.models().await.unwrap().is_empty());
    world
        .execute("DROP MATERIALIZED VIEW IF EXISTS c.m")
        .await
        .unwrap();
    world
        .execute("CREATE MATERIALIZED VIEW c.m AS SELECT id FROM s.e")
        .await
        .unwrap();
    world
        .execute("CREATE MATERIALIZED VIEW IF NOT EXISTS c.m AS SELECT kind FROM s.e")
        .await
        .unwrap();
    assert_eq!(
        world.rows("SELECT * FROM c.m").await.unwrap(),
        ["1", "2", "3"]
    );
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_leaves_nothing() {
    use QueryErrorKind::*;
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let _jobs = world.jobs(&[]);
    world
        .execute("CREATE MATERIALIZED VIEW c.m AS SELECT id FROM s.e")
        .await
        .unwrap();
    world
        .execute("CREATE MATERIALIZED VIEW c.n AS SELECT id FROM c.m")
        .await
        .unwrap();
    for (statement, kind, part) in [
        (
            "CREATE MATERIALIZED VIEW c.m AS SELECT id FROM s.e",
            DuplicateObject,
            "exists already",
        ),
        (
            "CREATE MATERIALIZED VIEW s.e AS SELECT 1 AS x",
            DuplicateObject,
            "no model's",
        ),
        (
            "CREATE MATERIALIZED VIEW c.x AS SELECT id FROM s.none",
            UndefinedTable,
            "none",
        ),
        (
            "CREATE MATERIALIZED VIEW c.x AS SELECT nope FROM s.e",
            UndefinedColumn,
            "nope",
        ),
        (
            "CREATE MATERIALIZED VIEW c.x AS SELECT count(*) FROM s.e",
            DatatypeMismatch,
            "AS name",
        ),
        (
            "CREATE OR REPLACE MATERIALIZED VIEW c.m AS SELECT id FROM c.n",
            ObjectNotInPrerequisiteState,
            "in a circle: c.n reads c.m",
        ),
        ("REFRESH MATERIALIZED VIEW c.none", UndefinedTable, "c.none"),
        (
            "ALTER MATERIALIZED VIEW c.m SET (kind = 'odd')",
            InvalidParameter,
            "full or append",
        ),
        ("DROP MATERIALIZED VIEW c.none", UndefinedTable, "c.none"),
        (
            "DROP MATERIALIZED VIEW c.m",
            ObjectNotInPrerequisiteState,
            "c.n reads c.m",
        ),
    ] {
        world.refused(statement, kind, part).await;
    }
    assert_eq!(world.lake.control.models().await.unwrap().len(), 2);

    // Planned well, and fails when it runs.
    let fails = "CREATE MATERIALIZED VIEW c.x AS SELECT CAST(kind AS int) AS x FROM s.e";
    world.execute(fails).await.expect_err("a is no number");
    assert_eq!(world.lake.control.models().await.unwrap().len(), 2);
    let worse = "CREATE OR REPLACE MATERIALIZED VIEW c.n AS SELECT CAST(kind AS int) AS x FROM s.e";
    world.execute(worse).await.expect_err("a is no number");
    assert_eq!(world.rows("SELECT * FROM c.n").await.unwrap(), ["1"]);
    world
        .execute("REFRESH MATERIALIZED VIEW c.n")
        .await
        .expect("as it was before");
}

#[tokio::test]
async fn a_model_of_a_file_is_changed_in_its_file() {
    use QueryErrorKind::ObjectNotInPrerequisiteState;
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let mut of_file = model("CREATE MATERIALIZED VIEW c.f AS SELECT id FROM s.e");
    of_file.file = Some("sql/f.sql".into());
    let _jobs = Jobs::new(Arc::clone(&world.engine), vec![of_file], options("p1"));
    for statement in [
        "CREATE OR REPLACE MATERIALIZED VIEW c.f AS SELECT kind FROM s.e",
        "ALTER MATERIALIZED VIEW c.f SET (schedule = 'every 1h')",
        "DROP MATERIALIZED VIEW c.f",
    ] {
        world
            .refused(statement, ObjectNotInPrerequisiteState, "sql/f.sql")
            .await;
    }
    world
        .execute("REFRESH MATERIALIZED VIEW c.f")
        .await
        .unwrap();
    assert_eq!(world.rows("SELECT * FROM c.f").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_drop_waits_for_no_run_and_lets_none_put_the_table_back() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let _jobs = world.jobs(&[]);
    world
        .execute("CREATE MATERIALIZED VIEW c.m AS SELECT id FROM s.e")
        .await
        .unwrap();
    let ttl = Duration::from_secs(30);
    let held = super::lease::Held::acquire(&world.lake, &name("c.m"), "run", ttl).await;
    let held = held.unwrap().unwrap();
    world
        .refused(
            "DROP MATERIALIZED VIEW c.m",
            QueryErrorKind::ObjectNotInPrerequisiteState,
            "being run",
        )
        .await;
    held.release().await;
    world.execute("DROP MATERIALIZED VIEW c.m").await.unwrap();
}

#[tokio::test]
async fn the_table_of_a_model_whose_file_is_gone_can_be_dropped() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let mut of_file = model(
        "CREATE MATERIALIZED VIEW c.m WITH (partition_by = 'kind') AS SELECT id, kind FROM s.e",
    );
    of_file.file = Some("sql/m.sql".into());
    let with_file = |model: &Model| {
        let models = vec![model.clone()];
        Jobs::new(Arc::clone(&world.engine), models, options("p1"))
    };
    let jobs = with_file(&of_file);
    jobs.once("c.m").await;
    let dropping = "DROP MATERIALIZED VIEW c.m";
    world
        .refused(
            dropping,
            QueryErrorKind::ObjectNotInPrerequisiteState,
            "sql/m.sql",
        )
        .await;

    // Partitioned otherwise: what the error says can be done.
    let mut otherwise = of_file.clone();
    otherwise.partition_by = Vec::new();
    let jobs = with_file(&otherwise);
    let error = jobs.once("c.m").await.error.unwrap();
    assert!(
        error.contains("take sql/m.sql away, start frazil, DROP MATERIALIZED VIEW c.m"),
        "{error}"
    );
    let _without = world.jobs(&[]);
    world.execute(dropping).await.unwrap();
    world
        .refused(dropping, QueryErrorKind::UndefinedTable, "c.m")
        .await;
    world
        .refused(
            "DROP MATERIALIZED VIEW s.e",
            QueryErrorKind::UndefinedTable,
            "s.e",
        )
        .await;
    let jobs = with_file(&otherwise);
    assert_eq!(jobs.once("c.m").await.state, RunState::Succeeded);
    let table = world.lake.table(&name("c.m")).await.unwrap();
    assert!(
        table
            .metadata()
            .default_partition_spec()
            .fields()
            .is_empty()
    );
}
