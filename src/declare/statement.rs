//! The four statements about models, parsed on sqlparser's tokens: CREATE, REFRESH, ALTER … SET
//! and DROP MATERIALIZED VIEW. sqlparser knows two of the four; one parser for all gives them one
//! grammar and one kind of error. The query itself is sqlparser's.

use std::collections::BTreeMap;

use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::dialect::{FrazilDialect, bounded};
use super::layout::{parse_transform, split_list};
use super::model::{Kind, Model, ModelStatement, Schedule};
use super::sources::sources;
use crate::config::{Place, suggestion};
use crate::domain::TableName;

/// What is wrong with a statement, and at which byte of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StatementError {
    pub byte: usize,
    pub message: String,
}

const OPTIONS: [&str; 4] = ["schedule", "time_zone", "kind", "partition_by"];

/// Each token may nest the query's tree one level deeper (`1 + 1 + …`), and walking a tree, or
/// letting it go, takes stack for each level.
const MAX_TOKENS: usize = 200_000;
/// A statement with more tokens than this is parsed on a stack of its own.
const FEW_TOKENS: usize = 500;
/// Reserved, and used only as far as the tree is deep.
const PARSE_STACK_BYTES: usize = 256 << 20;

/// Parses exactly one statement; a `;` may end it.
pub fn parse_statement(text: &str) -> Result<ModelStatement, StatementError> {
    let parser = Statement::new(text)?;
    let count = parser.tokens.len();
    if count > MAX_TOKENS {
        let message = format!("the statement has more than {MAX_TOKENS} words and signs");
        return Err(parser.error(message));
    }
    bounded(count, || match count <= FEW_TOKENS {
        true => parser.whole(),
        false => stacker::grow(PARSE_STACK_BYTES, || parser.whole()),
    })
}

struct Statement<'a> {
    text: &'a str,
    tokens: Vec<TokenWithSpan>,
    /// Index of the next token; never blank, never past the end's token.
    at: usize,
}

impl<'a> Statement<'a> {
    fn new(text: &'a str) -> Result<Self, StatementError> {
        let mut tokens = Tokenizer::new(&FrazilDialect, text)
            .tokenize_with_location()
            .map_err(|error| StatementError {
                byte: byte_of(text, error.location),
                message: error.message,
            })?;
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        if !matches!(tokens.last(), Some(last) if last.token == Token::EOF) {
            tokens.push(TokenWithSpan::new_eof());
        }
        Ok(Self {
            text,
            tokens,
            at: 0,
        })
    }

    fn whole(mut self) -> Result<ModelStatement, StatementError> {
        let statement = self.statement()?;
        while self.take(&Token::SemiColon) {}
        if self.peek() != &Token::EOF {
            return Err(self.error("only one statement may stand here"));
        }
        Ok(statement)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    /// Where the next token begins.
    fn byte(&self) -> usize {
        match self.peek() {
            Token::EOF => self.text.trim_end().len(),
            _ => byte_of(self.text, self.tokens[self.at].span.start),
        }
    }

    fn error(&self, message: impl Into<String>) -> StatementError {
        StatementError {
            byte: self.byte(),
            message: message.into(),
        }
    }

    fn expected(&self, what: &str) -> StatementError {
        match self.peek() {
            Token::EOF => self.error(format!("{what} is expected at the end")),
            found => self.error(format!("{what} is expected, not {found}")),
        }
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    fn is_keyword(&self, keyword: Keyword) -> bool {
        matches!(self.peek(), Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
    }

    /// Takes the keywords when all of them stand here.
    fn keywords(&mut self, wanted: &[Keyword]) -> bool {
        let start = self.at;
        for keyword in wanted {
            if !self.is_keyword(*keyword) {
                self.at = start;
                return false;
            }
            self.advance();
        }
        true
    }

    fn expect_keywords(&mut self, wanted: &[Keyword]) -> Result<(), StatementError> {
        for keyword in wanted {
            if !self.keywords(&[*keyword]) {
                return Err(self.expected(&format!("{keyword:?}")));
            }
        }
        Ok(())
    }

    fn expect(&mut self, token: &Token) -> Result<(), StatementError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.expected(&token.to_string()))
        }
    }

