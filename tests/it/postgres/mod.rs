//! The same statements to Frazil and to a real Postgres, answer by answer.
//!
//! Statements are the lines of `tests/postgres/*.sql`. Where the answers differ today stands in
//! `tests/postgres/known-differences.txt`: a difference that is not listed fails the test, and so
//! does a listed one that is gone. `FRAZIL_POSTGRES_LIST=write` writes the list anew;
//! `FRAZIL_POSTGRES_REPORT=<folder>` writes both answers of all that differ.

mod answer;
mod catalogs;
mod corpus;
mod statements;
mod tables;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tokio_postgres::{Client, NoTls};

use super::wire::fixture::{WRITER, Wire, wire};
use answer::{Answer, answer};

/// What one file came to.
#[derive(Default)]
struct Tally {
    answers: usize,
    same_answers: usize,
    errors: usize,
    same_errors: usize,
    different: Vec<String>,
    report: String,
}

impl Tally {
    fn count(&mut self, file: &str, sql: &str, ours: &Answer, theirs: &Answer) {
        let same = ours.same(theirs);
        if theirs.is_error() {
            self.errors += 1;
            self.same_errors += usize::from(same);
        } else {
            self.answers += 1;
            self.same_answers += usize::from(same);
        }
        if !same {
            self.different.push(format!("{file}: {sql}"));
            let _ = writeln!(
                self.report,
                "{sql}\n  postgres {theirs}\n  frazil   {ours}\n"
            );
        }
    }
}

fn share(part: usize, whole: usize) -> String {
    format!(
        "{part} of {whole} ({:.0} %)",
        100.0 * part as f64 / whole.max(1) as f64
    )
}

async fn postgres() -> Client {
    let url = crate::parts::postgres_database().await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(tables::SQL).await.unwrap();
    client
}

async fn compare(wire: &Wire, postgres: &Client, file: &str, text: &str) -> Tally {
    let frazil = wire.client_of(WRITER).await;
    let reset = "rollback; discard all; set search_path to system, public";
    for part in reset.split("; ") {
        postgres.batch_execute(part).await.unwrap();
    }
    let path = "set search_path to system, public";
    frazil.batch_execute(path).await.unwrap();
    let mut tally = Tally::default();
    let mut seen = BTreeSet::new();
    for sql in statements::of(text) {
        let theirs = answer(postgres, &sql).await;
        let ours = answer(&frazil, &sql).await;
        // The same words again, later in a session, are told apart by their number.
        let mut name = sql.clone();
        let mut number = 1;
        while !seen.insert(name.clone()) {
            number += 1;
            name = format!("{sql} #{number}");
        }
        tally.count(file, &name, &ours, &theirs);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn answers_are_postgres_answers() {
    let wire = wire().await;
    tables::register(&wire.engine);
    let postgres = postgres().await;
    let folder = crate::parts::tests_file("postgres");
    let mut total = Tally::default();
    for (file, text) in statements::files(&folder) {
        let tally = compare(&wire, &postgres, &file, &text).await;
        println!(
            "{file}: same answers {}, same error classes {}",
            share(tally.same_answers, tally.answers),
            share(tally.same_errors, tally.errors)
        );
        if let Ok(reports) = std::env::var("FRAZIL_POSTGRES_REPORT") {
            std::fs::create_dir_all(&reports).unwrap();
            std::fs::write(format!("{reports}/{file}.txt"), &tally.report).unwrap();
        }
        total.answers += tally.answers;
        total.same_answers += tally.same_answers;
        total.errors += tally.errors;
        total.same_errors += tally.same_errors;
        total.different.extend(tally.different);
    }
    println!(
        "all: same answers {}, same error classes {}",
        share(total.same_answers, total.answers),
        share(total.same_errors, total.errors)
    );
    check(&folder.join("known-differences.txt"), &total.different);
}

/// Compares with the list of known differences, or writes it.
fn check(path: &std::path::Path, different: &[String]) {
    if std::env::var("FRAZIL_POSTGRES_LIST").is_ok_and(|value| value == "write") {
        std::fs::write(path, different.join("\n") + "\n").unwrap();
        return;
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let known: BTreeSet<&str> = known.lines().filter(|line| !line.is_empty()).collect();
    let now: BTreeSet<&str> = different.iter().map(String::as_str).collect();
    let new: Vec<_> = now.difference(&known).collect();
    let gone: Vec<_> = known.difference(&now).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "differ and are not listed: {new:#?}\nare listed and no longer differ: {gone:#?}\n\
         Run this test with FRAZIL_POSTGRES_LIST=write to write the list anew."
    );
}
