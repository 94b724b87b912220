//! Some of the rows that an error is about: keys and the columns that decide, never whole rows.

use std::collections::BTreeSet;
use std::fmt;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// What stands in place of a value of personal data.
pub const MASKED: &str = "(pii)";

/// Values of a row, or of rows that share them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Names and values.
    pub(super) values: Vec<(String, String)>,
    /// How many rows have them, where that is counted.
    pub(super) rows: Option<i64>,
    /// The columns in which those rows differ.
    pub(super) differ: Vec<String>,
}

impl Sample {
    /// The values of a row in some of its columns.
    pub(super) fn of(batch: &RecordBatch, row: usize, shown: impl Fn(&str) -> bool) -> Sample {
        let options = FormatOptions::default().with_null("NULL");
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let values = columns.filter(|(field, _)| shown(field.name()));
        let values = values.map(|(field, array)| {
            let formatter = ArrayFormatter::try_new(array, &options);
            let value = formatter.map(|formatter| formatter.value(row).to_string());
            (field.name().clone(), value.unwrap_or_default())
        });
        Sample {
            values: values.collect(),
            rows: None,
            differ: Vec::new(),
        }
    }

    /// Takes the values of some columns out; names are in lower case.
    pub(super) fn mask(&mut self, personal: &BTreeSet<String>) {
        for (name, value) in &mut self.values {
            if value != "NULL" && personal.contains(&name.to_lowercase()) {
                MASKED.clone_into(value);
            }
        }
    }

    /// Adds the columns in which another row has another value.
    pub(super) fn differences(&self, other: &Sample, to: &mut Vec<String>) {
        for ((name, one), (_, another)) in self.values.iter().zip(&other.values) {
            if one != another && !to.contains(name) {
                to.push(name.clone());
            }
        }
    }

    /// Whether the values are the same.
    pub(super) fn is_of(&self, other: &Sample) -> bool {
        self.values == other.values
    }
}

impl fmt::Display for Sample {
    /// `user_id = 1, day = 2024-08-31 (2 rows)`, cut where it grows too long to be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDEST: usize = 200;
        let mut written = 0;
        for (at, (name, value)) in self.values.iter().enumerate() {
            if written > WIDEST {
                f.write_str(", …")?;
                break;
            }
            let comma = if at > 0 { ", " } else { "" };
            let text = format!("{comma}{name} = {value}");
            written += text.chars().count();
            f.write_str(&text)?;
        }
        match self.rows {
            Some(1) => f.write_str(" (1 row)")?,
            Some(rows) => write!(f, " ({rows} rows)")?,
            None => {}
        }
        match self.differ.as_slice() {
            [] => Ok(()),
            differ => write!(f, "\n  they differ in `{}`", differ.join("`, `")),
        }
    }
}
