//! A table that tells what became of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use tokio::sync::Semaphore;

/// What happens to each partition behind its last row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum After {
    End,
    Error,
    Panic,
    /// The rows begin anew.
    Again,
}

/// What became of a table in a test.
#[derive(Debug)]
pub(super) struct Seen {
    /// The columns of each scan that was planned.
    scans: Mutex<Vec<Vec<usize>>>,
    /// Partitions that were read.
    reads: AtomicUsize,
    /// Batches that were given.
    pub(super) batches: Semaphore,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            scans: Mutex::default(),
            reads: AtomicUsize::new(0),
            batches: Semaphore::new(0),
        }
    }

    pub(super) fn scans(&self) -> Vec<Vec<usize>> {
        let scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        scans.clone()
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) inner: Arc<dyn TableProvider>,
    pub(super) schema: SchemaRef,
    pub(super) seen: Arc<Seen>,
}

impl TableProvider for Watched {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
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
        let mut scans = self
            .seen
            .scans
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        scans.push(projection.cloned().unwrap_or_default());
        self.inner.scan(state, projection, filters, limit)
    }
}

#[derive(Debug)]
struct Part {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    after: After,
    seen: Arc<Seen>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.seen.reads.fetch_add(1, Ordering::Relaxed);
        let (after, seen) = (self.after, Arc::clone(&self.seen));
        let rows = futures::stream::iter(self.batches.clone()).map(Ok);
        let rows = match after {
            After::End => rows.boxed(),
            After::Again => {
                let batches = self.batches.clone();
                futures::stream::iter(batches.into_iter().cycle().map(Ok)).boxed()
            }
            After::Error | After::Panic => rows
                .chain(futures::stream::once(async move {
                    assert!(after == After::Error, "the file is broken");
                    Err(DataFusionError::Execution("the disk is gone".to_owned()))
                }))
                .boxed(),
        };
        let rows = rows.then(move |batch| {
            seen.batches.add_permits(1);
            async move {
                // As files do, so that a partition is not read in one go.
                tokio::task::yield_now().await;
                batch
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

const ROWS_A_BATCH: usize = 16;

/// `orders(id bigint, customer bigint, status varchar, amount bigint)`: ids are 0, 1, …, customers
/// are 0 to 6 or NULL.
pub(super) fn batch(first: usize, rows: usize) -> RecordBatch {
    let ids = (first..first + rows).map(|id| i64::try_from(id).unwrap());
    let ids: Vec<i64> = ids.collect();
    let statuses = ["new", "paid", "sent"];
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        (
            "customer",
            Arc::new(Int64Array::from_iter(
                ids.iter().map(|id| (id % 8 != 7).then_some(id % 8)),
            )),
        ),
        (
            "status",
            Arc::new(StringArray::from_iter_values(
                ids.iter()
                    .map(|id| statuses[usize::try_from(id % 3).unwrap()]),
            )),
        ),
        (
            "amount",
            Arc::new(Int64Array::from_iter_values(
                ids.iter().map(|id| id * 7 % 100),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true)))
        .unwrap()
}

/// The table `orders`, of some partitions of some batches each.
pub(super) fn orders(partitions: usize, batches: usize, after: After) -> (Arc<Watched>, Arc<Seen>) {
    let first = |part: usize, at: usize| (part * batches + at) * ROWS_A_BATCH;
    let part = |part: usize| {
        let rows = (0..batches).map(|at| batch(first(part, at), ROWS_A_BATCH));
        rows.collect()
    };
    watched((0..partitions).map(part).collect(), after)
}

pub(super) fn watched(parts: Vec<Vec<RecordBatch>>, after: After) -> (Arc<Watched>, Arc<Seen>) {
    let seen = Arc::new(Seen::new());
    let some = parts.iter().flatten().next();
    let schema = some.map_or_else(|| batch(0, 1).schema(), RecordBatch::schema);
    let parts = parts.into_iter().map(|batches| {
        Arc::new(Part {
            schema: schema.clone(),
            batches,
            after,
            seen: Arc::clone(&seen),
        }) as Arc<dyn PartitionStream>
    });
    let inner = StreamingTable::try_new(schema.clone(), parts.collect()).unwrap();
    let table = Watched {
        inner: Arc::new(inner),
        schema,
        seen: Arc::clone(&seen),
    };
    (Arc::new(table), seen)
}
