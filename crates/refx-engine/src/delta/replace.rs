//! Writes that need no matching: a new table, a replaced one, replaced partitions, appended rows.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, LogicalPlan, in_list, lit};
use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;
use deltalake::kernel::transaction::PROTOCOL;
use deltalake::operations::write::{SchemaMode, WriteBuilder};
use deltalake::protocol::SaveMode;
use std::collections::HashSet;
use std::sync::Arc;

use super::change::{Applied, Change, files};
use super::inspect::{schema, snapshot};
use super::schema::same_columns;
use super::{Counts, Error, Merge, Write, audit, compare, merge};
use crate::engine;

/// The first version of a table.
pub(super) async fn create(change: &Change<'_>, empty: DeltaTable) -> Result<Applied, Error> {
    if let Some(path) = change.location().path() {
        std::fs::create_dir_all(&path).map_err(|e| Error::io(&change.location().shown(), &e))?;
    }
    let Write {
        defaults,
        configuration,
        ..
    } = change.write;
    // The later of two values of one name is taken.
    let configuration = defaults.iter().chain(configuration);
    let configuration = configuration.map(|(name, value)| (name.clone(), Some(value.clone())));
    let table = builder(change, WriteBuilder::new(empty.log_store(), None))?
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_configuration(configuration)
        .with_partition_columns(partition_by(change)?)
        .await
        .map_err(|error| change.told(error))?;
    let rows = Counts {
        inserted: change.staged.rows,
        ..Counts::default()
    };
    change.committed(&HashSet::new(), table, rows)
}

/// The staged rows become the table. One commit, so that readers never see a gap.
///
/// Where the rows have a key and the columns stay, only what differs is written: the change feed tells
/// of no row that did not change.
pub(super) async fn overwrite(change: &Change<'_>, table: DeltaTable) -> Result<Applied, Error> {
    let present = snapshot(&table, change.location())?;
    let partition_by = partition_by(change)?;
    let same_shape = same_columns(&schema(present), &change.fit.schema)
        && present.metadata().partition_columns() == partition_by.as_slice();
    if let (Some(key), true, true) = (change.write.action.key(), same_shape, change.proven) {
        return merge::merge(change, table, &Merge::replacing(key.clone(), None)).await;
    }
    let rows = counts(change, change.present(&table)?, same_shape).await?;
    let (old, nothing) = (rows.updated + rows.deleted + rows.unchanged, 0);
    let equal = rows.inserted + rows.updated + rows.deleted == nothing && old == change.staged.rows;
    if same_shape && equal && change.proven {
        return Ok(change.unchanged(table, rows.unchanged));
    }
    PROTOCOL
        .check_append_only(present)
        .map_err(|error| change.told(error.into()))?;
    let before = files(&table, change.location())?;
    let promised = promises(present);
    let writer = WriteBuilder::new(table.log_store(), Some(present.clone()));
    let mut writer = builder(change, writer)?
        .with_save_mode(SaveMode::Overwrite)
        .with_partition_columns(partition_by);
    match (promised, same_shape) {
        (None, _) => writer = writer.with_schema_mode(SchemaMode::Overwrite),
        // The table keeps its columns with all that is said of them.
        (Some(_), true) => {}
        (Some((column, promise)), false) => {
            return Err(Error::Refused {
                what: format!(
                    "the column `{column}` has {promise} that another tool set, and a rebuild with other columns \
                     would drop it"
                ),
                help: "take it away with that tool, or give the model another `alias`".to_owned(),
            });
        }
    }
    let table = writer.await.map_err(|error| change.told(error))?;
    change.committed(&before, table, rows)
}

