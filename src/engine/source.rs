//! Raw data: Parquet, CSV and JSON files, local or in an object store.
//!
//! A location is a file, a folder (all files of the format below it) or a glob. The files of one
//! source may differ in their columns and in the width of their numbers: the table has all columns,
//! each in the widest type. Delta tables are the business of the `delta` room.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::object_store::{ObjectMeta, ObjectStore};
use futures::{StreamExt, TryStreamExt};

use super::columns::{declare, formatted, hive_partitions, infer, named_in_order, with_formats};
use super::files::{
    Listed, ending, files_at, format_of, is_folder, listed, missing, shown, split_compression,
};
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
    /// The same for columns that the files may lack: types given to many files at once.
    pub columns_if_there: Vec<(String, String)>,
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
        let mut declared = self.declared(&source.options.columns)?;
        let schema = infer(&state, &listed, reader.as_ref(), source).await?;
        let schema = match source.options.header {
            Some(false) => named_in_order(&schema, &declared),
            _ => schema,
        };
        let more = self.declared(&source.options.columns_if_there)?;
        declared.extend(more.into_iter().filter(|(name, _)| {
            let mut fields = schema.fields().iter();
            fields.any(|field| field.name().eq_ignore_ascii_case(name))
        }));
        let schema = declare(&schema, &declared, &source.options, format)?;
        if matches!(format, Format::Csv | Format::Json) {
            self.remember_text(&listed, &schema, source.options.header.unwrap_or(true));
        }

        let partitions = match &source.options.partition_columns {
            Some(columns) => self.declared(columns)?,
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
                        shown(&source.locations[0])
                    ),
                )
                .help("set `format` to `parquet`, `csv`, `json` or `delta`")
            })
    }

    /// The SQL types as the engine's types.
    pub(super) fn declared(
        &self,
        columns: &[(String, String)],
    ) -> Result<Vec<(String, DataType)>, Error> {
        let columns = columns.iter();
        columns
            .map(|(column, written)| Ok((column.clone(), self.data_type(column, written)?)))
            .collect()
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
