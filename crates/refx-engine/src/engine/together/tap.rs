//! A query's end of the shared scan: what stands in its plan where the table would.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Constraints, DataFusionError, Result, Statistics};
use datafusion::datasource::source_as_provider;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableSource, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, StatisticsArgs,
};
use tokio::sync::mpsc::Receiver;

/// How the scan ended. It is set before the channels are closed.
pub(super) type Ending = Arc<OnceLock<std::result::Result<(), Arc<DataFusionError>>>>;

/// The table as the queries are planned with it.
#[derive(Debug)]
pub(super) struct StandIn {
    table: Arc<dyn TableProvider>,
    tap: Option<Arc<Tap>>,
}

impl StandIn {
    pub(super) fn new(table: Arc<dyn TableProvider>) -> StandIn {
        StandIn { table, tap: None }
    }

    /// The table for the one query that the tap was made for.
    pub(super) fn tapped(&self, tap: Arc<Tap>) -> StandIn {
        StandIn {
            table: Arc::clone(&self.table),
            tap: Some(tap),
        }
    }

    pub(super) fn is_source(&self, source: &Arc<dyn TableSource>) -> bool {
        source_as_provider(source)
            .is_ok_and(|provider| std::ptr::addr_eq(Arc::as_ptr(&provider), self))
    }
}

impl TableProvider for StandIn {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.table.constraints()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    /// Each query filters for itself, since the scan is for others too. That it says what it looks for
    /// tells whether it needs the scan at all.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn scan<'a, 'b, 'c, 'd, 'out>(
        &'a self,
        state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'out>>
    where
        'a: 'out,
        'b: 'out,
        'c: 'out,
        'd: 'out,
        Self: 'out,
    {
        match &self.tap {
            Some(tap) => {
                let tap: Arc<dyn ExecutionPlan> = tap.clone();
                Box::pin(async move { Ok(tap) })
            }
            None => self.table.scan(state, projection, filters, limit),
        }
    }
}

/// The rows of the shared scan, in the columns of one query.
///
/// They come in one partition; see the head of the module for why.
pub(super) struct Tap {
    properties: Arc<PlanProperties>,
    statistics: Arc<Statistics>,
    rows: Mutex<Option<Receiver<RecordBatch>>>,
    ending: Ending,
    restarted: Arc<AtomicBool>,
}

impl Tap {
    pub(super) fn new(
        schema: SchemaRef,
        statistics: Statistics,
        rows: Receiver<RecordBatch>,
        ending: Ending,
    ) -> Tap {
        // Tokio's channels yield by themselves now and then.
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Tap {
            properties: Arc::new(properties),
            statistics: Arc::new(statistics),
            rows: Mutex::new(Some(rows)),
            ending,
            restarted: Arc::default(),
        }
    }

    /// Set once somebody wants the rows a second time.
    pub(super) fn restarted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.restarted)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl DisplayAs for Tap {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl ExecutionPlan for Tap {
    fn name(&self) -> &str {
        "Tap"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    // Deprecated, and yet without a default.
    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(rows) = rows else {
            self.restarted.store(true, Ordering::Release);
            return Err(DataFusionError::Execution(
                "the rows of a shared scan are read a second time".to_owned(),
            ));
        };
        let state = Some((rows, Arc::clone(&self.ending)));
        let stream = futures::stream::unfold(state, |state| async {
            let (mut rows, ending) = state?;
            match rows.recv().await {
                Some(batch) => Some((Ok(batch), Some((rows, ending)))),
                None => ended(&ending).err().map(|error| (Err(error), None)),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            stream,
        )))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&self.statistics))
    }
}

/// A channel that closes is the end of the rows only if the scan came to its end: a test on half a
/// table would pass.
fn ended(ending: &Ending) -> Result<()> {
    match ending.get() {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(DataFusionError::Shared(Arc::clone(error))),
        None => Err(DataFusionError::Execution(
            "the scan of the table broke off".to_owned(),
        )),
    }
}
