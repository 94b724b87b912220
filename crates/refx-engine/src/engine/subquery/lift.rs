//! Subqueries of an expression as columns joined to the plan that the expression is computed over.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, DFSchema, ExprSchema, Result, ScalarValue, TableReference, plan_err,
};
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr::{Case, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Subquery, lit,
};

use super::names::{belongs, column, fresh, of_table, outer_columns, replace_outer, same, table};
use super::pull::{pull, renamed};
use super::single::single;
use super::{dependent, rewrite, unsupported};

/// A plan, to which columns are joined.
pub(super) struct Lift {
    pub plan: LogicalPlan,
}

/// The rows of a subquery, and which of them belong to a row of the query around it. In the
/// conditions the columns of that query are outer references.
struct Rows {
    plan: LogicalPlan,
    conditions: Vec<Expr>,
}

impl Lift {
    pub(super) fn over(plan: LogicalPlan) -> Lift {
        Lift { plan }
    }

    pub(super) fn expressions(&mut self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs
            .into_iter()
            .map(|expr| self.expression(expr))
            .collect()
    }

    /// The expression without subqueries.
    pub(super) fn expression(&mut self, expr: Expr) -> Result<Expr> {
        let lifted = expr.transform_up(|part| {
            Ok(match is_subquery(&part) {
                true => Transformed::yes(self.value(part)?),
                false => Transformed::no(part),
            })
        })?;
        Ok(lifted.data)
    }

    /// A condition that rows must meet: what is left of it, once the plan has only rows that meet the
    /// rest. NULL is as good as false here.
    pub(super) fn condition(&mut self, expr: Expr) -> Result<Option<Expr>> {
        match expr {
            Expr::Not(inner) => match *inner {
                Expr::Exists(Exists { subquery, negated }) => {
                    self.exists_condition(subquery, !negated)
                }
                Expr::InSubquery(InSubquery {
                    expr,
                    subquery,
                    negated,
                }) => self.in_condition(*expr, subquery, !negated),
                other => self.expression(Expr::Not(Box::new(other))).map(Some),
            },
            Expr::Exists(Exists { subquery, negated }) => self.exists_condition(subquery, negated),
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => self.in_condition(*expr, subquery, negated),
            other => self.expression(other).map(Some),
        }
    }

    fn exists_condition(&mut self, subquery: Subquery, negated: bool) -> Result<Option<Expr>> {
        let inner = self.inner(&subquery)?;
        if outer_columns(&inner, self.plan.schema()).is_empty() {
            return self.exists(inner, negated).map(Some);
        }
        let rows = self.rows(inner)?;
        let how = match negated {
            true => JoinType::LeftAnti,
            false => JoinType::LeftSemi,
        };
        self.join(&rows, None, how)?;
        Ok(None)
    }

    fn in_condition(
        &mut self,
        expr: Expr,
        subquery: Subquery,
        negated: bool,
    ) -> Result<Option<Expr>> {
        let expr = self.expression(expr)?;
        let inner = self.inner(&subquery)?;
        let value = Expr::Column(column(&inner, 0));
        if negated && (self.nullable(&expr)? || value.nullable(inner.schema())?) {
            return self.is_in(expr, inner, negated).map(Some);
        }
        let how = match negated {
            true => JoinType::LeftAnti,
            false => JoinType::LeftSemi,
        };
        let equal = outer(expr, self.plan.schema())?.eq(value);
        let rows = self.rows(inner)?;
        self.join(&rows, Some(equal), how)?;
        Ok(None)
    }

    /// The value of an expression that is a subquery.
    fn value(&mut self, expr: Expr) -> Result<Expr> {
        match expr {
            Expr::Exists(Exists { subquery, negated }) => {
                let inner = self.inner(&subquery)?;
                self.exists(inner, negated)
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let inner = self.inner(&subquery)?;
                self.is_in(*expr, inner, negated)
            }
            Expr::ScalarSubquery(subquery) => {
                let inner = self.inner(&subquery)?;
                self.scalar(inner)
            }
            Expr::SetComparison(comparison) => self.compared(comparison),
            other => Ok(other),
        }
    }

