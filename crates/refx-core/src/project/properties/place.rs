//! Where the files of a source table are, what they are, and how they are read.
//!
//! A source says it with `location`, `format` and `options`. dbt-duckdb says the same in one text,
//! `external_location: "read_csv('raw/{name}.csv', delim=';')"`, which is understood as well.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SourceProperties, SourceTable};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::target::StorageOptions;
use crate::project::yaml::{self, Many, Node, Spanned, Text, Value};

/// What the files of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A Delta table: a folder with a `_delta_log`.
    Delta,
    /// Parquet files.
    Parquet,
    /// Text with one row a line.
    Csv,
    /// JSON with one object a line.
    #[serde(alias = "ndjson", alias = "jsonl")]
    Json,
}

impl Format {
    /// What the ending of a file says; none where it says nothing.
    pub fn of_location(location: &str) -> Option<Self> {
        let name = location.to_lowercase();
        let mut name = name.as_str();
        for compression in [".gz", ".zst", ".bz2", ".xz"] {
            name = name.strip_suffix(compression).unwrap_or(name);
        }
        let ending = name.rsplit('/').next()?.rsplit_once('.')?.1;
        match ending {
            "parquet" | "pq" => Some(Format::Parquet),
            "csv" | "tsv" => Some(Format::Csv),
            "json" | "jsonl" | "ndjson" => Some(Format::Json),
            _ => None,
        }
    }
}

/// How the files of a source are read. What is absent is as the format has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReaderOptions {
    /// The sign between two values of a row: `;`, or `\t` for a tab.
    #[serde(alias = "delim", alias = "sep")]
    pub delimiter: Option<Spanned<String>>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
    /// The sign round a value.
    pub quote: Option<Spanned<String>>,
    /// The sign before a quote inside of a value.
    pub escape: Option<Spanned<String>>,
    /// The sign at the start of a line that is not read.
    pub comment: Option<Spanned<String>>,
    /// The text that stands for NULL.
    #[serde(alias = "nullstr", alias = "null_values")]
    pub null_value: Option<Spanned<Many<Text>>>,
    /// How the files are compressed: `gzip`, `zstd`, `bz2`, `xz`, `none`.
    pub compression: Option<Spanned<String>>,
    /// How dates are written: `%d/%m/%Y`.
    #[serde(alias = "dateformat")]
    pub date_format: Option<Spanned<String>>,
    /// How instants are written: `%d/%m/%Y %H:%M:%S`.
    #[serde(alias = "timestampformat")]
    pub timestamp_format: Option<Spanned<String>>,
    /// The number of rows that types are told from.
    #[serde(alias = "sample_size")]
    pub infer_rows: Option<Spanned<i64>>,
    /// The types of columns: `user_id: bigint`.
    #[serde(alias = "columns")]
    pub types: Option<BTreeMap<String, Spanned<String>>>,
    /// The columns that stand in the names of the folders: `year=2024/month=08/`.
    pub partition_columns: Option<Spanned<Many<String>>>,
    /// Whether the names of the folders hold columns at all.
    pub hive_partitioning: Option<bool>,
    /// Whether lines that do not fit are left out.
    pub ignore_errors: Option<bool>,
    /// The version of a Delta table; the last where absent.
    pub version: Option<Spanned<u64>>,
    /// The instant of which the version of a Delta table is read.
    pub timestamp: Option<Spanned<Text>>,
}

impl ReaderOptions {
    /// These options, and below them what they leave open.
    fn over(self, below: ReaderOptions) -> ReaderOptions {
        ReaderOptions {
            delimiter: self.delimiter.or(below.delimiter),
            header: self.header.or(below.header),
            quote: self.quote.or(below.quote),
            escape: self.escape.or(below.escape),
            comment: self.comment.or(below.comment),
            null_value: self.null_value.or(below.null_value),
            compression: self.compression.or(below.compression),
            date_format: self.date_format.or(below.date_format),
            timestamp_format: self.timestamp_format.or(below.timestamp_format),
            infer_rows: self.infer_rows.or(below.infer_rows),
            types: self.types.or(below.types),
            partition_columns: self.partition_columns.or(below.partition_columns),
            hive_partitioning: self.hive_partitioning.or(below.hive_partitioning),
            ignore_errors: self.ignore_errors.or(below.ignore_errors),
            version: self.version.or(below.version),
            timestamp: self.timestamp.or(below.timestamp),
        }
    }
}

