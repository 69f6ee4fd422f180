//! The fields of a struct, or of the whole row: found by name, filled one row at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Fields as ArrowFields;
use arrow::error::ArrowError;

use super::column::Column;

/// One field and its buffer.
#[derive(Debug)]
pub(super) struct Field {
    pub name: Arc<str>,
    /// Missing or null is a failure.
    pub required: bool,
    /// Whether the contract has it; a column that only the table has stays null.
    pub declared: bool,
    pub column: Column,
}

#[derive(Debug)]
pub(super) struct Fields {
    arrow: ArrowFields,
    pub fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    /// Which field stood where in the object before: producers write their keys in one order,
    /// so that this guess nearly always saves the hash look-up.
    guesses: Vec<usize>,
}

impl Fields {
    /// `aliases`: other names of a field, as after a rename.
    pub(super) fn new(
        arrow: ArrowFields,
        fields: Vec<Field>,
        aliases: Vec<(String, usize)>,
    ) -> Self {
        let mut by_name: HashMap<String, usize> = aliases.into_iter().collect();
        for (at, field) in fields.iter().enumerate() {
            if field.declared {
                by_name.insert(field.name.to_string(), at);
            }
        }
        Self {
            arrow,
            fields,
            by_name,
            guesses: Vec::new(),
        }
    }

    /// The declared field of this name, which stands as the `position`th key in its object.
    pub(super) fn find(&mut self, name: &str, position: usize) -> Option<usize> {
        if let Some(&guess) = self.guesses.get(position)
            && *self.fields[guess].name == *name
        {
            return Some(guess);
        }
        let found = *self.by_name.get(name)?;
        // Bounded: an object can have far more keys than fields.
        if position < self.guesses.len() {
            self.guesses[position] = found;
        } else if position < self.fields.len() * 2 {
            self.guesses.resize(position + 1, found);
        }
        Some(found)
    }

    pub(super) fn push_null(&mut self) {
        for field in &mut self.fields {
            field.column.push_null();
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        for field in &mut self.fields {
            field.column.truncate(rows);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let columns = self.fields.iter().map(|field| field.column.memory_bytes());
        columns.sum()
    }

    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let fields = self.fields.iter_mut();
        fields.map(|field| field.column.finish()).collect()
    }

    pub(super) fn finish_struct(
        &mut self,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<StructArray, ArrowError> {
        let arrays = self.finish()?;
        StructArray::try_new_with_length(self.arrow.clone(), arrays, nulls, rows)
    }
}
