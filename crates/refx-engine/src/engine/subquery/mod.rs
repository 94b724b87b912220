//! Subqueries become joins here, before DataFusion's own rules see them.
//!
//! DataFusion 55.2 takes `x in (subquery)` under OR, NOT, IS NULL and CASE for true or false where it
//! is NULL, refuses subqueries outside of WHERE, and mixes up columns of equal names where it takes a
//! subquery out of its place. So refx does it: a subquery in any expression becomes columns that are
//! joined to the rows of the query around it.
//!
//! - `exists`: a mark join, or a semi or anti join where it is a whole condition of WHERE;
//! - `x in`: the same by `x = value`, and two more marks where `x` or a value can be NULL;
//! - a scalar: a left join to at most one row, or an error when there are more.
//!
//! The conditions of a subquery that name columns around it move into the join where only filters,
//! projections and inner joins lie between ([`pull`]). Any other subquery is computed for each
//! distinct combination of these columns ([`dependent`]).
//!
//! `except all` and `intersect all` are joins that ignore how often a row occurs: see [`multiset`].

mod dependent;
mod lift;
mod multiset;
mod names;
mod pull;
mod single;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Sort,
    Window,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use lift::Lift;
use names::{keep, named_like, restored};

/// Rewrites the subqueries of a plan whose types are settled.
#[derive(Debug)]
pub(super) struct Subqueries;

/// The name of the rule.
pub(super) const NAME: &str = "subqueries";

impl AnalyzerRule for Subqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        names::restart();
        rewrite(plan)
    }

    fn name(&self) -> &str {
        NAME
    }
}

/// Whether the rule has anything to do with the plan.
pub(super) fn concerns(plan: &LogicalPlan) -> bool {
    let found = plan.exists(|node| {
        let mut found = multiset::is_one(node);
        node.apply_expressions(|expr| {
            found |= has_subquery(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    });
    found.unwrap_or(true)
}

/// The plan without subqueries in its expressions. Columns of queries around the plan stay as they
/// are.
fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    // The expressions of a node are looked at after its inputs.
    let rewritten = plan.transform_up(|node| {
        if multiset::is_one(&node) {
            return Ok(Transformed::yes(multiset::rewrite(node)?));
        }
        let mut found = false;
        node.apply_expressions(|expr| {
            found |= has_subquery(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(match found {
            true => Transformed::yes(self::node(node)?),
            false => Transformed::no(node),
        })
    })?;
    Ok(rewritten.data)
}

fn has_subquery(expr: &Expr) -> bool {
    let found = expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
        ))
    });
    found.unwrap_or(true)
}

/// One node, of whose expressions some have subqueries.
fn node(node: LogicalPlan) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Filter(filter) => self::filter(filter),
        LogicalPlan::Projection(projection) => {
            let mut lift = Lift::over(Arc::unwrap_or_clone(projection.input));
            let exprs = projection.expr.into_iter().enumerate();
            let exprs = exprs.map(|(at, expr)| {
                let lifted = lift.expression(expr)?;
                Ok(named_like(lifted, projection.schema.qualified_field(at)))
            });
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            Projection::try_new(exprs, Arc::new(lift.plan)).map(LogicalPlan::Projection)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut lift = Lift::over(Arc::unwrap_or_clone(aggregate.input));
            let group = lift.expressions(aggregate.group_expr)?;
            let results = lift.expressions(aggregate.aggr_expr)?;
            let plan = Aggregate::try_new(Arc::new(lift.plan), group, results)?;
            restored(LogicalPlan::Aggregate(plan), &aggregate.schema)
        }
        LogicalPlan::Window(window) => {
            let columns = window.input.schema().fields().len();
            let mut lift = Lift::over(Arc::unwrap_or_clone(window.input));
            let exprs = lift.expressions(window.window_expr)?;
            let lifted = lift.plan.schema().fields().len();
            let count = exprs.len();
            let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(lift.plan))?);
            let positions = (0..columns).chain(lifted..lifted + count).collect();
            keep(plan, positions, &window.schema)
        }
        LogicalPlan::Sort(sort) => {
            let schema = Arc::clone(sort.input.schema());
            let mut lift = Lift::over(Arc::unwrap_or_clone(sort.input));
            let mut keys = sort.expr;
            for key in &mut keys {
                key.expr = lift.expression(key.expr.clone())?;
            }
            let plan = LogicalPlan::Sort(Sort {
                expr: keys,
                input: Arc::new(lift.plan),
                fetch: sort.fetch,
            });
            restored(plan, &schema)
        }
        LogicalPlan::Join(join) => self::join(join),
        other => Err(unsupported(format!("a subquery in {}", other.display()))),
    }
}

