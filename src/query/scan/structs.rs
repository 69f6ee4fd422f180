//! Turns a file's nested values into the table's: fields found by id, missing ones null, widened
//! ones cast. Values that are the same are not copied.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::columns::Finder;

/// How one type becomes another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Conversion {
    Same,
    Cast(DataType),
    /// For each field of the result: where it stands in the file, and how it converts.
    Struct(Fields, Vec<Option<(usize, Conversion)>>),
    List(FieldRef, Box<Conversion>),
    /// The entries' field, and how key and value convert.
    Map(FieldRef, Box<Conversion>),
}

impl Conversion {
    pub(super) fn between(found: &DataType, wanted: &DataType, finder: &Finder) -> Result<Self> {
        if found == wanted {
            return Ok(Self::Same);
        }
        Ok(match (found, wanted) {
            (DataType::Struct(found), DataType::Struct(wanted)) => {
                let fields = wanted
                    .iter()
                    .map(|field| match finder.find(field, found) {
                        None => Ok(None),
                        Some(index) => {
                            let from = found[index].data_type();
                            let conversion = Self::between(from, field.data_type(), finder)?;
                            Ok(Some((index, conversion)))
                        }
                    })
                    .collect::<Result<Vec<_>>>()?;
                Self::Struct(wanted.clone(), fields)
            }
            (DataType::List(found), DataType::List(wanted)) => {
                let items = Self::between(found.data_type(), wanted.data_type(), finder)?;
                Self::List(Arc::clone(wanted), Box::new(items))
            }
            (DataType::Map(found, _), DataType::Map(wanted, _)) => {
                let entries = Self::entries(found, wanted, finder)?;
                Self::Map(Arc::clone(wanted), Box::new(entries))
            }
            _ => Self::Cast(wanted.clone()),
        })
    }

    /// Key and value stand in their places, whatever the file calls them.
    fn entries(found: &FieldRef, wanted: &FieldRef, finder: &Finder) -> Result<Self> {
        let (DataType::Struct(from), DataType::Struct(to)) =
            (found.data_type(), wanted.data_type())
        else {
            return internal_err!("a map's entries are a struct");
        };
        let both = from
            .iter()
            .zip(to)
            .enumerate()
            .map(|(index, (from, to))| {
                let conversion = Self::between(from.data_type(), to.data_type(), finder)?;
                Ok(Some((index, conversion)))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::Struct(to.clone(), both))
    }

    pub(super) fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::Same => Arc::clone(array),
            Self::Cast(to) => cast(array, to)?,
            Self::Struct(fields, from) => {
                let structs = array.as_struct();
                let children = fields
                    .iter()
                    .zip(from)
                    .map(|(field, from)| match from {
                        None => Ok(new_null_array(field.data_type(), structs.len())),
                        Some((index, conversion)) => conversion.apply(structs.column(*index)),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let nulls = structs.nulls().cloned();
                if children.is_empty() {
                    Arc::new(StructArray::new_empty_fields(structs.len(), nulls))
                } else {
                    Arc::new(StructArray::try_new(fields.clone(), children, nulls)?)
                }
            }
            Self::List(field, items) => {
                let lists = array.as_list::<i32>();
                Arc::new(ListArray::try_new(
                    Arc::clone(field),
                    lists.offsets().clone(),
                    items.apply(lists.values())?,
                    lists.nulls().cloned(),
                )?)
            }
            Self::Map(field, entries) => {
                let maps = array.as_map();
                let from: ArrayRef = Arc::new(maps.entries().clone());
                Arc::new(MapArray::try_new(
                    Arc::clone(field),
                    maps.offsets().clone(),
                    entries.apply(&from)?.as_struct().clone(),
                    maps.nulls().cloned(),
                    false,
                )?)
            }
        })
    }
}

/// The conversion as an expression over a file's column.
#[expect(
    clippy::derived_hash_with_manual_eq,
    reason = "the manual eq compares the same fields that the derived hash takes"
)]
#[derive(Clone, Debug, Eq, Hash)]
pub(super) struct StructCast {
    input: Arc<dyn PhysicalExpr>,
    target: FieldRef,
    conversion: Conversion,
}

impl StructCast {
    pub(super) fn new(
        input: Arc<dyn PhysicalExpr>,
        target: FieldRef,
        conversion: Conversion,
    ) -> Self {
        Self {
            input,
            target,
            conversion,
        }
    }
}

// The derive would move the trait object out of its place; Hash agrees, field by field.
impl PartialEq for StructCast {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input)
            && self.target == other.target
            && self.conversion == other.conversion
    }
}

impl fmt::Display for StructCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by_field_id({})", self.input)
    }
}

impl PhysicalExpr for StructCast {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.target.data_type().clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.target))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.input.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.conversion.apply(&array)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(input) = children.pop() else {
            return internal_err!("a struct's conversion has one input");
        };
        Ok(Arc::new(Self {
            input,
            ..self.as_ref().clone()
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_sql(f)
    }
}