/// A column of which another tool promised something in the table's schema, and what.
fn promises(table: &EagerSnapshot) -> Option<(String, &'static str)> {
    const KEYS: [(&str, &str); 2] = [
        ("delta.invariants", "an invariant"),
        ("delta.generationExpression", "a generation expression"),
    ];
    let schema = table.schema();
    let mut fields = schema.fields();
    fields.find_map(|field| {
        let metadata = field.metadata();
        let found = KEYS.iter().find(|(key, _)| metadata.contains_key(*key));
        found.map(|(_, promise)| (field.name().to_owned(), *promise))
    })
}

pub(super) async fn append(change: &Change<'_>, table: DeltaTable) -> Result<Applied, Error> {
    if change.staged.rows == 0 && change.fit.added.is_empty() {
        return Ok(change.unchanged(table, 0));
    }
    audit::check_absent(change.present(&table)?, change.rows()?, &change.fit.key).await?;
    let before = files(&table, change.location())?;
    let present = snapshot(&table, change.location())?.clone();
    let table = evolving(
        change,
        builder(change, WriteBuilder::new(table.log_store(), Some(present)))?,
    )
    .with_save_mode(SaveMode::Append)
    .await
    .map_err(|error| change.told(error))?;
    let rows = Counts {
        inserted: change.staged.rows,
        ..Counts::default()
    };
    change.committed(&before, table, rows)
}

/// Replaces the partitions that the staged rows have values of.
pub(super) async fn partitions(change: &Change<'_>, table: DeltaTable) -> Result<Applied, Error> {
    let present = snapshot(&table, change.location())?.clone();
    let by = present.metadata().partition_columns().to_vec();
    if by.is_empty() {
        return Err(Error::Schema {
            column: None,
            message: "the table has no partitions to overwrite".to_owned(),
            help: "set `partition_by` and rebuild with `--full-refresh`, or use `merge`".to_owned(),
        });
    }
    if change.staged.rows == 0 {
        return Ok(change.unchanged(table, 0));
    }
    let Some(replaced) = touched(change.rows()?, &by).await? else {
        return Ok(change.unchanged(table, 0));
    };
    let frame = change.present(&table)?;
    let filtered = |frame: DataFrame, condition: Expr| {
        let filtered = frame.filter(condition);
        filtered.map_err(|error| Error::Engine(error.into()))
    };
    // Where the key holds the partition, one partition cannot repeat the keys of another.
    if !by.iter().all(|column| change.fit.key.contains(column)) {
        let kept = filtered(frame.clone(), replaced.clone().is_not_true())?;
        audit::check_absent(kept, change.rows()?, &change.fit.key).await?;
    }
    if let Some(key) = change.write.action.key() {
        let within = replaced.clone().transform(of_table).map(|moved| moved.data);
        let within = within.map_err(engine::Error::from)?;
        return merge::merge(change, table, &Merge::replacing(key.clone(), Some(within))).await;
    }
    let old = filtered(frame, replaced.clone())?;
    let rows = counts(change, old, change.fit.added.is_empty()).await?;
    let equal = rows.inserted + rows.updated + rows.deleted == 0;
    if equal && rows.unchanged == change.staged.rows && change.fit.added.is_empty() {
        return Ok(change.unchanged(table, rows.unchanged));
    }
    let before = files(&table, change.location())?;
    let table = evolving(
        change,
        builder(change, WriteBuilder::new(table.log_store(), Some(present)))?,
    )
    .with_save_mode(SaveMode::Overwrite)
    .with_replace_where(replaced)
    .await
    .map_err(|error| change.told(error))?;
    change.committed(&before, table, rows)
}

