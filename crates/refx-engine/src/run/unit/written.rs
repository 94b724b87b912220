//! Rows as YAML that reads back as the same rows.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::json::ArrayWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::engine::Error;
use refx_core::project::yaml::{self, Value};

/// Columns of the terminal that a row in one line may take.
const WIDTH: usize = 120;

/// The rows as a list in YAML, each line so far to the right, the first one too; `[]` where there are
/// none. Columns that hold nothing but NULL are left out where `sparse`: in what is given they are NULL
/// all the same.
pub(super) fn rows(batch: &RecordBatch, indent: usize, sparse: bool) -> Result<String, Error> {
    if batch.num_rows() == 0 {
        return Ok("[]".to_owned());
    }
    let schema = batch.schema();
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let empty = column.null_count() == column.len();
        if !(sparse && empty) {
            columns.push((plain(field.name()), cells(column.as_ref())?));
        }
    }
    if columns.is_empty()
        && let Some(field) = schema.fields().first()
    {
        // Rows of NULL alone still are rows.
        let nulls = vec!["null".to_owned(); batch.num_rows()];
        columns.push((plain(field.name()), nulls));
    }
    let mut text = String::new();
    for at in 0..batch.num_rows() {
        let values: Vec<String> = columns
            .iter()
            .map(|(name, cells)| format!("{name}: {}", cells[at]))
            .collect();
        let line = format!("{{{}}}", values.join(", "));
        let row = match line.chars().count() + indent + 2 <= WIDTH {
            true => line,
            false => values.join(&format!("\n{}", " ".repeat(indent + 2))),
        };
        text.push_str(&format!("\n{}- {row}", " ".repeat(indent)));
    }
    Ok(text)
}

/// What comes after `rows:`: a list begins on the next line, none stands on the same.
pub(super) fn gap(rows: &str) -> &'static str {
    match rows.starts_with('\n') {
        true => "",
        false => " ",
    }
}

/// Whether values of the type can be written as text that is cast back to them.
pub(super) fn can_be_written(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            can_be_written(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| can_be_written(field.data_type())),
        _ => true,
    }
}

fn cells(column: &dyn Array) -> Result<Vec<String>, Error> {
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
        .with_datetime_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let mut cells = Vec::with_capacity(column.len());
    for at in 0..column.len() {
        cells.push(match column.data_type() {
            _ if column.is_null(at) => "null".to_owned(),
            DataType::Null => "null".to_owned(),
            nested if nested.is_nested() => json(column, at)?,
            number if number.is_numeric() => exact(formatter.value(at).try_to_string()?),
            DataType::Boolean => formatter.value(at).try_to_string()?,
            _ => plain(&formatter.value(at).try_to_string()?),
        });
    }
    Ok(cells)
}

/// A number, in quotes where YAML would round it or take it for something else.
fn exact(number: String) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let is_plain = number.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match digits > 15 || !is_plain {
        true => format!("\"{number}\""),
        false => number,
    }
}

/// A text, in quotes where YAML would read anything else.
fn plain(text: &str) -> String {
    const SPECIAL: [char; 22] = [
        '{', '}', '[', ']', ',', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '\\',
        '\n', '\t', '\r', '?', '=',
    ];
    let quoted = || serde_json::Value::from(text).to_string();
    if text.contains(SPECIAL) || text.contains(": ") || text.ends_with(':') {
        return quoted();
    }
    let file: std::sync::Arc<str> = "rows".into();
    // Read as it will be: a word such as `yes` or `10` means something else.
    match yaml::parse(&file, &format!("[{text}]")) {
        Ok(node) => match node.as_list() {
            Some([item]) if item.value == Value::String(text.to_owned()) => text.to_owned(),
            _ => quoted(),
        },
        Err(_) => quoted(),
    }
}

/// A list or struct as JSON, which is YAML.
fn json(column: &dyn Array, at: usize) -> Result<String, Error> {
    let one = RecordBatch::try_from_iter([("value", column.slice(at, 1))])?;
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&one)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    let rows: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Error::new(crate::engine::Kind::Execution, error.to_string()))?;
    let value = rows.pointer("/0/value").cloned().unwrap_or_default();
    Ok(spaced(&value))
}

/// JSON with a space after each comma and colon, as people write lists in YAML.
fn spaced(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        serde_json::Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| format!("{}: {}", plain(name), spaced(value)));
            let entries: Vec<String> = entries.collect();
            format!("{{{}}}", entries.join(", "))
        }
        serde_json::Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn texts_that_mean_something_else_are_quoted() {
        for (text, written) in [
            ("u42", "u42"),
            ("a b", "a b"),
            ("2024-08-30 23:59:59", "2024-08-30 23:59:59"),
            ("yes", "\"yes\""),
            ("10", "\"10\""),
            ("", "\"\""),
            (" a", "\" a\""),
            ("a: b", "\"a: b\""),
            ("null", "\"null\""),
            ("it's", "\"it's\""),
            ("- a", "\"- a\""),
        ] {
            assert_eq!(plain(text), written);
        }
    }

    #[test]
    fn rows_are_short_or_a_value_a_line() {
        let batch = |text: &str| {
            let columns: [(&str, ArrayRef); 3] = [
                ("id", Arc::new(StringArray::from(vec![text]))),
                ("n", Arc::new(Int64Array::from(vec![None]))),
                ("x", Arc::new(Float64Array::from(vec![Some(0.1)]))),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let told = |text: &str, sparse| rows(&batch(text), 2, sparse).unwrap();
        assert_eq!(told("u1", false), "\n  - {id: u1, n: null, x: 0.1}");
        assert_eq!(told("u1", true), "\n  - {id: u1, x: 0.1}");
        let long = "u".repeat(120);
        assert_eq!(told(&long, true), format!("\n  - id: {long}\n    x: 0.1"));
    }
}
