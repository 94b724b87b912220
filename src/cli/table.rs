//! Rows for people and programs: an aligned table, CSV or JSON, as `refx show` prints them.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::json::writer::{JsonFormat, WriterBuilder as JsonWriterBuilder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::args::ShowOutput;
use super::report::wording::{count, cut, width as columns_of};

/// Writes the rows in the format asked for. The schema is given apart, since a query without rows
/// may have no batch and yet has columns.
///
/// `width` is the terminal's, to which a table is cut; nothing is cut where it is none, as in a
/// pipe. CSV follows RFC 4180 with a header; a NULL is an empty field. JSON is an array with an
/// object a row; a NULL, and a float that is not a number, is `null`; a decimal is
/// text, so that it keeps its digits. Instants are ISO 8601.
pub fn write(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    output: ShowOutput,
    width: Option<usize>,
    to: &mut dyn Write,
) -> Result<()> {
    match output {
        ShowOutput::Table => to.write_all(text(schema, batches, width)?.as_bytes())?,
        ShowOutput::Csv => csv(schema, batches, to)?,
        ShowOutput::Json => json(batches, to)?,
    }
    Ok(())
}

/// Between two columns.
const GAP: usize = 2;
/// A column that is cut keeps so much, so that it can still be told what it holds.
const KEPT: usize = 12;

fn text(schema: &SchemaRef, batches: &[RecordBatch], width: Option<usize>) -> Result<String> {
    let mut columns: Vec<Vec<String>> = schema
        .fields()
        .iter()
        .map(|field| vec![flat(field.name())])
        .collect();
    for batch in batches {
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            let options = options();
            let format = ArrayFormatter::try_new(array.as_ref(), &options)?;
            for row in 0..batch.num_rows() {
                column.push(cell(array, &format, row)?);
            }
        }
    }
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let hidden = fit(&mut columns, width);

    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty();
    for row in 0..=rows {
        table.add_row(columns.iter().map(|column| column[row].as_str()));
        if row == 0 {
            table.add_row(columns.iter().map(|column| "─".repeat(widest(column))));
        }
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, GAP as u16));
        if schema.field(at).data_type().is_numeric() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\n{}\n", count(rows as u64, "row")));
    if hidden > 0 {
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .skip(columns.len())
            .map(|field| field.name().as_str())
            .collect();
        text.push_str(&format!(
            "{} than fit: {}; `--output csv` and `--output json` show all\n",
            count(hidden as u64, "more column"),
            names.join(", ")
        ));
    }
    Ok(text)
}

/// A value on one line. A NULL is the bare word; a text that reads the same stands in quotes.
fn cell(array: &ArrayRef, format: &ArrayFormatter<'_>, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("NULL".to_string());
    }
    let text = format.value(row).try_to_string()?;
    Ok(match text.as_str() {
        "NULL" => "'NULL'".to_string(),
        _ => flat(&text),
    })
}

/// Line breaks and tabs shown as signs, other control characters taken out: they could rule the
/// terminal.
fn flat(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_string();
    }
    text.replace("\r\n", "⏎")
        .chars()
        .filter_map(|character| match character {
            '\n' | '\r' => Some('⏎'),
            '\t' => Some('⇥'),
            other => Some(other).filter(|other| !other.is_control()),
        })
        .collect()
}

fn widest(column: &[String]) -> usize {
    column
        .iter()
        .map(|cell| columns_of(cell))
        .max()
        .unwrap_or(0)
}

/// Cuts long texts, the widest columns first, then drops columns from the right until the table
/// fits. Returns how many were dropped.
fn fit(columns: &mut Vec<Vec<String>>, width: Option<usize>) -> usize {
    let Some(width) = width else {
        return 0;
    };
    let mut widths: Vec<usize> = columns.iter().map(|column| widest(column)).collect();
    let total = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>();
    while total(&widths) > width + GAP
        && let Some(widest) = widths.iter_mut().filter(|width| **width > KEPT).max()
    {
        *widest -= 1;
    }
    let all = columns.len();
    while widths.len() > 1 && total(&widths) > width + GAP {
        widths.pop();
    }
    columns.truncate(widths.len());
    for (column, width) in columns.iter_mut().zip(&widths) {
        for cell in column {
            if columns_of(cell) > *width {
                *cell = cut(cell, *width);
            }
        }
    }
    all - columns.len()
}

fn options() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_null("NULL")
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
}

fn csv(schema: &SchemaRef, batches: &[RecordBatch], to: &mut dyn Write) -> Result<()> {
    let mut writer = WriterBuilder::new().with_header(true).build(to);
    // The header is written with the first batch, so there is always one.
    let empty = RecordBatch::new_empty(Arc::clone(schema));
    for batch in std::iter::once(&empty).chain(batches) {
        // CSV has no form of its own for lists, structs and maps.
        writer.write(&as_text(batch, DataType::is_nested)?)?;
    }
    Ok(())
}

