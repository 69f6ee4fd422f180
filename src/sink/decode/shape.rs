//! From a table's Arrow schema and the contract's Iceberg types to column buffers, checked once
//! so that decoding can trust them.

use std::collections::BTreeMap;

use arrow::array::BooleanBufferBuilder;
use arrow::datatypes::{DataType, Field as ArrowField, Fields as ArrowFields, TimeUnit};
use iceberg::spec::{PrimitiveType, StructType, Type};

use super::column::{Bytes, Column, Values};
use super::fields::{Field, Fields};
use crate::lake::{Error, Result};

/// Old name → new name, both dotted.
pub(super) type Renames = BTreeMap<String, String>;

/// The fields of a row or of a struct at `path` (empty for the row).
pub(super) fn fields(
    arrow: &ArrowFields,
    declared: &StructType,
    path: &str,
    renames: &Renames,
) -> Result<Fields> {
    for contract in declared.fields() {
        if !arrow.iter().any(|field| *field.name() == contract.name) {
            return Err(Error::invalid(format!(
                "the contract declares {}, which the table does not have yet",
                join(path, &contract.name)
            )));
        }
    }
    let mut fields = Vec::with_capacity(arrow.len());
    for field in arrow {
        let contract = declared.field_by_name(field.name());
        let path = join(path, field.name());
        if contract.is_none() && !field.is_nullable() {
            return Err(Error::invalid(format!(
                "the table requires {path}, which the contract does not declare: \
                 declare it, or make it optional in the table"
            )));
        }
        let required = contract.is_some_and(|c| c.required) || !field.is_nullable();
        let kind = contract.map(|contract| &*contract.field_type);
        fields.push(Field {
            name: field.name().as_str().into(),
            required,
            declared: contract.is_some(),
            column: column(field.data_type(), kind, &path, renames)?,
        });
    }
    let aliases = aliases(&fields, path, renames);
    Ok(Fields::new(arrow.clone(), fields, aliases))
}

/// Records written before a rename carry the old name: it is read as the new one. What holds the
/// field may have been renamed too, so it is looked for under its new name.
fn aliases(fields: &[Field], path: &str, renames: &Renames) -> Vec<(String, usize)> {
    let mut aliases = Vec::new();
    for (old, new) in renames {
        let (parent, new) = new.rsplit_once('.').unwrap_or(("", new));
        let old = old.rsplit_once('.').map_or(old.as_str(), |(_, name)| name);
        if parent == path
            && let Some(at) = fields.iter().position(|f| f.declared && &*f.name == new)
        {
            aliases.push((old.to_owned(), at));
        }
    }
    aliases
}

fn column(
    arrow: &DataType,
    declared: Option<&Type>,
    path: &str,
    renames: &Renames,
) -> Result<Column> {
    let wrong = || mismatch(path, arrow, declared);
    let values = match (arrow, declared) {
        (DataType::Struct(children), None) => {
            nested_struct(children, &StructType::default(), path, renames)?
        }
        (DataType::Struct(children), Some(Type::Struct(declared))) => {
            nested_struct(children, declared, path, renames)?
        }
        (DataType::List(field), None | Some(Type::List(_))) => {
            let declared = match declared {
                Some(Type::List(list)) => Some(&list.element_field),
                _ => None,
            };
            let element = child(field, declared.map(|f| &*f.field_type), path, renames)?;
            Values::List {
                field: field.clone(),
                required: !field.is_nullable() || declared.is_some_and(|f| f.required),
                ends: Vec::new(),
                element: Box::new(element),
            }
        }
        (DataType::Map(entries, _), None | Some(Type::Map(_))) => {
            let (key, value) = match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => (&pair[0], &pair[1]),
                _ => return Err(wrong()),
            };
            if key.data_type().is_nested() {
                return Err(Error::invalid(format!(
                    "{path}: JSON can't spell a map whose keys are {}",
                    key.data_type()
                )));
            }
            let declared = match declared {
                Some(Type::Map(map)) => Some((&map.key_field, &map.value_field)),
                _ => None,
            };
            let key_type = declared.map(|(key, _)| &*key.field_type);
            let value_type = declared.map(|(_, value)| &*value.field_type);
            Values::Map {
                entries: entries.clone(),
                required: !value.is_nullable() || declared.is_some_and(|(_, v)| v.required),
                ends: Vec::new(),
                key: Box::new(child(key, key_type, path, renames)?),
                value: Box::new(child(value, value_type, path, renames)?),
            }
        }
        (_, Some(Type::Struct(_) | Type::List(_) | Type::Map(_))) => return Err(wrong()),
        (arrow, declared) => {
            let declared = declared.and_then(Type::as_primitive_type);
            scalar(arrow, declared).ok_or_else(wrong)?
        }
    };
    Ok(Column::new(values))
}

