//! What `docs/merging.md` says, as plain as it can be written.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;

use super::super::{Counts, Error};
use super::case::{Batch, Case, Duplicates, Missing, Step, instant};
use refx_core::project::config::ColumnRule;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Bool(bool),
    Int(i64),
    Float(Float),
    Text(String),
    Day(i32),
    At(i64),
    /// Comes after all values.
    Null,
}

/// A number in IEEE 754's total order, in which NaN equals itself and is the greatest.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl PartialEq for Float {
    fn eq(&self, other: &Float) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Float {}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Float) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Float) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Cell {
    fn is_null(&self) -> bool {
        *self == Cell::Null
    }

    /// Whether it is greater, which no value is of NULL.
    fn exceeds(&self, other: &Cell) -> bool {
        !self.is_null() && !other.is_null() && self > other
    }
}

pub type Row = BTreeMap<String, Cell>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: BTreeMap<Vec<Cell>, Row>,
}

impl Table {
    /// With its columns where another has them, if they are the same.
    pub fn in_order_of(mut self, other: Option<&Table>) -> Table {
        let other = other.map_or(&[][..], |other| &other.columns);
        let all = |columns: &[String]| columns.iter().cloned().collect::<BTreeSet<_>>();
        if all(&self.columns) == all(other) {
            self.columns = other.to_vec();
        }
        self
    }
}

/// Why a batch is not taken.
#[derive(Debug)]
pub enum Why {
    Null,
    Duplicate,
    TooManyMissing,
}

impl Why {
    pub fn is(&self, error: &Error) -> bool {
        matches!(
            (self, error),
            (Why::Null, Error::NullKey { .. })
                | (Why::Duplicate, Error::DuplicateKey { .. })
                | (Why::TooManyMissing, Error::TooManyMissing { .. })
        )
    }
}

pub enum Expected {
    Refused(Why),
    Done {
        after: Table,
        rows: Counts,
        /// Whether the table has other columns now.
        grown: bool,
    },
}

/// What a batch makes of a table.
pub fn apply(case: &Case, before: Option<&Table>, batch: &Batch, number: usize) -> Expected {
    let mut columns = case.columns(batch);
    let mut rows = case.rows(batch);
    if let Duplicates::First | Duplicates::Last = case.duplicates {
        rows = one_each(case, rows, &columns);
    }
    if let Some((own, value)) = case.own() {
        columns.push(own.clone());
        for row in &mut rows {
            row.insert(own.clone(), value.clone());
        }
    }
    let mut source: BTreeMap<Vec<Cell>, Row> = BTreeMap::new();
    let mut twice = false;
    for row in rows {
        twice |= source.insert(key_of(case, &row), row).is_some();
    }
    if source.keys().flatten().any(Cell::is_null) {
        return Expected::Refused(Why::Null);
    }
    if twice {
        return Expected::Refused(Why::Duplicate);
    }
    let step = case.step(batch);
    let Some(before) = before else {
        if step == Step::Merge {
            source.retain(|_, row| !case.deletes(row));
        }
        return create(columns, source);
    };
    let mut after = before.clone();
    if step == Step::Overwrite {
        after = Table {
            columns,
            rows: source.clone(),
        };
        let grown = after.columns != before.columns;
        return done(before, after, &source, grown);
    }
    for column in &columns {
        if !after.columns.contains(column) {
            after.columns.push(column.clone());
            for row in after.rows.values_mut() {
                row.insert(column.clone(), Cell::Null);
            }
        }
    }
    let widened = after.clone();
    let refused = match step {
        Step::Overwrite => None,
        Step::Merge => merge(case, &mut after, &columns, &source, number),
        Step::DeleteInsert => replace(&mut after, &columns, &source),
        Step::Append => append(&mut after, &source),
        Step::Partitions => partitions(case, &mut after, &columns, &source),
    };
    match refused {
        Some(why) => Expected::Refused(why),
        None => {
            let grown = after.columns != before.columns;
            // Partitions of no row are none, and nothing happens to a table.
            if source.is_empty() && step == Step::Partitions {
                return done(before, before.clone(), &source, false);
            }
            done(&widened, after, &source, grown)
        }
    }
}

/// The first rows of a table.
fn create(columns: Vec<String>, source: BTreeMap<Vec<Cell>, Row>) -> Expected {
    let nothing = Table {
        columns,
        rows: BTreeMap::new(),
    };
    let after = Table {
        rows: source.clone(),
        ..nothing.clone()
    };
    done(&nothing, after, &source, true)
}

