//! From a query's columns to a table's: names checked, types fitted, field ids kept where a
//! column stays what it was.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields};
use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type,
};

/// The schema for a query's columns. With a schema that stands already, columns of the same name
/// keep their field ids where the type is the same or widens to it; `last_column_id` is the
/// highest id the table ever gave.
///
/// All columns are optional: a query promises nothing about nulls. Errors are for the person who
/// wrote the query.
pub(super) fn schema(
    columns: &Fields,
    existing: Option<&Schema>,
    last_column_id: i32,
) -> Result<Schema, String> {
    check_names(columns)?;
    let mut fitting = Fitting {
        last_id: last_column_id,
    };
    let old = existing.map(Schema::as_struct);
    let fields = fitting.fields(columns, old, "")?;
    Schema::builder()
        .with_fields(fields)
        .build()
        .map_err(|error| format!("the query's columns can't be a table: {}", error.message()))
}

/// Whether two schemas are the same but for their ids.
pub(super) fn same(a: &Schema, b: &Schema) -> bool {
    a.as_struct() == b.as_struct()
}

fn check_names(columns: &Fields) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for column in columns {
        let name = column.name();
        let mut chars = name.chars();
        let sound = name.len() <= 63
            && chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || c == '_');
        if !sound {
            return Err(format!(
                "the column {name:?} needs a name of letters, digits and _: write … AS name"
            ));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(format!("two columns are named {name:?}: write … AS name"));
        }
    }
    if seen.is_empty() {
        return Err("the query has no columns".to_owned());
    }
    Ok(())
}

struct Fitting {
    last_id: i32,
}

impl Fitting {
    fn next(&mut self) -> i32 {
        self.last_id += 1;
        self.last_id
    }

    fn fields(
        &mut self,
        columns: &Fields,
        old: Option<&StructType>,
        path: &str,
    ) -> Result<Vec<NestedFieldRef>, String> {
        let mut fields = Vec::with_capacity(columns.len());
        for column in columns {
            let old = old.and_then(|old| old.field_by_name(column.name()));
            let path = if path.is_empty() {
                column.name().clone()
            } else {
                format!("{path}.{}", column.name())
            };
            let (id, kind) = self.field(column.data_type(), old, &path)?;
            fields.push(Arc::new(NestedField::optional(id, column.name(), kind)));
        }
        Ok(fields)
    }

    /// The id and type of a field, its old id where the type allows it.
    fn field(
        &mut self,
        kind: &DataType,
        old: Option<&NestedFieldRef>,
        path: &str,
    ) -> Result<(i32, Type), String> {
        let old_type = old.map(|old| old.field_type.as_ref());
        match self.kind(kind, old_type, path)? {
            (fitted, true) if old.is_some() => Ok((old.map_or(0, |old| old.id), fitted)),
            (fitted, _) => Ok((self.next(), fitted)),
        }
    }

