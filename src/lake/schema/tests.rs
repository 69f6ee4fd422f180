//! What evolves, what is refused, and that ids stay.

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
        history: Vec::new(),
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
    let decimal = |precision, scale| Type::Primitive(PrimitiveType::Decimal { precision, scale });
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

/// A table after this change.
fn after(table: TableMetadata, evolved: Schema) -> TableMetadata {
    let builder = table.into_builder(None).add_current_schema(evolved);
    builder.unwrap().build().unwrap().metadata
}

#[test]
fn a_contract_from_before_a_rename_does_not_bring_the_old_name_back() {
    let old = || vec![required("id", int()), optional("text", text())];
    let new = || vec![required("id", int()), optional("label", text())];
    let renamed = to(&table(old()), new(), &[("text", "label")]).unwrap();
    let table = after(table(old()), renamed.unwrap());
    let error = to(&table, old(), &[]).unwrap_err().to_string();
    assert!(error.contains("text was renamed to label"), "{error}");

    // Who names both knows of the rename; and it can be taken back, by a rename.
    let both = vec![
        required("id", int()),
        optional("label", text()),
        optional("text", text()),
    ];
    let evolved = to(&table, both, &[]).unwrap().unwrap();
    assert_ne!(id(&evolved, "text"), id(&evolved, "label"));
    let back = to(&table, old(), &[("label", "text")]).unwrap().unwrap();
    assert_eq!(id(&back, "text"), id(table.current_schema(), "label"));
    // Of another name nothing is known.
    let other = vec![required("id", int()), optional("more", text())];
    assert!(to(&table, other, &[]).unwrap().is_some());
}
