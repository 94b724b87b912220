//! `no-order`: functions and limits that take rows by their order, where none is given.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Function, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query, Select,
    SetExpr, Value, Visit, Visitor, WindowSpec, visit_expressions,
};

use super::{Finding, written};
use crate::engine::Position;
use refx_core::diagnostic::Code;

/// Window functions whose value is that of one row among others.
const PICKS: &[&str] = &[
    "row_number",
    "ntile",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
];
/// Aggregates that depend on the order in which rows come.
const GATHERS: &[&str] = &[
    "first_value",
    "last_value",
    "nth_value",
    "array_agg",
    "string_agg",
];
/// What makes of a list something that its order does not touch.
const ORDERLESS: &[&str] = &[
    "array_sort",
    "list_sort",
    "array_length",
    "list_length",
    "cardinality",
    "array_has",
    "list_has",
    "list_contains",
    "array_contains",
    "array_max",
    "array_min",
    "list_max",
];

pub(super) fn check(query: &Query, state: &SessionState, found: &mut Vec<Finding>) {
    let harmless = harmless(query);
    written::each_call(query, &mut |function, window| {
        let place = written::start(&function.name);
        if place.is_none_or(|place| !harmless.contains(&place)) {
            found.extend(of_call(function, window, place));
        }
    });
    let _ = query.visit(&mut Limits {
        state,
        asked_for_existence: HashSet::new(),
        found,
    });
}

fn of_call(
    function: &Function,
    window: Option<&WindowSpec>,
    place: Option<Position>,
) -> Option<Finding> {
    let name = written::function_name(function)?;
    let finding = match window {
        Some(window) => {
            let ordered = window
                .order_by
                .iter()
                .any(|key| !is_constant(&key.expr) && !window.partition_by.contains(&key.expr));
            if ordered || !PICKS.contains(&name.as_str()) {
                return None;
            }
            let message = match window.order_by.is_empty() {
                true => format!("`{name}` without `order by` takes rows as they happen to come"),
                false => format!("the `order by` of `{name}` is the same for all rows it compares"),
            };
            Finding::new(Code::NoOrder, place, message).help(
                "order by columns that tell any two rows apart: `order by event_ts, event_id`",
            )
        }
        None => {
            let order = written::aggregate_order(function);
            if function.over.is_some()
                || order.iter().any(|key| !is_constant(&key.expr))
                || !GATHERS.contains(&name.as_str())
            {
                return None;
            }
            let value = match written::argument_exprs(function).next() {
                Some(value) => value.to_string(),
                None => "…".to_owned(),
            };
            Finding::new(
                Code::NoOrder,
                place,
                format!("`{name}` without `order by` takes rows as they happen to come"),
            )
            .help(format!(
                "give the order inside: `{name}({value} order by …)`"
            ))
        }
    };
    Some(finding)
}

/// Places of calls whose order does not reach the result: what `array_sort(array_agg(x))` holds.
fn harmless(query: &Query) -> HashSet<Position> {
    let mut places = HashSet::new();
    let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
        if let Expr::Function(outer) = expr
            && written::function_name(outer).is_some_and(|name| ORDERLESS.contains(&name.as_str()))
        {
            for argument in written::argument_exprs(outer) {
                if let Expr::Function(inner) = argument {
                    places.extend(written::start(&inner.name));
                }
            }
        }
        ControlFlow::Continue(())
    });
    places
}

fn is_constant(expr: &Expr) -> bool {
    let mut constant = true;
    let _ = visit_expressions(expr, |part| {
        constant &= !matches!(
            part,
            Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::Function(_)
                | Expr::Subquery(_)
        );
        match constant {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    constant
}

struct Limits<'a> {
    state: &'a SessionState,
    /// Where the queries begin that are only asked whether they have a row.
    asked_for_existence: HashSet<Position>,
    found: &'a mut Vec<Finding>,
}

impl Visitor for Limits<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, .. } = expr {
            self.asked_for_existence
                .extend(written::start(subquery.as_ref()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(limit) = limit(query)
            && !is_zero(limit)
            && !is_ordered(query)
            && !self.gives_one_row(&query.body)
            && written::start(query).is_none_or(|at| !self.asked_for_existence.contains(&at))
        {
            self.found.push(
                Finding::new(
                    Code::NoOrder,
                    written::start(limit),
                    "`limit` without `order by` keeps the rows that happen to come first",
                )
                .help("order by columns that tell any two rows apart, or leave the limit out"),
            );
        }
        if let SetExpr::Select(select) = query.body.as_ref()
            && let Some(Distinct::On(on)) = &select.distinct
            && !orders_beyond(query, on)
        {
            self.found.push(
                Finding::new(
                    Code::NoOrder,
                    on.first().and_then(written::start),
                    "`distinct on` without a further `order by` keeps the row that happens to come \
                     first",
                )
                .help("order by these columns, then by those that say which row is kept"),
            );
        }
        ControlFlow::Continue(())
    }
}

impl Limits<'_> {
    /// An aggregate without groups gives one row, and limits of it change nothing.
    fn gives_one_row(&self, body: &SetExpr) -> bool {
        let SetExpr::Select(select) = body else {
            return false;
        };
        matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty())
            && self.aggregates(select)
    }

    fn aggregates(&self, select: &Select) -> bool {
        select.projection.iter().any(|item| {
            let mut found = false;
            let _ = visit_expressions(item, |expr| -> ControlFlow<()> {
                if let Expr::Function(function) = expr {
                    found |= function.over.is_none()
                        && written::function_name(function).is_some_and(|name| {
                            self.state.aggregate_functions().contains_key(&name)
                        });
                }
                ControlFlow::Continue(())
            });
            found
        })
    }
}

fn limit(query: &Query) -> Option<&Expr> {
    match query.limit_clause.as_ref()? {
        LimitClause::LimitOffset { limit, .. } => limit.as_ref(),
        LimitClause::OffsetCommaLimit { limit, .. } => Some(limit),
    }
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _) if digits == "0"))
}

fn is_ordered(query: &Query) -> bool {
    match query.order_by.as_ref().map(|order| &order.kind) {
        None => false,
        Some(OrderByKind::All(_)) => true,
        Some(OrderByKind::Expressions(keys)) => keys.iter().any(names_a_column),
    }
}

/// A number in the `order by` of a query is the column at that place.
fn names_a_column(key: &OrderByExpr) -> bool {
    let position =
        matches!(&key.expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    position || !is_constant(&key.expr)
}

fn orders_beyond(query: &Query, on: &[Expr]) -> bool {
    match query.order_by.as_ref().map(|order| &order.kind) {
        None => false,
        Some(OrderByKind::All(_)) => true,
        Some(OrderByKind::Expressions(keys)) => keys
            .iter()
            .any(|key| names_a_column(key) && !on.contains(&key.expr)),
    }
}
