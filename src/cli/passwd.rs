//! `frazil passwd`: a password becomes the verifier that stands in the configuration.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::exit::{Exit, Failure};
use crate::seams::{Entropy, OsEntropy};
use crate::wire::scram;

/// Read a password (asked for, or one line of stdin) and print its SCRAM-SHA-256 verifier
#[derive(Debug, Args)]
#[command(
    after_help = "Put the printed line into [[wire.users]] as verifier = \"…\". \
The password itself is kept nowhere."
)]
pub(super) struct Options {}

const SHORTEST: usize = 8;

pub(super) fn run(_options: &Options) -> Result<Exit, Failure> {
    let password = if io::stdin().is_terminal() {
        ask()?
    } else {
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .context("stdin can't be read")?;
        line
    };
    let password = password.trim_end_matches(['\n', '\r']);
    check(password).map_err(Failure::usage)?;
    println!("{}", verifier(password, &OsEntropy));
    Ok(Exit::Done)
}

/// A verifier with a fresh salt.
pub(super) fn verifier(password: &str, entropy: &dyn Entropy) -> String {
    let salt = entropy.uuid().into_bytes();
    scram::make_verifier(password, &salt, scram::DEFAULT_ITERATIONS)
}

fn check(password: &str) -> anyhow::Result<()> {
    if password.len() < SHORTEST {
        bail!("a password needs {SHORTEST} characters at least; it is guarded by nothing else");
    }
    if password.contains('\0') {
        bail!("a password can't contain a zero byte: clients can't send one");
    }
    Ok(())
}

/// Asks twice on the terminal, without showing what is typed.
fn ask() -> anyhow::Result<String> {
    let mut editor = rustyline::Editor::<Hidden, rustyline::history::MemHistory>::with_history(
        rustyline::Config::builder().auto_add_history(false).build(),
        rustyline::history::MemHistory::new(),
    )?;
    editor.set_helper(Some(Hidden));
    let first = editor.readline("Password: ")?;
    let second = editor.readline("Again: ")?;
    if first != second {
        return Err(anyhow!("the two passwords differ: nothing was made"));
    }
    Ok(first)
}

/// Shows no character of what is typed.
struct Hidden;

impl rustyline::Helper for Hidden {}

impl rustyline::completion::Completer for Hidden {
    type Candidate = String;
}

impl rustyline::hint::Hinter for Hidden {
    type Hint = String;
}

impl rustyline::validate::Validator for Hidden {}

impl rustyline::highlight::Highlighter for Hidden {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> std::borrow::Cow<'l, str> {
        std::borrow::Cow::Owned("*".repeat(line.chars().count()))
    }

    fn highlight_char(
        &self,
        _line: &str,
        _position: usize,
        _kind: rustyline::highlight::CmdKind,
    ) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SeededEntropy;

    #[test]
    fn salts_differ_and_the_password_is_not_in_it() {
        let entropy = SeededEntropy::new(1);
        let (one, two) = (
            verifier("correct horse", &entropy),
            verifier("correct horse", &entropy),
        );
        assert_ne!(one, two);
        assert!(one.starts_with("SCRAM-SHA-256$4096:"));
        assert!(!one.contains("horse"));
    }

    #[test]
    fn short_ones_are_refused() {
        assert!(check("hunter2").is_err());
        assert!(check("hunter22").is_ok());
        assert!(check("with\0zero").is_err());
    }
}
