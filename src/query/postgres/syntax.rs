//! Postgres's spellings that the planner lacks, respelled on the syntax tree as ones it has.
//! Must never change what a statement means; what can't be respelled is left for the planner to
//! refuse.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator as B, CastKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Select,
    SelectItem, SetExpr, UnaryOperator, Value,
};

use super::interval_in::{self, Unit};
use super::patterns::{like, similar};
use super::row_values::{row_in, rows};
use crate::query::QueryError;

type Flow = ControlFlow<QueryError>;

pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

pub fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

pub(super) fn binary(left: Expr, op: B, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

/// All of these, or any of them.
pub(super) fn joined(parts: Vec<Expr>, op: &B) -> Expr {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return Expr::value(Value::Boolean(*op == B::And));
    };
    let whole = parts.fold(first, |left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    });
    Expr::Nested(Box::new(whole))
}

pub fn string(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            Value::DollarQuotedString(text) => Some(&text.value),
            _ => None,
        },
        Expr::Nested(inner) => string(inner),
        _ => None,
    }
}

/// A minus before a power belongs to its base: `-2 ^ 2` is 4. Must be seen from outside in.
pub fn bind_minus(expr: &mut Expr) {
    let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: inner,
    } = expr
    else {
        return;
    };
    if !matches!(inner.as_ref(), Expr::BinaryOp { op: B::PGExp, .. }) {
        return;
    }
    let mut base = inner.as_mut();
    while let Expr::BinaryOp {
        left, op: B::PGExp, ..
    } = base
    {
        base = left.as_mut();
    }
    let negative = Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: Box::new(take(base)),
    };
    *base = negative;
    *expr = take(inner);
}

/// Seen from inside out.
pub fn expression(expr: &mut Expr) -> Flow {
    let respelled = match expr {
        Expr::BinaryOp { .. } => operator(expr),
        Expr::UnaryOp { op, expr: inner } => Ok(unary(*op, inner)),
        Expr::Extract {
            field, expr: inner, ..
        } => {
            let unit = field.to_string().trim_matches(['\'', '"']).to_owned();
            Ok(Some(extract(&unit, take(inner))))
        }
        Expr::Substring {
            expr: inner,
            substring_from,
            substring_for,
            ..
        } => {
            let from = substring_from.as_deref_mut().map(take);
            let count = substring_for.as_deref_mut().map(take);
            let one = || Expr::value(Value::Number("1".to_owned(), false));
            let mut args = vec![take(inner), from.unwrap_or_else(one)];
            args.extend(count);
            Ok(Some(call("substring", args)))
        }
        Expr::Overlay {
            expr: inner,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut args = vec![take(inner), take(overlay_what), take(overlay_from)];
            args.extend(overlay_for.as_deref_mut().map(take));
            Ok(Some(call("overlay", args)))
        }
        Expr::SimilarTo { .. } => similar(expr),
        Expr::Like { .. } | Expr::ILike { .. } => like(expr),
        Expr::Interval(interval) => span(interval),
        Expr::TypedString(typed) => {
            let value = typed.value.value.clone().into_string();
            Ok(value.map(|value| typed_text(value, typed.data_type.clone())))
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr: inner,
            data_type,
            array: false,
            ..
        } => cast_to(inner, data_type),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => super::quantified::respell(expr),
        Expr::InList { .. } => Ok(row_in(expr)),
        Expr::CompoundFieldAccess { root, access_chain } => Ok(field_of(root, access_chain)),
        Expr::Array(array) => {
            same_types(&mut array.elem.iter_mut().collect::<Vec<_>>());
            // The planner looks for columns of the query around in a call only.
            let reads = array.elem.iter().any(super::calls::reads_columns);
            Ok(reads.then(|| call("make_array", std::mem::take(&mut array.elem))))
        }
        Expr::Value(value) => Ok(match &value.value {
            Value::UnicodeStringLiteral(value) => Some(text(value.clone())),
            _ => None,
        }),
        Expr::Function(_) => super::calls::function(expr),
        _ => Ok(None),
    };
    match respelled {
        Ok(Some(new)) => {
            *expr = new;
            Flow::Continue(())
        }
        Ok(None) => Flow::Continue(()),
        Err(error) => Flow::Break(error),
    }
}

pub(super) type Respelled = Result<Option<Expr>, QueryError>;

fn operator(expr: &mut Expr) -> Respelled {
    let Expr::BinaryOp { left, op, right } = expr else {
        return Ok(None);
    };
    let function = match op {
        B::PGExp => Some("power"),
        B::PGStartsWith => Some("starts_with"),
        B::PGOverlap => Some("array_has_any"),
        _ => None,
    };
    if let Some(function) = function {
        return Ok(Some(call(function, vec![take(left), take(right)])));
    }
    if *op == B::Overlaps
        && let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_mut(), right.as_mut())
        && left.len() == 2
        && right.len() == 2
    {
        let args = left.iter_mut().chain(right.iter_mut()).map(take).collect();
        return Ok(Some(call("overlaps", args)));
    }
    rows(left, op, right)
}

