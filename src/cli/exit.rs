//! Exit codes, and errors that carry one.

use std::process::ExitCode;

/// What scripts may rely on; shown in `frazil --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped as asked.
    Done,
    /// It could not be done: stderr says why.
    Failed,
    /// The command line, the configuration, a stream or a model is wrong: mend it first.
    Usage,
    /// A service of the process died; the others were stopped in order.
    ServiceDied,
    /// Stopped as asked, but a service did not finish in its time and was cut off.
    CutOff,
}

pub(super) const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, \
3 a service died, 4 stopped but something had to be cut off, 130 ended by a second signal";

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::ServiceDied => 3,
            Self::CutOff => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error on its way out of the process.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl Failure {
    /// What people wrote is wrong.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            error: error.into(),
        }
    }
}

/// Whatever isn't told apart has failed.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: Exit::Failed,
            error: error.into(),
        }
    }
}
