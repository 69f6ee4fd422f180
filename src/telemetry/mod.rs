//! Logs: where they go, in which form, and which of them.
//! Must never decide what is logged (rooms do), and is set up once, by the process.

mod rotating;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub use rotating::RotatingFile;

/// How a line of log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    /// One JSON object a line.
    Json,
}

/// Where logs go.
#[derive(Debug)]
pub enum Output {
    Stderr,
    File(RotatingFile),
}

impl Output {
    /// A file that is kept below twice `largest_bytes`, its predecessor included.
    pub fn file(path: &Path, largest_bytes: u64) -> std::io::Result<Self> {
        RotatingFile::open(path, largest_bytes).map(Self::File)
    }
}

/// Why logs can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(
        "the log filter {filter:?} is not understood: {reason}; write info or frazil::sink=debug,info"
    )]
    Filter { filter: String, reason: String },
    #[error("logs are set up already")]
    Twice,
}

/// Sets up logging for the whole process; once.
pub fn init(form: Form, filter: &str, output: Output) -> Result<(), SetupError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| SetupError::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let colours = matches!(output, Output::Stderr) && std::io::stderr().is_terminal();
    let writer = match output {
        Output::Stderr => BoxMakeWriter::new(std::io::stderr),
        Output::File(file) => BoxMakeWriter::new(Mutex::new(file)),
    };
    install(form, filter, colours, writer)
}

fn install<W>(form: Form, filter: EnvFilter, colours: bool, writer: W) -> Result<(), SetupError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        // A full disk is told by who needs it, not by each line that can't be logged.
        .log_internal_errors(false)
        .with_writer(writer);
    let installed = match form {
        Form::Text => builder.with_target(true).try_init(),
        Form::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| SetupError::Twice)
}
