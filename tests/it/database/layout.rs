//! Iceberg's JDBC layout, as other engines make and fill it.

use frazil::domain::TableName;
use frazil::lake::ErrorKind;
use frazil::lake::catalog::{Catalog, SwapOutcome};

use super::backend;
use super::catalog_cases::{location, swap, table};
use crate::parts;

/// As Spark makes it by default: no column `iceberg_type`.
const V0: &str = "
CREATE TABLE iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
INSERT INTO iceberg_tables VALUES ('frazil', 'shop', 'events', 'file:///1', NULL)";

async fn v0_is_migrated(url: String) {
    backend::script(&url, V0).await;
    let database = backend::open(&url).await;
    let catalog = database.catalog();
    assert_eq!(
        location(&*catalog, "shop.events").await.as_deref(),
        Some("file:///1")
    );
    let swaps = [
        swap("shop.events", Some("file:///1"), Some("file:///2")),
        swap("shop.more", None, Some("file:///3")),
    ];
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    let rows = backend::rows(
        &url,
        "SELECT table_name || ' ' || metadata_location || ' ' || \
         COALESCE(previous_metadata_location, '-') || ' ' || COALESCE(iceberg_type, '-') \
         FROM iceberg_tables ORDER BY 1",
    )
    .await;
    assert_eq!(
        rows,
        ["events file:///2 file:///1 -", "more file:///3 - TABLE"]
    );
}

async fn strange_rows_are_left_alone(url: String) {
    let database = backend::open(&url).await;
    backend::script(
        &url,
        "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, \
         metadata_location, iceberg_type) VALUES \
         ('frazil', 'shop', 'a_view', 'file:///v', 'VIEW'), \
         ('frazil', 'shop', 'untyped', 'file:///u', NULL), \
         ('frazil', 'shop', 'unset', NULL, 'TABLE'), \
         ('frazil', 'a.b', 'nested', 'file:///n', 'TABLE'), \
         ('frazil', 'shop', 'odd name', 'file:///o', 'TABLE'), \
         ('other', 'shop', 'elsewhere', 'file:///e', 'TABLE');
         INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, \
         property_value) VALUES ('frazil', 'declared', 'exists', 'true'), \
         ('frazil', 'declared', 'owner', 'me'), ('other', 'elsewhere', 'exists', 'true')",
    )
    .await;
    let catalog = database.catalog();
    let expected: Vec<TableName> = ["shop.unset", "shop.untyped"].map(table).into();
    assert_eq!(catalog.list().await.unwrap(), expected);
    assert_eq!(
        catalog.namespaces().await.unwrap(),
        ["a.b", "declared", "shop"]
    );
    assert_eq!(location(&*catalog, "shop.a_view").await, None);
    assert_eq!(location(&*catalog, "shop.elsewhere").await, None);
    assert_eq!(
        location(&*catalog, "shop.untyped").await.as_deref(),
        Some("file:///u")
    );
    let error = catalog.load(&table("shop.unset")).await.expect_err("null");
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    // A view's name can't be taken, nor its pointer moved.
    let make = [swap("shop.a_view", None, Some("file:///t"))];
    let error = catalog.swap(&make, &[]).await.expect_err("a view is there");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("view"), "{error}");
    let moved = [swap("shop.a_view", Some("file:///v"), Some("file:///t"))];
    assert_eq!(
        catalog.swap(&moved, &[]).await.unwrap(),
        SwapOutcome::Moved(table("shop.a_view"))
    );
    // Another catalog's table of the same name is not ours.
    let make = [swap("shop.elsewhere", None, Some("file:///mine"))];
    assert_eq!(
        catalog.swap(&make, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
}

/// pyiceberg makes a table in our database, we see and move it, pyiceberg sees that; and our
/// namespaces are its.
async fn pyiceberg_shares_the_catalog(url: String, uri: String) {
    let database = backend::open(&url).await;
    let catalog = database.catalog();
    catalog.create_namespace("shop").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let python = |script: &str| {
        let output = parts::python()
            .args(["-c", script, &uri, &folder.path().display().to_string()])
            .output()
            .expect("Python runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let prologue = "import sys; from pyiceberg.catalog.sql import SqlCatalog; \
                    from pyiceberg.schema import Schema, NestedField; \
                    from pyiceberg.types import LongType; \
                    c = SqlCatalog('frazil', uri=sys.argv[1], warehouse='file://' + sys.argv[2]);";
    let made = python(&format!(
        "{prologue} assert c.list_namespaces() == [('shop',)], c.list_namespaces(); \
         t = c.create_table('shop.events', schema=Schema(NestedField(1, 'id', LongType()))); \
         first = t.metadata_location; \
         t.transaction().set_properties(a='b').commit_transaction(); \
         print(first, t.metadata_location)"
    ));
    let (first, second) = made.split_once(' ').unwrap();
    assert_eq!(catalog.list().await.unwrap(), [table("shop.events")]);
    assert_eq!(
        location(&*catalog, "shop.events").await.as_deref(),
        Some(second)
    );
    let swaps = [
        swap("shop.events", Some(second), Some(first)),
        swap("shop.copy", None, Some(second)),
    ];
    assert_eq!(
        catalog.swap(&swaps, &[]).await.unwrap(),
        SwapOutcome::Swapped
    );
    let seen = python(&format!(
        "{prologue} print(sorted(c.list_tables('shop')), \
         c.load_table('shop.events').properties, c.load_table('shop.copy').properties)"
    ));
    assert_eq!(seen, "[('shop', 'copy'), ('shop', 'events')] {} {'a': 'b'}");
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn v0_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        super::v0_is_migrated(backend::sqlite_url(&folder)).await;
    }

    #[tokio::test]
    async fn strange_rows_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        super::strange_rows_are_left_alone(backend::sqlite_url(&folder)).await;
    }

    #[tokio::test]
    #[ignore = "needs Python with pyiceberg: run ./test"]
    async fn pyiceberg_shares_the_catalog() {
        let folder = tempfile::tempdir().unwrap();
        let url = backend::sqlite_url(&folder);
        // SQLAlchemy's spelling of an absolute path has a slash more.
        let uri = url.replacen("sqlite:///", "sqlite:////", 1);
        super::pyiceberg_shares_the_catalog(url, uri).await;
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    #[ignore = "needs Postgres: run ./test"]
    async fn v0_is_migrated() {
        super::v0_is_migrated(parts::postgres_database().await).await;
    }

    #[tokio::test]
    #[ignore = "needs Postgres: run ./test"]
    async fn strange_rows_are_left_alone() {
        super::strange_rows_are_left_alone(parts::postgres_database().await).await;
    }

    #[tokio::test]
    #[ignore = "needs Postgres and Python with pyiceberg: run ./test"]
    async fn pyiceberg_shares_the_catalog() {
        let url = parts::postgres_database().await;
        let uri = url.replacen("postgres://", "postgresql+psycopg2://", 1);
        super::pyiceberg_shares_the_catalog(url, uri).await;
    }
}
