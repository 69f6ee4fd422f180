//! The walk that all our analyzer rules share: every expression of every node, subqueries too.

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Changes the expressions of a plan, each with the schema that its columns are of. Names of
/// columns stay as they were.
pub(super) fn expressions(
    plan: LogicalPlan,
    change: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let node = |plan: LogicalPlan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            let name = scan.table_name.clone();
            schema.merge(&DFSchema::try_from_qualified_schema(
                name,
                &scan.source.schema(),
            )?);
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(change(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })
    };
    plan.transform_up_with_subqueries(node).data()
}
