//! `outer-join-undone`: an outer join whose rows without a match are dropped again, in the same SELECT.

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::expr::{Cast, InList, InSubquery};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Join, Like, LogicalPlan, Operator};

use super::{Finding, Site, place};
use refx_core::diagnostic::Code;

pub(super) fn check(site: &Site<'_>, found: &mut Vec<Finding>) {
    match site.node {
        LogicalPlan::Filter(filter) => {
            for condition in split_conjunction(&filter.predicate) {
                told(condition, &filter.input, "`where`", found);
            }
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let whole = "the inner join after it";
            for (left, right) in &join.on {
                let equal = left.clone().eq(right.clone());
                for side in [&join.left, &join.right] {
                    told(&equal, side, whole, found);
                }
            }
            for condition in join.filter.iter().flat_map(split_conjunction) {
                for side in [&join.left, &join.right] {
                    told(condition, side, whole, found);
                }
            }
        }
        _ => {}
    }
}

/// Finds the outer join below, in the same SELECT, whose rows without a match a condition drops.
fn told(condition: &Expr, below: &LogicalPlan, whose: &str, found: &mut Vec<Finding>) {
    for column in condition.column_refs() {
        let Some(outer) = outer_join(below, column) else {
            continue;
        };
        if !drops_null(condition, column) {
            continue;
        }
        let Outer { word, table } = outer;
        let message = format!(
            "{whose} drops the rows for which the {word} join finds no `{table}`: `{}` is NULL there",
            column.name
        );
        found.push(
            Finding::new(Code::OuterJoinUndone, place(condition), message).help(format!(
                "put the condition into the `on` of the {word} join, or write an inner join; to \
                 keep those rows, add `or {table}.{} is null`",
                column.name
            )),
        );
        // One column of a condition is enough.
        return;
    }
}

struct Outer {
    word: &'static str,
    /// The table that may have no row.
    table: String,
}

/// The outer join that puts NULL into a column.
fn outer_join(plan: &LogicalPlan, column: &Column) -> Option<Outer> {
    match plan {
        LogicalPlan::Filter(filter) => outer_join(&filter.input, column),
        LogicalPlan::Join(join) => of_join(join, column),
        _ => None,
    }
}

fn of_join(join: &Join, column: &Column) -> Option<Outer> {
    let is_left = join.left.schema().has_column(column);
    if !is_left && !join.right.schema().has_column(column) {
        return None;
    }
    let side = if is_left { &join.left } else { &join.right };
    let word = match join.join_type {
        JoinType::Left if !is_left => "left",
        JoinType::Right if is_left => "right",
        // Either side of a full join may be dropped on purpose, and the other one kept.
        JoinType::Inner | JoinType::Left | JoinType::Right => return outer_join(side, column),
        _ => return None,
    };
    let table = column.relation.as_ref()?.table().to_owned();
    Some(Outer { word, table })
}

/// Whether a condition is never true where the column is NULL. `is not null` is left out: who writes
/// it knows that there are rows without a match.
fn drops_null(condition: &Expr, column: &Column) -> bool {
    let null = |expr: &Expr| is_null_with(expr, column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Or => drops_null(left, column) && drops_null(right, column),
            Operator::And => drops_null(left, column) || drops_null(right, column),
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => false,
            _ => null(left) || null(right),
        },
        Expr::Not(inner) => match inner.as_ref() {
            Expr::BinaryExpr(BinaryExpr {
                op: Operator::Or | Operator::And,
                ..
            }) => false,
            inner => drops_null(inner, column),
        },
        Expr::InList(InList { expr, .. }) | Expr::InSubquery(InSubquery { expr, .. }) => null(expr),
        Expr::Between(Between { expr, .. }) => null(expr),
        Expr::Like(Like { expr, .. }) => null(expr),
        Expr::IsTrue(inner) | Expr::IsFalse(inner) => null(inner),
        Expr::Column(_) => null(condition),
        _ => false,
    }
}

/// Whether an expression is NULL wherever the column is.
fn is_null_with(expr: &Expr, column: &Column) -> bool {
    let null = |expr: &Expr| is_null_with(expr, column);
    match expr {
        Expr::Column(found) => found == column,
        Expr::Cast(Cast { expr, .. }) => null(expr),
        Expr::Negative(inner) => null(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            !op.is_logic_operator()
                && !matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
                && (null(left) || null(right))
        }
        Expr::ScalarFunction(call) => {
            const STRICT: [&str; 14] = [
                "lower",
                "upper",
                "trim",
                "btrim",
                "ltrim",
                "rtrim",
                "substr",
                "abs",
                "round",
                "floor",
                "ceil",
                "date_trunc",
                "date_part",
                "character_length",
            ];
            STRICT.contains(&call.name()) && call.args.iter().any(null)
        }
        _ => false,
    }
}
