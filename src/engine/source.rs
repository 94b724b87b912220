//! Raw data: Parquet, CSV and JSON files, local or in an object store.
//!
//! A location is a file, a folder (all files of the format below it) or a glob. The files of one
//! source may differ in their columns and in the width of their numbers: the table has all columns,
//! each in the widest type. Delta tables are the business of the `delta` room.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use datafusion::object_store::{self, ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use url::Url;

use super::query::sql_type;
use super::session::TextSource;
use super::{Error, Kind, Name, Session};

/// The files looked at for the format of a folder.
const PROBED: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Delta,
    Parquet,
    Csv,
    Json,
}

/// Where raw data lies and how to read it.
#[derive(Clone, Debug, Default)]
pub struct SourceTable {
    /// Files, folders or globs; local paths or URLs.
    pub locations: Vec<String>,
    /// Guessed from the files when absent.
    pub format: Option<Format>,
    pub options: SourceOptions,
    /// The version of a Delta table; the latest when absent.
    pub version: Option<i64>,
}

/// How to read text files. What is absent is the format's default.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    pub delimiter: Option<char>,
    pub header: Option<bool>,
    pub quote: Option<char>,
    pub escape: Option<char>,
    pub comment: Option<char>,
    /// The text that stands for NULL. The empty field when absent.
    pub null_value: Option<String>,
    /// `gzip`, `bzip2`, `xz`, `zstd`; guessed from the ending when absent.
    pub compression: Option<String>,
    /// Rows that types are inferred from.
    pub infer_rows: Option<usize>,
    /// chrono's notation, for columns declared as dates.
    pub date_format: Option<String>,
    /// chrono's notation, for columns declared as timestamps.
    pub timestamp_format: Option<String>,
    /// Line breaks inside of quoted values.
    pub multiline: Option<bool>,
    /// JSON: one array in place of one object a line.
    pub array: Option<bool>,
    /// Columns whose types are declared in SQL's words; the others are inferred.
    pub columns: Vec<(String, String)>,
    /// Folder levels of the form `key=value`; found by themselves when absent.
    pub partition_columns: Option<Vec<(String, String)>>,
}

impl SourceTable {
    pub fn at(location: impl Into<String>) -> SourceTable {
        SourceTable {
            locations: vec![location.into()],
            ..SourceTable::default()
        }
    }
}

impl Session {
    /// Makes the files readable under the name. Their schemas are read now, their rows when a query
    /// runs.
    pub async fn register_source(&self, name: &Name, source: &SourceTable) -> Result<(), Error> {
        let format = self.source_format(source).await?;
        if format == Format::Delta {
            return Err(Error::new(
                Kind::Source,
                format!("`{name}` is a Delta table, which the engine alone cannot read"),
            ));
        }
        let state = self.state();
        let locations = self.locate(source)?;
        let listed = listed(&state, source, format, &locations).await?;
        let reader = reader(source, format, &listed)?;
        let declared = self.declared(&source.options.columns).await?;
        let schema = infer(&state, &listed, reader.as_ref(), source).await?;
        let schema = declare(&schema, &declared, &source.options, format)?;
        if format == Format::Csv {
            self.remember_text(&listed, &schema, source.options.header.unwrap_or(true));
        }

        let partitions = match &source.options.partition_columns {
            Some(columns) => self.declared(columns).await?,
            None => hive_partitions(&locations, &listed, &schema),
        };
        let folders = locations.iter().all(is_folder);
        let (paths, ending) = if folders {
            (locations, ending(&listed))
        } else {
            let files = listed.iter().map(|file| file.url.clone()).collect();
            (files, String::new())
        };
        let mut options = ListingOptions::new(reader).with_file_extension(ending);
        if folders {
            options = options.with_table_partition_cols(partitions);
        }
        let config = ListingTableConfig::new_with_multi_paths(paths)
            .with_listing_options(options)
            .with_schema(schema);
        let table = Arc::new(ListingTable::try_new(config)?);
        match formatted(&declared, &source.options) {
            Some(columns) => {
                let view = with_formats(table, &columns)?;
                self.register_table(name, view)
            }
            None => self.register_table(name, table),
        }
    }

