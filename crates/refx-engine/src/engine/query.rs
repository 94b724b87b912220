//! Planned queries and the ways to run them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::json::ArrayWriter;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlanProperties;
use serde_json::Value;

use super::stage::stage;
use super::{Error, Kind, Name, Staged};

/// A SELECT whose names and types are settled, bound to the session that planned it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) logical: LogicalPlan,
    /// The plan as the text says it, before types were made to fit: lint and lineage read it.
    pub(super) written: Arc<LogicalPlan>,
    pub(super) state: SessionState,
    /// Rows that the query has given so far, while it is staged.
    pub(super) staged: Arc<AtomicU64>,
}

/// One column of a query's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFact {
    pub name: String,
    /// In SQL's words where it has them: `varchar`, `bigint`, `timestamp`.
    pub data_type: String,
    pub nullable: bool,
}

/// A small result as JSON values, for `run_query` in templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Name and type.
    pub columns: Vec<(String, String)>,
    pub rows: Vec<Vec<Value>>,
}

impl Plan {
    pub fn columns(&self) -> Vec<ColumnFact> {
        self.schema()
            .fields()
            .iter()
            .map(|field| ColumnFact {
                name: field.name().clone(),
                data_type: type_name(field),
                nullable: field.is_nullable(),
            })
            .collect()
    }

    /// Rows that the query has given so far, while a write runs it.
    pub fn rows_staged(&self) -> u64 {
        self.staged.load(Ordering::Relaxed)
    }

    /// Whether the query reads the table of a name.
    pub fn reads(&self, name: &Name) -> bool {
        let wanted = super::session::reference(name);
        let mut found = false;
        // The walk cannot fail: its step does not.
        let _ = self.logical.apply_with_subqueries(|node| {
            found |= matches!(node, LogicalPlan::TableScan(scan) if scan.table_name.resolved_eq(&wanted));
            Ok(match found {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        });
        found
    }

    /// The query as the optimizer leaves it, its constants evaluated: equal texts give equal rows of the
    /// same tables.
    pub fn optimized_text(&self) -> Result<String, Error> {
        let optimized = self.state.optimize(&self.logical)?;
        let mut text = optimized.display_indent_schema().to_string();
        // The display of a plan leaves out all but the first rows of `VALUES`.
        optimized.apply_with_subqueries(|node| {
            if let LogicalPlan::Values(values) = node {
                text.push_str(&format!("{:?}", values.values));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(text)
    }

    /// The columns that the query needs of a table that it reads, in the table's order.
    pub fn columns_read(&self, name: &Name) -> Result<Vec<String>, Error> {
        let wanted = super::session::reference(name);
        let optimized = self.state.optimize(&self.logical)?;
        let mut whole = Vec::new();
        let mut found = BTreeSet::new();
        optimized.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && scan.table_name.resolved_eq(&wanted)
            {
                whole = scan
                    .source
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| field.name().clone())
                    .collect();
                let columns = scan.projected_schema.fields().iter();
                found.extend(columns.map(|field| field.name().clone()));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        whole.retain(|name| found.contains(name));
        Ok(whole)
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.logical.schema().fields().clone()))
    }

    /// All rows, bounded by `limit` where one is given.
    pub async fn collect(&self, limit: Option<usize>) -> Result<Vec<RecordBatch>, Error> {
        let logical = match limit {
            Some(rows) => self.limited(rows)?,
            None => self.logical.clone(),
        };
        let physical = self.state.create_physical_plan(&logical).await?;
        let task = self.state.task_ctx();
        Ok(datafusion::physical_plan::collect(physical, task).await?)
    }

    pub(super) fn limited(&self, rows: usize) -> Result<LogicalPlan, Error> {
        Ok(LogicalPlanBuilder::from(self.logical.clone())
            .limit(0, Some(rows))?
            .build()?)
    }

    /// Runs the query once and keeps its rows, each column as one of `columns` gives it.
    ///
    /// The columns must have the schema's names and types. A join whose build side outgrows the
    /// memory limit cannot spill: the query then starts again with joins that sort, which can.
    pub(crate) async fn stage(
        &self,
        columns: Vec<Expr>,
        schema: SchemaRef,
    ) -> Result<Staged, Error> {
        let logical = LogicalPlanBuilder::from(self.logical.clone())
            .project(columns)?
            .build()?;
        match self.stage_with(&logical, &self.state, &schema).await {
            Err(error) if error.kind == Kind::Resources => {
                let mut state = self.state.clone();
                let options = state.config_mut().options_mut();
                if !options.optimizer.prefer_hash_join || !has_join(&logical) {
                    return Err(error);
                }
                options.optimizer.prefer_hash_join = false;
                self.stage_with(&logical, &state, &schema).await
            }
            other => other,
        }
    }

    async fn stage_with(
        &self,
        logical: &LogicalPlan,
        state: &SessionState,
        schema: &SchemaRef,
    ) -> Result<Staged, Error> {
        let physical = state.create_physical_plan(logical).await?;
        let task = state.task_ctx();
        let partitions = (0..physical.output_partitioning().partition_count())
            .map(|partition| physical.execute(partition, Arc::clone(&task)))
            .collect::<Result<Vec<_>, _>>()?;
        self.staged.store(0, Ordering::Relaxed);
        stage(schema.clone(), partitions, task, Arc::clone(&self.staged)).await
    }

    /// The plan with more steps on top of it.
    pub(crate) fn then(
        &self,
        more: impl FnOnce(LogicalPlan) -> Result<LogicalPlan, DataFusionError>,
    ) -> Result<Plan, Error> {
        Ok(Plan {
            logical: more(self.logical.clone())?,
            ..self.clone()
        })
    }

    /// Up to `limit` rows as JSON values.
    pub async fn answer(&self, limit: usize) -> Result<Answer, Error> {
        let columns = self.columns();
        let batches = self.collect(Some(limit)).await?;
        Answer::new(columns, &batches)
    }
}

impl Answer {
    pub(super) fn new(columns: Vec<ColumnFact>, batches: &[RecordBatch]) -> Result<Answer, Error> {
        Ok(Answer {
            columns: columns
                .into_iter()
                .map(|column| (column.name, column.data_type))
                .collect(),
            rows: json_rows(batches)?,
        })
    }
}

/// Runs a frame once and keeps its rows.
pub(crate) async fn keep(frame: DataFrame) -> Result<Staged, Error> {
    let task = Arc::new(frame.task_ctx());
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let partitions = frame.execute_stream_partitioned().await?;
    stage(schema, partitions, task, Arc::default()).await
}

fn has_join(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(_))))
        .unwrap_or(true)
}

