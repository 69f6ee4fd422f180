//! Function calls and casts of Postgres's as the engine's: other names, other types of results,
//! functions that give sets.

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator as B, CharacterLength, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, SelectItem, TableFactor, Value,
};

use super::syntax::{Respelled, call, cast, frame_literal, string, take, text};
use crate::query::spelling::VARIADIC;
use crate::query::{QueryError, QueryErrorKind as Kind};

pub(super) fn name_of(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part
            .as_ident()
            .map(|ident| ident.value.to_ascii_lowercase()),
        _ => None,
    }
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

/// The plain arguments; None where there is more than that.
pub(super) fn args_of(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::List(list)
            if list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
        {
            list.args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                    _ => None,
                })
                .collect()
        }
        _ => None,
    }
}

pub fn function(expr: &mut Expr) -> Respelled {
    let Expr::Function(function) = expr else {
        return Ok(None);
    };
    if let Some(ast::WindowType::WindowSpec(spec)) = &mut function.over
        && let Some(frame) = &mut spec.window_frame
    {
        for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
            if let ast::WindowFrameBound::Preceding(Some(value))
            | ast::WindowFrameBound::Following(Some(value)) = bound
            {
                frame_literal(value);
            }
        }
    }
    let Some(name) = name_of(function) else {
        return Ok(None);
    };
    if let Some(ordered) = super::ordered_sets::respell(function) {
        return Ok(Some(ordered));
    }
    if let Some(gathered) = super::gathered::array_of_rows(function) {
        return Ok(Some(gathered));
    }
    let named = match name.as_str() {
        "variance" => "var_samp",
        "every" => "bool_and",
        "statement_timestamp" | "transaction_timestamp" | "clock_timestamp" => "now",
        "make_interval" => {
            positional_interval(function);
            ""
        }
        _ => "",
    };
    if !named.is_empty() {
        rename(function, named);
        return Ok(None);
    }
    if matches!(
        name.as_str(),
        "array_agg" | "string_agg" | "json_agg" | "jsonb_agg"
    ) {
        in_order(function);
    }
    if matches!(name.as_str(), "json_agg" | "jsonb_agg") {
        rename(function, "array_agg");
        let list = take(expr);
        return Ok(Some(call(&format!("frazil_{name}"), vec![list])));
    }
    if let Some(kind) = result_type(&name) {
        let whole = take(expr);
        return Ok(Some(cast(whole, kind)));
    }
    let Some(mut args) = args_of(function) else {
        return Ok(None);
    };
    if let Some(array) = args.last_mut().and_then(spread_array) {
        args.pop();
        return spread(&name, args, array).map(Some);
    }
    Ok(match (name.as_str(), args.as_mut_slice()) {
        ("mod", [left, right]) => Some(Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(take(left)))),
            op: B::Modulo,
            right: Box::new(Expr::Nested(Box::new(take(right)))),
        }))),
        ("trunc", [x]) => Some(call("frazil_trunc", vec![take(x)])),
        ("round", [x]) => Some(call("frazil_round", vec![take(x)])),
        ("date_trunc", [unit, _]) if string(unit).is_some_and(|unit| !engine_truncates(unit)) => {
            Some(call("frazil_date_trunc", args))
        }
        ("date_trunc", [_, _, _]) => Some(call("frazil_date_trunc", args)),
        ("date_part", [unit, from]) if string(unit).is_some() => {
            let unit = string(unit).unwrap_or_default().to_lowercase();
            Some(call("date_part", vec![text(unit), take(from)]))
        }
        ("age", [from]) => {
            let today = cast(
                call("current_date", Vec::new()),
                DataType::Timestamp(None, ast::TimezoneInfo::None),
            );
            Some(call("age", vec![today, take(from)]))
        }
        ("pg_typeof", [value]) if string(value).is_some() => Some(text("unknown")),
        ("int4" | "int8" | "int2" | "float4" | "float8" | "bool" | "date", [value]) => {
            Some(cast(take(value), simple_type(&name)))
        }
        ("to_number", [value, template])
            if string(template).is_some_and(|t| !t.is_empty()) && string(value).is_some() =>
        {
            let (value, template) = (
                string(value).unwrap_or_default(),
                string(template).unwrap_or_default(),
            );
            let digits = super::number_format::digits(value, template).map_err(QueryError::from)?;
            let any = DataType::Numeric(ast::ExactNumberInfo::None);
            Some(cast(text(digits), any))
        }
        ("gen_random_uuid", []) => Some(cast(call("uuid", Vec::new()), DataType::Uuid)),
        ("booleq", [l, r]) => Some(operator(take(l), B::Eq, take(r))),
        ("boolne", [l, r]) => Some(operator(take(l), B::NotEq, take(r))),
        _ => set_function(&name, args),
    })
}

