//! Files that can't hold a row of the answer are not read, and no row is lost.

use iceberg::spec::{Literal, NestedField, PrimitiveType, Schema, Transform, Type};

use super::fixture::{Fixture, batch};
use super::{files_read, schema};
use crate::query::tests::{lines, shown};

/// Four files of one row each, in one snapshot each: ids 1 to 4, days 1 to 4 of January 2026.
async fn four_files(parts: &[(i32, &str, Transform)], day: bool) -> Fixture {
    let fixture = Fixture::new(schema(), parts).await;
    for id in 1..=4 {
        let category = ["apple", "apricot", "banana", "cherry"][id - 1];
        let note = if id == 4 {
            "null".to_owned()
        } else {
            format!("\"n{id}\"")
        };
        let rows = format!(
            r#"{{"id":{id},"at":"2026-01-0{id}T12:00:00Z","note":{note},"properties":{{"category":"{category}","amount":"{id}.50","pages":{id}}}}}"#
        );
        let partition = if day {
            vec![Some(Literal::date(20453 + i32::try_from(id).unwrap()))]
        } else {
            Vec::new()
        };
        let file = fixture.file(&rows, &partition).await;
        fixture.append(vec![file]).await;
    }
    fixture
}

#[tokio::test]
async fn bounds_leave_out_files_and_no_rows() {
    let fixture = four_files(&[], false).await;
    let session = &fixture.session;
    let cases = [
        ("true", 4, 4),
        ("id = 2", 1, 1),
        ("2 = id", 1, 1),
        ("id = 1 + 1", 1, 1),
        ("id > 5 * 2 - abs(-8)", 2, 2),
        ("id = -(-2)", 1, 1),
        ("id = 2.0::numeric(3,1)::int", 1, 1),
        ("id > 2", 2, 2),
        ("NOT id > 2", 2, 2),
        ("id BETWEEN 2 AND 3", 2, 2),
        ("id NOT BETWEEN 2 AND 3", 2, 2),
        ("id IN (1, 4)", 2, 2),
        ("id = 1 OR id = 4", 2, 2),
        ("id = 1 AND id = 4", 0, 0),
        ("id <> 1", 4, 3),
        ("note = 'n2'", 1, 1),
        ("note LIKE 'n3%'", 1, 1),
        ("note LIKE '%3'", 3, 1),
        ("note NOT LIKE 'n3%'", 4, 2),
        ("note ILIKE 'N3%'", 4, 1),
        ("starts_with(note, 'n1')", 1, 1),
        ("note IS NULL", 1, 1),
        ("note IS NOT NULL", 3, 3),
        ("properties.category = 'banana'", 1, 1),
        ("properties.category LIKE 'ap%'", 2, 2),
        ("properties.category IN ('apple', 'cherry', 'none')", 2, 2),
        ("properties.category > 'b'", 2, 2),
        ("properties.amount >= 3.5", 2, 2),
        ("properties.pages = 4", 1, 1),
        ("at >= '2026-01-03'", 2, 2),
        ("at < TIMESTAMP '2026-01-02 00:00:00'", 1, 1),
        ("id = 9", 0, 0),
        ("id = NULL", 0, 0),
    ];
    for (filter, files, rows) in cases {
        let from = format!("FROM shop.events WHERE {filter}");
        let read = files_read(session, &format!("SELECT id {from}")).await;
        assert_eq!(read, files, "files for {filter}");
        let count = lines(session, &format!("SELECT count(*) {from}")).await;
        assert_eq!(count, [rows.to_string()], "rows for {filter}");
        let found = lines(session, &format!("SELECT id {from}")).await;
        assert_eq!(found.len(), rows, "rows read for {filter}");
    }
}

#[tokio::test]
async fn partitions_leave_out_files_also_when_the_filter_is_on_the_source() {
    let fixture = four_files(&[(2, "day", Transform::Day)], true).await;
    let session = &fixture.session;
    for (filter, files) in [
        ("at >= '2026-01-03'", 2),
        ("at >= '2026-01-03 18:00:00'", 1),
        ("at = '2026-01-02 12:00:00'", 1),
        ("at < '2026-01-01'", 0),
    ] {
        let text = format!("SELECT id FROM shop.events WHERE {filter}");
        assert_eq!(files_read(session, &text).await, files, "{filter}");
    }
}

