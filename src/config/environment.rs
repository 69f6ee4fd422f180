//! `FRAZIL__SECTION__KEY` over the file: two underscores go one table deeper.
//! Lists can't be set this way. Below `source.kafka` one underscore stands for a dot:
//! `FRAZIL__SOURCE__KAFKA__SASL_PASSWORD` sets `sasl.password`.

use super::document::{Entries, Node, Origin, Value};

const PREFIX: &str = "FRAZIL__";

/// Lays the variables over the entries. What fits nowhere stays an unknown key of its name.
pub(super) fn overlay(
    entries: &mut Entries,
    variables: impl IntoIterator<Item = (String, String)>,
) {
    let mut variables: Vec<(String, String)> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let path: Vec<String> = name[PREFIX.len()..]
            .split("__")
            .map(str::to_lowercase)
            .collect();
        let path = match path.as_slice() {
            [source, kafka, rest @ ..] if source == "source" && kafka == "kafka" => {
                let setting = rest.join("_").replace('_', ".");
                vec![source.clone(), kafka.clone(), setting]
            }
            _ => path,
        };
        let origin = Origin::Variable(name.clone());
        let node = Node {
            value: Value::Text(value),
            origin: origin.clone(),
        };
        put(entries, &path, &origin, node);
    }
}

fn put(entries: &mut Entries, path: &[String], origin: &Origin, node: Node) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        entries.insert(key.clone(), (origin.clone(), node));
        return;
    }
    let (_, inner) = entries.entry(key.clone()).or_insert_with(|| {
        let table = Node {
            value: Value::Table(Entries::new()),
            origin: origin.clone(),
        };
        (origin.clone(), table)
    });
    if let Value::Table(inner) = &mut inner.value {
        put(inner, rest, origin, node);
    } else {
        // Not a table: the variable replaces it, and the reader says what should stand there.
        let mut inner_entries = Entries::new();
        put(&mut inner_entries, rest, origin, node);
        *inner = Node {
            value: Value::Table(inner_entries),
            origin: origin.clone(),
        };
    }
}
