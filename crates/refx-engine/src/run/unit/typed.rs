//! Written rows as columns of the types that they are to have.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use serde_json::Value;

use crate::engine::{self, Error, Inexact, Session, exact, sql_type};
use crate::run::Job;
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Grid, fragment};
use refx_core::project::{ColumnProperties, Node as Yaml, Spanned};

use super::fields;

/// The columns of the shape that the rows name, in their order.
///
/// # Errors
/// [`Code::UnknownColumn`] for one that the shape does not have; `whose` begins what it has: `the
/// model gives`.
pub(super) fn named(grid: &Grid, shape: &Schema, whose: &str) -> Result<SchemaRef, Diagnostic> {
    let mut fields: Vec<Arc<Field>> = Vec::with_capacity(grid.columns.len());
    for column in &grid.columns {
        let field = find(shape, &column.value);
        let field = field.ok_or_else(|| unknown(&column.value, &column.span, shape, whose))?;
        if fields.iter().any(|known| known.name() == field.name()) {
            return Err(Diagnostic::error(
                Code::InvalidRows,
                format!("the column `{}` is named twice", field.name()),
            )
            .at(column.span.clone()));
        }
        fields.push(field.clone());
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// As SQL finds a name that is not quoted: whatever the case of its letters.
fn find<'a>(shape: &'a Schema, name: &str) -> Option<&'a Arc<Field>> {
    let mut fields = shape.fields().iter();
    let exact = fields.clone().find(|field| field.name() == name);
    exact.or_else(|| fields.find(|field| field.name().eq_ignore_ascii_case(name)))
}

fn unknown(name: &str, span: &Span, shape: &Schema, whose: &str) -> Diagnostic {
    const SHOWN: usize = 12;
    let names: Vec<&str> = shape
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let listed: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let diagnostic = Diagnostic::error(Code::UnknownColumn, format!("no column named `{name}`"))
        .at(span.clone())
        .did_you_mean(name, names);
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.note(format!("{whose} {}{more}", listed.join(", "))),
    }
}

/// The rows in the schema's types. Columns that they do not name are NULL.
pub(super) fn batch(grid: &Grid, schema: &SchemaRef) -> Result<RecordBatch, Diagnostic> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let at = grid.columns.iter().position(|column| {
            let found = find(schema, &column.value);
            found.is_some_and(|found| found.name() == field.name())
        });
        columns.push(match at {
            None => new_null_array(field.data_type(), grid.rows.len()),
            Some(at) => {
                let cells: Vec<Option<&Yaml>> =
                    grid.rows.iter().map(|row| row[at].as_ref()).collect();
                column(field, &cells)?
            }
        });
    }
    let fields = schema.fields().iter();
    let fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let options =
        datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(grid.rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| Error::from(error).into_diagnostic())
}

/// One column. Where a value is not of its type, that value is the one that is told.
fn column(field: &Field, cells: &[Option<&Yaml>]) -> Result<ArrayRef, Diagnostic> {
    if let Some(cell) = cells
        .iter()
        .flatten()
        .find(|cell| !fits(field.data_type(), cell))
    {
        return Err(refused(field, cell, None));
    }
    if field.data_type().is_nested() {
        return nested_column(field, cells);
    }
    scalar(field.data_type(), cells).map_err(|bad| match cells.get(bad.row) {
        Some(Some(cell)) => refused(field, cell, bad.why),
        _ => Diagnostic::error(
            Code::InvalidRows,
            format!("column `{}`: {bad}", field.name()),
        ),
    })
}

fn nested_column(field: &Field, cells: &[Option<&Yaml>]) -> Result<ArrayRef, Diagnostic> {
    for cell in cells.iter().flatten() {
        fields::known(field, cell)?;
    }
    nested(field, cells).map_err(|error| {
        let alone = |cell: &&&Yaml| nested(field, &[Some(**cell)]).is_err();
        match cells.iter().flatten().find(alone) {
            Some(cell) => {
                let why = nested(field, &[Some(*cell)]).err();
                refused(field, cell, why.and_then(|why| why.told()))
            }
            None => error.into_diagnostic(),
        }
    })
}