#[tokio::test]
async fn a_table_whose_partitioning_changed_is_pruned_by_each_files_own_spec() {
    let fixture = four_files(&[(2, "day", Transform::Day)], true).await;
    fixture
        .set_spec(&[(3, "note_part", Transform::Identity)])
        .await;
    let rows = r#"{"id":5,"at":"2026-01-09T00:00:00Z","note":"late","properties":null}"#;
    let file = fixture.file(rows, &[Some(Literal::string("late"))]).await;
    fixture.append(vec![file]).await;
    let session = &fixture.session;
    let text = "SELECT id FROM shop.events WHERE note = 'late'";
    assert_eq!(files_read(session, text).await, 1);
    assert_eq!(lines(session, text).await, ["5"]);
    let text = "SELECT id FROM shop.events WHERE at >= '2026-01-04' ORDER BY id";
    assert_eq!(lines(session, text).await, ["4", "5"]);
    assert_eq!(
        lines(
            session,
            "SELECT count(*), count(properties.pages) FROM shop.events"
        )
        .await,
        ["5,4"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT partition, record_count FROM shop.events$partitions ORDER BY 1"
        )
        .await,
        [
            "day=2026-01-01,1",
            "day=2026-01-02,1",
            "day=2026-01-03,1",
            "day=2026-01-04,1",
            "note_part=late,1"
        ]
    );
}

#[tokio::test]
async fn hashed_partitions_leave_out_the_files_of_other_buckets() {
    let fixture = Fixture::new(schema(), &[(1, "bucket", Transform::Bucket(16))]).await;
    // Of ids that share a file's bounds only the bucket tells which are there.
    for (bucket, ids) in [(4, [34, 100]), (7, [35, 99])] {
        let rows: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        let file = fixture
            .file(&rows.join("\n"), &[Some(Literal::int(bucket))])
            .await;
        fixture.append(vec![file]).await;
    }
    // Iceberg's spec gives the hash of 34: 2017239379, so bucket 3 of 16.
    let read = files_read(&fixture.session, "SELECT id FROM shop.events WHERE id = 34").await;
    assert_eq!(read, 0, "no file claims the bucket of 34");
}

#[tokio::test]
async fn counts_and_extremes_come_from_metadata() {
    let fixture = four_files(&[], false).await;
    let session = &fixture.session;
    for text in [
        "SELECT count(*) FROM shop.events",
        "SELECT min(id), max(id), min(at), max(at) FROM shop.events",
        "SELECT count(note) FROM shop.events",
    ] {
        assert_eq!(files_read(session, text).await, 0, "{text}");
    }
    assert_eq!(
        lines(
            session,
            "SELECT count(*), min(id), max(id), count(note) FROM shop.events"
        )
        .await,
        ["4,1,4,3"]
    );
    // A text's bound may be cut: it is never the answer.
    let text = "SELECT max(note) FROM shop.events";
    assert_eq!(files_read(session, text).await, 4);
    assert_eq!(lines(session, text).await, ["n3"]);
}

#[tokio::test]
async fn a_limit_reads_no_more_files_than_it_needs() {
    let fixture = four_files(&[], false).await;
    let session = &fixture.session;
    assert_eq!(
        files_read(session, "SELECT id FROM shop.events LIMIT 2").await,
        2
    );
    assert_eq!(
        files_read(
            session,
            "SELECT id FROM shop.events WHERE note IS NULL LIMIT 2"
        )
        .await,
        1
    );
    assert_eq!(
        lines(
            session,
            "SELECT id FROM shop.events ORDER BY id DESC LIMIT 1"
        )
        .await,
        ["4"]
    );
}

