use std::path::Path;
use std::time::Duration;

use super::model::{Kind, Model, ModelStatement, Schedule, parse_statement};
use super::*;

fn create(text: &str) -> Model {
    match parse_statement(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        ModelStatement::Create { model, .. } => *model,
        other => panic!("{text} is {other:?}"),
    }
}

/// The line and column of the error, and its message.
fn error(text: &str) -> (usize, usize, String) {
    let error = parse_statement(text).expect_err(text);
    let (line, column) = crate::config::line_and_column(text, error.byte);
    (line, column, error.message)
}

fn sources(query: &str) -> Vec<String> {
    let model = create(&format!("CREATE MATERIALIZED VIEW a.m AS {query}"));
    model.sources.iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_statement() {
    let text = "CREATE MATERIALIZED VIEW Curated.\"Revenue\"
WITH (schedule = '*/5 * * * *', kind = 'full', partition_by = 'day(day), bucket(4, category)',
      time_zone = 'Europe/Berlin')
AS SELECT date_trunc('day', timestamp) AS day, -- é
          properties.category
   FROM shop.events WHERE type = 'it''s' ;";
    let model = create(text);
    assert_eq!(model.name.to_string(), "curated.Revenue");
    assert_eq!(model.kind, Kind::Full);
    assert_eq!(
        model.schedule,
        Some(Schedule::Cron {
            expression: "*/5 * * * *".into(),
            time_zone: chrono_tz::Europe::Berlin
        })
    );
    assert_eq!(model.partition_by, ["day(day)", "bucket(4, category)"]);
    assert!(
        model.query.starts_with("SELECT date_trunc"),
        "{}",
        model.query
    );
    assert!(model.query.ends_with("'it''s'"), "{}", model.query);
    assert!(model.statement.ends_with("'it''s'"), "{}", model.statement);
    assert_eq!(model.sources[0].to_string(), "shop.events");
}

#[test]
fn the_other_statements() {
    let create = parse_statement("create or replace materialized view a.b as select 1 as x");
    assert!(matches!(
        create,
        Ok(ModelStatement::Create {
            or_replace: true,
            ..
        })
    ));
    let create = parse_statement("create materialized view if not exists a.b as select 1 as x");
    assert!(matches!(
        create,
        Ok(ModelStatement::Create {
            if_not_exists: true,
            ..
        })
    ));
    let Ok(ModelStatement::Refresh { name }) = parse_statement("REFRESH MATERIALIZED VIEW A.b;")
    else {
        panic!("REFRESH");
    };
    assert_eq!(name.to_string(), "a.b");
    let Ok(ModelStatement::Alter { set, .. }) =
        parse_statement("ALTER MATERIALIZED VIEW a.b SET (schedule = 'every 1h', kind = 'full')")
    else {
        panic!("ALTER");
    };
    assert_eq!(set[1], ("schedule".to_owned(), "every 1h".to_owned()));
    let drop = parse_statement("drop materialized view if exists a.b restrict");
    assert!(matches!(
        drop,
        Ok(ModelStatement::Drop {
            if_exists: true,
            ..
        })
    ));
}

#[test]
fn sources_come_from_the_syntax_tree() {
    assert_eq!(sources("SELECT 1 AS x"), Vec::<String>::new());
    assert_eq!(
        sources("SELECT * FROM \"a\".\"B\" JOIN C.d USING (x)"),
        ["a.B", "c.d"]
    );
    assert_eq!(
        sources(
            "WITH e AS (SELECT * FROM a.b), f AS (SELECT * FROM e)
             SELECT * FROM f WHERE x IN (SELECT y FROM c.d) AND EXISTS (WITH e AS (SELECT 1) SELECT * FROM e)
             UNION ALL SELECT (SELECT max(z) FROM g.h) FROM e"
        ),
        ["a.b", "c.d", "g.h"]
    );
    assert_eq!(
        sources(
            "SELECT * FROM (SELECT * FROM a.b) t, generate_series(1, 3), LATERAL (SELECT * FROM c.d) u"
        ),
        ["a.b", "c.d"]
    );
    assert_eq!(
        sources("SELECT 'FROM x.y' AS s FROM a.b -- FROM c.d"),
        ["a.b"]
    );
}

#[test]
fn errors_have_their_place() {
    for (text, line, column, part) in [
        ("", 1, 1, "is expected"),
        ("SELECT 1", 1, 1, "CREATE, REFRESH, ALTER or DROP"),
        (
            "CREATE VIEW a.b AS SELECT 1",
            1,
            8,
            "MATERIALIZED is expected",
        ),
        (
            "CREATE MATERIALIZED VIEW b AS SELECT 1",
            1,
            26,
            "write namespace.b",
        ),
        (
            "CREATE MATERIALIZED VIEW x.a.b AS SELECT 1",
            1,
            29,
            "without a catalog",
        ),
        (
            "CREATE MATERIALIZED VIEW system.b AS SELECT 1",
            1,
            26,
            "can't be a model's name",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b (x) AS SELECT 1",
            1,
            30,
            "name the columns",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (schedul = '* * * * *') AS SELECT 1",
            2,
            7,
            "did you mean schedule?",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (kind = 'ful') AS SELECT 1",
            2,
            14,
            "full or append",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (kind = 'full', kind = 'full') AS SELECT 1",
            2,
            22,
            "twice",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (schedule = '* * *') AS SELECT 1",
            2,
            18,
            "3 fields",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (time_zone = 'UTC') AS SELECT 1",
            2,
            19,
            "goes with a schedule",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b\nWITH (partition_by = 'dya(x)') AS SELECT 1",
            2,
            22,
            "did you mean day?",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b WITH (kind = full) AS SELECT 1",
            1,
            43,
            "single quotes",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b WITH (kind = 'append') AS SELECT 1",
            1,
            43,
            "reads 0",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS\nSELECT x\nFROM )",
            3,
            6,
            "identifier",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS\nSELECT * FROM c.d, a.b",
            2,
            20,
            "can't read itself",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS\nSELECT * FROM events",
            2,
            15,
            "namespace.events",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS\nSELECT * FROM system.runs",
            2,
            15,
            "can't read system.runs",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS\nSELECT * FROM c.\"d$files\"",
            2,
            15,
            "can't read",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS DELETE FROM c.d",
            1,
            33,
            "SELECT",
        ),
        (
            "CREATE MATERIALIZED VIEW a.b AS SELECT 1; SELECT 2",
            1,
            43,
            "only one statement",
        ),
        ("CREATE MATERIALIZED VIEW a.b AS SELECT 'x", 1, 40, "string"),
        (
            "REFRESH MATERIALIZED VIEW CONCURRENTLY a.b",
            1,
            27,
            "leave CONCURRENTLY out",
        ),
        (
            "ALTER MATERIALIZED VIEW a.b SET schedule = 'x'",
            1,
            33,
            "( is expected",
        ),
        (
            "DROP MATERIALIZED VIEW a.b CASCADE",
            1,
            28,
            "only one statement",
        ),
    ] {
        let (found_line, found_column, message) = error(text);
        assert!(
            (found_line, found_column) == (line, column)
                && message.to_lowercase().contains(&part.to_lowercase()),
            "{text}: {found_line}:{found_column}: {message}"
        );
    }
}

