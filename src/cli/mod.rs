//! The command line, one command a file. Flags are parsed here and checked by the commands;
//! errors go to stderr as sentences for people, and the exit code tells scripts what kind it was.

mod check;
mod demo;
mod exit;
mod generate;
mod output;
mod passwd;
mod serve;
mod sql;
mod stream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Event streams into Iceberg tables, served over the Postgres wire.
#[derive(Debug, Parser)]
#[command(name = "frazil", version, about, long_about = None, max_term_width = 100)]
#[command(after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Options),
    Serve(serve::Options),
    Check(check::Options),
    Sql(sql::Options),
    Stream(stream::Options),
    Generate(generate::Options),
    Passwd(passwd::Options),
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version come this way too. A closed terminal is nobody's problem.
            let _ = error.print();
            return match error.use_stderr() {
                true => Exit::Usage.into(),
                false => Exit::Done.into(),
            };
        }
    };
    let result = match cli.command {
        Command::Demo(options) => demo::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Sql(options) => sql::run(&options),
        Command::Stream(options) => stream::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Passwd(options) => passwd::run(&options),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("frazil: {:#}", failure.error);
            failure.exit.into()
        }
    }
}
