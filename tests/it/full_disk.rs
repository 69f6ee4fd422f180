//! A disk without room: it is said in words, nothing is lost, and with room it goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::demo::{Running, command, each_position_once, http_get, log, summary, text};
use crate::parts;

/// A demo's folder on a disk that is full on demand.
struct Disk {
    parent: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let parent = tempfile::tempdir().expect("a folder");
        let disk = Self { parent };
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(disk.path("full_disk.so"))
            .arg(parts::tests_file("parts/full_disk.c"))
            .arg("-ldl")
            .output()
            .expect("the C compiler that builds librdkafka");
        assert!(made.status.success(), "{}", text(&made.stderr));
        disk
    }

    /// As the kernel names it, whatever leads there.
    fn path(&self, name: &str) -> PathBuf {
        let parent = fs::canonicalize(self.parent.path()).expect("a folder");
        parent.join(name)
    }

    fn demo(&self) -> PathBuf {
        self.path("demo")
    }

    fn fill(&self) {
        fs::write(self.path("full"), "").expect("written");
    }

    fn make_room(&self) {
        fs::remove_file(self.path("full")).expect("removed");
    }

    /// The demo, with what is below this folder on that disk.
    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = command(&self.demo(), arguments);
        command
            .env("LD_PRELOAD", self.path("full_disk.so"))
            .env("FULL_DISK_FLAG", self.path("full"))
            .env("FULL_DISK_FOLDER", folder);
        command
    }
}

#[test]
fn a_sink_without_room_says_so_and_goes_on_when_there_is_room() {
    let disk = Disk::new();
    let warehouse = disk.demo().join("warehouse");
    let arguments = ["--events", "3000", "--rate", "200"];
    let mut demo = Running::of(&mut disk.command(&warehouse, &arguments));
    let ops = demo.wait_for(|line| {
        let (_, rest) = line.split_once("http://")?;
        rest.split_once("/health")
            .map(|(address, _)| address.to_owned())
    });
    demo.wait_for_commits(3_000);
    disk.fill();
    let said = demo.wait_for(|line| line.starts_with("! ").then(|| line.to_owned()));
    for part in [
        "the disk is full: make room",
        "nothing is lost",
        "stream shop",
        "warehouse",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let ready = http_get(&ops, "/ready");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("the disk is full, make room"), "{ready}");
    disk.make_room();
    demo.wait_for(|line| (line == "the streams go on").then_some(()));
    assert_eq!(demo.stop("-INT"), Some(0), "{}", log(&disk.demo()));
    assert!(each_position_once(&disk.demo()) > 3_000);
}

#[test]
fn a_demo_without_room_for_events_ends_clearly_and_starts_again_with_room() {
    let disk = Disk::new();
    let arguments = ["--events", "2000", "--rate", "200"];
    let mut command = disk.command(&disk.demo(), &arguments);
    let mut demo = Running::of(command.stderr(Stdio::piped()));
    demo.wait_for_commits(1_000);
    disk.fill();
    let errors = demo.errors();
    let (code, _) = demo.end();
    let errors = errors.join().expect("what it said");
    assert_eq!(code, Some(3), "{errors}");
    let said =
        "frazil: producer died: the disk is full: make room and start again, nothing is lost";
    assert!(errors.contains(said), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");

    disk.make_room();
    let arguments = ["--events", "3000", "--exit"];
    let mut again = disk.command(&disk.demo(), &arguments);
    let figures = summary(&again.output().expect("it runs"), &disk.demo());
    assert!(figures[0] >= 3_000);
    assert_eq!(figures[1] + figures[2], figures[0]);
    assert_eq!(each_position_once(&disk.demo()), figures[0]);
}