/// With NULL where a row has no value.
fn filled(mut table: Table) -> Table {
    for row in table.rows.values_mut() {
        for column in &table.columns {
            row.entry(column.clone()).or_insert(Cell::Null);
        }
    }
    table
}

fn done(before: &Table, after: Table, source: &BTreeMap<Vec<Cell>, Row>, grown: bool) -> Expected {
    let after = filled(after);
    let mut rows = Counts {
        source: source.len() as u64,
        ..Counts::default()
    };
    // Of the rows that the query gave; the others are those that it lacks.
    let mut given = 0;
    for (key, row) in &after.rows {
        let change = match before.rows.get(key) {
            None => &mut rows.inserted,
            Some(old) if !same(old, row) => &mut rows.updated,
            Some(_) => continue,
        };
        *change += 1;
        given += u64::from(source.contains_key(key));
    }
    for key in before.rows.keys() {
        if !after.rows.contains_key(key) {
            rows.deleted += 1;
            given += u64::from(source.contains_key(key));
        }
    }
    rows.unchanged = rows.source - given;
    Expected::Done { after, rows, grown }
}

/// A column that only one of the rows has is NULL in the other.
fn same(old: &Row, new: &Row) -> bool {
    let columns: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |row: &Row, column: &String| row.get(column).cloned().unwrap_or(Cell::Null);
    columns
        .into_iter()
        .all(|column| value(old, column) == value(new, column))
}

fn key_of(case: &Case, row: &Row) -> Vec<Cell> {
    case.key.iter().map(|column| row[column].clone()).collect()
}

/// One row of each key; NULL comes last, and equal values are told apart by the other columns.
fn one_each(case: &Case, rows: Vec<Row>, columns: &[String]) -> Vec<Row> {
    let mut groups: BTreeMap<Vec<Cell>, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(key_of(case, &row)).or_default().push(row);
    }
    let order = |a: &Row, b: &Row| {
        let by = match (a["at"].is_null(), b["at"].is_null(), case.duplicates) {
            (false, false, Duplicates::Last) => b["at"].cmp(&a["at"]),
            _ => a["at"].cmp(&b["at"]),
        };
        let others = columns.iter().map(|column| a[column].cmp(&b[column]));
        others.fold(by, Ordering::then)
    };
    let mut kept = Vec::new();
    for (key, mut group) in groups {
        group.sort_by(order);
        let all = key.iter().any(Cell::is_null);
        let count = if all { group.len() } else { 1 };
        kept.extend(group.into_iter().take(count));
    }
    kept
}

fn merge(
    case: &Case,
    table: &mut Table,
    columns: &[String],
    source: &BTreeMap<Vec<Cell>, Row>,
    number: usize,
) -> Option<Why> {
    let all = table.rows.len();
    let own = case.own().map(|(own, _)| own);
    for (key, new) in source {
        let Some(old) = table.rows.get_mut(key) else {
            if case.inserts(new) {
                table.rows.insert(key.clone(), new.clone());
            }
            continue;
        };
        if case.deletes(new) {
            table.rows.remove(key);
            continue;
        }
        let allowed = !case.only_newer || new["at"].exceeds(&old["at"]);
        for column in columns.iter().filter(|column| !case.key.contains(column)) {
            if own.as_ref() == Some(column) {
                old.insert(column.clone(), new[column].clone());
            } else if allowed {
                let value = ruled(&case.rule(column), &old[column], &new[column]);
                old.insert(column.clone(), value);
            }
        }
    }
    let missing: Vec<Vec<Cell>> = table
        .rows
        .iter()
        .filter(|(key, row)| !source.contains_key(*key) && case.misses(row))
        .map(|(key, _)| key.clone())
        .collect();
    let now = instant(number).timestamp_micros();
    let mut dropped = 0;
    for key in missing {
        let expired = |row: &Row, days: u32| match &row["missing_since"] {
            Cell::At(since) => *since <= now - i64::from(days) * 86_400_000_000,
            _ => days == 0,
        };
        let row = table.rows.get_mut(&key)?;
        match case.missing {
            Missing::Keep => {}
            Missing::Delete => {
                table.rows.remove(&key);
                dropped += 1;
            }
            Missing::Flag => drop(row.insert("flagged".to_owned(), Cell::Bool(true))),
            Missing::Expire(days) if expired(row, days) => {
                table.rows.remove(&key);
                dropped += 1;
            }
            Missing::Expire(_) if row["missing_since"].is_null() => {
                row.insert("missing_since".to_owned(), Cell::At(now));
            }
            Missing::Expire(_) => {}
        }
    }
    (f64::from(dropped) > all as f64 * case.ratio).then_some(Why::TooManyMissing)
}

