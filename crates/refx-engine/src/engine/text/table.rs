//! The table over text files that queries read.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{Stream, StreamExt, TryStreamExt};

use super::chunks::{Piece, TextFile, pieces};
use super::json::{self, Kind};
use super::look::{Look, names, records};
use super::records::Grammar;
use super::{csv, misfit, not_an_object, ragged, surprise};
use crate::engine::exact::{Inexact, exact};
use crate::engine::{self, Error};

/// A column of the files.
#[derive(Clone, Debug)]
pub(super) struct TextColumn {
    pub(super) field: FieldRef,
    /// Its name in the files.
    pub(super) in_file: String,
    pub(super) declared: bool,
    /// chrono's notation of its values.
    pub(super) format: Option<String>,
}

/// A file, what its first rows showed, and the values of its folders.
#[derive(Debug)]
struct Part {
    file: TextFile,
    look: Arc<Look>,
    folders: Vec<Option<String>>,
}

#[derive(Debug)]
pub(super) struct TextTable {
    /// The files' columns, then those of the folders.
    schema: SchemaRef,
    columns: Vec<TextColumn>,
    folders: Vec<FieldRef>,
    parts: Vec<Arc<Part>>,
    grammar: Grammar,
    nulls: Arc<[String]>,
}

impl TextTable {
    pub(super) fn new(
        columns: Vec<TextColumn>,
        files: Vec<(TextFile, Arc<Look>)>,
        grammar: Grammar,
        nulls: Vec<String>,
        folders: Vec<(FieldRef, Vec<Option<String>>)>,
    ) -> TextTable {
        let fields = columns.iter().map(|column| &column.field);
        let fields = fields.chain(folders.iter().map(|(field, _)| field));
        let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        let parts = files.into_iter().enumerate().map(|(at, (file, look))| {
            let values = folders.iter().map(|(_, values)| values[at].clone());
            Arc::new(Part {
                file,
                look,
                folders: values.collect(),
            })
        });
        TextTable {
            schema,
            parts: parts.collect(),
            folders: folders.into_iter().map(|(field, _)| field).collect(),
            columns,
            grammar,
            nulls: nulls.into(),
        }
    }

    /// Whether an expression reads nothing but the folders' columns.
    fn is_of_folders(&self, filter: &Expr) -> bool {
        let of_folders = |name: &str| self.folders.iter().any(|field| field.name() == name);
        let columns = filter.column_refs();
        !columns.is_empty() && columns.iter().all(|column| of_folders(&column.name))
    }

    /// The files that the filters over folders leave.
    fn left(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Vec<Arc<Part>>, DataFusionError> {
        let schema = Arc::new(Schema::new(self.folders.clone()));
        let columns = (0..self.folders.len()).map(|at| {
            let values = self.parts.iter().map(|part| part.folders[at].as_deref());
            let values: ArrayRef = Arc::new(values.collect::<StringArray>());
            exact(&values, self.folders[at].data_type(), None)
        });
        let Ok(columns) = columns.collect::<Result<Vec<_>, _>>() else {
            // Told when the file is read.
            return Ok(self.parts.clone());
        };
        let options = RecordBatchOptions::new().with_row_count(Some(self.parts.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let named = DFSchema::try_from(schema.as_ref().clone())?;
        let mut kept = vec![true; self.parts.len()];
        for filter in filters.iter().filter(|filter| self.is_of_folders(filter)) {
            let filter = unqualified(filter.clone())?;
            let check = state.create_physical_expr(filter, &named)?;
            let passes = check.evaluate(&batch)?.into_array(batch.num_rows())?;
            let Some(passes) = passes.as_boolean_opt() else {
                continue;
            };
            for (at, kept) in kept.iter_mut().enumerate() {
                *kept &= passes.is_valid(at) && passes.value(at);
            }
        }
        let parts = self.parts.iter().zip(kept).filter(|(_, kept)| *kept);
        Ok(parts.map(|(part, _)| Arc::clone(part)).collect())
    }
}

fn unqualified(filter: Expr) -> Result<Expr, DataFusionError> {
    use datafusion::common::Column;
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

#[async_trait]
impl TableProvider for TextTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        // The filter stays above the scan; here it leaves files out.
        let pushed = filters
            .iter()
            .map(|filter| match self.is_of_folders(filter) {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            });
        Ok(pushed.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(projection)?);
        let scan = Arc::new(Scan::new(self, projection, Arc::clone(&schema)));
        let parts = self.left(state, filters)?;
        let threads = state.config().target_partitions().max(1);
        let groups = groups(&parts, threads);
        // A single file is read by as many threads as several are.
        let at_once = (threads / groups.len().max(1)).max(1);
        let streams = groups.into_iter().map(|parts| {
            Arc::new(Group {
                scan: Arc::clone(&scan),
                parts,
                at_once,
            }) as Arc<dyn PartitionStream>
        });
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            streams.collect(),
            None,
            [],
            false,
            limit,
        )?))
    }
}

