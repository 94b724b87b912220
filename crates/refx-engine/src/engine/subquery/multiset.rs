//! `except all` and `intersect all`: each row as often as the rows of the two sides say.
//!
//! DataFusion plans them as an anti and a semi join over all columns, as if rows did not occur more
//! than once. With the number of the occurrence as one more column they are right: the second `a` of
//! the left side meets only a second `a` of the right one.

use std::sync::Arc;

use datafusion::common::{NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{
    Distinct, Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder,
};

use super::names::{column, columns, fresh, of_table, restored, same, table};

/// Whether the node is what DataFusion makes of the two. It puts a DISTINCT below those without ALL.
pub(super) fn is_one(node: &LogicalPlan) -> bool {
    let LogicalPlan::Join(join) = node else {
        return false;
    };
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
}

pub(super) fn rewrite(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Join(join) = node else {
        return Ok(node);
    };
    let Join {
        left,
        right,
        on,
        join_type,
        schema,
        ..
    } = join;
    // Rows are compared in the types that both sides have in common.
    let (of_left, of_right): (Vec<Expr>, Vec<Expr>) = on.into_iter().unzip();
    let (left_name, right_name) = (fresh("left"), fresh("right"));
    let own = columns(&left).into_iter().map(Expr::Column).collect();
    let left = numbered(Arc::unwrap_or_clone(left), own, of_left, &left_name)?;
    let right = numbered(
        Arc::unwrap_or_clone(right),
        Vec::new(),
        of_right,
        &right_name,
    )?;
    let width = schema.fields().len();
    let pairs =
        (0..=width).map(|at| same(of_table(&left_name, width + at), of_table(&right_name, at)));
    let plan = LogicalPlanBuilder::from(left)
        .join_on(right, join_type, pairs)?
        .build()?;
    restored(plan, &schema)
}

/// A table of some columns, the values that are compared, and the number of the occurrence of these.
fn numbered(
    plan: LogicalPlan,
    columns: Vec<Expr>,
    compared: Vec<Expr>,
    name: &datafusion::common::TableReference,
) -> Result<LogicalPlan> {
    let first = columns.len();
    let values = table(plan, columns.into_iter().chain(compared).collect(), name)?;
    let all: Vec<Expr> = self::columns(&values)
        .into_iter()
        .map(Expr::Column)
        .collect();
    let number = row_number().partition_by(all[first..].to_vec()).build()?;
    let plan = LogicalPlanBuilder::from(values)
        .window(vec![number.alias(fresh("occurrence").table())])?
        .build()?;
    let last = Expr::Column(column(&plan, all.len()));
    table(plan, all.into_iter().chain([last]).collect(), name)
}
