//! The columns of a source: found in its files, declared, read by formats, named by folders.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::exact::loses_nothing;
use super::exact_cast::ExactCast;
use super::files::{Listed, shown};
use super::query::sql_type;
use super::source::{Found, SourceOptions, SourceTable};
use super::{Error, Kind};

/// The columns of all files, each in the widest of its types.
pub(super) async fn infer(
    state: &SessionState,
    found: &Found,
    reader: &dyn FileFormat,
    source: &SourceTable,
) -> Result<SchemaRef, Error> {
    let listed = &found.listed;
    let is_declared = |name: &str| {
        let mut declared = found.declared.iter();
        declared.any(|(column, _)| column.eq_ignore_ascii_case(name))
    };
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
            let found = microseconds(plain(field.data_type()));
            match merged.iter_mut().find(|known| known.name() == field.name()) {
                Some(known) => {
                    let wide = wider(known.data_type(), &found);
                    // A declared type comes last: texts are what both become on the way to it.
                    let text = is_declared(field.name())
                        && loses_nothing(known.data_type(), &DataType::Utf8)
                        && loses_nothing(&found, &DataType::Utf8);
                    let wide = wide.or(text.then_some(DataType::Utf8)).ok_or_else(|| {
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
pub(super) fn other_delimiter(source: &SourceTable, columns: &[FieldRef]) -> Option<&'static str> {
    let [only] = columns else { return None };
    if source.options.header == Some(false) {
        return None;
    }
    let signs = [(';', ";"), ('\t', "\\t"), ('|', "|"), (',', ",")];
    let mut signs = signs.iter();
    let sign = signs.find(|(sign, _)| {
        source.options.delimiter.unwrap_or(',') != *sign && only.name().contains(*sign)
    });
    sign.map(|(_, written)| *written)
}

/// Timestamps are read in microseconds: years of nanoseconds end in 2262.
fn microseconds(data_type: DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        other => other,
    }
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

/// Lays the declared types over the found ones.
pub(super) fn declare(
    schema: &SchemaRef,
    declared: &[(String, DataType)],
) -> Result<SchemaRef, Error> {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    for (name, data_type) in declared {
        let found = fields
            .iter_mut()
            .find(|field| field.name().eq_ignore_ascii_case(name));
        match found {
            Some(field) => *field = Arc::new(Field::new(field.name(), data_type.clone(), true)),
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

/// A column of Parquet files that is converted value by value.
pub(super) struct Conversion {
    column: String,
    to: DataType,
    /// chrono's notation, where a text becomes a date or a timestamp.
    format: Option<String>,
}

/// The columns that a plain cast could change.
pub(super) fn conversions(
    in_files: &Schema,
    schema: &Schema,
    options: &SourceOptions,
) -> Vec<Conversion> {
    let fields = in_files.fields().iter().zip(schema.fields());
    let changed = fields.filter(|(from, to)| !loses_nothing(from.data_type(), to.data_type()));
    changed
        .map(|(_, to)| Conversion {
            column: to.name().clone(),
            to: to.data_type().clone(),
            format: match to.data_type() {
                DataType::Date32 => options.date_format.clone(),
                DataType::Timestamp(..) => options.timestamp_format.clone(),
                _ => None,
            },
        })
        .collect()
}

/// The columns as the reader of the files gives them: those to be converted as they are.
pub(super) fn read_as(in_files: &Schema, schema: &Schema, conversions: &[Conversion]) -> SchemaRef {
    let fields = in_files.fields().iter().zip(schema.fields());
    let fields = fields.map(|(from, to)| {
        let is_converted = conversions.iter().any(|one| one.column == *to.name());
        Arc::clone(if is_converted { from } else { to })
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The table with its columns converted, in a projection over it; `files` says in an error where the
/// values are.
pub(super) fn converted(
    table: Arc<ListingTable>,
    conversions: &[Conversion],
    files: &str,
) -> Result<Arc<dyn TableProvider>, Error> {
    use datafusion::datasource::{ViewTable, provider_as_source};
    let schema = table.schema();
    let scan = LogicalPlanBuilder::scan(
        TableReference::bare("files"),
        provider_as_source(table),
        None,
    )?;
    let read = schema.fields().iter().map(|field| {
        let plain = Expr::Column(datafusion::common::Column::new(
            Some(TableReference::bare("files")),
            field.name(),
        ));
        let conversion = conversions.iter().find(|one| one.column == *field.name());
        let read = match conversion {
            Some(Conversion { column, to, format }) => ScalarUDF::from(ExactCast::new(
                to.clone(),
                format.clone(),
                format!("{files}: column `{column}`"),
            ))
            .call(vec![plain]),
            None => plain,
        };
        read.alias(field.name())
    });
    let read: Vec<Expr> = read.collect();
    Ok(Arc::new(ViewTable::new(scan.project(read)?.build()?, None)))
}

/// Folder levels `key=value` that all files share, in order, as text columns.
pub(super) fn hive_partitions(
    locations: &[ListingTableUrl],
    listed: &[Listed],
    schema: &Schema,
) -> Vec<(String, DataType)> {
    let keys = |file: &Listed| -> Vec<String> {
        let levels = levels(locations, file).into_iter();
        levels.map(|(key, _)| key).collect()
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

/// The value of a column in the names of a file's folders.
pub(super) fn folder_value(
    locations: &[ListingTableUrl],
    file: &Listed,
    column: &str,
) -> Option<String> {
    /// Hive's name of the folder whose value is NULL.
    const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
    let levels = levels(locations, file).into_iter();
    let mut values = levels.filter(|(key, _)| key == column);
    let (_, value) = values.next()?;
    (value != NULL).then_some(value)
}

/// The folders `key=value` between the location and the file.
fn levels(locations: &[ListingTableUrl], file: &Listed) -> Vec<(String, String)> {
    let location = locations
        .iter()
        .find(|location| location.contains(&file.meta.location, false));
    let below = location.and_then(|location| location.strip_prefix(&file.meta.location));
    let mut folders: Vec<&str> = below.map(Iterator::collect).unwrap_or_default();
    folders.pop();
    let levels = folders.iter().filter_map(|folder| folder.split_once('='));
    levels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
