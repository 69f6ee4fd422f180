//! A TOML file read key by key, every key with its place, every problem collected.
//! Shared by the configuration and by what people declare; knows no key itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Problems, suggestion};
use super::units::{parse_bytes, parse_duration};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Byte of the file's text.
    Byte(usize),
    /// The environment variable that set it.
    Variable(String),
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A string, a date or, from the environment, anything that is written as text.
    Text(String),
    Integer(i64),
    Float(String),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Entries),
}

/// Key → its own place, and its value.
pub(super) type Entries = BTreeMap<String, (Origin, Node)>;

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    text: String,
    problems: RefCell<Vec<Problem>>,
}

/// A parsed file. Reading never fails: what is wrong or missing becomes a problem and a `None`.
#[derive(Debug)]
pub struct Document {
    shared: Rc<Shared>,
    entries: Entries,
}

/// One table of the document: `[lake]`, an element of `[[columns]]`, or the file itself.
#[derive(Debug)]
pub struct Section {
    shared: Rc<Shared>,
    /// `lake`, `wire.users[0]`; empty for the file itself.
    path: String,
    origin: Origin,
    entries: Entries,
    known: RefCell<Vec<&'static str>>,
}

impl Document {
    /// Reads a text; syntax errors become problems.
    pub fn parse(file: &Path, text: String) -> Self {
        // Keys of many parts, in tables inside each other, make a tree that is deeper than a stack.
        let many_parts = text.bytes().filter(|byte| *byte == b'.').count() > MANY_PARTS;
        let (entries, problems) = match many_parts {
            true => stacker::grow(PARSE_STACK_BYTES, || read(file, &text)),
            false => read(file, &text),
        };
        Self {
            shared: Rc::new(Shared {
                file: file.to_owned(),
                text,
                problems: RefCell::new(problems),
            }),
            entries,
        }
    }

    pub(super) fn entries_mut(&mut self) -> &mut Entries {
        &mut self.entries
    }

    /// The file itself as a section.
    pub fn root(&self) -> Section {
        Section {
            shared: Rc::clone(&self.shared),
            path: String::new(),
            origin: Origin::Byte(0),
            entries: self.entries.clone(),
            known: RefCell::default(),
        }
    }

    /// Whether anything is wrong so far.
    pub fn is_sound(&self) -> bool {
        self.shared.problems.borrow().is_empty()
    }

    /// What is wrong, in the order of the file.
    pub fn problems(&self) -> Problems {
        let mut problems = self.shared.problems.borrow().clone();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Problems(problems)
    }
}

impl Section {
    /// Where this section begins.
    pub fn origin(&self) -> Origin {
        self.origin.clone()
    }

    /// Notes a problem at a place.
    pub fn problem(&self, origin: &Origin, message: impl Into<String>) {
        let problem = self.place(origin).problem(message);
        self.shared.problems.borrow_mut().push(problem);
    }

    /// An origin as people read it.
    pub fn place(&self, origin: &Origin) -> Place {
        match origin {
            Origin::Byte(byte) => Place::at_byte(&self.shared.file, &self.shared.text, *byte),
            Origin::Variable(name) => Place::of_file(Path::new(name)),
        }
    }

    /// Where the value of a key stands, or the section when there is none.
    pub fn origin_of(&self, key: &str) -> Origin {
        self.entries
            .get(key)
            .map_or_else(|| self.origin(), |(_, node)| node.origin.clone())
    }

    /// Notes a problem with the value of a key.
    pub fn problem_with(&self, key: &str, message: impl Into<String>) {
        self.problem(&self.origin_of(key), message);
    }

    fn get(&self, key: &'static str) -> Option<&Node> {
        self.known.borrow_mut().push(key);
        self.entries.get(key).map(|(_, node)| node)
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn wrong_type<T>(&self, key: &str, node: &Node, wanted: &str) -> Option<T> {
        let found = match &node.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a decimal number",
            Value::Boolean(_) => "true or false",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        let message = format!("{} must be {wanted}, this is {found}", self.full(key));
        self.problem(&node.origin, message);
        None
    }

    pub fn string(&self, key: &'static str) -> Option<String> {
        let node = self.get(key)?;
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.wrong_type(key, node, "a string"),
        }
    }

