//! `a is distinct from b and c` means `(a is distinct from b) and c`.
//!
//! sqlparser 0.62 reads everything after FROM as one expression: `a is distinct from (b and c)`. Where
//! `b` is a boolean, that is another condition without an error. Parentheses stay in sqlparser's tree,
//! so the order of the words is known, and they are grouped again.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut,
};

/// Groups the conditions in a parsed text as the standard does.
pub(super) fn regroup(parsed: &mut impl VisitMut) {
    let _ = parsed.visit(&mut Regroup);
}

struct Regroup;

impl VisitorMut for Regroup {
    type Break = ();

    // The outermost first: what a NOT or AND before it belongs to changes as well.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        regroup_expr(expr);
        ControlFlow::Continue(())
    }
}

fn regroup_expr(expr: &mut Expr) {
    if !swallows(expr) {
        return;
    }
    let mut words = VecDeque::new();
    let written = std::mem::replace(expr, Expr::value(Value::Null));
    flatten(written, &mut words);
    *expr = either(&mut words);
}

/// Whether an IS DISTINCT FROM took more than is its own.
fn swallows(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(
                right.as_ref(),
                Expr::BinaryOp {
                    op: BinaryOperator::And | BinaryOperator::Or,
                    ..
                }
            ) || swallows(right)
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => swallows(left) || swallows(right),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => swallows(expr),
        _ => false,
    }
}

enum Word {
    Operand(Box<Expr>),
    Not,
    Distinct,
    NotDistinct,
    And,
    Or,
}

/// The operands and operators in the order of the text.
fn flatten(expr: Expr, words: &mut VecDeque<Word>) {
    match expr {
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            right,
        } => {
            flatten(*left, words);
            words.push_back(match op {
                BinaryOperator::And => Word::And,
                _ => Word::Or,
            });
            flatten(*right, words);
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => {
            words.push_back(Word::Not);
            flatten(*expr, words);
        }
        Expr::IsDistinctFrom(left, right) => {
            flatten(*left, words);
            words.push_back(Word::Distinct);
            flatten(*right, words);
        }
        Expr::IsNotDistinctFrom(left, right) => {
            flatten(*left, words);
            words.push_back(Word::NotDistinct);
            flatten(*right, words);
        }
        other => words.push_back(Word::Operand(Box::new(other))),
    }
}

fn either(words: &mut VecDeque<Word>) -> Expr {
    let mut left = both(words);
    while let Some(Word::Or) = words.front() {
        words.pop_front();
        left = joined(left, BinaryOperator::Or, both(words));
    }
    left
}

fn both(words: &mut VecDeque<Word>) -> Expr {
    let mut left = negated(words);
    while let Some(Word::And) = words.front() {
        words.pop_front();
        left = joined(left, BinaryOperator::And, negated(words));
    }
    left
}

fn negated(words: &mut VecDeque<Word>) -> Expr {
    match words.front() {
        Some(Word::Not) => {
            words.pop_front();
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(negated(words)),
            }
        }
        _ => distinct(words),
    }
}

fn distinct(words: &mut VecDeque<Word>) -> Expr {
    let mut left = operand(words);
    loop {
        let make = match words.front() {
            Some(Word::Distinct) => Expr::IsDistinctFrom,
            Some(Word::NotDistinct) => Expr::IsNotDistinctFrom,
            _ => return left,
        };
        words.pop_front();
        left = make(Box::new(left), Box::new(operand(words)));
    }
}

fn operand(words: &mut VecDeque<Word>) -> Expr {
    match words.pop_front() {
        Some(Word::Operand(expr)) => *expr,
        // `a is distinct from not b`
        Some(Word::Not) => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(negated(words)),
        },
        // The words come from a tree, where each operator has its operands.
        _ => Expr::value(Value::Null),
    }
}

fn joined(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
