//! A query's filters in terms of field ids, as far as they are understood.
//! What is not understood is [`Predicate::Unknown`]: it may hold for any row. The filters
//! themselves stay with DataFusion; this only ever leaves out files.

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, Like, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use iceberg::spec::{PrimitiveType, Schema as IcebergSchema, Type};

use super::schema::field_id;
use super::value::Value;

/// A comparison with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

/// A filter; `field` is always a field id of a primitive column, nested ones too.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    Unknown,
    /// False or null for every row.
    Never,
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Compare {
        field: i32,
        op: Op,
        value: Value,
    },
    In {
        field: i32,
        values: Vec<Value>,
    },
    StartsWith {
        field: i32,
        prefix: String,
    },
    IsNull {
        field: i32,
    },
    IsNotNull {
        field: i32,
    },
}

impl Predicate {
    /// Whether nothing of the filters is unknown. Such filters compare primitive columns with
    /// constants: they can't fail on any row, and any reader of a file can apply them.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Self::is_whole),
            Self::Never
            | Self::Compare { .. }
            | Self::In { .. }
            | Self::StartsWith { .. }
            | Self::IsNull { .. }
            | Self::IsNotNull { .. } => true,
        }
    }
}

/// All filters of a scan together.
pub(super) fn all_of(filters: &[Expr], schema: &Schema, iceberg: &IcebergSchema) -> Predicate {
    let columns = Columns { schema, iceberg };
    Predicate::And(
        filters
            .iter()
            .map(|f| columns.predicate(f, false))
            .collect(),
    )
}

struct Columns<'a> {
    schema: &'a Schema,
    iceberg: &'a IcebergSchema,
}

/// A primitive column that an expression stands for.
struct Column<'a> {
    id: i32,
    kind: &'a PrimitiveType,
}