/// The files in up to `most` runs of about the same size, in their order.
fn groups(parts: &[Arc<Part>], most: usize) -> Vec<Vec<Arc<Part>>> {
    let total: u64 = parts.iter().map(|part| part.file.meta.size).sum();
    let share = total.div_ceil(most as u64).max(1);
    let mut groups: Vec<Vec<Arc<Part>>> = Vec::new();
    let (mut size, mut before) = (0, 0);
    for part in parts {
        // The share in which the file begins.
        let at = before / share;
        if groups.is_empty() || (at > size && groups.len() < most) {
            groups.push(Vec::new());
            size = at;
        }
        if let Some(group) = groups.last_mut() {
            group.push(Arc::clone(part));
        }
        before += part.file.meta.size;
    }
    if groups.is_empty() {
        // A plan has one partition at least.
        groups.push(Vec::new());
    }
    groups
}

/// What a query reads of the table.
#[derive(Debug)]
struct Scan {
    schema: SchemaRef,
    grammar: Grammar,
    nulls: Arc<[String]>,
    /// Columns of the files, without those of the folders.
    columns: Vec<TextColumn>,
    /// Where each column of the schema comes from.
    from: Vec<Origin>,
    /// JSON: the columns with their scalars as texts.
    as_texts: SchemaRef,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Column(usize),
    Folder(usize),
}

impl Scan {
    fn new(table: &TextTable, projection: &[usize], schema: SchemaRef) -> Scan {
        let mut columns: Vec<TextColumn> = Vec::new();
        let from = projection.iter().map(|at| match table.columns.get(*at) {
            Some(column) => {
                columns.push(column.clone());
                Origin::Column(columns.len() - 1)
            }
            None => Origin::Folder(at - table.columns.len()),
        });
        let from = from.collect();
        let as_texts = columns.iter().map(|column| {
            let data_type = json::as_texts(column.field.data_type());
            Field::new(&column.in_file, data_type, true)
        });
        Scan {
            schema,
            grammar: table.grammar,
            nulls: Arc::clone(&table.nulls),
            from,
            as_texts: Arc::new(Schema::new(as_texts.collect::<Vec<_>>())),
            columns,
        }
    }

    /// The rows of a piece.
    fn read(
        &self,
        part: &Part,
        names: &[String],
        piece: &Piece,
        at_once: usize,
    ) -> Result<Vec<RecordBatch>, Error> {
        match self.grammar {
            Grammar::Csv(dialect) => {
                let wanted = self.columns.iter();
                let wanted: Vec<Option<usize>> = wanted
                    .map(|column| names.iter().position(|name| *name == column.in_file))
                    .collect();
                let reading = csv::Reading {
                    dialect,
                    skip: piece.first && dialect.header,
                    width: names.len(),
                    wanted: &wanted,
                    nulls: &self.nulls,
                };
                let rows = csv::rows(&piece.bytes, &reading, at_once);
                let rows = rows.map_err(|bad| ragged(&part.file, piece, &bad))?;
                let converted = rows.into_iter().map(|rows| {
                    let texts = rows.columns.into_iter();
                    let texts: Vec<ArrayRef> = texts.map(|text| Arc::new(text) as _).collect();
                    let line = |row: usize| {
                        piece.line_of(rows.starts.get(row).copied().unwrap_or_default())
                    };
                    self.converted(part, rows.starts.len(), &texts, &line)
                });
                converted.collect()
            }
            Grammar::Json => {
                let mut before = 0;
                let batches = self.json(part, piece, at_once)?.into_iter();
                let converted = batches.map(|batch| {
                    let line = |row: usize| {
                        let record = records(piece).nth(before + row);
                        piece.line_of(record.map_or(0, |record| record.start))
                    };
                    let count = batch.num_rows();
                    let made = self.converted(part, count, batch.columns(), &line);
                    before += count;
                    made
                });
                converted.collect()
            }
        }
    }

