//! A table's columns in one data file, found by field id: renamed, added, widened and dropped
//! ones come out as the table has them now, inside structs too.
//! A file without ids (written by others) goes by the table's name mapping, else by names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use iceberg::spec::{MappedField, NameMapping};

use super::schema::field_id;
use super::structs::{Conversion, StructCast};
use crate::lake::Table;

/// Makes an adapter for each file.
#[derive(Debug)]
pub(super) struct FieldIdAdapterFactory {
    names: Arc<HashMap<i32, Vec<String>>>,
    /// Columns whose footers may not decide what is left out.
    unbounded: Arc<HashSet<i32>>,
}

impl FieldIdAdapterFactory {
    pub(super) fn new(table: &Table) -> Self {
        let mapping = table
            .metadata()
            .properties()
            .get(iceberg::spec::DEFAULT_SCHEMA_NAME_MAPPING)
            .and_then(|json| serde_json::from_str::<NameMapping>(json).ok());
        let mut names = HashMap::new();
        for field in mapping.iter().flat_map(NameMapping::fields) {
            collect_names(field, &mut names);
        }
        Self {
            names: Arc::new(names),
            unbounded: Arc::default(),
        }
    }

    /// Nothing is left out by what a file's footer says of these columns: it tells of no NaN, which
    /// stands above all that it tells of.
    pub(super) fn unbounded(mut self, columns: HashSet<i32>) -> Self {
        self.unbounded = Arc::new(columns);
        self
    }
}

fn collect_names(field: &MappedField, names: &mut HashMap<i32, Vec<String>>) {
    if let Some(id) = field.field_id() {
        names.insert(id, field.names().to_vec());
    }
    for child in field.fields() {
        collect_names(child, names);
    }
}

impl FieldIdAdapterFactory {
    /// Finds columns in files of this schema.
    pub(super) fn finder(&self, physical: &Schema) -> Finder {
        Finder {
            has_ids: physical.fields().iter().any(|f| field_id(f).is_some()),
            names: Arc::clone(&self.names),
        }
    }

    /// Places of a file's columns that are needed for these of the table.
    pub(super) fn roots(&self, wanted: &Schema, file: &Schema) -> Vec<usize> {
        let finder = self.finder(file);
        let wanted = wanted.fields().iter();
        wanted
            .filter_map(|field| finder.find(field, file.fields()))
            .collect()
    }
}

impl PhysicalExprAdapterFactory for FieldIdAdapterFactory {
    fn create(
        &self,
        logical: SchemaRef,
        physical: SchemaRef,
    ) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let finder = self.finder(&physical);
        Ok(Arc::new(FieldIdAdapter {
            logical,
            physical,
            finder,
            unbounded: Arc::clone(&self.unbounded),
        }))
    }
}

/// Finds the table's fields among a file's.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    has_ids: bool,
    names: Arc<HashMap<i32, Vec<String>>>,
}

impl Finder {
    pub(super) fn find(&self, wanted: &Field, among: &Fields) -> Option<usize> {
        let id = field_id(wanted);
        let position = |test: &dyn Fn(&Field) -> bool| among.iter().position(|f| test(f));
        match id {
            Some(id) if self.has_ids => position(&|f| field_id(f) == Some(id)),
            Some(id) if self.names.contains_key(&id) => {
                let names = &self.names[&id];
                position(&|f| names.contains(f.name()))
            }
            _ => position(&|f| f.name() == wanted.name()),
        }
    }
}

#[derive(Debug)]
struct FieldIdAdapter {
    logical: SchemaRef,
    physical: SchemaRef,
    finder: Finder,
    unbounded: Arc<HashSet<i32>>,
}