fn operator(left: Expr, op: B, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

fn simple_type(name: &str) -> DataType {
    match name {
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Int(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "bool" => DataType::Boolean,
        _ => DataType::Date,
    }
}

/// Distinct values are gathered in their order where no other is asked for: Postgres sorts to tell
/// them apart, and people have come to rely on it.
fn in_order(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value)), ..] = list.args.as_slice()
        && distinct
        && list.clauses.is_empty()
    {
        let by = ast::OrderByExpr {
            expr: value.clone(),
            options: ast::OrderByOptions {
                asc: None,
                nulls_first: None,
            },
            with_fill: None,
        };
        list.clauses
            .push(ast::FunctionArgumentClause::OrderBy(vec![by]));
    }
}

/// The array behind VARIADIC.
fn spread_array(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Function(function) if name_of(function).as_deref() == Some(VARIADIC) => {
            args_of(function)?.pop()
        }
        _ => None,
    }
}

/// A call whose last arguments are an array's elements.
fn spread(name: &str, mut args: Vec<Expr>, array: Expr) -> Result<Expr, QueryError> {
    match (name, array) {
        (_, Expr::Array(mut list)) if !list.elem.is_empty() => {
            args.append(&mut list.elem);
            Ok(call(name, args))
        }
        ("concat", array) if args.is_empty() => Ok(call("array_to_string", vec![array, text("")])),
        ("concat_ws", array) if args.len() == 1 => {
            args.insert(0, array);
            Ok(call("array_to_string", args))
        }
        (name, _) => Err(QueryError::new(
            Kind::FeatureNotSupported,
            format!("VARIADIC in {name} is supported for an array that is written out"),
        )),
    }
}

/// What the engine gives as an unsigned number.
fn result_type(name: &str) -> Option<DataType> {
    match name {
        "array_length" | "cardinality" | "array_ndims" | "array_position" | "array_upper"
        | "array_lower" | "ntile" => Some(DataType::Int(None)),
        "row_number" | "rank" | "dense_rank" | "regr_count" => Some(DataType::BigInt(None)),
        _ => None,
    }
}

fn engine_truncates(unit: &str) -> bool {
    matches!(
        unit.to_ascii_lowercase().as_str(),
        "second" | "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year"
    )
}

/// `make_interval(days => 10)` with all its arguments in their places.
fn positional_interval(function: &mut Function) {
    const NAMES: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let named = |arg: &FunctionArg| matches!(arg, FunctionArg::Named { .. });
    if !list.args.iter().any(named) {
        return;
    }
    let zero = || {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::value(Value::Number(
            "0".to_owned(),
            false,
        ))))
    };
    let mut placed: Vec<FunctionArg> = (0..NAMES.len()).map(|_| zero()).collect();
    for (index, arg) in list.args.drain(..).enumerate() {
        let (at, arg) = match arg {
            FunctionArg::Named { name, arg, .. } => (
                NAMES
                    .iter()
                    .position(|known| name.value.eq_ignore_ascii_case(known)),
                arg,
            ),
            FunctionArg::Unnamed(arg) => (Some(index), arg),
            FunctionArg::ExprNamed { .. } => continue,
        };
        if let Some(place) = at.and_then(|at| placed.get_mut(at)) {
            *place = FunctionArg::Unnamed(arg);
        }
    }
    list.args = placed;
}

