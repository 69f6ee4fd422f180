//! Text into statements: sqlparser with a dialect of our own, plus the statements it lacks.
//! Splits and parses only: whether a statement may run is decided in `refuse`.

use async_trait::async_trait;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::balance::balance;
use super::carried::carry;
use super::numbers::widen;
use super::spelling;
use super::{QueryError, QueryErrorKind};
use crate::declare;
use crate::declare::dialect::{FrazilDialect, bounded};
use crate::declare::model::ModelStatement;

/// One statement of a text.
#[derive(Clone, Debug)]
pub enum Statement {
    Sql(Box<ast::Statement>),
    /// CREATE / REFRESH / ALTER / DROP MATERIALIZED VIEW.
    Model(ModelStatement),
}

/// Who carries out model statements: the jobs room, put in by the runtime.
#[async_trait]
pub trait ModelAdmin: Send + Sync + std::fmt::Debug {
    /// The command tag, `CREATE MATERIALIZED VIEW` say. `user` has been checked for write access.
    async fn execute(&self, user: &str, statement: &ModelStatement) -> Result<String, QueryError>;
}

/// A text longer than this is refused: it would cost more to parse than any real query.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Splits and parses a text; an empty one gives no statement.
///
/// Every span in the syntax trees has line 1 and, as its column, the 1-based character position
/// in `text`, so that an error found later can still point at its place.
pub fn parse(text: &str) -> Result<Vec<Statement>, QueryError> {
    Ok(parse_each(text)?
        .into_iter()
        .map(|(statement, _)| statement)
        .collect())
}

/// Like [`parse`], each statement with its own text.
pub fn parse_each(text: &str) -> Result<Vec<(Statement, String)>, QueryError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(QueryError::new(
            QueryErrorKind::Syntax,
            format!(
                "the text of the query has {} bytes, at most {MAX_TEXT_BYTES} are taken",
                text.len()
            ),
        ));
    }
    let dialect = FrazilDialect;
    let lines = Lines::new(text);
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| {
            let position = lines.character(error.location);
            syntax(error.message, Some(position))
        })?;
    for token in &mut tokens {
        token.span = Span::new(
            lines.location(token.span.start),
            lines.location(token.span.end),
        );
        // A text between dollars is a text wherever one may stand.
        if let Token::DollarQuotedString(text) = &mut token.token {
            let value = std::mem::take(&mut text.value);
            token.token = Token::SingleQuotedString(value);
        }
    }
    let mut statements = Vec::new();
    for part in tokens.split_inclusive(|token| token.token == Token::SemiColon) {
        let Some(first) = part.iter().find(|token| is_meaningful(token)) else {
            continue;
        };
        let last = part
            .iter()
            .rfind(|token| is_meaningful(token))
            .unwrap_or(first);
        let start = first.span.start.column as usize;
        let own = lines.slice(start, last.span.end.column as usize);
        let statement = parse_within_reach(&dialect, part, own, start)
            .map_err(|error| at_end_without_position(error, text))?;
        statements.push((statement, own.to_owned()));
    }
    Ok(statements)
}

fn is_meaningful(token: &TokenWithSpan) -> bool {
    !matches!(
        token.token,
        Token::Whitespace(_) | Token::SemiColon | Token::EOF
    )
}

/// Tokens of one statement. Each may nest its tree one level deeper while it is parsed.
const MAX_TOKENS: usize = 200_000;
/// A statement with more tokens than this is parsed on a stack of its own.
const FEW_TOKENS: usize = 500;
/// Reserved, and used only as far as the tree is deep.
const PARSE_STACK_BYTES: usize = 256 << 20;

