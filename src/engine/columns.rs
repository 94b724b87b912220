//! The columns of a source: found in its files, declared, read by formats, named by folders.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::files::{Listed, shown};
use super::query::sql_type;
use super::source::{Format, SourceOptions, SourceTable};
use super::{Error, Kind};

/// The columns of all files, each in the widest of its types.
pub(super) async fn infer(
    state: &SessionState,
    listed: &[Listed],
    reader: &dyn FileFormat,
    source: &SourceTable,
) -> Result<SchemaRef, Error> {
    const AT_ONCE: usize = 16;
    // Boxed, since a stream of plain futures over references is not known to be `Send`.
    let looks: Vec<BoxFuture<'_, Result<(&Listed, SchemaRef), Error>>> = listed
        .iter()
        .map(|file| {
            async move {
                let store = state.runtime_env().object_store(&file.url)?;
                let objects = std::slice::from_ref(&file.meta);
                // A footer of Parquet that lies about its length makes its reader panic.
                let schema = AssertUnwindSafe(reader.infer_schema(state, &store, objects))
                    .catch_unwind()
                    .await;
                match schema {
                    Ok(Ok(schema)) => Ok((file, schema)),
                    Ok(Err(error)) => Err(Error::from(error).in_file(&file.shown())),
                    Err(_) => Err(Error::new(Kind::Source, "the file is broken")
                        .help("have it delivered again, or check its `format`")
                        .in_file(&file.shown())),
                }
            }
            .boxed()
        })
        .collect();
    let mut schemas = futures::stream::iter(looks).buffered(AT_ONCE);
    let mut merged: Vec<FieldRef> = Vec::new();
    while let Some((file, schema)) = schemas.try_next().await? {
        named_once(&file.shown(), &schema)?;
        for field in schema.fields() {
            let found = plain(field.data_type());
            match merged.iter_mut().find(|known| known.name() == field.name()) {
                Some(known) => {
                    let wide = wider(known.data_type(), &found).ok_or_else(|| {
                        Error::new(
                            Kind::Source,
                            format!(
                                "column `{}` is {} in `{}` and {} in other files of the source",
                                field.name(),
                                sql_type(&found),
                                file.shown(),
                                sql_type(known.data_type()),
                            ),
                        )
                        .help("declare the column's `data_type`, or split the source")
                    })?;
                    *known = Arc::new(Field::new(field.name(), wide, true));
                }
                None => merged.push(Arc::new(Field::new(field.name(), found, true))),
            }
        }
    }
    if merged.is_empty() {
        return Err(Error::new(
            Kind::Source,
            format!("`{}` is empty", shown(&source.locations[0])),
        )
        .help(
            "check that the data has been delivered; a CSV file begins with its columns' names",
        ));
    }
    if let (Some(delimiter), [only]) = (other_delimiter(source, &merged), merged.as_slice()) {
        return Err(Error::new(
            Kind::Source,
            format!(
                "`{}` has a single column, named `{}`",
                listed[0].shown(),
                only.name()
            ),
        )
        .help(format!(
            "its values seem to be separated by `{delimiter}`: set `delimiter: '{delimiter}'`"
        )));
    }
    Ok(Arc::new(Schema::new(merged)))
}

/// The columns of a file are told apart by their names.
fn named_once(file: &str, schema: &Schema) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let twice = schema
        .fields()
        .iter()
        .find(|field| !seen.insert(field.name()));
    let what = match twice {
        None => return Ok(()),
        Some(field) if field.name().is_empty() => "several columns have no name".to_owned(),
        Some(field) => format!("two columns are named `{}`", field.name()),
    };
    Err(Error::new(Kind::Source, what)
        .help("give each column a name of its own in the first line")
        .in_file(file))
}

/// What separates the values of a text file that was read as one column by mistake.
fn other_delimiter(source: &SourceTable, columns: &[FieldRef]) -> Option<&'static str> {
    let [only] = columns else { return None };
    if source.options.delimiter.is_some() || source.options.header == Some(false) {
        return None;
    }
    let signs = [(';', ";"), ('\t', "\\t"), ('|', "|")];
    let sign = signs.iter().find(|(sign, _)| only.name().contains(*sign));
    sign.map(|(_, written)| *written)
}

/// The type without string views and dictionaries, which cost joins their memory.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| {
        let changed = field.as_ref().clone();
        Arc::new(changed.with_data_type(plain(field.data_type())))
    };
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            DataType::List(field(item))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

fn wider(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Date32, Float32, Float64, Int64, Null, Timestamp};
    match (left, right) {
        (a, b) if a == b => Some(a.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (a, b) if a.is_integer() && b.is_integer() => {
            Some(match (a.primitive_width(), b.primitive_width()) {
                (Some(x), Some(y)) if a.is_signed_integer() == b.is_signed_integer() => {
                    if x >= y {
                        a.clone()
                    } else {
                        b.clone()
                    }
                }
                _ => Int64,
            })
        }
        (Float32, Float64) | (Float64, Float32) => Some(Float64),
        (a, b) if a.is_numeric() && b.is_numeric() && (a.is_floating() || b.is_floating()) => {
            Some(Float64)
        }
        (Date32, Timestamp(..)) => Some(right.clone()),
        (Timestamp(..), Date32) => Some(left.clone()),
        (Timestamp(a, zone), Timestamp(b, other)) if zone == other => {
            Some(Timestamp(*a.max(b), zone.clone()))
        }
        _ => None,
    }
}

