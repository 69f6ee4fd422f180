//! Statements about models: what is refused has a place inside the text; what is accepted is the
//! same once written anew, and once more; and its schedule has a next time that lies ahead.

use std::path::Path;

use frazil::declare::model::{Model, ModelStatement, parse_statement};
use frazil::declare::parse_model;
use frazil::domain::TableName;

use super::stream::assert_is_inside;
use super::{Target, texts};

pub const TARGET: Target = Target {
    name: "model",
    check,
    seeds,
    words: &[
        "CREATE ",
        "OR REPLACE ",
        "MATERIALIZED VIEW ",
        "IF NOT EXISTS ",
        "IF EXISTS ",
        "REFRESH ",
        "ALTER ",
        "DROP ",
        "SET (",
        "WITH (",
        "schedule = '",
        "*/5 * * * *",
        "0 0 L * 1#2",
        "every 5 minutes",
        "time_zone = '",
        "Europe/Berlin",
        "kind = '",
        "append",
        "full",
        "partition_by = '",
        "day(day)",
        "bucket(4, x)",
        " AS SELECT ",
        " FROM ",
        "shop.events",
        " WHERE ",
        " GROUP BY ",
        " JOIN ",
        " UNION ALL ",
        "WITH e AS (",
        "LATERAL ",
        "count(*)",
        "date_trunc('day', ",
        "properties.category",
        "::date",
        "$$",
        "E'\\n'",
        "\"a\".\"B\"",
        "/*",
        "*/",
        "--",
        "''",
        ";",
        "(",
        ")",
        "CASE WHEN ",
        " OVER (PARTITION BY ",
        "FOR UPDATE",
    ],
};

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let file = Path::new("sql/x.sql");
    if let Err(problem) = parse_model(file, text) {
        assert_is_inside(&problem, text);
    }
    match parse_statement(text) {
        Err(error) => {
            assert!(error.byte <= text.len(), "{error:?} in {text:?}");
            assert!(!error.message.is_empty(), "{text:?}");
        }
        Ok(ModelStatement::Create {
            model, name_byte, ..
        }) => {
            assert!(text.is_char_boundary(name_byte), "{text:?}");
            assert!(
                text.contains(&model.query) && text.contains(&model.statement),
                "{text:?}"
            );
            let written = model.altered(&[]);
            let written = written.unwrap_or_else(|error| panic!("{error}: written anew: {text:?}"));
            assert_same(&model, &written, text);
            let again = written.altered(&[]).expect("it was written before");
            assert_same(&written, &again, text);
            assert_eq!(written.statement, again.statement, "{text:?}");
            assert_comes_again(&model, text);
        }
        Ok(other) => {
            let written = write(&other);
            let again = parse_statement(&written);
            let again = again.unwrap_or_else(|error| panic!("{error}: {written} of {text:?}"));
            assert_eq!(
                format!("{other:?}"),
                format!("{again:?}"),
                "{written} of {text:?}"
            );
        }
    }
}

fn assert_same(one: &Model, other: &Model, text: &str) {
    assert_eq!(one.name, other.name, "{text:?}");
    assert_eq!(one.kind, other.kind, "{text:?}");
    assert_eq!(one.schedule, other.schedule, "{text:?}");
    assert_eq!(one.partition_by, other.partition_by, "{text:?}");
    assert_eq!(one.query, other.query, "{text:?}");
    assert_eq!(one.sources, other.sources, "{text:?}");
}

/// What runs by a schedule runs again and again, each time later.
fn assert_comes_again(model: &Model, text: &str) {
    let Some(schedule) = &model.schedule else {
        return;
    };
    // Before a change to summer time in many zones.
    let mut at_ms = 1_774_742_400_000;
    for _ in 0..3 {
        let Some(next_ms) = schedule.next_after(at_ms) else {
            return;
        };
        assert!(
            next_ms > at_ms,
            "{schedule} of {text:?} stands still at {at_ms}"
        );
        at_ms = next_ms;
    }
}

fn write(statement: &ModelStatement) -> String {
    let named = |name: &TableName| format!("\"{}\".\"{}\"", name.namespace(), name.name());
    match statement {
        ModelStatement::Create { model, .. } => model.statement.clone(),
        ModelStatement::Refresh { name } => format!("REFRESH MATERIALIZED VIEW {}", named(name)),
        ModelStatement::Alter { name, set } => {
            let set = set
                .iter()
                .map(|(key, value)| format!("{key} = '{}'", value.replace('\'', "''")));
            let set = set.collect::<Vec<_>>().join(", ");
            format!("ALTER MATERIALIZED VIEW {} SET ({set})", named(name))
        }
        ModelStatement::Drop { name, if_exists } => {
            let exists = if *if_exists { "IF EXISTS " } else { "" };
            format!("DROP MATERIALIZED VIEW {exists}{}", named(name))
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let more = [
        "CREATE MATERIALIZED VIEW Curated.\"Revenue\"\nWITH (schedule = '*/5 * * * *', kind = 'full', \
         partition_by = 'day(day), bucket(4, category)', time_zone = 'Europe/Berlin')\n\
         AS SELECT date_trunc('day', timestamp) AS day, -- é\n properties.category\n \
         FROM shop.events WHERE type = 'it''s' ;",
        "create materialized view if not exists a.b with (schedule = '30 2 31 * MON-FRI', \
         time_zone = 'Australia/Lord_Howe') as select 1 as x",
        "CREATE OR REPLACE MATERIALIZED VIEW a.b WITH (kind = 'append') AS WITH e AS (SELECT * FROM c.d) \
         SELECT x, row_number() OVER (PARTITION BY y ORDER BY z) FROM e WHERE x IN (SELECT y FROM c.d)",
        "REFRESH MATERIALIZED VIEW A.b;",
        "ALTER MATERIALIZED VIEW a.b SET (schedule = 'every 1h', kind = 'full', partition_by = '')",
        "drop materialized view if exists a.b restrict",
        "CREATE MATERIALIZED VIEW a.b AS SELECT 'x",
        "CREATE MATERIALIZED VIEW a.b AS SELECT ((((((((1))))))))",
        "",
    ];
    let mut seeds = texts("sql", "sql");
    seeds.extend(more.map(str::to_owned));
    seeds.into_iter().map(String::into_bytes).collect()
}