/// Whether the value is written as one of the type may be.
fn fits(data_type: &DataType, cell: &Yaml) -> bool {
    cell.is_null() || data_type.is_nested() || cell.scalar_text().is_some()
}

fn refused(field: &Field, cell: &Yaml, why: Option<String>) -> Diagnostic {
    let wanted = sql_type(field.data_type());
    let written = match cell.scalar_text() {
        Some(text) => format!("`{text}`"),
        None => cell.describe(),
    };
    let name = field.name();
    let is_other_kind = why.is_none();
    let message = match why {
        Some(why) => format!("column `{name}`: {written} does not fit {wanted}: {why}"),
        None => format!("column `{name}`: {written} is not of type {wanted}"),
    };
    let diagnostic = Diagnostic::error(Code::InvalidRows, message).at(cell.span.clone());
    if !is_other_kind {
        return diagnostic;
    }
    match field.data_type() {
        DataType::Date32 | DataType::Date64 => diagnostic.help("write a date as 2024-09-01"),
        DataType::Timestamp(..) => diagnostic.help("write an instant as 2024-09-01 06:30:00"),
        DataType::Boolean => diagnostic.help("write `true` or `false`"),
        DataType::List(_) | DataType::LargeList(_) => diagnostic.help("write a list as [a, b]"),
        _ => diagnostic,
    }
}

fn scalar(data_type: &DataType, cells: &[Option<&Yaml>]) -> Result<ArrayRef, Inexact> {
    let is_text = matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    let texts = cells.iter().map(|cell| {
        let cell = (*cell)?;
        // `no` and `007` are what is written; in other types, what YAML reads in them.
        let text = match is_text {
            true => cell.scalar_text(),
            false => cell.value_text(),
        };
        text.map(Cow::into_owned)
    });
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    match data_type {
        DataType::Null => Ok(new_null_array(data_type, cells.len())),
        _ => exact(&texts, data_type, None),
    }
}

/// Why a list, struct or map cannot be made.
enum Unmade {
    Written(Error),
    Inexact(Inexact),
}

impl Unmade {
    /// The value inside of it that does not fit.
    fn told(self) -> Option<String> {
        match self {
            Unmade::Written(_) => None,
            Unmade::Inexact(bad) => Some(bad.to_string()),
        }
    }

    fn into_diagnostic(self) -> Diagnostic {
        match self {
            Unmade::Written(error) => error.into_diagnostic(),
            Unmade::Inexact(bad) => Diagnostic::error(Code::InvalidRows, bad.to_string()),
        }
    }
}

impl From<ArrowError> for Unmade {
    fn from(error: ArrowError) -> Self {
        Unmade::Written(error.into())
    }
}

/// Lists, structs and maps, as JSON has them: read with their scalars as texts, then converted.
fn nested(field: &Field, cells: &[Option<&Yaml>]) -> Result<ArrayRef, Unmade> {
    let values = cells.iter().map(|cell| match cell {
        None => Ok(Value::Null),
        Some(cell) => fields::json(cell),
    });
    let values = values.collect::<Result<Vec<Value>, _>>()?;
    let texts = engine::as_texts(field.data_type());
    let read = Arc::new(Field::new(field.name(), texts, true));
    let mut decoder = ReaderBuilder::new_with_field(read)
        .with_coerce_primitive(true)
        .with_batch_size(values.len().max(1))
        .build_decoder()?;
    decoder.serialize(&values)?;
    let batch = decoder.flush()?;
    let column = batch.map(|batch| batch.column(0).clone());
    let column = column.ok_or_else(|| ArrowError::JsonError("no rows came out".to_owned()))?;
    exact(&column, field.data_type(), None).map_err(Unmade::Inexact)
}

