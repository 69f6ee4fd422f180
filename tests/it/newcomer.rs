//! What a newcomer reads on the demo's first screen holds: the queries that it offers, the bound of its
//! disk use; and a folder that another version made.

use std::process::Command;

use frazil::sink::source::embedded::EmbeddedLog;

use crate::demo::{Running, command, log, summary, text};

#[test]
fn each_query_that_it_offers_gives_rows_to_the_psql_that_it_offers() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let mut demo = Running::start(&folder, &["--events", "3000", "--rate", "50"]);
    let psql = demo.wait_for(|line| line.contains("PGPASSWORD=").then(|| line.trim().to_owned()));
    let mut queries = Vec::new();
    while queries.len() < 3 {
        let query = |line: &str| line.trim().starts_with("SELECT").then(|| line.to_owned());
        queries.push(demo.wait_for(query));
    }
    // The second reads a curated table, the third the runs: until each model ran on the events.
    let runs = |line: &str| -> Option<u64> {
        let (_, runs) = line.split_once("model runs ")?;
        runs.replace(',', "").parse().ok()
    };
    demo.wait_for_commits(3_000);
    let before = demo.wait_for(runs);
    demo.wait_for(|line| (runs(line)? >= before + 8).then_some(()));
    for query in queries {
        // As people paste it: the line, then the query.
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("{psql} -X -A -t -v ON_ERROR_STOP=1 -c \"$1\""),
                "sh",
            ])
            .arg(query.trim())
            .output()
            .expect("psql is installed");
        assert!(output.status.success(), "{query}: {}", text(&output.stderr));
        let rows = text(&output.stdout);
        assert!(rows.lines().count() >= 3, "{query}: {rows}");
    }
    assert_eq!(demo.stop("-INT"), Some(0), "{}", log(&folder));
}

#[test]
fn a_folder_of_a_newer_version_is_told_and_left_alone() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let arguments = ["--events", "300", "--exit"];
    let made = command(&folder, &arguments).output().expect("it runs");
    assert_eq!(summary(&made, &folder)[0], 300);
    for (file, old, new, code, said) in [
        (
            "demo.json",
            "\"version\":1",
            "\"version\":9",
            2,
            "another version of frazil",
        ),
        (
            "frazil.toml",
            "version = 1",
            "version = 9",
            2,
            "use a newer frazil",
        ),
    ] {
        let path = folder.join(file);
        let text_before = std::fs::read_to_string(&path).expect("read");
        assert!(text_before.contains(old), "{text_before}");
        let newer = text_before.replacen(old, new, 1);
        std::fs::write(&path, &newer).expect("written");
        let output = command(&folder, &arguments).output().expect("it runs");
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(said) && errors.contains(file), "{errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), newer);
        std::fs::write(&path, text_before).expect("written");
    }
    let again = command(&folder, &arguments).output().expect("it runs");
    assert_eq!(summary(&again, &folder)[0], 300);
}

/// A folder that has reached its limit grows by no event.
#[test]
fn at_its_limit_the_producer_pauses_and_a_larger_one_lets_it_go_on() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("demo");
    let mut demo = Running::start(&folder, &["--events", "3000", "--disk-limit", "1 KiB"]);
    let bounds = demo.wait_for(|line| line.contains("disk: ").then(|| line.to_owned()));
    assert!(
        bounds.contains("event log keeps 256 MiB") && bounds.contains("the producer pauses"),
        "{bounds}"
    );
    let said = demo.wait_for(|line| line.contains("reached its limit").then(|| line.to_owned()));
    assert!(said.contains("--disk-limit raises it"), "{said}");
    demo.wait_for(|line| line.starts_with("events in 0 ").then_some(()));
    assert_eq!(demo.stop("-INT"), Some(0), "{}", log(&folder));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let entropy = std::sync::Arc::new(frazil::seams::OsEntropy);
        let log = EmbeddedLog::open(&folder.join("log.db"), entropy).await;
        let log = log.expect("the event log opens");
        let topic = log.topic("shop-events").await.expect("the topic");
        for partition in 0..topic.partitions {
            let marks = log.watermarks(&topic, partition).await.expect("known");
            assert_eq!(marks.high, 0, "partition {partition}");
        }
    });
    let output = command(&folder, &["--events", "3000", "--exit"]).output();
    let figures = summary(&output.expect("it runs"), &folder);
    assert_eq!(figures[1] + figures[2], 3_000);
}
