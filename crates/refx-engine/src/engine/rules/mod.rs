//! Rules of DataFusion's optimizer that give wrong rows in places, kept away from these.
//!
//! Each was found by `tests/rows/check.py`, and each has a test that fails once DataFusion alone is
//! right: then the rule here may go.

mod null_equality;
mod push_down;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;
type PhysicalRule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// What a rule does to a plan, with the rule itself for the plans that it is right for.
type Rewrite = fn(&Rule, LogicalPlan, &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>>;

/// The logical rules, some of them guarded.
pub(super) fn guarded(rules: Vec<Rule>) -> Vec<Rule> {
    let rules = rules.into_iter().map(|rule| {
        let rewrite: Rewrite = match rule.name() {
            "extract_equijoin_predicate" => null_equality::extract_keys,
            "eliminate_cross_join" => null_equality::order_joins,
            "push_down_filter" => push_down::filter,
            _ => return rule,
        };
        Arc::new(Guarded { rule, rewrite })
    });
    rules.collect()
}

/// A physical rule, or what replaces it.
pub(super) fn guarded_physical(rule: PhysicalRule) -> PhysicalRule {
    push_down::guarded_physical(rule)
}

#[derive(Debug)]
struct Guarded {
    rule: Rule,
    rewrite: Rewrite,
}

impl OptimizerRule for Guarded {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        (self.rewrite)(&self.rule, plan, config)
    }
}