/// A function of Postgres's that gives a set, as the elements of a list.
fn set_function(name: &str, mut args: Vec<Expr>) -> Option<Expr> {
    let list = match (name, args.as_mut_slice()) {
        ("regexp_split_to_table", _) => call("regexp_split_to_array", args),
        ("string_to_table", _) => call("string_to_array", args),
        ("generate_series", [_, _] | [_, _, _]) => {
            let int4 = args.iter().all(is_small_integer);
            let series = call("frazil_series", args);
            let rows = call("unnest", vec![series]);
            return Some(if int4 {
                cast(rows, DataType::Int(None))
            } else {
                rows
            });
        }
        ("generate_subscripts", [array, dimension]) => {
            let length = call("array_length", vec![take(array), take(dimension)]);
            let one = Expr::value(Value::Number("1".to_owned(), false));
            let series = call(
                "frazil_series",
                vec![one, cast(length, DataType::BigInt(None))],
            );
            return Some(cast(call("unnest", vec![series]), DataType::Int(None)));
        }
        ("unnest", _) => return Some(call("unnest", args)),
        (name, _) if super::json::is_set(name) => call(&format!("frazil_{name}"), args),
        _ => return None,
    };
    Some(call("unnest", vec![list]))
}

fn is_small_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_small_integer(expr),
        Expr::BinaryOp { left, right, .. } => is_small_integer(left) && is_small_integer(right),
        _ => false,
    }
}

fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i64>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_integer(expr),
        Expr::BinaryOp { left, right, .. } => is_integer(left) && is_integer(right),
        _ => false,
    }
}

/// A function in FROM: its column is called by the alias, or by its own name.
pub fn table_factor(factor: &mut TableFactor) {
    plain_function(factor);
    let (name, mut args, alias, ordinality) = match factor {
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            with_ordinality,
            ..
        } => {
            let args: Option<Vec<Expr>> = arguments
                .args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                    _ => None,
                })
                .collect();
            let [part] = name.0.as_slice() else {
                return;
            };
            let (Some(args), Some(ident)) = (args, part.as_ident()) else {
                return;
            };
            (
                ident.value.to_ascii_lowercase(),
                args,
                alias.clone(),
                *with_ordinality,
            )
        }
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset: false,
            with_ordinality: false,
            ..
        } => {
            let [array] = array_exprs.as_mut_slice() else {
                return;
            };
            if !reads_columns(array) {
                let alias = alias.get_or_insert_with(|| plain_alias("unnest"));
                name_column(alias);
                return;
            }
            let args = vec![take(array)];
            ("unnest".to_owned(), args, alias.take(), false)
        }
        _ => return,
    };
    if ordinality {
        return;
    }
    let mut alias = alias.unwrap_or_else(|| plain_alias(&name));
    // A function's arguments may be columns of the tables before it.
    let lateral = args.iter().any(reads_columns);
    let body = if name == "generate_series" && args.iter().all(is_integer) && args.len() > 1 {
        // Rows are made one after the other: nothing is held.
        let kind = if args.iter().all(is_small_integer) {
            "INT"
        } else {
            "BIGINT"
        };
        let from = format!(
            "SELECT CAST(value AS {kind}) FROM generate_series({})",
            shown(&args)
        );
        parsed(&from)
    } else if super::json::is_each(&name) && args.len() == 1 {
        let json = take(&mut args[0]);
        let keys = call(
            "unnest",
            vec![call(&format!("frazil_{name}_keys"), vec![json.clone()])],
        );
        let values = call(
            "unnest",
            vec![call(&format!("frazil_{name}_values"), vec![json])],
        );
        parsed(&format!("SELECT {keys} AS key, {values} AS value"))
    } else {
        let Some(rows) = set_function(&name, args) else {
            return;
        };
        let Some(mut query) = parsed("SELECT 1 AS x") else {
            return;
        };
        if let ast::SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![SelectItem::ExprWithAlias {
                expr: rows,
                alias: Ident::with_quote('"', name.clone()),
            }];
        }
        Some(query)
    };
    let Some(subquery) = body else {
        return;
    };
    if super::lists::gives_elements(&name) && alias.columns.is_empty() {
        alias.columns = vec![ast::TableAliasColumnDef {
            name: Ident::new("value"),
            data_type: None,
        }];
    }
    if !super::json::is_each(&name) {
        name_column(&mut alias);
    }
    *factor = TableFactor::Derived {
        lateral,
        subquery,
        alias: Some(alias),
        sample: None,
    };
}

