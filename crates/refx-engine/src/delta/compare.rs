//! How new rows differ from those that a table holds.

use std::hash::{DefaultHasher, Hasher};

use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Column, DataFusionError, JoinType, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit, when};
use futures::TryStreamExt;

use super::audit::number;
use super::{Counts, Error};
use crate::engine;

pub(super) const SOURCE: &str = "source";
pub(super) const TARGET: &str = "target";

/// A column of the new rows.
pub(super) fn source(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(SOURCE)), name))
}

/// A column of the table.
pub(super) fn target(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(TARGET)), name))
}

/// True where a value changed; NULL equals NULL and NaN equals NaN.
pub(super) fn differs(left: Expr, right: Expr) -> Expr {
    use datafusion::logical_expr::{BinaryExpr, Operator};
    Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        Operator::IsDistinctFrom,
        Box::new(right),
    ))
}

/// Joins two frames on equal columns, the new rows to the left as `source`, the table as `target`.
pub(super) fn join(
    new: DataFrame,
    old: DataFrame,
    kind: JoinType,
    key: &[Column],
) -> Result<DataFrame, DataFusionError> {
    let qualified = |side: &str| -> Vec<Column> {
        let side = TableReference::bare(side);
        let names = key.iter();
        names
            .map(|column| Column::new(Some(side.clone()), &column.name))
            .collect()
    };
    let (state, new) = new.into_parts();
    let old = LogicalPlanBuilder::from(old.into_unoptimized_plan())
        .alias(TARGET)?
        .build()?;
    let plan = LogicalPlanBuilder::from(new)
        .alias(SOURCE)?
        .join(old, kind, (qualified(SOURCE), qualified(TARGET)), None)?
        .build()?;
    Ok(DataFrame::new(state, plan))
}

/// What replacing the old rows by the new ones does, key by key, in one pass.
pub(super) async fn by_key(
    new: DataFrame,
    old: DataFrame,
    key: &[String],
) -> Result<Counts, Error> {
    let names = |frame: &DataFrame| -> Vec<String> {
        let fields = frame.schema().fields().iter();
        fields.map(|field| field.name().clone()).collect()
    };
    let (new_names, old_names) = (names(&new), names(&old));
    let both = new_names.iter().filter(|name| old_names.contains(name));
    let changed = both.map(|name| differs(target(name), source(name)));
    let only_new = new_names.iter().filter(|name| !old_names.contains(name));
    let only_old = old_names.iter().filter(|name| !new_names.contains(name));
    let changed = changed
        .chain(only_new.map(|name| source(name).is_not_null()))
        .chain(only_old.map(|name| target(name).is_not_null()))
        .reduce(Expr::or)
        .unwrap_or_else(|| lit(false));

    // The key of a row that is there is never null, so it tells the sides apart.
    let first = key.first().map(String::as_str).unwrap_or_default();
    let is_new = || target(first).is_null();
    let is_gone = || source(first).is_null();
    let is_both = || source(first).is_not_null().and(target(first).is_not_null());
    let counted = |condition: Expr| {
        let one = when(condition, lit(1_i64)).otherwise(lit(0_i64));
        one.map(sum)
    };
    let keys: Vec<Column> = key.iter().map(Column::new_unqualified).collect();
    let run = async {
        let totals = join(new, old, JoinType::Full, &keys)?.aggregate(
            Vec::new(),
            vec![
                counted(is_new())?.alias("inserted"),
                counted(is_both().and(changed.clone()))?.alias("updated"),
                counted(is_gone())?.alias("deleted"),
                count(lit(1_i64)).alias("rows"),
            ],
        )?;
        totals.collect().await
    };
    let totals = run.await.map_err(engine::Error::from)?;
    let (inserted, updated, deleted) = (number(&totals, 0), number(&totals, 1), number(&totals, 2));
    let rows = number(&totals, 3);
    Ok(Counts {
        inserted,
        updated,
        deleted,
        unchanged: rows.saturating_sub(inserted + updated + deleted),
        source: 0,
    })
}

/// A digest of a multiset of rows, the same in whatever order they come: the sum of 128-bit hashes
/// of the rows' canonical encodings, with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    sum: u128,
    pub(super) rows: u64,
}

pub(super) async fn digest(frame: DataFrame) -> Result<Digest, Error> {
    let run = async {
        let mut digest = Digest::default();
        let mut batches = frame.execute_stream().await?;
        let schema = batches.schema();
        let fields = schema.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        while let Some(batch) = batches.try_next().await? {
            let rows = converter.convert_columns(batch.columns())?;
            for row in &rows {
                let half = |seed: u8| {
                    let mut hasher = DefaultHasher::new();
                    hasher.write_u8(seed);
                    hasher.write(row.as_ref());
                    u128::from(hasher.finish())
                };
                digest.sum = digest.sum.wrapping_add(half(1) << 64 | half(2));
            }
            digest.rows += batch.num_rows() as u64;
        }
        Ok::<_, DataFusionError>(digest)
    };
    Ok(run.await.map_err(engine::Error::from)?)
}