/// What a column becomes where a row's key is there.
fn ruled(rule: &ColumnRule, old: &Cell, new: &Cell) -> Cell {
    let either = |both: fn(&Cell, &Cell) -> Cell| match (old, new) {
        (Cell::Null, new) => new.clone(),
        (old, Cell::Null) => old.clone(),
        (old, new) => both(old, new),
    };
    match rule {
        ColumnRule::Replace | ColumnRule::Sql(_) => new.clone(),
        ColumnRule::Keep => old.clone(),
        ColumnRule::Min => either(|old, new| old.min(new).clone()),
        ColumnRule::Max => either(|old, new| old.max(new).clone()),
        ColumnRule::Sum => either(|old, new| match (old, new) {
            (Cell::Int(old), Cell::Int(new)) => Cell::Int(old + new),
            (Cell::Float(old), Cell::Float(new)) => Cell::Float(Float(old.0 + new.0)),
            other => panic!("{other:?} cannot be added up"),
        }),
        ColumnRule::Coalesce if new.is_null() => old.clone(),
        ColumnRule::Coalesce => new.clone(),
    }
}

/// The values of the batch for the rows of its keys. Columns that it lacks keep theirs.
fn replace(
    table: &mut Table,
    columns: &[String],
    source: &BTreeMap<Vec<Cell>, Row>,
) -> Option<Why> {
    for (key, new) in source {
        let row = table.rows.entry(key.clone()).or_default();
        for column in columns {
            row.insert(column.clone(), new[column].clone());
        }
    }
    None
}

fn append(table: &mut Table, source: &BTreeMap<Vec<Cell>, Row>) -> Option<Why> {
    for (key, new) in source {
        if table.rows.insert(key.clone(), new.clone()).is_some() {
            return Some(Why::Duplicate);
        }
    }
    None
}

/// The rows of the batch for the partitions that it has rows of.
fn partitions(
    case: &Case,
    table: &mut Table,
    columns: &[String],
    source: &BTreeMap<Vec<Cell>, Row>,
) -> Option<Why> {
    let of = |row: &Row| -> Vec<Cell> {
        let by = case.partition_by.iter();
        by.map(|column| row[column].clone()).collect()
    };
    let touched: BTreeSet<Vec<Cell>> = source.values().map(of).collect();
    let elsewhere =
        |(key, row): (&Vec<Cell>, &Row)| source.contains_key(key) && !touched.contains(&of(row));
    if table.rows.iter().any(elsewhere) {
        return Some(Why::Duplicate);
    }
    let gone = |key: &Vec<Cell>, row: &Row| touched.contains(&of(row)) && !source.contains_key(key);
    table.rows.retain(|key, row| !gone(key, row));
    replace(table, columns, source)
}

/// The rows of a batch of the engine's.
pub fn rows(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let row = |index: usize| {
        let columns = schema.fields().iter().zip(batch.columns());
        columns
            .map(|(field, array)| {
                let value = ScalarValue::try_from_array(array, index).unwrap();
                (field.name().clone(), cell(value))
            })
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn cell(value: ScalarValue) -> Cell {
    match value {
        value if value.is_null() => Cell::Null,
        ScalarValue::Boolean(Some(value)) => Cell::Bool(value),
        ScalarValue::Int64(Some(value)) => Cell::Int(value),
        // The version in a change feed.
        ScalarValue::UInt64(Some(value)) => Cell::Int(i64::try_from(value).unwrap()),
        ScalarValue::Float64(Some(value)) => Cell::Float(Float(value)),
        ScalarValue::Date32(Some(value)) => Cell::Day(value),
        ScalarValue::TimestampMicrosecond(Some(value), _)
        | ScalarValue::TimestampMillisecond(Some(value), _) => Cell::At(value),
        ScalarValue::Utf8(Some(value))
        | ScalarValue::Utf8View(Some(value))
        | ScalarValue::LargeUtf8(Some(value)) => Cell::Text(value),
        ScalarValue::Dictionary(_, value) => cell(*value),
        other => panic!("no column holds {other:?}"),
    }
}