fn nested_struct(
    children: &ArrowFields,
    declared: &StructType,
    path: &str,
    renames: &Renames,
) -> Result<Values> {
    if declared.fields().is_empty() {
        // The contract doesn't have it: all null, whatever its fields require.
        let mut optional = Vec::with_capacity(children.len());
        for field in children {
            optional.push(Field {
                name: field.name().as_str().into(),
                required: false,
                declared: false,
                column: column(field.data_type(), None, &join(path, field.name()), renames)?,
            });
        }
        let fields = Fields::new(children.clone(), optional, Vec::new());
        return Ok(Values::Struct(fields));
    }
    fields(children, declared, path, renames).map(Values::Struct)
}

fn child(
    field: &ArrowField,
    declared: Option<&Type>,
    path: &str,
    renames: &Renames,
) -> Result<Column> {
    column(
        field.data_type(),
        declared,
        &join(path, field.name()),
        renames,
    )
}

/// Arrow's type decides how a value is stored; the contract must agree with it.
fn scalar(arrow: &DataType, declared: Option<&PrimitiveType>) -> Option<Values> {
    use PrimitiveType as P;
    let (values, agrees) = match arrow {
        DataType::Boolean => (
            Values::Boolean(BooleanBufferBuilder::new(0)),
            matches!(declared, None | Some(P::Boolean)),
        ),
        DataType::Int32 => (
            Values::Int(Vec::new()),
            matches!(declared, None | Some(P::Int)),
        ),
        // A table may have been widened by someone before the contract was.
        DataType::Int64 => (
            Values::Long(Vec::new()),
            matches!(declared, None | Some(P::Int | P::Long)),
        ),
        DataType::Float32 => (
            Values::Float(Vec::new()),
            matches!(declared, None | Some(P::Float)),
        ),
        DataType::Float64 => (
            Values::Double(Vec::new()),
            matches!(declared, None | Some(P::Float | P::Double)),
        ),
        DataType::Decimal128(precision, scale) => (
            Values::Decimal {
                precision: *precision,
                scale: *scale,
                values: Vec::new(),
            },
            match declared {
                None => true,
                Some(P::Decimal {
                    precision: p,
                    scale: s,
                }) => *p <= u32::from(*precision) && i64::from(*s) == i64::from(*scale),
                Some(_) => false,
            },
        ),
        DataType::Date32 => (
            Values::Date(Vec::new()),
            matches!(declared, None | Some(P::Date)),
        ),
        DataType::Time64(TimeUnit::Microsecond) => (
            Values::Time(Vec::new()),
            matches!(declared, None | Some(P::Time)),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => (
            Values::Timestamp {
                zone: zone.clone(),
                values: Vec::new(),
            },
            match declared {
                None => true,
                Some(P::Timestamp) => zone.is_none(),
                Some(P::Timestamptz) => zone.is_some(),
                Some(_) => false,
            },
        ),
        DataType::Utf8 => (
            Values::Text(Bytes::default()),
            matches!(declared, None | Some(P::String)),
        ),
        DataType::Binary | DataType::LargeBinary => (
            Values::Binary {
                large: *arrow == DataType::LargeBinary,
                values: Bytes::default(),
            },
            matches!(declared, None | Some(P::Binary)),
        ),
        DataType::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).ok()?;
            let agrees = match declared {
                None => true,
                Some(P::Uuid) => width == 16,
                Some(P::Fixed(declared)) => *declared == width as u64,
                Some(_) => false,
            };
            let uuid = matches!(declared, Some(P::Uuid));
            let values = Vec::new();
            (
                Values::Fixed {
                    width,
                    uuid,
                    values,
                },
                agrees,
            )
        }
        _ => return None,
    };
    agrees.then_some(values)
}

fn mismatch(path: &str, arrow: &DataType, declared: Option<&Type>) -> Error {
    Error::invalid(match declared {
        Some(declared) => format!(
            "the contract declares {path} as {declared}, the table has it as {arrow}, \
             which can't hold it"
        ),
        None => format!("the table's column {path} has the type {arrow}, which no sink can fill"),
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
