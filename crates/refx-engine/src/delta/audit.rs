//! The promise of a table's key, checked before a commit: it is never null and never twice.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::SessionContext;
use serde_json::{Map, Value};

use super::Error;
use super::sample::Sample;
use crate::engine;

/// How many offenders an error shows.
pub(super) const SHOWN: usize = 5;
pub(super) const ROWS: &str = "__refx_rows";

/// The commit info that says of which columns a version was proven to be the key.
pub(super) const PROVEN_KEY: &str = "refx.key";

/// Whose rows a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Those that the model's query gives.
    Query,
    /// Those that the table holds already.
    Table,
}

/// Whether the last commit says that the columns are the table's key: refx makes no commit without
/// having proven it, and a change that keeps it needs no look at all rows. After a commit of another
/// tool nothing is known.
pub(super) fn is_proven(last: Option<&Map<String, Value>>, key: &[String]) -> bool {
    if key.is_empty() {
        return true;
    }
    let proven: Option<Vec<&str>> = last
        .and_then(|info| info.get(PROVEN_KEY))
        .and_then(Value::as_array)
        .map(|columns| columns.iter().filter_map(Value::as_str).collect());
    let mut key: Vec<&str> = key.iter().map(String::as_str).collect();
    key.sort_unstable();
    proven.is_some_and(|mut proven| {
        proven.sort_unstable();
        proven == key
    })
}

/// Refuses rows whose key has a NULL, and keys that two rows share.
pub(super) async fn check_key(
    context: &SessionContext,
    rows: Arc<dyn TableProvider>,
    key: &[String],
    holder: Holder,
) -> Result<(), Error> {
    if key.is_empty() {
        return Ok(());
    }
    let frame = context.read_table(rows).map_err(engine)?;
    let groups = frame
        .clone()
        .aggregate(columns(key), vec![count(lit(1_i64)).alias(ROWS)])
        .map_err(engine)?;
    let is_null = any_null(key);
    let per_key = Expr::Column(Column::new_unqualified(ROWS));
    let twice = any_null(key)
        .is_not_true()
        .and(per_key.clone().gt(lit(1_i64)));
    let only = |condition: Expr, value: Expr| when(condition, value).otherwise(lit(0_i64));
    let totals = groups
        .clone()
        .aggregate(
            Vec::new(),
            vec![
                sum(only(is_null.clone(), per_key.clone()).map_err(engine)?).alias("nulls"),
                sum(only(twice.clone(), lit(1_i64)).map_err(engine)?).alias("keys"),
                sum(only(twice.clone(), per_key).map_err(engine)?).alias("rows"),
            ],
        )
        .map_err(engine)?;
    let totals = totals.collect().await.map_err(engine)?;
    let (nulls, keys, duplicates) = (number(&totals, 0), number(&totals, 1), number(&totals, 2));
    if nulls > 0 {
        let sample = frame.filter(is_null).map_err(engine)?;
        return Err(Error::NullKey {
            key: quoted(key),
            rows: nulls,
            // A key of one column is NULL, and there is no more to say of it.
            samples: match key {
                [_] => Vec::new(),
                key => samples(sample, key).await?,
            },
            holder,
        });
    }
    if keys > 0 {
        let twice = groups.filter(twice).map_err(engine)?;
        return Err(Error::DuplicateKey {
            key: quoted(key),
            keys,
            rows: duplicates,
            samples: duplicated(context, frame, twice, key).await?,
            holder,
        });
    }
    Ok(())
}

/// Texts that come back as NULL from the name of a folder: Delta writes NULL as the empty text, and
/// its folder is named as Hive does.
const READ_AS_NULL: [(&str, &str); 2] = [
    ("", "empty text"),
    (
        "__HIVE_DEFAULT_PARTITION__",
        "the text `__HIVE_DEFAULT_PARTITION__`",
    ),
];

