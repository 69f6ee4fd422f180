//! The configuration of a process: one TOML file, `FRAZIL__SECTION__KEY` over it.
//! Unknown keys are errors, every problem is found at once and told with file and line.
//! Must never touch the network, and nothing else may read the environment.

mod document;
mod environment;
mod http_url;
mod kafka;
mod problem;
mod read;
mod secret;
mod sections;
mod units;

#[cfg(test)]
mod tests;

pub use document::{Document, Origin, Section};
pub use http_url::http_url;
pub use kafka::{SettingPlaces, read_settings};
pub use problem::{Place, Problem, Problems, line_and_column, suggestion};
pub use secret::{Secret, redact_settings, redact_url};
pub use sections::*;
pub use units::{parse_bytes, parse_duration};

use std::path::Path;

/// A configuration or a declaration is for people to write: a longer file is a mistake.
pub const LARGEST_FILE_BYTES: u64 = 4 << 20;

impl Config {
    /// Reads a file and lays the environment's `FRAZIL__…` over it.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let text = read_text(file)?;
        // Values that are not UTF-8 can't be any of ours: leave them out instead of panicking.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::parse(file, text, variables)
    }

    /// Reads a text as if it stood in `file`, with these variables over it.
    pub fn parse(
        file: &Path,
        text: String,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut document = Document::parse(file, text);
        if !document.is_sound() {
            return Err(document.problems());
        }
        environment::overlay(document.entries_mut(), variables);
        let config = read::config(file, &document.root());
        if document.is_sound() {
            Ok(config)
        } else {
            Err(document.problems())
        }
    }
}

/// The text of a file that people wrote: UTF-8, of bounded length.
pub fn read_text(file: &Path) -> Result<String, Problem> {
    let wrong = |reason: String| Problem::of_file(file, reason);
    let length = std::fs::metadata(file)
        .map_err(|error| wrong(format!("can't be read: {error}")))?
        .len();
    if length > LARGEST_FILE_BYTES {
        return Err(wrong(format!(
            "has {length} bytes, more than {LARGEST_FILE_BYTES}: this can't be meant"
        )));
    }
    let bytes = std::fs::read(file).map_err(|error| wrong(format!("can't be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        wrong(format!(
            "is not UTF-8 from byte {} on",
            error.utf8_error().valid_up_to()
        ))
    })
}