/// Where the files of one source table are, and how to read them.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Where it was written.
    pub span: Span,
    /// Files, folders, globs or URLs; relative ones to the project's root.
    pub locations: Vec<String>,
    /// None: what is found there decides.
    pub format: Option<Format>,
    pub options: ReaderOptions,
    pub storage_options: StorageOptions,
}

impl SourceProperties {
    /// Where a table of this source is; none where nothing says so.
    pub fn place(&self, table: &SourceTable) -> Result<Option<Place>, Diagnostic> {
        let Some((text, span)) = location(self, table) else {
            return Ok(None);
        };
        let filled = fill(&text, self, table);
        let external = External::read(&filled, &span)?;
        let options = [
            table.options.as_ref().map(|options| options.value.clone()),
            self.options.as_ref().map(|options| options.value.clone()),
        ];
        let options = options
            .into_iter()
            .flatten()
            .fold(external.options, ReaderOptions::over);
        let stated = table.format.as_ref().or(self.format.as_ref());
        let format = match (external.format, stated) {
            (Some(format), _) => Some(format),
            (None, Some(format)) => Some(format.value),
            (None, None) => external
                .locations
                .first()
                .and_then(|location| Format::of_location(location)),
        };
        let mut storage_options = self.storage_options.clone().unwrap_or_default();
        storage_options
            .0
            .extend(table.storage_options.clone().unwrap_or_default().0);
        Ok(Some(Place {
            span,
            locations: external.locations,
            format,
            options,
            storage_options,
        }))
    }
}

/// The nearest of the places that name a location: the table's own first.
fn location(source: &SourceProperties, table: &SourceTable) -> Option<(String, Span)> {
    let spanned = |text: &Spanned<String>| (text.value.clone(), text.span.clone());
    let in_meta = |meta: &Option<Spanned<super::Meta>>| {
        let meta = meta.as_ref()?;
        let text = meta.value.get("external_location")?.as_str()?;
        Some((text.to_owned(), meta.span.clone()))
    };
    let in_config = |config: &Option<Node>| {
        let config = config.as_ref()?;
        let node = config
            .get("external_location")
            .or_else(|| config.get("meta")?.get("external_location"))?;
        Some((node.as_str()?.to_owned(), node.span.clone()))
    };
    let in_external = |external: &Option<Node>| {
        let node = external.as_ref()?.get("location")?;
        Some((node.as_str()?.to_owned(), node.span.clone()))
    };
    None.or_else(|| table.location.as_ref().map(spanned))
        .or_else(|| in_config(&table.config))
        .or_else(|| in_meta(&table.meta))
        .or_else(|| in_external(&table.external))
        .or_else(|| source.location.as_ref().map(spanned))
        .or_else(|| in_config(&source.config))
        .or_else(|| in_meta(&source.meta))
}

fn fill(text: &str, source: &SourceProperties, table: &SourceTable) -> String {
    let schema = source.schema.as_ref().unwrap_or(&source.name);
    let identifier = table.identifier.as_ref().unwrap_or(&table.name);
    text.replace("{name}", &table.name)
        .replace("{identifier}", identifier)
        .replace("{schema}", schema)
}

/// A location taken apart: `read_csv(['a.csv', 'b.csv'], delim=';')`.
struct External {
    locations: Vec<String>,
    format: Option<Format>,
    options: ReaderOptions,
}