/// Refuses texts in a column that the table is partitioned by which Delta cannot tell from NULL.
pub(super) async fn check_partition_values(rows: DataFrame, by: &[String]) -> Result<(), Error> {
    use datafusion::arrow::datatypes::DataType;
    let is_text = |column: &&String| {
        let field = rows.schema().field_with_unqualified_name(column);
        field.is_ok_and(|field| *field.data_type() == DataType::Utf8)
    };
    let columns = by.iter().filter(is_text);
    let refused: Vec<(&String, &str, &str)> = columns
        .flat_map(|column| READ_AS_NULL.map(|(text, what)| (column, text, what)))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let mut counted = Vec::with_capacity(refused.len());
    for (at, (column, text, _)) in refused.iter().enumerate() {
        let has_it = Expr::Column(Column::new_unqualified(*column)).eq(lit(*text));
        let one = when(has_it, lit(1_i64)).otherwise(lit(0_i64));
        counted.push(sum(one.map_err(engine)?).alias(format!("refused_{at}")));
    }
    let totals = rows.aggregate(Vec::new(), counted).map_err(engine)?;
    let totals = totals.collect().await.map_err(engine)?;
    for (at, (column, text, what)) in refused.into_iter().enumerate() {
        let found = number(&totals, at);
        if found > 0 {
            let rows = if found == 1 { "row has" } else { "rows have" };
            return Err(Error::schema(
                column,
                format!("{found} {rows} {what} in `{column}`, which the table is partitioned by"),
                format!(
                    "Delta takes it for NULL there: write `nullif({column}, '{text}')`, or a word \
                     of your own"
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses keys that the table already holds outside of what the commit replaces.
pub(super) async fn check_absent(
    present: DataFrame,
    rows: DataFrame,
    key: &[String],
) -> Result<(), Error> {
    if key.is_empty() {
        return Ok(());
    }
    let keys: Vec<Column> = key.iter().map(Column::new_unqualified).collect();
    let both = super::compare::join(rows, present, JoinType::LeftSemi, &keys).map_err(engine)?;
    let found = both.clone().count().await.map_err(engine)? as u64;
    if found == 0 {
        return Ok(());
    }
    let samples = samples(both, key).await?;
    Err(Error::DuplicateKey {
        key: quoted(key),
        keys: found,
        rows: found * 2,
        samples,
        holder: Holder::Query,
    })
}

pub(super) fn columns(names: &[String]) -> Vec<Expr> {
    names
        .iter()
        .map(|name| Expr::Column(Column::new_unqualified(name)))
        .collect()
}

pub(super) fn any_null(key: &[String]) -> Expr {
    columns(key)
        .into_iter()
        .map(Expr::is_null)
        .reduce(Expr::or)
        .unwrap_or_else(|| lit(false))
}

fn quoted(key: &[String]) -> String {
    let key: Vec<String> = key.iter().map(|column| format!("`{column}`")).collect();
    key.join(", ")
}

/// The first number of a column of a result of one row; 0 where it is NULL.
pub(super) fn number(batches: &[RecordBatch], column: usize) -> u64 {
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let values = batch.and_then(|batch| {
        let array: &Int64Array = batch.column(column).as_any().downcast_ref()?;
        array.is_valid(0).then(|| array.value(0))
    });
    values.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// Some of the rows, in the columns given.
pub(super) async fn samples(frame: DataFrame, of: &[String]) -> Result<Vec<Sample>, Error> {
    let batches = frame
        .select(columns(of))
        .and_then(|frame| frame.limit(0, Some(SHOWN)))
        .map_err(engine)?;
    let batches = batches.collect().await.map_err(engine)?;
    let rows = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| Sample::of(batch, row, |_| true)));
    let mut shown: Vec<Sample> = rows.collect();
    shown.sort();
    shown.dedup();
    Ok(shown)
}

/// The rows of groups, each with the number that its column `rows` holds.
pub(super) fn counted(batches: &[RecordBatch], rows: &str) -> Vec<Sample> {
    let mut shown = Vec::new();
    for batch in batches {
        let counts = batch.column_by_name(rows);
        let counts = counts.and_then(|rows| rows.as_any().downcast_ref::<Int64Array>());
        for row in 0..batch.num_rows() {
            shown.push(Sample {
                rows: Some(counts.map_or(1, |counts| counts.value(row))),
                ..Sample::of(batch, row, |name| name != rows)
            });
        }
    }
    shown
}

/// Some of the keys of `groups`, each with how often it occurs and what its rows differ in.
async fn duplicated(
    context: &SessionContext,
    rows: DataFrame,
    groups: DataFrame,
    key: &[String],
) -> Result<Vec<Sample>, Error> {
    /// Rows of the keys that are compared.
    const COMPARED: usize = 1_000;
    let is_key = |name: &str| key.iter().any(|column| column == name);
    let keys = groups
        .sort(
            columns(key)
                .into_iter()
                .map(|key| key.sort(true, false))
                .collect(),
        )
        .and_then(|groups| groups.limit(0, Some(SHOWN)))
        .map_err(engine)?;
    let keys = keys.collect().await.map_err(engine)?;
    let mut shown = counted(&keys, ROWS);
    let on: Vec<Column> = key.iter().map(Column::new_unqualified).collect();
    let keys = context.read_batches(keys).map_err(engine)?;
    let found = super::compare::join(rows, keys, JoinType::LeftSemi, &on)
        .and_then(|found| found.limit(0, Some(COMPARED)))
        .map_err(engine)?;
    let mut first: Vec<Option<Sample>> = vec![None; shown.len()];
    for batch in &found.collect().await.map_err(engine)? {
        for row in 0..batch.num_rows() {
            let of_key = Sample::of(batch, row, is_key);
            let Some(at) = shown.iter().position(|known| known.is_of(&of_key)) else {
                continue;
            };
            let others = Sample::of(batch, row, |name| !is_key(name));
            match &first[at] {
                None => first[at] = Some(others),
                Some(first) => first.differences(&others, &mut shown[at].differ),
            }
        }
    }
    Ok(shown)
}

pub(super) fn engine(error: datafusion::common::DataFusionError) -> Error {
    Error::Engine(engine::Error::from(error))
}