    fn statement(&mut self) -> Result<ModelStatement, StatementError> {
        const VIEW: [Keyword; 2] = [Keyword::MATERIALIZED, Keyword::VIEW];
        let start = self.byte();
        if self.keywords(&[Keyword::CREATE]) {
            let or_replace = self.keywords(&[Keyword::OR, Keyword::REPLACE]);
            self.expect_keywords(&VIEW)?;
            return self.create(start, or_replace);
        }
        if self.keywords(&[Keyword::REFRESH]) {
            self.expect_keywords(&VIEW)?;
            if self.is_keyword(Keyword::CONCURRENTLY) {
                return Err(self.error("leave CONCURRENTLY out: readers never wait for a refresh"));
            }
            let name = self.name()?;
            return Ok(ModelStatement::Refresh { name });
        }
        if self.keywords(&[Keyword::ALTER]) {
            self.expect_keywords(&VIEW)?;
            let name = self.name()?;
            self.expect_keywords(&[Keyword::SET])?;
            let options = self.options()?;
            let set = options.into_iter().map(|(key, (value, _))| (key, value));
            return Ok(ModelStatement::Alter {
                name,
                set: set.collect(),
            });
        }
        if self.keywords(&[Keyword::DROP]) {
            self.expect_keywords(&VIEW)?;
            let if_exists = self.keywords(&[Keyword::IF, Keyword::EXISTS]);
            let name = self.name()?;
            // RESTRICT is Postgres's default and what is meant here always.
            let _ = self.keywords(&[Keyword::RESTRICT]);
            return Ok(ModelStatement::Drop { name, if_exists });
        }
        Err(self.error("CREATE, REFRESH, ALTER or DROP MATERIALIZED VIEW is expected"))
    }

    fn identifier(&mut self) -> Result<String, StatementError> {
        let Token::Word(word) = self.peek() else {
            return Err(self.expected("a name"));
        };
        let text = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        self.advance();
        Ok(text)
    }

    fn name(&mut self) -> Result<TableName, StatementError> {
        let byte = self.byte();
        let wrong = |message: String| StatementError { byte, message };
        let first = self.identifier()?;
        if !self.take(&Token::Period) {
            return Err(wrong(format!("write namespace.{first}")));
        }
        let second = self.identifier()?;
        if self.peek() == &Token::Period {
            return Err(self.error("write namespace.name, without a catalog before it"));
        }
        let name = TableName::new(&first, &second).map_err(|error| wrong(error.to_string()))?;
        if is_reserved(&name) || second.contains('$') {
            return Err(wrong(format!("{name} can't be a model's name")));
        }
        Ok(name)
    }

    fn create(&mut self, start: usize, or_replace: bool) -> Result<ModelStatement, StatementError> {
        let if_not_exists = self.keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        if or_replace && if_not_exists {
            return Err(self.error("OR REPLACE and IF NOT EXISTS exclude each other"));
        }
        let name_byte = self.byte();
        let name = self.name()?;
        if self.peek() == &Token::LParen {
            return Err(self.error("name the columns in the SELECT: count(*) AS orders"));
        }
        let options = if self.keywords(&[Keyword::WITH]) {
            self.options()?
        } else {
            BTreeMap::new()
        };
        self.expect_keywords(&[Keyword::AS])?;
        let (query, sources) = self.query(&name)?;
        let statement = self.text[start..self.end_of_last()].to_owned();
        let model = model(name, options, query, sources, statement)?;
        Ok(ModelStatement::Create {
            model: Box::new(model),
            name_byte,
            or_replace,
            if_not_exists,
        })
    }