    /// The type, and whether the old one may go on under its id.
    fn kind(
        &mut self,
        kind: &DataType,
        old: Option<&Type>,
        path: &str,
    ) -> Result<(Type, bool), String> {
        match kind {
            DataType::Dictionary(_, values) => self.kind(values, old, path),
            DataType::Struct(columns) => {
                let old = match old {
                    Some(Type::Struct(old)) => Some(old),
                    _ => None,
                };
                let fields = self.fields(columns, old, path)?;
                Ok((Type::Struct(StructType::new(fields)), old.is_some()))
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => self.list(item, old, path),
            DataType::Map(entries, _) => self.map(entries, old, path),
            other => {
                let fitted = primitive(other).ok_or_else(|| {
                    format!(
                        "column {path} has the type {other}, which a table can't hold: CAST it to another"
                    )
                })?;
                Ok(match old {
                    Some(Type::Primitive(old)) => match fits(&fitted, old) {
                        Some(kept) => (Type::Primitive(kept), true),
                        None => (Type::Primitive(fitted), false),
                    },
                    _ => (Type::Primitive(fitted), false),
                })
            }
        }
    }

    fn list(
        &mut self,
        item: &FieldRef,
        old: Option<&Type>,
        path: &str,
    ) -> Result<(Type, bool), String> {
        let old = match old {
            Some(Type::List(old)) => Some(&old.element_field),
            _ => None,
        };
        let (id, kind) = self.field(item.data_type(), old, &format!("{path}.element"))?;
        let element = NestedField::list_element(id, kind, false);
        Ok((Type::List(ListType::new(Arc::new(element))), old.is_some()))
    }

    fn map(
        &mut self,
        entries: &FieldRef,
        old: Option<&Type>,
        path: &str,
    ) -> Result<(Type, bool), String> {
        let old = match old {
            Some(Type::Map(old)) => Some(old),
            _ => None,
        };
        let DataType::Struct(pair) = entries.data_type() else {
            return Err(format!("column {path} is a map without keys and values"));
        };
        let [key, value] = pair.as_ref() else {
            return Err(format!("column {path} is a map without keys and values"));
        };
        let (key_id, key) = self.field(
            key.data_type(),
            old.map(|old| &old.key_field),
            &format!("{path}.key"),
        )?;
        let (value_id, value) = self.field(
            value.data_type(),
            old.map(|old| &old.value_field),
            &format!("{path}.value"),
        )?;
        let map = MapType::new(
            Arc::new(NestedField::map_key_element(key_id, key)),
            Arc::new(NestedField::map_value_element(value_id, value, false)),
        );
        Ok((Type::Map(map), old.is_some()))
    }
}

/// Iceberg's type for an Arrow one. Unsigned numbers go to the next wider signed one, times to
/// microseconds; None for what Iceberg v2 has no type for.
fn primitive(kind: &DataType) -> Option<PrimitiveType> {
    Some(match kind {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            PrimitiveType::Int
        }
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => PrimitiveType::Long,
        DataType::Float16 | DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => PrimitiveType::Decimal {
            precision: u32::from(*precision),
            scale: u32::try_from(*scale).ok()?,
        },
        DataType::Date32 | DataType::Date64 => PrimitiveType::Date,
        DataType::Time32(_) | DataType::Time64(_) => PrimitiveType::Time,
        DataType::Timestamp(_, None) => PrimitiveType::Timestamp,
        DataType::Timestamp(_, Some(_)) => PrimitiveType::Timestamptz,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => PrimitiveType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PrimitiveType::Binary,
        DataType::FixedSizeBinary(length) => PrimitiveType::Fixed(u64::try_from(*length).ok()?),
        _ => return None,
    })
}

/// The type under which an old column goes on: Iceberg's promotions, or the old one where the
/// new values fit into it. None: it is another column.
fn fits(new: &PrimitiveType, old: &PrimitiveType) -> Option<PrimitiveType> {
    use PrimitiveType::{Decimal, Double, Fixed, Float, Int, Long, Uuid};
    match (new, old) {
        (new, old) if new == old => Some(old.clone()),
        (Int, Long) | (Long, Int) => Some(Long),
        (Float, Double) | (Double, Float) => Some(Double),
        (Fixed(16), Uuid) => Some(Uuid),
        (
            Decimal { precision, scale },
            Decimal {
                precision: old_precision,
                scale: old_scale,
            },
        ) if scale == old_scale => Some(Decimal {
            precision: *precision.max(old_precision),
            scale: *scale,
        }),
        _ => None,
    }
}

