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

/// An Iceberg REST catalog of the test's own, in the S3 server that all tests share: a bucket that
/// is one catalog, `warehouse` to its server.
pub struct Rest {
    pub url: String,
    /// `s3://bucket`, which is where its tables must lie, too.
    pub warehouse: String,
    /// `id:secret`.
    pub credential: String,
}

pub fn rest_catalog() -> Rest {
    let bucket = format!("t{}", uuid::Uuid::new_v4().simple());
    let made = Command::new(tests_file("parts/s3"))
        .arg("table-bucket")
        .arg(from_test_command("FRAZIL_TEST_PARTS_INSTALLED"))
        .arg(from_test_command("FRAZIL_TEST_S3_FOLDER"))
        .arg(&bucket)
        .output()
        .expect("tests/parts/s3 runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let s3 = s3();
    Rest {
        url: from_test_command("FRAZIL_TEST_REST"),
        warehouse: format!("s3://{bucket}"),
        credential: format!("{}:{}", s3.access_key, s3.secret_key),
    }
}

/// A Python with pyiceberg.
pub fn python() -> Command {
    Command::new(from_test_command("FRAZIL_TEST_PYTHON"))
}

/// A Python with PySpark, and the folder of Iceberg's jars for it.
pub fn spark() -> (Command, PathBuf) {
    let installed = std::env::var("FRAZIL_TEST_ENGINES_INSTALLED").expect(
        "this test needs engines that are large to fetch: FRAZIL_TEST_ENGINES=1 ./test readers",
    );
    let installed = Path::new(&installed);
    (
        Command::new(installed.join("python/bin/python")),
        installed.join("jars"),
    )
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

/// A server of one test's own, run by a script of `tests/parts`; killed when dropped.
struct Own {
    script: &'static str,
    /// Arguments of `start` before the folder.
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    address: String,
}

impl Own {
    fn start(script: &'static str, arguments: Vec<String>) -> Self {
        let mut own = Self {
            script,
            arguments,
            folder: tempfile::tempdir().expect("a temporary folder"),
            address: String::new(),
        };
        own.address = own.run("start");
        own
    }

    /// SIGKILL; its data stays.
    fn kill(&self) {
        self.run("kill");
    }

    /// At the same address.
    fn restart(&self) {
        assert_eq!(self.run("start"), self.address);
    }

    fn run(&self, command: &str) -> String {
        let mut script = self.script(command);
        // Into files and not pipes: the server inherits them and would keep a pipe open for ever.
        let printed = self.folder.path().join(format!("{command}.out"));
        let out = std::fs::File::create(&printed).expect("a file in the test's own folder");
        let status = script
            .stdout(out.try_clone().expect("one more handle"))
            .stderr(out)
            .status()
            .expect("the script runs");
        let text = std::fs::read_to_string(&printed).expect("what the script printed");
        assert!(status.success(), "{} {command} failed: {text}", self.script);
        text.trim().to_owned()
    }

    fn script(&self, command: &str) -> Command {
        let mut script = Command::new(tests_file("parts").join(self.script));
        script.arg(command);
        if command == "start" {
            script.args(&self.arguments);
        }
        script.arg(self.folder.path().join("server"));
        script
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self
            .script("kill")
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// A broker of one test's own.
pub struct OwnKafka(Own);

impl OwnKafka {
    pub fn start() -> Self {
        let jars = from_test_command("FRAZIL_TEST_KAFKA_JARS");
        Self(Own::start("kafka", vec![jars]))
    }

    /// With a listener for SASL and one for TLS beside the plain one: user `shop`, password `right`.
    pub fn start_secure() -> Self {
        let jars = from_test_command("FRAZIL_TEST_KAFKA_JARS");
        Self(Own::start("kafka", vec!["--secure".to_owned(), jars]))
    }

    /// The same through all restarts.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Where a secure broker listens for `sasl` or `ssl`.
    pub fn address_for(&self, protocol: &str) -> String {
        let port = std::fs::read_to_string(self.file(protocol)).expect("a secure broker");
        format!("127.0.0.1:{}", port.trim())
    }

    /// A file in the broker's folder: `ca.pem` of a secure one.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.folder.path().join("server").join(name)
    }

    /// SIGKILL; its data stays.
    pub fn kill(&self) {
        self.0.kill();
    }

    pub fn restart(&self) {
        self.0.restart();
    }

    /// Where the broker keeps a partition's first records.
    pub fn log_file(&self, topic: &str, partition: i32) -> PathBuf {
        let folder = self.file(&format!("data/{topic}-{partition}"));
        folder.join("00000000000000000000.log")
    }
}

/// A Postgres of one test's own.
pub struct OwnPostgres(Own);

impl OwnPostgres {
    pub fn start() -> Self {
        Self(Own::start("postgres", Vec::new()))
    }

    /// URL of its first database.
    pub fn url(&self) -> &str {
        &self.0.address
    }

    /// SIGKILL to all of its processes; its data stays.
    pub fn kill(&self) {
        self.0.kill();
    }

    pub fn restart(&self) {
        self.0.restart();
    }
}

/// An S3 server of one test's own, with the keys and the bucket of the shared one.
pub struct OwnS3(Own);

impl OwnS3 {
    pub fn start() -> Self {
        let installed = from_test_command("FRAZIL_TEST_PARTS_INSTALLED");
        Self(Own::start("s3", vec![installed]))
    }

    pub fn endpoint(&self) -> &str {
        &self.0.address
    }

    /// SIGKILL; its data stays.
    pub fn kill(&self) {
        self.0.kill();
    }

    pub fn restart(&self) {
        self.0.restart();
    }
}
