//! json and jsonb: texts that are marked as such, their operators and functions.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};

use super::function::{
    Function, Overload, Row, T, boolean, int4, null, on, refuse, text, texts, with_nulls,
};
use super::json_edit::{Place, concat, delete_path, exists, put, stripped, walk, without};
use super::json_tree::{Json, parse, position};
use super::types::{self, JSON, JSONB};
use crate::query::{QueryError, QueryErrorKind as Kind};

/// Functions of one json whose rows are elements of a list.
pub fn is_set(name: &str) -> bool {
    matches!(
        name,
        "json_array_elements"
            | "jsonb_array_elements"
            | "json_array_elements_text"
            | "jsonb_array_elements_text"
            | "json_object_keys"
            | "jsonb_object_keys"
            | "regexp_matches"
    )
}

pub fn is_each(name: &str) -> bool {
    matches!(
        name,
        "json_each" | "jsonb_each" | "json_each_text" | "jsonb_each_text"
    )
}

fn tree(row: &Row<'_>, index: usize) -> Result<Json> {
    Ok(parse(row.text(index), "json")?)
}

fn some(value: Option<&Json>) -> Result<ScalarValue> {
    value.map_or_else(null, |value| text(value.spaced()))
}

fn some_text(value: Option<&Json>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value.and_then(Json::plain)))
}

