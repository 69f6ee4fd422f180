//! Tables as Spark leaves them: each with what is odd about it, made statement by statement.
//! `{t}` in a statement stands for the table's name.

/// How a table is made, and what Frazil does with it.
pub struct Case {
    pub name: &'static str,
    pub steps: Vec<Step>,
    pub reads: Reads,
    /// Spark (3.5) fails itself on older snapshots: types of columns, or of partitions, then and now.
    pub only_now: bool,
}

pub enum Step {
    Sql(String),
    /// Columns, and rows as JSON; `true`: in the partition of the first row.
    EqualityDelete(&'static [&'static str], &'static str, bool),
    /// An int column that has this value in older files (format 3).
    DefaultColumn(&'static str, i64),
}

pub enum Reads {
    /// All that Spark reads; then everything is written once more by Frazil.
    Same,
    /// All that Spark reads; writing is refused in these words.
    SameNoWrite(&'static str),
    /// In these words.
    Refused(&'static str),
}

use Reads::{Refused, Same, SameNoWrite};

fn steps(text: &str) -> Vec<Step> {
    let statements = text.split(';').map(str::trim);
    let statements = statements.filter(|statement| !statement.is_empty());
    statements.map(|s| Step::Sql(s.to_owned())).collect()
}

fn case(name: &'static str, text: &str) -> Case {
    Case {
        name,
        steps: steps(text),
        reads: Same,
        only_now: ["made_again", "widened_partition"].contains(&name),
    }
}

const KINDS: &str = "id BIGINT NOT NULL, flag BOOLEAN, small INT, rate FLOAT, score DOUBLE,
    price DECIMAL(9,2), middle DECIMAL(18,3), huge DECIMAL(38,9), day DATE, local TIMESTAMP_NTZ,
    seen TIMESTAMP, note STRING, raw BINARY, page STRUCT<path: STRING, hits: INT>,
    tags ARRAY<STRING>, sizes MAP<STRING, INT>, visits ARRAY<STRUCT<name: STRING, at: TIMESTAMP>>";

const KIND_ROWS: &str = r"
    INSERT INTO {t} VALUES (1, true, 2147483647, CAST(0.1 AS FLOAT), 0.1D, 9999999.99,
      999999999999999.999, CAST('99999999999999999999999999999.999999999' AS DECIMAL(38,9)),
      DATE'9999-12-31', TIMESTAMP_NTZ'9999-12-31 23:59:59.999999',
      TIMESTAMP'9999-12-31 23:59:59.999999Z', 'Zoë 🧊 over sixteen characters', X'00FF7F80',
      named_struct('path', '/é', 'hits', 7), array('a', NULL, ''), map('m', 1, '', NULL),
      array(named_struct('name', 'x', 'at', TIMESTAMP'2026-01-01 00:00:00.000001Z'), NULL)),
      (6, false, 3, CAST(2.5 AS FLOAT), 2.5D, 1.00, 1.000, 1.000000000, DATE'2026-11-22',
      TIMESTAMP_NTZ'2026-11-22 12:00:00', TIMESTAMP'2026-11-22 12:00:00Z', 'plain', X'61',
      named_struct('path', '/', 'hits', NULL), array('b'), map('n', 2), NULL);
    INSERT INTO {t} VALUES (2, false, -2147483648, CAST('-3.4028235E38' AS FLOAT),
      -1.7976931348623157E308D, -9999999.99, -999999999999999.999,
      CAST('-99999999999999999999999999999.999999999' AS DECIMAL(38,9)), DATE'0001-01-01',
      TIMESTAMP_NTZ'0001-01-01 00:00:00', TIMESTAMP'0001-01-01 00:00:00Z', '', X'',
      named_struct('path', CAST(NULL AS STRING), 'hits', CAST(NULL AS INT)),
      CAST(array() AS ARRAY<STRING>), CAST(map() AS MAP<STRING, INT>),
      CAST(array() AS ARRAY<STRUCT<name: STRING, at: TIMESTAMP>>));
    INSERT INTO {t} (id) VALUES (3);
    INSERT INTO {t} (id, rate, score, price, huge, day, local, seen, note, page) VALUES
      (4, CAST('NaN' AS FLOAT), CAST('NaN' AS DOUBLE), 0.00, CAST('0.000000001' AS DECIMAL(38,9)),
       DATE'1969-12-31', TIMESTAMP_NTZ'1969-12-31 23:59:59.999999',
       TIMESTAMP'1969-12-31 23:59:59.999999Z', repeat('y', 70000), NULL),
      (5, CAST('Infinity' AS FLOAT), CAST('-Infinity' AS DOUBLE), NULL, NULL, NULL, NULL, NULL,
       decode(X'F48FBFBFF48FBFBFF48FBFBFF48FBFBFF48FBFBFF48FBFBFF48FBFBFF48FBFBFF48FBFBF', 'UTF-8'),
       NULL),
      (7, CAST('-0.0' AS FLOAT), CAST('-0.0' AS DOUBLE), -0.01, CAST('-1' AS DECIMAL(38,9)),
       DATE'1970-01-01', TIMESTAMP_NTZ'1970-01-01 00:00:00', TIMESTAMP'1970-01-01 00:00:00Z', 'ab',
       named_struct('path', 'z', 'hits', -1))";

/// Every type, with these properties.
fn kinds(name: &'static str, properties: &str) -> Case {
    let create =
        format!("CREATE TABLE {{t}} ({KINDS}) USING iceberg TBLPROPERTIES ({properties});");
    case(name, &(create + KIND_ROWS))
}

fn layouts() -> Vec<Case> {
    let codec = |codec: &str| format!("'write.parquet.compression-codec' = '{codec}'");
    vec![
        kinds("codec_zstd", &codec("zstd")),
        kinds("codec_gzip", &codec("gzip")),
        kinds("codec_snappy", &codec("snappy")),
        kinds("codec_lz4", &codec("lz4")),
        kinds("codec_none", &codec("uncompressed")),
        kinds(
            "small_pages",
            "'write.parquet.dict-size-bytes' = '128', 'write.parquet.page-size-bytes' = '128',
             'write.parquet.page-row-limit' = '1', 'write.parquet.row-group-size-bytes' = '1',
             'write.parquet.bloom-filter-enabled.column.note' = 'true',
             'write.parquet.bloom-filter-enabled.column.id' = 'true'",
        ),
        kinds("no_bounds", "'write.metadata.metrics.default' = 'none'"),
        kinds("counts_only", "'write.metadata.metrics.default' = 'counts'"),
        kinds(
            "short_bounds",
            "'write.metadata.metrics.default' = 'truncate(1)'",
        ),
        kinds("object_layout", "'write.object-storage.enabled' = 'true'"),
        kinds(
            "packed_metadata",
            "'write.metadata.compression-codec' = 'gzip'",
        ),
        Case {
            reads: SameNoWrite("writes v2 only"),
            ..kinds("format_1", "'format-version' = '1'")
        },
    ]
}

const EVENTS: &str = "CREATE TABLE {t} (id INT, at TIMESTAMP, kind STRING, price DECIMAL(12,2),
    page STRUCT<path: STRING, hits: INT>) USING iceberg";

const EVENT_ROWS: &str = "
    INSERT INTO {t} SELECT /*+ COALESCE(1) */ id, TIMESTAMP'2026-01-01 00:00:00Z' + make_interval(0, 0, 0, 0, 7 * id, 0, 0),
      elt(1 + id % 4, 'a', 'b', 'c', NULL), id * 1.25, named_struct('path', concat('/', id), 'hits', id)
      FROM (SELECT CAST(id AS INT) AS id FROM range(0, 40));
    INSERT INTO {t} SELECT /*+ COALESCE(1) */ id, TIMESTAMP'1969-12-30 00:00:00Z' + make_interval(0, 0, 0, 0, 3 * id, 0, 0),
      elt(1 + id % 3, 'a', NULL, 'é/=%&+ ÿ'), -id, NULL
      FROM (SELECT CAST(id AS INT) AS id FROM range(40, 60));";

/// A table of events with this partitioning and these properties, and what then happens to it.
fn events(name: &'static str, more: &str, then: &str) -> Case {
    case(name, &format!("{EVENTS} {more}; {EVENT_ROWS} {then}"))
}

const ON_READ: &str = "TBLPROPERTIES ('write.delete.mode' = 'merge-on-read',
    'write.update.mode' = 'merge-on-read', 'write.merge.mode' = 'merge-on-read',
    'write.delete.granularity' = 'partition', 'write.distribution-mode' = 'none')";

const CHANGES: &str = "
    DELETE FROM {t} WHERE id IN (0, 7, 13, 41);
    UPDATE {t} SET price = 99.99, kind = 'new' WHERE id % 10 = 5;
    MERGE INTO {t} AS t USING (SELECT CAST(id AS INT) AS id FROM range(30, 63)) AS s ON t.id = s.id
      WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET t.price = 0
      WHEN NOT MATCHED THEN INSERT (id, at, kind, price, page) VALUES (s.id, NULL, NULL, 7, NULL);
    DELETE FROM {t} WHERE kind = 'b';";

fn changes() -> Vec<Case> {
    let by_file = ON_READ.replace("'partition'", "'file'");
    let on_write = "TBLPROPERTIES ('write.distribution-mode' = 'none')";
    let parted = "PARTITIONED BY (bucket(3, id), days(at), kind)";
    vec![
        events("on_write", on_write, CHANGES),
        events("on_write_parted", &format!("{parted} {on_write}"), CHANGES),
        events("on_read", ON_READ, CHANGES),
        events("on_read_by_file", &by_file, CHANGES),
        events("on_read_parted", &format!("{parted} {ON_READ}"), CHANGES),
        events(
            "on_read_small_groups",
            &ON_READ.replace(
                "TBLPROPERTIES (",
                "TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '1', 'write.parquet.page-row-limit' = '5', ",
            ),
            CHANGES,
        ),
        events(
            "maintained",
            &format!("PARTITIONED BY (kind) {ON_READ}"),
            &format!(
                "{CHANGES}
                CALL frazil.system.rewrite_position_delete_files(table => '{{s}}', options => map('rewrite-all', 'true'));
                CALL frazil.system.rewrite_data_files(table => '{{s}}', options => map('min-input-files', '2'), where => 'id < 20');
                CALL frazil.system.rewrite_manifests('{{s}}');
                DELETE FROM {{t}} WHERE id = 22"
            ),
        ),
        events(
            "overwritten",
            "PARTITIONED BY (kind)",
            "INSERT OVERWRITE {t} SELECT id + 100, at, kind, price, page FROM {t} WHERE kind = 'a';
            DELETE FROM {t} WHERE kind = 'a';
            INSERT INTO {t} (id, kind) VALUES (1000, 'z');
            TRUNCATE TABLE {t};
            INSERT INTO {t} (id, kind) VALUES (1001, 'z')",
        ),
        events(
            "made_again",
            "PARTITIONED BY (kind)",
            "CREATE OR REPLACE TABLE {t} USING iceberg PARTITIONED BY (bucket(2, id)) AS
               SELECT id, kind AS sort, price * 2 AS price FROM frazil.shop.on_write",
        ),
    ]
}

const EVOLVE: &str = "
    ALTER TABLE {t} ADD COLUMN extra DATE FIRST;
    ALTER TABLE {t} RENAME COLUMN kind TO sort;
    ALTER TABLE {t} ALTER COLUMN id TYPE BIGINT;
    ALTER TABLE {t} ALTER COLUMN price TYPE DECIMAL(20,2);
    ALTER TABLE {t} RENAME COLUMN page.path TO url;
    ALTER TABLE {t} ALTER COLUMN page.hits TYPE BIGINT;
    ALTER TABLE {t} ADD COLUMN page.source STRUCT<name: STRING, at: TIMESTAMP> AFTER url;
    ALTER TABLE {t} ALTER COLUMN price AFTER id;
    INSERT INTO {t} (extra, id, price, sort, page) VALUES (DATE'2026-02-03', 5000000000,
      123456789012345678.12, 'x', named_struct('url', '/new', 'source',
      named_struct('name', 'n', 'at', TIMESTAMP'2026-02-03 00:00:00Z'), 'hits', 6000000000L));";

fn evolved() -> Vec<Case> {
    let after = format!(
        "{EVOLVE} DELETE FROM {{t}} WHERE id IN (1, 44);
        ALTER TABLE {{t}} DROP COLUMN page.hits; ALTER TABLE {{t}} DROP COLUMN at;
        ALTER TABLE {{t}} ADD COLUMN at STRING; ALTER TABLE {{t}} ADD COLUMN page.hits STRING;
        INSERT INTO {{t}} (id, at, page) VALUES (70, 'text now', named_struct('url', 'u', 'source', NULL, 'hits', 'h'));
        DELETE FROM {{t}} WHERE id = 2"
    );
    vec![
        events("evolved", "", &after),
        events("evolved_on_read", ON_READ, &after),
        case(
            "evolved_nested",
            "CREATE TABLE {t} (id INT, visits ARRAY<STRUCT<name: STRING, n: INT>>,
               marks MAP<STRING, STRUCT<x: INT, y: FLOAT>>, deep STRUCT<a: STRUCT<b: STRUCT<c: INT>>>) USING iceberg;
            INSERT INTO {t} VALUES (1, array(named_struct('name', 'a', 'n', 1), NULL),
               map('k', named_struct('x', 1, 'y', CAST(0.5 AS FLOAT)), 'l', NULL),
               named_struct('a', named_struct('b', named_struct('c', 9)))), (2, NULL, NULL, NULL);
            ALTER TABLE {t} RENAME COLUMN visits.element.name TO title;
            ALTER TABLE {t} ALTER COLUMN visits.element.n TYPE BIGINT;
            ALTER TABLE {t} ADD COLUMN visits.element.extra STRING FIRST;
            ALTER TABLE {t} ADD COLUMN marks.value.z DATE;
            ALTER TABLE {t} ALTER COLUMN marks.value.y TYPE DOUBLE;
            ALTER TABLE {t} DROP COLUMN marks.value.x;
            ALTER TABLE {t} RENAME COLUMN deep.a.b TO d;
            ALTER TABLE {t} ADD COLUMN deep.a.d.e INT;
            INSERT INTO {t} VALUES (3, array(named_struct('extra', 'e', 'title', 't', 'n', 5000000000L)),
               map('k', named_struct('y', 0.1D, 'z', DATE'2026-01-01')),
               named_struct('a', named_struct('d', named_struct('c', 1, 'e', 2))))",
        ),
        events(
            "widened_partition",
            &format!("PARTITIONED BY (id, truncate(10, id), bucket(2, id)) {ON_READ}"),
            "ALTER TABLE {t} ALTER COLUMN id TYPE BIGINT; DELETE FROM {t} WHERE id IN (3, 50);
            INSERT INTO {t} (id, kind) VALUES (4, 'later'), (-3, NULL), (5000000000, 'b')",
        ),
        events(
            "other_partitions",
            &format!("PARTITIONED BY (kind) {ON_READ}"),
            "ALTER TABLE {t} ADD PARTITION FIELD bucket(2, id);
            INSERT INTO {t} (id, kind) VALUES (61, 'a'), (62, NULL);
            ALTER TABLE {t} DROP PARTITION FIELD kind;
            INSERT INTO {t} (id, kind) VALUES (63, 'a'), (64, 'q'); DELETE FROM {t} WHERE id IN (61, 5, 64);
            ALTER TABLE {t} REPLACE PARTITION FIELD bucket(2, id) WITH truncate(1, kind) AS start;
            INSERT INTO {t} (id, kind) VALUES (65, 'abc'), (66, ''); DELETE FROM {t} WHERE kind = 'c'",
        ),
        events("years", "PARTITIONED BY (years(at), truncate(3, price))", ""),
        events("months", "PARTITIONED BY (months(at), truncate(2, kind))", ""),
        events("hours", "PARTITIONED BY (hours(at), price)", ""),
        events("by_time", "PARTITIONED BY (at, bucket(4, at), bucket(4, price), bucket(4, kind))", ""),
        Case {
            reads: Refused("which can't be read or written yet"),
            ..events("by_nested", "PARTITIONED BY (bucket(2, page.path), page.hits)", "")
        },
        events(
            "by_nested_renamed",
            "",
            "ALTER TABLE {t} ADD PARTITION FIELD bucket(2, page.path) AS path_bucket;
            ALTER TABLE {t} ADD PARTITION FIELD page.hits AS hits;
            INSERT INTO {t} SELECT id + 100, at, kind, price, page FROM {t}; DELETE FROM {t} WHERE page.hits = 3",
        ),
        // The crate (0.10) refuses the field that stands for nothing, as it has the column's name.
        Case { reads: Refused("conflicts with schema field"), ..events(
            "raised_format",
            "PARTITIONED BY (kind) TBLPROPERTIES ('format-version' = '1')",
            "ALTER TABLE {t} DROP PARTITION FIELD kind; INSERT INTO {t} (id, kind) VALUES (70, 'a');
            ALTER TABLE {t} SET TBLPROPERTIES ('format-version' = '2')",
        ) },
        events(
            "raised_and_changed",
            "PARTITIONED BY (kind) TBLPROPERTIES ('format-version' = '1')",
            "ALTER TABLE {t} SET TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read');
            DELETE FROM {t} WHERE id = 3; DELETE FROM {t} WHERE id = 4",
        ),
    ]
}

