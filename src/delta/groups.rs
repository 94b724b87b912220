//! Replaces groups of rows: those of the table that have the values of a new row in some columns.
//!
//! As in dbt's `delete+insert`, the columns need not be a key. A NULL is a value like any other, so that a
//! second run of the same rows changes nothing.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, JoinType, NullEquality, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlanBuilder, Operator, lit};
use deltalake::DeltaTable;

use super::audit;
use super::change::{Applied, Change};
use super::changes::{CHANGE, Kind};
use super::compare::{self, SOURCE, TARGET, source, target};
use super::inspect::{schema, snapshot};
use super::rules::null;
use super::schema::named;
use super::{Counts, Error, PrimaryKey, merge, prune};
use crate::engine;

/// The columns in the table's spelling.
///
/// # Errors
/// [`Error::Schema`] for one that the model does not select, or that the table lacks.
pub(super) fn columns(
    change: &Change<'_>,
    table: &DeltaTable,
    by: &PrimaryKey,
) -> Result<Vec<String>, Error> {
    let present = schema(snapshot(table, change.location())?);
    let columns = by.columns().iter().map(|name| {
        let given = named(&change.fit.schema, name).ok_or_else(|| {
            Error::schema(
                name,
                format!(
                    "the model does not select `{name}`, by which `delete+insert` replaces rows"
                ),
                "select it, or correct `unique_key`",
            )
        })?;
        match named(&present, given.name()) {
            Some(known) => Ok(known.name().clone()),
            None => Err(Error::schema(
                name,
                format!("the table has no column `{name}`, by which `delete+insert` replaces rows"),
                "rebuild the table with `--full-refresh`",
            )),
        }
    });
    columns.collect()
}

/// Deletes the rows of the groups that the staged rows belong to, and inserts the staged rows.
pub(super) async fn replace(
    change: &Change<'_>,
    table: DeltaTable,
    by: &[String],
) -> Result<Applied, Error> {
    if change.staged.rows == 0 {
        return Ok(change.unchanged(table, 0));
    }
    let beside = |kind| -> Result<DataFrame, Error> {
        Ok(join(change.present(&table)?, change.rows()?, kind, by).map_err(engine::Error::from)?)
    };
    // Where the key holds the group, one group cannot repeat the keys of another.
    if !by.iter().all(|column| change.fit.key.contains(column)) {
        let kept = beside(JoinType::LeftAnti)?;
        audit::check_absent(kept, change.rows()?, &change.fit.key).await?;
    }
    let rows = match compared(change, beside(JoinType::LeftSemi)?).await? {
        Some(rows) => rows,
        None => return Ok(change.unchanged(table, change.staged.rows)),
    };
    let range = prune::bounded(change.rows()?, &exact(change, by)).await?;
    let matches = by.iter().map(|name| {
        // deltalake makes bounds of the new values where it sees through them, and knows no NULL then.
        let value = coalesce(vec![source(name), source(name)]);
        let same = BinaryExpr::new(
            Box::new(target(name)),
            Operator::IsNotDistinctFrom,
            Box::new(value),
        );
        Expr::BinaryExpr(same)
    });
    let matches = matches.chain([merge::is(Kind::Drop)]).chain(range);
    let matches = matches.reduce(Expr::and).unwrap_or_else(|| lit(false));
    // A group that the table lacks is none of the changes: MERGE makes a row without values of what it neither
    // matches nor inserts, and checks it.
    let changes = changes(change, beside(JoinType::LeftSemi)?, by).map_err(engine::Error::from)?;
    merge::replaced(change, table, changes, matches, rows).await
}

/// The rows of the table beside those of the other frame, or without them.
fn join(
    table: DataFrame,
    rows: DataFrame,
    kind: JoinType,
    by: &[String],
) -> Result<DataFrame, DataFusionError> {
    let keys = |side: &str| -> Vec<Column> {
        let side = TableReference::bare(side);
        let names = by.iter();
        names
            .map(|name| Column::new(Some(side.clone()), name))
            .collect()
    };
    let (state, table) = table.into_parts();
    let rows = LogicalPlanBuilder::from(rows.into_unoptimized_plan())
        .alias(SOURCE)?
        .build()?;
    let plan = LogicalPlanBuilder::from(table)
        .alias(TARGET)?
        .join_detailed(
            rows,
            kind,
            (keys(TARGET), keys(SOURCE)),
            None,
            NullEquality::NullEqualsNull,
        )?
        .build()?;
    Ok(DataFrame::new(state, plan))
}

/// What the replacement does; `None` where the groups have the very rows already.
async fn compared(change: &Change<'_>, old: DataFrame) -> Result<Option<Counts>, Error> {
    let replaced = |deleted| Counts {
        inserted: change.staged.rows,
        deleted,
        ..Counts::default()
    };
    if !change.fit.added.is_empty() {
        let old = old.count().await.map_err(engine::Error::from)?;
        return Ok(Some(replaced(old as u64)));
    }
    let names: Vec<String> = old
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let new = change.rows()?;
    // Columns that only the table has are NULL in new rows.
    let columns = names
        .iter()
        .map(|name| match named(&change.fit.schema, name) {
            Some(_) => Ok(Expr::Column(Column::new_unqualified(name))),
            None => {
                let field = old.schema().field_with_unqualified_name(name)?;
                Ok(null(field.data_type()).alias(name))
            }
        });
    let columns = columns.collect::<Result<Vec<_>, DataFusionError>>();
    let new = columns.and_then(|columns| new.select(columns));
    let new = compare::digest(new.map_err(engine::Error::from)?).await?;
    let of_table: Vec<Expr> = names.iter().map(|name| target(name)).collect();
    let old = old.select(of_table).map_err(engine::Error::from)?;
    let old = compare::digest(old).await?;
    Ok((old != new).then(|| replaced(old.rows)))
}

/// Each group that the table has once, to be deleted, and the rows, to be inserted. `old` is the rows of the
/// table that go.
fn changes(
    change: &Change<'_>,
    old: DataFrame,
    by: &[String],
) -> Result<DataFrame, DataFusionError> {
    let outside = |error: Error| DataFusionError::External(Box::new(error));
    let rows = change.rows().map_err(outside)?;
    let fields = rows.schema().fields().clone();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let known: Vec<Expr> = by.iter().map(|name| target(name).alias(name)).collect();
    let groups = old.select(known)?.distinct()?;
    let columns = fields.iter().map(|field| match by.contains(field.name()) {
        true => Expr::Column(Column::new_unqualified(field.name())),
        false => null(field.data_type()).alias(field.name()),
    });
    let mut columns: Vec<Expr> = columns.collect();
    columns.push(lit(Kind::Drop.word()).alias(CHANGE));
    let mut given = audit::columns(&names);
    given.push(lit(Kind::Insert.word()).alias(CHANGE));
    groups.select(columns)?.union(rows.select(given)?)
}

/// The columns by whose values files are told apart.
fn exact(change: &Change<'_>, by: &[String]) -> Vec<String> {
    let tells_apart = |name: &&String| {
        let field = named(&change.fit.schema, name);
        field.is_some_and(|field| {
            let data_type = field.data_type();
            data_type.is_integer()
                || matches!(
                    data_type,
                    DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..)
                )
        })
    };
    by.iter().filter(tells_apart).cloned().collect()
}
