//! Spellings of Postgres's that the parser has no words for, respelled on the tokens.
//! Must never change what a text means, and keeps each token's place for errors.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{QueryError, QueryErrorKind};

/// The call around what follows VARIADIC; `postgres` makes arguments of it.
pub(super) const VARIADIC: &str = "frazil_variadic";

pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>) -> Result<(), QueryError> {
    numbers_end(tokens)?;
    join_literals(tokens);
    reset_time_zone(tokens);
    maintenance(tokens);
    let mut at = 0;
    while at < tokens.len() {
        let Token::Word(word) = &tokens[at].token else {
            at += 1;
            continue;
        };
        if word.quote_style.is_none() {
            match word.value.to_ascii_lowercase().as_str() {
                "variadic" => variadic(tokens, at),
                "substring" => similar_part(tokens, at),
                "trim" => trim(tokens, at),
                "preceding" | "following" => bound(tokens, at),
                "exclude" => exclude(tokens, at)?,
                "name" | "oid" | "bpchar" | "regclass" | "regtype" => typed_text(tokens, at),
                _ => {}
            }
        }
        at += 1;
    }
    Ok(())
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

fn next(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at + 1..tokens.len()).find(|at| !is_blank(&tokens[*at]))
}

fn before(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (0..at).rfind(|at| !is_blank(&tokens[*at]))
}

fn is_word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

fn blank(token: &mut TokenWithSpan) {
    token.token = Token::Whitespace(Whitespace::Space);
}

/// Puts a token before another, at its place in the text.
fn insert(tokens: &mut Vec<TokenWithSpan>, at: usize, token: Token) {
    let span = tokens[at].span;
    tokens.insert(at, TokenWithSpan { token, span });
}

/// The parenthesis that closes the one around `at`; a call's arguments lie between.
fn closing(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => return Some(at),
            Token::RParen | Token::RBracket => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `123abc` is no number with a name behind it.
fn numbers_end(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    for pair in tokens.windows(2) {
        if let [
            TokenWithSpan {
                token: Token::Number(digits, _),
                span,
            },
            TokenWithSpan {
                token: Token::Word(word),
                ..
            },
        ] = pair
            && word.quote_style.is_none()
        {
            let mut error = QueryError::new(
                QueryErrorKind::Syntax,
                format!(
                    "trailing junk after numeric literal at or near \"{digits}{}\"",
                    word.value
                ),
            );
            error.position = usize::try_from(span.start.column).ok();
            return Err(error);
        }
    }
    Ok(())
}

/// Texts with nothing but the end of a line between them are one.
fn join_literals(tokens: &mut [TokenWithSpan]) {
    let ends_line = |token: &TokenWithSpan| match &token.token {
        Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }) => true,
        Token::Whitespace(Whitespace::MultiLineComment(text)) => text.contains('\n'),
        _ => false,
    };
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at].token, Token::SingleQuotedString(_))
            && let Some(more) = next(tokens, at)
            && tokens[at..more].iter().any(ends_line)
            && let Token::SingleQuotedString(tail) = &tokens[more].token
        {
            let tail = tail.clone();
            if let Token::SingleQuotedString(text) = &mut tokens[at].token {
                text.push_str(&tail);
            }
            blank(&mut tokens[more]);
            continue;
        }
        at += 1;
    }
}

/// `RESET TIME ZONE` is `RESET TimeZone`.
fn reset_time_zone(tokens: &mut [TokenWithSpan]) {
    let mut words = tokens
        .iter_mut()
        .filter(|token| !is_blank(token) && !matches!(token.token, Token::SemiColon | Token::EOF));
    let [Some(reset), Some(time), Some(zone), None] = [(); 4].map(|()| words.next()) else {
        return;
    };
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
    if is(reset, Keyword::RESET) && is(time, Keyword::TIME) && is(zone, Keyword::ZONE) {
        time.token = Token::make_word("TimeZone", None);
        blank(zone);
    }
}