    /// The declared format, or the one that the files show.
    pub async fn source_format(&self, source: &SourceTable) -> Result<Format, Error> {
        if let Some(format) = source.format {
            return Ok(format);
        }
        let locations = self.locate(source)?;
        let first = &locations[0];
        if let Some(format) = format_of(first.prefix().as_ref()) {
            return Ok(format);
        }
        let state = self.state();
        let store = state.runtime_env().object_store(first)?;
        let log = first.prefix().clone().join("_delta_log");
        if first.get_glob().is_none() {
            let mut entries = store.list(Some(&log));
            if let Some(Ok(_)) = entries.next().await {
                return Ok(Format::Delta);
            }
        }
        let files: Vec<ObjectMeta> = files_at(store.as_ref(), first)
            .take(PROBED)
            .try_collect()
            .await
            .map_err(|error| Error::from(DataFusionError::from(error)))?;
        if files.is_empty() {
            return Err(missing(&source.locations[0]));
        }
        files
            .iter()
            .find_map(|file| format_of(file.location.as_ref()))
            .ok_or_else(|| {
                Error::new(
                    Kind::Source,
                    format!(
                        "the files of `{}` have no known ending",
                        source.locations[0]
                    ),
                )
                .help("set `format` to `parquet`, `csv`, `json` or `delta`")
            })
    }

    /// The SQL types as the engine's types.
    async fn declared(
        &self,
        columns: &[(String, String)],
    ) -> Result<Vec<(String, DataType)>, Error> {
        let mut declared = Vec::with_capacity(columns.len());
        for (column, written) in columns {
            declared.push((column.clone(), self.data_type(column, written).await?));
        }
        Ok(declared)
    }

    /// A type in SQL's words, or in those of other warehouses that dbt projects use.
    async fn data_type(&self, column: &str, written: &str) -> Result<DataType, Error> {
        let sql = match written.trim().to_lowercase().as_str() {
            "int64" => "bigint".to_owned(),
            "float64" => "double".to_owned(),
            "bool" => "boolean".to_owned(),
            "datetime" => "timestamp".to_owned(),
            "number" => "numeric".to_owned(),
            other => other.to_owned(),
        };
        let plan = self.plan(&format!("select cast(null as {sql}) as x")).await;
        match plan {
            Ok(plan) => Ok(plain(plan.schema().field(0).data_type())),
            Err(_) => Err(Error::new(
                Kind::Type,
                format!("column `{column}`: no type named `{written}`"),
            )
            .help("use a SQL type such as `varchar`, `bigint`, `double`, `decimal(10,2)`, `date`")),
        }
    }

    fn locate(&self, source: &SourceTable) -> Result<Vec<ListingTableUrl>, Error> {
        if source.locations.is_empty() {
            return Err(Error::new(Kind::Source, "the source has no location"));
        }
        let locations = source.locations.iter();
        locations.map(|text| self.locate_one(text)).collect()
    }

    fn locate_one(&self, location: &str) -> Result<ListingTableUrl, Error> {
        let url = match Url::parse(location) {
            // A one-letter scheme is a drive.
            Ok(url) if url.scheme().len() > 1 && location.contains("://") => url,
            _ => {
                let local = ListingTableUrl::parse(location)?;
                if local.get_glob().is_none() && !Path::new(location).exists() {
                    return Err(missing(location));
                }
                return Ok(local);
            }
        };
        if url.scheme() == "file" {
            let path = url
                .to_file_path()
                .map_err(|()| Error::new(Kind::Source, format!("`{location}` is not a path")))?;
            return self.locate_one(&path.to_string_lossy());
        }
        self.connect(&url, location)?;
        // Globs are understood in paths alone, so the URL is split by hand.
        let parsed = match location.find(['*', '?', '[']) {
            Some(first) => {
                let folder = location[..first].rfind('/').map_or(0, |at| at + 1);
                ListingTableUrl::parse(&location[..folder])?.with_glob(&location[folder..])?
            }
            None => {
                let last = location.rsplit('/').next().unwrap_or_default();
                let folder = !last.is_empty() && !last.contains('.');
                ListingTableUrl::parse(match folder {
                    true => format!("{location}/"),
                    false => location.to_owned(),
                })?
            }
        };
        Ok(parsed)
    }

    /// Registers the store of the URL, once for each bucket.
    fn connect(&self, url: &Url, location: &str) -> Result<(), Error> {
        let root = &url[..url::Position::BeforePath];
        let parsed = Url::parse(root)
            .map_err(|e| Error::new(Kind::Source, format!("`{location}` is not a URL: {e}")))?;
        let runtime = self.context.runtime_env();
        let known = datafusion::execution::object_store::ObjectStoreUrl::parse(root)
            .is_ok_and(|url| runtime.object_store(&url).is_ok());
        if known {
            return Ok(());
        }
        let environment = std::env::vars().filter_map(|(key, value)| {
            let key = key.to_lowercase();
            let cloud = ["aws_", "google_", "azure_"];
            cloud
                .iter()
                .any(|prefix| key.starts_with(prefix))
                .then_some((key, value))
        });
        let declared = self.storage_options.iter();
        let mut options: BTreeMap<String, String> = environment.collect();
        options.extend(declared.map(|(key, value)| (key.to_lowercase(), value.clone())));
        let (store, _) = object_store::parse_url_opts(url, options).map_err(|e| {
            Error::new(Kind::Source, format!("`{location}` cannot be reached: {e}"))
        })?;
        runtime.register_object_store(&parsed, Arc::from(store as Box<dyn ObjectStore>));
        Ok(())
    }

