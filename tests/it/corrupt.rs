//! Files that are broken: what can't be read is said with its name, nothing panics, and the next
//! question is answered as if nothing had been.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use frazil::Lakehouse;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Reads every column of every file.
const QUERY: &str = "SELECT count(*) AS n, count(event_id), count(type), max(timestamp), \
                     count(user_id), count(properties), count(_offset) FROM shop.events";

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let house = Self { folder };
        let made = house.frazil(
            &["demo", "--events", "400", "--exit", "--dir"],
            &["--port", "0", "--ops-port", "0"],
        );
        assert!(made.status.success(), "{}", text(&made));
        house
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    fn frazil(&self, before: &[&str], after: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_frazil"))
            .args(before)
            .arg(if before[0] == "demo" {
                self.dir()
            } else {
                self.dir().join("frazil.toml")
            })
            .args(after)
            .output()
            .expect("frazil runs")
    }

    fn ask(&self) -> Output {
        self.frazil(&["sql", "--format", "csv", "--config"], &[QUERY])
    }

    /// The newest of each kind of the event table's files.
    fn files(&self) -> [PathBuf; 4] {
        [
            self.newest(|name| name.ends_with(".metadata.json")),
            self.newest(|name| name.starts_with("snap-") && name.ends_with(".avro")),
            self.newest(|name| !name.starts_with("snap-") && name.ends_with(".avro")),
            self.newest(|name| name.ends_with(".parquet")),
        ]
    }

    fn newest(&self, wanted: impl Fn(&str) -> bool) -> PathBuf {
        let mut files = Vec::new();
        walk(&self.dir(), &mut files);
        let mut named: Vec<PathBuf> = files
            .into_iter()
            .filter(|file| {
                let place = file.to_string_lossy();
                let name = file.file_name().expect("a file").to_string_lossy();
                place.contains("/shop/events/") && wanted(&name)
            })
            .collect();
        named.sort_by_key(|file| {
            let written = fs::metadata(file).and_then(|file| file.modified());
            (written.expect("a time"), file.clone())
        });
        named.pop().expect("a file of this kind")
    }

    fn catalog(&self) -> PathBuf {
        let mut files = Vec::new();
        walk(&self.dir(), &mut files);
        let is_sqlite = |file: &PathBuf| {
            fs::read(file).is_ok_and(|bytes| {
                bytes.starts_with(b"SQLite format 3\0")
                    && bytes.windows(14).any(|word| word == b"iceberg_tables")
            })
        };
        files.into_iter().find(is_sqlite).expect("the catalog")
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => walk(&path, files),
            path => files.push(path),
        }
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Ways to break a file.
fn broken(whole: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let half = whole.len() / 2;
    vec![
        ("gone", None),
        ("empty", Some(Vec::new())),
        ("cut in half", Some(whole[..half].to_vec())),
        ("one byte short", Some(whole[..whole.len() - 1].to_vec())),
        ("zeros", Some(vec![0; whole.len()])),
        (
            "its first half is noise",
            Some([&vec![0xA5; half], &whole[half..]].concat()),
        ),
    ]
}

#[test]
fn a_broken_file_is_named_and_nothing_panics() {
    let house = House::new();
    let right = house.ask();
    assert!(right.status.success(), "{}", text(&right));
    for file in house.files() {
        let whole = fs::read(&file).expect("the file");
        let name = file.file_name().expect("a file").to_string_lossy();
        for (how, bytes) in broken(&whole) {
            match bytes {
                Some(bytes) => fs::write(&file, bytes).expect("broken"),
                None => fs::remove_file(&file).expect("gone"),
            }
            let answer = house.ask();
            let said = text(&answer);
            assert_eq!(answer.status.code(), Some(1), "{name} {how}: {said}");
            assert!(said.contains(&*name), "{name} {how}: {said}");
            assert!(!said.contains("panicked"), "{name} {how}: {said}");
            fs::write(&file, &whole).expect("mended");
        }
        assert_eq!(house.ask().stdout, right.stdout, "{name} is mended");
    }
    let catalog = house.catalog();
    let whole = fs::read(&catalog).expect("the catalog");
    for (how, bytes) in broken(&whole) {
        // An absent or empty catalog is a new one.
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty() && how != "one byte short") else {
            continue;
        };
        fs::write(&catalog, bytes).expect("broken");
        for side in ["-wal", "-shm"] {
            let side = format!("{}{side}", catalog.display());
            let _ = fs::remove_file(side);
        }
        let answer = house.ask();
        let said = text(&answer);
        assert_eq!(answer.status.code(), Some(1), "catalog {how}: {said}");
        let name = catalog.file_name().expect("a file").to_string_lossy();
        assert!(said.contains(&*name), "catalog {how}: {said}");
        assert!(!said.contains("panicked"), "catalog {how}: {said}");
    }
}

/// Single bytes changed anywhere: an error or an answer, never a panic, never a hang.
#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_never_panic() {
    const FLIPS: usize = 60;
    let seed = rand::random::<u64>();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let house = House::new();
    for file in house.files() {
        let whole = fs::read(&file).expect("the file");
        for _ in 0..FLIPS {
            let mut bytes = whole.clone();
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
            fs::write(&file, &bytes).expect("broken");
            let what = format!("byte {at} of {}; seed {seed}", file.display());
            let asked = async {
                let config = house.dir().join("frazil.toml");
                let config = frazil::config::Config::load(&config).expect("a configuration");
                let lakehouse = Lakehouse::open_config(config).await.expect("opens");
                lakehouse.sql(QUERY).await
            };
            // A generous limit over a hang, not a measure.
            let answer = tokio::time::timeout(std::time::Duration::from_secs(60), asked).await;
            let answer = answer.unwrap_or_else(|_| panic!("hangs: {what}"));
            if let Err(error) = answer {
                let said = format!("{error:?}");
                assert!(!said.contains("panicked"), "{what}: {said}");
            }
        }
        fs::write(&file, &whole).expect("mended");
    }
}
