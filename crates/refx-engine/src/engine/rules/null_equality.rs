//! Joins for which NULL equals NULL.
//!
//! DataFusion 55.2 makes `on a.x is not distinct from b.x` the key of such a join. Two of its rules
//! then lose sight of it, and NULL meets NULL for `a.y = b.y` too: `extract_equijoin_predicate`
//! adds `=` of a WHERE to the key, and `eliminate_cross_join` puts the keys of several joins together.
//! Both leave these joins alone here.

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::{JoinType, LogicalPlan};
use datafusion::optimizer::OptimizerConfig;

use super::Rule;

pub(super) fn extract_keys(
    rule: &Rule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    match has_null_keys(&plan) {
        true => Ok(Transformed::no(plan)),
        false => rule.rewrite(plan, config),
    }
}

/// The order of inner joins stays as it is written where NULL equals NULL in one of them.
pub(super) fn order_joins(
    rule: &Rule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= has_null_keys(node)
            && matches!(node, LogicalPlan::Join(join) if join.join_type == JoinType::Inner);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match found {
        true => Ok(Transformed::no(plan)),
        false => rule.rewrite(plan, config),
    }
}

fn has_null_keys(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Join(join)
            if join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty()
    )
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;
    use serde_json::json;

    use crate::engine::tests::rows;

    const TABLES: &str = "with a(x, y) as (values (1, null), (1, 2), (null, 3)), \
         b(x, y) as (values (1, null), (1, 2), (null, 3)), c(x) as (values (null), (1)) ";

    const QUERIES: [(&str, i64); 5] = [
        (
            "select count(*) as n from a join b on a.x is not distinct from b.x where a.y = b.y",
            2,
        ),
        (
            "select count(*) as n from (select a.y, b.y as z from a join b on a.x is not distinct from b.x) where y = z",
            2,
        ),
        (
            "select count(*) as n from a join b on a.x = b.x join c on a.x is not distinct from c.x",
            4,
        ),
        (
            "select count(*) as n from a join c on a.x is not distinct from c.x, b where a.y = b.y",
            2,
        ),
        (
            "select count(*) as n from a left join b on a.x is not distinct from b.x where a.y = b.y",
            2,
        ),
    ];

    #[tokio::test]
    async fn null_meets_null_only_where_it_is_asked_for() {
        for (query, expected) in QUERIES {
            let found = rows(TABLES, query).await;
            assert_eq!(found, Ok(json!([[expected]])), "{query}");
        }
    }

    /// When this fails, DataFusion may do it by itself, and this module may go.
    #[tokio::test]
    async fn datafusion_alone_joins_null_to_null() {
        for (query, right) in [QUERIES[0], QUERIES[2]] {
            let (context, query) = (SessionContext::new(), format!("{TABLES}{query}"));
            let frame = context.sql(&query).await.unwrap();
            let rows = frame.collect().await.unwrap();
            let found = rows[0].column(0);
            let found = datafusion::common::ScalarValue::try_from_array(found, 0).unwrap();
            assert_ne!(found, right.into(), "{query}");
        }
    }
}
