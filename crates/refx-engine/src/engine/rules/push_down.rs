//! Conditions that move down a plan.
//!
//! DataFusion 55.2 moves a condition without columns (`NULL`, `random() < 0.5`) below an aggregate: a
//! `count(*)` of no rows is one row, which then is there. And its physical rule looks for columns by
//! name alone: where both sides of a join have one of the name, the condition ends up on the wrong
//! side.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};
use datafusion::optimizer::OptimizerConfig;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;

use super::{PhysicalRule, Rule};

pub(super) fn guarded_physical(rule: PhysicalRule) -> PhysicalRule {
    match rule.name().starts_with("FilterPushdown") {
        true => Arc::new(OfOneInput(rule)),
        false => rule,
    }
}

/// A condition without columns stays above an aggregate or a window.
pub(super) fn filter(
    rule: &Rule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    let filter = match plan {
        LogicalPlan::Filter(filter) if groups(&filter.input) => filter,
        other => return rule.rewrite(other, config),
    };
    let conditions = split_conjunction_owned(filter.predicate.clone());
    let (moved, kept): (Vec<Expr>, Vec<Expr>) = conditions
        .into_iter()
        .partition(|condition| !condition.column_refs().is_empty());
    let Some(kept) = conjunction(kept) else {
        return rule.rewrite(LogicalPlan::Filter(filter), config);
    };
    let Some(moved) = conjunction(moved) else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    };
    let below = LogicalPlan::Filter(Filter::try_new(moved, filter.input)?);
    let below = rule.rewrite(below, config)?;
    below.map_data(|below| Filter::try_new(kept, Arc::new(below)).map(LogicalPlan::Filter))
}

fn groups(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_))
}

/// Moves conditions within the parts of a plan that have no join. What can move through a join has
/// done so in the logical plan, by whole names.
#[derive(Debug)]
struct OfOneInput(PhysicalRule);

impl OfOneInput {
    /// The plan, and whether each of its nodes has one input at most; the rule has been applied to
    /// such parts where the whole is none.
    fn below(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<(Arc<dyn ExecutionPlan>, bool)> {
        let children = plan.children().into_iter().map(Arc::clone);
        let children = children.map(|child| self.below(child, config));
        let children = children.collect::<Result<Vec<_>>>()?;
        if children.len() <= 1 && children.iter().all(|(_, single)| *single) {
            return Ok((plan, true));
        }
        let children = children.into_iter().map(|(child, single)| match single {
            true => self.0.optimize(child, config),
            false => Ok(child),
        });
        let plan = replace_children_if_necessary(plan, children.collect::<Result<_>>()?)?;
        Ok((plan, false))
    }
}

impl PhysicalOptimizerRule for OfOneInput {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match self.below(plan, config)? {
            (plan, true) => self.0.optimize(plan, config),
            (plan, false) => Ok(plan),
        }
    }

    fn name(&self) -> &str {
        "filter_pushdown_of_one_input"
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use crate::engine::tests::rows;

    const TABLES: &str = "with l(s) as (values ('a'), ('c')), r(s) as (values ('b'), ('a')), \
         t(b, f) as (values (1, 2), (1, null)) ";

    const QUERIES: [(&str, usize); 5] = [
        (
            "select * from (select b, count(*) as n from t group by rollup (b)) where not (b = b)",
            0,
        ),
        (
            "select * from (select b, count(*) as n from t group by cube (b)) where b is null and null",
            0,
        ),
        (
            "select l.s as one, r.s as two from l right join r on l.s = r.s where l.s = l.s",
            1,
        ),
        (
            "select r.s as two from l right join r on l.s = r.s where coalesce(l.s, 'q') = 'q'",
            1,
        ),
        (
            "select b from (select b, count(*) as n from t group by rollup (b)) where b = 1 and n > 1",
            1,
        ),
    ];

    #[tokio::test]
    async fn conditions_stay_where_they_mean_the_same() {
        for (query, expected) in QUERIES {
            let found = rows(TABLES, query).await.unwrap();
            assert_eq!(found.as_array().map(Vec::len), Some(expected), "{query}");
        }
    }

    #[tokio::test]
    async fn datafusion_alone_gives_other_rows() {
        for (query, right) in [QUERIES[0], QUERIES[2]] {
            let (context, query) = (SessionContext::new(), format!("{TABLES}{query}"));
            let frame = context.sql(&query).await.unwrap();
            assert_ne!(frame.count().await.unwrap(), right, "{query}");
        }
    }
}
