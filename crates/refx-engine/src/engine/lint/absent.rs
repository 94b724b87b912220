//! `nullable-not-in`: NOT IN over a query whose column may be NULL. One NULL, and no row is kept.

use datafusion::common::JoinType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Cast, InSubquery};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, Join, LogicalPlan};

use super::nullable::{is_column, refuses_null};
use super::{Filled, Finding, place};
use crate::engine::{Name, SCHEMA};
use refx_core::diagnostic::Code;

pub(super) fn check(plan: &LogicalPlan, filled: &Filled, found: &mut Vec<Finding>) {
    // The walks cannot fail: their steps do not.
    let _ = plan.apply_with_subqueries(|node| {
        let _ = node.apply_expressions(|expr| {
            expr.apply(|part| {
                found.extend(of(part, filled));
                Ok(TreeNodeRecursion::Continue)
            })
        });
        Ok(TreeNodeRecursion::Continue)
    });
}

fn of(expr: &Expr, filled: &Filled) -> Option<Finding> {
    let inside = match expr {
        Expr::InSubquery(inside) if inside.negated => inside,
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(inside) if !inside.negated => inside,
            _ => return None,
        },
        _ => return None,
    };
    let InSubquery { expr, subquery, .. } = inside;
    if is_filled(&subquery.subquery, 0, filled) {
        return None;
    }
    let column = subquery.subquery.schema().field(0).name();
    let finding = Finding::new(
        Code::NullableNotIn,
        place(expr),
        format!("`not in` keeps no row where the query gives a NULL, and `{column}` may be NULL"),
    );
    Some(finding.help(format!(
        "add `where {column} is not null` to the query, or write `not exists`"
    )))
}

/// Whether a column of a plan is known to hold no NULL.
fn is_filled(plan: &LogicalPlan, at: usize, filled: &Filled) -> bool {
    if !plan.schema().field(at).is_nullable() {
        return true;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let Some(expr) = projection.expr.get(at) else {
                return false;
            };
            is_filled_expr(expr, &projection.input, filled)
        }
        LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(at) {
            Some(Expr::GroupingSet(_)) | None => false,
            Some(group) => is_filled_expr(group, &aggregate.input, filled),
        },
        LogicalPlan::Filter(filter) => {
            let conditions = split_conjunction(&filter.predicate);
            let refused = |condition: &&Expr| refuses_null(condition, plan, at);
            conditions.iter().any(refused) || is_filled(&filter.input, at, filled)
        }
        LogicalPlan::Join(join) => of_join(join, at, filled),
        LogicalPlan::Window(window) => {
            let inner = window.input.schema().fields().len();
            at < inner && is_filled(&window.input, at, filled)
        }
        LogicalPlan::SubqueryAlias(alias) => is_filled(&alias.input, at, filled),
        LogicalPlan::Sort(sort) => is_filled(&sort.input, at, filled),
        LogicalPlan::Limit(limit) => is_filled(&limit.input, at, filled),
        LogicalPlan::Subquery(inner) => is_filled(&inner.subquery, at, filled),
        LogicalPlan::Distinct(Distinct::All(input)) => is_filled(input, at, filled),
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .all(|input| is_filled(input, at, filled)),
        LogicalPlan::TableScan(scan) => {
            let schema = match scan.table_name.schema() {
                Some(schema) if schema != SCHEMA => Some(schema.to_owned()),
                _ => None,
            };
            let column = plan.schema().field(at).name();
            let table = scan.table_name.table().to_owned();
            let wanted = Name { schema, table };
            let known = filled.iter().find(|(name, _)| name.is(&wanted));
            known.is_some_and(|(_, columns)| columns.contains(column))
        }
        _ => false,
    }
}

fn is_filled_expr(expr: &Expr, input: &LogicalPlan, filled: &Filled) -> bool {
    match expr {
        Expr::Alias(alias) => is_filled_expr(&alias.expr, input, filled),
        Expr::Cast(Cast { expr, .. }) => is_filled_expr(expr, input, filled),
        Expr::Negative(inner) => is_filled_expr(inner, input, filled),
        Expr::Column(column) => {
            let at = input.schema().maybe_index_of_column(column);
            at.is_some_and(|at| is_filled(input, at, filled))
        }
        Expr::ScalarFunction(call) if matches!(call.name(), "coalesce" | "nvl" | "ifnull") => call
            .args
            .iter()
            .any(|argument| is_filled_expr(argument, input, filled)),
        Expr::ScalarFunction(call)
            if matches!(call.name(), "lower" | "upper" | "trim" | "btrim") =>
        {
            call.args
                .iter()
                .all(|argument| is_filled_expr(argument, input, filled))
        }
        expr => expr
            .nullable(input.schema())
            .is_ok_and(|nullable| !nullable),
    }
}

fn of_join(join: &Join, at: usize, filled: &Filled) -> bool {
    let middle = join.left.schema().fields().len();
    let (side, inner, is_left) = match at.checked_sub(middle) {
        None => (&join.left, at, true),
        Some(inner) => (&join.right, inner, false),
    };
    match join.join_type {
        JoinType::Inner => {
            let equal = join.on.iter().any(|(left, right)| {
                let on = if is_left { left } else { right };
                is_column(on, side, inner)
            });
            equal || is_filled(side, inner, filled)
        }
        JoinType::Left if is_left => is_filled(side, inner, filled),
        JoinType::Right if !is_left => is_filled(side, inner, filled),
        JoinType::LeftSemi | JoinType::LeftAnti => is_filled(&join.left, at, filled),
        _ => false,
    }
}
