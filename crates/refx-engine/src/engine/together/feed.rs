//! The one scan of the table, and its channels to the queries.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::{DFSchema, DataFusionError, Result, Statistics};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, StatisticsArgs, StatisticsContext,
};
use futures::TryStreamExt;
use futures::future::join_all;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;

use super::tap::{Ending, Tap};
use crate::engine::session::reference;
use crate::engine::{Error, Name};

/// Batches that wait for one query. They let a query run ahead of the others by so much.
const WAITING: usize = 4;

pub(super) struct Feed {
    scan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    statistics: Statistics,
    /// The columns that are read, as indices of the table's.
    columns: Vec<usize>,
    outlets: Vec<Outlet>,
    ending: Ending,
}

/// One query's channel.
#[derive(Clone)]
struct Outlet {
    /// The query's columns, as indices of those that are read.
    projection: Arc<[usize]>,
    sender: Sender<RecordBatch>,
}

impl Feed {
    /// Plans the scan of some columns of the table, in ascending order.
    pub(super) async fn new(
        name: &Name,
        table: &Arc<dyn TableProvider>,
        columns: Vec<usize>,
        state: &SessionState,
    ) -> Result<Feed, Error> {
        let source = provider_as_source(Arc::clone(table));
        let logical =
            LogicalPlanBuilder::scan(reference(name), source, Some(columns.clone()))?.build()?;
        // Not `table.scan()`: what that gives need not be executable before the optimizer saw it.
        let scan = state.create_physical_plan(&logical).await?;
        let options = state.config_options();
        let threads = options.execution.target_partitions;
        // The optimizer splits files between threads for the sake of an operator above them.
        let split = match scan.output_partitioning().partition_count() < threads {
            true => scan.repartitioned(threads, options)?,
            false => None,
        };
        let scan = split.unwrap_or(scan);
        let statistics = StatisticsContext::new().compute(scan.as_ref(), &StatisticsArgs::new())?;
        Ok(Feed {
            statistics: Arc::unwrap_or_clone(statistics),
            context: state.task_ctx(),
            scan,
            columns,
            outlets: Vec::new(),
            ending: Ending::default(),
        })
    }

    /// A query's end of a new channel. It gets some of the columns, as indices of the table's.
    pub(super) fn tap(&mut self, columns: &[usize]) -> Result<Arc<Tap>, Error> {
        let places = columns.iter().map(|column| {
            self.columns.binary_search(column).map_err(|_| {
                DataFusionError::Internal(format!("column {column} is not among those read"))
            })
        });
        let projection: Arc<[usize]> = places.collect::<Result<_>>()?;
        let schema = Arc::new(self.scan.schema().project(&projection)?);
        let mut statistics = self.statistics.clone().project(Some(&projection));
        statistics.calculate_total_byte_size(&schema);
        let (sender, rows) = channel(WAITING);
        self.outlets.push(Outlet { projection, sender });
        let ending = Arc::clone(&self.ending);
        Ok(Arc::new(Tap::new(schema, statistics, rows, ending)))
    }

    /// How many taps are still held by a query.
    pub(super) fn readers(&self) -> usize {
        let outlets = self.outlets.iter();
        outlets.filter(|outlet| !outlet.sender.is_closed()).count()
    }

    /// Whether the statistics of the table show that no row passes the filters.
    pub(super) fn passes_none(&self, filters: &[Expr], state: &SessionState) -> bool {
        let schema = self.scan.schema();
        let pruned = || -> Result<Vec<bool>> {
            let Some(filter) = conjunction(unnormalize_cols(filters.iter().cloned())) else {
                return Ok(Vec::new());
            };
            let columns = DFSchema::try_from(Arc::clone(&schema))?;
            let filter = state.create_physical_expr(filter, &columns)?;
            let whole = vec![Arc::new(self.statistics.clone())];
            let whole = PrunableStatistics::new(whole, Arc::clone(&schema));
            let pruning = PruningPredicateBuilder::new().with_file_schema(schema.clone());
            pruning.try_build(filter)?.prune(&whole)
        };
        // A filter that cannot be judged by statistics takes the way that is always right.
        matches!(pruned().as_deref(), Ok([false]))
    }

    /// Reads all partitions at once, to their end or the first error.
    pub(super) async fn run(self) {
        let ending = self.read().await;
        // Before the outlets, and with them the channels, are dropped with `self`.
        let _ = self.ending.set(ending.map_err(Arc::new));
    }

    async fn read(&self) -> Result<()> {
        let mut readers = JoinSet::new();
        for partition in 0..self.scan.output_partitioning().partition_count() {
            let rows = self.scan.execute(partition, Arc::clone(&self.context))?;
            readers.spawn(pass_on(rows, self.outlets.clone()));
        }
        while let Some(read) = readers.join_next().await {
            read.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
        }
        Ok(())
    }
}

/// Gives every batch of one partition to every query that still wants it.
async fn pass_on(mut rows: SendableRecordBatchStream, mut outlets: Vec<Outlet>) -> Result<()> {
    while let Some(batch) = rows.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let sends = outlets.into_iter().map(|outlet| {
            let columns = batch.project(&outlet.projection);
            async move {
                let sent = outlet.sender.send(columns?).await;
                // A query that has seen enough closes its channel.
                Ok(sent.is_ok().then_some(outlet))
            }
        });
        let kept: Vec<Option<Outlet>> = join_all(sends).await.into_iter().collect::<Result<_>>()?;
        outlets = kept.into_iter().flatten().collect();
        if outlets.is_empty() {
            break;
        }
    }
    Ok(())
}