impl PhysicalExprAdapter for FieldIdAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform_down(|expr| {
            let rewritten = match self.field_access(&expr)? {
                Some(rewritten) => Some(rewritten),
                None => match expr.downcast_ref::<Column>() {
                    Some(column) => Some(self.column(column)?),
                    None => None,
                },
            };
            Ok(match rewritten {
                Some(rewritten) => Transformed::new(rewritten, true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        })
        .data()
    }
}

impl FieldIdAdapter {
    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.logical.field_with_name(column.name())?;
        let Some(index) = self.finder.find(wanted, self.physical.fields()) else {
            return null(wanted);
        };
        let found = self.physical.field(index);
        let input: Arc<dyn PhysicalExpr> = Arc::new(Column::new(found.name(), index));
        let column = converted(input, found, wanted, &self.finder)?;
        if !field_id(wanted).is_some_and(|id| self.unbounded.contains(&id)) {
            return Ok(column);
        }
        // What DataFusion doesn't know as a column it doesn't compare with the footer.
        let target = Arc::new(wanted.clone());
        Ok(Arc::new(StructCast::new(column, target, Conversion::Same)))
    }

    /// `properties.geo.city`: only the field itself is sought, so that the file's reader sees which
    /// leaf is wanted; in one call, since it sees none behind a call within a call.
    /// None when the expression is no such access.
    fn field_access(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some((column, names)) = path_of(expr) else {
            return Ok(None);
        };
        let mut wanted = self.logical.field_with_name(column.name())?;
        let Some(index) = self.finder.find(wanted, self.physical.fields()) else {
            return absent(wanted, &names);
        };
        let mut found = self.physical.field(index);
        let mut arguments: Vec<Arc<dyn PhysicalExpr>> =
            vec![Arc::new(Column::new(found.name(), index))];
        for (depth, (name, _)) in names.iter().enumerate() {
            let (DataType::Struct(wanted_fields), DataType::Struct(found_fields)) =
                (wanted.data_type(), found.data_type())
            else {
                return Ok(None);
            };
            let Some((_, field)) = wanted_fields.find(name) else {
                return Ok(None);
            };
            wanted = field;
            let Some(index) = self.finder.find(wanted, found_fields) else {
                return absent(wanted, &names[depth + 1..]);
            };
            found = &found_fields[index];
            let name = ScalarValue::from(found.name().as_str());
            arguments.push(Arc::new(Literal::new(name)));
        }
        let Some((_, function)) = names.first() else {
            return Ok(None);
        };
        let access = Arc::new(ScalarFunctionExpr::new(
            function.name(),
            Arc::new(function.fun().clone()),
            arguments,
            Arc::new(found.clone().with_nullable(true)),
            Arc::new(function.config_options().clone()),
        ));
        converted(access, found, wanted, &self.finder).map(Some)
    }
}

type Access<'a> = (String, &'a ScalarFunctionExpr);

/// The column and the names of an access to a field of it, outermost struct first.
fn path_of(expr: &Arc<dyn PhysicalExpr>) -> Option<(&Column, Vec<Access<'_>>)> {
    let function = ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref())?;
    let (base, rest) = function.args().split_first()?;
    let (column, mut names) = match base.downcast_ref::<Column>() {
        Some(column) => (column, Vec::new()),
        None => path_of(base)?,
    };
    for name in rest {
        let name = name.downcast_ref::<Literal>()?.value().try_as_str()??;
        names.push((name.to_owned(), function));
    }
    Some((column, names))
}

/// Null, of the type at the end of this path.
fn absent(mut wanted: &Field, names: &[Access<'_>]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    for (name, _) in names {
        let DataType::Struct(fields) = wanted.data_type() else {
            return Ok(None);
        };
        let Some((_, field)) = fields.find(name) else {
            return Ok(None);
        };
        wanted = field;
    }
    null(wanted).map(Some)
}

fn null(wanted: &Field) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(Arc::new(Literal::new(ScalarValue::try_from(
        wanted.data_type(),
    )?)))
}

fn converted(
    input: Arc<dyn PhysicalExpr>,
    found: &Field,
    wanted: &Field,
    finder: &Finder,
) -> Result<Arc<dyn PhysicalExpr>> {
    if found.data_type() == wanted.data_type() {
        return Ok(input);
    }
    if !wanted.data_type().is_nested() {
        return Ok(Arc::new(CastExpr::new(
            input,
            wanted.data_type().clone(),
            None,
        )));
    }
    let conversion = Conversion::between(found.data_type(), wanted.data_type(), finder)?;
    let target: FieldRef = Arc::new(wanted.clone().with_nullable(true));
    Ok(Arc::new(StructCast::new(input, target, conversion)))
}