#[test]
fn options_are_altered_and_the_statement_follows() {
    let model = create(
        "CREATE MATERIALIZED VIEW a.b WITH (schedule = 'every 1h', partition_by = 'x') AS SELECT 'it''s' AS x FROM c.d",
    );
    let set = [
        ("schedule".to_owned(), "every 2h".to_owned()),
        ("partition_by".to_owned(), String::new()),
    ];
    let altered = model.altered(&set).expect("valid");
    assert_eq!(
        altered.schedule,
        Some(Schedule::Every(Duration::from_secs(7_200)))
    );
    assert!(altered.partition_by.is_empty());
    assert_eq!(altered.query, model.query);
    let again = create(&altered.statement);
    assert_eq!(again.schedule, altered.schedule);
    let wrong = [("schedule".to_owned(), "x".to_owned())];
    assert!(model.altered(&wrong).is_err());
}

#[test]
fn a_folder_is_loaded_with_all_its_problems() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write(
        "a.sql",
        "-- Of days.\n-- Owner: me\nCREATE MATERIALIZED VIEW c.a AS SELECT * FROM c.b",
    );
    write("b.sql", "CREATE MATERIALIZED VIEW c.b AS SELECT * FROM s.e");
    let models = load_models(folder.path()).expect("valid");
    assert_eq!(models[0].comment.as_deref(), Some("Of days.\nOwner: me"));
    assert_eq!(graph::order(&models), Ok(vec![1, 0]));

    write("c.sql", "\nSELECT 1");
    write("d.sql", "CREATE MATERIALIZED VIEW c.a AS SELECT 1 AS x");
    write(
        "e.sql",
        "CREATE OR REPLACE MATERIALIZED VIEW c.e AS SELECT 1 AS x",
    );
    let found = load_models(folder.path())
        .expect_err("problems")
        .to_string();
    assert!(found.contains("c.sql:2:1: CREATE, REFRESH"), "{found}");
    assert!(found.contains("d.sql:1:26: c.a stands in"), "{found}");
    assert!(found.contains("e.sql:1:1: a file says what is"), "{found}");
}

#[test]
fn circles_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, reads) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let text = format!("CREATE MATERIALIZED VIEW m.{name} AS SELECT * FROM m.{reads}");
        std::fs::write(folder.path().join(format!("{name}.sql")), text).expect("written");
    }
    let found = load_models(folder.path())
        .expect_err("a circle")
        .to_string();
    assert!(
        found.contains(
            "a.sql:1:26: models read each other in a circle: m.a reads m.b reads m.c reads m.a"
        ),
        "{found}"
    );
}

#[test]
fn check_finds_what_the_files_can_not_know_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("catalog")).expect("made");
    std::fs::create_dir(path("sql")).expect("made");
    std::fs::write(
        path("catalog/x.toml"),
        "topic = \"t\"\ntable = \"s.e\"\n[[columns]]\nname = \"id\"\ntype = \"long\"\n",
    )
    .expect("written");
    std::fs::write(
        path("sql/m.sql"),
        "CREATE MATERIALIZED VIEW s.e AS SELECT 1 AS x",
    )
    .expect("written");
    let config = Config::parse(
        Path::new(&path("frazil.toml")),
        "version = 1\n[lake]\nwarehouse = \"w\"\n".to_owned(),
        [],
    )
    .expect("valid");
    let found = check(&config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .to_string()
            .ends_with("m.sql:1:26: s.e is the table of stream x"),
        "{}",
        found[0]
    );
}
