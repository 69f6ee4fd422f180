//! From the files of `sql/` to [`Model`]s: one statement a file, all problems of all files.

use std::path::Path;

use super::files;
use super::graph;
use super::model::{Model, ModelStatement, parse_statement};
use crate::config::{Place, Problem, Problems, read_text};

/// All models of a folder, sorted by file name; or all problems of all its files.
pub fn load_models(folder: &Path) -> Result<Vec<Model>, Problems> {
    let mut models: Vec<Model> = Vec::new();
    let mut problems = Vec::new();
    for file in files(folder, "sql")? {
        let loaded = read_text(&file).and_then(|text| parse_model(&file, &text));
        match loaded {
            Ok(model) => {
                if let Some(other) = models.iter().find(|other| other.name == model.name) {
                    let message = format!("{} stands in {} already", model.name, other.place);
                    problems.push(model.place.problem(message));
                }
                models.push(model);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty()
        && let Err(circle) = graph::order(&models)
    {
        let names: Vec<String> = circle.iter().map(ToString::to_string).collect();
        let first = models
            .iter()
            .find(|model| circle.first() == Some(&model.name));
        let place = first.map_or_else(|| Place::of_file(folder), |model| model.place.clone());
        let message = format!(
            "models read each other in a circle: {}",
            names.join(" reads ")
        );
        problems.push(place.problem(message));
    }
    if problems.is_empty() {
        Ok(models)
    } else {
        Err(Problems(problems))
    }
}

/// The one model of a file's text.
pub fn parse_model(file: &Path, text: &str) -> Result<Model, Problem> {
    let at = |byte: usize, message: String| Problem::at_byte(file, text, byte, message);
    match parse_statement(text).map_err(|error| at(error.byte, error.message))? {
        ModelStatement::Create {
            model,
            name_byte,
            or_replace: false,
            if_not_exists: false,
        } => Ok(Model {
            comment: leading_comment(text),
            file: Some(file.to_owned()),
            place: Place::at_byte(file, text, name_byte),
            ..*model
        }),
        ModelStatement::Create { .. } => Err(at(
            0,
            "a file says what is: write CREATE MATERIALIZED VIEW, without OR REPLACE and IF NOT EXISTS"
                .to_owned(),
        )),
        _ => Err(at(0, "a file holds a CREATE MATERIALIZED VIEW".to_owned())),
    }
}

/// The `--` lines before the statement.
fn leading_comment(text: &str) -> Option<String> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("--"))
        .filter_map(|line| line.strip_prefix("--"))
        .map(str::trim)
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
