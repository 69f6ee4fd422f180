//! The statements in `tests/postgres/*.sql`: one a line. A SELECT of several values from no table
//! is asked value by value, so that each has a verdict of its own.

use std::path::Path;

/// Each file's name, without its ending, and its text.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let only = std::env::var("FRAZIL_POSTGRES_FILE").ok();
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
        .collect();
    all.sort();
    all
}

pub fn of(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("-- "))
        // A semicolon left in a statement tells that it is several.
        .map(|line| line.trim_end().trim_end_matches(';'))
        .flat_map(parts)
        .collect()
}

/// `select a, b` as `select a` and `select b`.
fn parts(line: &str) -> Vec<String> {
    let whole = || vec![line.to_owned()];
    let Some(list) = line.strip_prefix("select ") else {
        return whole();
    };
    let Some(items) = items(list) else {
        return whole();
    };
    items
        .iter()
        .map(|item| format!("select {}", item.trim()))
        .collect()
}

/// The text at its outermost commas; None where more than a list stands in it.
fn items(list: &str) -> Option<Vec<String>> {
    const ENDS: [&str; 11] = [
        "from",
        "where",
        "union",
        "order",
        "group",
        "limit",
        "offset",
        "intersect",
        "except",
        "having",
        "window",
    ];
    if list.contains("$$") || list.contains("--") || list.contains(';') {
        return None;
    }
    let mut items = vec![String::new()];
    let mut depth = 0_i32;
    let mut quote = None;
    let mut word = String::new();
    for c in list.chars() {
        if quote.is_none() && !c.is_alphanumeric() && c != '_' {
            if depth == 0 && ENDS.contains(&word.to_lowercase().as_str()) {
                return None;
            }
            word.clear();
        } else if quote.is_none() {
            word.push(c);
        }
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                items.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        items.last_mut()?.push(c);
    }
    let complete = depth == 0 && quote.is_none() && items.iter().all(|i| !i.trim().is_empty());
    complete.then_some(items)
}

#[test]
fn lists_are_taken_apart_and_nothing_else() {
    assert_eq!(
        of("-- about\n\nselect f(1, 2), 'a,b' as x\nselect 1, 2 from t\nvalues (1), (2)"),
        [
            "select f(1, 2)",
            "select 'a,b' as x",
            "select 1, 2 from t",
            "values (1), (2)"
        ]
    );
}