#[tokio::test]
async fn a_statement_loads_a_table_once_and_sees_one_snapshot() {
    let fixture = four_files(&[], false).await;
    let session = &fixture.session;
    let text = "SELECT (SELECT count(*) FROM shop.events) AS n, count(*) FROM shop.events e \
                JOIN frazil.shop.events f USING (id)";
    let parsed = crate::query::statement::parse(text)
        .expect("parses")
        .remove(0);
    let crate::query::statement::Statement::Sql(statement) = parsed else {
        panic!("plain SQL");
    };
    let plan = session.plan(&statement).await.expect("plans");
    let file = fixture.file(r#"{"id":9}"#, &[]).await;
    fixture.append(vec![file]).await;
    let batches = session
        .execute(plan, text)
        .await
        .expect("starts")
        .collect()
        .await
        .expect("runs");
    let text = arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string();
    assert!(text.contains("| 4") && text.contains(" 4 "), "{text}");
    assert!(
        shown(session, "SELECT count(*) FROM shop.events")
            .await
            .contains('5')
    );
}

#[tokio::test]
async fn bare_names_are_found_along_the_search_path() {
    let fixture = four_files(&[], false).await;
    let session = &fixture.session;
    let error = crate::query::tests::failure(session, "SELECT * FROM events").await;
    assert_eq!(error.kind, crate::query::QueryErrorKind::UndefinedTable);
    session.set_search_path(vec!["nowhere".to_owned(), "shop".to_owned()]);
    assert_eq!(
        lines(
            session,
            "SELECT count(*) FROM events e JOIN shop.events f ON e.id = f.id"
        )
        .await,
        ["4"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT table_schema, table_name FROM information_schema.tables \
             WHERE table_schema = 'shop'"
        )
        .await,
        ["shop,events"]
    );
    assert_eq!(
        lines(
            session,
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'events' \
             ORDER BY ordinal_position"
        )
        .await,
        ["id", "at", "note", "properties"]
    );
}

/// A file's footer tells of no NaN, and neither do bounds.
#[tokio::test]
async fn nan_is_found_among_other_numbers() {
    let optional = |id, name, kind| NestedField::optional(id, name, Type::Primitive(kind)).into();
    let schema = Schema::builder()
        .with_fields(vec![
            optional(1, "id", PrimitiveType::Int),
            optional(2, "score", PrimitiveType::Double),
            optional(3, "rate", PrimitiveType::Float),
        ])
        .build()
        .expect("valid");
    let fixture = Fixture::new(schema, &[]).await;
    for rows in [
        r#"{"id":1,"score":1.5,"rate":1.5} {"id":2,"score":"NaN","rate":"NaN"} {"id":3}"#,
        r#"{"id":4,"score":7.0,"rate":7.0} {"id":5,"score":"-inf","rate":"-inf"}"#,
    ] {
        let file = fixture.file(rows, &[]).await;
        fixture.append(vec![file]).await;
    }
    // And one of a writer that counts no NaN.
    let rows = r#"{"id":6,"score":0.5,"rate":0.5} {"id":7,"score":"NaN","rate":"NaN"}"#;
    let file = fixture
        .foreign_file(batch(fixture.arrow_schema().await, rows))
        .await;
    fixture.append(vec![file]).await;
    for column in ["score", "rate"] {
        for (condition, ids) in [
            ("= 'NaN'", vec!["2", "7"]),
            (">= 'NaN'", vec!["2", "7"]),
            ("> 7", vec!["2", "7"]),
            (">= 7", vec!["2", "4", "7"]),
            ("> 'inf'", vec!["2", "7"]),
            ("< 'NaN'", vec!["1", "4", "5", "6"]),
            ("<> 0.5", vec!["1", "2", "4", "5", "7"]),
            ("IN ('NaN', 0.5)", vec!["2", "6", "7"]),
            ("BETWEEN 7 AND 'NaN'", vec!["2", "4", "7"]),
        ] {
            let query =
                format!("SELECT id FROM shop.events WHERE {column} {condition} ORDER BY id");
            assert_eq!(lines(&fixture.session, &query).await, ids, "{query}");
        }
        let top = format!(
            "SELECT id FROM (SELECT id, {column} FROM shop.events WHERE {column} IS NOT NULL \
             ORDER BY {column} DESC LIMIT 2) AS top ORDER BY id"
        );
        assert_eq!(lines(&fixture.session, &top).await, ["2", "7"], "{top}");
    }
}
