//! A demo's folder: made once, complete or not at all, and opened again ever after.
//!
//! `demo.json` is written first and marks the folder as a demo's, `frazil.toml` last and marks it
//! as complete; a start that was cut off in between is made up for by the next one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use super::plan::{self, Plan};
use crate::cli::exit::Failure;
use crate::cli::passwd::verifier;
use crate::seams::Entropy;

/// The shipped declarations, as they are in the repository.
const SHIPPED: [(&str, &str); 9] = [
    (
        "catalog/shop.toml",
        include_str!("../../../catalog/shop.toml"),
    ),
    (
        "sql/daily_active_users_by_region.sql",
        include_str!("../../../sql/daily_active_users_by_region.sql"),
    ),
    (
        "sql/hourly_page_views.sql",
        include_str!("../../../sql/hourly_page_views.sql"),
    ),
    (
        "sql/hourly_unique_visitors.sql",
        include_str!("../../../sql/hourly_unique_visitors.sql"),
    ),
    (
        "sql/product_popularity.sql",
        include_str!("../../../sql/product_popularity.sql"),
    ),
    (
        "sql/purchase_funnel.sql",
        include_str!("../../../sql/purchase_funnel.sql"),
    ),
    (
        "sql/revenue_by_category.sql",
        include_str!("../../../sql/revenue_by_category.sql"),
    ),
    (
        "sql/sessions.sql",
        include_str!("../../../sql/sessions.sql"),
    ),
    (
        "sql/weekly_cohorts.sql",
        include_str!("../../../sql/weekly_cohorts.sql"),
    ),
];

const PASSWORDS: &str = "passwords";
const LOCK: &str = "demo.lock";
pub(super) const CONFIG: &str = "frazil.toml";
pub(super) const LOG: &str = "frazil.log";

/// The two users of a demo.
pub(super) const READER: &str = "analyst";
const WRITER: &str = "admin";

/// An opened folder; no other process can open it as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub plan: Plan,
    pub reader_password: String,
    _lock: File,
}

/// What a new folder is made for; an old one keeps what it was made for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub plan: Plan,
    /// Kafka's address; None for the embedded log.
    pub kafka: Option<&'a str>,
    pub entropy: &'a dyn Entropy,
}

impl Folder {
    /// Opens the folder, and makes it when it is not there or empty.
    pub(super) fn open(path: &Path, wanted: &Wanted<'_>) -> Result<Self, Failure> {
        if path.exists() && !path.is_dir() {
            let message = format!("{} is a file: name a folder with --dir", path.display());
            return Err(Failure::usage(anyhow!(message)));
        }
        let known = Plan::read(path).map_err(Failure::usage)?;
        if known.is_none() && holds_other_things(path)? {
            return Err(Failure::usage(anyhow!(
                "the folder {} holds other things than a demo: name a new or empty one with --dir",
                path.display()
            )));
        }
        make_folder(path)?;
        let lock = lock(path)?;
        let plan = match known {
            Some(plan) => plan,
            None => {
                write(path, plan::FILE, &wanted.plan.to_json(), 0o644)?;
                wanted.plan.clone()
            }
        };
        if !path.join(CONFIG).exists() {
            fill(path, wanted)?;
        }
        let reader_password = password_of(path, READER)?;
        Ok(Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            plan,
            reader_password,
            _lock: lock,
        })
    }

    /// Bytes of all files in the folder.
    pub(super) fn bytes(path: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(path) else {
            return 0;
        };
        entries
            .flatten()
            .map(|entry| match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => Self::bytes(&entry.path()),
                Ok(metadata) => metadata.len(),
                Err(_) => 0,
            })
            .sum()
    }
}

fn holds_other_things(path: &Path) -> anyhow::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(entries) => Ok(entries.flatten().any(|entry| {
            entry.file_name() != LOCK && entry.file_name() != format!("{}.new", plan::FILE).as_str()
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path)
        .with_context(|| format!("the folder {} can't be made", path.display()))
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let file = path.join(LOCK);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .with_context(|| format!("{} can't be written", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another demo runs in {}: stop it first, or name another folder with --dir",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} can't be locked", file.display()))
        }
    }
}

/// Writes what is missing of declarations and passwords, and the configuration last.
fn fill(path: &Path, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    for folder in ["catalog", "sql"] {
        make_folder(&path.join(folder))?;
    }
    for (name, text) in SHIPPED {
        if !path.join(name).exists() {
            write(path, name, text, 0o644)?;
        }
    }
    if !path.join(PASSWORDS).exists() {
        let lines = format!(
            "{READER} {}\n{WRITER} {}\n",
            new_password(wanted.entropy),
            new_password(wanted.entropy)
        );
        write(path, PASSWORDS, &lines, 0o600)?;
    }
    let users: Vec<(&str, &str, String)> = [(READER, "read"), (WRITER, "write")]
        .into_iter()
        .map(|(user, access)| {
            let password = password_of(path, user)?;
            Ok((user, access, verifier(&password, wanted.entropy)))
        })
        .collect::<anyhow::Result<_>>()?;
    write(path, CONFIG, &config_text(wanted.kafka, &users), 0o600)
}