    /// The plan of a subquery, which may have subqueries itself.
    fn inner(&self, subquery: &Subquery) -> Result<LogicalPlan> {
        rewrite(subquery.subquery.as_ref().clone())
    }

    fn nullable(&self, expr: &Expr) -> Result<bool> {
        expr.nullable(self.plan.schema().as_ref())
    }

    fn exists(&mut self, inner: LogicalPlan, negated: bool) -> Result<Expr> {
        let found = match outer_columns(&inner, self.plan.schema()).is_empty() {
            true => {
                let first = LogicalPlanBuilder::from(inner).limit(0, Some(1))?.build()?;
                let [any] = self.once(first, [count(lit(1_i64)).gt(lit(0_i64))])?;
                any
            }
            false => {
                let rows = self.rows(inner)?;
                self.mark(&rows, None)?
            }
        };
        Ok(negate(found, negated))
    }

    /// True where a value is equal, else NULL where one is NULL or where `expr` is and there are
    /// values, else false.
    fn is_in(&mut self, expr: Expr, inner: LogicalPlan, negated: bool) -> Result<Expr> {
        let value = Expr::Column(column(&inner, 0));
        let nullable = (self.nullable(&expr)?, value.nullable(inner.schema())?);
        let correlated = !outer_columns(&inner, self.plan.schema()).is_empty();
        let rows = self.rows(inner)?;
        let equal = outer(expr.clone(), self.plan.schema())?.eq(value.clone());
        let found = self.mark(&rows, Some(equal))?;
        let mut unknown = Vec::new();
        if nullable != (false, false) && !correlated {
            let some = count(lit(1_i64)).gt(lit(0_i64));
            let nulls = count(lit(1_i64)).gt(count(value));
            let [some, nulls] = self.once(rows.plan, [some, nulls])?;
            unknown.push(nulls);
            unknown.push(expr.is_null().and(some));
        } else {
            if nullable.1 {
                unknown.push(self.mark(&rows, Some(value.is_null()))?);
            }
            if nullable.0 {
                let some = self.mark(&rows, None)?;
                unknown.push(expr.is_null().and(some));
            }
        }
        let Some(unknown) = unknown.into_iter().reduce(Expr::or) else {
            return Ok(negate(found, negated));
        };
        Ok(case(
            [
                (found, lit(!negated)),
                (unknown, lit(ScalarValue::Boolean(None))),
            ],
            lit(negated),
        ))
    }

    /// `x > any (subquery)`: as two questions whether there is such a row.
    fn compared(&mut self, comparison: SetComparison) -> Result<Expr> {
        let SetComparison {
            expr,
            subquery,
            op,
            quantifier,
        } = comparison;
        let inner = self.inner(&subquery)?;
        match (&op, &quantifier) {
            (Operator::Eq, SetQuantifier::Any) => return self.is_in(*expr, inner, false),
            (Operator::NotEq, SetQuantifier::All) => return self.is_in(*expr, inner, true),
            _ => {}
        }
        let value = Expr::Column(column(&inner, 0));
        let holds =
            datafusion::logical_expr::binary_expr(outer(*expr, self.plan.schema())?, op, value);
        let all = quantifier == SetQuantifier::All;
        let decided = match all {
            true => holds.clone().is_false(),
            false => holds.clone().is_true(),
        };
        let rows = self.rows(inner)?;
        let decided = self.mark(&rows, Some(decided))?;
        let unknown = self.mark(&rows, Some(holds.is_null()))?;
        Ok(case(
            [
                (decided, lit(!all)),
                (unknown, lit(ScalarValue::Boolean(None))),
            ],
            lit(all),
        ))
    }

