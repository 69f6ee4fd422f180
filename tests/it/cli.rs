//! The binary's commands as scripts see them: output, errors, exit codes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn frazil(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn generate_prints_the_same_lines_for_the_same_seed() {
    let one = frazil(&["generate", "--events", "3000", "--seed", "5"]);
    let two = frazil(&["generate", "--events", "3000", "--seed", "5"]);
    assert!(one.status.success());
    assert_eq!(one.stdout.iter().filter(|b| **b == b'\n').count(), 3000);
    assert!(one.stdout == two.stdout);
    let other = frazil(&["generate", "--events", "3000", "--seed", "6"]);
    assert!(one.stdout != other.stdout);
}

#[test]
fn generate_ends_well_when_its_reader_leaves() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(["generate", "--events", "100000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut some = [0; 10_000];
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut some).expect("lines");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

fn lakehouse(folder: &Path, extra: &str) -> String {
    let repository = env!("CARGO_MANIFEST_DIR");
    let config = format!(
        "version = 1\n[lake]\nwarehouse = \"warehouse\"\n[streams]\nfolder = \
         \"{repository}/catalog\"\n[models]\nfolder = \"{repository}/sql\"\n{extra}"
    );
    let path = folder.join("frazil.toml");
    std::fs::write(&path, config).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn check_finds_the_shipped_declarations_fine_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = lakehouse(folder.path(), "");
    let output = frazil(&["check", "--config", &config]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("1 stream and 8 models"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 1);
}

#[test]
fn check_tells_file_and_line_of_each_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = lakehouse(
        folder.path(),
        "[wire]\nlisten = \"nowhere\"\nmax_conections = 5\n",
    );
    let output = frazil(&["check", "--config", &config]);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(errors.contains("frazil.toml:9:"), "{errors}");
    assert!(errors.contains("frazil.toml:10:"), "{errors}");
    assert!(errors.contains("max_connections"), "{errors}");
}

#[test]
fn stream_names_what_is_declared_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = lakehouse(folder.path(), "");
    for (stream, said) in [("ship", "declares: shop"), ("shop", "no lakehouse yet")] {
        let output = frazil(&["stream", "show", stream, "--config", &config]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 1);
}

#[test]
fn stream_moves_an_offset_once_and_refuses_what_the_topic_has_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("demo");
    let demo = ["demo", "--events", "300", "--exit", "--dir"];
    let made = frazil(&[&demo[..], &[place.to_str().expect("UTF-8")]].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    let config = place.join("frazil.toml");
    let stream = |action: &[&str]| {
        let config = ["--config", config.to_str().expect("UTF-8")];
        frazil(&[&["stream"][..], action, &config[..]].concat())
    };
    let shown = text(&stream(&["show", "shop"]).stdout);
    assert!(shown.starts_with("ended\n"), "{shown}");
    assert!(shown.contains("shop-events[0] next "), "{shown}");

    let moved = stream(&["set-offset", "shop", "0", "0"]);
    assert!(moved.status.success(), "{}", text(&moved.stderr));
    let shown = text(&stream(&["show", "shop"]).stdout);
    assert!(
        shown.contains("shop-events[0] next 0 epoch 1 of"),
        "{shown}"
    );
    for (action, said) in [
        (
            &["set-offset", "shop", "0", "999999"][..],
            "can be read from 0 to",
        ),
        (&["set-offset", "shop", "99", "0"], "has partitions 0 to"),
        (&["accept-topic", "shop"], "nothing to accept"),
        (&["accept-rollback", "shop"], "no rollback to accept"),
        (&["accept-table", "shop"], "nothing to accept"),
    ] {
        let refused = stream(action);
        assert_eq!(refused.status.code(), Some(1), "{action:?}");
        assert!(
            text(&refused.stderr).contains(said),
            "{}",
            text(&refused.stderr)
        );
    }
}

#[test]
fn wrong_usage_is_told_apart_by_its_exit_code() {
    for arguments in [
        &["generate"][..],
        &["generate", "--events", "many"],
        &["serve"],
        &["serve", "--config", "x.toml", "--roles", "snik"],
        &["check", "--config", "/nowhere/frazil.toml"],
        &["sql", "--config", "/nowhere", "SELECT 1"],
        &["demo", "--disk-limit", "a lot"],
        &["stream", "show"],
        &["stream", "show", "shop", "--config", "/nowhere/frazil.toml"],
        &["stream", "set-offset", "shop", "0", "first"],
        &["dance"],
    ] {
        let output = frazil(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(!output.stderr.is_empty());
    }
    assert!(frazil(&["--help"]).status.success());
    assert!(frazil(&["--version"]).status.success());
}

fn passwd(password: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_frazil"))
        .arg("passwd")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(password.as_bytes()).expect("taken");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[test]
fn passwd_prints_a_verifier_that_the_configuration_takes() {
    let output = passwd("correct horse battery\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let verifier = text(&output.stdout);
    let folder = tempfile::tempdir().expect("a folder");
    let user = format!(
        "[[wire.users]]\nname = \"ann\"\naccess = \"read\"\nverifier = \"{}\"\n",
        verifier.trim_end()
    );
    let config = lakehouse(folder.path(), &user);
    let output = frazil(&["check", "--config", &config]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(passwd("short\n").status.code(), Some(2));
}

/// A folder with its own `catalog/` and `sql/`: the shipped ones, to be changed.
struct Declared {
    folder: tempfile::TempDir,
}

impl Declared {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["catalog", "sql"] {
            let made = folder.path().join(name);
            std::fs::create_dir(&made).expect("made");
            for file in std::fs::read_dir(repository.join(name)).expect("shipped") {
                let file = file.expect("an entry");
                std::fs::copy(file.path(), made.join(file.file_name())).expect("copied");
            }
        }
        let declared = Self { folder };
        declared.write(
            "frazil.toml",
            "version = 1\n[lake]\nwarehouse = \"warehouse\"\n[streams]\nfolder = \"catalog\"\n\
             [models]\nfolder = \"sql\"\n",
        );
        declared
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("read")
    }

    /// What `frazil check` says, which must find something to mend.
    fn problems(&self) -> String {
        let config = self.folder.path().join("frazil.toml");
        let output = frazil(&["check", "--config", config.to_str().expect("UTF-8")]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
        errors
    }
}

/// The line of a text, from 1, that holds a part.
fn line_of(text: &str, part: &str) -> usize {
    let found = text.lines().position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("{part:?} is in no line of {text}")) + 1
}

#[test]
fn check_tells_file_and_line_of_errors_in_streams_and_models() {
    let declared = Declared::new();
    let shop = declared.read("catalog/shop.toml");
    assert!(shop.contains("topic ="), "{shop}");
    declared.write("catalog/shop.toml", &shop.replace("topic =", "topics ="));
    let bad = "topic = \"t\"\ntable = \"shop.t\"\n[[columns]]\nname = \"a\"\ntype = \"strng\"\n";
    declared.write("catalog/bad.toml", bad);
    declared.write("catalog/torn.toml", "topic = \"t\"\ntable = \"\n");
    declared.write(
        "sql/bad.sql",
        "-- A model.\nCREATE MATERIALIZED VIEW curated.bad\nWITH (schedul = 'every 1h')\n\
         AS SELECT 1 AS a\n",
    );
    declared.write(
        "sql/cron.sql",
        "CREATE MATERIALIZED VIEW curated.cron\nWITH (schedule = '61 * * * *')\nAS SELECT 1 AS a\n",
    );
    declared.write(
        "sql/half.sql",
        "CREATE MATERIALIZED VIEW curated.half AS\nSELECT 1 AS a FROM\n",
    );
    declared.write("sql/drop.sql", "DROP TABLE curated.sessions;\n");
    let errors = declared.problems();
    let line = line_of(&shop, "topic =");
    for said in [
        &format!("catalog/shop.toml:{line}:1: unknown key \"topics\""),
        "catalog/shop.toml:1:1: topic is missing",
        "catalog/bad.toml:5:",
        "catalog/torn.toml:2:",
        "sql/bad.sql:3:7: unknown option \"schedul\": did you mean schedule?",
        "sql/cron.sql:2:18: ",
        "sql/half.sql:2:",
        "sql/drop.sql:1:",
    ] {
        assert!(errors.contains(said), "{said} is not in\n{errors}");
    }
    let last = errors.lines().last().expect("a line");
    assert_eq!(last, "frazil: 8 problems to mend");
}

#[test]
fn check_tells_the_lines_of_what_clashes() {
    let declared = Declared::new();
    let shop = declared.read("catalog/shop.toml");
    // Two streams with one table; one's dead letters are another's events, and one group for two.
    let twin = "# A twin.\ntopic = \"t\"\ngroup_id = \"frazil-shop\"\ntable = \"shop.events\"\n\
                [[columns]]\nname = \"a\"\ntype = \"long\"\n";
    declared.write("catalog/twin.toml", twin);
    let other = "topic = \"u\"\ntable = \"shop.other\"\ndead_letters = \"shop.events\"\n\
                 [[columns]]\nname = \"a\"\ntype = \"long\"\n";
    declared.write("catalog/other.toml", other);
    declared.write(
        "sql/again.sql",
        "-- Again.\nCREATE MATERIALIZED VIEW\n  curated.sessions AS SELECT 1 AS a\n",
    );
    declared.write(
        "sql/events.sql",
        "CREATE MATERIALIZED VIEW shop.dead_letters AS SELECT 1 AS a\n",
    );
    let errors = declared.problems();
    let table = line_of(&shop, "table =");
    for said in [
        "catalog/twin.toml:4:9: the table shop.events is that of stream shop already",
        "catalog/twin.toml:3:12: the group_id frazil-shop is that of stream shop already",
        // Files come by name: `other` was read before `shop`.
        &format!("catalog/shop.toml:{table}:"),
        "a table can't hold events of one stream and dead letters of another: shop.events",
        "sql/sessions.sql:",
        "curated.sessions stands in ",
        "sql/again.sql:3:3 already",
    ] {
        assert!(errors.contains(said), "{said} is not in\n{errors}");
    }

    // Between the two folders, once each is sound by itself.
    for file in ["catalog/twin.toml", "catalog/other.toml", "sql/again.sql"] {
        std::fs::remove_file(declared.folder.path().join(file)).expect("removed");
    }
    let errors = declared.problems();
    let said = "sql/events.sql:1:26: shop.dead_letters is the table of dead letters of stream shop";
    assert!(errors.contains(said), "{errors}");
}

#[test]
fn check_knows_the_settings_of_librdkafka() {
    let declared = Declared::new();
    let config = declared.read("frazil.toml");
    declared.write(
        "frazil.toml",
        &format!(
            "{config}[source]\nkind = \"kafka\"\nbrokers = \"localhost:9092\"\n[source.kafka]\n\
             \"security.protcol\" = \"SASL_SSL\"\n\"sasl.password\" = \"hunter2\"\n"
        ),
    );
    let shop = declared.read("catalog/shop.toml");
    let (head, columns) = shop.split_once("[[columns]]").expect("columns");
    let own = format!("{head}[kafka]\n\"fetch.wait.max.ms\" = \"soon\"\n[[columns]]{columns}");
    declared.write("catalog/shop.toml", &own);
    let errors = declared.problems();
    let line = line_of(&own, "fetch.wait.max.ms");
    for said in [
        "frazil.toml:12:22: librdkafka has no setting \"security.protcol\": \
         did you mean \"security.protocol\"?",
        &format!("catalog/shop.toml:{line}:23: "),
        "fetch.wait.max.ms",
        "2 problems",
    ] {
        assert!(errors.contains(said), "{said} is not in\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}
