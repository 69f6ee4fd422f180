//! What stands in a SELECT's list for several columns, or for a whole row: `*` over merged columns,
//! `count(t.*)`. Respelled where the planner would give other columns, refused where it would
//! count other rows.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint,
    JoinOperator, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use crate::query::{QueryError, QueryErrorKind as Kind};

/// `*` over `a JOIN b USING (k)`: k comes first, then what else a has, then b.
pub fn merged_columns_first(select: &mut Select) {
    let is_plain = |item: &SelectItem| {
        matches!(item, SelectItem::Wildcard(options)
            if *options == WildcardAdditionalOptions::default())
    };
    if !select.projection.iter().any(is_plain) {
        return;
    }
    let lists: Option<Vec<Vec<Part>>> = select.from.iter().map(parts).collect();
    let Some(lists) = lists else { return };
    let merges = |part: &Part| matches!(part, Part::Merged(_));
    if !lists.iter().flatten().any(merges) {
        return;
    }
    let all: Vec<SelectItem> = lists.iter().flatten().map(Part::item).collect();
    let items = std::mem::take(&mut select.projection);
    for item in items {
        match is_plain(&item) {
            true => select.projection.extend(all.iter().cloned()),
            false => select.projection.push(item),
        }
    }
}

/// A piece of what `*` stands for.
enum Part {
    Merged(Ident),
    /// A table's columns without these.
    Rest(ObjectName, Vec<Ident>),
}

impl Part {
    fn item(&self) -> SelectItem {
        match self {
            Self::Merged(name) => SelectItem::UnnamedExpr(Expr::Identifier(name.clone())),
            Self::Rest(table, without) => {
                let mut options = WildcardAdditionalOptions::default();
                if let [first, more @ ..] = without.as_slice() {
                    options.opt_except = Some(ast::ExceptSelectItem {
                        first_element: first.clone(),
                        additional_elements: more.to_vec(),
                    });
                }
                let table = SelectItemQualifiedWildcardKind::ObjectName(table.clone());
                SelectItem::QualifiedWildcard(table, options)
            }
        }
    }
}

/// None where names alone don't tell which table has a merged column.
fn parts(from: &TableWithJoins) -> Option<Vec<Part>> {
    let mut parts = vec![Part::Rest(name_of(&from.relation)?, Vec::new())];
    for join in &from.joins {
        let names: Vec<Ident> = match constraint(&join.join_operator)? {
            JoinConstraint::Using(names) => names
                .iter()
                .map(|name| name.0.last()?.as_ident().map(folded))
                .collect::<Option<_>>()?,
            JoinConstraint::On(_) | JoinConstraint::None => Vec::new(),
            JoinConstraint::Natural => return None,
        };
        let is = |part: &Part, name: &Ident| matches!(part, Part::Merged(known) if known == name);
        if let [Part::Rest(_, without)] = parts.as_mut_slice() {
            without.extend(names.iter().cloned());
        } else if !names.iter().all(|n| parts.iter().any(|part| is(part, n))) {
            return None;
        }
        parts.retain(|part| !names.iter().any(|name| is(part, name)));
        let merged = names.iter().cloned().map(Part::Merged);
        parts.splice(0..0, merged);
        parts.push(Part::Rest(name_of(&join.relation)?, names));
    }
    Some(parts)
}

/// A column that several joins merge, `k` in `a JOIN b USING (k) JOIN c USING (k)`, is the first
/// table's: the planner knows only pairs of them. Inner and left joins only, where that is the same.
pub fn qualify_merged(select: &mut Select) {
    let mut paths = Vec::new();
    for from in &select.from {
        let Some(first) = name_of(&from.relation) else {
            continue;
        };
        let inner = |join: &ast::Join| {
            matches!(
                join.join_operator,
                JoinOperator::Join(_)
                    | JoinOperator::Inner(_)
                    | JoinOperator::Left(_)
                    | JoinOperator::LeftOuter(_)
                    | JoinOperator::CrossJoin(_)
            )
        };
        if from.joins.len() < 2 || !from.joins.iter().all(inner) {
            continue;
        }
        let used = |join: &ast::Join| match constraint(&join.join_operator) {
            Some(JoinConstraint::Using(names)) => names.clone(),
            _ => Vec::new(),
        };
        // Of the first join's columns it is known that the first table has them.
        for name in used(&from.joins[0]) {
            let again = from.joins[1..]
                .iter()
                .any(|join| used(join).contains(&name));
            if let [part] = name.0.as_slice()
                && let Some(name) = part.as_ident()
                && again
            {
                let parts = first.0.iter().filter_map(|part| part.as_ident().cloned());
                let path = parts.chain([name.clone()]).collect();
                paths.push((name.clone(), Expr::CompoundIdentifier(path)));
            }
        }
    }
    if !paths.is_empty() {
        let mut qualifier = Qualifier { paths, depth: 0 };
        let ControlFlow::Continue(()) = ast::VisitMut::visit(select, &mut qualifier);
    }
}

