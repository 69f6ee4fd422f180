//! What columns hold that a statement says nothing of: declared defaults, values of sequences,
//! else NULL.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Expr, Value};

use super::rewrite::{Caster, expression};
use super::target::Target;
use super::{Result, refuse};
use crate::query::declared::Declared;

/// The defaults of a table, and how far its sequences have come.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// By column name.
    texts: BTreeMap<String, String>,
    sequences: BTreeMap<String, Sequence>,
}

#[derive(Clone, Debug)]
struct Sequence {
    id: i32,
    next: i64,
    always: bool,
}

impl Defaults {
    pub fn of(target: &Target) -> Self {
        let mut defaults = Self {
            texts: BTreeMap::new(),
            sequences: BTreeMap::new(),
        };
        for field in target.fields() {
            let column = target.declared.column(field.id);
            if let Some(text) = column.default {
                defaults.texts.insert(field.name.clone(), text);
            }
            if let Some(next) = column.sequence {
                let sequence = Sequence {
                    id: field.id,
                    next,
                    always: column.always,
                };
                defaults.sequences.insert(field.name.clone(), sequence);
            }
        }
        defaults
    }

    /// One value for a row that says DEFAULT, of the column's type.
    pub fn value(&mut self, column: &str, caster: &Caster) -> Result<Expr> {
        if let Some(sequence) = self.sequences.get_mut(column) {
            let value = sequence.next;
            sequence.next += 1;
            return Ok(Expr::value(Value::Number(value.to_string(), false)));
        }
        self.constant(column, caster)
    }

    /// The default of a column that has no sequence, the same expression for each row.
    pub fn constant(&self, column: &str, caster: &Caster) -> Result<Expr> {
        match self.texts.get(column) {
            Some(text) => Ok(caster.typed(expression(text)?)),
            None => Ok(caster.null()),
        }
    }

    /// State `428C9` for a value that is given to a column GENERATED ALWAYS.
    pub fn check_given(&self, column: &str) -> Result<()> {
        if self.sequences.get(column).is_some_and(|s| s.always) {
            let message = format!("cannot insert a non-DEFAULT value into column \"{column}\"");
            return Err(refuse("428C9", message));
        }
        Ok(())
    }

    /// Whether rows that say nothing of this column take its sequence's values.
    pub fn has_sequence(&self, column: &str) -> bool {
        self.sequences.contains_key(column)
    }

    pub fn next(&self, column: &str) -> i64 {
        self.sequences
            .get(column)
            .map_or(1, |sequence| sequence.next)
    }

    /// So many values were taken.
    pub fn advance(&mut self, column: &str, count: i64) {
        if let Some(sequence) = self.sequences.get_mut(column) {
            sequence.next += count;
        }
    }

    /// Writes down how far the sequences have come; true when one has moved.
    pub fn note(&self, declared: &mut Declared) -> bool {
        let mut moved = false;
        for sequence in self.sequences.values() {
            let column = declared.columns.entry(sequence.id).or_default();
            moved |= column.sequence != Some(sequence.next);
            column.sequence = Some(sequence.next);
        }
        moved
    }
}