/// The columns of a source that nothing but its properties and the given rows are known of. One that
/// declares no type has that of its values.
pub(super) fn of_grid(grid: &Grid, declared: &[ColumnProperties], session: &Session) -> SchemaRef {
    let declared_type = |column: &ColumnProperties| {
        let written = column.data_type.as_ref()?;
        session.named_type(&written.value)
    };
    let mut fields: Vec<Field> = Vec::new();
    for (at, column) in grid.columns.iter().enumerate() {
        let known = declared.iter().find(|known| {
            let name: &str = &known.name.value;
            name.eq_ignore_ascii_case(&column.value)
        });
        let data_type = known.and_then(declared_type).unwrap_or_else(|| {
            let cells = grid.rows.iter().filter_map(|row| row[at].as_ref());
            written_type(cells)
        });
        fields.push(Field::new(&column.value, data_type, true));
    }
    for column in declared {
        let name: &str = &column.name.value;
        if !fields
            .iter()
            .any(|field| field.name().eq_ignore_ascii_case(name))
        {
            let data_type = declared_type(column).unwrap_or(DataType::Utf8);
            fields.push(Field::new(name, data_type, true));
        }
    }
    Arc::new(Schema::new(fields))
}

/// The type that all values are written in: that of a file with the same values.
fn written_type<'a>(cells: impl Iterator<Item = &'a Yaml>) -> DataType {
    let texts: Vec<String> = cells
        .filter(|cell| !cell.is_null())
        .map(|cell| cell.scalar_text().unwrap_or_default().trim().to_owned())
        .collect();
    let types = [
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ];
    // `007` is a code, and no number.
    let is_code = |text: &String| {
        let digits = text.strip_prefix('0').unwrap_or_default();
        digits.starts_with(|digit: char| digit.is_ascii_digit())
    };
    if texts.is_empty() || texts.iter().any(is_code) {
        return DataType::Utf8;
    }
    // `0` and `1` are numbers to the readers of files.
    let has_number = texts.iter().any(|text| text.parse::<f64>().is_ok());
    let array: ArrayRef = Arc::new(texts.into_iter().map(Some).collect::<StringArray>());
    let fits = |data_type: &DataType| {
        !(has_number && *data_type == DataType::Boolean) && exact(&array, data_type, None).is_ok()
    };
    types.into_iter().find(fits).unwrap_or(DataType::Utf8)
}

/// The columns of a SELECT that reads nothing.
pub(super) async fn of_text(
    session: &Session,
    sql: &Spanned<Arc<str>>,
) -> Result<SchemaRef, Diagnostic> {
    let text = sql.value.trim_end().trim_end_matches(';');
    let plan = session.plan(text).await;
    let plan = plan.map_err(|error| error.into_diagnostic().at(sql.span.clone()))?;
    Ok(plan.schema())
}

/// The rows of a SELECT that reads nothing, in the types of the shape's columns of the same names.
pub(super) async fn of_query(
    job: &Job,
    sql: &Spanned<Arc<str>>,
    shape: &Schema,
    whose: &str,
) -> Result<RecordBatch, Diagnostic> {
    let told = |error: Error| error.into_diagnostic().at(sql.span.clone());
    let session = job.engine.session();
    let text = fragment(&sql.value).unwrap_or(&sql.value);
    let plan = session.plan(text).await.map_err(|error| {
        let diagnostic = told(error);
        match diagnostic.code {
            Code::UnknownTable => diagnostic.help("a unit test reads no tables: select values"),
            _ => diagnostic,
        }
    })?;
    let batches = plan.collect(None).await;
    let batches = batches.map_err(|error| told(session.told(text, error)))?;
    let schema = batches.first().map_or(plan.schema(), RecordBatch::schema);
    let rows = concat_batches(&schema, &batches).map_err(|error| told(error.into()))?;
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (found, column) in schema.fields().iter().zip(rows.columns()) {
        let field = find(shape, found.name());
        let field = field.ok_or_else(|| unknown(found.name(), &sql.span, shape, whose))?;
        let cast = exact(column, field.data_type(), None).map_err(|bad| {
            let message = format!("column `{}`: {bad}", field.name());
            Diagnostic::error(Code::InvalidRows, message).at(sql.span.clone())
        })?;
        fields.push(field.as_ref().clone().with_nullable(true));
        columns.push(cast);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| told(error.into()))
}

/// The rows with all columns of the shape, those that they lack as NULL.
pub(super) fn padded(rows: &RecordBatch, shape: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = shape.fields().iter().map(|field| {
        let found = rows.column_by_name(field.name());
        found
            .cloned()
            .unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
    });
    Ok(RecordBatch::try_new(shape.clone(), columns.collect())?)
}