/// `VACUUM (…) FULL VERBOSE ANALYZE t`, `ANALYZE VERBOSE t (a, b)`: the options go, a table stays.
fn maintenance(tokens: &mut [TokenWithSpan]) {
    let Some(first) = (0..tokens.len()).find(|at| !is_blank(&tokens[*at])) else {
        return;
    };
    if is_word(&tokens[first], "analyse") {
        tokens[first].token = Token::make_keyword("ANALYZE");
    }
    if !is_word(&tokens[first], "vacuum") && !is_word(&tokens[first], "analyze") {
        return;
    }
    let mut at = next(tokens, first);
    while let Some(here) = at {
        let word = |text| is_word(&tokens[here], text);
        if ["full", "freeze", "verbose", "analyze", "analyse"]
            .into_iter()
            .any(word)
        {
            blank(&mut tokens[here]);
        } else if tokens[here].token == Token::LParen {
            let end = closing(tokens, here + 1).unwrap_or(tokens.len() - 1);
            tokens[here..=end].iter_mut().for_each(blank);
        } else if tokens[here].token == Token::Comma {
            // One table is looked up; of several it is the first.
            let is_end = |t: &TokenWithSpan| matches!(t.token, Token::SemiColon | Token::EOF);
            let end = tokens.iter().position(is_end).unwrap_or(tokens.len());
            tokens[here..end].iter_mut().for_each(blank);
        }
        at = next(tokens, here);
    }
}

/// `f(a, VARIADIC b)`.
fn variadic(tokens: &mut Vec<TokenWithSpan>, at: usize) {
    let opens = before(tokens, at)
        .is_some_and(|before| matches!(tokens[before].token, Token::LParen | Token::Comma));
    let Some(end) = closing(tokens, at + 1) else {
        return;
    };
    if opens {
        insert(tokens, end, Token::RParen);
        tokens[at].token = Token::make_word(VARIADIC, None);
        insert(tokens, at + 1, Token::LParen);
    }
}

/// `substring(a SIMILAR b ESCAPE c)`.
fn similar_part(tokens: &mut [TokenWithSpan], at: usize) {
    let Some(open) = next(tokens, at).filter(|open| tokens[*open].token == Token::LParen) else {
        return;
    };
    let Some(end) = closing(tokens, open + 1) else {
        return;
    };
    let (mut depth, mut similar, mut escape) = (0_usize, None, None);
    for (here, token) in tokens.iter().enumerate().take(end).skip(open + 1) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ if depth > 0 => {}
            _ if is_word(token, "similar") => similar = Some(here),
            _ if is_word(token, "escape") => escape = Some(here),
            _ => {}
        }
    }
    let (Some(similar), Some(escape)) = (similar, escape) else {
        return;
    };
    if next(tokens, similar).is_some_and(|to| is_word(&tokens[to], "to")) {
        return;
    }
    tokens[similar].token = Token::Comma;
    tokens[escape].token = Token::Comma;
}

/// `trim(BOTH FROM a)`.
fn trim(tokens: &mut [TokenWithSpan], at: usize) {
    let Some(open) = next(tokens, at).filter(|open| tokens[*open].token == Token::LParen) else {
        return;
    };
    let Some(side) = next(tokens, open) else {
        return;
    };
    let from = next(tokens, side).filter(|from| is_word(&tokens[*from], "from"));
    let is_side = ["both", "leading", "trailing"]
        .into_iter()
        .any(|text| is_word(&tokens[side], text));
    if let Some(from) = from
        && is_side
    {
        blank(&mut tokens[from]);
    }
}

/// `10::int8 PRECEDING`, `'1 day'::interval FOLLOWING`.
fn bound(tokens: &mut [TokenWithSpan], at: usize) {
    let Some(kind) = before(tokens, at) else {
        return;
    };
    let Some(colons) = before(tokens, kind) else {
        return;
    };
    let Some(value) = before(tokens, colons) else {
        return;
    };
    // A column's name may be `following`.
    let in_frame = before(tokens, value).is_some_and(|before| {
        ["between", "and", "rows", "range", "groups"]
            .into_iter()
            .any(|text| is_word(&tokens[before], text))
    });
    if tokens[colons].token != Token::DoubleColon || !in_frame {
        return;
    }
    match (&tokens[value].token, &tokens[kind].token) {
        (Token::Number(..), Token::Word(_)) => {
            blank(&mut tokens[colons]);
            blank(&mut tokens[kind]);
        }
        (Token::SingleQuotedString(_), Token::Word(_)) if is_word(&tokens[kind], "interval") => {
            blank(&mut tokens[kind]);
            let text = tokens[value].token.clone();
            tokens[colons].token = text;
            tokens[value].token = Token::make_keyword("INTERVAL");
        }
        _ => {}
    }
}

