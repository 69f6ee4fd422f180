//! The SQL dialect: PostgreSQL's, and time travel behind a table's name.
//! Must stay PostgreSQL for everything else: it answers with that dialect's type id, so that the
//! parser's own checks for PostgreSQL hold.
//! And the bound on how long a text is parsed: sqlparser goes back and tries again, inside what it
//! tries again, so that thirty words such as `CAST(CAST(…` without an end would take it years.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// PostgreSQL's dialect with `FOR SYSTEM_TIME AS OF`, `VERSION AS OF`, `TIMESTAMP AS OF` and
/// `AT(TAG => …)` behind a table's name.
#[derive(Debug, Default)]
pub struct FrazilDialect;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// Expressions begun for each token, and beside. A text that parses begins two or three; some
/// forms, such as casts within casts, begin twice as many for each that lies around: the bound is
/// seventeen of them, a tenth of a second.
const STEPS_PER_TOKEN: usize = 50;
const STEPS_BESIDE: usize = 200_000;

thread_local! {
    /// Expressions that may still be begun by this thread.
    static STEPS: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Parses with [`FrazilDialect`] for as long as so many tokens are worth; the parser says that its
/// recursion limit is exceeded then.
pub(crate) fn bounded<T>(tokens: usize, parse: impl FnOnce() -> T) -> T {
    let steps = tokens
        .saturating_mul(STEPS_PER_TOKEN)
        .saturating_add(STEPS_BESIDE);
    let before = STEPS.replace(steps);
    let parsed = parse();
    STEPS.set(before);
    parsed
}

/// Forwards questions of yes or no to PostgreSQL's dialect.
macro_rules! forward {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool { POSTGRES.$name() })*
    };
}

impl Dialect for FrazilDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    /// An argument's name is a word. To try any expression as its name would parse each argument
    /// twice, and those of calls within calls 2, 4, 8, … times.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    /// Counts; the one error that the parser doesn't try to do without is this.
    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match STEPS.get().checked_sub(1) {
            Some(left) => {
                STEPS.set(left);
                None
            }
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    forward!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );
}
