//! What the contract doesn't declare, kept as the text of one JSON object (I6).
//!
//! Values stand verbatim, nested ones under their path: `{"x":1,"properties":{"y":[ 2]}}`. An
//! element of a list stands under its index, a value of a map under its key. Two undeclared
//! members of one name both stand.

use std::sync::Arc;

/// Where an undeclared value was found.
#[derive(Clone, Debug)]
pub(super) enum Level {
    Field(Arc<str>),
    Index(usize),
    Key(String),
}

/// Collects the undeclared members of one record.
#[derive(Debug, Default)]
pub(super) struct Extra {
    text: String,
    levels: Vec<Level>,
    /// How many of `levels` have been written.
    open: usize,
}

impl Extra {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.levels.clear();
        self.open = 0;
    }

    pub(super) fn enter(&mut self, level: Level) {
        self.levels.push(level);
    }

    pub(super) fn leave(&mut self) {
        if self.open == self.levels.len() {
            self.text.push('}');
            self.open -= 1;
        }
        self.levels.pop();
    }

    /// Keeps a member: its key with quotes and its value, both as they stand in the payload.
    pub(super) fn keep(&mut self, raw_key: &str, raw_value: &str) {
        while let Some(level) = self.levels.get(self.open) {
            let name = match level {
                Level::Field(name) => quote(name),
                Level::Index(index) => format!("\"{index}\""),
                Level::Key(key) => quote(key),
            };
            self.member(&name);
            self.text.push('{');
            self.open += 1;
        }
        self.member(raw_key);
        self.text.push_str(raw_value);
    }

    fn member(&mut self, key: &str) {
        match self.text.as_bytes().last() {
            None => self.text.push('{'),
            Some(b'{') => {}
            Some(_) => self.text.push(','),
        }
        self.text.push_str(key);
        self.text.push(':');
    }

    /// The object; None when everything was declared.
    pub(super) fn finish(&mut self) -> Option<&str> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push('}');
        Some(&self.text)
    }
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serialises")
}