fn odd() -> Vec<Case> {
    vec![
        case("nothing_yet", "CREATE TABLE {t} (id INT, kind STRING) USING iceberg PARTITIONED BY (kind)"),
        events("sorted", "TBLPROPERTIES ('write.format.default' = 'parquet')",
            "ALTER TABLE {t} WRITE ORDERED BY kind DESC NULLS LAST, bucket(4, id), truncate(1, kind), page.hits;
            INSERT INTO {t} SELECT id + 100, at, kind, price, page FROM {t}"),
        events("referred", "",
            "ALTER TABLE {t} CREATE TAG first; INSERT INTO {t} (id) VALUES (70);
            ALTER TABLE {t} CREATE BRANCH work; INSERT INTO {t}.branch_work (id) VALUES (71);
            ALTER TABLE {t} ADD COLUMN later INT; INSERT INTO {t}.branch_work (id, later) VALUES (72, 1);
            INSERT INTO {t} (id, later) VALUES (73, 2)"),
        case("odd_names",
            "CREATE TABLE {t} (`Upper Case` INT, `dot.ted` STRING, `é/ü` STRING, `a-b` STRUCT<`c d`: INT, `E`: STRING>,
               `select` DATE, `1st` INT) USING iceberg;
            INSERT INTO {t} VALUES (1, 'a/b=c%2F', '', named_struct('c d', 1, 'E', 'e'), DATE'2026-01-01', 1),
              (2, NULL, '..', NULL, NULL, NULL), (3, '.', 'x y+z', named_struct('c d', NULL, 'E', ''), NULL, 3),
              (4, '__HIVE_DEFAULT_PARTITION__', 'null', NULL, NULL, 4), (5, repeat('long', 30), '🧊', NULL, NULL, 5)"),
        // The crate (0.10) refuses manifests of add_files, which have a null among their numbers.
        Case { reads: Refused("can't be read"), ..case("brought_in",
            "CREATE TABLE spark_catalog.default.plain_{n} (id INT, at TIMESTAMP, price DECIMAL(5,1), tags ARRAY<STRING>,
               kind STRING, part INT) USING parquet PARTITIONED BY (kind, part);
            INSERT INTO spark_catalog.default.plain_{n} VALUES (1, TIMESTAMP'9999-12-31 23:59:59.999999Z', 1.5, array('a', NULL), 'x', 1),
              (2, TIMESTAMP'1900-01-01 00:00:00Z', NULL, NULL, 'x', 2), (3, TIMESTAMP'2026-01-01 00:00:00.000001Z', -1, array(), NULL, 3);
            CREATE TABLE {t} (tags ARRAY<STRING>, id INT, kind STRING, at TIMESTAMP, price DECIMAL(5,1), part INT)
              USING iceberg PARTITIONED BY (kind, part) TBLPROPERTIES ('write.delete.mode' = 'merge-on-read');
            CALL frazil.system.add_files(table => '{s}', source_table => 'spark_catalog.default.plain_{n}');
            INSERT INTO {t} VALUES (array('new'), 4, 'x', TIMESTAMP'2026-01-01 00:00:00Z', 2, 1);
            ALTER TABLE {t} RENAME COLUMN price TO cost; ALTER TABLE {t} ALTER COLUMN cost TYPE DECIMAL(9,1);
            ALTER TABLE {t} RENAME COLUMN kind TO sort; DELETE FROM {t} WHERE id = 2") },
        Case { name: "equal", steps: equality(), reads: Same, only_now: false },
        Case { name: "equal_parted", steps: equality_parted(), reads: Same, only_now: false },
        Case { reads: Refused("is no Parquet file"),
            ..events("as_orc", "TBLPROPERTIES ('write.format.default' = 'orc')", "") },
        Case { reads: Refused("is no Parquet file"),
            ..events("as_avro", "TBLPROPERTIES ('write.format.default' = 'avro')", "") },
        Case { reads: Refused("is no Parquet file"),
            ..events("deletes_as_avro", &ON_READ.replace('(', "('write.delete.format.default' = 'avro', "), "DELETE FROM {t} WHERE id = 3") },
        Case { reads: SameNoWrite("writes v2 only"),
            ..events("format_3", "TBLPROPERTIES ('format-version' = '3')", "DELETE FROM {t} WHERE kind = 'a'") },
        Case { reads: Refused("is no Parquet file"),
            ..events("format_3_on_read", &ON_READ.replace('(', "('format-version' = '3', "), "DELETE FROM {t} WHERE id = 3") },
        Case { name: "format_3_default", reads: Refused("default value"),
            only_now: false, steps: {
            let mut all = steps("CREATE TABLE {t} (id INT) USING iceberg TBLPROPERTIES ('format-version' = '3'); INSERT INTO {t} VALUES (1)");
            all.push(Step::DefaultColumn("n", 5));
            all
        } },
    ]
}

fn equality() -> Vec<Step> {
    let mut all = steps(&format!("{EVENTS}; {EVENT_ROWS}"));
    all.push(Step::EqualityDelete(
        &["id"],
        "[[3], [45], [1000], [null]]",
        false,
    ));
    all.push(Step::EqualityDelete(&["kind"], r#"[["b"]]"#, false));
    all.extend(steps(
        "INSERT INTO {t} (id, kind) VALUES (3, 'b'), (NULL, NULL)",
    ));
    all.push(Step::EqualityDelete(
        &["id", "kind"],
        r#"[[5, "b"], [6, "c"], [6, null], [7, null]]"#,
        false,
    ));
    all.push(Step::EqualityDelete(
        &["price"],
        r#"[["10.00"], [null]]"#,
        false,
    ));
    all.extend(steps(
        // Spark (3.5) can't read on once a column that deletes compare was widened.
        "ALTER TABLE {t} RENAME COLUMN kind TO sort;
        ALTER TABLE {t} ADD COLUMN late STRING; INSERT INTO {t} (id, late) VALUES (80, 'x'), (81, NULL)",
    ));
    all.push(Step::EqualityDelete(&["late"], r#"[["x"]]"#, false));
    all
}

fn equality_parted() -> Vec<Step> {
    let mut all = steps(&format!("{EVENTS} PARTITIONED BY (kind); {EVENT_ROWS}"));
    // In its own partition only, though the ids are elsewhere too.
    all.push(Step::EqualityDelete(
        &["id", "kind"],
        r#"[[0, "a"], [4, "a"], [5, "a"]]"#,
        true,
    ));
    all.extend(steps("INSERT INTO {t} (id, kind) VALUES (4, 'a'), (5, 'a'); ALTER TABLE {t} DROP PARTITION FIELD kind"));
    all.push(Step::EqualityDelete(&["id"], "[[8], [9], [42]]", false));
    all
}

pub fn all() -> Vec<Case> {
    let mut cases = layouts();
    cases.extend(changes());
    cases.extend(evolved());
    cases.extend(odd());
    for case in &mut cases {
        for step in &mut case.steps {
            if let Step::Sql(text) = step {
                let table = format!("frazil.shop.{}", case.name);
                let short = format!("shop.{}", case.name);
                *text = text
                    .replace("{t}", &table)
                    .replace("{s}", &short)
                    .replace("{n}", case.name);
            }
        }
    }
    cases
}
