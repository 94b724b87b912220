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
        join_type,
        schema,
        ..
    } = join;
    let (left_name, right_name) = (fresh("left"), fresh("right"));
    let left = numbered(Arc::unwrap_or_clone(left), &left_name)?;
    let right = numbered(Arc::unwrap_or_clone(right), &right_name)?;
    let pairs = (0..left.schema().fields().len())
        .map(|at| same(of_table(&left_name, at), of_table(&right_name, at)));
    let plan = LogicalPlanBuilder::from(left)
        .join_on(right, join_type, pairs)?
        .build()?;
    restored(plan, &schema)
}

/// The rows with the number of the occurrence of each as their last column.
fn numbered(plan: LogicalPlan, name: &datafusion::common::TableReference) -> Result<LogicalPlan> {
    let all: Vec<Expr> = columns(&plan).into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(all.clone()).build()?;
    let plan = LogicalPlanBuilder::from(plan)
        .window(vec![number.alias(fresh("occurrence").table())])?
        .build()?;
    let last = column(&plan, all.len());
    table(
        plan,
        all.into_iter().chain([Expr::Column(last)]).collect(),
        name,
    )
}
