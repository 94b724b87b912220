//! The key, checked on the rows that a commit would bring: never null, never twice.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::SessionContext;

use super::Error;
use crate::engine;

/// How many offenders an error shows.
const SHOWN: usize = 5;
const ROWS: &str = "__refx_rows";

/// Refuses rows whose key has a NULL, and keys that two rows share.
pub(super) async fn check_key(
    context: &SessionContext,
    rows: Arc<dyn TableProvider>,
    key: &[String],
) -> Result<(), Error> {
    if key.is_empty() {
        return Ok(());
    }
    let frame = context.read_table(Arc::clone(&rows)).map_err(engine)?;
    let groups = frame
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
        let frame = context.read_table(rows).map_err(engine)?;
        let sample = frame.filter(is_null).map_err(engine)?;
        return Err(Error::NullKey {
            key: quoted(key),
            rows: nulls,
            samples: samples(sample, usize::MAX).await?,
        });
    }
    if keys > 0 {
        return Err(Error::DuplicateKey {
            key: quoted(key),
            keys,
            rows: duplicates,
            samples: samples(groups.filter(twice).map_err(engine)?, key.len()).await?,
        });
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
    let both = both.select(columns(key)).map_err(engine)?;
    Err(Error::DuplicateKey {
        key: quoted(key),
        keys: found,
        rows: found * 2,
        samples: samples(both, key.len()).await?,
    })
}

pub(super) fn columns(names: &[String]) -> Vec<Expr> {
    names
        .iter()
        .map(|name| Expr::Column(Column::new_unqualified(name)))
        .collect()
}

fn any_null(key: &[String]) -> Expr {
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

/// Some of the rows as `name = value` pairs, up to `columns` of them.
async fn samples(frame: DataFrame, columns: usize) -> Result<Vec<String>, Error> {
    const WIDEST: usize = 200;
    let batches = frame.limit(0, Some(SHOWN)).map_err(engine)?;
    let batches = batches.collect().await.map_err(engine)?;
    let options = FormatOptions::default().with_null("NULL");
    let mut shown = Vec::new();
    for batch in &batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let mut text = String::new();
            for (field, array) in schema.fields().iter().zip(batch.columns()).take(columns) {
                if field.name() == ROWS || text.chars().count() > WIDEST {
                    break;
                }
                let value = ArrayFormatter::try_new(array, &options)
                    .map(|formatter| formatter.value(row).to_string())
                    .unwrap_or_default();
                if !text.is_empty() {
                    text += ", ";
                }
                text += &format!("{} = {value}", field.name());
            }
            if let Some(rows) = schema.fields().find(ROWS) {
                let rows = batch.column(rows.0).as_any().downcast_ref::<Int64Array>();
                let rows = rows.map_or(0, |rows| rows.value(row));
                text += &format!(" ({rows} rows)");
            }
            shown.push(text);
        }
    }
    shown.sort();
    Ok(shown)
}

fn engine(error: datafusion::common::DataFusionError) -> Error {
    Error::Engine(engine::Error::from(error))
}