    /// Notes a problem when the key is missing.
    pub fn required_string(&self, key: &'static str) -> Option<String> {
        if !self.entries.contains_key(key) {
            self.known.borrow_mut().push(key);
            let message = format!("{} is missing", self.full(key));
            self.problem(&self.origin, message);
            return None;
        }
        self.string(key)
    }

    pub fn integer(&self, key: &'static str) -> Option<i64> {
        let node = self.get(key)?;
        match &node.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) if matches!(node.origin, Origin::Variable(_)) => {
                let number = text.trim().parse().ok();
                number.or_else(|| self.wrong_type(key, node, "a whole number"))
            }
            _ => self.wrong_type(key, node, "a whole number"),
        }
    }

    /// A whole number of at least `least`.
    pub fn count(&self, key: &'static str, least: usize) -> Option<usize> {
        let number = self.integer(key)?;
        let number = usize::try_from(number).ok().filter(|n| *n >= least);
        if number.is_none() {
            self.problem_with(key, format!("{} must be {least} or more", self.full(key)));
        }
        number
    }

    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let node = self.get(key)?;
        match &node.value {
            Value::Boolean(value) => Some(*value),
            Value::Text(text) if matches!(node.origin, Origin::Variable(_)) => {
                let value = text.trim().parse().ok();
                value.or_else(|| self.wrong_type(key, node, "true or false"))
            }
            _ => self.wrong_type(key, node, "true or false"),
        }
    }

    /// A string put through `parse`, whose error is noted at its place.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.string(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem_with(key, format!("{}: {message}", self.full(key)));
                None
            }
        }
    }

    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, parse_duration)
    }

    /// A duration that is not zero.
    pub fn interval(&self, key: &'static str) -> Option<Duration> {
        let duration = self.duration(key)?;
        if duration.is_zero() {
            self.problem_with(key, format!("{} must be longer than 0", self.full(key)));
            return None;
        }
        Some(duration)
    }

    /// A size: "128 MiB", or a number of bytes. Not zero.
    pub fn bytes(&self, key: &'static str) -> Option<u64> {
        let node = self.get(key)?;
        let bytes = match &node.value {
            Value::Integer(number) => u64::try_from(*number).unwrap_or(0),
            _ => self.parsed(key, parse_bytes)?,
        };
        if bytes == 0 {
            self.problem_with(key, format!("{} must be more than 0", self.full(key)));
            return None;
        }
        Some(bytes)
    }

    /// One of some words.
    pub fn choice<T: Clone>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
                return Ok(value.clone());
            }
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Err(format!(
                "{text:?} is not known, write {}",
                words.join(" or ")
            ))
        })
    }

    /// Strings of a list, each with its place.
    pub fn strings(&self, key: &'static str) -> Vec<(String, Origin)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Value::Array(items) = &node.value else {
            let none: Option<()> = self.wrong_type(key, node, "a list of strings");
            return none.map(|()| Vec::new()).unwrap_or_default();
        };
        let mut strings = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => strings.push((text.clone(), item.origin.clone())),
                _ => self
                    .wrong_type(key, item, "a list of strings")
                    .unwrap_or(()),
            }
        }
        strings
    }

    /// A table of settings that we don't know ourselves, nested tables joined by dots
    /// (`sasl.password = …` is the same as `"sasl.password" = …`), with the place of each.
    pub fn settings(&self, key: &'static str) -> BTreeMap<String, (String, Origin)> {
        let mut settings = BTreeMap::new();
        if let Some(node) = self.get(key) {
            match &node.value {
                Value::Table(entries) => self.flatten("", entries, &mut settings),
                _ => self.wrong_type(key, node, "a table").unwrap_or(()),
            }
        }
        settings
    }

    fn flatten(
        &self,
        prefix: &str,
        entries: &Entries,
        into: &mut BTreeMap<String, (String, Origin)>,
    ) {
        for (key, (_, node)) in entries {
            let name = format!("{prefix}{key}");
            let text = match &node.value {
                Value::Text(text) | Value::Float(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                Value::Boolean(value) => value.to_string(),
                Value::Table(inner) => {
                    self.flatten(&format!("{name}."), inner, into);
                    continue;
                }
                Value::Array(_) => {
                    self.wrong_type::<()>(&name, node, "a string, a number, true or false");
                    continue;
                }
            };
            into.insert(name, (text, node.origin.clone()));
        }
    }

    /// A sub-table; an empty one when it is missing.
    pub fn section(&self, key: &'static str) -> Section {
        let empty = || self.child(key, self.origin(), Entries::new());
        let Some(node) = self.get(key) else {
            return empty();
        };
        match &node.value {
            Value::Table(entries) => self.child(key, node.origin.clone(), entries.clone()),
            _ => {
                self.wrong_type::<()>(key, node, "a table");
                empty()
            }
        }
    }

    /// The elements of `[[key]]`.
    pub fn sections(&self, key: &'static str) -> Vec<Section> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let Value::Array(items) = &node.value else {
            self.wrong_type::<()>(key, node, &format!("a list of tables, [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let name = format!("{key}[{index}]");
            match &item.value {
                Value::Table(entries) => {
                    sections.push(self.child(&name, item.origin.clone(), entries.clone()));
                }
                _ => self.wrong_type(&name, item, "a table").unwrap_or(()),
            }
        }
        sections
    }

    fn child(&self, key: &str, origin: Origin, entries: Entries) -> Section {
        Section {
            shared: Rc::clone(&self.shared),
            path: self.full(key),
            origin,
            entries,
            known: RefCell::default(),
        }
    }

    /// Whether the key is there at all.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes every key that nobody asked for. Call it once, after all keys were read.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (key, (origin, _)) in &self.entries {
            if known.contains(&key.as_str()) {
                continue;
            }
            let place = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.path)
            };
            let advice = match suggestion(key, known.iter().copied()) {
                Some(word) => format!("did you mean {word:?}?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.problem(origin, format!("unknown key {key:?}{place}: {advice}"));
        }
    }
}

