//! Raw data: Parquet, CSV and JSON files, local or in an object store.
//!
//! A location is a file, a folder (all files of the format below it) or a glob. The files of one
//! source may differ in their columns and in the width of their numbers: the table has all columns,
//! each in the widest type. Delta tables are read by the `delta` module.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::object_store::{ObjectMeta, ObjectStore};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::columns::{
    conversions, converted, declare, folder_value, hive_partitions, infer, named_in_order,
    other_delimiter, read_as,
};
use super::files::{Listed, ending, files_at, format_of, is_folder, listed, missing, shown};
pub use super::text::Sample;
use super::text::Texts;
use super::{Error, Kind, Name, Session};
use refx_core::project::StorageOptions;

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
    /// Of the store of the files; they come before those of the target.
    pub storage_options: StorageOptions,
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
    /// The texts that stand for NULL, beside the empty one.
    pub null_values: Vec<String>,
    /// `gzip`, `bzip2`, `xz`, `zstd`; guessed from the ending when absent.
    pub compression: Option<String>,
    /// How much of each file types are inferred from.
    pub sample: Sample,
    /// chrono's notation, for columns declared as dates.
    pub date_format: Option<String>,
    /// chrono's notation, for columns declared as timestamps.
    pub timestamp_format: Option<String>,
    /// Columns whose types are declared in SQL's words; the others are inferred.
    pub columns: Vec<(String, String)>,
    /// The same for columns that the files may lack: types given to many files at once.
    pub columns_if_there: Vec<(String, String)>,
}

impl SourceTable {
    pub fn at(location: impl Into<String>) -> SourceTable {
        SourceTable {
            locations: vec![location.into()],
            ..SourceTable::default()
        }
    }

    /// Whether all of it is in the file system.
    pub fn is_local(&self) -> bool {
        let mut locations = self.locations.iter();
        locations.all(|location| !location.contains("://") || location.starts_with("file://"))
    }
}

impl Session {
    /// Makes the files readable under the name. Their schemas are read now, their rows when a query
    /// runs. Gives a digest of the list of files, which changes when one is added or replaced.
    pub async fn register_source(
        &self,
        name: &Name,
        source: &SourceTable,
    ) -> Result<String, Error> {
        let format = self.source_format(source).await?;
        if format == Format::Delta {
            return Err(Error::new(
                Kind::Source,
                format!("`{name}` is a Delta table, which the engine alone cannot read"),
            ));
        }
        let locations = self.locate(source)?;
        let listed = listed(&self.state(), source, format, &locations).await?;
        let mut found = Found {
            locations,
            listed,
            declared: self.declared(&source.options.columns)?,
            if_there: self.declared(&source.options.columns_if_there)?,
        };
        let table = match format {
            Format::Csv | Format::Json => self.text_table(source, format, &mut found).await?,
            Format::Parquet | Format::Delta => self.parquet_table(source, &mut found).await?,
        };
        let files = digest(&found.listed);
        self.register_table(name, table)?;
        Ok(files)
    }

    async fn text_table(
        &self,
        source: &SourceTable,
        format: Format,
        found: &mut Found,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let options = &source.options;
        let texts = Texts::look(self, &found.listed, options, format).await?;
        let mut schema = texts.schema();
        refuse_one_column(source, &found.listed, &schema)?;
        if options.header == Some(false) {
            schema = named_in_order(&schema, &found.declared);
        }
        let schema = found.declare(&schema)?;
        let partitions = found.partitions(&schema);
        let declared = found.declared.iter().map(|(name, _)| name.clone());
        let declared: Vec<String> = declared.collect();
        Ok(texts.table(&schema, &declared, options, partitions))
    }

    async fn parquet_table(
        &self,
        source: &SourceTable,
        found: &mut Found,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let state = self.state();
        let reader = Arc::new(ParquetFormat::default().with_force_view_types(false));
        let in_files = infer(&state, found, reader.as_ref(), source).await?;
        let schema = found.declare(&in_files)?;
        let columns = conversions(&in_files, &schema, &source.options);
        let read = read_as(&in_files, &schema, &columns);
        let partitions = hive_partitions(&found.locations, &found.listed, &schema);
        let folders = found.locations.iter().all(is_folder);
        let (paths, ending) = if folders {
            (found.locations.clone(), ending(&found.listed))
        } else {
            let files = found.listed.iter().map(|file| file.url.clone()).collect();
            (files, String::new())
        };
        let mut options = ListingOptions::new(reader).with_file_extension(ending);
        if folders {
            options = options.with_table_partition_cols(partitions);
        }
        let config = ListingTableConfig::new_with_multi_paths(paths)
            .with_listing_options(options)
            .with_schema(read);
        let table = Arc::new(ListingTable::try_new(config)?);
        let shown = match found.listed.as_slice() {
            [only] => format!("`{}`", only.shown()),
            all => format!("one of {} files, `{}` the first", all.len(), all[0].shown()),
        };
        match columns.is_empty() {
            true => Ok(table),
            false => converted(table, &columns, &shown),
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
}

/// The files of a source, and the types that are declared for its columns.
pub(super) struct Found {
    pub(super) locations: Vec<ListingTableUrl>,
    pub(super) listed: Vec<Listed>,
    pub(super) declared: Vec<(String, DataType)>,
    /// The same for columns that the files may lack.
    if_there: Vec<(String, DataType)>,
}

impl Found {
    /// Lays the declared types over those of the files.
    fn declare(&mut self, schema: &SchemaRef) -> Result<SchemaRef, Error> {
        let fields = schema.fields();
        let more = self.if_there.iter().filter(|(name, _)| {
            let mut fields = fields.iter();
            fields.any(|field| field.name().eq_ignore_ascii_case(name))
        });
        self.declared.extend(more.cloned());
        declare(schema, &self.declared)
    }

    /// The columns of the folders' names, with each file's values.
    fn partitions(&self, schema: &Schema) -> Vec<(FieldRef, Vec<Option<String>>)> {
        if !self.locations.iter().all(is_folder) {
            return Vec::new();
        }
        let columns = hive_partitions(&self.locations, &self.listed, schema);
        let columns = columns.into_iter().map(|(key, data_type)| {
            let files = self.listed.iter();
            let values = files.map(|file| folder_value(&self.locations, file, &key));
            let values = values.collect();
            (Arc::new(Field::new(key, data_type, true)), values)
        });
        columns.collect()
    }
}

/// Paths, sizes and times of files, as one short text.
fn digest(files: &[Listed]) -> String {
    let mut lines: Vec<String> = files
        .iter()
        .map(|file| {
            let meta = &file.meta;
            let time = meta.last_modified.timestamp_micros();
            // What a local file system has for a tag changes when a file is only copied.
            let tag = match file.url.scheme() {
                "file" => None,
                _ => meta.e_tag.as_deref(),
            };
            format!(
                "{} {} {time} {}",
                meta.location,
                meta.size,
                tag.unwrap_or_default()
            )
        })
        .collect();
    lines.sort_unstable();
    let digest = Sha256::digest(lines.join("\n"));
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A text file that was read as one column by mistake.
fn refuse_one_column(
    source: &SourceTable,
    listed: &[Listed],
    schema: &Schema,
) -> Result<(), Error> {
    if schema.fields().is_empty() {
        return Err(Error::new(
            Kind::Source,
            format!("`{}` is empty", shown(&source.locations[0])),
        )
        .help(
            "check that the data has been delivered; a CSV file begins with its columns' names",
        ));
    }
    let fields = &schema.fields()[..];
    if let (Some(delimiter), [only]) = (other_delimiter(source, fields), fields) {
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
    Ok(())
}
