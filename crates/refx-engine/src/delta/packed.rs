//! Rows with their columns packed into one column of a struct, so that a plan names few columns.
//!
//! DataFusion searches a schema for each column that an expression names, in each of its rules: the cost of
//! a plan grows with the square of its columns. A merge compares and moves whole rows, so that its plans name
//! the key and one column more. Neither packing nor unpacking copies values.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StructArray,
    new_null_array,
};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_null, nullif, or};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, ScalarFunctionExpr,
};
use datafusion::physical_expr_common::datum::apply_cmp;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

/// The column that holds the packed ones.
pub(super) const ROW: &str = "__refx_row";

/// A frame as a table of some of its columns and of [`ROW`], which holds others.
#[derive(Debug)]
pub(super) struct Packed {
    plan: LogicalPlan,
    named: Vec<FieldRef>,
    packed: Fields,
    schema: SchemaRef,
}

impl Packed {
    /// Each column gets the type that its field says, and is NULL where the frame lacks it.
    pub(super) fn new(
        frame: DataFrame,
        named: Vec<FieldRef>,
        packed: impl IntoIterator<Item = FieldRef>,
    ) -> Packed {
        // A row that an outer join did not find is NULL in each of its fields.
        let packed = packed.into_iter();
        let packed: Fields = packed
            .map(|field| Field::new(field.name(), field.data_type().clone(), true))
            .collect();
        let row = Field::new(ROW, DataType::Struct(packed.clone()), false);
        let fields: Vec<FieldRef> = named.iter().cloned().chain([Arc::new(row)]).collect();
        Packed {
            plan: frame.into_unoptimized_plan(),
            named,
            packed,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

#[async_trait]
impl TableProvider for Packed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = state.create_physical_plan(&self.plan).await?;
        let schema = rows.schema();
        let places = schema.fields().iter().enumerate();
        let places: HashMap<&str, (usize, &DataType)> = places
            .map(|(index, field)| (field.name().as_str(), (index, field.data_type())))
            .collect();
        let value = |field: &FieldRef| -> Result<Arc<dyn PhysicalExpr>> {
            let wanted = field.data_type();
            let Some((index, data_type)) = places.get(field.name().as_str()) else {
                return Ok(Arc::new(Literal::new(ScalarValue::try_from(wanted)?)));
            };
            let column = Arc::new(Column::new(field.name(), *index));
            Ok(match *data_type == wanted {
                true => column,
                false => Arc::new(CastExpr::new(column, wanted.clone(), None)),
            })
        };
        let every: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for index in projection.unwrap_or(&every) {
            let field = Arc::clone(&self.schema.fields()[*index]);
            let expr = match self.named.get(*index) {
                Some(field) => value(field)?,
                None => {
                    let values = self.packed.iter().map(value).collect::<Result<_>>()?;
                    let pack = Arc::new(ScalarUDF::from(Pack::new(self.packed.clone())));
                    let options = Arc::new(state.config_options().clone());
                    let row = Arc::clone(&field);
                    Arc::new(ScalarFunctionExpr::new(ROW, pack, values, row, options))
                }
            };
            columns.push((expr, field.name().clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, rows)?))
    }
}

/// A frame with the fields of its [`ROW`] as columns again, in their places.
#[derive(Debug)]
pub(super) struct Unpacked {
    plan: LogicalPlan,
    places: Vec<Place>,
    schema: SchemaRef,
}

/// Where a column comes from.
#[derive(Clone, Copy, Debug)]
enum Place {
    Column(usize),
    /// A field of the packed row in a column.
    Field(usize, usize),
}

impl Unpacked {
    pub(super) fn new(frame: DataFrame) -> Unpacked {
        let (mut places, mut fields) = (Vec::new(), Vec::new());
        for (index, field) in frame.schema().fields().iter().enumerate() {
            match field.data_type() {
                DataType::Struct(packed) if field.name() == ROW => {
                    places.extend((0..packed.len()).map(|place| Place::Field(index, place)));
                    fields.extend(packed.iter().cloned());
                }
                _ => {
                    places.push(Place::Column(index));
                    fields.push(Arc::clone(field));
                }
            }
        }
        Unpacked {
            plan: frame.into_unoptimized_plan(),
            places,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// Declares columns that forbid NULL.
    pub(super) fn require(mut self, required: &HashSet<&str>) -> Unpacked {
        let fields = self.schema.fields().iter().map(|field| {
            let is_nullable = field.is_nullable() && !required.contains(field.name().as_str());
            field.as_ref().clone().with_nullable(is_nullable)
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self
    }
}

#[async_trait]
impl TableProvider for Unpacked {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = state.create_physical_plan(&self.plan).await?;
        let (places, schema) = match projection {
            Some(columns) => (
                columns.iter().map(|index| self.places[*index]).collect(),
                Arc::new(self.schema.project(columns)?),
            ),
            None => (self.places.clone(), Arc::clone(&self.schema)),
        };
        Ok(Arc::new(Unpack::new(rows, places, schema)))
    }
}

#[derive(Debug)]
struct Unpack {
    rows: Arc<dyn ExecutionPlan>,
    places: Vec<Place>,
    properties: Arc<PlanProperties>,
}

impl Unpack {
    fn new(rows: Arc<dyn ExecutionPlan>, places: Vec<Place>, schema: SchemaRef) -> Unpack {
        let of_rows = rows.properties();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(of_rows.partitioning.partition_count()),
            of_rows.emission_type,
            of_rows.boundedness,
        );
        Unpack {
            rows,
            places,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for Unpack {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpack")
    }
}

impl ExecutionPlan for Unpack {
    fn name(&self) -> &str {
        "Unpack"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([rows]) = <[_; 1]>::try_from(children) else {
            return internal_err!("rows are unpacked from one plan");
        };
        let (places, schema) = (self.places.clone(), self.schema());
        Ok(Arc::new(Unpack::new(rows, places, schema)))
    }

    // Deprecated, and yet without a default.
    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.rows.execute(partition, context)?;
        let (places, schema) = (self.places.clone(), self.schema());
        let unpacked = rows.map(move |batch| unpack(&batch?, &places, &schema));
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, unpacked)))
    }
}

fn unpack(batch: &RecordBatch, places: &[Place], schema: &SchemaRef) -> Result<RecordBatch> {
    let mut packed: HashMap<usize, Vec<ArrayRef>> = HashMap::new();
    let mut unpacked = Vec::with_capacity(places.len());
    for place in places {
        unpacked.push(match *place {
            Place::Column(index) => Arc::clone(batch.column(index)),
            Place::Field(index, field) => {
                let fields = match packed.entry(index) {
                    Entry::Occupied(fields) => fields.into_mut(),
                    Entry::Vacant(none) => none.insert(columns(batch.column(index).as_struct())?),
                };
                Arc::clone(&fields[field])
            }
        });
    }
    let has_null =
        |(field, column): &(&FieldRef, &ArrayRef)| !field.is_nullable() && column.null_count() > 0;
    if let Some((field, _)) = schema.fields().iter().zip(&unpacked).find(has_null) {
        return exec_err!("column `{}` of the table forbids NULL", field.name());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::clone(schema);
    Ok(RecordBatch::try_new_with_options(
        schema, unpacked, &options,
    )?)
}

/// Whether two rows of the same columns differ; NULL equals NULL and NaN equals NaN.
pub(super) fn rows_differ(left: Expr, right: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    ScalarUDF::from(RowsDiffer { signature }).call(vec![left, right])
}

/// The row that a new one makes of an old one.
///
/// The columns of `set` get the values of the new row. Those of `key` only do where there is no old row.
/// Other columns keep what the old row has. Either row may be NULL.
pub(super) fn merged_row(
    fields: &[FieldRef],
    key: &[String],
    set: &[String],
    new: Expr,
    old: Expr,
) -> Expr {
    let merge = MergeRows {
        fields: fields
            .iter()
            .map(|field| Field::new(field.name(), field.data_type().clone(), true))
            .collect(),
        key: key.to_vec(),
        set: set.to_vec(),
        signature: Signature::any(2, Volatility::Immutable),
    };
    ScalarUDF::from(merge).call(vec![new, old])
}

/// No row.
pub(super) fn no_row() -> Expr {
    Expr::Literal(ScalarValue::Null, None)
}

/// Makes a struct of columns.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pack {
    fields: Fields,
    signature: Signature,
}

impl Pack {
    fn new(fields: Fields) -> Pack {
        Pack {
            fields,
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Pack {
    fn name(&self) -> &str {
        "pack_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(self.fields.clone()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().map(|column| column.into_array(rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let row = StructArray::try_new_with_length(self.fields.clone(), columns, None, rows)?;
        Ok(ColumnarValue::Array(Arc::new(row)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowsDiffer {
    signature: Signature,
}

impl ScalarUDFImpl for RowsDiffer {
    fn name(&self) -> &str {
        "rows_differ"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (left, right) = two_rows(args)?;
        let mut differ = BooleanArray::from(vec![false; left.len()]);
        let (left, right) = (columns(&left)?, columns(&right)?);
        if left.len() != right.len() {
            return internal_err!("rows of {} and {} columns", left.len(), right.len());
        }
        for (left, right) in left.into_iter().zip(right) {
            let (left, right) = (ColumnarValue::Array(left), ColumnarValue::Array(right));
            let rows = differ.len();
            let one = apply_cmp(Operator::IsDistinctFrom, &left, &right)?.into_array(rows)?;
            differ = or(&differ, one.as_boolean())?;
            if differ.true_count() == rows {
                break;
            }
        }
        Ok(ColumnarValue::Array(Arc::new(differ)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MergeRows {
    fields: Fields,
    key: Vec<String>,
    set: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for MergeRows {
    fn name(&self) -> &str {
        "merge_rows"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(self.fields.clone()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (new, old) = two_rows(args)?;
        let rows = new.len();
        let (is_kept, is_inserted) = (is_null(&new)?, is_null(&old)?);
        let (mut new, mut old) = (by_name(&new)?, by_name(&old)?);
        // Searched for each column.
        let (key, set): (HashSet<&String>, HashSet<&String>) =
            (self.key.iter().collect(), self.set.iter().collect());
        let merged = self.fields.iter().map(|field| {
            let none = || new_null_array(field.data_type(), rows);
            let old = old.remove(field.name().as_str()).unwrap_or_else(none);
            let Some(new) = new.remove(field.name().as_str()) else {
                return Ok(old);
            };
            let name = field.name();
            Ok(match (set.contains(name), key.contains(name)) {
                (true, _) => zip(&is_kept, &old, &new)?,
                (false, true) => zip(&is_inserted, &new, &old)?,
                (false, false) => old,
            })
        });
        let merged = merged.collect::<Result<Vec<_>>>()?;
        let row = StructArray::try_new_with_length(self.fields.clone(), merged, None, rows)?;
        Ok(ColumnarValue::Array(Arc::new(row)))
    }
}

fn two_rows(args: ScalarFunctionArgs) -> Result<(StructArray, StructArray)> {
    let rows = args.number_rows;
    let sides = args.args.into_iter().map(|row| row.into_array(rows));
    let sides = sides.collect::<Result<Vec<_>>>()?;
    let [left, right] = sides.as_slice() else {
        return internal_err!("{} rows instead of two", sides.len());
    };
    Ok((packed_row(left), packed_row(right)))
}

/// The rows of an array; of one without a type, rows that are NULL.
fn packed_row(array: &ArrayRef) -> StructArray {
    match array.as_any().downcast_ref::<StructArray>() {
        Some(rows) => rows.clone(),
        None => StructArray::new_null(Fields::empty(), array.len()),
    }
}

/// The columns of rows: NULL where the row is.
fn columns(rows: &StructArray) -> Result<Vec<ArrayRef>> {
    if rows.null_count() == 0 {
        return Ok(rows.columns().to_vec());
    }
    let none = is_null(rows)?;
    let columns = rows.columns().iter();
    Ok(columns
        .map(|column| nullif(column, &none))
        .collect::<Result<_, ArrowError>>()?)
}

fn by_name(rows: &StructArray) -> Result<HashMap<&str, ArrayRef>> {
    let names = rows.fields().iter().map(|field| field.name().as_str());
    Ok(names.zip(columns(rows)?).collect())
}
