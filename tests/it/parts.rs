//! The real parts that tests stand on: addresses from the environment that `./test` sets, and
//! brokers of their own for tests that kill one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The value of a variable that `./test` sets; says how to get it when it is missing.
fn from_test_command(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run this test through ./test"))
}

/// `host:port` of the Apache Kafka that all tests share: use a topic of your own.
pub fn kafka() -> String {
    from_test_command("FRAZIL_TEST_KAFKA")
}

/// URL of the Postgres that all tests share: make a database of your own.
pub fn postgres() -> String {
    from_test_command("FRAZIL_TEST_POSTGRES")
}

/// URL of a new, empty database in that Postgres.
pub async fn postgres_database() -> String {
    use sqlx::{Connection as _, Executor as _};
    let server = postgres();
    let name = format!("t_{}", uuid::Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(&server)
        .await
        .expect("the tests' Postgres answers");
    connection
        .execute(format!("CREATE DATABASE {name} TEMPLATE template0").as_str())
        .await
        .expect("a test may make a database");
    let mut url = url::Url::parse(&server).expect("FRAZIL_TEST_POSTGRES is a URL");
    url.set_path(&name);
    url.to_string()
}

/// The S3 server that all tests share: use a prefix of your own in its bucket.
pub struct S3 {
    pub endpoint: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

pub fn s3() -> S3 {
    S3 {
        endpoint: from_test_command("FRAZIL_TEST_S3"),
        bucket: from_test_command("FRAZIL_TEST_S3_BUCKET"),
        access_key: from_test_command("FRAZIL_TEST_S3_KEY"),
        secret_key: from_test_command("FRAZIL_TEST_S3_SECRET"),
    }
}

/// A Python with pyiceberg.
pub fn python() -> Command {
    Command::new(from_test_command("FRAZIL_TEST_PYTHON"))
}

/// A script or file of `tests/`.
pub fn tests_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

/// Runs one of Kafka's own command-line tools and returns what it printed.
pub fn kafka_tool(class: &str, arguments: &[&str]) -> String {
    let output = Command::new(tests_file("parts/kafka"))
        .args(["tool", &from_test_command("FRAZIL_TEST_KAFKA_JARS"), class])
        .args(arguments)
        .output()
        .expect("tests/parts/kafka runs");
    assert!(
        output.status.success(),
        "{class} {arguments:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A broker of one test's own, to be killed and restarted; stopped when dropped.
pub struct OwnKafka {
    folder: tempfile::TempDir,
    address: String,
}

impl OwnKafka {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = Self::script(&folder, "start");
        Self { folder, address }
    }

    /// The same through all restarts.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL; its data stays.
    pub fn kill(&self) {
        Self::script(&self.folder, "kill");
    }

    pub fn restart(&self) {
        assert_eq!(Self::script(&self.folder, "start"), self.address);
    }

    /// Where the broker keeps a partition's first records.
    pub fn log_file(&self, topic: &str, partition: i32) -> PathBuf {
        let folder = format!("data/{topic}-{partition}");
        self.folder
            .path()
            .join(folder)
            .join("00000000000000000000.log")
    }

    fn script(folder: &tempfile::TempDir, command: &str) -> String {
        let mut script = Command::new(tests_file("parts/kafka"));
        script.arg(command);
        if command == "start" {
            script.arg(from_test_command("FRAZIL_TEST_KAFKA_JARS"));
        }
        // Into files and not pipes: the broker inherits them and would keep a pipe open for ever.
        let printed = folder.path().join(format!("{command}.out"));
        let out = std::fs::File::create(&printed).expect("a file in the test's own folder");
        let status = script
            .arg(folder.path())
            .stdout(out.try_clone().expect("one more handle"))
            .stderr(out)
            .status()
            .expect("tests/parts/kafka runs");
        let text = std::fs::read_to_string(&printed).expect("what the script printed");
        assert!(status.success(), "kafka {command} failed: {text}");
        text.trim().to_owned()
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        let _ = Command::new(tests_file("parts/kafka"))
            .arg("kill")
            .arg(self.folder.path())
            .status();
    }
}