/// Whether a function's rows are elements, in a column of the name `value`.
pub fn gives_elements(function: &str) -> bool {
    matches!(
        function,
        "json_array_elements"
            | "jsonb_array_elements"
            | "json_array_elements_text"
            | "jsonb_array_elements_text"
    )
}

/// `SELECT e FROM jsonb_array_elements(…) e` is its elements, as `e.value` is.
pub fn name_elements(select: &mut Select) {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    let elements = factors.filter_map(|factor| match factor {
        TableFactor::Table {
            name,
            alias: Some(alias),
            args: Some(_),
            ..
        }
        | TableFactor::Function {
            name,
            alias: Some(alias),
            ..
        } if alias.columns.is_empty() && gives_elements(&name.to_string().to_ascii_lowercase()) => {
            Some(alias.name.clone())
        }
        _ => None,
    });
    let aliases: Vec<Ident> = elements.collect();
    if aliases.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
            && aliases.contains(name)
        {
            *item = SelectItem::ExprWithAlias {
                expr: Expr::Identifier(name.clone()),
                alias: name.clone(),
            };
        }
    }
    let value = |alias: Ident| {
        let path = Expr::CompoundIdentifier(vec![alias.clone(), Ident::new("value")]);
        (alias, path)
    };
    let mut qualifier = Qualifier {
        paths: aliases.into_iter().map(value).collect(),
        depth: 0,
    };
    let ControlFlow::Continue(()) = ast::VisitMut::visit(select, &mut qualifier);
}

/// Names as the paths that they stand for.
struct Qualifier {
    paths: Vec<(Ident, Expr)>,
    /// Queries around the node: their names are their own.
    depth: usize,
}

impl ast::VisitorMut for Qualifier {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Identifier(name) = expr else {
            return ControlFlow::Continue(());
        };
        let path = self.paths.iter().find(|(known, _)| known == name);
        if let Some((_, path)) = path
            && self.depth == 0
        {
            *expr = path.clone();
        }
        ControlFlow::Continue(())
    }
}

/// More rows than this are left as they are: a union of so many would cost more to plan.
const MOST_SELECTS: usize = 100;

/// `VALUES ((SELECT …), …)` as a union of SELECTs: the planner works out the values of VALUES
/// before any query in them has run. None where there is no query.
pub fn values_as_selects(values: &mut ast::Values) -> Option<SetExpr> {
    let queries = ast::visit_expressions(&values.rows, |expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let width = values.rows.first()?.content.len();
    let even = values.rows.iter().all(|row| row.content.len() == width);
    if queries.is_continue() || !even || values.rows.len() > MOST_SELECTS {
        return None;
    }
    let mut selects = values.rows.iter_mut().filter_map(|row| {
        let mut query = super::calls::parsed("SELECT 1")?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            let cells = row.content.iter_mut().enumerate();
            select.projection = cells
                .map(|(at, cell)| SelectItem::ExprWithAlias {
                    expr: super::syntax::take(cell),
                    alias: Ident::new(format!("column{}", at + 1)),
                })
                .collect();
        }
        Some(*query.body)
    });
    let first = selects.next()?;
    Some(selects.fold(first, |left, right| SetExpr::SetOperation {
        op: ast::SetOperator::Union,
        set_quantifier: ast::SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    }))
}

/// A name as it is kept: lower case, unless it is quoted.
fn folded(name: &Ident) -> Ident {
    match name.quote_style {
        Some(_) => name.clone(),
        None => Ident::new(name.value.to_lowercase()),
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

fn name_of(factor: &TableFactor) -> Option<ObjectName> {
    match factor {
        TableFactor::Table {
            name, alias: None, ..
        } => Some(name.clone()),
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Some(ObjectName::from(vec![alias.name.clone()])),
        _ => None,
    }
}

/// `count(t.*)` counts rows of t, but not those that an outer join has made up of nulls, which the
/// planner would count. `FeatureNotSupported`.
pub fn check_counted_rows(select: &Select) -> ControlFlow<QueryError> {
    let outer = |join: &ast::Join| {
        matches!(
            join.join_operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    };
    if !select.from.iter().flat_map(|from| &from.joins).any(outer) {
        return ControlFlow::Continue(());
    }
    ast::visit_expressions(&select.projection, |expr| match counted_row(expr) {
        Some(row) => ControlFlow::Break(
            QueryError::new(
                Kind::FeatureNotSupported,
                format!("count({row}) over an outer join is not supported"),
            )
            .with_hint("Count a column of the table that is never null."),
        ),
        None => ControlFlow::Continue(()),
    })
}

fn counted_row(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(row @ FunctionArgExpr::QualifiedWildcard(_))]
            if function.name.to_string().eq_ignore_ascii_case("count") =>
        {
            Some(row.to_string())
        }
        _ => None,
    }
}
