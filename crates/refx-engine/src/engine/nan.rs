//! NaN is in no statistics: Parquet's and Delta's least and greatest values leave it out, and in SQL
//! it is greater than every number.
//!
//! A file of 1.0 and NaN says that its greatest value is 1.0. DataFusion believes it: `x > 5` skips
//! the file, and `max(x)` is 1.0. The rules here keep conditions on floating-point columns away from
//! the statistics.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::aggregate_statistics::AggregateStatistics;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use super::rules::guarded_physical;

/// Whether values of the type, or values inside of them, can be NaN.
pub(crate) fn may_hold_nan(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().any(|field| may_hold_nan(field.data_type())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => may_hold_nan(item.data_type()),
        DataType::Dictionary(_, values) => may_hold_nan(values),
        other => other.is_floating(),
    }
}

/// DataFusion's own rules, and those that keep NaN.
pub(super) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let own = AggregateStatistics::new();
    let rules = PhysicalOptimizer::new().rules.into_iter();
    let rules = rules.map(|rule| match rule.name() == own.name() {
        true => Arc::new(AnsweredByStatistics) as _,
        false => guarded_physical(rule),
    });
    // Last, so that it sees the conditions that other rules have pushed into the scans.
    rules.chain([Arc::new(SkippedByStatistics) as _]).collect()
}

/// `min` and `max` from statistics alone, where no column is a floating-point number.
#[derive(Debug)]
struct AnsweredByStatistics;

impl PhysicalOptimizerRule for AnsweredByStatistics {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let floating = plan.exists(|node| {
            let aggregate = node.downcast_ref::<AggregateExec>();
            Ok(aggregate.is_some_and(|aggregate| {
                let mut results = aggregate.aggr_expr().iter();
                results.any(|result| may_hold_nan(result.field().data_type()))
            }))
        })?;
        match floating {
            true => Ok(plan),
            false => AggregateStatistics::new().optimize(plan, config),
        }
    }

    fn name(&self) -> &str {
        "answered_by_statistics"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Parquet files and their row groups are skipped by conditions on other columns only.
#[derive(Debug)]
struct SkippedByStatistics;

impl PhysicalOptimizerRule for SkippedByStatistics {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(|node| {
            Ok(match without_floats(&node)? {
                Some(scan) => Transformed::yes(scan),
                None => Transformed::no(node),
            })
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "skipped_by_statistics"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scan of Parquet files without the conditions that name a floating-point column, if it has any.
fn without_floats(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let scan = node.downcast_ref::<DataSourceExec>();
    let config = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let Some(config) = config else {
        return Ok(None);
    };
    let Some(source) = config.file_source().downcast_ref::<ParquetSource>() else {
        return Ok(None);
    };
    let Some(predicate) = config.file_source().filter() else {
        return Ok(None);
    };
    let schema = config.file_source().table_schema().table_schema();
    let parts = split_conjunction(&predicate);
    let mut kept = Vec::new();
    for part in &parts {
        let mut floating = false;
        part.apply(|expr| {
            let data_type = match expr.downcast_ref::<Column>() {
                Some(column) => schema.fields().get(column.index()).map(|f| f.data_type()),
                None => None,
            };
            floating |= data_type.is_some_and(may_hold_nan);
            Ok::<_, DataFusionError>(match floating {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })?;
        if !floating {
            kept.push(Arc::clone(*part));
        }
    }
    if kept.len() == parts.len() {
        return Ok(None);
    }
    let source = source.with_predicate(conjunction(kept));
    let config = FileScanConfigBuilder::from(config.clone())
        .with_source(Arc::new(source))
        .build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}
