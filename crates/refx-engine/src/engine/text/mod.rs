//! Text files as tables: CSV, and JSON with one object after another.
//!
//! Every value is read as text and then converted without loss ([`exact`]), so a value that its column
//! does not hold is an error that names file, line, column and value. Files are cut at ends of records
//! ([`records`]): a line break in quotes never ends a row, however a file is divided among threads.

mod chunks;
mod csv;
mod guess;
mod json;
mod look;
mod records;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use self::chunks::{Piece, TextFile};
use self::csv::Ragged;
pub(crate) use self::json::as_texts;
use self::json::{Broken, Kind as Shape};
pub use self::look::Sample;
use self::look::{Look, look, together};
use self::records::{Dialect, Grammar};
use self::table::{TextColumn, TextTable};
use super::files::{Listed, split_compression};
use super::query::sql_type;
use super::source::{Format, SourceOptions};
use super::{Error, Kind, Session};

/// What files show, kept for as long as the engine: each step of a run asks again.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<HashMap<String, Arc<Look>>>);

/// The files of one source, looked at.
pub(super) struct Texts {
    files: Vec<TextFile>,
    looks: Vec<Arc<Look>>,
    grammar: Grammar,
    nulls: Vec<String>,
    columns: Vec<(String, Shape)>,
}

impl Texts {
    /// Looks at each of the files.
    ///
    /// # Errors
    /// The first file that cannot be read as what it is said to be.
    pub(super) async fn look(
        session: &Session,
        listed: &[Listed],
        options: &SourceOptions,
        format: Format,
    ) -> Result<Texts, Error> {
        let grammar = match format {
            Format::Json => Grammar::Json,
            _ => Grammar::Csv(dialect(options, listed)?),
        };
        let files = listed.iter().map(|file| text_file(session, file, options));
        let files = files.collect::<Result<Vec<TextFile>, Error>>()?;
        let nulls = options.null_values.clone();
        let sample = options.sample;
        const AT_ONCE: usize = 16;
        // Boxed, since a stream of plain futures over references is not known to be `Send`.
        let looks: Vec<BoxFuture<'_, Result<Arc<Look>, Error>>> = files
            .iter()
            .map(|file| session.looks.of(file, grammar, &nulls, sample).boxed())
            .collect();
        let looks: Vec<Arc<Look>> = futures::stream::iter(looks)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let both: Vec<(&TextFile, &Look)> =
            files.iter().zip(looks.iter().map(AsRef::as_ref)).collect();
        for (file, look) in &both {
            named_once(&file.shown, look)?;
        }
        let columns = together(&both)?;
        Ok(Texts {
            files,
            looks,
            grammar,
            nulls,
            columns,
        })
    }