/// Rows as the table wants them: columns by name, cast to the table's types. A value that does
/// not fit is an error, never a null.
pub(super) fn fit(
    batch: &arrow::record_batch::RecordBatch,
    schema: &arrow::datatypes::SchemaRef,
) -> Result<arrow::record_batch::RecordBatch, String> {
    let options = arrow::compute::CastOptions {
        safe: false,
        ..Default::default()
    };
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = batch
            .column_by_name(field.name())
            .ok_or_else(|| format!("the query gave no column {}", field.name()))?;
        let column = arrow::compute::cast_with_options(column, field.data_type(), &options)
            .map_err(|error| format!("column {}: {error}", field.name()))?;
        columns.push(column);
    }
    arrow::record_batch::RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn column(name: &str, kind: DataType) -> Field {
        Field::new(name, kind, true)
    }

    fn shape(columns: Vec<Field>, old: Option<&Schema>) -> Schema {
        let last = old.map_or(0, Schema::highest_field_id);
        schema(&Fields::from(columns), old, last).unwrap()
    }

    fn ids(schema: &Schema) -> Vec<(String, i32, String)> {
        let fields = schema.as_struct().fields().iter();
        fields
            .map(|field| (field.name.clone(), field.id, field.field_type.to_string()))
            .collect()
    }

    #[test]
    fn types_find_their_own() {
        for (arrow, iceberg) in [
            (DataType::UInt8, "int"),
            (DataType::UInt32, "long"),
            (DataType::UInt64, "long"),
            (DataType::Float16, "float"),
            (DataType::Decimal128(22, 2), "decimal(22, 2)"),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), "timestamp"),
            (
                DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())),
                "timestamptz",
            ),
            (DataType::Time32(TimeUnit::Second), "time"),
            (DataType::Date64, "date"),
            (DataType::Utf8View, "string"),
            (DataType::BinaryView, "binary"),
            (DataType::FixedSizeBinary(4), "fixed(4)"),
            (
                DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
                "string",
            ),
        ] {
            let schema = shape(vec![column("x", arrow)], None);
            assert_eq!(ids(&schema)[0].2, iceberg);
        }
        for kind in [
            DataType::Null,
            DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            DataType::Duration(TimeUnit::Second),
            DataType::Decimal256(50, 2),
            DataType::Decimal128(10, -2),
        ] {
            let error = schema(&Fields::from(vec![column("x", kind)]), None, 0).unwrap_err();
            assert!(error.contains("CAST it"), "{error}");
        }
    }

    #[test]
    fn names_are_checked() {
        for (names, part) in [
            (vec!["count(*)"], "AS name"),
            (vec!["a.b"], "AS name"),
            (vec!["a", "A"], "two columns"),
            (vec![], "no columns"),
        ] {
            let columns: Vec<Field> = names
                .iter()
                .map(|name| column(name, DataType::Int32))
                .collect();
            let error = schema(&Fields::from(columns), None, 0).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_column_keeps_its_id_while_its_type_fits() {
        let inner = |kind| DataType::Struct(Fields::from(vec![column("p", kind)]));
        let old = shape(
            vec![
                column("a", DataType::Int32),
                column("b", DataType::Int64),
                column("c", DataType::Utf8),
                column("d", inner(DataType::Int32)),
                column("gone", DataType::Utf8),
            ],
            None,
        );
        let new = shape(
            vec![
                column("b", DataType::Int32),
                column("a", DataType::Int64),
                column("c", DataType::Int32),
                column("d", inner(DataType::Int64)),
                column("e", DataType::Boolean),
            ],
            Some(&old),
        );
        let (old_ids, new_ids) = (ids(&old), ids(&new));
        let id = |ids: &[(String, i32, String)], name: &str| {
            ids.iter()
                .find(|(found, ..)| found == name)
                .unwrap()
                .clone()
        };
        assert_eq!(id(&new_ids, "a").1, id(&old_ids, "a").1);
        assert_eq!(id(&new_ids, "a").2, "long", "int widens");
        assert_eq!(id(&new_ids, "b"), id(&old_ids, "b"), "int fits into long");
        assert_ne!(
            id(&new_ids, "c").1,
            id(&old_ids, "c").1,
            "text is no number"
        );
        assert_eq!(id(&new_ids, "d").1, id(&old_ids, "d").1);
        assert!(
            id(&new_ids, "c").1 > old.highest_field_id(),
            "ids never come back"
        );
        assert_eq!(new_ids.len(), 5);
        assert!(same(
            &new,
            &shape(
                vec![
                    column("b", DataType::Int32),
                    column("a", DataType::Int64),
                    column("c", DataType::Int32),
                    column("d", inner(DataType::Int32)),
                    column("e", DataType::Boolean),
                ],
                Some(&new),
            )
        ));
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error() {
        use arrow::array::{ArrayRef, UInt64Array};
        let wide: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
        let batch = arrow::record_batch::RecordBatch::try_from_iter([("x", wide)]).unwrap();
        let long = arrow::datatypes::Schema::new(vec![column("x", DataType::Int64)]);
        let long = Arc::new(long);
        assert_eq!(fit(&batch.slice(0, 1), &long).unwrap().num_rows(), 1);
        assert!(fit(&batch, &long).unwrap_err().contains("column x"));
    }
}