    fn remember_text(&self, listed: &[Listed], schema: &Schema, header: bool) {
        let columns = schema.fields().iter();
        let columns: Vec<(String, String)> = columns
            .map(|field| (field.name().clone(), sql_type(field.data_type())))
            .collect();
        let mut texts = match self.texts.lock() {
            Ok(texts) => texts,
            Err(poisoned) => poisoned.into_inner(),
        };
        texts.extend(listed.iter().map(|file| TextSource {
            file: file.shown(),
            columns: columns.clone(),
            header,
        }));
    }
}

/// One file of a source.
struct Listed {
    url: ListingTableUrl,
    meta: ObjectMeta,
}

impl Listed {
    /// The path as the steward would write it.
    fn shown(&self) -> String {
        let path = match self.url.scheme() {
            "file" => format!("/{}", self.meta.location),
            _ => self.url.as_str().to_owned(),
        };
        match std::env::current_dir() {
            Ok(here) => match Path::new(&path).strip_prefix(&here) {
                Ok(relative) => relative.display().to_string(),
                Err(_) => path,
            },
            Err(_) => path,
        }
    }
}

/// A glob's root is a folder too, but what it means is its pattern.
fn is_folder(location: &ListingTableUrl) -> bool {
    location.is_collection() && location.get_glob().is_none()
}

fn missing(location: &str) -> Error {
    Error::new(Kind::Source, format!("nothing found at `{location}`"))
        .help("check the `location` of the source, and that the data has been delivered")
}

/// The format that a path's ending tells, a compression's ending aside.
fn format_of(path: &str) -> Option<Format> {
    let (stem, _) = split_compression(path);
    let ending = stem.rsplit('/').next()?.rsplit_once('.')?.1.to_lowercase();
    match ending.as_str() {
        "parquet" | "parq" => Some(Format::Parquet),
        "csv" | "tsv" => Some(Format::Csv),
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        _ => None,
    }
}

fn split_compression(path: &str) -> (&str, FileCompressionType) {
    let known = [
        (".gz", FileCompressionType::GZIP),
        (".bz2", FileCompressionType::BZIP2),
        (".xz", FileCompressionType::XZ),
        (".zst", FileCompressionType::ZSTD),
    ];
    let found = known
        .iter()
        .find_map(|(ending, kind)| Some((path.strip_suffix(ending)?, *kind)));
    found.unwrap_or((path, FileCompressionType::UNCOMPRESSED))
}

/// All files of the source, at least one.
async fn listed(
    state: &SessionState,
    source: &SourceTable,
    format: Format,
    locations: &[ListingTableUrl],
) -> Result<Vec<Listed>, Error> {
    let mut files = Vec::new();
    for (location, written) in locations.iter().zip(&source.locations) {
        let store = state.runtime_env().object_store(location)?;
        let mut found: Vec<ObjectMeta> = files_at(store.as_ref(), location)
            .try_collect()
            .await
            .map_err(|error| Error::from(DataFusionError::from(error)))?;
        // Stores list in any order; the columns of the first file come first.
        found.sort_by(|a, b| a.location.cmp(&b.location));
        if is_folder(location) {
            // A folder may hold other things; a file or a glob says what it means.
            found.retain(|file| {
                let path = file.location.as_ref();
                let hidden = file
                    .location
                    .filename()
                    .is_some_and(|name| name.starts_with(['.', '_']));
                !hidden && format_of(path) == Some(format)
            });
        }
        if found.is_empty() {
            return Err(missing(written));
        }
        let root = location.object_store();
        for meta in found {
            let url = ListingTableUrl::parse(format!("{}{}", root.as_str(), encode(&meta)))?;
            files.push(Listed { url, meta });
        }
    }
    Ok(files)
}

/// The files at a location. DataFusion's own listing leaves folders such as `day=2024-01-01` out of
/// what a glob is matched with.
fn files_at<'a>(
    store: &'a dyn ObjectStore,
    location: &'a ListingTableUrl,
) -> BoxStream<'a, Result<ObjectMeta, object_store::Error>> {
    if location.get_glob().is_none() && !location.is_collection() {
        let one = async move { store.head(location.prefix()).await };
        let found = futures::stream::once(one).filter(|found| {
            let gone = matches!(found, Err(object_store::Error::NotFound { .. }));
            futures::future::ready(!gone)
        });
        return found.boxed();
    }
    let matches = move |file: &ObjectMeta| match location.get_glob() {
        None => true,
        Some(glob) => location
            .strip_prefix(&file.location)
            .map(|segments| segments.collect::<Vec<_>>().join("/"))
            .is_some_and(|path| glob.matches(&path)),
    };
    let files = store.list(Some(location.prefix()));
    files
        .try_filter(move |file| futures::future::ready(matches(file)))
        .boxed()
}