impl External {
    fn read(text: &str, span: &Span) -> Result<Self, Diagnostic> {
        let text = text.trim();
        let call = text
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
            .filter(|(function, _)| {
                function
                    .trim()
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            });
        let Some((function, arguments)) = call else {
            let location = unquoted(text).unwrap_or(text);
            return Ok(External {
                locations: vec![location.to_owned()],
                format: None,
                options: ReaderOptions::default(),
            });
        };
        let format = match function.trim().to_lowercase().as_str() {
            "read_parquet" | "parquet_scan" => Format::Parquet,
            "read_csv" | "read_csv_auto" => Format::Csv,
            "read_json" | "read_json_auto" | "read_ndjson" | "read_ndjson_auto" => Format::Json,
            "delta_scan" => Format::Delta,
            _ => {
                return Err(Diagnostic::error(
                    Code::InvalidValue,
                    format!("`{}` is not a function that reads files", function.trim()),
                )
                .at(span.clone())
                .did_you_mean(
                    function,
                    ["read_parquet", "read_csv", "read_json", "delta_scan"],
                ));
            }
        };
        let broken = || {
            Diagnostic::error(Code::InvalidValue, "a location that cannot be read")
                .at(span.clone())
                .help("write the path in quotes: `read_csv('raw/users.csv', delim=';')`")
        };
        let mut arguments = split(arguments, ',').ok_or_else(broken)?.into_iter();
        let locations = arguments
            .next()
            .and_then(list_of_texts)
            .filter(|locations| !locations.is_empty())
            .ok_or_else(broken)?;
        let mut entries = Vec::new();
        for argument in arguments {
            let (name, value) = argument.split_once('=').ok_or_else(broken)?;
            let name = name.trim().trim_end_matches(':').trim_end();
            let value = option(name, value.trim(), span)?;
            entries.extend(value.map(|value| (Node::text(name, span.clone()), value)));
        }
        let options = yaml::decode(&Node::new(Value::Map(entries), span.clone()))?;
        Ok(External {
            locations,
            format: Some(format),
            options,
        })
    }
}

/// An option of DuckDB's readers as a node; none for those that change nothing here.
fn option(name: &str, value: &str, span: &Span) -> Result<Option<Node>, Diagnostic> {
    let node = |value| Ok(Some(Node::new(value, span.clone())));
    match name {
        "auto_detect" | "union_by_name" | "hive_types_autocast" | "parallel" | "format" => Ok(None),
        "all_varchar" | "filename" | "skip" | "names" => Err(Diagnostic::error(
            Code::Unsupported,
            format!("the option `{name}` of an external location has no counterpart in refx"),
        )
        .at(span.clone())
        .help("remove it, and do in a staging model what it did")),
        _ => match (unquoted(value), value.to_lowercase().as_str()) {
            (Some(text), _) => node(Value::String(text.replace("\\t", "\t"))),
            (None, "true" | "1") if name != "sample_size" => node(Value::Bool(true)),
            (None, "false" | "0") => node(Value::Bool(false)),
            _ if value.starts_with('{') => node(struct_of_texts(value, span)),
            _ => node(
                value
                    .parse()
                    .map_or_else(|_| Value::String(value.to_owned()), Value::Int),
            ),
        },
    }
}

/// `{'user_id': 'BIGINT'}`.
fn struct_of_texts(value: &str, span: &Span) -> Value {
    let inside = value.trim_start_matches('{').trim_end_matches('}');
    let entries = split(inside, ',').unwrap_or_default();
    let word = |text: &str| {
        let text = text.trim();
        Node::text(unquoted(text).unwrap_or(text), span.clone())
    };
    Value::Map(
        entries
            .iter()
            .filter_map(|entry| entry.split_once(':'))
            .map(|(key, value)| (word(key), word(value)))
            .collect(),
    )
}

/// `'a'`, or `['a', 'b']`.
fn list_of_texts(argument: &str) -> Option<Vec<String>> {
    let argument = argument.trim();
    let items = match argument.strip_prefix('[') {
        Some(rest) => split(rest.strip_suffix(']')?, ',')?,
        None => vec![argument],
    };
    items
        .into_iter()
        .map(|item| unquoted(item.trim()).map(str::to_owned))
        .collect()
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|&quote| {
        let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote)).then_some(inside)
    })
}

/// Splits at a sign outside of quotes and brackets; none where those do not close.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut quote) = (0, 0_usize, None);
    for (index, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.checked_sub(1)?,
            (None, _) if letter == at && depth == 0 => {
                parts.push(&text[start..index]);
                start = index + letter.len_utf8();
            }
            _ => {}
        }
    }
    if quote.is_some() || depth > 0 {
        return None;
    }
    if !text[start..].trim().is_empty() {
        parts.push(&text[start..]);
    }
    Some(parts)
}