fn parse_within_reach(
    dialect: &FrazilDialect,
    tokens: &[TokenWithSpan],
    text: &str,
    start: usize,
) -> Result<Statement, QueryError> {
    let count = tokens.iter().filter(|t| is_meaningful(t)).count();
    if count > MAX_TOKENS {
        return Err(syntax(
            format!("the statement has more than {MAX_TOKENS} words and signs"),
            Some(start),
        ));
    }
    bounded(count, || {
        let parse = || parse_one(dialect, tokens, text, start);
        match count <= FEW_TOKENS {
            true => parse(),
            false => stacker::grow(PARSE_STACK_BYTES, parse),
        }
    })
}

fn parse_one(
    dialect: &FrazilDialect,
    tokens: &[TokenWithSpan],
    text: &str,
    start: usize,
) -> Result<Statement, QueryError> {
    if is_about_a_model(tokens) {
        return model_statement(text, start);
    }
    let meaningful = tokens.iter().filter(|token| is_meaningful(token));
    if let Some(fetch) = super::fetch::parse(meaningful) {
        return match fetch {
            Ok(statement) => Ok(Statement::Sql(Box::new(statement))),
            Err(Some(token)) => Err(syntax(
                format!("syntax error at or near \"{}\"", token.token),
                Some(token.span.start.column as usize),
            )),
            Err(None) => Err(syntax("syntax error at end of input".to_owned(), None)),
        };
    }
    let mut tokens = tokens.to_vec();
    spelling::respell(&mut tokens)?;
    let alters_view = alters_view(&mut tokens);
    let mut parser = Parser::new(dialect).with_tokens_with_locations(tokens);
    let mut statement = parser.parse_statement().map_err(parser_error)?;
    if let (true, ast::Statement::AlterTable(alter)) = (alters_view, &mut statement) {
        alter.on_cluster = Some(ast::Ident::new(super::write::ALTER_VIEW_MARK));
    }
    while parser.consume_token(&Token::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(syntax(
            format!("syntax error at or near \"{}\"", rest.token),
            Some(rest.span.start.column as usize),
        ));
    }
    Ok(Statement::Sql(Box::new(widen(balance(carry(statement)?)?))))
}

/// `ALTER VIEW` is read as an ALTER TABLE, whose actions Postgres's views have.
fn alters_view(tokens: &mut [TokenWithSpan]) -> bool {
    let mut words = tokens.iter_mut().filter(|token| is_meaningful(token));
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
    let (Some(alter), Some(view)) = (words.next(), words.next()) else {
        return false;
    };
    let found = is(alter, Keyword::ALTER) && is(view, Keyword::VIEW);
    if found {
        view.token = Token::make_keyword("TABLE");
    }
    found
}

/// `CREATE [OR REPLACE] | REFRESH | ALTER | DROP MATERIALIZED VIEW …`.
fn is_about_a_model(tokens: &[TokenWithSpan]) -> bool {
    let mut words = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon))
        .map_while(|token| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
            _ => None,
        });
    match words.next() {
        Some(Keyword::REFRESH | Keyword::ALTER | Keyword::DROP) => {
            words.next() == Some(Keyword::MATERIALIZED)
        }
        Some(Keyword::CREATE) => match words.next() {
            Some(Keyword::MATERIALIZED) => true,
            Some(Keyword::OR) => {
                words.next() == Some(Keyword::REPLACE)
                    && words.next() == Some(Keyword::MATERIALIZED)
            }
            _ => false,
        },
        _ => false,
    }
}

fn model_statement(text: &str, start: usize) -> Result<Statement, QueryError> {
    match declare::model::parse_statement(text) {
        Ok(statement) => Ok(Statement::Model(statement)),
        Err(error) => {
            let before = text.get(..error.byte).unwrap_or(text);
            Err(syntax(error.message, Some(start + before.chars().count())))
        }
    }
}

fn syntax(message: String, position: Option<usize>) -> QueryError {
    QueryError {
        position,
        ..QueryError::new(QueryErrorKind::Syntax, message)
    }
}