/// The path inside of its store, fit for a URL.
fn encode(meta: &ObjectMeta) -> String {
    let mut url = match Url::parse("file:///") {
        Ok(url) => url,
        Err(_) => return meta.location.to_string(),
    };
    url.set_path(&meta.location.as_ref().replace('%', "%25"));
    url.path().trim_start_matches('/').to_owned()
}

fn ending(listed: &[Listed]) -> String {
    let endings = listed.iter().map(|file| {
        let name = file.meta.location.filename().unwrap_or_default();
        let (stem, _) = split_compression(name);
        let cut = stem.rfind('.').unwrap_or(0);
        name[cut..].to_owned()
    });
    let mut endings: Vec<String> = endings.collect();
    endings.sort();
    endings.dedup();
    match endings.len() {
        1 => endings.remove(0),
        _ => String::new(),
    }
}

fn reader(
    source: &SourceTable,
    format: Format,
    listed: &[Listed],
) -> Result<Arc<dyn FileFormat>, Error> {
    let options = &source.options;
    let compression = match &options.compression {
        Some(name) => name.parse().map_err(|_| {
            Error::new(Kind::Source, format!("no compression named `{name}`"))
                .help("use `gzip`, `bzip2`, `xz`, `zstd` or `uncompressed`")
        })?,
        None => split_compression(listed[0].meta.location.as_ref()).1,
    };
    let reader: Arc<dyn FileFormat> = match format {
        Format::Parquet | Format::Delta => {
            Arc::new(ParquetFormat::default().with_force_view_types(false))
        }
        Format::Json => {
            let mut json = JsonFormat::default().with_file_compression_type(compression);
            if let Some(rows) = options.infer_rows {
                json = json.with_schema_infer_max_rec(rows);
            }
            Arc::new(json.with_newline_delimited(!options.array.unwrap_or(false)))
        }
        Format::Csv => Arc::new(csv(options, listed, compression)?),
    };
    Ok(reader)
}

fn csv(
    options: &SourceOptions,
    listed: &[Listed],
    compression: FileCompressionType,
) -> Result<CsvFormat, Error> {
    let tabs = split_compression(listed[0].meta.location.as_ref())
        .0
        .ends_with(".tsv");
    let byte = |what: &str, character: Option<char>| match character {
        Some(c) if !c.is_ascii() => Err(Error::new(
            Kind::Source,
            format!("{what} `{c}` is not an ASCII character"),
        )),
        Some(c) => Ok(Some(c as u8)),
        None => Ok(None),
    };
    let delimiter = byte("delimiter", options.delimiter)?;
    let mut csv = CsvFormat::default()
        .with_has_header(options.header.unwrap_or(true))
        .with_delimiter(delimiter.unwrap_or(if tabs { b'\t' } else { b',' }))
        .with_escape(byte("escape", options.escape)?)
        .with_comment(byte("comment", options.comment)?)
        .with_newlines_in_values(options.multiline.unwrap_or(false))
        .with_null_regex(
            options
                .null_value
                .as_ref()
                .map(|value| format!("^(|{})$", regex::escape(value))),
        )
        .with_file_compression_type(compression);
    if let Some(quote) = byte("quote", options.quote)? {
        csv = csv.with_quote(quote);
    }
    if let Some(rows) = options.infer_rows {
        csv = csv.with_schema_infer_max_rec(rows);
    }
    Ok(csv)
}

/// The columns of all files, each in the widest of its types.
async fn infer(
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
                let schema = reader.infer_schema(state, &store, objects).await;
                schema.map(|schema| (file, schema)).map_err(|error| {
                    let error = Error::from(error);
                    Error::new(
                        Kind::Source,
                        format!("`{}`: {}", file.shown(), error.message),
                    )
                })
            }
            .boxed()
        })
        .collect();
    let mut schemas = futures::stream::iter(looks).buffered(AT_ONCE);
    let mut merged: Vec<FieldRef> = Vec::new();
    while let Some((file, schema)) = schemas.try_next().await? {
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
            format!("`{}` has no columns", source.locations[0]),
        ));
    }
    Ok(Arc::new(Schema::new(merged)))
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

/// Lays the declared types over the found ones. Columns with a format of their own are read as text.
fn declare(
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
                .candidates(names));
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

type Formatted = Vec<(String, DataType, String)>;

/// The declared columns that have a format of their own.
fn formatted(declared: &[(String, DataType)], options: &SourceOptions) -> Option<Formatted> {
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
fn with_formats(
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
fn hive_partitions(
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