    fn scalar(&mut self, inner: LogicalPlan) -> Result<Expr> {
        let value = Expr::Column(column(&inner, 0));
        let one = inner.max_rows().is_some_and(|rows| rows <= 1);
        let around = outer_columns(&inner, self.plan.schema());
        let name = fresh("scalar");
        let (rows, keys) = match around.is_empty() {
            true => (inner, Vec::new()),
            false => {
                let domain = self.domain(&around)?;
                dependent::compute(&inner, &around, &domain)?
            }
        };
        let keys: Vec<Expr> = keys.into_iter().map(Expr::Column).collect();
        let (rows, value) = match one {
            true => (rows, value),
            false => guarded(rows, value, &keys)?,
        };
        let exprs = std::iter::once(value).chain(keys).collect();
        let right = table(rows, exprs, &name)?;
        let conditions: Vec<Expr> = around
            .into_iter()
            .enumerate()
            .map(|(at, column)| same(Expr::Column(column), of_table(&name, at + 1)))
            .collect();
        let conditions = match conditions.is_empty() {
            true => vec![lit(true)],
            false => conditions,
        };
        self.plan = LogicalPlanBuilder::from(self.plan.clone())
            .join_on(right, JoinType::Left, conditions)?
            .build()?;
        Ok(of_table(&name, 0))
    }

    /// Which rows of a subquery belong to a row of this plan.
    fn rows(&self, inner: LogicalPlan) -> Result<Rows> {
        let schema = self.plan.schema();
        if let Some(pulled) = pull(&inner, schema)? {
            return Ok(Rows {
                plan: pulled.plan,
                conditions: pulled.conditions,
            });
        }
        let around = outer_columns(&inner, schema);
        let domain = self.domain(&around)?;
        let (plan, keys) = dependent::compute(&inner, &around, &domain)?;
        let conditions = around.into_iter().zip(keys).map(|(column, key)| {
            let column = outer(Expr::Column(column), schema)?;
            Ok(same(column, Expr::Column(key)))
        });
        Ok(Rows {
            plan,
            conditions: conditions.collect::<Result<_>>()?,
        })
    }

    /// The combinations of the columns that the plan's rows have, each once.
    fn domain(&self, columns: &[Column]) -> Result<LogicalPlan> {
        if is_volatile(&self.plan)? {
            return Err(unsupported(
                "a subquery that names columns of a query with random values",
            ));
        }
        let name = fresh("domain");
        let exprs = columns.iter().enumerate();
        let exprs = exprs.map(|(at, column)| {
            Expr::Column(column.clone()).alias_qualified(Some(name.clone()), format!("__c{at}"))
        });
        let plan = Projection::try_new(exprs.collect(), Arc::new(self.plan.clone()))?;
        let plan = LogicalPlan::Projection(plan);
        Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(plan))))
    }

    /// Whether there is a row that belongs to a row of this plan and meets one more condition.
    fn mark(&mut self, rows: &Rows, extra: Option<Expr>) -> Result<Expr> {
        let name = self.join(rows, extra, JoinType::LeftMark)?;
        Ok(Expr::Column(Column::new(Some(name), "mark")))
    }

    fn join(&mut self, rows: &Rows, extra: Option<Expr>, how: JoinType) -> Result<TableReference> {
        let name = fresh("rows");
        let mut used: Vec<Column> = Vec::new();
        let conditions = rows.conditions.iter().cloned().chain(extra);
        let conditions = conditions.map(|condition| {
            let of_rows = renamed(condition, &mut |column| {
                let known = used.iter().position(|other| other == column);
                let at = known.unwrap_or_else(|| {
                    used.push(column.clone());
                    used.len() - 1
                });
                Column::new(Some(name.clone()), format!("__c{at}"))
            })?;
            let schema = self.plan.schema();
            replace_outer(of_rows, &|column| {
                belongs(column, schema).then(|| Expr::Column(column.clone()))
            })
        });
        let mut conditions = conditions.collect::<Result<Vec<_>>>()?;
        if conditions.is_empty() {
            conditions.push(lit(true));
        }
        let exprs = match used.is_empty() {
            true => vec![lit(true)],
            false => used.into_iter().map(Expr::Column).collect(),
        };
        let right = table(rows.plan.clone(), exprs, &name)?;
        self.plan = LogicalPlanBuilder::from(self.plan.clone())
            .join_on(right, how, conditions)?
            .build()?;
        Ok(name)
    }

    /// Results over all rows of a plan, joined to each row of this one.
    fn once<const N: usize>(&mut self, plan: LogicalPlan, results: [Expr; N]) -> Result<[Expr; N]> {
        let name = fresh("once");
        // Aggregates are computed first, then what is made of them.
        let mut aggregates: Vec<Expr> = Vec::new();
        for result in &results {
            for found in datafusion::logical_expr::utils::find_aggregate_exprs([result]) {
                if !aggregates.contains(&found) {
                    aggregates.push(found);
                }
            }
        }
        // `count(1)` and the count of a column `1` have one name.
        let named = aggregates.iter().enumerate();
        let named = named.map(|(at, aggregate)| aggregate.clone().alias(format!("__a{at}")));
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(
            Arc::new(plan),
            Vec::new(),
            named.collect(),
        )?);
        let results = results.map(|result| {
            let result = result.transform_down(|part| {
                Ok(match aggregates.iter().position(|other| *other == part) {
                    Some(at) => Transformed::yes(Expr::Column(column(&plan, at))),
                    None => Transformed::no(part),
                })
            });
            result.map(|result| result.data)
        });
        let results = results.into_iter().collect::<Result<Vec<_>>>()?;
        let right = table(plan.clone(), results, &name)?;
        self.plan = LogicalPlanBuilder::from(self.plan.clone())
            .cross_join(right)?
            .build()?;
        Ok(std::array::from_fn(|at| of_table(&name, at)))
    }
}