    /// The columns in the types that the files show.
    pub(super) fn schema(&self) -> SchemaRef {
        let complete = self.looks.iter().all(|look| look.complete);
        let fields = self.columns.iter().map(|(name, shape)| {
            let data_type = shape.data_type(complete);
            Field::new(name, data_type, true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The table: `schema` has the files' columns in the types that they are to have, `declared` those
    /// whose types the steward wrote, `partitions` the columns of the folders, with each file's values.
    pub(super) fn table(
        self,
        schema: &Schema,
        declared: &[String],
        options: &SourceOptions,
        partitions: Vec<(FieldRef, Vec<Option<String>>)>,
    ) -> Arc<dyn TableProvider> {
        let fields = schema.fields().iter().zip(&self.columns);
        let columns = fields.map(|(field, (in_file, _))| TextColumn {
            field: Arc::clone(field),
            in_file: in_file.clone(),
            declared: declared
                .iter()
                .any(|name| name.eq_ignore_ascii_case(field.name())),
            format: match field.data_type() {
                DataType::Date32 => options.date_format.clone(),
                DataType::Timestamp(..) => options.timestamp_format.clone(),
                _ => None,
            }
            .filter(|_| {
                declared
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(field.name()))
            }),
        });
        Arc::new(TextTable::new(
            columns.collect(),
            self.files.into_iter().zip(self.looks).collect(),
            self.grammar,
            self.nulls,
            partitions,
        ))
    }
}

impl Looks {
    async fn of(
        &self,
        file: &TextFile,
        grammar: Grammar,
        nulls: &[String],
        sample: Sample,
    ) -> Result<Arc<Look>, Error> {
        let TextFile { meta, shown, .. } = file;
        let (size, at, tag) = (meta.size, meta.last_modified, &meta.e_tag);
        let key = format!("{shown} {size} {at} {tag:?} {grammar:?} {nulls:?} {sample:?}");
        let known = self.known().get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Arc::new(look(file, grammar, nulls, sample).await?);
        self.known().insert(key, Arc::clone(&found));
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Look>>> {
        match self.0.lock() {
            Ok(known) => known,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

fn text_file(
    session: &Session,
    listed: &Listed,
    options: &SourceOptions,
) -> Result<TextFile, Error> {
    let compression: FileCompressionType = match &options.compression {
        Some(name) => name.parse().map_err(|_| {
            Error::new(Kind::Source, format!("no compression named `{name}`"))
                .help("use `gzip`, `bzip2`, `xz`, `zstd` or `uncompressed`")
        })?,
        None => split_compression(listed.meta.location.as_ref()).1,
    };
    Ok(TextFile {
        shown: listed.shown(),
        store: session.state().runtime_env().object_store(&listed.url)?,
        meta: listed.meta.clone(),
        local: listed.url.scheme() == "file",
        compression,
    })
}

fn dialect(options: &SourceOptions, listed: &[Listed]) -> Result<Dialect, Error> {
    let tabs = listed.first().is_some_and(|file| {
        split_compression(file.meta.location.as_ref())
            .0
            .ends_with(".tsv")
    });
    let byte = |what: &str, character: Option<char>| match character {
        None => Ok(None),
        Some(c) => match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => Ok(Some(byte)),
            _ => Err(Error::new(
                Kind::Source,
                format!("{what} `{c}` is not an ASCII character"),
            )),
        },
    };
    let plain = if tabs { b'\t' } else { b',' };
    Ok(Dialect {
        delimiter: byte("delimiter", options.delimiter)?.unwrap_or(plain),
        quote: byte("quote", options.quote)?.unwrap_or(b'"'),
        escape: byte("escape", options.escape)?,
        comment: byte("comment", options.comment)?,
        header: options.header.unwrap_or(true),
    })
}

/// The columns of a file are told apart by their names.
fn named_once(file: &str, look: &Look) -> Result<(), Error> {
    let mut seen = std::collections::HashSet::new();
    let mut names = look.columns.iter().map(|(name, _)| name);
    let what = match names.find(|name| !seen.insert(name.as_str())) {
        None => return Ok(()),
        Some(name) if name.is_empty() => "several columns have no name".to_owned(),
        Some(name) => format!("two columns are named `{name}`"),
    };
    Err(Error::new(Kind::Source, what)
        .help("give each column a name of its own in the first line")
        .in_file(file))
}

fn ragged(file: &TextFile, piece: &Piece, bad: &Ragged) -> Error {
    let line = piece.line_of(bad.at);
    let Ragged {
        expected, found, ..
    } = bad;
    Error::new(
        Kind::Source,
        format!("line {line} has {found} values where {expected} are expected"),
    )
    .help("put quotes round a value that holds the delimiter, or correct `delimiter`")
    .in_file(&file.shown)
}

fn not_an_object(file: &TextFile, piece: &Piece, at: usize, broken: Broken) -> Error {
    let line = piece.line_of(at);
    let error = match broken.0.as_str() {
        json::NOT_AN_OBJECT => Error::new(Kind::Source, format!("line {line} is not an object"))
            .help("write one object a line, without `[` and `]` around them"),
        what => Error::new(Kind::Source, format!("line {line} is no JSON: {what}"))
            .help("have the file delivered again, or correct the line"),
    };
    error.in_file(&file.shown)
}

/// A value that its column does not hold, at its place.
fn misfit(file: &TextFile, line: u64, column: &str, bad: &super::exact::Inexact) -> Error {
    Error::new(
        Kind::Source,
        format!("{}:{line}: column `{column}`: {bad}", file.shown),
    )
    .help("correct the value, or declare another type for the column")
}

/// A value of a kind that the first rows of the file did not show.
fn surprise(file: &TextFile, line: u64, column: &TextColumn, value: &str, rows: usize) -> Error {
    Error::new(
        Kind::Source,
        format!(
            "{}:{line}: column `{}`: `{value}` is not of type {}, which the first {rows} rows are",
            file.shown,
            column.field.name(),
            sql_type(column.field.data_type()),
        ),
    )
    .help("declare the column's `data_type`, or set `infer_rows` to look at more rows")
}