    /// `(key = 'value', …)`: value and byte of the value by key.
    fn options(&mut self) -> Result<BTreeMap<String, (String, usize)>, StatementError> {
        self.expect(&Token::LParen)?;
        let mut options = BTreeMap::new();
        loop {
            let byte = self.byte();
            let key = self.identifier()?;
            let wrong = |message: String| StatementError { byte, message };
            if !OPTIONS.contains(&key.as_str()) {
                let advice = match suggestion(&key, OPTIONS) {
                    Some(right) => format!("did you mean {right}?"),
                    None => format!("known are {}", OPTIONS.join(", ")),
                };
                return Err(wrong(format!("unknown option {key:?}: {advice}")));
            }
            self.expect(&Token::Eq)?;
            let value_byte = self.byte();
            let value = match self.peek() {
                Token::SingleQuotedString(text) | Token::Number(text, _) => text.clone(),
                _ => return Err(self.expected("a value in single quotes")),
            };
            self.advance();
            if options.insert(key.clone(), (value, value_byte)).is_some() {
                return Err(wrong(format!("option {key} stands here twice")));
            }
            if !self.take(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)?;
        Ok(options)
    }

    /// The query's text and the tables it reads.
    fn query(&mut self, model: &TableName) -> Result<(String, Vec<TableName>), StatementError> {
        let start = self.byte();
        let rest = self.tokens[self.at..].to_vec();
        let mut parser = Parser::new(&FrazilDialect).with_tokens_with_locations(rest);
        let query = parser
            .parse_query()
            .map_err(|error| parser_error(self.text, start, &error.to_string()))?;
        self.at += parser.index();
        self.at = self.at.min(self.tokens.len() - 1);
        if !matches!(self.peek(), Token::EOF | Token::SemiColon) {
            return Err(self.expected("the end of the query"));
        }
        let sources = sources(&query, model).map_err(|(location, message)| StatementError {
            byte: location.map_or(start, |location| byte_of(self.text, location)),
            message,
        })?;
        Ok((self.text[start..self.end_of_last()].to_owned(), sources))
    }

    /// Where the token before the next one ends.
    fn end_of_last(&self) -> usize {
        match self.at.checked_sub(1) {
            Some(last) => byte_of(self.text, self.tokens[last].span.end),
            None => 0,
        }
    }
}

/// Namespaces that belong to the engine.
pub(super) fn is_reserved(name: &TableName) -> bool {
    matches!(
        name.namespace(),
        "system" | "pg_catalog" | "information_schema"
    )
}

fn model(
    name: TableName,
    options: BTreeMap<String, (String, usize)>,
    query: String,
    sources: Vec<TableName>,
    statement: String,
) -> Result<Model, StatementError> {
    let get = |key: &str| {
        options
            .get(key)
            .map(|(value, byte)| (value.as_str(), *byte))
    };
    let at = |byte: usize| move |message: String| StatementError { byte, message };
    let kind = match get("kind") {
        None | Some(("full", _)) => Kind::Full,
        Some(("append", _)) => Kind::Append,
        Some((other, byte)) => {
            let message = format!("there is no kind {other:?}: write full or append");
            return Err(StatementError { byte, message });
        }
    };
    let time_zone = get("time_zone").map(|(zone, _)| zone);
    let schedule = match get("schedule") {
        Some((text, byte)) => Some(Schedule::parse(text, time_zone).map_err(at(byte))?),
        None => match get("time_zone") {
            Some((_, byte)) => {
                let message = "time_zone goes with a schedule, and there is none".to_owned();
                return Err(StatementError { byte, message });
            }
            None => None,
        },
    };
    let mut partition_by = Vec::new();
    if let Some((text, byte)) = get("partition_by") {
        for part in split_list(text) {
            parse_transform(part).map_err(at(byte))?;
            partition_by.push(part.to_owned());
        }
    }
    if kind == Kind::Append && sources.len() != 1 {
        let byte = get("kind").map_or(0, |(_, byte)| byte);
        let message = format!(
            "kind append reads the new rows of one table, this query reads {}",
            sources.len()
        );
        return Err(StatementError { byte, message });
    }
    Ok(Model {
        name,
        kind,
        schedule,
        partition_by,
        options: options
            .into_iter()
            .map(|(key, (value, _))| (key, value))
            .collect(),
        query,
        sources,
        statement,
        comment: None,
        file: None,
        place: Place::default(),
    })
}

/// The byte of a token's place: lines and columns count from 1, columns in characters.
fn byte_of(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line).unwrap_or(usize::MAX).max(1);
    let column = usize::try_from(location.column)
        .unwrap_or(usize::MAX)
        .max(1);
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let rest = &text[start..];
    let inside = rest.char_indices().nth(column - 1);
    start + inside.map_or(rest.len(), |(byte, _)| byte)
}

/// sqlparser tells the place only in its message: ` at Line: 2, Column: 17`.
fn parser_error(text: &str, start: usize, message: &str) -> StatementError {
    let message = message.trim_start_matches("sql parser error: ");
    let number = |part: &str| part.trim().parse().ok();
    let placed = message.rsplit_once(" at Line: ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((what, Location::new(number(line)?, number(column)?)))
    });
    match placed {
        Some((what, location)) => StatementError {
            byte: byte_of(text, location),
            message: what.to_owned(),
        },
        None => StatementError {
            byte: if message.ends_with("EOF") {
                text.trim_end().len()
            } else {
                start
            },
            message: message.to_owned(),
        },
    }
}
