//! A subquery computed for each combination of the columns that it names of the query around it.
//!
//! The combinations are a table. It is joined to what lies below the subquery's outermost use of such
//! a column, and its columns are carried up: they become keys of groups, partitions of windows, and
//! part of what joins compare. (Neumann and Kemper, "Unnesting Arbitrary Queries", 2015.)

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, EmptyRelation, Expr, ExprFunctionExt, FetchType, Filter, Join, JoinType,
    Limit, LogicalPlan, LogicalPlanBuilder, Projection, SkipType, Union, Window, lit, when,
};

use super::names::{
    column, fresh, named_like, of_table, of_table_column, replace_outer, same, table,
};
use super::pull::renamed;
use super::unsupported;

/// The rows of the subquery, each with the combination that it is of. The columns of the subquery
/// come first.
pub(super) fn compute(
    plan: &LogicalPlan,
    outer: &[Column],
    domain: &LogicalPlan,
) -> Result<(LogicalPlan, Vec<Column>)> {
    let dependent = Dependent { outer, domain };
    let computed = dependent.push(plan)?;
    let (plan, keys) = dependent.trimmed(computed, plan.schema())?;
    Ok((plan, keys))
}

struct Dependent<'a> {
    outer: &'a [Column],
    domain: &'a LogicalPlan,
}

/// A part of the subquery for each combination.
struct Pushed {
    /// All columns of the part, by their names, and others.
    plan: LogicalPlan,
    /// The columns of the combination.
    keys: Vec<Column>,
    /// The order that a LIMIT above would see.
    order: Vec<SortKey>,
}

