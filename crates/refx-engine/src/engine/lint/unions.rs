//! `union-columns`, `union-types`: branches that do not line up.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan, Union};

use super::types::{self, Class, class};
use super::{Finding, listed, place};
use crate::engine::{Position, sql_type};
use refx_core::diagnostic::Code;

pub(super) fn check(plan: &LogicalPlan, found: &mut Vec<Finding>) {
    // The walk cannot fail: its step does not.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Union(union) = node {
            branches(union, found);
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

fn branches(union: &Union, found: &mut Vec<Finding>) {
    let Some((first, others)) = union.inputs.split_first() else {
        return;
    };
    for other in others {
        let (names, its) = (names(first), names(other));
        if let Some(at) = out_of_order(&names, &its) {
            let message = format!(
                "`{}` goes to the column `{}` of the first SELECT",
                its[at], names[at]
            );
            found.push(
                Finding::new(Code::UnionColumns, column_place(other, at), message).help(format!(
                    "a union goes by position; give the columns in the order of the first: {}",
                    listed(&names)
                )),
            );
            // In another order the types say nothing.
            continue;
        }
        for at in 0..names.len().min(its.len()) {
            found.extend(met(first, other, at));
        }
    }
}

/// The first column that has the name of another column of the first branch, and not of its own.
fn out_of_order(first: &[String], other: &[String]) -> Option<usize> {
    (0..first.len().min(other.len()))
        .find(|&at| first[at] != other[at] && first.contains(&other[at]))
}

fn met(first: &LogicalPlan, other: &LogicalPlan, at: usize) -> Option<Finding> {
    let (a, b) = (first.schema().field(at), other.schema().field(at));
    let loses = match (class(a.data_type()), class(b.data_type())) {
        // A literal takes what type it needs.
        (Class::Whole, Class::Float) => !is_literal(first, at),
        (Class::Float, Class::Whole) => !is_literal(other, at),
        _ => types::loss(a.data_type(), b.data_type()).is_some(),
    };
    if !loses {
        return None;
    }
    let texts = class(a.data_type()) == Class::Text || class(b.data_type()) == Class::Text;
    let becomes = match texts {
        true => "both become text",
        false => "both become double, and numbers of more than 15 digits are rounded",
    };
    let message = format!(
        "`{}` is {} in the first SELECT and {} here: {becomes}",
        a.name(),
        sql_type(a.data_type()),
        sql_type(b.data_type())
    );
    let wanted = match texts && class(a.data_type()) == Class::Text {
        true => b.data_type(),
        false => a.data_type(),
    };
    Some(
        Finding::new(Code::UnionTypes, column_place(other, at), message).help(format!(
            "cast one of them, so that the column has the type that is meant: `cast({} as {})`",
            b.name(),
            sql_type(wanted)
        )),
    )
}

fn names(plan: &LogicalPlan) -> Vec<String> {
    let fields = plan.schema().fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

fn exprs(plan: &LogicalPlan) -> &[Expr] {
    match plan {
        LogicalPlan::Projection(projection) => &projection.expr,
        LogicalPlan::Distinct(distinct) => exprs(distinct.input()),
        LogicalPlan::Sort(sort) => exprs(&sort.input),
        _ => &[],
    }
}

fn is_literal(plan: &LogicalPlan, at: usize) -> bool {
    exprs(plan).get(at).is_some_and(types::is_constant)
}

/// Where a branch makes a column, or where it makes any other.
fn column_place(plan: &LogicalPlan, at: usize) -> Option<Position> {
    let exprs = exprs(plan);
    exprs
        .get(at)
        .and_then(place)
        .or_else(|| exprs.iter().find_map(place))
}
