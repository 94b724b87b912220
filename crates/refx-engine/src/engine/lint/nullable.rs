//! `nullable-key`: a column of the primary key in which the query itself puts NULL.
//!
//! A column that may hold NULL where it comes from is not told of: only the data know.

use datafusion::common::JoinType;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::{Cast, InList, InSubquery, TryCast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan};
use datafusion::sql::sqlparser::ast::Query;

use super::facts::window_function;
use super::{Finding, Subject, place, written};
use crate::engine::{Plan, Position};
use refx_core::diagnostic::Code;

pub(super) fn check(query: &Query, plan: &Plan, subject: &Subject, found: &mut Vec<Finding>) {
    let fields = plan.written.schema().fields();
    for name in &subject.primary_key {
        let Some(at) = fields.iter().position(|field| field.name() == name) else {
            continue;
        };
        let Some(origin) = origin(&plan.written, at) else {
            continue;
        };
        let place = written::output_column(query, name)
            .or(origin.place)
            .or_else(|| written::outermost_place(query));
        found.push(
            Finding::new(
                Code::NullableKey,
                place,
                format!(
                    "`{name}` is of the primary key and can be NULL: {}",
                    origin.how
                ),
            )
            .help(format!(
                "leave such rows out: `where {name} is not null`, or give them a value: \
                 `coalesce({name}, …)`"
            )),
        );
    }
}

/// What makes NULL of a column.
struct Origin {
    how: String,
    place: Option<Position>,
}

/// Follows a column down to where NULL is put into it; none where nothing is seen to.
fn origin(plan: &LogicalPlan, column: usize) -> Option<Origin> {
    let mut open = vec![(plan, column)];
    while let Some((node, at)) = open.pop() {
        let below = match node {
            LogicalPlan::Projection(projection) => of_expr(projection.expr.get(at)?, node),
            LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.get(at) {
                Some(Expr::GroupingSet(_)) | None => Step::Stop,
                Some(group) => of_expr(group, node),
            },
            LogicalPlan::Window(window) => {
                let inner = window.input.schema().fields().len();
                match at.checked_sub(inner) {
                    None => Step::Down(vec![at]),
                    Some(made) => of_window(window.window_expr.get(made)?),
                }
            }
            LogicalPlan::Filter(filter) => {
                let conditions = split_conjunction(&filter.predicate);
                let refused = |condition: &&Expr| refuses_null(condition, node, at);
                match conditions.iter().any(refused) {
                    true => Step::Stop,
                    false => Step::Down(vec![at]),
                }
            }
            LogicalPlan::Join(join) => of_join(join, at),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Union(_) => Step::Down(vec![at]),
            LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(_)) => {
                Step::Down(vec![at])
            }
            _ => Step::Stop,
        };
        match below {
            Step::Found(origin) => return Some(origin),
            Step::Down(columns) => {
                for input in node.inputs() {
                    open.extend(columns.iter().map(|at| (input, *at)));
                }
            }
            Step::Into(input, at) => open.push((input, at)),
            Step::Stop => {}
        }
    }
    None
}

enum Step<'a> {
    /// NULL is made here.
    Found(Origin),
    /// It comes from one of these columns of the inputs.
    Down(Vec<usize>),
    Into(&'a LogicalPlan, usize),
    /// Nothing is known to make NULL.
    Stop,
}

fn found<'a>(how: impl Into<String>, expr: &Expr) -> Step<'a> {
    Step::Found(Origin {
        how: how.into(),
        place: place(expr),
    })
}

