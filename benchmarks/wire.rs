//! One measurement of a server of the Postgres protocol.
//!
//!     wire PID ADDRESS USER PASSWORD DATABASE rows simple|binary SQL
//!     wire PID ADDRESS USER PASSWORD DATABASE asks simple|prepared CONNECTIONS SECONDS SQL
//!     wire PID ADDRESS USER PASSWORD DATABASE connects TIMES
//!
//! PID is the server's; its CPU time is counted with its children's. One line of JSON on stdout.

mod client;
mod processes;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::client::{Answer, Client, Server};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let [pid, address, user, password, database, what @ ..] = given.as_slice() else {
        usage();
    };
    let pid: u32 = number(pid);
    let server = Server {
        address: (*address).to_owned(),
        user: (*user).to_owned(),
        password: (*password).to_owned(),
        database: (*database).to_owned(),
    };
    let found = match what {
        ["rows", protocol, sql] => rows(pid, &server, protocol, sql),
        ["asks", protocol, connections, seconds, sql] => {
            let seconds = Duration::from_secs(number(seconds));
            asks(pid, &server, protocol, number(connections), seconds, sql)
        }
        ["connects", times] => connects(pid, &server, number(times)),
        _ => usage(),
    };
    println!("{found}");
}

fn usage() -> ! {
    eprintln!("wire PID ADDRESS USER PASSWORD DATABASE rows|asks|connects …; see wire.rs");
    std::process::exit(2);
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| usage())
}

fn ask(client: &mut Client, protocol: &str, sql: &str) -> Answer {
    match protocol {
        "simple" => client.simple(sql),
        "binary" => client.binary(sql),
        _ => usage(),
    }
}

/// All rows of one answer.
fn rows(pid: u32, server: &Server, protocol: &str, sql: &str) -> Value {
    let mut client = Client::connect(server);
    let held = processes::anonymous_bytes(pid);
    let most = AtomicU64::new(held);
    let done = AtomicBool::new(false);
    let (cpu, started) = (processes::cpu(pid), Instant::now());
    let (answer, wall) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(processes::anonymous_bytes(pid), Ordering::Relaxed);
                std::thread::sleep(BETWEEN_LOOKS);
            }
        });
        let answer = ask(&mut client, protocol, sql);
        done.store(true, Ordering::Relaxed);
        (answer, started.elapsed())
    });
    let cpu = processes::cpu(pid).saturating_sub(cpu);
    json!({
        "rows": answer.rows,
        "hash": answer.hash,
        "bytes": answer.bytes,
        "first_s": answer.first.map(|first| first.as_secs_f64()),
        "cpu_s": cpu.as_secs_f64(),
        "wall_s": wall.as_secs_f64(),
        "grown_bytes": most.into_inner() - held,
    })
}

/// The same statement again and again over many connections.
fn asks(
    pid: u32,
    server: &Server,
    protocol: &str,
    connections: usize,
    time: Duration,
    sql: &str,
) -> Value {
    let answers = AtomicU64::new(0);
    let ready = Barrier::new(connections + 1);
    let mut measured = Value::Null;
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::connect(server);
                if protocol == "prepared" {
                    client.prepare("asked", sql);
                }
                ready.wait();
                let started = Instant::now();
                while started.elapsed() < time {
                    let answer = match protocol {
                        "prepared" => client.execute("asked"),
                        other => ask(&mut client, other, sql),
                    };
                    assert_eq!(answer.rows, 1, "rows of {sql}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                ready.wait();
            });
        }
        ready.wait();
        let (cpu, started) = (processes::cpu(pid), Instant::now());
        ready.wait();
        let cpu = processes::cpu(pid).saturating_sub(cpu);
        measured = json!({
            "answers": answers.load(Ordering::Relaxed),
            "cpu_s": cpu.as_secs_f64(),
            "wall_s": started.elapsed().as_secs_f64(),
        });
    });
    measured
}

/// Connections one after the other, each authenticated and ended.
fn connects(pid: u32, server: &Server, times: u64) -> Value {
    let (cpu, started) = (processes::cpu(pid), Instant::now());
    for _ in 0..times {
        drop(Client::connect(server));
    }
    let wall = started.elapsed();
    // A child of Postgres counts when it has been reaped.
    std::thread::sleep(Duration::from_millis(300));
    let cpu = processes::cpu(pid).saturating_sub(cpu);
    json!({"connects": times, "cpu_s": cpu.as_secs_f64(), "wall_s": wall.as_secs_f64()})
}