/// A text with more dots than this is read on a stack of its own.
const MANY_PARTS: usize = 300;
/// Reserved, and used only as far as the tree is deep. toml lets through some 6,400 levels.
const PARSE_STACK_BYTES: usize = 64 << 20;
/// Tables and lists inside each other; what comes after recurses on any stack.
const DEEPEST: usize = 32;

fn read(file: &Path, text: &str) -> (Entries, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let places = errors.iter().map(|error| {
        // Only keys of too many parts have no place of their own.
        let start = error.span().map(|span| span.start);
        let byte = start.unwrap_or_else(|| longest_key(text));
        Problem::at_byte(file, text, byte, error.message())
    });
    let mut problems: Vec<Problem> = places.collect();
    let mut too_deep = Vec::new();
    let entries = entries(table.get_ref(), DEEPEST, &mut too_deep);
    let message = format!("nested deeper than {DEEPEST}");
    let too_deep = too_deep.into_iter();
    problems.extend(too_deep.map(|byte| Problem::at_byte(file, text, byte, message.as_str())));
    (entries, problems)
}

/// Where the line begins that has the most dots.
fn longest_key(text: &str) -> usize {
    let mut start = 0;
    let mut longest = (0, 0);
    for line in text.split_inclusive('\n') {
        let dots = line.matches('.').count();
        if dots > longest.0 {
            longest = (dots, start);
        }
        start += line.len();
    }
    longest.1
}

/// `levels` more may follow; values that lie deeper are left out, their places noted.
fn entries(table: &DeTable<'_>, levels: usize, too_deep: &mut Vec<usize>) -> Entries {
    let mut entries = Entries::new();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if let Some(node) = node(value, levels, too_deep) {
            entries.insert(name, (Origin::Byte(key.span().start), node));
        }
    }
    entries
}

fn node(value: &Spanned<DeValue<'_>>, levels: usize, too_deep: &mut Vec<usize>) -> Option<Node> {
    let byte = value.span().start;
    let levels = match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => levels.checked_sub(1).or_else(|| {
            too_deep.push(byte);
            None
        })?,
        _ => levels,
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Float(number.to_string()), Value::Integer),
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            let items = items.iter();
            Value::Array(
                items
                    .filter_map(|item| node(item, levels, too_deep))
                    .collect(),
            )
        }
        DeValue::Table(table) => Value::Table(entries(table, levels, too_deep)),
    };
    Some(Node {
        value,
        origin: Origin::Byte(byte),
    })
}