/// An expression over the columns of the one input of a node.
fn of_expr<'a>(expr: &Expr, node: &'a LogicalPlan) -> Step<'a> {
    match expr {
        Expr::Alias(alias) => of_expr(&alias.expr, node),
        Expr::Cast(Cast { expr, .. }) => of_expr(expr, node),
        Expr::Negative(inner) => of_expr(inner, node),
        Expr::Column(column) => {
            let input = node.inputs().first().copied();
            let at = input.and_then(|input| input.schema().maybe_index_of_column(column));
            at.map_or(Step::Stop, |at| Step::Down(vec![at]))
        }
        Expr::TryCast(TryCast { expr, .. }) => {
            found("`try_cast` gives NULL for what it cannot read", expr)
        }
        Expr::Literal(value, _) if value.is_null() => found("it is NULL", expr),
        Expr::Case(case) if case.else_expr.is_none() => found("the `case` has no `else`", expr),
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().map(|(_, then)| then);
            let branches = branches.chain(&case.else_expr);
            all(branches.map(|branch| of_expr(branch, node)))
        }
        Expr::ScalarFunction(function) => match function.name() {
            "nullif" => found("`nullif` gives NULL where both are equal", expr),
            "coalesce" | "nvl" | "nvl2" | "ifnull" | "concat" | "concat_ws" | "greatest"
            | "least" => Step::Stop,
            _ => all(function.args.iter().map(|argument| of_expr(argument, node))),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if !op.is_logic_operator() => {
            all([of_expr(left, node), of_expr(right, node)].into_iter())
        }
        _ => Step::Stop,
    }
}

/// Any of the parts may make it.
fn all<'a>(parts: impl Iterator<Item = Step<'a>>) -> Step<'a> {
    let mut columns = Vec::new();
    for part in parts {
        match part {
            Step::Found(_) | Step::Into(..) => return part,
            Step::Down(more) => columns.extend(more),
            Step::Stop => {}
        }
    }
    Step::Down(columns)
}

fn of_window<'a>(expr: &Expr) -> Step<'a> {
    let Some(function) = window_function(expr) else {
        return Step::Stop;
    };
    let name = function.fun.name();
    match name {
        // The third argument stands for the row that is not there.
        "lag" | "lead" if function.params.args.len() < 3 => {
            found(format!("`{name}` gives NULL at the end of the rows"), expr)
        }
        _ => Step::Stop,
    }
}

fn of_join(join: &Join, at: usize) -> Step<'_> {
    let middle = join.left.schema().fields().len();
    let (side, inner, is_left) = match at.checked_sub(middle) {
        None => (&join.left, at, true),
        Some(inner) => (&join.right, inner, false),
    };
    let word = match join.join_type {
        JoinType::Left if !is_left => "left join",
        JoinType::Right if is_left => "right join",
        JoinType::Full => "full join",
        JoinType::Inner => {
            let equal = join.on.iter().any(|(left, right)| {
                let on = if is_left { left } else { right };
                is_column(on, side, inner)
            });
            let whole = LogicalPlan::Join(join.clone());
            let conditions = join.filter.iter().flat_map(split_conjunction);
            let refused = conditions
                .into_iter()
                .any(|condition| refuses(condition, |expr| is_column(expr, &whole, at)));
            return match equal || refused {
                true => Step::Stop,
                false => Step::Into(side, inner),
            };
        }
        JoinType::Left | JoinType::Right => return Step::Into(side, inner),
        _ => return Step::Stop,
    };
    let (table, field) = side.schema().qualified_field(inner);
    let table = table.map_or_else(|| field.name().as_str(), |table| table.table());
    Step::Found(Origin {
        how: format!("the {word} finds no row of `{table}` for some"),
        place: None,
    })
}

pub(super) fn is_column(expr: &Expr, of: &LogicalPlan, at: usize) -> bool {
    matches!(expr, Expr::Column(column) if of.schema().maybe_index_of_column(column) == Some(at))
}

pub(super) fn refuses_null(condition: &Expr, filter: &LogicalPlan, at: usize) -> bool {
    refuses(condition, |expr| is_column(expr, filter, at))
}

/// Whether a condition does not hold where a column is NULL.
fn refuses(condition: &Expr, is_column: impl Fn(&Expr) -> bool) -> bool {
    let has = |expr: &Expr| expr.exists(|part| Ok(is_column(part))).unwrap_or(true);
    match condition {
        Expr::IsNotNull(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) => has(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            use datafusion::logical_expr::Operator::{IsDistinctFrom, IsNotDistinctFrom, Or};
            !matches!(op, IsDistinctFrom | IsNotDistinctFrom | Or) && (has(left) || has(right))
        }
        Expr::InList(InList { expr, .. }) | Expr::InSubquery(InSubquery { expr, .. }) => has(expr),
        Expr::Between(between) => has(&between.expr),
        Expr::Like(like) => has(&like.expr),
        Expr::Column(_) => is_column(condition),
        _ => false,
    }
}