fn config_text(kafka: Option<&str>, users: &[(&str, &str, String)]) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text always serialises");
    let source = match kafka {
        // A killed demo's place in the group is free after this time, and not after 45 s.
        Some(brokers) => format!(
            "kind = \"kafka\"\nbrokers = {}\n\n[source.kafka]\n\"session.timeout.ms\" = 10000",
            quoted(brokers)
        ),
        None => "kind = \"embedded\"\npath = \"log.db\"".to_owned(),
    };
    let users: String = users
        .iter()
        .map(|(user, access, verifier)| {
            format!(
                "\n[[wire.users]]\nname = \"{user}\"\naccess = \"{access}\"\nverifier = \"{verifier}\"\n"
            )
        })
        .collect();
    format!(
        r#"# Made by `frazil demo`; change what you like, it is not written again.
version = 1

[lake]
warehouse = "warehouse"
catalog = "sqlite:catalog.db"

[source]
{source}

[streams]
folder = "catalog"
# A demo wants to see its events soon; each commit leaves small files, though.
commit_interval = "5s"

[models]
folder = "sql"
every = "30s"
keep_runs = 100

[query]
memory = "512 MiB"
spill_folder = "spill"
spill = "2 GiB"

[upkeep]
interval = "1m"
keep_all = "10m"
keep_hourly = "6h"
keep_daily = "3d"
safety_age = "1h"

[ops]
listen = "127.0.0.1:9433"

[wire]
listen = "127.0.0.1:5433"
{users}"#
    )
}

/// A hundred random bits, without letters that look alike.
fn new_password(entropy: &dyn Entropy) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    (0..20)
        .map(|_| char::from(LETTERS[(entropy.next_u64() >> 59) as usize]))
        .collect()
}

fn password_of(path: &Path, user: &str) -> anyhow::Result<String> {
    let file = path.join(PASSWORDS);
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} can't be read", file.display()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(user)?.strip_prefix(' '));
    line.map(str::to_owned)
        .ok_or_else(|| anyhow!("{} has no line for {user}", file.display()))
}

/// Writes the whole file or nothing.
fn write(folder: &Path, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    let write = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(&new);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)
    };
    write().with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Config;
    use crate::runtime::Declared;
    use crate::seams::SeededEntropy;

    fn open(path: &Path) -> Result<Folder, Failure> {
        Folder::open(
            path,
            &Wanted {
                plan: Plan::new(1, 5, 100),
                kafka: None,
                entropy: &SeededEntropy::new(1),
            },
        )
    }

    #[test]
    fn is_made_once_and_checks_fine() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        let folder = open(&path).unwrap();
        let (plan, password) = (folder.plan.clone(), folder.reader_password.clone());
        assert_eq!(password.len(), 20);
        let config = Config::parse(
            &path.join(CONFIG),
            std::fs::read_to_string(path.join(CONFIG)).unwrap(),
            [],
        )
        .unwrap();
        let declared = Declared::load(&config).unwrap();
        assert_eq!((declared.streams.len(), declared.models.len()), (1, 8));
        for secret in [PASSWORDS, CONFIG] {
            let mode = std::fs::metadata(path.join(secret))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{secret}");
        }

        // What people change stays, and so do the passwords.
        std::fs::remove_file(path.join("sql/sessions.sql")).unwrap();
        assert!(open(&path).is_err(), "two demos in one folder");
        drop(folder);
        let again = open(&path).unwrap();
        assert_eq!(
            (again.plan.clone(), again.reader_password.clone()),
            (plan, password)
        );
        assert!(!path.join("sql/sessions.sql").exists());
    }

    #[test]
    fn a_start_that_was_cut_off_is_made_up_for() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        let password = open(&path).unwrap().reader_password.clone();
        std::fs::remove_file(path.join(CONFIG)).unwrap();
        std::fs::remove_file(path.join("sql/sessions.sql")).unwrap();
        let folder = open(&path).unwrap();
        assert_eq!(folder.reader_password, password);
        assert!(path.join("sql/sessions.sql").exists());
    }

    #[test]
    fn other_peoples_folders_are_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("thesis.tex"), "x").unwrap();
        let failure = open(parent.path()).unwrap_err();
        assert!(failure.error.to_string().contains("other things"));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);

        let newer = parent.path().join("newer");
        std::fs::create_dir(&newer).unwrap();
        std::fs::write(newer.join(plan::FILE), r#"{"version":9}"#).unwrap();
        let failure = open(&newer).unwrap_err();
        assert!(format!("{:#}", failure.error).contains("another version"));
    }
}