/// Rows as lists of JSON values. The columns are written under their numbers, so that two of one
/// name both survive.
fn json_rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>, Error> {
    let mut rows = Vec::new();
    for batch in batches {
        let fields: Vec<Field> = batch
            .schema()
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| field.as_ref().clone().with_name(index.to_string()))
            .collect();
        let numbered =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())?;
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write(&numbered)?;
        writer.finish()?;
        let parsed: Vec<serde_json::Map<String, Value>> =
            match serde_json::from_slice(&writer.into_inner()) {
                Ok(parsed) => parsed,
                Err(error) => return Err(Error::new(Kind::Execution, error.to_string())),
            };
        let width = batch.num_columns();
        rows.extend(parsed.into_iter().map(|mut row| {
            (0..width)
                .map(|index| row.remove(&index.to_string()).unwrap_or(Value::Null))
                .collect::<Vec<_>>()
        }));
    }
    Ok(rows)
}

/// The SQL name of a column's type.
fn type_name(field: &Field) -> String {
    sql_type(field.data_type())
}

/// The SQL name of an Arrow type, as refx prints it.
pub fn sql_type(data_type: &datafusion::arrow::datatypes::DataType) -> String {
    use datafusion::arrow::datatypes::DataType as Arrow;
    match data_type {
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => "varchar".to_owned(),
        Arrow::Boolean => "boolean".to_owned(),
        Arrow::Int8 => "tinyint".to_owned(),
        Arrow::Int16 => "smallint".to_owned(),
        Arrow::Int32 => "integer".to_owned(),
        Arrow::Int64 => "bigint".to_owned(),
        Arrow::UInt8 => "tinyint unsigned".to_owned(),
        Arrow::UInt16 => "smallint unsigned".to_owned(),
        Arrow::UInt32 => "integer unsigned".to_owned(),
        Arrow::UInt64 => "bigint unsigned".to_owned(),
        Arrow::Float16 | Arrow::Float32 => "float".to_owned(),
        Arrow::Float64 => "double".to_owned(),
        Arrow::Decimal32(p, s)
        | Arrow::Decimal64(p, s)
        | Arrow::Decimal128(p, s)
        | Arrow::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        Arrow::Date32 | Arrow::Date64 => "date".to_owned(),
        Arrow::Timestamp(_, None) => "timestamp".to_owned(),
        Arrow::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        Arrow::Time32(_) | Arrow::Time64(_) => "time".to_owned(),
        Arrow::Interval(_) | Arrow::Duration(_) => "interval".to_owned(),
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        Arrow::Null => "null".to_owned(),
        Arrow::Dictionary(_, values) => sql_type(values),
        Arrow::List(item) | Arrow::LargeList(item) | Arrow::FixedSizeList(item, _) => {
            format!("{}[]", sql_type(item.data_type()))
        }
        Arrow::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), sql_type(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        other => other.to_string().to_lowercase(),
    }
}