fn unary(op: UnaryOperator, inner: &mut Expr) -> Option<Expr> {
    let function = match op {
        UnaryOperator::PGAbs => "abs",
        UnaryOperator::PGSquareRoot => "sqrt",
        UnaryOperator::PGCubeRoot => "cbrt",
        UnaryOperator::BitwiseNot => "frazil_bit_not",
        _ => return None,
    };
    Some(call(function, vec![take(inner)]))
}

/// `extract` gives a numeric with as many digits as the unit has.
pub fn extract(unit: &str, from: Expr) -> Expr {
    let function = match super::time_parts::unit(unit) {
        Some("epoch" | "second") => "frazil_extract_us",
        Some("milliseconds") => "frazil_extract_ms",
        _ => "frazil_extract",
    };
    call(function, vec![text(unit.to_lowercase()), from])
}

fn unit_of(field: &ast::DateTimeField) -> Option<Unit> {
    Some(match super::time_parts::unit(&field.to_string())? {
        "year" => Unit::Year,
        "month" => Unit::Month,
        "day" => Unit::Day,
        "hour" => Unit::Hour,
        "minute" => Unit::Minute,
        "second" => Unit::Second,
        _ => return None,
    })
}

/// `interval '1' day to second` and all its like as one text that says its units.
fn span(interval: &ast::Interval) -> Respelled {
    let Some(written) = string(&interval.value) else {
        return Ok(None);
    };
    let last = interval
        .last_field
        .as_ref()
        .or(interval.leading_field.as_ref());
    let mut value = interval_in::interval(written, last.and_then(unit_of))?;
    // What is smaller than the last field is cut off.
    match last.and_then(unit_of) {
        Some(Unit::Year) => {
            value.months -= value.months % 12;
            (value.days, value.micros) = (0, 0);
        }
        Some(Unit::Month) => (value.days, value.micros) = (0, 0),
        Some(Unit::Day) => value.micros = 0,
        Some(Unit::Hour) => value.micros -= value.micros % super::civil::HOUR_MICROS,
        Some(Unit::Minute) => value.micros -= value.micros % super::civil::MINUTE_MICROS,
        _ => {}
    }
    if let Some(digits @ 0..=5) = interval
        .fractional_seconds_precision
        .or(interval.leading_precision)
    {
        let size = 10_i64.pow(6 - digits as u32);
        let half = if value.micros < 0 {
            -size / 2
        } else {
            size / 2
        };
        value.micros = (value.micros + half) / size * size;
    }
    let plain = format!(
        "{} mons {} days {}",
        value.months,
        value.days,
        seconds(value.micros)
    );
    Ok(Some(cast(
        text(plain),
        DataType::Interval {
            fields: None,
            precision: None,
        },
    )))
}

fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!(
        "{sign}{}.{:06} secs",
        micros / 1_000_000,
        micros % 1_000_000
    )
}

/// The interval of a window's frame, which the planner wants as a literal.
pub fn frame_literal(expr: &mut Expr) {
    if let Expr::Cast {
        expr: inner,
        data_type: DataType::Interval { .. },
        ..
    } = expr
        && let Some(written) = string(inner)
    {
        *expr = Expr::Interval(ast::Interval {
            value: Box::new(text(written)),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}

/// `date 'today'` and other texts of a type.
fn typed_text(value: String, data_type: DataType) -> Expr {
    let mut inner = Box::new(text(value));
    match cast_to(&mut inner, &mut data_type.clone()) {
        Ok(Some(expr)) => expr,
        _ => cast(*inner, data_type),
    }
}

/// Casts that depend on the clock, or to types that texts stand for.
fn cast_to(inner: &mut Box<Expr>, data_type: &mut DataType) -> Respelled {
    let word = string(inner).map(|word| word.trim().to_ascii_lowercase());
    if let Some(word) = &word {
        let today = || call("current_date", Vec::new());
        let day = match word.as_str() {
            "now" => Some(call("now", Vec::new())),
            "today" => Some(today()),
            "tomorrow" => Some(binary(
                today(),
                B::Plus,
                Expr::value(Value::Number("1".to_owned(), false)),
            )),
            "yesterday" => Some(binary(
                today(),
                B::Minus,
                Expr::value(Value::Number("1".to_owned(), false)),
            )),
            _ => None,
        };
        let of_time = matches!(data_type, DataType::Date | DataType::Timestamp(..));
        if let Some(day) = day.filter(|_| of_time) {
            return Ok(Some(cast(day, data_type.clone())));
        }
    }
    super::calls::cast_to(inner, data_type, word.is_some())
}

/// `(t).x` is `t.x`.
fn field_of(root: &mut Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let Expr::Nested(inner) = root else {
        return None;
    };
    let (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(column))]) =
        (inner.as_ref(), chain)
    else {
        return None;
    };
    Some(Expr::CompoundIdentifier(vec![
        table.clone(),
        column.clone(),
    ]))
}

/// The type that a value says it has.
fn said_type(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::Cast {
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon,
            ..
        } => Some(data_type.clone()),
        Expr::Nested(inner) => said_type(inner),
        _ => None,
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => is_number(expr),
        _ => false,
    }
}

