//! `null-comparison`: comparing with NULL gives neither true nor false.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, Value, visit_expressions};

use super::{Finding, written};
use refx_core::diagnostic::Code;

pub(super) fn check(query: &Query, found: &mut Vec<Finding>) {
    let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
        found.extend(of(expr));
        ControlFlow::Continue(())
    });
}

fn of(expr: &Expr) -> Option<Finding> {
    let (message, help) = match expr {
        Expr::BinaryOp { left, op, right } => {
            if !compares(op) || !(is_null(left) || is_null(right)) {
                return None;
            }
            let better = match op {
                BinaryOperator::NotEq => "is not null",
                _ => "is null",
            };
            (
                format!("a comparison by `{op}` with NULL is never true"),
                format!("write `{better}`"),
            )
        }
        // `in` merely never finds the NULL; `not in` finds nothing at all.
        Expr::InList {
            list,
            negated: true,
            ..
        } if list.iter().any(is_null) => (
            "`not in` a list with a NULL is never true".to_owned(),
            "leave the NULL out of the list".to_owned(),
        ),
        Expr::Case {
            operand: Some(_),
            conditions,
            ..
        } if conditions.iter().any(|when| is_null(&when.condition)) => (
            "`when null` compares by `=`, which is never true".to_owned(),
            "write `case when … is null then …`".to_owned(),
        ),
        _ => return None,
    };
    Some(Finding::new(Code::NullComparison, written::start(expr), message).help(help))
}

fn compares(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_null(inner),
        Expr::Value(value) => value.value == Value::Null,
        _ => false,
    }
}
