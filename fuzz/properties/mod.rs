//! One file for each target: what must hold whatever bytes come, the inputs to begin with and the
//! words to put in. A failing property panics.

mod arrow_cells;
mod base64_by_hand;
mod contracts;
pub mod decode;
mod json;
pub mod model;
mod numbers;
mod oracle;
pub mod stream;
mod stream_text;
mod times;
pub mod wire;

use std::path::{Path, PathBuf};

/// What is tried, and with what to begin.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub check: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What random bytes would seldom hit on.
    pub words: &'static [&'static str],
}

pub const TARGETS: [Target; 4] = [decode::TARGET, stream::TARGET, model::TARGET, wire::TARGET];

/// The repository, whichever package this is compiled into.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_root = here.join("catalog").is_dir();
    if is_root {
        here
    } else {
        here.parent().expect("fuzz/ lies in the repository")
    }
    .to_owned()
}

/// The texts of a folder's files, by name.
fn texts(folder: &str, extension: &str) -> Vec<String> {
    let folder = std::fs::read_dir(root().join(folder)).expect("a folder of the repository");
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string);
    texts.map(|text| text.expect("text")).collect()
}