/// Texts and nulls, and numbers among doubles, take the type that one of their column says.
fn same_types(column: &mut [&mut Expr]) {
    let Some(kind) = column.iter().find_map(|expr| said_type(expr)) else {
        return;
    };
    let doubles = matches!(
        kind,
        DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Real
            | DataType::Double(_)
            | DataType::DoublePrecision
    );
    let text_type = matches!(
        kind,
        DataType::Text | DataType::Varchar(_) | DataType::Char(_)
    );
    for expr in column {
        let is_null = matches!(&**expr, Expr::Value(value) if value.value == Value::Null);
        let open = is_null || string(expr).is_some();
        if (open && !text_type) || (doubles && is_number(expr)) {
            let inner = take(expr);
            **expr = cast(inner, kind.clone());
        }
    }
}

/// The names of a recursive query's columns, given to its first part: the second reads them.
pub fn recursive_names(with: &mut ast::With) {
    if !with.recursive {
        return;
    }
    for cte in &mut with.cte_tables {
        let names: Vec<Ident> = cte
            .alias
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        if !names.is_empty()
            && let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut()
        {
            name_columns(left, &names);
        }
    }
}

fn name_columns(body: &mut SetExpr, names: &[Ident]) {
    match body {
        SetExpr::SetOperation { left, .. } => name_columns(left, names),
        SetExpr::Query(query) => name_columns(&mut query.body, names),
        SetExpr::Select(select) if select.projection.len() == names.len() => {
            for (item, name) in select.projection.iter_mut().zip(names) {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                {
                    *item = SelectItem::ExprWithAlias {
                        expr: take(expr),
                        alias: name.clone(),
                    };
                }
            }
        }
        SetExpr::Values(_) => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let outer = format!("SELECT * FROM (VALUES (1)) AS v({})", names.join(", "));
            let Some(mut outer) = super::calls::parsed(&outer) else {
                return;
            };
            if let SetExpr::Select(select) = outer.body.as_mut()
                && let Some(table) = select.from.first_mut()
                && let ast::TableFactor::Derived { subquery, .. } = &mut table.relation
            {
                std::mem::swap(subquery.body.as_mut(), body);
                *body = *outer.body;
            }
        }
        _ => {}
    }
}

pub fn set_expression(body: &mut SetExpr) {
    if let SetExpr::Values(values) = body {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        for index in 0..width {
            let mut column: Vec<&mut Expr> = values
                .rows
                .iter_mut()
                .filter_map(|row| row.content.get_mut(index))
                .collect();
            same_types(&mut column);
        }
        if let Some(selects) = super::lists::values_as_selects(values) {
            *body = selects;
        }
    }
}

/// What a SELECT's list may hold that the planner takes elsewhere only.
pub fn select(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _: ControlFlow<()> = ast::visit_expressions_mut(expr, |expr| {
                exists_as_count(expr);
                ControlFlow::Continue(())
            });
        }
    }
}

/// Two columns that the planner would give one name: it wants them told apart.
pub fn tell_apart(select: &mut Select) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            && !seen.insert(planners_name(expr))
        {
            let alias = Ident::with_quote('"', format!("{expr} #{index}"));
            *item = SelectItem::ExprWithAlias {
                expr: take(expr),
                alias,
            };
        }
    }
}

/// The planner names a cast as what is cast, and every subquery alike.
fn planners_name(expr: &Expr) -> String {
    let mut plain = expr.clone();
    let _: ControlFlow<()> = ast::visit_expressions_mut(&mut plain, |expr| {
        match expr {
            Expr::Cast { expr: inner, .. } => *expr = take(inner),
            Expr::Subquery(_) => *expr = Expr::Identifier(Ident::new("subquery")),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    plain.to_string()
}

/// `exists (select …)` outside of a filter: whether its rows can be counted.
fn exists_as_count(expr: &mut Expr) {
    let Expr::Exists { subquery, negated } = expr else {
        return;
    };
    let SetExpr::Select(inner) = subquery.body.as_mut() else {
        return;
    };
    let grouped = !matches!(&inner.group_by, ast::GroupByExpr::Expressions(by, _) if by.is_empty());
    if grouped
        || inner.having.is_some()
        || inner.distinct.is_some()
        || subquery.limit_clause.is_some()
    {
        return;
    }
    subquery.order_by = None;
    let mut count = call("count", Vec::new());
    if let Expr::Function(function) = &mut count
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.args
            .push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    }
    let op = if *negated { B::Eq } else { B::Gt };
    inner.projection = vec![SelectItem::UnnamedExpr(binary(
        count,
        op,
        Expr::value(Value::Number("0".to_owned(), false)),
    ))];
    *expr = Expr::Subquery(subquery.clone());
}
