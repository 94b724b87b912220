//! Rows against rows, as bags: their order does not matter, how often each occurs does.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::arrow::json::ArrayWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::engine::Error;

/// Rows as they are compared and shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// One value. Two are equal when their `value`s are; NULL, which is none, equals NULL.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub shown: String,
    pub value: Option<String>,
}

/// Where two sheets of the same columns differ, by the numbers of their rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Difference {
    /// Rows that are meant to be the same: expected, actual.
    pub changed: Vec<(usize, usize)>,
    /// Rows that are expected and not there.
    pub missing: Vec<usize>,
    /// Rows that are there and not expected.
    pub unexpected: Vec<usize>,
    /// The columns that say which rows are meant to be the same; empty where likeness does.
    pub key: Vec<usize>,
}

impl Sheet {
    pub(super) fn of(batch: &RecordBatch) -> Result<Sheet, Error> {
        let fields = batch.schema();
        let columns = fields.fields().iter().map(|field| field.name().clone());
        let mut rows: Vec<Vec<Cell>> = vec![Vec::new(); batch.num_rows()];
        for column in batch.columns() {
            let cells = cells(column.as_ref())?;
            for (row, cell) in rows.iter_mut().zip(cells) {
                row.push(cell);
            }
        }
        Ok(Sheet {
            columns: columns.collect(),
            rows,
        })
    }
}

fn cells(column: &dyn Array) -> Result<Vec<Cell>, Error> {
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
        .with_datetime_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let mut cells = Vec::with_capacity(column.len());
    for at in 0..column.len() {
        let null = column.is_null(at) || *column.data_type() == DataType::Null;
        let shown = formatter.value(at).try_to_string()?;
        cells.push(match null {
            true => Cell {
                shown: "NULL".to_owned(),
                value: None,
            },
            false => Cell {
                value: Some(value(column, at, &shown)?),
                shown: visible(shown),
            },
        });
    }
    Ok(cells)
}

/// What decides whether two values are equal.
fn value(column: &dyn Array, at: usize, shown: &str) -> Result<String, Error> {
    let number = match column.data_type() {
        DataType::Float16 => column.as_primitive::<Float16Type>().value(at).to_f64(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(at).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(at),
        nested if nested.is_nested() => return in_json(column, at, shown),
        _ => return Ok(shown.to_owned()),
    };
    // Nobody writes the last bits of 0.1 + 0.2 into a test; a float of 32 bits has 7 digits of its own.
    Ok(match (number == 0.0, column.data_type()) {
        (true, _) => "0".to_owned(),
        (false, DataType::Float64) => format!("{number:.11e}"),
        (false, _) => format!("{number:.5e}"),
    })
}

/// A list or struct: as text alone, a NULL in it would equal a text that reads so.
fn in_json(column: &dyn Array, at: usize, shown: &str) -> Result<String, Error> {
    let one = RecordBatch::try_from_iter([("value", column.slice(at, 1))])?;
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&one)?;
    writer.finish()?;
    let json = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    Ok(format!("{shown}\n{json}"))
}

/// Text whose ends could not be seen stands in quotes.
fn visible(text: String) -> String {
    let hidden = text.is_empty() || text.trim() != text || text == "NULL";
    match hidden || text.contains(['\n', '\t', '\r']) {
        true => format!("{text:?}"),
        false => text,
    }
}

/// Rows that are equal cancel each other out. What is left is paired by the key, where the columns hold
/// it, or else by likeness.
pub(super) fn difference(expected: &Sheet, actual: &Sheet, key: &[String]) -> Difference {
    let mut there: HashMap<Vec<&Option<String>>, Vec<usize>> = HashMap::new();
    let order = in_order(actual);
    for at in order.iter().rev() {
        there
            .entry(values(&actual.rows[*at]))
            .or_default()
            .push(*at);
    }
    let mut missing: Vec<usize> = Vec::new();
    for (at, row) in expected.rows.iter().enumerate() {
        if there.get_mut(&values(row)).and_then(Vec::pop).is_none() {
            missing.push(at);
        }
    }
    let left: HashSet<usize> = there.into_values().flatten().collect();
    let mut unexpected = order;
    unexpected.retain(|at| left.contains(at));

    let key = positions(&expected.columns, key);
    let pair = |wanted: usize, left: &[usize]| match key.is_empty() {
        true => most_alike(&expected.rows[wanted], actual, left),
        false => left.iter().position(|found| {
            let (one, other) = (&expected.rows[wanted], &actual.rows[*found]);
            key.iter().all(|at| one[*at].value == other[*at].value)
        }),
    };
    let mut difference = Difference::default();
    // Each pair of rows is looked at.
    let too_many = missing.len() * unexpected.len() > MOST_PAIRS;
    for wanted in missing {
        let paired = match too_many {
            true => None,
            false => pair(wanted, &unexpected),
        };
        match paired {
            Some(at) => difference.changed.push((wanted, unexpected.remove(at))),
            None => difference.missing.push(wanted),
        }
    }
    difference.unexpected = unexpected;
    difference.key = key;
    difference
}