impl Dependent<'_> {
    fn push(&self, plan: &LogicalPlan) -> Result<Pushed> {
        if !self.concerns(plan) {
            return self.crossed(plan);
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let below = self.push(&filter.input)?;
                let condition = self.replaced(filter.predicate.clone(), &below.keys)?;
                let plan = Filter::try_new(condition, Arc::new(below.plan))?;
                Ok(Pushed {
                    plan: LogicalPlan::Filter(plan),
                    ..below
                })
            }
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::SubqueryAlias(alias) => {
                let below = self.push(&alias.input)?;
                let mut exprs = Vec::new();
                for at in 0..alias.schema.fields().len() {
                    let from = Column::from(alias.input.schema().qualified_field(at));
                    let field = alias.schema.qualified_field(at);
                    exprs.push(named_like(Expr::Column(from), field));
                }
                over(below, exprs)
            }
            LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.as_slice() {
                [] => self.whole(aggregate),
                [Expr::GroupingSet(_)] => Err(self.refused("GROUPING SETS")),
                _ => self.groups(aggregate),
            },
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Sort(sort) => {
                let below = self.push(&sort.input)?;
                let order = sort.expr.iter().map(|key| {
                    let expr = self.replaced(key.expr.clone(), &below.keys)?;
                    Ok(SortKey {
                        expr,
                        ..key.clone()
                    })
                });
                let order = order.collect::<Result<_>>()?;
                Ok(Pushed { order, ..below })
            }
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let below = self.push(input)?;
                let (plan, keys) = self.trimmed(below, input.schema())?;
                Ok(Pushed {
                    plan: LogicalPlan::Distinct(Distinct::All(Arc::new(plan))),
                    keys,
                    order: Vec::new(),
                })
            }
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Join(join) => self.join(join),
            other => Err(self.refused(&other.display().to_string())),
        }
    }

    fn refused(&self, what: &str) -> datafusion::common::DataFusionError {
        let column = self
            .outer
            .first()
            .map(Column::flat_name)
            .unwrap_or_default();
        unsupported(format!(
            "a subquery with {what} that names `{column}` of the query around it"
        ))
    }

    /// Whether the part names columns around the subquery.
    fn concerns(&self, plan: &LogicalPlan) -> bool {
        let named = plan.all_out_ref_exprs();
        named.iter().any(|expr| {
            matches!(expr, Expr::OuterReferenceColumn(_, column) if self.outer.contains(column))
        })
    }

    /// What is the same for each combination.
    fn crossed(&self, plan: &LogicalPlan) -> Result<Pushed> {
        let name = fresh("outer");
        let domain = LogicalPlanBuilder::from(self.domain.clone())
            .alias(name)?
            .build()?;
        let keys = domain.schema().columns();
        let plan = LogicalPlanBuilder::from(plan.clone())
            .cross_join(domain)?
            .build()?;
        Ok(Pushed {
            plan,
            keys,
            order: Vec::new(),
        })
    }

    fn replaced(&self, expr: Expr, keys: &[Column]) -> Result<Expr> {
        replace_outer(expr, &|column| {
            let at = self.outer.iter().position(|other| other == column)?;
            keys.get(at).cloned().map(Expr::Column)
        })
    }

    fn projection(&self, projection: &Projection) -> Result<Pushed> {
        let below = self.push(&projection.input)?;
        let exprs = projection.expr.iter().enumerate();
        let exprs = exprs.map(|(at, expr)| {
            let expr = self.replaced(expr.clone(), &below.keys)?;
            Ok(named_like(expr, projection.schema.qualified_field(at)))
        });
        let exprs = exprs.collect::<Result<_>>()?;
        over(below, exprs)
    }

    /// A table whose columns are those of the schema, then the keys.
    fn trimmed(&self, pushed: Pushed, schema: &DFSchema) -> Result<(LogicalPlan, Vec<Column>)> {
        let columns = schema
            .columns()
            .into_iter()
            .chain(pushed.keys.iter().cloned());
        let columns: Vec<Column> = columns.collect();
        if pushed.plan.schema().columns() == columns {
            return Ok((pushed.plan, pushed.keys));
        }
        let exprs = columns.into_iter().map(Expr::Column).collect();
        let plan = Projection::try_new(exprs, Arc::new(pushed.plan))?;
        Ok((LogicalPlan::Projection(plan), pushed.keys))
    }

    fn groups(&self, aggregate: &Aggregate) -> Result<Pushed> {
        let below = self.push(&aggregate.input)?;
        let replaced = |expr: &Expr| self.replaced(expr.clone(), &below.keys);
        let mut group = aggregate
            .group_expr
            .iter()
            .map(replaced)
            .collect::<Result<Vec<_>>>()?;
        let results = aggregate
            .aggr_expr
            .iter()
            .map(replaced)
            .collect::<Result<Vec<_>>>()?;
        let own = group.len();
        group.extend(below.keys.iter().cloned().map(Expr::Column));
        let added = below.keys.len();
        let plan = Aggregate::try_new(Arc::new(below.plan), group, results)?;
        let plan = LogicalPlan::Aggregate(plan);
        let from = |at: usize| match at < own {
            true => at,
            false => at + added,
        };
        let exprs = (0..aggregate.schema.fields().len()).map(|at| {
            named_like(
                Expr::Column(column(&plan, from(at))),
                aggregate.schema.qualified_field(at),
            )
        });
        let exprs = exprs.collect();
        let pushed = Pushed {
            plan,
            keys: below.keys,
            order: Vec::new(),
        };
        over(pushed, exprs)
    }

    /// Results over all rows, of which a combination may have none.
    fn whole(&self, aggregate: &Aggregate) -> Result<Pushed> {
        let below = self.push(&aggregate.input)?;
        let results = aggregate.aggr_expr.iter();
        let results = results.map(|expr| self.replaced(expr.clone(), &below.keys));
        let results = results.collect::<Result<Vec<_>>>()?;
        let (groups, nothing) = (fresh("groups"), fresh("nothing"));
        let keys: Vec<Expr> = below.keys.iter().cloned().map(Expr::Column).collect();
        let empty = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::clone(below.plan.schema()),
        });
        let empty = Aggregate::try_new(Arc::new(empty), Vec::new(), results.clone())?;
        let empty = all(LogicalPlan::Aggregate(empty), &nothing, None)?;
        let grouped = Aggregate::try_new(Arc::new(below.plan), keys, results)?;
        let grouped = all(LogicalPlan::Aggregate(grouped), &groups, Some(lit(true)))?;
        let there = of_table(&groups, self.outer.len() + aggregate.aggr_expr.len());

        let name = fresh("outer");
        let domain = LogicalPlanBuilder::from(self.domain.clone())
            .alias(name)?
            .build()?;
        let keys = domain.schema().columns();
        let pairs = keys.iter().enumerate();
        let pairs = pairs.map(|(at, key)| same(Expr::Column(key.clone()), of_table(&groups, at)));
        let plan = LogicalPlanBuilder::from(domain)
            .join_on(grouped, JoinType::Left, pairs)?
            .cross_join(empty)?
            .build()?;
        let exprs = (0..aggregate.aggr_expr.len()).map(|at| {
            let value = when(there.clone().is_null(), of_table(&nothing, at))
                .otherwise(of_table(&groups, self.outer.len() + at))?;
            Ok(named_like(value, aggregate.schema.qualified_field(at)))
        });
        let exprs = exprs.collect::<Result<_>>()?;
        let pushed = Pushed {
            plan,
            keys,
            order: Vec::new(),
        };
        over(pushed, exprs)
    }

    fn window(&self, window: &Window) -> Result<Pushed> {
        let below = self.push(&window.input)?;
        let keys: Vec<Expr> = below.keys.iter().cloned().map(Expr::Column).collect();
        let exprs = window.window_expr.iter().map(|expr| {
            let expr = self.replaced(expr.clone(), &below.keys)?;
            let expr = expr.transform(|part| {
                Ok(match part {
                    Expr::WindowFunction(mut function) => {
                        function.params.partition_by.extend(keys.iter().cloned());
                        Transformed::yes(Expr::WindowFunction(function))
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(expr.data)
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let (first, own) = (
            below.plan.schema().fields().len(),
            window.input.schema().fields().len(),
        );
        let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(below.plan))?);
        let exprs = (0..window.schema.fields().len()).map(|at| {
            let from = match at < own {
                true => Column::from(window.schema.qualified_field(at)),
                false => column(&plan, first + at - own),
            };
            named_like(Expr::Column(from), window.schema.qualified_field(at))
        });
        let exprs = exprs.collect();
        let pushed = Pushed {
            plan,
            keys: below.keys,
            order: Vec::new(),
        };
        over(pushed, exprs)
    }

    /// The first rows of each combination.
    fn limit(&self, limit: &Limit) -> Result<Pushed> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(self.refused("a LIMIT that is no number"));
        };
        let below = self.push(&limit.input)?;
        let keys = below.keys.iter().cloned().map(Expr::Column).collect();
        let name = fresh("number");
        let number = row_number()
            .partition_by(keys)
            .order_by(below.order.clone())
            .build()?
            .alias(name.table());
        let place = below.plan.schema().fields().len();
        let plan = LogicalPlanBuilder::from(below.plan)
            .window(vec![number])?
            .build()?;
        let number = Expr::Column(column(&plan, place));
        let position = |rows: usize| lit(ScalarValue::UInt64(Some(rows as u64)));
        let after = number.clone().gt(position(skip));
        let condition = match fetch {
            Some(fetch) => after.and(number.lt_eq(position(skip.saturating_add(fetch)))),
            None => after,
        };
        let plan = Filter::try_new(condition, Arc::new(plan))?;
        Ok(Pushed {
            plan: LogicalPlan::Filter(plan),
            keys: below.keys,
            order: below.order,
        })
    }

    fn union(&self, union: &Union) -> Result<Pushed> {
        let name = fresh("union");
        let sides = union.inputs.iter().map(|input| {
            let below = self.push(input)?;
            let columns = (0..input.schema().fields().len()).map(|at| column(input, at));
            let exprs = columns.chain(below.keys).map(Expr::Column).collect();
            let side = table(below.plan, exprs, &fresh("side"))?;
            Ok(Arc::new(side))
        });
        let sides = sides.collect::<Result<Vec<_>>>()?;
        let plan = LogicalPlan::Union(Union::try_new_with_loose_types(sides)?);
        let own = union.schema.fields().len();
        let keys: Vec<Column> = (0..self.outer.len())
            .map(|at| Column::new(Some(name.clone()), format!("__c{at}")))
            .collect();
        let mut exprs: Vec<Expr> = (0..own)
            .map(|at| {
                named_like(
                    Expr::Column(column(&plan, at)),
                    union.schema.qualified_field(at),
                )
            })
            .collect();
        for (at, key) in keys.iter().enumerate() {
            let from = Expr::Column(column(&plan, own + at));
            exprs.push(from.alias_qualified(key.relation.clone(), &key.name));
        }
        let plan = Projection::try_new(exprs, Arc::new(plan))?;
        Ok(Pushed {
            plan: LogicalPlan::Projection(plan),
            keys,
            order: Vec::new(),
        })
    }

    fn join(&self, join: &Join) -> Result<Pushed> {
        use JoinType::{
            Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
        };
        if join.null_aware {
            return Err(self.refused("NOT IN"));
        }
        let concerned = (self.concerns(&join.left), self.concerns(&join.right));
        let (of_left, of_right) = match join.join_type {
            // One side with the combinations is enough.
            Inner if concerned == (false, true) => (false, true),
            Inner | Left | LeftSemi | LeftAnti | LeftMark => (true, concerned.1),
            Right | RightSemi | RightAnti | RightMark => (concerned.0, true),
            Full => (true, true),
        };
        let side = |plan: &Arc<LogicalPlan>, with: bool| match with {
            true => {
                let pushed = self.push(plan)?;
                let (plan, keys) = self.trimmed(pushed, plan.schema())?;
                Ok::<_, datafusion::common::DataFusionError>((plan, Some(keys)))
            }
            false => Ok((plan.as_ref().clone(), None)),
        };
        let (left, left_keys) = side(&join.left, of_left)?;
        let (mut right, mut right_keys) = side(&join.right, of_right)?;
        let mut condition = join.filter.clone();
        let mut on = join.on.clone();
        if join.join_type == JoinType::LeftMark && right_keys.is_some() {
            // The mark is called by the table of the right side, which so has to be one.
            let name = fresh("marked");
            let columns = right.schema().columns();
            let renamed_to = |column: &Column| {
                let at = columns.iter().position(|known| known == column);
                at.map_or_else(|| column.clone(), |at| of_table_column(&name, at))
            };
            let of_right = |expr: Expr| renamed(expr, &mut |column| renamed_to(column));
            condition = condition.map(of_right).transpose()?;
            for (_, expr) in &mut on {
                *expr = of_right(std::mem::take(expr))?;
            }
            right_keys = right_keys.map(|keys| keys.iter().map(renamed_to).collect());
            let exprs = columns.iter().cloned().map(Expr::Column).collect();
            right = table(right, exprs, &name)?;
        }
        let some = left_keys.as_ref().or(right_keys.as_ref()).cloned();
        let some = some.unwrap_or_default();
        let pairs = on.iter().map(|(one, other)| match join.null_equality {
            NullEquality::NullEqualsNull => same(one.clone(), other.clone()),
            NullEquality::NullEqualsNothing => one.clone().eq(other.clone()),
        });
        let conditions = pairs.chain(condition);
        let conditions = conditions.map(|condition| self.replaced(condition, &some));
        let mut conditions = conditions.collect::<Result<Vec<_>>>()?;
        if let (Some(one), Some(other)) = (&left_keys, &right_keys) {
            let keys = one.iter().zip(other);
            conditions.extend(
                keys.map(|(one, other)| {
                    same(Expr::Column(one.clone()), Expr::Column(other.clone()))
                }),
            );
        }
        let widths = (
            join.left.schema().fields().len(),
            left.schema().fields().len(),
        );
        let condition = conjunction(conditions).unwrap_or_else(|| lit(true));
        let plan = LogicalPlanBuilder::from(left)
            .join_on(right, join.join_type, [condition])?
            .build()?;
        self.joined(join, plan, widths, (left_keys, right_keys))
    }

    /// The columns of the join by their names, and the keys of the side that has each row.
    fn joined(
        &self,
        join: &Join,
        plan: LogicalPlan,
        (own, wide): (usize, usize),
        keys: (Option<Vec<Column>>, Option<Vec<Column>>),
    ) -> Result<Pushed> {
        let last = plan.schema().fields().len().saturating_sub(1);
        let exprs = (0..join.schema.fields().len()).map(|at| {
            let from = match join.join_type {
                JoinType::LeftMark | JoinType::RightMark
                    if at + 1 == join.schema.fields().len() =>
                {
                    last
                }
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
                    if at >= own =>
                {
                    at + wide - own
                }
                _ => at,
            };
            named_like(
                Expr::Column(column(&plan, from)),
                join.schema.qualified_field(at),
            )
        });
        let exprs: Vec<Expr> = exprs.collect();
        let (left, right) = keys;
        let pushed = |keys| Pushed {
            plan: plan.clone(),
            keys,
            order: Vec::new(),
        };
        match (join.join_type, left, right) {
            (JoinType::Full, Some(left), Some(right)) => {
                let name = fresh("full");
                let pairs = left.into_iter().zip(right).enumerate();
                let (values, keys): (Vec<Expr>, Vec<Column>) = pairs
                    .map(|(at, (one, other))| {
                        let value = coalesce(vec![Expr::Column(one), Expr::Column(other)]);
                        let key = Column::new(Some(name.clone()), format!("__c{at}"));
                        let value = value.alias_qualified(key.relation.clone(), &key.name);
                        (value, key)
                    })
                    .unzip();
                let exprs = exprs.into_iter().chain(values).collect();
                let plan = Projection::try_new(exprs, Arc::new(plan))?;
                Ok(Pushed {
                    plan: LogicalPlan::Projection(plan),
                    keys,
                    order: Vec::new(),
                })
            }
            (
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark,
                _,
                Some(keys),
            )
            | (_, Some(keys), _)
            | (_, None, Some(keys)) => over(pushed(keys), exprs),
            (_, None, None) => Err(self.refused("a join")),
        }
    }
}

/// A projection that keeps the keys, and what the order needs.
fn over(below: Pushed, mut exprs: Vec<Expr>) -> Result<Pushed> {
    let name = fresh("order");
    exprs.extend(below.keys.iter().cloned().map(Expr::Column));
    let mut order = Vec::new();
    for (at, key) in below.order.into_iter().enumerate() {
        let place = Column::new(Some(name.clone()), format!("__c{at}"));
        exprs.push(
            key.expr
                .alias_qualified(place.relation.clone(), &place.name),
        );
        order.push(SortKey {
            expr: Expr::Column(place),
            asc: key.asc,
            nulls_first: key.nulls_first,
        });
    }
    let plan = Projection::try_new(exprs, Arc::new(below.plan))?;
    Ok(Pushed {
        plan: LogicalPlan::Projection(plan),
        keys: below.keys,
        order,
    })
}

/// A table of all columns of a plan, and one more.
fn all(
    plan: LogicalPlan,
    name: &datafusion::common::TableReference,
    more: Option<Expr>,
) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let exprs = columns.chain(more).collect();
    table(plan, exprs, name)
}
