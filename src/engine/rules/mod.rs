//! Rules of DataFusion's optimizer that give wrong rows in places, kept away from these.
//!
//! Each was found by `tests/rows/check.py`, and each has a test that fails once DataFusion alone is
//! right: then the rule here may go.

mod null_equality;
mod push_down;

use std::sync::Arc;

use datafusion::optimizer::OptimizerRule;
use datafusion::physical_optimizer::PhysicalOptimizerRule;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;
type PhysicalRule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The logical rules, some of them replaced.
pub(super) fn guarded(rules: Vec<Rule>) -> Vec<Rule> {
    let rules = rules.into_iter();
    rules
        .map(|rule| null_equality::guarded(push_down::guarded(rule)))
        .collect()
}

/// A physical rule, or what replaces it.
pub(super) fn guarded_physical(rule: PhysicalRule) -> PhysicalRule {
    push_down::guarded_physical(rule)
}
