//! Why a record is not a row: the path of the field and a reason, in words for people.

use std::fmt;

/// One step of a path, from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    Key(String),
}

/// A record's failure. Boxed: the happy path returns these by the million and never looks.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: String,
    /// The innermost step first: steps are added while the call stack unwinds.
    path: Vec<Step>,
}

pub(super) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    #[cold]
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            reason: reason.into(),
            path: Vec::new(),
        }))
    }

    #[cold]
    pub(super) fn under_field(mut self, name: &str) -> Self {
        self.0.path.push(Step::Field(name.to_owned()));
        self
    }

    #[cold]
    pub(super) fn under_index(mut self, index: usize) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    #[cold]
    pub(super) fn under_key(mut self, key: &str) -> Self {
        self.0.path.push(Step::Key(shorten(key)));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.path.iter().rev().enumerate() {
            match step {
                Step::Field(name) if n == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        if !self.0.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.0.reason)
    }
}

/// At most 60 characters of a text from outside, so that reasons stay short.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
