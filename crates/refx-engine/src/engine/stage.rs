//! Rows of a query, kept so that they can be read more than once without running it again.
//!
//! Small results stay in memory; past [`IN_MEMORY`] bytes, or when the pool has no more to give,
//! they go to files of the run's spill directory, which vanish with the value.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, SpillFile, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;

use super::exact::outside;
use super::query::sql_type;
use super::{Error, Kind};

/// Bytes of one staged result that stay in memory, where the run's limit is not a small one.
const IN_MEMORY: usize = 64 << 20;

/// The part of the run's memory that one staged result may hold: what the query sorts and joins
/// with comes first.
const SHARE: usize = 16;

/// The rows of a query, on disk or in memory, readable any number of times.
pub(crate) struct Staged {
    schema: SchemaRef,
    parts: Vec<Part>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Counts the rows in memory against the run's limit for as long as they live.
    _held: MemoryReservation,
}

/// What one partition of the query gave.
#[derive(Clone)]
enum Part {
    Memory(Vec<RecordBatch>),
    File(Arc<dyn SpillFile>),
}

impl Staged {
    /// Declares columns that were found to hold no NULL. Costs nothing: batches are wrapped anew.
    pub(crate) fn require(&mut self, columns: &[String]) -> Result<(), Error> {
        let fields = self.schema.fields().iter().map(|field| {
            let required = columns.contains(field.name());
            let field = field.as_ref().clone();
            let nullable = field.is_nullable() && !required;
            Arc::new(field.with_nullable(nullable))
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        for part in &mut self.parts {
            if let Part::Memory(batches) = part {
                for batch in batches {
                    *batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// The type of a column.
    pub(crate) fn data_type(&self, column: &str) -> Option<&DataType> {
        let field = self.schema.field_with_name(column);
        field.ok().map(|field| field.data_type())
    }

    /// A table over the rows. It keeps the files alive for as long as it is read.
    pub(crate) fn table(&self) -> Result<Arc<dyn TableProvider>, Error> {
        if self
            .parts
            .iter()
            .all(|part| matches!(part, Part::Memory(_)))
        {
            let batches = self
                .parts
                .iter()
                .map(|part| match part {
                    Part::Memory(batches) => batches.clone(),
                    Part::File(_) => Vec::new(),
                })
                .collect();
            return Ok(Arc::new(MemTable::try_new(self.schema.clone(), batches)?));
        }
        let partitions = self
            .parts
            .iter()
            .map(|part| {
                Arc::new(StagedPartition {
                    schema: self.schema.clone(),
                    part: part.clone(),
                }) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTable::try_new(
            self.schema.clone(),
            partitions,
        )?))
    }
}

/// Runs the partitions to their end and keeps their rows. Dropping the future stops the query and
/// removes the files.
pub(super) async fn stage(
    schema: SchemaRef,
    partitions: Vec<SendableRecordBatchStream>,
    context: Arc<TaskContext>,
    progress: Arc<AtomicU64>,
) -> Result<Staged, Error> {
    let runtime = context.runtime_env();
    let held = Arc::new(MemoryConsumer::new("staged rows").register(&runtime.memory_pool));
    let counters = Arc::new(Counters {
        rows: progress,
        bytes: AtomicU64::new(0),
    });
    let in_memory = match runtime.memory_pool.memory_limit() {
        MemoryLimit::Finite(limit) => IN_MEMORY.min(limit / SHARE),
        _ => IN_MEMORY,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for (index, rows) in partitions.into_iter().enumerate() {
        let one = OnePartition {
            schema: schema.clone(),
            held: Arc::clone(&held),
            in_memory,
            counters: Arc::clone(&counters),
            disk: Arc::clone(&runtime.disk_manager),
        };
        tasks.spawn(async move { one.keep(rows).await.map(|part| (index, part)) });
    }
    let mut parts = Vec::with_capacity(tasks.len());
    while let Some(joined) = tasks.join_next().await {
        let part = joined.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?;
        parts.push(part?);
    }
    // In the order of the partitions, so that a sorted query is stored sorted.
    parts.sort_by_key(|(index, _)| *index);
    let parts = parts.into_iter().map(|(_, part)| part).collect();
    Ok(Staged {
        schema,
        parts,
        rows: counters.rows.load(Ordering::Relaxed),
        bytes: counters.bytes.load(Ordering::Relaxed),
        _held: held.split(held.size()),
    })
}

struct Counters {
    /// Shared with whoever tells how far the query is.
    rows: Arc<AtomicU64>,
    bytes: AtomicU64,
}

struct OnePartition {
    schema: SchemaRef,
    held: Arc<MemoryReservation>,
    /// Bytes that all partitions may hold together.
    in_memory: usize,
    counters: Arc<Counters>,
    disk: Arc<DiskManager>,
}

impl OnePartition {
    async fn keep(self, mut rows: SendableRecordBatchStream) -> Result<Part, Error> {
        let mut batches = Vec::new();
        let mut in_memory = 0;
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            // The plan may promise less about NULLs than the table that the rows are for.
            let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
            in_their_types(&batch)?;
            let bytes = batch.get_array_memory_size();
            self.count(&batch, bytes);
            let fits =
                self.held.size() + bytes <= self.in_memory && self.held.try_grow(bytes).is_ok();
            batches.push(batch);
            if !fits {
                let part = self.keep_on_disk(batches, rows).await;
                self.held.shrink(in_memory);
                return part;
            }
            in_memory += bytes;
        }
        Ok(Part::Memory(batches))
    }

    async fn keep_on_disk(
        &self,
        batches: Vec<RecordBatch>,
        mut rows: SendableRecordBatchStream,
    ) -> Result<Part, Error> {
        let file = self.disk.create_tmp_file("staging rows")?;
        let path = file
            .path()
            .ok_or_else(|| DataFusionError::Internal("a spill file without a path".to_owned()))?;
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let out = File::create(path).map_err(|e| Error::io(path.display(), &e))?;
        let mut writer =
            StreamWriter::try_new_with_options(BufWriter::new(out), &self.schema, options)?;
        for batch in &batches {
            writer.write(batch)?;
        }
        drop(batches);
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
            in_their_types(&batch)?;
            self.count(&batch, batch.get_array_memory_size());
            writer.write(&batch)?;
        }
        writer.finish()?;
        drop(writer);
        Ok(Part::File(file))
    }

    fn count(&self, batch: &RecordBatch, bytes: usize) {
        self.counters
            .rows
            .fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.counters
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Refuses decimals with more digits than their type has. Arrow's cast of an integer does not count
/// them, and readers of the table would each make another number of such a value.
fn in_their_types(batch: &RecordBatch) -> Result<(), Error> {
    for (field, values) in batch.schema().fields().iter().zip(batch.columns()) {
        if let Some(row) = outside(values) {
            let (name, wanted) = (field.name(), sql_type(field.data_type()));
            let value = array_value_to_string(values, row)?;
            return Err(Error::new(
                Kind::Execution,
                format!("column `{name}`: `{value}` has more digits than {wanted}"),
            )
            .help(format!("cast `{name}` to a wider decimal")));
        }
    }
    Ok(())
}

struct StagedPartition {
    schema: SchemaRef,
    part: Part,
}

impl fmt::Debug for StagedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StagedPartition")
    }
}

impl PartitionStream for StagedPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let sender = builder.tx();
        match self.part.clone() {
            Part::Memory(batches) => {
                builder.spawn(async move {
                    for batch in batches {
                        if sender.send(Ok(batch)).await.is_err() {
                            break;
                        }
                    }
                    Ok(())
                });
            }
            Part::File(file) => {
                let schema = self.schema.clone();
                builder.spawn_blocking(move || {
                    let path = file.path().ok_or_else(|| {
                        DataFusionError::Internal("a spill file without a path".to_owned())
                    })?;
                    let reader = StreamReader::try_new(BufReader::new(File::open(path)?), None)?;
                    for batch in reader {
                        let batch = batch.and_then(|batch| {
                            RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
                        });
                        if sender.blocking_send(batch.map_err(Into::into)).is_err() {
                            break;
                        }
                    }
                    Ok(())
                });
            }
        }
        builder.build()
    }
}