/// How the staged rows differ from those they replace: by key where there is one, else all or
/// nothing.
async fn counts(change: &Change<'_>, old: DataFrame, same_shape: bool) -> Result<Counts, Error> {
    let new = change.rows()?;
    // Of a key that does not hold, each row would meet many.
    let keyed = change.proven
        && !change.fit.key.is_empty()
        && change.fit.key.iter().all(|column| {
            let data_type = |frame: &DataFrame| {
                let fields = frame.schema().fields();
                let field = fields.iter().find(|field| field.name() == column);
                field.map(|field| field.data_type().clone())
            };
            data_type(&old) == data_type(&new)
        });
    if keyed {
        return compare::by_key(new, old, &change.fit.key).await;
    }
    if same_shape {
        let columns: Vec<String> = change
            .fit
            .schema
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let old = old
            .select(audit::columns(&columns))
            .map_err(|error| Error::Engine(error.into()))?;
        let old = compare::digest(old).await?;
        let new = compare::digest(new).await?;
        return Ok(match old == new {
            true => Counts {
                unchanged: new.rows,
                ..Counts::default()
            },
            false => Counts {
                inserted: new.rows,
                deleted: old.rows,
                ..Counts::default()
            },
        });
    }
    let old = old.count().await;
    Ok(Counts {
        inserted: change.staged.rows,
        deleted: old.map_err(|error| Error::Engine(error.into()))? as u64,
        ..Counts::default()
    })
}

/// A column by itself as one of the table's.
fn of_table(expr: Expr) -> Result<Transformed<Expr>, DataFusionError> {
    Ok(match expr {
        Expr::Column(column) => Transformed::yes(compare::target(&column.name)),
        other => Transformed::no(other),
    })
}

/// A condition that holds in the partitions of the rows.
async fn touched(rows: DataFrame, by: &[String]) -> Result<Option<Expr>, Error> {
    let column = |name: &String| Expr::Column(Column::new_unqualified(name));
    let run = async {
        let distinct = rows.select(audit::columns(by))?.distinct()?;
        let batches = distinct.collect().await?;
        let mut tuples = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter();
                let values = values.map(|array| ScalarValue::try_from_array(array, row));
                tuples.push(values.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok::<_, datafusion::common::DataFusionError>(tuples)
    };
    let tuples = run.await.map_err(engine::Error::from)?;
    if let [only] = by {
        let values = tuples.into_iter().flatten();
        let (nulls, values): (Vec<_>, Vec<_>) = values.partition(ScalarValue::is_null);
        let listed = (!values.is_empty())
            .then(|| in_list(column(only), values.into_iter().map(lit).collect(), false));
        let null = (!nulls.is_empty()).then(|| column(only).is_null());
        return Ok(listed.into_iter().chain(null).reduce(Expr::or));
    }
    let each = tuples.into_iter().filter_map(|tuple| {
        let equal = by
            .iter()
            .zip(tuple)
            .map(|(name, value)| match value.is_null() {
                true => column(name).is_null(),
                false => column(name).eq(lit(value)),
            });
        equal.reduce(Expr::and)
    });
    Ok(each.reduce(Expr::or))
}

/// The partition columns in the spelling of the rows.
pub(super) fn partition_by(change: &Change<'_>) -> Result<Vec<String>, Error> {
    let fields = change.fit.schema.fields();
    let columns = change.write.partition_by.iter().map(|name| {
        let field = fields
            .iter()
            .find(|field| field.name().eq_ignore_ascii_case(name));
        field.map(|field| field.name().clone()).ok_or_else(|| {
            Error::schema(
                name,
                format!("the model does not select `{name}`, which it is partitioned by"),
                "select it, or correct `partition_by`",
            )
        })
    });
    columns.collect()
}

fn builder(change: &Change<'_>, writer: WriteBuilder) -> Result<WriteBuilder, Error> {
    let plan: LogicalPlan = change.rows()?.into_unoptimized_plan();
    Ok(writer
        .with_input_plan(plan)
        .with_session_state(Arc::new(change.context.state()))
        .with_commit_properties(change.commit_properties()))
}

fn evolving(change: &Change<'_>, writer: WriteBuilder) -> WriteBuilder {
    match change.fit.schema.fields().is_empty() {
        true => writer,
        // The rows may also lack columns of the table, which are NULL then.
        false => writer.with_schema_mode(SchemaMode::Merge),
    }
}