/// sqlparser tells the place only in its message: ` at Line: 1, Column: 17`.
fn parser_error(error: ParserError) -> QueryError {
    match error {
        ParserError::RecursionLimitExceeded => syntax(
            "the query is nested too deeply to be parsed".to_owned(),
            None,
        ),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            match message.rsplit_once(" at Line: 1, Column: ") {
                Some((what, column)) => {
                    let digits = column.len() - column.trim_start_matches(char::is_numeric).len();
                    let position = column[..digits].parse().ok().filter(|column| *column > 0);
                    syntax(
                        format!("syntax error: {what}{}", &column[digits..]),
                        position,
                    )
                }
                None => syntax(format!("syntax error: {message}"), None),
            }
        }
    }
}

/// What the parser missed at the end of the text has no place of its own.
fn at_end_without_position(mut error: QueryError, text: &str) -> QueryError {
    if error.position.is_none() && error.message.ends_with("EOF") {
        error.position = Some(text.chars().count() + 1);
        error.message = format!(
            "{}the end of the text",
            &error.message[..error.message.len() - "EOF".len()]
        );
    }
    error
}

/// Turns the tokenizer's lines and columns into character positions.
struct Lines<'a> {
    text: &'a str,
    /// The 0-based character number at which each line starts.
    starts: Vec<usize>,
    /// Byte offset of each character, and of the end.
    offsets: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut starts = vec![0];
        let mut offsets = Vec::with_capacity(text.len() + 1);
        for (number, (offset, character)) in text.char_indices().enumerate() {
            offsets.push(offset);
            if character == '\n' {
                starts.push(number + 1);
            }
        }
        offsets.push(text.len());
        Self {
            text,
            starts,
            offsets,
        }
    }

    /// 1-based, clamped to the text.
    fn character(&self, location: Location) -> usize {
        let line = usize::try_from(location.line)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let column = usize::try_from(location.column).unwrap_or(usize::MAX);
        (start.saturating_add(column)).clamp(1, self.offsets.len())
    }

    fn location(&self, location: Location) -> Location {
        Location::new(1, self.character(location) as u64)
    }

    /// The text from one 1-based character to another, the latter exclusive.
    fn slice(&self, from: usize, to: usize) -> &'a str {
        let at = |position: usize| self.offsets[(position - 1).min(self.offsets.len() - 1)];
        &self.text[at(from)..at(to.max(from))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> QueryError {
        parse(text).expect_err("must not parse")
    }

    /// The parser would try each of them twice, inside each that it tries twice.
    #[test]
    fn what_the_parser_tries_again_and_again_is_given_up() {
        for text in [
            format!("SELECT {}1", "CAST(".repeat(40)),
            format!("SELECT CASE {}", "WHEN 1 THEN CASE ".repeat(40)),
            format!("SELECT {}1{}", "CAST(".repeat(40), " AS)".repeat(40)),
        ] {
            assert_eq!(error(&text).kind, QueryErrorKind::Syntax, "{text}");
        }
        let deep = |depth| {
            format!(
                "SELECT {}1{}",
                "CAST(".repeat(depth),
                " AS int)".repeat(depth)
            )
        };
        assert_eq!(parse(&deep(16)).expect("parses").len(), 1);
        // What people do write: replacements in replacements, conditions in conditions.
        let call = |depth| {
            let (open, close) = ("replace(lower(", "), 'a', 'b')");
            format!("SELECT {}name{}", open.repeat(depth), close.repeat(depth))
        };
        assert_eq!(parse(&call(20)).expect("parses").len(), 1);
        let conditions = |depth| {
            let (open, close) = ("CASE WHEN a THEN 1 ELSE (", ") END");
            format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
        };
        assert_eq!(parse(&conditions(15)).expect("parses").len(), 1);
        // None is left short by the one before.
        let many = format!("SELECT {}1", "1, ".repeat(50_000));
        for _ in 0..3 {
            assert_eq!(parse(&many).expect("parses").len(), 1);
        }
    }

    #[test]
    fn splits_texts_and_keeps_each_ones_own() {
        let parts = parse_each("SELECT 'a;b' ; ;\n-- note\nSELECT 2").expect("parses");
        let texts: Vec<_> = parts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["SELECT 'a;b'", "SELECT 2"]);
        assert!(parse(" ; -- nothing\n").expect("parses").is_empty());
    }

    #[test]
    fn time_travel_parses_behind_a_table_and_its_alias_behind_that() {
        for text in [
            "SELECT * FROM shop.events FOR SYSTEM_TIME AS OF '2026-01-01' e",
            "SELECT * FROM shop.events FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00' AS e",
            "SELECT * FROM shop.events VERSION AS OF 5 e",
            "SELECT * FROM shop.events TIMESTAMP AS OF '2026-01-01' e",
            "SELECT * FROM shop.events AT(TAG => 'x') e JOIN t ON true",
        ] {
            let Statement::Sql(statement) = parse(text).expect(text).remove(0) else {
                panic!("{text} is plain SQL");
            };
            let ast::Statement::Query(query) = *statement else {
                panic!("{text} is a query");
            };
            let select = query.body.as_select().expect("a select");
            let ast::TableFactor::Table { version, alias, .. } = &select.from[0].relation else {
                panic!("{text} reads a table");
            };
            assert!(version.is_some(), "{text}: no version");
            assert_eq!(alias.as_ref().expect("an alias").name.value, "e", "{text}");
        }
    }

    #[test]
    fn an_error_points_at_its_character_over_lines_and_wide_letters() {
        let text = "SELECT 'é';\nSELECT 1 FROM t WHERE )";
        let found = error(text);
        assert_eq!(found.kind, QueryErrorKind::Syntax);
        let position = found.position.expect("a position");
        let rest: String = text.chars().skip(position - 1).collect();
        assert_eq!(rest, ")", "{found}");
    }

    #[test]
    fn a_missing_end_points_behind_the_text() {
        let found = error("SELECT (1");
        assert_eq!(found.position, Some(10), "{found}");
    }

    #[test]
    fn an_open_quote_is_a_syntax_error_with_a_place() {
        let found = error("SELECT 'open");
        assert_eq!(found.kind, QueryErrorKind::Syntax);
        assert!(found.position.is_some());
    }

    #[test]
    fn rubbish_behind_a_statement_is_refused() {
        let found = error("SELECT 1 FROM t t2 t3");
        assert_eq!(found.position, Some(20), "{found}");
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let text = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(error(&text).kind, QueryErrorKind::Syntax);
    }

    #[test]
    fn dollar_names_are_names() {
        assert_eq!(
            parse("SELECT * FROM shop.events$files")
                .expect("parses")
                .len(),
            1
        );
    }

    #[test]
    fn statements_about_models_are_recognised_and_their_errors_placed() {
        let text = "SELECT 'é'; REFRESH MATERIALIZED VIEW curated.x";
        let statements = parse(text).expect("parses");
        assert!(matches!(
            statements[1],
            Statement::Model(ModelStatement::Refresh { .. })
        ));
        let text = "SELECT 'é'; REFRESH MATERIALIZED VIEW curated.x y";
        let position = error(text).position.expect("a place");
        let rest: String = text.chars().skip(position - 1).collect();
        assert_eq!(rest, "y");
    }

    #[test]
    fn a_long_chain_of_conditions_becomes_a_shallow_tree() {
        let chain = vec!["a = 1 AND b = 2"; 20_000].join(" OR ");
        let text = format!("SELECT * FROM t WHERE {chain}");
        let shown = match parse(&text).expect("parses").remove(0) {
            Statement::Sql(statement) => statement.to_string(),
            Statement::Model(_) => panic!("not a model"),
        };
        assert_eq!(shown, text);
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        let text = format!("SELECT {}", vec!["1"; 50_000].join(" + "));
        let found = error(&text);
        assert!(found.message.contains("too complex"), "{found}");
        let text = format!("SELECT {}", vec!["1"; 150].join(" + "));
        parse(&text).expect("a chain of a usual length parses");
    }
}