pub fn all() -> Vec<Function> {
    let mut all = vec![
        Function::new(
            &["frazil_json"],
            [on(&[T::Text], T::Json, |row| {
                parse(row.text(0), "json")?;
                text(row.text(0))
            })],
        ),
        Function::new(
            &["frazil_jsonb"],
            [on(&[T::Text], T::Jsonb, |row| {
                text(parse(row.text(0), "json")?.normal().spaced())
            })],
        ),
        Function::new(
            &["frazil_varchar"],
            [
                on(&[T::Text], T::Varchar, |row| text(row.text(0))),
                on(&[T::Text, T::Int4], T::Varchar, |row| {
                    text(cut(row.text(0), row.int(1)))
                }),
            ],
        ),
        Function::new(
            &["frazil_bpchar"],
            [
                on(&[T::Text], T::Bpchar, |row| text(row.text(0))),
                on(&[T::Text, T::Int4], T::Bpchar, |row| {
                    if row.int(1) > 10_485_760 {
                        return refuse(
                            Kind::InvalidParameter,
                            "length for type char cannot exceed 10485760",
                        );
                    }
                    let value = cut(row.text(0), row.int(1));
                    let missing = row.int(1) - value.chars().count() as i64;
                    text(value + &" ".repeat(usize::try_from(missing).unwrap_or(0)))
                }),
            ],
        ),
        Function::new(
            &["frazil_name"],
            [on(&[T::Text], T::Name, |row| text(cut(row.text(0), 63)))],
        ),
        Function::new(
            &["frazil_char"],
            [on(&[T::Text], T::Char, |row| text(cut(row.text(0), 1)))],
        ),
        Function::new(
            &["pg_typeof"],
            [with_nulls(&[T::Shown], None, T::Regtype, |row| {
                text(row.mark(0).map_or_else(
                    || types::name_of(row.kind(0)),
                    |mark| types::mark_name(mark).to_owned(),
                ))
            })],
        ),
        Function::new(
            &["to_json"],
            [with_nulls(&[T::Shown], None, T::Json, |row| {
                if row.is_null(0) {
                    null()
                } else {
                    text(value_of(row, 0)?.tight())
                }
            })],
        ),
        Function::new(
            &["to_jsonb"],
            [with_nulls(&[T::Shown], None, T::Jsonb, |row| {
                if row.is_null(0) {
                    null()
                } else {
                    text(value_of(row, 0)?.normal().spaced())
                }
            })],
        ),
        Function::new(
            &["array_to_json"],
            [on(&[T::Shown], T::Json, |row| {
                text(value_of(row, 0)?.tight())
            })],
        ),
        Function::new(
            &["frazil_json_agg"],
            [on(&[T::Shown], T::Json, |row| {
                text(value_of(row, 0)?.spaced())
            })],
        ),
        Function::new(
            &["frazil_jsonb_agg"],
            [on(&[T::Shown], T::Jsonb, |row| {
                text(value_of(row, 0)?.normal().spaced())
            })],
        ),
        Function::new(
            &["json_build_array"],
            [with_nulls(&[], Some(T::Shown), T::Json, |row| {
                text(built_list(row)?.spaced())
            })],
        ),
        Function::new(
            &["jsonb_build_array"],
            [with_nulls(&[], Some(T::Shown), T::Jsonb, |row| {
                text(built_list(row)?.normal().spaced())
            })],
        ),
        Function::new(
            &["json_build_object"],
            [with_nulls(&[], Some(T::Shown), T::Json, |row| {
                let Json::Object(fields) = built_object(row)? else {
                    return null();
                };
                let mut out = Vec::new();
                for (key, value) in fields {
                    let mut quoted = String::new();
                    super::json_tree::quote(&key, &mut quoted);
                    out.push(format!("{quoted} : {}", value.spaced()));
                }
                text(format!("{{{}}}", out.join(", ")))
            })],
        ),
        Function::new(
            &["jsonb_build_object"],
            [with_nulls(&[], Some(T::Shown), T::Jsonb, |row| {
                text(built_object(row)?.normal().spaced())
            })],
        ),
        Function::new(
            &["json_array_length", "jsonb_array_length"],
            [on(&[T::Json], T::Int4, |row| match tree(row, 0)? {
                Json::List(items) => int4(items.len() as i64),
                Json::Object(_) => refuse(
                    Kind::InvalidParameter,
                    "cannot get array length of a non-array",
                ),
                _ => refuse(
                    Kind::InvalidParameter,
                    "cannot get array length of a scalar",
                ),
            })],
        ),
        Function::new(
            &["json_typeof", "jsonb_typeof"],
            [on(&[T::Json], T::Text, |row| text(tree(row, 0)?.kind()))],
        ),
        Function::new(
            &["json_extract_path"],
            [with_nulls(&[T::Json], Some(T::Text), T::Json, |row| {
                path_of(row, false)
            })],
        ),
        Function::new(
            &["jsonb_extract_path"],
            [with_nulls(&[T::Jsonb], Some(T::Text), T::Jsonb, |row| {
                path_of(row, false)
            })],
        ),
        Function::new(
            &["json_extract_path_text", "jsonb_extract_path_text"],
            [with_nulls(&[T::Json], Some(T::Text), T::Text, |row| {
                path_of(row, true)
            })],
        ),
        Function::new(
            &["json_strip_nulls"],
            [on(&[T::Json], T::Json, |row| {
                text(stripped(tree(row, 0)?).tight())
            })],
        ),
        Function::new(
            &["jsonb_strip_nulls"],
            [on(&[T::Jsonb], T::Jsonb, |row| {
                text(stripped(tree(row, 0)?).spaced())
            })],
        ),
        Function::new(
            &["jsonb_pretty"],
            [on(&[T::Jsonb], T::Text, |row| {
                let mut out = String::new();
                tree(row, 0)?.pretty(0, &mut out);
                text(out)
            })],
        ),
        Function::new(&["jsonb_set"], SET),
        Function::new(&["jsonb_insert"], INSERT),
        Function::new(
            &["frazil_json_array_elements"],
            [on(&[T::Json], T::JsonArray, |row| elements(row, false))],
        ),
        Function::new(
            &["frazil_jsonb_array_elements"],
            [on(&[T::Jsonb], T::JsonbArray, |row| elements(row, false))],
        ),
        Function::new(
            &[
                "frazil_json_array_elements_text",
                "frazil_jsonb_array_elements_text",
            ],
            [on(&[T::Json], T::TextArray, |row| elements(row, true))],
        ),
        Function::new(
            &[
                "frazil_json_object_keys",
                "frazil_jsonb_object_keys",
                "frazil_json_each_keys",
                "frazil_jsonb_each_keys",
                "frazil_json_each_text_keys",
                "frazil_jsonb_each_text_keys",
            ],
            [on(&[T::Json], T::TextArray, |row| {
                texts(fields(row)?.into_iter().map(|(key, _)| Some(key)))
            })],
        ),
        Function::new(
            &["frazil_json_each_values"],
            [on(&[T::Json], T::JsonArray, |row| {
                texts(fields(row)?.into_iter().map(|(_, v)| Some(v.spaced())))
            })],
        ),
        Function::new(
            &["frazil_jsonb_each_values"],
            [on(&[T::Jsonb], T::JsonbArray, |row| {
                texts(fields(row)?.into_iter().map(|(_, v)| Some(v.spaced())))
            })],
        ),
        Function::new(
            &[
                "frazil_json_each_text_values",
                "frazil_jsonb_each_text_values",
            ],
            [on(&[T::Json], T::TextArray, |row| {
                texts(fields(row)?.into_iter().map(|(_, v)| v.plain()))
            })],
        ),
        Function::new(&["json_object"], OBJECT_TEXT),
        Function::new(&["jsonb_object"], OBJECT_TEXT),
    ];
    all.extend(operators());
    all
}

