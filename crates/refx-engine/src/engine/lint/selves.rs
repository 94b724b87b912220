//! `self-comparison`: a column compared with itself, which says nothing of the row.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, visit_expressions};

use super::{Finding, written};
use refx_core::diagnostic::Code;

pub(super) fn check(query: &Query, found: &mut Vec<Finding>) {
    let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
        found.extend(of(expr));
        ControlFlow::Continue(())
    });
}

fn of(expr: &Expr) -> Option<Finding> {
    let Expr::BinaryOp { left, op, right } = expr else {
        return None;
    };
    let (left, right) = (column(left)?, column(right)?);
    if left != right {
        return None;
    }
    let outcome = match op {
        BinaryOperator::Eq | BinaryOperator::LtEq | BinaryOperator::GtEq => "true",
        BinaryOperator::NotEq | BinaryOperator::Lt | BinaryOperator::Gt => "false",
        _ => return None,
    };
    let name = left.join(".");
    let finding = Finding::new(
        Code::SelfComparison,
        written::start(expr),
        format!("`{name}` is compared with itself: `{op}` is {outcome} for each value"),
    );
    Some(
        finding.help(match left.len() {
            1 => "compare it with another column; for rows that have a value, write `is not null`"
                .to_owned(),
            _ => format!(
                "compare it with the column of the other table; for rows that have a value, write \
             `{name} is not null`"
            ),
        }),
    )
}

/// The parts of a column's name, as SQL compares them.
fn column(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Nested(inner) => column(inner),
        Expr::Identifier(name) => Some(vec![written::folded(name)]),
        Expr::CompoundIdentifier(names) => Some(names.iter().map(written::folded).collect()),
        _ => None,
    }
}