impl<'a> Columns<'a> {
    fn predicate(&self, expr: &Expr, negated: bool) -> Predicate {
        match expr {
            Expr::Alias(alias) => self.predicate(&alias.expr, negated),
            Expr::Not(inner) => self.predicate(inner, !negated),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                self.binary(left, *op, right, negated)
            }
            Expr::IsNull(inner) => self.is_null(inner, !negated),
            Expr::IsNotNull(inner) => self.is_null(inner, negated),
            Expr::IsTrue(inner) if !negated => self.predicate(inner, false),
            Expr::IsFalse(inner) if !negated => self.predicate(inner, true),
            Expr::InList(list) if list.negated == negated => self.in_list(list),
            Expr::Between(between) => self.between(between, negated),
            Expr::Like(like) if like.negated == negated => self.like(like),
            Expr::ScalarFunction(function) if !negated && function.name() == "starts_with" => {
                self.starts_with(function)
            }
            Expr::Literal(value, _) => constant(value, negated),
            _ => match self.column(expr) {
                Some(Column {
                    id,
                    kind: PrimitiveType::Boolean,
                }) => Predicate::Compare {
                    field: id,
                    op: Op::Eq,
                    value: Value::Bool(!negated),
                },
                _ => Predicate::Unknown,
            },
        }
    }

    fn binary(&self, left: &Expr, op: Operator, right: &Expr, negated: bool) -> Predicate {
        let both = |negated| {
            vec![
                self.predicate(left, negated),
                self.predicate(right, negated),
            ]
        };
        match (op, negated) {
            (Operator::And, false) | (Operator::Or, true) => Predicate::And(both(negated)),
            (Operator::Or, false) | (Operator::And, true) => Predicate::Or(both(negated)),
            _ => self
                .comparison(left, op, right, negated)
                .unwrap_or(Predicate::Unknown),
        }
    }

    fn comparison(
        &self,
        left: &Expr,
        op: Operator,
        right: &Expr,
        negated: bool,
    ) -> Option<Predicate> {
        let (column, value, op) = match (self.column(left), literal(right)) {
            (Some(column), Some(value)) => (column, value, op),
            _ => (self.column(right)?, literal(left)?, op.swap()?),
        };
        if value.is_null() {
            return Some(Predicate::Never);
        }
        let op = match (op, negated) {
            (Operator::Eq, false) | (Operator::NotEq, true) => Op::Eq,
            (Operator::NotEq, false) | (Operator::Eq, true) => Op::NotEq,
            (Operator::Lt, false) | (Operator::GtEq, true) => Op::Lt,
            (Operator::LtEq, false) | (Operator::Gt, true) => Op::LtEq,
            (Operator::Gt, false) | (Operator::LtEq, true) => Op::Gt,
            (Operator::GtEq, false) | (Operator::Lt, true) => Op::GtEq,
            _ => return None,
        };
        let value = Value::from_scalar(value, column.kind)?;
        Some(Predicate::Compare {
            field: column.id,
            op,
            value,
        })
    }

    /// `IS NULL` when `not` is false.. of a column; of anything else nothing is known.
    fn is_null(&self, inner: &Expr, null: bool) -> Predicate {
        match self.column(inner) {
            Some(column) if null => Predicate::IsNull { field: column.id },
            Some(column) => Predicate::IsNotNull { field: column.id },
            None => Predicate::Unknown,
        }
    }

    fn in_list(&self, list: &InList) -> Predicate {
        let Some(column) = self.column(&list.expr) else {
            return Predicate::Unknown;
        };
        let mut values = Vec::with_capacity(list.list.len());
        for item in &list.list {
            match literal(item) {
                // `x IN (…, NULL)` is never true because of the null.
                Some(value) if value.is_null() => {}
                Some(value) => match Value::from_scalar(value, column.kind) {
                    Some(value) => values.push(value),
                    None => return Predicate::Unknown,
                },
                None => return Predicate::Unknown,
            }
        }
        Predicate::In {
            field: column.id,
            values,
        }
    }

    fn between(&self, between: &Between, negated: bool) -> Predicate {
        let outside = between.negated != negated;
        let low = self.comparison(&between.expr, Operator::GtEq, &between.low, outside);
        let high = self.comparison(&between.expr, Operator::LtEq, &between.high, outside);
        let both = vec![
            low.unwrap_or(Predicate::Unknown),
            high.unwrap_or(Predicate::Unknown),
        ];
        if outside {
            Predicate::Or(both)
        } else {
            Predicate::And(both)
        }
    }

    fn like(&self, like: &Like) -> Predicate {
        let pattern = literal(&like.pattern).and_then(|value| value.try_as_str().flatten());
        match (self.column(&like.expr), pattern) {
            (Some(column), Some(pattern))
                if !like.case_insensitive && *column.kind == PrimitiveType::String =>
            {
                // An escaped character ends what is taken for the prefix: less is always safe.
                let escape = like.escape_char.unwrap_or('\\');
                let prefix: String = pattern
                    .chars()
                    .take_while(|c| *c != '%' && *c != '_' && *c != escape)
                    .collect();
                Predicate::StartsWith {
                    field: column.id,
                    prefix,
                }
            }
            _ => Predicate::Unknown,
        }
    }

    fn starts_with(&self, function: &ScalarFunction) -> Predicate {
        if let [expr, prefix] = function.args.as_slice()
            && let Some(column) = self.column(expr)
            && *column.kind == PrimitiveType::String
            && let Some(Some(prefix)) = literal(prefix).map(|value| value.try_as_str().flatten())
        {
            return Predicate::StartsWith {
                field: column.id,
                prefix: prefix.to_owned(),
            };
        }
        Predicate::Unknown
    }

    /// A column, or a field of a struct column (`get_field(properties, 'category')`).
    fn column(&self, expr: &Expr) -> Option<Column<'a>> {
        let id = self.field_of(expr)?;
        match self.iceberg.field_by_id(id)?.field_type.as_ref() {
            Type::Primitive(kind) => Some(Column { id, kind }),
            _ => None,
        }
    }

    fn field_of(&self, expr: &Expr) -> Option<i32> {
        match expr {
            Expr::Alias(alias) => self.field_of(&alias.expr),
            Expr::Column(column) => field_id(self.schema.field_with_name(&column.name).ok()?),
            // Between the kinds of text a cast changes nothing.
            Expr::Cast(cast) if is_text(cast.field.data_type()) => {
                let id = self.field_of(&cast.expr)?;
                match self.iceberg.field_by_id(id)?.field_type.as_ref() {
                    Type::Primitive(PrimitiveType::String) => Some(id),
                    _ => None,
                }
            }
            Expr::ScalarFunction(function) if function.name() == "get_field" => {
                let (base, names) = function.args.split_first()?;
                let mut id = self.field_of(base)?;
                for name in names {
                    let name = literal(name)?.try_as_str().flatten()?;
                    let Type::Struct(fields) = self.iceberg.field_by_id(id)?.field_type.as_ref()
                    else {
                        return None;
                    };
                    id = fields.field_by_name(name)?.id;
                }
                Some(id)
            }
            _ => None,
        }
    }
}

fn is_text(kind: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType as D;
    matches!(kind, D::Utf8 | D::LargeUtf8 | D::Utf8View)
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn constant(value: &ScalarValue, negated: bool) -> Predicate {
    match value {
        ScalarValue::Boolean(Some(v)) if *v != negated => Predicate::And(Vec::new()),
        ScalarValue::Boolean(_) | ScalarValue::Null => Predicate::Never,
        _ => Predicate::Unknown,
    }
}
