//! A whole demo's folder as the first version wrote it opens in this one, has every row that it had,
//! and goes on where it stood.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::demo::{command, each_position_once, sql, summary, text};
use crate::parts;

/// Where the folder lay when it was made: table metadata holds absolute paths. They are set to the
/// new place byte by byte, which keeps every length and offset in these files true.
const MADE_AT_LENGTH: usize = 120;
const MADE_AT_START: &str = "/tmp/frazil-golden-demo-v1-";

fn made_at() -> String {
    format!("{MADE_AT_START:0<MADE_AT_LENGTH$}")
}

/// A folder whose path is as long as the one that it was made at.
fn folder(parent: &Path) -> PathBuf {
    let parent = fs::canonicalize(parent).expect("a folder");
    let room = MADE_AT_LENGTH.checked_sub(parent.as_os_str().len() + 1);
    let room = room.filter(|room| *room > 0);
    let folder = parent.join("d".repeat(room.expect("a shorter TMPDIR")));
    fs::create_dir(&folder).expect("made");
    folder
}

fn unpack(into: &Path) {
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(parts::tests_file("golden/demo-v1.tar.gz"))
        .arg("-C")
        .arg(into)
        .output()
        .expect("tar runs");
    assert!(unpacked.status.success(), "{}", text(&unpacked.stderr));
    let mut changed = 0;
    relocate(into, into.to_str().expect("UTF-8").as_bytes(), &mut changed);
    assert!(changed > 30, "{changed} files name the place");
}

fn relocate(folder: &Path, place: &[u8], changed: &mut usize) {
    let old = made_at();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            relocate(&path, place, changed);
            continue;
        }
        let mut bytes = fs::read(&path).expect("read");
        let mut found = false;
        let mut at = 0;
        while let Some(next) = find(&bytes[at..], old.as_bytes()) {
            bytes[at + next..at + next + place.len()].copy_from_slice(place);
            at += next + place.len();
            found = true;
        }
        if found {
            fs::write(&path, bytes).expect("written");
            *changed += 1;
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

#[test]
fn a_demo_of_the_first_version_opens_and_goes_on() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = folder(parent.path());
    unpack(&folder);

    // Every row that it had, to the letter.
    let events = "SELECT _partition, _offset, event_id, type, timestamp, user_id, \
                  properties.category, properties.amount FROM shop.events ORDER BY 1, 2";
    let golden = fs::read_to_string(parts::tests_file("golden/demo-v1.csv")).expect("the rows");
    let golden: Vec<&str> = golden.lines().collect();
    assert_eq!(sql(&folder, events), golden);
    assert_eq!(each_position_once(&folder), 90);
    let sessions = "SELECT sum(events) FROM curated.sessions";
    let distinct = "SELECT count(DISTINCT event_id) FROM shop.events";
    assert_eq!(sql(&folder, sessions), sql(&folder, distinct));
    let runs = "SELECT count(*) FROM system.runs WHERE state = 'succeeded'";
    assert_eq!(sql(&folder, runs), ["20"]);

    // It goes on behind what it had, and its models with it.
    let output = command(&folder, &["--events", "150", "--exit"]).output();
    let figures = summary(&output.expect("it runs"), &folder);
    assert_eq!(figures[0], 150);
    assert_eq!(figures[1] + figures[2], 150);
    assert_eq!(each_position_once(&folder), 150);
    let now = sql(&folder, events);
    assert!(
        golden.iter().all(|row| now.iter().any(|line| line == row)),
        "a row is gone"
    );
    assert_eq!(sql(&folder, sessions), sql(&folder, distinct));
}
