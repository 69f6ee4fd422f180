//! The catalogs as a whole: each table of Postgres 15's `pg_catalog` and `information_schema` with
//! its columns in their order (`postgres15.txt`, read out of a Postgres 15). What is not known here
//! has no rows; of a table that is made, columns that are not known are NULL.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};

use crate::wire::encode::OID_ALIAS;

/// A table a line: its name with its schema, then each column with its type.
const COLUMNS: &str = include_str!("postgres15.txt");
/// Each word with its kind and `-` where it can't be a label without AS.
const KEYWORDS: &str = include_str!("keywords15.txt");

type Columns = Vec<(&'static str, &'static str)>;

fn listed() -> &'static HashMap<(&'static str, &'static str), Columns> {
    static LISTED: OnceLock<HashMap<(&'static str, &'static str), Columns>> = OnceLock::new();
    LISTED.get_or_init(|| {
        let tables = COLUMNS.lines().filter_map(|line| {
            let (name, columns) = line.split_once(' ')?;
            let columns = columns
                .split(' ')
                .filter_map(|column| column.split_once(':'));
            Some((name.split_once('.')?, columns.collect()))
        });
        tables.collect()
    })
}

/// The tables of one of the two schemas.
pub(super) fn tables(schema: &str) -> impl Iterator<Item = &'static str> {
    let names = listed().keys();
    names.filter_map(move |(of, name)| (*of == schema).then_some(*name))
}

/// The columns of a table, as Postgres 15 has them; None when it has no such table.
pub(super) fn columns(schema: &str, table: &str) -> Option<SchemaRef> {
    let columns = listed().get(&(schema, table))?;
    let fields = columns.iter().map(|(name, kind)| field(name, kind));
    Some(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn field(name: &str, kind: &str) -> Field {
    let field = Field::new(name, arrow_type(kind), true);
    match kind {
        "oid" => field.with_metadata([(OID_ALIAS.to_owned(), "oid".to_owned())].into()),
        _ => field,
    }
}

fn arrow_type(kind: &str) -> DataType {
    if let Some(element) = kind.strip_prefix('_') {
        return DataType::new_list(arrow_type(element), true);
    }
    match kind {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" | "oid" | "cardinal_number" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "numeric" => DataType::Decimal128(38, 0),
        "bytea" => DataType::Binary,
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "timestamptz" | "time_stamp" => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        "int2vector" => DataType::new_list(DataType::Int16, true),
        "oidvector" => DataType::new_list(DataType::Int32, true),
        _ => DataType::Utf8,
    }
}

/// A made table's batch with all columns of Postgres 15's table, and no others.
pub(super) fn complete(schema: &str, table: &str, batch: RecordBatch) -> Result<RecordBatch> {
    let Some(wanted) = columns(schema, table) else {
        return Ok(batch);
    };
    let made = batch.schema();
    let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for field in wanted.fields() {
        if let Ok(index) = made.index_of(field.name()) {
            fields.push(made.field(index).clone());
            arrays.push(Arc::clone(batch.column(index)));
        } else {
            fields.push(field.as_ref().clone());
            arrays.push(new_null_array(field.data_type(), batch.num_rows()));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// `pg_get_keywords()`: the words of Postgres 15's grammar.
#[derive(Debug)]
pub(super) struct Keywords;

impl TableFunctionImpl for Keywords {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        if !args.exprs().is_empty() {
            return plan_err!("pg_get_keywords takes no arguments");
        }
        let words: Vec<(&str, &str)> = KEYWORDS
            .split_whitespace()
            .filter_map(|word| word.split_once(':'))
            .collect();
        let kind = |(_, kind): &(&str, &str)| match kind.trim_end_matches('-') {
            "U" => "unreserved",
            "C" => "unreserved (cannot be function or type name)",
            "T" => "reserved (can be function or type name)",
            _ => "reserved",
        };
        let bare = |(_, kind): &(&str, &str)| !kind.ends_with('-');
        let labels = |word: &(&str, &str)| match bare(word) {
            true => "can be bare label",
            false => "requires AS",
        };
        use arrow::array::{BooleanArray, StringArray};
        let text = |column: &dyn Fn(&(&'static str, &'static str)) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(words.iter().map(column)))
        };
        let batch = RecordBatch::try_from_iter([
            ("word", text(&|(word, _)| word)),
            ("catcode", text(&|(_, kind)| &kind[..1])),
            (
                "barelabel",
                Arc::new(BooleanArray::from_iter(words.iter().map(|w| Some(bare(w))))) as ArrayRef,
            ),
            ("catdesc", text(&kind)),
            ("baredesc", text(&labels)),
        ])?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        Ok(Arc::new(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_postgres_columns_in_their_order() {
        assert_eq!(
            tables("pg_catalog").count() + tables("information_schema").count(),
            208
        );
        let locks = columns("pg_catalog", "pg_locks").expect("listed");
        assert_eq!(locks.field(0).name(), "locktype");
        assert_eq!(locks.field(1).data_type(), &DataType::Int32);
        let grants = columns("information_schema", "role_table_grants").expect("listed");
        assert_eq!(grants.fields().len(), 8);
        assert!(columns("pg_catalog", "pg_nothing").is_none());
    }

    #[test]
    fn what_is_made_is_completed_and_what_is_foreign_left_out() {
        let names: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["a"]));
        let batch = RecordBatch::try_from_iter([("later", Arc::clone(&names)), ("amname", names)]);
        let whole = complete("pg_catalog", "pg_am", batch.unwrap()).unwrap();
        let schema = whole.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(columns, ["oid", "amname", "amhandler", "amtype"]);
        assert_eq!(whole.num_rows(), 1);
    }
}
