//! A living table's schema brought to a contract: columns are added, widened, renamed, or the
//! change is refused with the reason. Field ids stay, so files written before are read right.
//! Must never drop a column or reuse an id.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType,
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
/// `Invalid` otherwise, naming the column.
pub fn evolve(
    metadata: &TableMetadata,
    wanted: &Schema,
    renames: &BTreeMap<String, String>,
) -> Result<Option<Schema>> {
    let current = metadata.current_schema();
    let mut evolution = Evolution {
        renames,
        next_id: metadata.last_column_id(),
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
                None => no_longer_wanted(field),
            });
        }
        for (field, taken) in wanted.fields().iter().zip(taken) {
            if !taken {
                fields.push(self.added(field, path)?);
            }
        }
        Ok(fields)
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
mod tests {
    use std::collections::HashMap;

    use iceberg::spec::{
        FormatVersion, PartitionSpec, SortOrder, TableMetadataBuilder, UnboundPartitionSpec,
    };

    use super::*;

    fn long() -> Type {
        Type::Primitive(PrimitiveType::Long)
    }

    fn int() -> Type {
        Type::Primitive(PrimitiveType::Int)
    }

    fn text() -> Type {
        Type::Primitive(PrimitiveType::String)
    }

    fn optional(name: &str, kind: Type) -> NestedFieldRef {
        Arc::new(NestedField::optional(0, name, kind))
    }

    fn required(name: &str, kind: Type) -> NestedFieldRef {
        Arc::new(NestedField::required(0, name, kind))
    }

    fn of(fields: Vec<NestedFieldRef>) -> Type {
        Type::Struct(StructType::new(fields))
    }

    fn list(kind: Type) -> Type {
        Type::List(ListType::new(Arc::new(NestedField::list_element(
            0, kind, false,
        ))))
    }

    fn map(key: Type, value: Type) -> Type {
        let key = Arc::new(NestedField::map_key_element(0, key));
        Type::Map(MapType::new(
            key,
            Arc::new(NestedField::map_value_element(0, value, false)),
        ))
    }

    /// Provisional ids from 1, as a contract has them.
    fn schema(fields: Vec<NestedFieldRef>) -> Schema {
        let mut numbering = Evolution {
            renames: &BTreeMap::new(),
            next_id: 0,
        };
        let fields: Vec<_> = fields.iter().map(|field| numbering.fresh(field)).collect();
        Schema::builder().with_fields(fields).build().unwrap()
    }

    fn table(fields: Vec<NestedFieldRef>) -> TableMetadata {
        TableMetadataBuilder::new(
            schema(fields),
            UnboundPartitionSpec::from(PartitionSpec::unpartition_spec()),
            SortOrder::unsorted_order(),
            "/t".to_owned(),
            FormatVersion::V2,
            HashMap::new(),
        )
        .unwrap()
        .build()
        .unwrap()
        .metadata
    }

