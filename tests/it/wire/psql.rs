//! psql itself: its meta-commands, \copy, Ctrl-C.

use std::time::{Duration, Instant};

use super::fixture::wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_commands_answer() {
    let wire = wire().await;
    for (command, expected) in [
        ("\\dt", "shop|events|table|frazil"),
        ("\\dt *.*", "shop|events|table|frazil"),
        ("\\d", "shop|events|table|frazil"),
        ("\\d shop.events", "amount|numeric(12,2)"),
        ("\\d events", "event_id|text||not null|"),
        ("\\d+ shop.events", "timestamp|timestamp with time zone"),
        ("\\dn", "shop|frazil"),
        ("\\dn+", "public|frazil"),
        ("\\l", "frazil|frazil|UTF8"),
        ("\\l+", "frazil|frazil|UTF8"),
        ("\\du", "ann"),
        ("\\dv *.*", "system|types|view|frazil"),
        ("\\df abs", "pg_catalog|abs"),
        ("\\dp", "shop|events|table"),
        ("\\d+ shop.events", "What was paid, tax included"),
        ("\\dt+", "shop|events|table|frazil"),
        ("\\dt+ shop.*", "shop|events|table|frazil"),
        ("\\dv", ""),
        ("\\dm", ""),
        ("\\dO", ""),
        ("\\dL", ""),
        ("\\df", ""),
        ("\\df+ abs", "pg_catalog|abs"),
        ("\\sf version", ""),
        ("\\du+", "ann"),
        ("\\dg", "walt"),
        ("\\drds", ""),
        ("\\di+", ""),
        ("\\ds", ""),
        ("\\dE", ""),
        ("\\do", ""),
        ("\\da", ""),
        ("\\dc", ""),
        ("\\dC", ""),
        ("\\dd", ""),
        ("\\dAc", "btree"),
        ("\\deu", ""),
        ("\\dew+", ""),
        (
            "select format('%I.%s=%L%%', 'A b', 1, 'it''s')",
            "\"A b\".1='it''s'%",
        ),
        ("\\dD", ""),
        ("\\ddp", ""),
        ("\\dF", ""),
        ("\\dl", ""),
        ("\\dP", ""),
        ("\\dRp", ""),
        ("\\dRs", ""),
        ("\\dX", ""),
        ("\\dy", ""),
        ("\\det", ""),
        ("\\des", ""),
        ("\\dew", ""),
        ("\\dA", ""),
        ("\\dn shop", "shop|frazil"),
        ("\\x\nselect 1 as a", "a|1"),
        (
            "select obj_description('shop.events'::regclass) is null, \
             col_description('shop.events'::regclass, 3), \
             col_description('shop.events'::regclass, 1) is null",
            "t|What was paid, tax included|t",
        ),
        ("\\dT", ""),
        ("\\di", ""),
        ("\\dx", ""),
        ("\\db", "pg_default"),
        ("\\dconfig statement_timeout", "statement_timeout|0"),
        ("\\conninfo", "as user \"ann\""),
        ("select 1 as a, 'x'::text as b \\gdesc", "b|text"),
    ] {
        let shown = wire.psql_shows(&format!("{command}\n")).await;
        assert!(shown.contains(expected), "{command} gave:\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_to_a_file_of_the_client() {
    let wire = wire().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.csv");
    let command = format!(
        "\\copy (select i4, t from system.types) to '{}' with (format csv, header)\n",
        file.display()
    );
    wire.psql_shows(&command).await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "i4,t\n4,grüße\n,\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_cancels() {
    let wire = wire().await;
    let sql = "select count(distinct value % 1000) from generate_series(1, 1000000000000) s(value)";
    let child = wire.psql_command(&["-c", sql]).spawn().unwrap();
    let pid = child.id().unwrap().to_string();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let asked = Instant::now();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(killed.unwrap().success());
    let output = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output())
        .await
        .expect("psql ends")
        .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("canceling statement due to user request"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_has_postgres_text() {
    let wire = wire().await;
    let output = wire
        .psql_command(&["-c", "select 1"])
        .env("PGPASSWORD", "wrong")
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("FATAL:  password authentication failed for user \"ann\""),
        "{errors}"
    );
}

/// What psql asks when Tab is pressed, as its source (tab-complete.c of 15) spells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completion_finds_names() {
    let wire = wire().await;
    for (sql, expected) in [
        (
            "SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c \
             WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'ev%' \
             AND pg_catalog.pg_table_is_visible(c.oid) \
             AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace \
             WHERE nspname = 'pg_catalog') \
             UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n \
             WHERE n.nspname LIKE 'ev%' AND n.nspname NOT LIKE E'pg\\\\_%' LIMIT 1000",
            "events|",
        ),
        (
            "SELECT c.relname, n.nspname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n \
             WHERE n.oid = c.relnamespace AND c.relkind IN ('r', 'v') \
             AND (c.relname) LIKE '%' AND n.nspname = 'shop' LIMIT 1000",
            "events|shop",
        ),
        (
            "SELECT attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c \
             WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped \
             AND (attname) LIKE 'am%' AND c.relname = 'events' \
             AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000",
            "amount",
        ),
        (
            "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE (n.nspname) LIKE 'sh%' \
             LIMIT 1000",
            "shop",
        ),
        (
            "SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p \
             WHERE p.prokind != 'p' AND (p.proname) LIKE 'array_ag%' \
             AND pg_catalog.pg_function_is_visible(p.oid) LIMIT 1000",
            "array_agg|",
        ),
        (
            "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings \
             WHERE pg_catalog.lower(name) LIKE pg_catalog.lower('statement_t%') LIMIT 1000",
            "statement_timeout",
        ),
        (
            "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'an%' LIMIT 1000",
            "ann",
        ),
        (
            "SELECT datname FROM pg_catalog.pg_database WHERE datname LIKE 'fr%' LIMIT 1000",
            "frazil",
        ),
    ] {
        let shown = wire.psql_shows(&format!("{sql};\n")).await;
        assert!(shown.contains(expected), "{sql} gave:\n{shown}");
    }
}