/// Files without a header have the declared columns in their order, where all are declared.
pub(super) fn named_in_order(schema: &SchemaRef, declared: &[(String, DataType)]) -> SchemaRef {
    if schema.fields().len() != declared.len() {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(declared);
    let fields: Vec<Field> = fields
        .map(|(field, (name, _))| field.as_ref().clone().with_name(name))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Lays the declared types over the found ones. Columns with a format of their own are read as text.
pub(super) fn declare(
    schema: &SchemaRef,
    declared: &[(String, DataType)],
    options: &SourceOptions,
    format: Format,
) -> Result<SchemaRef, Error> {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    let formatted = formatted(declared, options).unwrap_or_default();
    for (name, data_type) in declared {
        let by_format = formatted.iter().any(|(column, ..)| column == name);
        let read_as = match by_format && matches!(format, Format::Csv | Format::Json) {
            true => DataType::Utf8,
            false => data_type.clone(),
        };
        let found = fields
            .iter_mut()
            .find(|field| field.name().eq_ignore_ascii_case(name));
        match found {
            Some(field) => *field = Arc::new(Field::new(field.name(), read_as, true)),
            None => {
                let names = schema.fields().iter().map(|field| field.name().clone());
                return Err(Error::new(
                    Kind::Source,
                    format!("the files have no column `{name}`, whose type is declared"),
                )
                .written(name)
                .candidates(names));
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

type Formatted = Vec<(String, DataType, String)>;

/// The declared columns that have a format of their own.
pub(super) fn formatted(
    declared: &[(String, DataType)],
    options: &SourceOptions,
) -> Option<Formatted> {
    let columns: Formatted = declared
        .iter()
        .filter_map(|(name, data_type)| {
            let format = match data_type {
                DataType::Date32 | DataType::Date64 => options.date_format.clone(),
                DataType::Timestamp(..) => options.timestamp_format.clone(),
                _ => None,
            };
            Some((name.clone(), data_type.clone(), format?))
        })
        .collect();
    (!columns.is_empty()).then_some(columns)
}

/// Reads the columns by their formats, in a projection over the table.
pub(super) fn with_formats(
    table: Arc<ListingTable>,
    columns: &Formatted,
) -> Result<Arc<dyn datafusion::catalog::TableProvider>, Error> {
    use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
    use datafusion::functions::datetime::expr_fn::{to_date, to_timestamp};
    let schema = table.schema();
    let scan = LogicalPlanBuilder::scan(
        TableReference::bare("files"),
        provider_as_source(table),
        None,
    )?;
    let read: Vec<Expr> = schema
        .fields()
        .iter()
        .map(|field| {
            let plain = Expr::Column(datafusion::common::Column::new(
                Some(TableReference::bare("files")),
                field.name(),
            ));
            let found = columns
                .iter()
                .find(|(name, ..)| field.name().eq_ignore_ascii_case(name));
            match found {
                Some((_, data_type @ DataType::Timestamp(..), format)) => cast(
                    to_timestamp(vec![plain, lit(format.as_str())]),
                    data_type.clone(),
                )
                .alias(field.name()),
                Some((_, data_type, format)) => cast(
                    to_date(vec![plain, lit(format.as_str())]),
                    data_type.clone(),
                )
                .alias(field.name()),
                None => plain.alias(field.name()),
            }
        })
        .collect();
    Ok(Arc::new(ViewTable::new(scan.project(read)?.build()?, None)))
}

/// Folder levels `key=value` that all files share, in order, as text columns.
pub(super) fn hive_partitions(
    locations: &[ListingTableUrl],
    listed: &[Listed],
    schema: &Schema,
) -> Vec<(String, DataType)> {
    let keys = |file: &Listed| -> Vec<String> {
        let location = locations
            .iter()
            .find(|l| l.contains(&file.meta.location, false));
        let below = location.and_then(|l| l.strip_prefix(&file.meta.location));
        let mut folders: Vec<&str> = below.map(Iterator::collect).unwrap_or_default();
        folders.pop();
        folders
            .iter()
            .filter_map(|folder| folder.split_once('=').map(|(key, _)| key.to_owned()))
            .collect()
    };
    let Some((first, rest)) = listed.split_first() else {
        return Vec::new();
    };
    let common = keys(first);
    let shared = rest.iter().all(|file| keys(file) == common);
    let clash = common.iter().any(|key| schema.field_with_name(key).is_ok());
    if !shared || clash {
        return Vec::new();
    }
    let columns = common.into_iter();
    columns.map(|key| (key, DataType::Utf8)).collect()
}