    fn renames(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(old, new): &(&str, &str)| ((*old).to_owned(), (*new).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn to(
        table: &TableMetadata,
        wanted: Vec<NestedFieldRef>,
        pairs: &[(&str, &str)],
    ) -> Result<Option<Schema>> {
        evolve(table, &schema(wanted), &renames(pairs))
    }

    fn shop() -> Vec<NestedFieldRef> {
        vec![
            required("id", int()),
            optional(
                "who",
                of(vec![required("mail", text()), optional("age", int())]),
            ),
            optional("lines", list(of(vec![optional("sku", text())]))),
            optional("counts", map(text(), of(vec![optional("n", int())]))),
            optional(
                "amount",
                Type::Primitive(PrimitiveType::Decimal {
                    precision: 9,
                    scale: 2,
                }),
            ),
            optional("rate", Type::Primitive(PrimitiveType::Float)),
        ]
    }

    fn id(schema: &Schema, name: &str) -> i32 {
        schema
            .field_id_by_name(name)
            .unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn what_fits_is_left_alone() {
        let table = table(shop());
        assert_eq!(to(&table, shop(), &[]).unwrap(), None);
        let mut turned = shop();
        turned.reverse();
        assert_eq!(to(&table, turned, &[]).unwrap(), None, "order is no change");
    }

    #[test]
    fn columns_are_added_with_fresh_ids_everywhere() {
        let table = table(shop());
        let last = table.last_column_id();
        let mut wanted = shop();
        wanted[1] = optional(
            "who",
            of(vec![
                required("mail", text()),
                optional("age", int()),
                optional("phone", text()),
            ]),
        );
        wanted[2] = optional(
            "lines",
            list(of(vec![
                optional("sku", text()),
                optional("price", of(vec![required("cents", long())])),
            ])),
        );
        wanted[3] = optional(
            "counts",
            map(
                text(),
                of(vec![optional("n", int()), optional("m", list(int()))]),
            ),
        );
        wanted.insert(0, optional("first", text()));
        let evolved = to(&table, wanted, &[]).unwrap().unwrap();
        for name in [
            "id",
            "who",
            "who.mail",
            "lines.element.sku",
            "counts.value.n",
            "rate",
        ] {
            assert_eq!(
                id(&evolved, name),
                id(table.current_schema(), name),
                "{name}"
            );
        }
        let fresh = [
            "first",
            "who.phone",
            "lines.element.price",
            "lines.element.price.cents",
            "counts.value.m",
            "counts.value.m.element",
        ];
        let mut ids: Vec<_> = fresh.iter().map(|name| id(&evolved, name)).collect();
        ids.sort_unstable();
        let expected: Vec<_> = (last + 1..=last + fresh.len() as i32).collect();
        assert_eq!(ids, expected);
        assert_eq!(evolved.as_struct().fields().last().unwrap().name, "first");
    }

    #[test]
    fn types_are_widened_and_columns_relaxed() {
        let table = table(shop());
        let mut wanted = shop();
        wanted[0] = optional("id", long());
        wanted[1] = optional(
            "who",
            of(vec![optional("mail", text()), optional("age", long())]),
        );
        wanted[3] = optional("counts", map(text(), of(vec![optional("n", long())])));
        wanted[4] = optional(
            "amount",
            Type::Primitive(PrimitiveType::Decimal {
                precision: 12,
                scale: 2,
            }),
        );
        wanted[5] = optional("rate", Type::Primitive(PrimitiveType::Double));
        let evolved = to(&table, wanted.clone(), &[]).unwrap().unwrap();
        assert_eq!(
            *evolved.field_by_name("who.age").unwrap().field_type,
            long()
        );
        assert_eq!(
            *evolved.field_by_name("counts.value.n").unwrap().field_type,
            long()
        );
        assert!(!evolved.field_by_name("id").unwrap().required);
        assert!(!evolved.field_by_name("who.mail").unwrap().required);
        assert_eq!(evolved.highest_field_id(), table.last_column_id());
    }

    #[test]
    fn renames_keep_ids_and_happen_once() {
        let before = table(shop());
        let wanted = vec![
            required("key", int()),
            optional(
                "user",
                of(vec![required("email", text()), optional("age", int())]),
            ),
            optional("lines", list(of(vec![optional("article", text())]))),
            optional("counts", map(text(), of(vec![optional("number", int())]))),
            shop()[4].clone(),
            shop()[5].clone(),
        ];
        let pairs = [
            ("id", "key"),
            ("who", "user"),
            ("who.mail", "user.email"),
            ("lines.element.sku", "lines.element.article"),
            ("counts.value.n", "counts.value.number"),
        ];
        let evolved = to(&before, wanted.clone(), &pairs).unwrap().unwrap();
        for (old, new) in pairs {
            assert_eq!(id(&evolved, new), id(before.current_schema(), old), "{new}");
        }
        assert_eq!(evolved.highest_field_id(), before.last_column_id());

        let after = before
            .into_builder(None)
            .add_current_schema(evolved)
            .unwrap()
            .build()
            .unwrap()
            .metadata;
        assert_eq!(
            to(&after, wanted, &pairs).unwrap(),
            None,
            "carried out already"
        );
    }

    #[test]
    fn what_is_wanted_no_longer_stays_and_need_not_be_filled() {
        let table = table(shop());
        let evolved = to(&table, shop()[1..].to_vec(), &[]).unwrap().unwrap();
        let kept = evolved.field_by_name("id").unwrap();
        assert!(!kept.required);
        assert_eq!(kept.id, id(table.current_schema(), "id"));
    }

    #[test]
    fn what_would_lose_is_refused_by_name() {
        let table = table(shop());
        let with = |index: usize, field: NestedFieldRef| {
            let mut wanted = shop();
            wanted[index] = field;
            wanted
        };
        let more = |field: NestedFieldRef| [shop(), vec![field]].concat();
        let decimal =
            |precision, scale| Type::Primitive(PrimitiveType::Decimal { precision, scale });
        let cases = [
            (with(0, required("id", text())), "id is int"),
            (with(4, optional("amount", decimal(8, 2))), "amount"),
            (with(4, optional("amount", decimal(12, 3))), "amount"),
            (with(5, optional("rate", long())), "rate"),
            (with(2, optional("lines", text())), "lines"),
            (
                with(
                    2,
                    required("lines", list(of(vec![optional("sku", text())]))),
                ),
                "lines can't become required",
            ),
            (
                with(
                    3,
                    optional("counts", map(int(), of(vec![optional("n", int())]))),
                ),
                "counts.key",
            ),
            (
                with(
                    1,
                    optional(
                        "who",
                        of(vec![required("mail", text()), required("age", int())]),
                    ),
                ),
                "who.age can't become required",
            ),
            (
                more(required("new", text())),
                "new can't be added as required",
            ),
            (
                with(
                    1,
                    optional(
                        "who",
                        of(vec![
                            required("mail", text()),
                            optional("age", int()),
                            required("x", int()),
                        ]),
                    ),
                ),
                "who.x can't be added",
            ),
        ];
        for (wanted, reason) in cases {
            let error = to(&table, wanted, &[]).unwrap_err();
            assert!(
                error.to_string().contains(reason),
                "{error} lacks {reason:?}"
            );
        }
        let both = to(&table, shop(), &[("id", "rate")]).unwrap_err();
        assert!(
            both.to_string().contains("id can't be renamed to rate"),
            "{both}"
        );
    }
}