/// A whole condition of WHERE need not tell NULL from false.
fn filter(filter: Filter) -> Result<LogicalPlan> {
    let schema = Arc::clone(filter.input.schema());
    let mut lift = Lift::over(Arc::unwrap_or_clone(filter.input));
    let mut conditions = Vec::new();
    for condition in split_conjunction_owned(filter.predicate) {
        match has_subquery(&condition) {
            true => conditions.extend(lift.condition(condition)?),
            false => conditions.push(condition),
        }
    }
    let plan = match conjunction(conditions) {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(lift.plan))?),
        None => lift.plan,
    };
    restored(plan, &schema)
}

/// A subquery in ON is computed for the rows of the side whose columns it names.
fn join(join: Join) -> Result<LogicalPlan> {
    if join.join_type == JoinType::Inner {
        return inner_join(join);
    }
    let schema = Arc::clone(&join.schema);
    let columns = [
        join.left.schema().fields().len(),
        join.right.schema().fields().len(),
    ];
    let sides = [
        Arc::unwrap_or_clone(join.left),
        Arc::unwrap_or_clone(join.right),
    ];
    let mut sides = sides.map(Lift::over);
    let mut lifted = |expr: Expr| lift::on_one_side(expr, &mut sides);
    let filter = join.filter.map(&mut lifted).transpose()?;
    let on = join.on.into_iter().map(|(left, right)| {
        let pair = (lifted(left)?, lifted(right)?);
        Ok(pair)
    });
    let on = on.collect::<Result<Vec<_>>>()?;
    let [left, right] = sides.map(|side| side.plan);
    let wide = left.schema().fields().len();
    let plan = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let positions = match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            (0..columns[0]).chain(wide..wide + columns[1]).collect()
        }
        JoinType::LeftSemi | JoinType::LeftAnti => (0..columns[0]).collect(),
        JoinType::RightSemi | JoinType::RightAnti => (0..columns[1]).collect(),
        JoinType::LeftMark | JoinType::RightMark => {
            return Err(unsupported(
                "a subquery in the condition of a subquery's join",
            ));
        }
    };
    keep(LogicalPlan::Join(plan), positions, &schema)
}

/// What an inner join asks for may as well be asked for after it.
fn inner_join(join: Join) -> Result<LogicalPlan> {
    let mut after = Vec::new();
    let mut before = Vec::new();
    for condition in join.filter.into_iter().flat_map(split_conjunction_owned) {
        match has_subquery(&condition) {
            true => after.push(condition),
            false => before.push(condition),
        }
    }
    let (pairs, on): (Vec<_>, Vec<_>) = join
        .on
        .into_iter()
        .partition(|(left, right)| has_subquery(left) || has_subquery(right));
    after.extend(pairs.into_iter().map(|(left, right)| left.eq(right)));
    let plan = LogicalPlan::Join(Join::try_new(
        join.left,
        join.right,
        on,
        conjunction(before),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?);
    match conjunction(after) {
        Some(condition) => self::filter(Filter::try_new(condition, Arc::new(plan))?),
        None => LogicalPlanBuilder::from(plan).build(),
    }
}

fn unsupported(what: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::NotImplemented(format!("{what}"))
}

#[cfg(test)]
mod tests;
