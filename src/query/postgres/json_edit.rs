//! Changes of JSON values: what is put in, taken away, joined, and looked for along a path.

use datafusion::common::Result;

use super::function::refuse;
use super::json_tree::{Json, position};
use crate::query::QueryErrorKind as Kind;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Set,
    Before,
    Behind,
}

pub(super) fn put(
    at: &mut Json,
    path: &[String],
    value: Json,
    create: bool,
    place: Place,
) -> Result<()> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(());
    };
    match at {
        Json::Object(fields) => {
            let found = fields.iter().position(|(key, _)| key == step);
            match (found, rest.is_empty()) {
                (Some(_), true) if place != Place::Set => {
                    return refuse(Kind::InvalidParameter, "cannot replace existing key");
                }
                (Some(index), true) => fields[index].1 = value,
                (Some(index), false) => put(&mut fields[index].1, rest, value, create, place)?,
                (None, true) if create => fields.push((step.clone(), value)),
                _ => {}
            }
        }
        Json::List(items) => {
            let Ok(index) = step.trim().parse::<i64>() else {
                return refuse(
                    Kind::InvalidText,
                    format!("path element is not an integer: \"{step}\""),
                );
            };
            let found = position(index, items.len()).filter(|at| *at < items.len());
            match (found, rest.is_empty()) {
                (Some(index), true) => match place {
                    Place::Set => items[index] = value,
                    Place::Before => items.insert(index, value),
                    Place::Behind => items.insert(index + 1, value),
                },
                (Some(index), false) => put(&mut items[index], rest, value, create, place)?,
                (None, true) if create => {
                    let end = if index < 0 { 0 } else { items.len() };
                    items.insert(end, value);
                }
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn delete_path(at: &mut Json, path: &[Option<String>]) {
    let Some((Some(step), rest)) = path.split_first() else {
        return;
    };
    match at {
        Json::Object(fields) => {
            if rest.is_empty() {
                fields.retain(|(key, _)| key != step);
            } else if let Some((_, value)) = fields.iter_mut().find(|(key, _)| key == step) {
                delete_path(value, rest);
            }
        }
        Json::List(items) => {
            let index = step
                .trim()
                .parse()
                .ok()
                .and_then(|index| position(index, items.len()));
            let Some(index) = index.filter(|at| *at < items.len()) else {
                return;
            };
            if rest.is_empty() {
                items.remove(index);
            } else {
                delete_path(&mut items[index], rest);
            }
        }
        _ => {}
    }
}

pub(super) fn without(own: Json, keys: &[&str]) -> Result<Json> {
    match own {
        Json::Object(fields) => Ok(Json::Object(
            fields
                .into_iter()
                .filter(|(key, _)| !keys.contains(&key.as_str()))
                .collect(),
        )),
        Json::List(items) => Ok(Json::List(
            items
                .into_iter()
                .filter(|item| !matches!(item, Json::Text(text) if keys.contains(&text.as_str())))
                .collect(),
        )),
        _ => refuse(Kind::InvalidParameter, "cannot delete from scalar"),
    }
}

pub(super) fn concat(left: Json, right: Json) -> Json {
    match (left, right) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::Object(left)
        }
        (left, right) => {
            let list = |value| match value {
                Json::List(items) => items,
                other => vec![other],
            };
            let mut items = list(left);
            items.extend(list(right));
            Json::List(items)
        }
    }
}

pub(super) fn exists(own: &Json, key: &str) -> bool {
    match own {
        Json::Object(_) => own.get(key).is_some(),
        Json::List(items) => items
            .iter()
            .any(|item| matches!(item, Json::Text(text) if text == key)),
        Json::Text(text) => text == key,
        _ => false,
    }
}

pub(super) fn walk<'a>(own: &'a Json, path: &[Option<String>]) -> Option<&'a Json> {
    path.iter()
        .try_fold(own, |at, step| at.step(step.as_deref()?))
}

pub(super) fn stripped(own: Json) -> Json {
    match own {
        Json::Object(fields) => Json::Object(
            fields
                .into_iter()
                .filter(|(_, value)| *value != Json::Null)
                .map(|(key, value)| (key, stripped(value)))
                .collect(),
        ),
        Json::List(items) => Json::List(items.into_iter().map(stripped).collect()),
        other => other,
    }
}