/// `EXCLUDE NO OTHERS` says nothing; the other forms leave out rows of a window's frame, which
/// nothing here can do.
fn exclude(tokens: &mut [TokenWithSpan], at: usize) -> Result<(), QueryError> {
    let ends_frame = before(tokens, at).is_some_and(|before| {
        ["row", "preceding", "following"]
            .into_iter()
            .any(|text| is_word(&tokens[before], text))
    });
    let Some(what) = next(tokens, at).filter(|_| ends_frame) else {
        return Ok(());
    };
    let others = next(tokens, what).filter(|others| is_word(&tokens[*others], "others"));
    if let Some(others) = others
        && is_word(&tokens[what], "no")
    {
        for place in [at, what, others] {
            blank(&mut tokens[place]);
        }
        return Ok(());
    }
    let mut error = QueryError::new(
        QueryErrorKind::FeatureNotSupported,
        "EXCLUDE in the frame of a window is not supported",
    );
    error.position = usize::try_from(tokens[at].span.start.column).ok();
    Err(error)
}

/// `oid '1'`, as `date '2026-01-01'` is a date.
fn typed_text(tokens: &mut Vec<TokenWithSpan>, at: usize) {
    let Some(text) = next(tokens, at) else {
        return;
    };
    if !matches!(tokens[text].token, Token::SingleQuotedString(_)) {
        return;
    }
    // `x::oid 'a'`, `t.name 'a'` and `AS name 'a'` are none.
    let behind = before(tokens, at).is_some_and(|before| {
        matches!(tokens[before].token, Token::DoubleColon | Token::Period)
            || is_word(&tokens[before], "as")
    });
    if !behind {
        let kind = tokens[at].token.clone();
        tokens[at].token = tokens[text].token.clone();
        tokens[text].token = kind;
        insert(tokens, text, Token::DoubleColon);
    }
}

#[cfg(test)]
mod tests {
    use crate::query::statement::{Statement, parse};

    fn respelled(text: &str) -> String {
        match parse(text).expect("parses").pop() {
            Some(Statement::Sql(statement)) => statement.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn spellings_become_ones_that_parse() {
        for (text, expected) in [
            ("SELECT 'a'\n'b' -- more\n 'c'", "SELECT 'abc'"),
            ("SELECT trim(BOTH FROM x)", "SELECT TRIM(BOTH x)"),
            (
                "SELECT trim(trailing 'a' from x)",
                "SELECT TRIM(TRAILING 'a' FROM x)",
            ),
            (
                "SELECT concat(VARIADIC array[f(1), 2])",
                "SELECT concat(frazil_variadic(ARRAY[f(1), 2]))",
            ),
            (
                "SELECT substring(f(x, 1) SIMILAR 'a' ESCAPE '#')",
                "SELECT SUBSTRING(f(x, 1), 'a', '#')",
            ),
            ("SELECT substring(x FROM 2)", "SELECT SUBSTRING(x FROM 2)"),
            ("SELECT oid '1'", "SELECT '1'::oid"),
            ("SELECT x AS name", "SELECT x AS name"),
            ("VACUUM (FULL, ANALYZE) t", "VACUUM t"),
            ("VACUUM FULL VERBOSE t (a), u", "VACUUM t"),
            ("ANALYZE VERBOSE t (a, b)", "ANALYZE t"),
            (
                "SELECT sum(x) OVER (ORDER BY y RANGE BETWEEN '1 day'::interval PRECEDING \
                 AND 10::int8 FOLLOWING EXCLUDE NO OTHERS)",
                "SELECT sum(x) OVER (ORDER BY y RANGE BETWEEN INTERVAL '1 day' PRECEDING \
                 AND 10 FOLLOWING)",
            ),
        ] {
            assert_eq!(respelled(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_at_its_place() {
        let error = parse("SELECT 12, 123abc").expect_err("junk");
        assert_eq!(error.position, Some(12), "{error}");
        assert!(parse("SELECT 1 abc, 1e5, .5, 1.").is_ok());
    }
}
