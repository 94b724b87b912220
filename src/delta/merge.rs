//! Rows into a table by their key, through deltalake's MERGE: update what differs, insert the rest.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, TableReference};
use datafusion::logical_expr::{Expr, lit};
use deltalake::DeltaTable;

use super::compare::{SOURCE, TARGET, differs, join, source, target};
use super::inspect::{schema, snapshot};
use super::write::{Applied, Change, files};
use super::{Counts, Error, Merge, UpdateColumns};
use crate::engine;

pub(super) async fn merge(
    change: &Change<'_>,
    table: DeltaTable,
    merge: &Merge,
) -> Result<Applied, Error> {
    if change.staged.rows == 0 && change.fit.added.is_empty() {
        return Ok(change.unchanged(table, 0));
    }
    let present = schema(snapshot(&table, change.location())?);
    let names: Vec<String> = change
        .fit
        .schema
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let updated = updated(merge, &names, &change.fit.key)?;
    let changed = updated
        .iter()
        .map(|name| match present.field_with_name(name) {
            Ok(_) => differs(target(name), source(name)),
            Err(_) => source(name).is_not_null(),
        });
    let changed = changed.reduce(Expr::or);

    let keys = change.fit.key.iter();
    let mut matches = keys
        .map(|column| target(column).eq(source(column)))
        .reduce(Expr::and)
        .unwrap_or_else(|| lit(false));
    if let Some(condition) = condition(change, &table, merge).await? {
        matches = matches.and(condition);
    }

    let before = files(&table, change.location())?;
    let version = table.version();
    let mut builder = table
        .merge(change.rows()?, matches)
        .with_source_alias(SOURCE)
        .with_target_alias(TARGET)
        .with_merge_schema(!change.fit.added.is_empty())
        .with_session_state(Arc::new(change.context.state()))
        .with_commit_properties(change.commit_properties());
    let to = |name: &str| Column::new(Some(TableReference::bare(TARGET)), name);
    if let Some(changed) = changed {
        builder = builder
            .when_matched_update(|update| {
                let columns = updated.iter();
                columns.fold(update.predicate(changed), |update, name| {
                    update.update(to(name), source(name))
                })
            })
            .map_err(|error| change.told(error))?;
    }
    let (table, metrics) = builder
        .when_not_matched_insert(|insert| {
            let columns = names.iter();
            columns.fold(insert, |insert, name| insert.set(to(name), source(name)))
        })
        .map_err(|error| change.told(error))?
        .await
        .map_err(|error| change.told(error))?;

    let (inserted, updated) = (
        metrics.num_target_rows_inserted as u64,
        metrics.num_target_rows_updated as u64,
    );
    let unchanged = change.staged.rows.saturating_sub(inserted + updated);
    if table.version() == version {
        return Ok(change.unchanged(table, unchanged));
    }
    let rows = Counts {
        inserted,
        updated,
        unchanged,
        ..Counts::default()
    };
    change.committed(&before, table, rows)
}

/// The columns that change in rows that are there.
fn updated(merge: &Merge, names: &[String], key: &[String]) -> Result<Vec<String>, Error> {
    let find = |wanted: &String| {
        let mut found = names.iter();
        let found = found.find(|name| name.eq_ignore_ascii_case(wanted));
        found.cloned().ok_or_else(|| {
            Error::schema(
                wanted,
                format!("the merge names a column `{wanted}`, which the model does not select"),
                "correct `merge_update_columns` or `merge_exclude_columns`",
            )
        })
    };
    let chosen: Vec<String> = match &merge.update {
        UpdateColumns::All => names.to_vec(),
        UpdateColumns::Only(wanted) => wanted.iter().map(find).collect::<Result<_, _>>()?,
        UpdateColumns::Except(kept) => {
            let kept: Vec<String> = kept.iter().map(find).collect::<Result<_, _>>()?;
            names
                .iter()
                .filter(|name| !kept.contains(name))
                .cloned()
                .collect()
        }
    };
    let chosen = chosen.into_iter().filter(|name| !key.contains(name));
    Ok(chosen.collect())
}

/// The conditions that limit what can match, and the proof that they hide no row of a known key:
/// such a row would be inserted a second time.
async fn condition(
    change: &Change<'_>,
    table: &DeltaTable,
    merge: &Merge,
) -> Result<Option<Expr>, Error> {
    if merge.predicates.is_empty() {
        return Ok(None);
    }
    let keys: Vec<Column> = change.fit.key.iter().map(Column::new_unqualified).collect();
    let pairs = join(
        change.rows()?,
        change.present(table)?,
        JoinType::Inner,
        &keys,
    )
    .map_err(engine::Error::from)?;
    let mut parsed = Vec::new();
    for text in &merge.predicates {
        parsed.push(parse(change, text, pairs.schema())?);
    }
    let Some(condition) = parsed.iter().cloned().reduce(Expr::and) else {
        return Ok(None);
    };
    let hidden = pairs
        .filter(condition.clone().is_not_true())
        .map_err(engine::Error::from)?;
    let count = hidden.clone().count().await.map_err(engine::Error::from)? as u64;
    if count > 0 {
        let key = change.fit.key.iter().map(|column| format!("`{column}`"));
        return Err(Error::HiddenKey {
            key: key.collect::<Vec<_>>().join(", "),
            rows: count,
        });
    }
    // They hold for all that matches, so that they only spare deltalake files to read.
    Ok(parsed.into_iter().filter(is_writable).reduce(Expr::and))
}

/// Whether deltalake can write the expression into the log, as it does: it has no text for intervals.
fn is_writable(expr: &Expr) -> bool {
    let interval = expr.exists(|part| {
        Ok(matches!(part, Expr::Literal(value, _) if matches!(value.data_type(), DataType::Interval(_))))
    });
    !interval.unwrap_or(true)
}

fn parse(change: &Change<'_>, text: &str, pairs: &DFSchema) -> Result<Expr, Error> {
    // dbt's names for the two sides, beside ours.
    let aliases: HashMap<&str, &str> = [
        ("dbt_internal_dest", TARGET),
        ("dbt_internal_source", SOURCE),
    ]
    .into();
    let dbt = text.to_lowercase().contains("dbt_internal_");
    let schema = match dbt {
        false => pairs.clone(),
        true => {
            let fields = pairs.iter().map(|(side, field)| {
                let renamed = aliases.iter().find_map(|(theirs, ours)| {
                    (side.map(TableReference::table) == Some(*ours)).then_some(*theirs)
                });
                (renamed.map(TableReference::bare), Arc::clone(field))
            });
            DFSchema::new_with_metadata(fields.collect(), HashMap::new())
                .map_err(engine::Error::from)?
        }
    };
    let parsed = change.context.state().create_logical_expr(text, &schema);
    let parsed = parsed.map_err(engine::Error::from)?;
    let renamed = parsed.transform(|expr| match expr {
        Expr::Column(column) => {
            let side = column.relation.as_ref().map(TableReference::table);
            let ours = side.and_then(|side| aliases.get(side));
            Ok(match ours {
                Some(ours) => Transformed::yes(Expr::Column(Column::new(
                    Some(TableReference::bare(*ours)),
                    column.name,
                ))),
                None => Transformed::no(Expr::Column(column)),
            })
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(renamed.map_err(engine::Error::from)?.data)
}
