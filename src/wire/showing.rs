//! SHOW and EXPLAIN: what the session tells of its settings, and how plans are shown.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast;

use super::connection::Limits;
use super::prepared::Columns;
use super::rows::{Rows, Source, text_rows, text_schema};
use super::run::{Started, Tag};
use super::session::Session;
use super::sqlstate::Result;
use crate::query::RowStream;

pub(super) fn is_explain(statement: &ast::Statement) -> bool {
    matches!(statement, ast::Statement::Explain { .. })
}

pub(super) fn explain_schema() -> SchemaRef {
    text_schema(&["QUERY PLAN"])
}

impl Session<'_> {
    pub(super) fn show(&self, variable: &[ast::Ident]) -> Result<Started> {
        let columns = show_columns(variable);
        let settings = self.settings();
        let rows: Vec<Vec<Option<String>>> = match shown_name(variable) {
            None => settings
                .all()
                .into_iter()
                .map(|(name, value, description)| {
                    vec![Some(name), Some(value), Some(description.to_owned())]
                })
                .collect(),
            Some(name) => vec![vec![Some(settings.show(&name)?)]],
        };
        let batch = text_rows(&columns.schema, &rows);
        Ok(Started::Rows {
            rows: Rows::new(Arc::clone(&columns.schema), Source::Made(Some(batch))),
            columns,
            tag: Tag::Plain("SHOW"),
        })
    }

    /// DataFusion's table of plans as the lines that Postgres's clients expect.
    pub async fn explained(&mut self, mut stream: RowStream, limits: &Limits) -> Result<Started> {
        let mut lines = Vec::new();
        while let Some(batch) = self.connection.watch(limits, stream.next()).await? {
            let batch = batch?;
            let texts = |index: usize| {
                arrow::compute::cast(batch.column(index), &arrow::datatypes::DataType::Utf8)
            };
            let (Ok(kinds), Ok(plans)) = (texts(0), texts(1)) else {
                continue;
            };
            for (kind, plan) in kinds
                .as_string::<i32>()
                .iter()
                .zip(plans.as_string::<i32>())
            {
                lines.push(vec![Some(format!("{}:", kind.unwrap_or_default()))]);
                let plan = plan.unwrap_or_default().lines();
                lines.extend(plan.map(|line| vec![Some(format!("  {line}"))]));
            }
        }
        let columns = Columns::new(explain_schema(), None);
        let batch = text_rows(&columns.schema, &lines);
        Ok(Started::Rows {
            rows: Rows::new(Arc::clone(&columns.schema), Source::Made(Some(batch))),
            columns,
            tag: Tag::Plain("EXPLAIN"),
        })
    }
}

/// None for SHOW ALL.
fn shown_name(variable: &[ast::Ident]) -> Option<String> {
    let words: Vec<String> = variable
        .iter()
        .map(|word| word.value.to_ascii_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words[..] {
        ["all"] => return None,
        ["time", "zone"] => "TimeZone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        _ => words.join("."),
    })
}

pub(super) fn show_columns(variable: &[ast::Ident]) -> Columns {
    let schema = match shown_name(variable) {
        None => text_schema(&["name", "setting", "description"]),
        Some(name) => {
            let name = super::settings::find(&name).map_or(name.as_str(), |known| known.name);
            text_schema(&[name])
        }
    };
    Columns::new(schema, None)
}
