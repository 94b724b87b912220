//! Replaces groups of rows: those of the table that have the values of a new row in some columns.
//!
//! As in dbt's `delete+insert`, the columns need not be a key. A NULL is a value like any other, so that a
//! second run of the same rows changes nothing.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, DataFusionError, JoinType, NullEquality, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use deltalake::DeltaTable;
use deltalake::protocol::{DeltaOperation, MergePredicate};

use super::apply::{self, Rewrite};
use super::audit;
use super::change::{Applied, Change};
use super::changes::FILE;
use super::compare::{self, SOURCE, TARGET, target};
use super::inspect::{schema, snapshot};
use super::packed::ROW;
use super::rules::null;
use super::schema::named;
use super::{Counts, Error, PrimaryKey, prune};
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
    let touched = touched(change, &table, by, range).await?;
    let rewrite = rewrite(change, &table, by, touched);
    apply::write(change, table, rewrite?, rows).await
}

/// The files that hold rows of the groups.
async fn touched(
    change: &Change<'_>,
    table: &DeltaTable,
    by: &[String],
    range: Option<Expr>,
) -> Result<Vec<String>, Error> {
    let present = change.present_by_file(table, range)?;
    let gone = join(present, change.rows()?, JoinType::LeftSemi, by);
    let files = gone.and_then(|gone| gone.select([target(FILE)]));
    apply::files_of(files.map_err(engine::Error::from)?).await
}

/// The rows of the touched files that are of other groups, and the new rows.
fn rewrite(
    change: &Change<'_>,
    table: &DeltaTable,
    by: &[String],
    touched: Vec<String>,
) -> Result<Rewrite, Error> {
    let columns = apply::columns(change, table)?;
    let groups: Vec<FieldRef> = columns
        .iter()
        .filter(|field| by.contains(field.name()))
        .cloned()
        .collect();
    let old = change.present_in(table, touched.clone())?;
    let new = change.rows()?;
    let run = || {
        let every = || columns.iter().cloned();
        let old = apply::packed(change, old, groups.clone(), every())?;
        let new = apply::packed(change, new, groups, every())?;
        let row = || Expr::Column(Column::new_unqualified(ROW));
        let beside = |kind| join(old.clone(), new.clone(), kind, by);
        let of_old = || target(ROW).alias(ROW);
        let kept = beside(JoinType::LeftAnti)?.select([of_old()])?;
        let gone = beside(JoinType::LeftSemi)?
            .select([of_old(), lit(apply::DELETED).alias(apply::FEED_KIND)])?;
        let come = new
            .clone()
            .select([row(), lit(apply::INSERTED).alias(apply::FEED_KIND)])?;
        Ok::<_, DataFusionError>((kept.union(new.select([row()])?)?, gone.union(come)?))
    };
    let (rows, feed) = run().map_err(engine::Error::from)?;
    Ok(Rewrite {
        touched,
        rows,
        feed,
        operation: operation(by),
    })
}

/// What the log says of the operation, in the words of MERGE.
fn operation(by: &[String]) -> DeltaOperation {
    let same = by
        .iter()
        .map(|name| format!("{TARGET}.\"{name}\" <=> {SOURCE}.\"{name}\""));
    let always = |action: &str| {
        vec![MergePredicate {
            action_type: action.to_owned(),
            predicate: None,
        }]
    };
    DeltaOperation::Merge {
        predicate: None,
        merge_predicate: Some(same.collect::<Vec<_>>().join(" AND ")),
        matched_predicates: always("delete"),
        not_matched_predicates: always("insert"),
        not_matched_by_source_predicates: Vec::new(),
    }
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

/// The columns by whose values files are told apart.
pub(super) fn exact(change: &Change<'_>, by: &[String]) -> Vec<String> {
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