pub(super) fn operators() -> Vec<Function> {
    vec![
        Function::new(
            &["frazil_json_get"],
            [
                on(&[T::Json, T::Int4], T::Json, |row| {
                    some(tree(row, 0)?.at(row.int(1)))
                }),
                on(&[T::Json, T::Text], T::Json, |row| {
                    some(tree(row, 0)?.get(row.text(1)))
                }),
            ],
        ),
        Function::new(
            &["frazil_jsonb_get"],
            [
                on(&[T::Jsonb, T::Int4], T::Jsonb, |row| {
                    some(tree(row, 0)?.at(row.int(1)))
                }),
                on(&[T::Jsonb, T::Text], T::Jsonb, |row| {
                    some(tree(row, 0)?.get(row.text(1)))
                }),
            ],
        ),
        Function::new(
            &["frazil_json_get_text"],
            [
                on(&[T::Json, T::Int4], T::Text, |row| {
                    some_text(tree(row, 0)?.at(row.int(1)))
                }),
                on(&[T::Json, T::Text], T::Text, |row| {
                    some_text(tree(row, 0)?.get(row.text(1)))
                }),
            ],
        ),
        Function::new(
            &["frazil_json_path"],
            [on(&[T::Json, T::TextArray], T::Json, |row| {
                some(walk(&tree(row, 0)?, &row.texts(1)))
            })],
        ),
        Function::new(
            &["frazil_jsonb_path"],
            [on(&[T::Jsonb, T::TextArray], T::Jsonb, |row| {
                some(walk(&tree(row, 0)?, &row.texts(1)))
            })],
        ),
        Function::new(
            &["frazil_json_path_text"],
            [on(&[T::Json, T::TextArray], T::Text, |row| {
                some_text(walk(&tree(row, 0)?, &row.texts(1)))
            })],
        ),
        Function::new(
            &["frazil_jsonb_contains"],
            [on(&[T::Jsonb, T::Jsonb], T::Bool, |row| {
                boolean(tree(row, 0)?.normal().contains(&tree(row, 1)?.normal()))
            })],
        ),
        Function::new(
            &["frazil_jsonb_exists"],
            [on(&[T::Jsonb, T::Text], T::Bool, |row| {
                boolean(exists(&tree(row, 0)?, row.text(1)))
            })],
        ),
        Function::new(
            &["frazil_jsonb_exists_any"],
            [on(&[T::Jsonb, T::TextArray], T::Bool, |row| {
                let own = tree(row, 0)?;
                boolean(row.texts(1).iter().flatten().any(|key| exists(&own, key)))
            })],
        ),
        Function::new(
            &["frazil_jsonb_exists_all"],
            [on(&[T::Jsonb, T::TextArray], T::Bool, |row| {
                let own = tree(row, 0)?;
                boolean(row.texts(1).iter().flatten().all(|key| exists(&own, key)))
            })],
        ),
        Function::new(
            &["frazil_jsonb_concat"],
            [on(&[T::Jsonb, T::Jsonb], T::Jsonb, |row| {
                text(concat(tree(row, 0)?, tree(row, 1)?).normal().spaced())
            })],
        ),
        Function::new(
            &["frazil_jsonb_delete"],
            [
                on(&[T::Jsonb, T::Int4], T::Jsonb, |row| {
                    let mut own = tree(row, 0)?;
                    match &mut own {
                        Json::List(items) => {
                            if let Some(at) =
                                position(row.int(1), items.len()).filter(|at| *at < items.len())
                            {
                                items.remove(at);
                            }
                        }
                        Json::Object(_) => {
                            return refuse(
                                Kind::InvalidParameter,
                                "cannot delete from object using integer index",
                            );
                        }
                        _ => return refuse(Kind::InvalidParameter, "cannot delete from scalar"),
                    }
                    text(own.spaced())
                }),
                on(&[T::Jsonb, T::Text], T::Jsonb, |row| {
                    text(without(tree(row, 0)?, &[row.text(1)])?.spaced())
                }),
                on(&[T::Jsonb, T::TextArray], T::Jsonb, |row| {
                    let keys = row.texts(1);
                    let keys: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
                    text(without(tree(row, 0)?, &keys)?.spaced())
                }),
            ],
        ),
        Function::new(
            &["frazil_jsonb_delete_path"],
            [on(&[T::Jsonb, T::TextArray], T::Jsonb, |row| {
                let mut own = tree(row, 0)?;
                delete_path(&mut own, &row.texts(1));
                text(own.spaced())
            })],
        ),
        Function::new(
            &["frazil_bare_text"],
            [on(&[T::Shown], T::Text, |row| text(row.text(0)))],
        ),
        Function::new(
            &["frazil_regexp_matches"],
            [
                on(&[T::Text, T::Text], T::TextArrays, |row| {
                    lists(super::regexp::all_matches(row.text(0), row.text(1), "")?)
                }),
                on(&[T::Text, T::Text, T::Text], T::TextArrays, |row| {
                    lists(super::regexp::all_matches(
                        row.text(0),
                        row.text(1),
                        row.text(2),
                    )?)
                }),
            ],
        ),
    ]
}

