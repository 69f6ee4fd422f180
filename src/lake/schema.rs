//! A living table's schema brought to a contract: columns are added, widened, renamed, or the
//! change is refused with the reason. Field ids stay, so files written before are read right.
//! Must never drop a column or reuse an id.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, SchemaRef, StructType,
    TableMetadata, Type,
};

use super::{Error, Result};

/// The table's schema changed to hold what is wanted; None when it does already.
///
/// Columns are matched by name, nested ones too (`a.b`, `a.element.b` in a list, `a.key.b` and
/// `a.value.b` in a map). `renames`: old path → new path, both complete, the old one in names as
/// they were before any rename; one that was carried out before does nothing. Of types, int → long,
/// float → double and a decimal of more digits are widened. A column may become optional, never
/// required; a new one is optional. One that is wanted no longer stays, optional from then on.
/// `Invalid` otherwise, naming the column; so too for a new column by the former name of one that
/// is wanted no longer, as a process asks for that has still the contract from before a rename.
pub fn evolve(
    metadata: &TableMetadata,
    wanted: &Schema,
    renames: &BTreeMap<String, String>,
) -> Result<Option<Schema>> {
    let current = metadata.current_schema();
    let mut evolution = Evolution {
        renames,
        next_id: metadata.last_column_id(),
        history: metadata.schemas_iter().cloned().collect(),
    };
    let told = |error: Error| error.about(&format!("the table at {}", metadata.location()));
    let fields = evolution
        .fields(current.as_struct(), wanted.as_struct(), "")
        .map_err(told)?;
    if &StructType::new(fields.clone()) == current.as_struct() {
        return Ok(None);
    }
    let evolved = Schema::builder()
        .with_schema_id(current.schema_id())
        .with_fields(fields)
        .with_identifier_field_ids(current.identifier_field_ids())
        .build()
        .map_err(|error| told(Error::invalid(error.message().to_owned())))?;
    Ok(Some(evolved))
}

struct Evolution<'a> {
    renames: &'a BTreeMap<String, String>,
    /// The highest field id ever given.
    next_id: i32,
    /// The schemas that the table has had, as far as they are kept.
    history: Vec<SchemaRef>,
}

