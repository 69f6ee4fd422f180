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
    let sql = "select count(distinct value % 1000) from generate_series(1, 1000000000000)";
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
