//! The contract against the table as it is.

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Schema as ArrowSchema};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{ListType, PrimitiveType as P, StructType, Type};
use serde_json::json;

use super::{decode, decoder, decoder_on, every_type, field, reasons, rows, schema, stream};
use crate::lake::ErrorKind;

#[test]
fn a_living_table_may_have_more_than_the_contract() {
    let nested = |fields| Type::Struct(StructType::new(fields));
    let table = schema(vec![
        field(1, "gone", P::Long, false),
        field(2, "id", P::Long, true),
        field(
            3,
            "st",
            nested(vec![
                field(
                    10,
                    "gone",
                    nested(vec![field(12, "deep", P::Int, true)]),
                    false,
                ),
                field(11, "now", P::Int, false),
            ]),
            false,
        ),
    ]);
    let mut contract = stream(schema(vec![
        field(1, "st", nested(vec![field(9, "now", P::Int, false)]), true),
        field(2, "id", P::Int, true),
    ]));
    contract.renames.insert("st.was".into(), "st.now".into());
    let mut decoder = decoder_on(&contract, &table).unwrap();
    let decoded = decode(
        &mut decoder,
        [
            r#"{"id":1,"gone":5,"st":{"was":2,"gone":{"deep":1}}}"#,
            r#"{"id":1,"st":{"now":3}}"#,
            r#"{"id":1,"st":{"now":3,"was":3}}"#,
            r#"{"id":1}"#,
        ],
    );
    assert_eq!(
        reasons(&decoded),
        [
            "st.now: stands twice in one object",
            "st: required, but missing"
        ]
    );
    let found = rows(&decoded.events);
    assert_eq!(found[0]["st"], json!({"now": 2}));
    assert_eq!(found[0]["_extra"], r#"{"gone":5,"st":{"gone":{"deep":1}}}"#);
    assert_eq!(found[1]["st"], json!({"now": 3}));
}

/// The old name is as it was before any rename, of what holds it too.
#[test]
fn a_field_renamed_inside_a_renamed_one_is_read_by_either_name() {
    let inner = vec![field(10, "z", P::Int, false)];
    let list = ListType {
        element_field: field(11, "element", Type::Struct(StructType::new(inner)), false),
    };
    let outer = StructType::new(vec![field(12, "y", Type::List(list), false)]);
    let mut contract = stream(schema(vec![field(1, "a", Type::Struct(outer), false)]));
    contract.renames.insert("aa".into(), "a".into());
    let (old, new) = ("aa.y.element.zz", "a.y.element.z");
    contract.renames.insert(old.into(), new.into());
    let mut decoder = decoder_on(&contract, &contract.schema).unwrap();
    let decoded = decode(
        &mut decoder,
        [
            r#"{"aa":{"y":[{"zz":1}]}}"#,
            r#"{"a":{"y":[{"z":1}]}}"#,
            r#"{"a":{"y":[{"zz":1}]}}"#,
        ],
    );
    assert_eq!(reasons(&decoded), Vec::<String>::new());
    for row in rows(&decoded.events) {
        assert_eq!(row["a"], json!({"y": [{"z": 1}]}));
        assert_eq!(row.get("_extra"), None);
    }
}

#[test]
fn a_table_that_can_not_take_the_contract_is_refused() {
    let refused = |contract: Vec<_>, table: Vec<_>| {
        let contract = stream(schema(contract));
        let error = decoder_on(&contract, &schema(table)).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    let missing = refused(vec![field(1, "a", P::Long, false)], vec![]);
    assert!(
        missing.contains("the contract declares a, which the table does not have"),
        "{missing}"
    );
    let other = refused(
        vec![field(1, "a", P::String, false)],
        vec![field(1, "a", P::Long, false)],
    );
    assert!(
        other.contains("the contract declares a as string"),
        "{other}"
    );
    let required = refused(vec![], vec![field(1, "a", P::Long, true)]);
    assert!(required.contains("the table requires a"), "{required}");
}

#[test]
fn field_ids_stay_on_every_level() {
    let decoded = decode(&mut decoder(every_type()), ["{}"]);
    let wanted: ArrowSchema = schema_to_arrow_schema(&schema(every_type())).unwrap();
    assert_eq!(*decoded.events.schema(), wanted);
    let offsets = decoded.events.column_by_name("_partition").unwrap();
    assert_eq!(offsets.as_primitive::<Int32Type>().value(0), 3);
}