/// The rows by their values: a query gives them in any order, and the same test is to read the same.
fn in_order(sheet: &Sheet) -> Vec<usize> {
    let number = |cell: &Cell| cell.shown.parse::<f64>().ok();
    let mut order: Vec<usize> = (0..sheet.rows.len()).collect();
    order.sort_by(|one, other| {
        let mut pairs = sheet.rows[*one].iter().zip(&sheet.rows[*other]);
        let differing = pairs.find(|(one, other)| one.shown != other.shown);
        differing.map_or(Ordering::Equal, |(one, other)| {
            match (number(one), number(other)) {
                (Some(one), Some(other)) => one.total_cmp(&other),
                _ => one.shown.cmp(&other.shown),
            }
        })
    });
    order
}

const MOST_PAIRS: usize = 250_000;

fn values(row: &[Cell]) -> Vec<&Option<String>> {
    row.iter().map(|cell| &cell.value).collect()
}

/// Where the columns of the key are; nowhere unless all of them are there.
fn positions(columns: &[String], key: &[String]) -> Vec<usize> {
    let position = |name: &String| {
        let mut columns = columns.iter();
        columns.position(|column| column.eq_ignore_ascii_case(name))
    };
    let found: Option<Vec<usize>> = key.iter().map(position).collect();
    found.unwrap_or_default()
}

/// The row that shares most values, if it shares at least half of them.
fn most_alike(row: &[Cell], actual: &Sheet, left: &[usize]) -> Option<usize> {
    let shared = |at: usize| {
        let other = actual.rows[at].iter();
        let pairs = row.iter().zip(other);
        pairs
            .filter(|(one, other)| one.value == other.value)
            .count()
    };
    let best = left
        .iter()
        .enumerate()
        .map(|(at, found)| (shared(*found), at));
    let (shared, at) = best.max_by_key(|(shared, at)| (*shared, std::cmp::Reverse(*at)))?;
    (shared * 2 >= row.len() && shared > 0).then_some(at)
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// The rows that are not as expected.
    pub(super) fn rows(&self) -> u64 {
        (self.changed.len() + self.missing.len() + self.unexpected.len()) as u64
    }

    /// `1 row differs, 2 rows are missing`
    pub(super) fn summary(&self) -> String {
        let part = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 row {one}")),
            _ => Some(format!("{count} rows {many}")),
        };
        let parts = [
            part(self.changed.len(), "differs", "differ"),
            part(self.missing.len(), "is missing", "are missing"),
            part(self.unexpected.len(), "is unexpected", "are unexpected"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray};

    use super::*;

    /// A sheet from lines such as `u1 heavy`, the first of them the names; `-` is NULL.
    pub(in crate::run::unit) fn sheet(text: &str) -> Sheet {
        let mut lines = text.split(';').map(|line| line.split_whitespace());
        let columns = lines.next().into_iter().flatten();
        Sheet {
            columns: columns.map(str::to_owned).collect(),
            rows: lines
                .map(|line| {
                    line.map(|word| Cell {
                        shown: word.to_owned(),
                        value: (word != "-").then(|| word.to_owned()),
                    })
                    .collect()
                })
                .collect(),
        }
    }

    fn check(expected: &str, actual: &str, key: &[&str], told: &str) {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        let difference = difference(&sheet(expected), &sheet(actual), &key);
        assert_eq!(difference.summary(), told, "{expected} | {actual}");
    }

    #[test]
    fn the_order_does_not_matter_and_the_number_does() {
        check("id n; u1 1; u2 -; u1 1", "id n; u1 1; u1 1; u2 -", &[], "");
        check("id; u1", "id; u1; u1", &[], "1 row is unexpected");
        check("id; u1; u1", "id; u1", &[], "1 row is missing");
    }

    #[test]
    fn rows_of_one_key_are_one_row_that_differs() {
        check("id a b; u1 1 2", "id a b; u1 3 4", &["id"], "1 row differs");
        check(
            "id a b; u1 1 2",
            "id a b; u2 1 2",
            &["id"],
            "1 row is missing, 1 row is unexpected",
        );
    }

    #[test]
    fn without_a_key_likeness_decides() {
        check("id a b; u1 1 2", "id a b; u2 1 2", &[], "1 row differs");
        check(
            "id a b; u1 1 2",
            "id a b; u2 3 2",
            &[],
            "1 row is missing, 1 row is unexpected",
        );
    }

    fn values_of(column: ArrayRef) -> Vec<Option<String>> {
        let cells = cells(column.as_ref()).unwrap();
        cells.into_iter().map(|cell| cell.value).collect()
    }

    #[test]
    fn floats_are_equal_up_to_their_last_bits() {
        let values = values_of(Arc::new(Float64Array::from(vec![
            0.1 + 0.2,
            0.3,
            -0.0,
            0.0,
            0.300_000_001,
        ])));
        assert_eq!(values[0], values[1]);
        assert_eq!(values[2], values[3]);
        assert_ne!(values[1], values[4]);
    }

    #[test]
    fn a_text_that_reads_null_is_not_null() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("NULL"), None, Some("")]));
        let cells = cells(texts.as_ref()).unwrap();
        let shown: Vec<&str> = cells.iter().map(|cell| cell.shown.as_str()).collect();
        assert_eq!(shown, ["\"NULL\"", "NULL", "\"\""]);
        assert_ne!(cells[0].value, cells[1].value);
    }
}