fn lists(rows: Vec<Vec<Option<String>>>) -> Result<ScalarValue> {
    let inner = DataType::new_list(DataType::Utf8, true);
    let rows = rows.into_iter().map(texts).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &rows, &inner,
    )))
}

const OBJECT_TEXT: &[Overload] = &[
    on(&[T::TextArray], T::Json, |row| {
        let all = row.texts(0);
        if all.len() % 2 != 0 {
            return refuse(
                Kind::State("2202E"),
                "array must have even number of elements",
            );
        }
        object_of(all.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())))
    }),
    on(&[T::TextArray, T::TextArray], T::Json, |row| {
        let (keys, values) = (row.texts(0), row.texts(1));
        if keys.len() != values.len() {
            return refuse(Kind::State("2202E"), "mismatched array dimensions");
        }
        object_of(keys.into_iter().zip(values))
    }),
];

fn object_of(pairs: impl Iterator<Item = (Option<String>, Option<String>)>) -> Result<ScalarValue> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        let Some(key) = key else {
            return refuse(
                Kind::State("22004"),
                "null value not allowed for object key",
            );
        };
        let mut field = String::new();
        super::json_tree::quote(&key, &mut field);
        field.push_str(" : ");
        match value {
            Some(value) => super::json_tree::quote(&value, &mut field),
            None => field.push_str("null"),
        }
        out.push(field);
    }
    text(format!("{{{}}}", out.join(", ")))
}

const SET: &[Overload] = &[
    on(&[T::Jsonb, T::TextArray, T::Jsonb], T::Jsonb, |row| {
        set(row, true, Place::Set)
    }),
    on(
        &[T::Jsonb, T::TextArray, T::Jsonb, T::Bool],
        T::Jsonb,
        |row| set(row, row.bool(3), Place::Set),
    ),
];
const INSERT: &[Overload] = &[
    on(&[T::Jsonb, T::TextArray, T::Jsonb], T::Jsonb, |row| {
        set(row, true, Place::Before)
    }),
    on(
        &[T::Jsonb, T::TextArray, T::Jsonb, T::Bool],
        T::Jsonb,
        |row| {
            set(
                row,
                true,
                if row.bool(3) {
                    Place::Behind
                } else {
                    Place::Before
                },
            )
        },
    ),
];

fn set(row: &Row<'_>, create: bool, place: Place) -> Result<ScalarValue> {
    let mut own = tree(row, 0)?;
    if !matches!(own, Json::List(_) | Json::Object(_)) {
        return refuse(Kind::InvalidParameter, "cannot set path in scalar");
    }
    let path: Vec<String> = row.texts(1).into_iter().flatten().collect();
    put(&mut own, &path, tree(row, 2)?, create, place)?;
    text(own.normal().spaced())
}