    /// Rows in the types of the table; `line` tells on which line of the file one is.
    fn converted(
        &self,
        part: &Part,
        count: usize,
        texts: &[ArrayRef],
        line: &dyn Fn(usize) -> u64,
    ) -> Result<RecordBatch, Error> {
        let mut converted = Vec::with_capacity(texts.len());
        for (column, values) in self.columns.iter().zip(texts) {
            let made = exact(values, column.field.data_type(), column.format.as_deref());
            converted.push(made.map_err(|bad| self.bad(part, column, line(bad.row), &bad))?);
        }
        let fields = self.schema.fields();
        let columns = self
            .from
            .iter()
            .zip(fields)
            .map(|(from, field)| match from {
                Origin::Column(at) => Ok(Arc::clone(&converted[*at])),
                Origin::Folder(at) => folder(part, *at, field, count),
            });
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn bad(&self, part: &Part, column: &TextColumn, line: u64, bad: &Inexact) -> Error {
        let Part { file, look, .. } = part;
        match column.declared || look.complete {
            true => misfit(file, line, column.field.name(), bad),
            false => surprise(file, line, column, &bad.value, look.rows),
        }
    }

    fn json(&self, part: &Part, piece: &Piece, at_once: usize) -> Result<Vec<RecordBatch>, Error> {
        if !part.look.complete {
            self.new_keys(part, piece)?;
        }
        json::rows(&piece.bytes, &self.as_texts, at_once).map_err(|error| {
            // The record that fails is found by reading each alone.
            let fails = |record: &std::ops::Range<usize>| {
                json::rows(&piece.bytes[record.clone()], &self.as_texts, 1).is_err()
            };
            let at = records(piece).find(fails).map(|record| record.start);
            let line = piece.line_of(at.unwrap_or_default());
            let error = Error::from(error);
            let message = format!("line {line}: {}", error.message);
            Error::new(engine::Kind::Source, message).in_file(&part.file.shown)
        })
    }

    /// Refuses keys that the rows that were looked at do not have: they would be left out.
    fn new_keys(&self, part: &Part, piece: &Piece) -> Result<(), Error> {
        let known = Kind::Object(part.look.columns.iter().cloned().collect());
        for record in records(piece) {
            let seen = json::look(&piece.bytes[record.clone()], Kind::default());
            let seen =
                seen.map_err(|broken| not_an_object(&part.file, piece, record.start, broken))?;
            if let Some(key) = json::new_key(&seen, &known) {
                let line = piece.line_of(record.start);
                let rows = part.look.rows;
                return Err(Error::new(
                    engine::Kind::Source,
                    format!(
                        "{}:{line}: the key `{key}` is new: none of the first {rows} rows has it",
                        part.file.shown
                    ),
                )
                .help("set `infer_rows` to look at more rows"));
            }
        }
        Ok(())
    }
}

/// The value of a folder's name, in each row of the file.
fn folder(part: &Part, at: usize, field: &Field, count: usize) -> Result<ArrayRef, Error> {
    let Some(value) = part.folders.get(at).cloned().flatten() else {
        return Ok(new_null_array(field.data_type(), count));
    };
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        value, count,
    )));
    exact(&values, field.data_type(), None).map_err(|bad| {
        Error::new(
            engine::Kind::Source,
            format!("folder `{}`: {bad}", field.name()),
        )
        .in_file(&part.file.shown)
    })
}

/// Files that one stream reads after each other.
#[derive(Debug)]
struct Group {
    scan: Arc<Scan>,
    parts: Vec<Arc<Part>>,
    /// Pieces that are read at the same time.
    at_once: usize,
}

impl PartitionStream for Group {
    fn schema(&self) -> &SchemaRef {
        &self.scan.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_size = context.session_config().batch_size();
        let (scan, at_once) = (Arc::clone(&self.scan), self.at_once);
        let rows = futures::stream::iter(self.parts.clone())
            .flat_map(move |part| of_file(&scan, part, at_once, batch_size))
            .map_ok(|batches| {
                let batches = batches.into_iter().map(Ok::<_, DataFusionError>);
                futures::stream::iter(batches)
            })
            .map_err(|error| DataFusionError::External(Box::new(error)))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.scan.schema),
            rows,
        ))
    }
}

/// The rows of a file, in its order; its pieces are converted side by side.
fn of_file(
    scan: &Arc<Scan>,
    part: Arc<Part>,
    at_once: usize,
    batch_size: usize,
) -> impl Stream<Item = Result<Vec<RecordBatch>, Error>> + Send + use<> {
    let scan = Arc::clone(scan);
    let mut header: Option<Arc<[String]>> = None;
    pieces(&part.file, scan.grammar)
        .map(move |piece| {
            let (scan, part) = (Arc::clone(&scan), Arc::clone(&part));
            if let (Grammar::Csv(dialect), Ok(piece), None) = (scan.grammar, &piece, &header) {
                let first = csv::first(dialect, &piece.bytes).unwrap_or_default();
                header = Some(names(dialect, first).into());
            }
            let header = header.clone().unwrap_or_default();
            async move {
                let piece = piece?;
                let read = move || scan.read(&part, &header, &piece, batch_size);
                let task = SpawnedTask::spawn_blocking(read);
                match task.join().await {
                    Ok(read) => read,
                    Err(error) => Err(Error::from(DataFusionError::ExecutionJoin(Box::new(error)))),
                }
            }
        })
        .buffered(at_once)
}
