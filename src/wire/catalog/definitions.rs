//! Functions that tell how a thing was defined: views have a text, all else has none here.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Volatility;

use super::Facts;
use super::functions::{arg, refused, relation_oid, text};
use super::row_function::RowFunction;
use super::snapshot::CatalogCache;

const STABLE: Volatility = Volatility::Stable;

pub(super) fn all(facts: &Arc<Facts>, cache: &Arc<CatalogCache>) -> Vec<RowFunction> {
    let whose = (Arc::clone(facts), Arc::clone(cache));
    let named = Arc::clone(cache);
    let mut all = vec![
        RowFunction::new("pg_get_viewdef", DataType::Utf8, STABLE, move |args| {
            let (facts, cache) = &whose;
            let oid = arg(args, 0).and_then(|name| relation_oid(name, facts, cache));
            let snapshot = cache.latest();
            text(oid.and_then(|oid| snapshot.table_by_oid(oid)?.shown_definition()))
        }),
        RowFunction::new(
            "frazil_type_names",
            DataType::new_list(DataType::Utf8, true),
            STABLE,
            move |args| {
                let types = named.types().map_err(|error| refused(&error))?;
                let oids = arg(args, 0).map(|text| {
                    let digits = text.split(|c: char| !c.is_ascii_digit());
                    let oids = digits.filter_map(|digits| digits.parse::<i32>().ok());
                    let shown = oids.map(|oid| ScalarValue::Utf8(Some(types.format(oid, -1))));
                    shown.collect::<Vec<_>>()
                });
                Ok(match oids {
                    Some(shown) => {
                        ScalarValue::List(ScalarValue::new_list_nullable(&shown, &DataType::Utf8))
                    }
                    None => ScalarValue::new_null_list(DataType::Utf8, true, 1),
                })
            },
        ),
    ];
    all.extend(nothing());
    all
}

/// Definitions of things that don't exist here: there is nothing to define, so NULL.
fn nothing() -> Vec<RowFunction> {
    [
        "pg_get_expr",
        "pg_get_indexdef",
        "pg_get_constraintdef",
        "pg_get_triggerdef",
        "pg_get_ruledef",
        "pg_get_functiondef",
        "pg_get_function_result",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_function_sqlbody",
        "pg_get_partkeydef",
        "pg_get_partition_constraintdef",
        "pg_get_statisticsobjdef",
        "pg_get_statisticsobjdef_columns",
        "pg_get_serial_sequence",
        "shobj_description",
    ]
    .into_iter()
    .map(|name| RowFunction::new(name, DataType::Utf8, STABLE, |_| text(None::<String>)))
    .collect()
}
