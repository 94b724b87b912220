//! What refx changes in DataFusion's SQL, so that no number is wrong.
//!
//! - Arithmetic of whole numbers and decimals fails rather than wrap ([`arithmetic`]).
//! - Sums, averages and statistics are exact: they depend neither on the order of the rows nor on the
//!   number of threads ([`aggregates`]).
//! - Timestamps are microseconds, of the years 1 to 9999 and beyond ([`instants`], [`calendar`],
//!   [`operands`]).
//! - `at time zone` is what it is in PostgreSQL and DuckDB ([`syntax`], [`instants`]).

mod aggregates;
mod arithmetic;
mod calendar;
mod exact;
mod instants;
mod moments;
mod operands;
mod place;
mod syntax;
mod totals;
mod whole;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::{AnalyzerRule, Optimizer, OptimizerRule};

use super::rules;

pub(crate) use place::{expression_without_places, without_places};
pub(crate) use syntax::prepare;

/// A state with refx's functions and rules; `builder` has DataFusion's own already.
pub(super) fn state(builder: SessionStateBuilder) -> Result<SessionState, DataFusionError> {
    let mut optimizer: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(arithmetic::CheckArithmetic)];
    // Before the rule that folds constants.
    optimizer.extend(rules::guarded(Optimizer::new().rules));
    let mut analyzer: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(operands::OperandTypes)];
    analyzer.extend(Analyzer::new().rules);
    let mut state = builder
        .with_type_planner(Arc::new(instants::Microseconds))
        .with_analyzer_rules(analyzer)
        .with_optimizer_rules(optimizer)
        .build();
    let calendar = calendar::all(state.config_options());
    for function in instants::all().into_iter().chain(calendar) {
        state.register_udf(Arc::new(function))?;
    }
    for aggregate in aggregates::all() {
        state.register_udaf(aggregate)?;
    }
    Ok(state)
}
