//! The columns of a scan whose files have equality deletes: those that a query asks for, and behind
//! them those that the deletes compare, which the table may have dropped since.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Result;
use iceberg::spec::{NestedField, NestedFieldRef, Schema as IcebergSchema, Type};

use super::equality::KeyColumn;
use super::{IcebergTable, QueryError, QueryErrorKind};
use crate::query::scan::schema::{corrupt, field_id, to_arrow};

pub(super) struct Shape<'a> {
    table: &'a IcebergTable,
    fields: Vec<Field>,
    projection: Vec<usize>,
}

impl<'a> Shape<'a> {
    pub(super) fn new(table: &'a IcebergTable, projection: Option<&Vec<usize>>) -> Self {
        let fields = table.schema.fields().iter();
        let fields: Vec<Field> = fields.map(|field| field.as_ref().clone()).collect();
        let every = || (0..fields.len()).collect();
        Self {
            projection: projection.cloned().unwrap_or_else(every),
            fields,
            table,
        }
    }

    /// The columns that files are read for, as the table has them.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    /// Which of them are read; what the query asks for comes first.
    pub(super) fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// The column of this id, to be read from now on.
    pub(super) fn key(&mut self, id: i32) -> Result<KeyColumn> {
        let (place, path) = match path_to(&self.table.iceberg_schema, id) {
            Some((root, path)) => {
                let is_root = |field: &Field| field_id(field) == Some(root.id);
                let place = self.fields.iter().position(is_root);
                (place.expect("the table's columns are the first"), path)
            }
            None => self.dropped(id)?,
        };
        let among = self.projection.iter().position(|at| *at == place);
        let among = among.unwrap_or_else(|| {
            self.projection.push(place);
            self.projection.len() - 1
        });
        Ok(KeyColumn {
            root: self.fields[place].clone(),
            place: among,
            path,
        })
    }

    /// A column that the table has no longer, as it was last.
    fn dropped(&mut self, id: i32) -> Result<(usize, Vec<i32>)> {
        let metadata = self.table.table.metadata();
        let mut schemas: Vec<_> = metadata.schemas_iter().collect();
        schemas.sort_unstable_by_key(|schema| schema.schema_id());
        let found = schemas
            .into_iter()
            .rev()
            .find_map(|schema| path_to(schema, id));
        let Some((root, path)) = found else {
            let name = self.table.table.name();
            let message = format!("rows of {name} are deleted by a column {id} that it never had");
            return Err(QueryError::new(QueryErrorKind::Corrupt, message).into());
        };
        let name = format!("\0dropped {id}");
        let field = NestedField::new(root.id, name, *root.field_type.clone(), false);
        let schema = IcebergSchema::builder()
            .with_fields(vec![field.into()])
            .build();
        let arrow = to_arrow(&schema.map_err(corrupt)?)?;
        self.fields.push(arrow.field(0).clone());
        Ok((self.fields.len() - 1, path))
    }
}

/// The column that a field lies in, or is, and the ids of the fields below it.
fn path_to(schema: &IcebergSchema, id: i32) -> Option<(NestedFieldRef, Vec<i32>)> {
    schema.as_struct().fields().iter().find_map(|root| {
        let path = below(root, id)?;
        Some((Arc::clone(root), path))
    })
}

fn below(field: &NestedField, id: i32) -> Option<Vec<i32>> {
    if field.id == id {
        return Some(Vec::new());
    }
    let Type::Struct(inner) = field.field_type.as_ref() else {
        return None;
    };
    inner.fields().iter().find_map(|field| {
        let mut path = vec![field.id];
        path.extend(below(field, id)?);
        Some(path)
    })
}