impl Evolution<'_> {
    /// The fields of one struct; `path` is its own, with a dot, in the names that are wanted.
    fn fields(
        &mut self,
        current: &StructType,
        wanted: &StructType,
        path: &str,
    ) -> Result<Vec<NestedFieldRef>> {
        let mut fields = Vec::with_capacity(wanted.fields().len());
        let mut taken = vec![false; wanted.fields().len()];
        let mut unwanted = Vec::new();
        for field in current.fields() {
            let name = self.new_name(path, &field.name);
            if name != field.name && current.field_by_name(name).is_some() {
                return Err(Error::invalid(format!(
                    "{path}{} can't be renamed to {name}: there is a column of that name",
                    field.name
                )));
            }
            let new_path = format!("{path}{name}");
            let place = wanted.fields().iter().position(|field| field.name == name);
            fields.push(match place {
                Some(place) => {
                    taken[place] = true;
                    self.field(field, &wanted.fields()[place], &new_path)?
                }
                None => {
                    unwanted.push(field);
                    no_longer_wanted(field)
                }
            });
        }
        for (field, taken) in wanted.fields().iter().zip(taken) {
            if !taken {
                self.check_not_renamed_away(&field.name, &unwanted, path)?;
                fields.push(self.added(field, path)?);
            }
        }
        Ok(fields)
    }

    /// Else two processes on the contracts before and after a rename would have the column by both
    /// names, and the newer contract could never be had again.
    fn check_not_renamed_away(
        &self,
        name: &str,
        unwanted: &[&NestedFieldRef],
        path: &str,
    ) -> Result<()> {
        let was_named = |field: &&&NestedFieldRef| {
            let mut former = self.history.iter().filter_map(|s| s.field_by_id(field.id));
            former.any(|former| former.name == name)
        };
        match unwanted.iter().find(was_named) {
            None => Ok(()),
            Some(now) => Err(Error::invalid(format!(
                "{path}{name} was renamed to {now}, which the contract doesn't name: the contract is from before that. Bring it up to date; or declare {now} beside {name} to have both, or write renamed_from = \"{now}\" to name it {name} again",
                now = now.name
            ))),
        }
    }

    /// A rename may have been carried out above this column and not yet here, so it is known by
    /// where it leads and by the column's own old name.
    fn new_name<'b>(&'b self, path: &str, name: &'b str) -> &'b str {
        let leads_here = |(old, new): (&'b String, &'b String)| {
            let (parent, last) = split(new);
            (parent == path && split(old).1 == name).then_some(last)
        };
        self.renames.iter().find_map(leads_here).unwrap_or(name)
    }

    fn field(
        &mut self,
        current: &NestedField,
        wanted: &NestedField,
        path: &str,
    ) -> Result<NestedFieldRef> {
        if wanted.required && !current.required {
            return Err(Error::invalid(format!(
                "{path} can't become required: rows that are there may lack it"
            )));
        }
        let mut field = current.clone();
        field.name.clone_from(&wanted.name);
        field.required = wanted.required;
        if wanted.doc.is_some() {
            field.doc.clone_from(&wanted.doc);
        }
        *field.field_type = self.kind(&current.field_type, &wanted.field_type, path)?;
        Ok(Arc::new(field))
    }

    fn kind(&mut self, current: &Type, wanted: &Type, path: &str) -> Result<Type> {
        match (current, wanted) {
            (Type::Primitive(current), Type::Primitive(wanted)) => {
                widened(current, wanted, path).map(Type::Primitive)
            }
            (Type::Struct(current), Type::Struct(wanted)) => {
                let fields = self.fields(current, wanted, &format!("{path}."))?;
                Ok(Type::Struct(StructType::new(fields)))
            }
            (Type::List(current), Type::List(wanted)) => {
                let (current, wanted) = (&current.element_field, &wanted.element_field);
                let element = self.field(current, wanted, &format!("{path}.element"))?;
                Ok(Type::List(ListType::new(element)))
            }
            (Type::Map(current), Type::Map(wanted)) => {
                let key_path = format!("{path}.key");
                let key = self.field(&current.key_field, &wanted.key_field, &key_path)?;
                if key.field_type != current.key_field.field_type {
                    return Err(Error::invalid(format!(
                        "{key_path} can't change: keys of a map are what they were"
                    )));
                }
                let value_path = format!("{path}.value");
                let value = self.field(&current.value_field, &wanted.value_field, &value_path)?;
                Ok(Type::Map(MapType::new(key, value)))
            }
            _ => Err(unlike(path, current, wanted)),
        }
    }

    /// A new column, with ids that no column ever had.
    fn added(&mut self, wanted: &NestedField, path: &str) -> Result<NestedFieldRef> {
        if wanted.required {
            return Err(Error::invalid(format!(
                "{path}{} can't be added as required: rows that are there lack it",
                wanted.name
            )));
        }
        Ok(self.fresh(wanted))
    }

    fn fresh(&mut self, wanted: &NestedField) -> NestedFieldRef {
        let mut field = wanted.clone();
        self.next_id += 1;
        field.id = self.next_id;
        *field.field_type = match wanted.field_type.as_ref() {
            Type::Primitive(kind) => Type::Primitive(kind.clone()),
            Type::Struct(inner) => {
                let fields = inner.fields().iter().map(|field| self.fresh(field));
                Type::Struct(StructType::new(fields.collect()))
            }
            Type::List(list) => Type::List(ListType::new(self.fresh(&list.element_field))),
            Type::Map(map) => {
                let key = self.fresh(&map.key_field);
                Type::Map(MapType::new(key, self.fresh(&map.value_field)))
            }
        };
        Arc::new(field)
    }
}

/// A dotted path's parent, with its dot, and its last name.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('.').map_or(0, |dot| dot + 1))
}

/// The column stays for the rows that have it; new rows need not fill it.
fn no_longer_wanted(field: &NestedFieldRef) -> NestedFieldRef {
    let mut field = field.as_ref().clone();
    field.required = false;
    Arc::new(field)
}

fn widened(current: &PrimitiveType, wanted: &PrimitiveType, path: &str) -> Result<PrimitiveType> {
    use PrimitiveType::*;
    let fits = match (current, wanted) {
        (Int, Long) | (Float, Double) => true,
        (
            Decimal { precision, scale },
            Decimal {
                precision: wider,
                scale: same,
            },
        ) => scale == same && precision <= wider,
        (current, wanted) => current == wanted,
    };
    if fits {
        return Ok(wanted.clone());
    }
    Err(unlike(path, current, wanted))
}

fn unlike(path: &str, current: &impl std::fmt::Display, wanted: &impl std::fmt::Display) -> Error {
    Error::invalid(format!(
        "{path} is {current} and can't become {wanted}: only int to long, float to double and \
         decimals of more digits keep what is written"
    ))
}

#[cfg(test)]
mod tests;
