//! `frazil serve` as a process, to be killed and asked over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub struct Serve {
    child: Child,
    config: PathBuf,
    log: PathBuf,
    roles: &'static str,
}

impl Serve {
    /// With the role sink.
    pub fn start(config: &Path, log: &Path) -> Self {
        Self::start_roles(config, log, "sink")
    }

    pub fn start_roles(config: &Path, log: &Path, roles: &'static str) -> Self {
        Self {
            child: spawn(config, log, roles),
            config: config.to_owned(),
            log: log.to_owned(),
            roles,
        }
    }

    /// The process' id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL. A process that ended by itself before is a failure.
    pub fn kill(&mut self) {
        self.must_live();
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("reaped");
    }

    pub fn restart(&mut self) {
        self.child = spawn(&self.config, &self.log, self.roles);
    }

    /// STOP freezes the process, CONT lets it go on.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child's state") {
            panic!(
                "frazil serve ended by itself with {status}:\n{}",
                self.log_tail()
            );
        }
    }

    /// Until it has ended by itself, which it must have been asked for.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }

    /// All that it said so far, on stdout and stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Until the process has ended in order, after a TERM.
    pub fn ends(&mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}:\n{}", self.log_tail());
    }

    /// What `/ready` answers, status line and all; None while it doesn't listen.
    pub fn ready(&self) -> Option<String> {
        self.get("/ready")
    }

    /// A figure of the stream `shop` in `/metrics`; None while it doesn't listen.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let metrics = self.get("/metrics")?;
        let begin = format!("frazil_{name}{{stream=\"shop\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&begin));
        Some(value?.parse().expect("a number"))
    }

    /// The address that it last said something is served at.
    pub fn address(&self, what: &str) -> Option<String> {
        let log = self.log();
        let line = log.lines().rev().find(|line| line.contains(what))?;
        // `address=127.0.0.1:1` as text, `"address":"127.0.0.1:1"` as JSON.
        let (_, address) = line.split_once("address")?;
        let address = address.trim_start_matches(['=', '"', ':']).chars();
        Some(
            address
                .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
                .collect(),
        )
    }

    /// An answer over HTTP; None while it doesn't listen.
    pub fn get(&self, path: &str) -> Option<String> {
        let address = self.address("health and metrics")?;
        let mut http = TcpStream::connect(address).ok()?;
        http.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        http.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        http.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

fn spawn(config: &Path, log: &Path, roles: &str) -> Child {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log");
    Command::new(env!("CARGO_BIN_EXE_frazil"))
        .args(["serve", "--roles", roles, "--config"])
        .arg(config)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("one more handle"))
        .stderr(file)
        .spawn()
        .expect("frazil serve starts")
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
