//! FETCH and MOVE, of which the parser knows a part: a count may be negative, FROM may be missing,
//! and MOVE is a FETCH that sends nothing.

use datafusion::sql::sqlparser::ast::{
    self, FetchDirection, FetchPosition, Ident, ObjectName, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

/// How a MOVE is told from a FETCH.
pub const MOVE_MARK: &str = "frazil_move_no_rows";

/// The statement of these tokens; None for another than FETCH or MOVE. An error is the 1-based place
/// of what is not understood, None at the end.
pub(super) fn parse<'a>(
    tokens: impl Iterator<Item = &'a TokenWithSpan>,
) -> Option<Result<ast::Statement, Option<&'a TokenWithSpan>>> {
    let mut words = Words {
        tokens: tokens.collect(),
        at: 0,
    };
    // The parser has no such keyword.
    let moves = matches!(words.token(0), Some(Token::Word(word))
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("move"));
    words.at += usize::from(moves);
    if !moves && !words.takes(Keyword::FETCH) {
        return None;
    }
    let statement = words.statement(moves);
    Some(statement.map_err(|()| words.tokens.get(words.at).copied()))
}

struct Words<'a> {
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
}

impl Words<'_> {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|token| &token.token)
    }

    fn is(&self, ahead: usize, keyword: Keyword) -> bool {
        matches!(self.token(ahead), Some(Token::Word(word))
            if word.keyword == keyword && word.quote_style.is_none())
    }

    fn takes(&mut self, keyword: Keyword) -> bool {
        let found = self.is(0, keyword);
        self.at += usize::from(found);
        found
    }

    fn statement(&mut self, moves: bool) -> Result<ast::Statement, ()> {
        // The name alone: what would be a direction is the cursor's name where nothing follows.
        let direction = match self.token(1) {
            None => FetchDirection::Next,
            Some(_) => self.direction()?,
        };
        let position = match self.takes(Keyword::IN) {
            true => FetchPosition::In,
            false => {
                self.takes(Keyword::FROM);
                FetchPosition::From
            }
        };
        let name = match self.token(0) {
            Some(Token::Word(word)) => Ident {
                value: word.value.clone(),
                quote_style: word.quote_style,
                span: Span::empty(),
            },
            _ => return Err(()),
        };
        self.at += 1;
        if self.token(0).is_some() {
            return Err(());
        }
        Ok(ast::Statement::Fetch {
            name,
            direction,
            position,
            into: moves.then(|| ObjectName::from(vec![Ident::new(MOVE_MARK)])),
        })
    }

    fn direction(&mut self) -> Result<FetchDirection, ()> {
        use FetchDirection as D;
        if self.is(0, Keyword::FROM) || self.is(0, Keyword::IN) {
            return Ok(D::Next);
        }
        for (keyword, direction) in [
            (Keyword::NEXT, D::Next),
            (Keyword::PRIOR, D::Prior),
            (Keyword::FIRST, D::First),
            (Keyword::LAST, D::Last),
            (Keyword::ALL, D::All),
        ] {
            if self.takes(keyword) {
                return Ok(direction);
            }
        }
        if self.takes(Keyword::ABSOLUTE) {
            let limit = self.count().ok_or(())?;
            return Ok(D::Absolute { limit });
        }
        if self.takes(Keyword::RELATIVE) {
            let limit = self.count().ok_or(())?;
            return Ok(D::Relative { limit });
        }
        if self.takes(Keyword::FORWARD) {
            return Ok(match self.takes(Keyword::ALL) {
                true => D::ForwardAll,
                false => D::Forward {
                    limit: self.count(),
                },
            });
        }
        if self.takes(Keyword::BACKWARD) {
            return Ok(match self.takes(Keyword::ALL) {
                true => D::BackwardAll,
                false => D::Backward {
                    limit: self.count(),
                },
            });
        }
        let limit = self.count().ok_or(())?;
        Ok(D::Count { limit })
    }

    /// A whole number with its sign.
    fn count(&mut self) -> Option<ValueWithSpan> {
        let (sign, ahead) = match self.token(0) {
            Some(Token::Minus) => ("-", 1),
            Some(Token::Plus) => ("", 1),
            _ => ("", 0),
        };
        let Some(Token::Number(digits, _)) = self.token(ahead) else {
            return None;
        };
        let number = format!("{sign}{digits}");
        number.parse::<i64>().ok()?;
        self.at += ahead + 1;
        Some(Value::Number(number, false).with_empty_span())
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::{Statement, parse as parse_text};

    fn shown(text: &str) -> String {
        match parse_text(text).expect(text).pop() {
            Some(Statement::Sql(statement)) => statement.to_string(),
            _ => panic!("{text} is a statement"),
        }
    }

    #[test]
    fn all_of_postgres_forms_are_understood() {
        for (given, wanted) in [
            ("FETCH c", "FETCH NEXT FROM c"),
            ("fetch next", "FETCH NEXT FROM next"),
            ("FETCH FROM c", "FETCH NEXT FROM c"),
            ("FETCH 5 IN \"C\"", "FETCH 5 IN \"C\""),
            ("FETCH -2 c", "FETCH -2 FROM c"),
            ("FETCH PRIOR c", "FETCH PRIOR FROM c"),
            ("FETCH ABSOLUTE -1 FROM c", "FETCH ABSOLUTE -1 FROM c"),
            ("FETCH RELATIVE 0 FROM c", "FETCH RELATIVE 0 FROM c"),
            ("FETCH BACKWARD FROM c", "FETCH BACKWARD FROM c"),
            ("FETCH FORWARD ALL c", "FETCH FORWARD ALL FROM c"),
            ("FETCH BACKWARD ALL FROM c;", "FETCH BACKWARD ALL FROM c"),
            ("MOVE 2 c", "FETCH 2 FROM c INTO frazil_move_no_rows"),
        ] {
            assert_eq!(shown(given), wanted);
        }
        for text in [
            "FETCH",
            "FETCH 1.5 FROM c",
            "FETCH ABSOLUTE c",
            "FETCH c d e",
            "MOVE 1 FROM 2",
        ] {
            let error = parse_text(text).expect_err(text);
            assert_eq!(error.kind, crate::query::QueryErrorKind::Syntax, "{text}");
        }
    }
}