/// One value for each combination of the keys, and an error where there would be more.
fn guarded(rows: LogicalPlan, value: Expr, keys: &[Expr]) -> Result<(LogicalPlan, Expr)> {
    let results = vec![first_value(value, Vec::new()), count(lit(1_i64))];
    let grouped = Aggregate::try_new(Arc::new(rows), keys.to_vec(), results)?;
    let grouped = LogicalPlan::Aggregate(grouped);
    let result = |at| Expr::Column(column(&grouped, keys.len() + at));
    let value = single(result(0), result(1));
    Ok((grouped, value))
}

/// An expression of ON, each of whose subqueries is lifted over the side whose columns it names.
pub(super) fn on_one_side(expr: Expr, sides: &mut [Lift; 2]) -> Result<Expr> {
    let lifted = expr.transform_up(|part| {
        if !is_subquery(&part) {
            return Ok(Transformed::no(part));
        }
        let named: Vec<Column> = part.column_refs().into_iter().cloned().collect();
        let names = |side: &Lift| -> Result<bool> {
            let schema = side.plan.schema();
            let inner = side.inner(subquery(&part)?)?;
            let by_value = named.iter().any(|column| belongs(column, schema));
            Ok(by_value || !outer_columns(&inner, schema).is_empty())
        };
        let side = match (names(&sides[0])?, names(&sides[1])?) {
            (true, true) => {
                return Err(unsupported(
                    "a subquery in the condition of an outer join that names columns of both sides",
                ));
            }
            (true, false) => &mut sides[0],
            (false, _) => &mut sides[1],
        };
        Ok(Transformed::yes(side.value(part)?))
    })?;
    Ok(lifted.data)
}

fn is_subquery(expr: &Expr) -> bool {
    subquery(expr).is_ok()
}

fn subquery(expr: &Expr) -> Result<&Subquery> {
    match expr {
        Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. })
        | Expr::ScalarSubquery(subquery) => Ok(subquery),
        other => plan_err!("`{other}` is not a subquery"),
    }
}

/// The expression, with the columns of the schema as those of a query around it.
fn outer(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let moved = expr.transform(|part| {
        Ok(match part {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                Transformed::yes(Expr::OuterReferenceColumn(field, column))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(moved.data)
}

fn negate(expr: Expr, negated: bool) -> Expr {
    match negated {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}

fn case<const N: usize>(branches: [(Expr, Expr); N], otherwise: Expr) -> Expr {
    let branches = branches.into_iter();
    Expr::Case(Case {
        expr: None,
        when_then_expr: branches
            .map(|(when, then)| (Box::new(when), Box::new(then)))
            .collect(),
        else_expr: Some(Box::new(otherwise)),
    })
}

fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let mut volatile = false;
        node.apply_expressions(|expr| {
            volatile |= expr.is_volatile();
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        Ok(volatile)
    })
}