fn path_of(row: &Row<'_>, as_text: bool) -> Result<ScalarValue> {
    if (0..row.len()).any(|index| row.is_null(index)) {
        return null();
    }
    let path: Vec<Option<String>> = (1..row.len())
        .map(|index| Some(row.text(index).to_owned()))
        .collect();
    let own = tree(row, 0)?;
    let found = walk(&own, &path);
    if as_text {
        some_text(found)
    } else {
        some(found)
    }
}

fn elements(row: &Row<'_>, as_text: bool) -> Result<ScalarValue> {
    match tree(row, 0)? {
        Json::List(items) => texts(items.into_iter().map(|item| {
            if as_text {
                item.plain()
            } else {
                Some(item.spaced())
            }
        })),
        Json::Object(_) => refuse(
            Kind::InvalidParameter,
            "cannot extract elements from an object",
        ),
        _ => refuse(
            Kind::InvalidParameter,
            "cannot extract elements from a scalar",
        ),
    }
}

fn fields(row: &Row<'_>) -> Result<Vec<(String, Json)>> {
    match tree(row, 0)? {
        Json::Object(fields) => Ok(fields),
        Json::List(_) => refuse(
            Kind::InvalidParameter,
            "cannot call a function of objects on an array",
        ),
        _ => refuse(
            Kind::InvalidParameter,
            "cannot call a function of objects on a scalar",
        ),
    }
}

/// The longest value cut to so many characters.
fn cut(value: &str, length: i64) -> String {
    value
        .chars()
        .take(usize::try_from(length).unwrap_or(0))
        .collect()
}

/// An argument of any type as JSON.
fn value_of(row: &Row<'_>, index: usize) -> Result<Json> {
    if row.is_null(index) {
        return Ok(Json::Null);
    }
    let shown = row.text(index);
    if matches!(row.mark(index), Some(JSON | JSONB)) {
        return Ok(parse(shown, "json")?);
    }
    json_of(shown, row.kind(index))
}

fn json_of(shown: &str, kind: &DataType) -> Result<Json> {
    Ok(match kind {
        DataType::Boolean => Json::Bool(shown == "t" || shown == "true"),
        kind if kind.is_numeric() && shown.parse::<f64>().is_ok_and(f64::is_finite) => {
            Json::Number(shown.to_owned())
        }
        DataType::Timestamp(_, None) => Json::Text(shown.replacen(' ', "T", 1)),
        DataType::Timestamp(_, Some(_)) => {
            let iso = shown.replacen(' ', "T", 1);
            let short = iso.len() > 3 && iso.as_bytes()[iso.len() - 3] != b':';
            Json::Text(if short { format!("{iso}:00") } else { iso })
        }
        DataType::List(item) => {
            let items = super::array_in::parse(shown)?;
            Json::List(
                items
                    .into_iter()
                    .map(|tree| of_tree(tree, item.data_type()))
                    .collect::<Result<_>>()?,
            )
        }
        DataType::Struct(_) => {
            return Err(QueryError::new(
                Kind::FeatureNotSupported,
                "a record as JSON is not supported here",
            )
            .into());
        }
        _ => Json::Text(shown.to_owned()),
    })
}

fn of_tree(tree: super::array_in::Tree, kind: &DataType) -> Result<Json> {
    use super::array_in::Tree;
    match (tree, kind) {
        (Tree::Leaf(None), _) => Ok(Json::Null),
        (Tree::Leaf(Some(shown)), kind) => json_of(&shown, kind),
        (Tree::List(items), DataType::List(item)) => Ok(Json::List(
            items
                .into_iter()
                .map(|tree| of_tree(tree, item.data_type()))
                .collect::<Result<_>>()?,
        )),
        (Tree::List(_), _) => Ok(Json::Null),
    }
}

fn built_list(row: &Row<'_>) -> Result<Json> {
    Ok(Json::List(
        (0..row.len())
            .map(|index| value_of(row, index))
            .collect::<Result<_>>()?,
    ))
}

fn built_object(row: &Row<'_>) -> Result<Json> {
    if !row.len().is_multiple_of(2) {
        return refuse(
            Kind::InvalidParameter,
            "argument list must have even number of elements",
        );
    }
    let pairs = (0..row.len()).step_by(2).map(|index| {
        if row.is_null(index) {
            return refuse(Kind::State("22004"), "argument key must not be null");
        }
        Ok((row.text(index).to_owned(), value_of(row, index + 1)?))
    });
    Ok(Json::Object(pairs.collect::<Result<_>>()?))
}
