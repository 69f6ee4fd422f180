//! Values on their way into columns: the casts that Postgres makes by itself, and no others.

use arrow::datatypes::{DataType, Field};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use super::target::Target;
use super::{Error, Result, refuse};
use crate::query::QueryErrorKind;
use crate::query::declared::Kind;
use crate::query::postgres::types::{mark_name, mark_of, name_of};

/// A column as rows that go into it must have it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub name: String,
    pub kind: DataType,
    pub declared: Option<Kind>,
}

impl Slot {
    /// The columns of a table, in their order.
    pub fn all(target: &Target) -> Result<Vec<Self>> {
        let table = target.draft.readable()?;
        let schema = datafusion::catalog::TableProvider::schema(&table);
        let fields = schema.fields().iter().zip(target.fields());
        Ok(fields
            .map(|(field, iceberg)| Self {
                name: field.name().clone(),
                kind: plain(field.data_type()),
                declared: target.declared.column(iceberg.id).kind,
            })
            .collect())
    }

    /// The type's name in errors.
    fn type_name(&self) -> String {
        match &self.declared {
            Some(Kind::Smallint) => "smallint".to_owned(),
            Some(kind) => mark_name(kind.mark().unwrap_or("text")).to_owned(),
            None => name_of(&self.kind),
        }
    }

    /// A value brought to the column's type. `DatatypeMismatch` where Postgres would not do it by
    /// itself.
    pub fn assigned(&self, value: Expr, from: &Field) -> Result<Expr> {
        if !self.takes(from) {
            let found = mark_of(from).map_or_else(
                || name_of(from.data_type()),
                |mark| mark_name(mark).to_owned(),
            );
            return Err(Error::new(
                QueryErrorKind::DatatypeMismatch,
                format!(
                    "column \"{}\" is of type {} but expression is of type {found}",
                    self.name,
                    self.type_name()
                ),
            )
            .with_hint("You will need to rewrite or cast the expression."));
        }
        let to = match self.declared {
            Some(Kind::Smallint) => DataType::Int16,
            _ => self.kind.clone(),
        };
        if from.data_type() == &to {
            return Ok(value);
        }
        Ok(cast(value, to))
    }

    fn takes(&self, from: &Field) -> bool {
        let json = |mark: Option<&str>| matches!(mark, Some("json" | "jsonb"));
        let open = from.data_type().is_null();
        match &self.declared {
            Some(Kind::Json | Kind::Jsonb) => open || json(mark_of(from)),
            _ => open || is_assignable(from.data_type(), &self.kind),
        }
    }
}

/// Views are for reading: a value is computed as what it is.
fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}

fn is_assignable(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let moment = |kind: &D| matches!(kind, D::Timestamp(..) | D::Date64);
    let day = |kind: &D| matches!(kind, D::Date32);
    let time = |kind: &D| matches!(kind, D::Time32(_) | D::Time64(_));
    match (from, to) {
        (from, to) if from == to => true,
        (_, D::Utf8) => true,
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (from, to) if (moment(from) || day(from)) && (moment(to) || day(to)) => true,
        (from, to) if (moment(from) || time(from)) && time(to) => true,
        (D::Interval(_), to) => time(to),
        (D::Binary | D::LargeBinary | D::BinaryView, D::Binary) => true,
        (D::List(from), D::List(to)) => {
            from.data_type().is_null() || is_assignable(from.data_type(), &plain(to.data_type()))
        }
        (D::Struct(_), D::Struct(_)) | (D::Map(..), D::Map(..)) => true,
        _ => false,
    }
}

/// The plan's columns from `first` on, brought to these slots; those before stay as they are.
pub(super) fn assigned(plan: LogicalPlan, first: usize, slots: &[Slot]) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, (qualifier, field)) in schema.iter().enumerate() {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let Some(slot) = index.checked_sub(first).and_then(|at| slots.get(at)) else {
            columns.push(column.alias(format!("k{index}")));
            continue;
        };
        columns.push(slot.assigned(column, field)?.alias(format!("c{index}")));
    }
    if columns.len() != first + slots.len() {
        return Err(refuse("XX000", "a plan has other columns than its table"));
    }
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}
