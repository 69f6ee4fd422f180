//! What people declare: streams (`catalog/*.toml`) and models (`sql/*.sql`).
//! Reads texts only: no catalog, no store, no network.

pub(crate) mod dialect;
pub mod graph;
pub(crate) mod layout;
pub mod model;
mod model_file;
mod schedule;
mod sources;
mod statement;
pub mod stream;
mod stream_file;
mod system_columns;
mod types;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod stream_tests;

pub use dialect::FrazilDialect;
pub use model_file::{load_models, parse_model};
pub use stream_file::parse as parse_stream;
pub use system_columns::{dead_letters_partition, dead_letters_schema, dead_letters_sort_order};

use std::path::{Path, PathBuf};

use crate::config::{Config, Problem, Problems};
use model::{Model, Schedule};
use stream::Stream;

/// All streams of a folder, sorted by name; or all problems of all its files.
pub fn load_streams(folder: &Path) -> Result<Vec<Stream>, Problems> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut problems = Vec::new();
    for file in files(folder, "toml")? {
        match stream_file::load(&file) {
            Ok(stream) => {
                clashes(&streams, &stream, &mut problems);
                streams.push(stream);
            }
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.is_empty() {
        Ok(streams)
    } else {
        Err(Problems(problems))
    }
}

/// The streams of a configuration, with what it overrides in them.
pub fn streams(config: &Config) -> Result<Vec<Stream>, Problems> {
    let mut streams = load_streams(&config.streams.folder)?;
    if let Some(interval) = config.streams.commit_interval {
        for stream in &mut streams {
            stream.commit_interval = interval;
        }
    }
    Ok(streams)
}

/// The models of a configuration's folder, with what it overrides in them.
pub fn models(config: &Config) -> Result<Vec<Model>, Problems> {
    let mut models = load_models(&config.models.folder)?;
    if let Some(interval) = config.models.every {
        for model in models.iter_mut().filter(|model| model.schedule.is_some()) {
            model.schedule = Some(Schedule::Every(interval));
        }
    }
    Ok(models)
}

/// Everything that can be told to be wrong without a network: all problems of `catalog/` and
/// `sql/`, and between the two. The configuration itself was checked when it was loaded.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let streams = streams(config).unwrap_or_else(|found| {
        problems.extend(found.0);
        Vec::new()
    });
    let models = models(config).unwrap_or_else(|found| {
        problems.extend(found.0);
        Vec::new()
    });
    for model in &models {
        for stream in &streams {
            let what = if stream.table == model.name {
                "table"
            } else if stream.dead_letters == model.name {
                "table of dead letters"
            } else {
                continue;
            };
            let message = format!("{} is the {what} of stream {}", model.name, stream.name);
            problems.push(model.place.problem(message));
        }
    }
    problems
}

/// What two streams can't share: a table is the ledger of one stream (I1), and a group splits a
/// topic among its members.
fn clashes(others: &[Stream], stream: &Stream, problems: &mut Vec<Problem>) {
    let places = &stream.places;
    if stream.table == stream.dead_letters {
        let message = "table and dead_letters must be two tables";
        problems.push(places.dead_letters.problem(message));
    }
    for other in others {
        if stream.table == other.table {
            let message = format!(
                "the table {} is that of stream {} already",
                stream.table, other.name
            );
            problems.push(places.table.problem(message));
        }
        if stream.group_id == other.group_id {
            let message = format!(
                "the group_id {} is that of stream {} already",
                stream.group_id, other.name
            );
            problems.push(places.group_id.problem(message));
        }
        for (ours, theirs, place) in [
            (&stream.table, &other.dead_letters, &places.table),
            (&stream.dead_letters, &other.table, &places.dead_letters),
        ] {
            if ours == theirs {
                let message = format!(
                    "a table can't hold events of one stream and dead letters of another: \
                     {ours} is one of stream {} too",
                    other.name
                );
                problems.push(place.problem(message));
            }
        }
    }
}

/// Files of a folder with this extension, sorted by name; hidden ones are left out.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Problem> {
    let unreadable =
        |error: std::io::Error| Problem::of_file(folder, format!("can't be read: {error}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