/// The batch with the columns of some types as text.
fn as_text(batch: &RecordBatch, which: fn(&DataType) -> bool) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if which(field.data_type()) {
            let options = FormatOptions::new().with_null("null");
            let format = ArrayFormatter::try_new(array.as_ref(), &options)?;
            let texts = (0..batch.num_rows())
                .map(|row| match array.is_null(row) {
                    true => Ok(None),
                    false => format.value(row).try_to_string().map(Some),
                })
                .collect::<Result<StringArray, _>>()?;
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            arrays.push(Arc::new(texts));
        } else {
            fields.push(Arc::clone(field));
            arrays.push(Arc::clone(array));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// A row a line.
#[derive(Debug, Default)]
struct RowALine;

impl JsonFormat for RowALine {
    fn start_stream<W: Write>(
        &self,
        writer: &mut W,
    ) -> Result<(), datafusion::arrow::error::ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(
        &self,
        writer: &mut W,
        first: bool,
    ) -> Result<(), datafusion::arrow::error::ArrowError> {
        Ok(writer.write_all(if first { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(
        &self,
        writer: &mut W,
    ) -> Result<(), datafusion::arrow::error::ArrowError> {
        Ok(writer.write_all(b"\n]\n")?)
    }
}

fn json(batches: &[RecordBatch], to: &mut dyn Write) -> Result<()> {
    let mut writer = JsonWriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, RowALine>(to);
    for batch in batches {
        // A reader of JSON makes a float of a number, and cents would be lost.
        writer.write(&as_text(batch, DataType::is_decimal)?)?;
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
        TimestampMicrosecondArray,
    };
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    fn rows() -> RecordBatch {
        let tags =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        RecordBatch::try_from_iter_with_nullable([
            (
                "user_id",
                Arc::new(Int64Array::from(vec![1, 20])) as ArrayRef,
                false,
            ),
            (
                "note",
                Arc::new(StringArray::from(vec![Some("NULL"), None])) as ArrayRef,
                true,
            ),
            (
                "title",
                Arc::new(StringArray::from(vec!["say \"hi\",\nthen go", "été"])) as ArrayRef,
                true,
            ),
            (
                "ratio",
                Arc::new(Float64Array::from(vec![0.5, f64::NAN])) as ArrayRef,
                true,
            ),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![Some(1250), None])
                        .with_precision_and_scale(9, 2)
                        .unwrap(),
                ) as ArrayRef,
                true,
            ),
            (
                "day",
                Arc::new(Date32Array::from(vec![19966, 0])) as ArrayRef,
                true,
            ),
            (
                "at",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![1_725_062_400_000_000, 1])
                        .with_timezone("UTC"),
                ) as ArrayRef,
                true,
            ),
            ("tags", Arc::new(tags) as ArrayRef, true),
        ])
        .unwrap()
    }

    fn written(batches: &[RecordBatch], output: ShowOutput, width: Option<usize>) -> String {
        let mut buffer = Vec::new();
        write(&rows().schema(), batches, output, width, &mut buffer).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_table_tells_null_from_text_and_keeps_to_a_line_a_row() {
        assert_eq!(
            written(&[rows()], ShowOutput::Table, None),
            "\
user_id  note    title              ratio  price  day         at                                tags
───────  ──────  ─────────────────  ─────  ─────  ──────────  ────────────────────────────────  ─────────
      1  'NULL'  say \"hi\",⏎then go    0.5  12.50  2024-08-31  2024-08-31 00:00:00+00:00         [1, NULL]
     20  NULL    été                  NaN   NULL  1970-01-01  1970-01-01 00:00:00.000001+00:00  NULL

2 rows
"
        );
    }

    #[test]
    fn a_table_is_cut_to_the_terminal() {
        let text = written(&[rows()], ShowOutput::Table, Some(60));
        let (table, more) = text.split_once("\n\n").unwrap();
        assert!(table.lines().all(|line| columns_of(line) <= 60), "{text}");
        assert!(table.contains("say \"hi\",⏎t…"), "{text}");
        assert_eq!(
            more,
            "2 rows\n2 more columns than fit: at, tags; `--output csv` and `--output json` show all\n"
        );
    }

    #[test]
    fn csv_is_quoted_as_rfc_4180_says() {
        assert_eq!(
            written(&[rows()], ShowOutput::Csv, Some(20)),
            "user_id,note,title,ratio,price,day,at,tags\n\
             1,NULL,\"say \"\"hi\"\",\nthen go\",0.5,12.50,2024-08-31,2024-08-31T00:00:00Z,\"[1, null]\"\n\
             20,,été,NaN,,1970-01-01,1970-01-01T00:00:00.000001Z,\n"
        );
        assert_eq!(
            written(&[], ShowOutput::Csv, None),
            "user_id,note,title,ratio,price,day,at,tags\n"
        );
    }

    #[test]
    fn json_is_an_array_of_objects() {
        let text = written(&[rows()], ShowOutput::Json, None);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!([
                {
                    "user_id": 1, "note": "NULL", "title": "say \"hi\",\nthen go", "ratio": 0.5,
                    "price": "12.50", "day": "2024-08-31", "at": "2024-08-31T00:00:00Z", "tags": [1, null],
                },
                {
                    "user_id": 20, "note": null, "title": "été", "ratio": null,
                    "price": null, "day": "1970-01-01", "at": "1970-01-01T00:00:00.000001Z", "tags": null,
                },
            ])
        );
        assert_eq!(text.lines().count(), 4);
        let empty = written(&[], ShowOutput::Json, None);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&empty).unwrap(),
            serde_json::json!([])
        );
    }
}