/// `LATERAL f(x)` is `f(x)`.
fn plain_function(factor: &mut TableFactor) {
    let TableFactor::Function {
        name,
        args,
        with_ordinality,
        alias,
        ..
    } = factor
    else {
        return;
    };
    *factor = TableFactor::Table {
        name: name.clone(),
        alias: alias.take(),
        args: Some(ast::TableFunctionArgs {
            args: std::mem::take(args),
            settings: None,
        }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: *with_ordinality,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
}

pub(super) fn reads_columns(expr: &Expr) -> bool {
    ast::visit_expressions(expr, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => {
            std::ops::ControlFlow::Break(())
        }
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}

fn shown(args: &[Expr]) -> String {
    let shown: Vec<_> = args.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

pub fn parsed(text: &str) -> Option<Box<ast::Query>> {
    match crate::query::statement::parse(text).ok()?.pop()? {
        crate::query::statement::Statement::Sql(statement) => match *statement {
            ast::Statement::Query(query) => Some(query),
            _ => None,
        },
        crate::query::statement::Statement::Model(_) => None,
    }
}

fn plain_alias(name: &str) -> ast::TableAlias {
    ast::TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    }
}

/// One column and no name for it: it is called as the table is.
fn name_column(alias: &mut ast::TableAlias) {
    if alias.columns.is_empty() {
        alias.columns = vec![ast::TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        }];
    }
}

fn length_of(length: &Option<CharacterLength>) -> Option<u64> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        _ => None,
    }
}

/// Casts to types that texts stand for here.
pub fn cast_to(inner: &mut Box<Expr>, data_type: &DataType, is_text: bool) -> Respelled {
    let limited = |name: &str, inner: &mut Box<Expr>, length: u64| {
        if length == 0 {
            let kind = if name == "frazil_bpchar" {
                "char"
            } else {
                "varchar"
            };
            return Err(QueryError::new(
                Kind::InvalidParameter,
                format!("length for type {kind} must be at least 1"),
            ));
        }
        let value = cast(take(inner), DataType::Text);
        let length = Expr::value(Value::Number(length.to_string(), false));
        Ok(Some(call(name, vec![value, length])))
    };
    match data_type {
        DataType::JSON => Ok(Some(call("frazil_json", vec![take(inner)]))),
        DataType::JSONB => Ok(Some(call("frazil_jsonb", vec![take(inner)]))),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => match length_of(length) {
            Some(length) => limited("frazil_varchar", inner, length),
            None if is_text => Ok(Some(call("frazil_varchar", vec![take(inner)]))),
            None => {
                let value = take(inner);
                Ok(Some(cast(value, DataType::Text)))
            }
        },
        DataType::Char(length) | DataType::Character(length) => {
            limited("frazil_bpchar", inner, length_of(length).unwrap_or(1))
        }
        DataType::Custom(name, arguments) if arguments.is_empty() => {
            match name.to_string().to_ascii_lowercase().as_str() {
                "bpchar" => Ok(Some(call(
                    "frazil_bpchar",
                    vec![cast(take(inner), DataType::Text)],
                ))),
                "name" if is_text => Ok(Some(call("frazil_name", vec![take(inner)]))),
                "\"char\"" if is_text => Ok(Some(call("frazil_char", vec![take(inner)]))),
                "timetz" | "money" | "xml" | "inet" | "cidr" | "macaddr" | "tsvector"
                | "tsquery" | "point" | "box" | "circle" | "line" | "lseg" | "path" | "polygon"
                | "bit" | "varbit" | "int4range" | "int8range" | "numrange" | "tsrange"
                | "tstzrange" | "daterange" => Err(QueryError::new(
                    Kind::FeatureNotSupported,
                    format!("the type {name} is not supported"),
                )),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}
