//! Conditions of a subquery that name columns around it, moved out of it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Distinct, Expr, Filter, Join, JoinType, LogicalPlan, Projection, SubqueryAlias,
};

use super::names::{column, fresh, names_outer, outer_columns};
use datafusion::common::DFSchema;

/// A subquery without the conditions that name columns around it, and these conditions over its
/// columns and those around.
pub(super) struct Pulled {
    pub plan: LogicalPlan,
    pub conditions: Vec<Expr>,
}

/// `None` where something lies between that must see the conditions hold. How often a row occurs may
/// change: what asks for the rows only asks whether there are any.
pub(super) fn pull(plan: &LogicalPlan, around: &DFSchema) -> Result<Option<Pulled>> {
    let outer = outer_columns(plan, around);
    if outer.is_empty() {
        return Ok(Some(Pulled {
            plan: plan.clone(),
            conditions: Vec::new(),
        }));
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            let Some(below) = pull(&filter.input, around)? else {
                return Ok(None);
            };
            let (moved, kept): (Vec<_>, Vec<_>) = split_conjunction_owned(filter.predicate.clone())
                .into_iter()
                .partition(|condition| names_outer(condition, &outer));
            let plan = match conjunction(kept) {
                Some(condition) => {
                    LogicalPlan::Filter(Filter::try_new(condition, Arc::new(below.plan))?)
                }
                None => below.plan,
            };
            let conditions = below.conditions.into_iter().chain(moved).collect();
            Ok(Some(Pulled { plan, conditions }))
        }
        LogicalPlan::Projection(projection) => {
            if projection.expr.iter().any(|expr| names_outer(expr, &outer)) {
                return Ok(None);
            }
            let Some(below) = pull(&projection.input, around)? else {
                return Ok(None);
            };
            through_projection(projection, below).map(Some)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(below) = pull(&alias.input, around)? else {
                return Ok(None);
            };
            through_alias(alias, below).map(Some)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => pull(input, around),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            let named = sort.expr.iter().any(|key| names_outer(&key.expr, &outer));
            match named {
                true => Ok(None),
                false => pull(&sort.input, around),
            }
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            through_join(join, around, &outer)
        }
        _ => Ok(None),
    }
}

/// The columns that the conditions name become columns of the projection.
fn through_projection(projection: &Projection, below: Pulled) -> Result<Pulled> {
    let mut exprs = projection.expr.clone();
    let mut added: Vec<(Column, Column)> = Vec::new();
    let conditions = below.conditions.into_iter().map(|condition| {
        renamed(condition, &mut |named| {
            if let Some((_, to)) = added.iter().find(|(from, _)| from == named) {
                return to.clone();
            }
            let name = fresh("pulled");
            let to = Column::new(Some(name.clone()), "__c");
            exprs.push(Expr::Column(named.clone()).alias_qualified(Some(name), "__c"));
            added.push((named.clone(), to.clone()));
            to
        })
    });
    let conditions = conditions.collect::<Result<Vec<_>>>()?;
    let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
    Ok(Pulled {
        plan: LogicalPlan::Projection(plan),
        conditions,
    })
}

fn through_alias(alias: &SubqueryAlias, below: Pulled) -> Result<Pulled> {
    // An alias names all columns, and no two may have one name.
    let count = below.plan.schema().fields().len();
    let kept = alias.schema.fields().len();
    let mut exprs = Vec::new();
    let mut names = Vec::new();
    for at in 0..count {
        let from = column(&below.plan, at);
        let to = match at < kept {
            true => Column::from(alias.schema.qualified_field(at)),
            false => Column::new(Some(fresh("pulled")), "__c"),
        };
        exprs.push(Expr::Column(from.clone()).alias_qualified(to.relation.clone(), &to.name));
        names.push((from, to));
    }
    let conditions = below.conditions.into_iter().map(|condition| {
        renamed(condition, &mut |named| {
            let found = names.iter().find(|(from, _)| from == named);
            found.map_or_else(|| named.clone(), |(_, to)| to.clone())
        })
    });
    let conditions = conditions.collect::<Result<Vec<_>>>()?;
    let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
    Ok(Pulled {
        plan: LogicalPlan::Projection(plan),
        conditions,
    })
}

fn through_join(join: &Join, around: &DFSchema, outer: &[Column]) -> Result<Option<Pulled>> {
    if join
        .on
        .iter()
        .any(|(left, right)| names_outer(left, outer) || names_outer(right, outer))
    {
        return Ok(None);
    }
    let (Some(left), Some(right)) = (pull(&join.left, around)?, pull(&join.right, around)?) else {
        return Ok(None);
    };
    let filter = join
        .filter
        .clone()
        .into_iter()
        .flat_map(split_conjunction_owned);
    let (moved, kept): (Vec<_>, Vec<_>) = filter.partition(|part| names_outer(part, outer));
    let plan = Join::try_new(
        Arc::new(left.plan),
        Arc::new(right.plan),
        join.on.clone(),
        conjunction(kept),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let conditions = left.conditions.into_iter().chain(right.conditions);
    Ok(Some(Pulled {
        plan: LogicalPlan::Join(plan),
        conditions: conditions.chain(moved).collect(),
    }))
}

/// The expression with its own columns, not those of the query around, under other names.
pub(super) fn renamed(expr: Expr, name: &mut dyn FnMut(&Column) -> Column) -> Result<Expr> {
    let renamed = expr.transform(|part| {
        Ok(match part {
            Expr::Column(column) => Transformed::yes(Expr::Column(name(&column))),
            other => Transformed::no(other),
        })
    })?;
    Ok(renamed.data)
}
