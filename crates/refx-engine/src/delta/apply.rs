//! The rows that change, written into the table: files without one of them stay as they are.
//!
//! What changes is known before ([`super::changes`]), so that nothing is compared here. The rows that a
//! touched file keeps go into new files, together with the new values of the others and with new rows;
//! the touched files leave the table. deltalake's MERGE does the same, and plans each column tens of times
//! over: the merge of a row of 1,500 columns took it a minute.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::{Column, DataFusionError, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, cast, lit, when};
use deltalake::DeltaTable;
use deltalake::kernel::transaction::CommitBuilder;
use deltalake::kernel::{Action, AddCDCFile, EagerSnapshot};
use deltalake::logstore::object_store::ObjectStore;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::prefix::PrefixStore;
use deltalake::operations::get_num_idx_cols_and_stats_columns;
use deltalake::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake::operations::write::{SchemaMode, WriteBuilder};
use deltalake::protocol::{DeltaOperation, MergePredicate, SaveMode};
use deltalake::table::config::TablePropertiesExt;
use futures::TryStreamExt;
use serde_json::json;
use url::Url;

use super::change::{Applied, Change, files};
use super::changes::{CHANGE, Changes, FILE, Kind};
use super::compare::{SOURCE, TARGET, join, source, target};
use super::inspect::{schema, snapshot};
use super::packed::{Packed, ROW, Unpacked, merged_row, no_row};
use super::rules::grown;
use super::{Counts, Error};
use crate::engine;

/// The folder of a table's change feed.
const FEED: &str = "_change_data";

/// The column of the feed that says what became of a row.
pub(super) const FEED_KIND: &str = "_change_type";

pub(super) const DELETED: &str = "delete";
pub(super) const INSERTED: &str = "insert";

/// What a table loses and gets. Rows are packed.
pub(super) struct Rewrite {
    /// The files that leave the table.
    pub(super) touched: Vec<String>,
    /// [`ROW`]: the rows of these files that stay, and new ones.
    pub(super) rows: DataFrame,
    /// [`ROW`] and [`FEED_KIND`]: what became of which row.
    pub(super) feed: DataFrame,
    pub(super) operation: DeltaOperation,
}

/// Applies what was found of each row.
///
/// # Errors
/// As [`write`].
pub(super) async fn apply(
    change: &Change<'_>,
    table: DeltaTable,
    found: &Changes,
    rows: Counts,
) -> Result<Applied, Error> {
    let run = async {
        let staged = change.context.read_table(found.staged.table()?)?;
        let file = Expr::Column(Column::new_unqualified(FILE));
        Ok::<_, engine::Error>(staged.select([file])?)
    };
    let touched = files_of(run.await?).await?;
    let plan = Plan {
        change,
        found,
        old: change.present_in(&table, touched.clone())?,
        columns: columns(change, &table)?,
    };
    let new_rows = plan.new_rows(!touched.is_empty());
    let rewrite = Rewrite {
        touched,
        rows: new_rows.map_err(engine::Error::from)?,
        feed: plan.feed().map_err(engine::Error::from)?,
        operation: operation(change, found),
    };
    write(change, table, rewrite, rows).await
}

/// Writes the files and the entry of the log.
///
/// # Errors
/// [`Error::Io`], where the table would not have as many rows as it is to have.
pub(super) async fn write(
    change: &Change<'_>,
    table: DeltaTable,
    rewrite: Rewrite,
    rows: Counts,
) -> Result<Applied, Error> {
    let present = snapshot(&table, change.location())?.clone();
    let before = files(&table, change.location())?;
    let has_feed = present.table_properties().enable_change_data_feed();
    let feed = match has_feed && !rewrite.touched.is_empty() {
        true => {
            let store = table.log_store().object_store(None);
            write_feed(change, &present, rewrite.feed, store).await?
        }
        // Readers of the feed find what is only added in the new files themselves.
        false => Vec::new(),
    };
    let removed = removed(&present, &rewrite.touched)?;
    let metrics = json!({
        "num_source_rows": change.staged.rows,
        "num_target_rows_inserted": rows.inserted,
        "num_target_rows_updated": rows.updated,
        "num_target_rows_deleted": rows.deleted,
        "num_target_files_removed": removed.len(),
    });
    let new_rows = unpacked(change, rewrite.rows, &columns(change, &table)?)?;
    let mut written = WriteBuilder::new(table.log_store(), Some(present.clone()))
        .with_input_plan(new_rows.into_unoptimized_plan())
        .with_session_state(Arc::new(change.context.state()))
        .with_commit_properties(change.commit_properties())
        .with_save_mode(SaveMode::Append)
        .with_schema_mode(SchemaMode::Merge)
        .await
        .map_err(|error| change.told(error))?;
    let commit = CommitBuilder::from(change.properties_with("operationMetrics", metrics))
        .with_actions(removed.into_iter().chain(feed).collect())
        .build(
            Some(snapshot(&written, change.location())?),
            written.log_store(),
            rewrite.operation,
        )
        .await
        .map_err(|error| change.told(error))?;
    written.state = Some(commit.snapshot());
    hold(change, &present, &written, &rows)?;
    change.committed(&before, written, rows)
}

/// The columns of the table and those that it gets.
pub(super) fn columns(change: &Change<'_>, table: &DeltaTable) -> Result<Vec<FieldRef>, Error> {
    let present = schema(snapshot(table, change.location())?);
    let columns = grown(&present, &change.fit.added);
    Ok(columns.fields().iter().cloned().collect())
}

/// A frame with these columns by name and those packed.
pub(super) fn packed(
    change: &Change<'_>,
    frame: DataFrame,
    named: Vec<FieldRef>,
    columns: impl IntoIterator<Item = FieldRef>,
) -> Result<DataFrame, DataFusionError> {
    let packed = Packed::new(frame, named, columns);
    change.context.read_table(Arc::new(packed))
}

fn unpacked(
    change: &Change<'_>,
    rows: DataFrame,
    columns: &[FieldRef],
) -> Result<DataFrame, Error> {
    // A column that forbids NULL would allow it from the next new column on.
    let required = columns.iter().filter(|field| !field.is_nullable());
    let required = required.map(|field| field.name().as_str());
    let rows = Unpacked::new(rows).require(&required.collect());
    let rows = change.context.read_table(Arc::new(rows));
    rows.map_err(|error| Error::Engine(error.into()))
}

/// The files that a column of a frame names.
pub(super) async fn files_of(frame: DataFrame) -> Result<Vec<String>, Error> {
    let run = async {
        let file = Expr::Column(Column::from(frame.schema().qualified_field(0)));
        let named = frame.filter(file.clone().is_not_null())?;
        let files = named.select([cast(file, DataType::Utf8).alias(FILE)])?;
        files.distinct()?.collect().await
    };
    let batches = run.await.map_err(engine::Error::from)?;
    let mut files: Vec<String> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten())
        .map(str::to_owned)
        .collect();
    files.sort();
    Ok(files)
}

/// What the log says of the operation, in the words of MERGE.
fn operation(change: &Change<'_>, found: &Changes) -> DeltaOperation {
    let predicates = |kinds: &[(Kind, &str)]| {
        let kinds = kinds.iter().filter(|(kind, _)| found.count(*kind) > 0);
        let predicates = kinds.map(|(_, action)| MergePredicate {
            action_type: (*action).to_owned(),
            predicate: None,
        });
        predicates.collect::<Vec<_>>()
    };
    let keys = change.fit.key.iter();
    let keys = keys.map(|name| format!("{TARGET}.\"{name}\" = {SOURCE}.\"{name}\""));
    DeltaOperation::Merge {
        predicate: None,
        merge_predicate: Some(keys.collect::<Vec<_>>().join(" AND ")),
        matched_predicates: predicates(&[(Kind::Update, "update"), (Kind::Delete, "delete")]),
        not_matched_predicates: predicates(&[(Kind::Insert, "insert")]),
        not_matched_by_source_predicates: predicates(&[
            (Kind::Mark, "update"),
            (Kind::Drop, "delete"),
        ]),
    }
}

/// The files that leave the table.
fn removed(present: &EagerSnapshot, touched: &[String]) -> Result<Vec<Action>, Error> {
    let touched = by_path(present, touched.to_vec())?;
    let files = present.log_data();
    let files = files
        .iter()
        .filter(|file| touched.contains_key(file.path().as_ref()));
    let removed = files.map(|file| Action::Remove(file.remove_action(true)));
    Ok(removed.collect())
}

/// Files by their paths in the table, from the URLs by which a scan names them.
///
/// # Errors
/// [`Error::Io`] for one that the table does not have: its rows would be lost, or be there twice.
pub(super) fn by_path(
    present: &EagerSnapshot,
    urls: Vec<String>,
) -> Result<HashMap<String, String>, Error> {
    let files = present.log_data();
    let known: HashSet<String> = files.iter().map(|file| file.path().into_owned()).collect();
    let root = path_of(present.table_configuration().table_root().as_str());
    let files = urls.into_iter().map(|url| {
        let path = path_of(&url);
        let path = path.strip_prefix(&root).unwrap_or(&path);
        let path = path.trim_start_matches('/').to_owned();
        match known.contains(&path) {
            true => Ok((path, url)),
            false => Err(Error::Io {
                what: format!("rows were read of the file `{url}`, which the table does not have"),
                help: None,
            }),
        }
    });
    files.collect()
}

/// The path of a URL, percent-decoded.
fn path_of(url: &str) -> String {
    let parsed = Url::parse(url);
    let path = parsed.as_ref().map_or(url, |url| url.path());
    match Path::from_url_path(path) {
        Ok(path) => path.to_string(),
        Err(_) => path.trim_matches('/').to_owned(),
    }
}

/// A writer of data files as the table wants them.
pub(super) fn writer(
    present: &EagerSnapshot,
    schema: SchemaRef,
    target_size: Option<NonZeroU64>,
    store: Arc<dyn ObjectStore>,
) -> DeltaWriter {
    let properties = present.table_properties();
    let (indexed, statistics) =
        get_num_idx_cols_and_stats_columns(Some(properties), HashMap::new());
    let by = present.metadata().partition_columns().to_vec();
    let config = WriterConfig::new(schema, by, None, target_size, None, indexed, statistics);
    DeltaWriter::new(store, config)
}

/// The rows of the table are as many as what was found says, where its files say how many they have.
fn hold(
    change: &Change<'_>,
    before: &EagerSnapshot,
    after: &DeltaTable,
    rows: &Counts,
) -> Result<(), Error> {
    let count = |snapshot: &EagerSnapshot| -> Option<u64> {
        let files = snapshot.log_data();
        let counts = files.iter().map(|file| {
            let whole = file.deletion_vector_descriptor().is_none();
            whole.then(|| file.num_records()).flatten()
        });
        counts.map(|rows| rows.map(|rows| rows as u64)).sum()
    };
    let (Some(before), Some(after)) = (count(before), count(snapshot(after, change.location())?))
    else {
        return Ok(());
    };
    match before + rows.inserted == after + rows.deleted {
        true => Ok(()),
        false => Err(Error::Io {
            what: format!(
                "`{}`: of {before} rows, with {} new and {} gone, {after} were left",
                change.location().shown(),
                rows.inserted,
                rows.deleted
            ),
            help: Some(
                "nothing was published; please report this with the model's text".to_owned(),
            ),
        }),
    }
}

/// What is written, from the rows that change and the files that hold them.
struct Plan<'a> {
    change: &'a Change<'a>,
    found: &'a Changes,
    /// The rows of the files with rows that change or go.
    old: DataFrame,
    columns: Vec<FieldRef>,
}

impl Plan<'_> {
    /// The rows that change, packed, each with what is done with it.
    fn changes(&self) -> Result<DataFrame, DataFusionError> {
        let outside = |error: engine::Error| DataFusionError::External(Box::new(error));
        let rows = self.found.staged.table().map_err(outside)?;
        let rows = self.change.context.read_table(rows)?;
        let mut named = self.key();
        named.push(Arc::new(Field::new(CHANGE, DataType::Utf8, true)));
        let given = self
            .columns
            .iter()
            .filter(|field| self.found.staged.data_type(field.name()).is_some());
        packed(self.change, rows, named, given.cloned())
    }

    fn key(&self) -> Vec<FieldRef> {
        let columns = self.columns.iter();
        let key = columns.filter(|field| self.change.fit.key.contains(field.name()));
        key.cloned().collect()
    }

    /// The old rows beside what is done with them, and the new ones.
    fn both(&self) -> Result<DataFrame, DataFusionError> {
        let columns = self.columns.iter().cloned();
        let old = packed(self.change, self.old.clone(), self.key(), columns)?;
        let keys = self.change.fit.key.iter();
        let keys: Vec<Column> = keys.map(Column::new_unqualified).collect();
        join(self.changes()?, old, JoinType::Full, &keys)
    }

    fn new_rows(&self, touches: bool) -> Result<DataFrame, DataFusionError> {
        if !touches {
            let row = Expr::Column(Column::new_unqualified(ROW));
            return self.changes()?.select([self.merged(row, no_row())]);
        }
        let gone = is(Kind::Delete).or(is(Kind::Drop));
        let rows = self.both()?.filter(gone.is_not_true())?;
        rows.select([self.merged(source(ROW), target(ROW))])
    }

    /// What a row becomes.
    fn merged(&self, new: Expr, old: Expr) -> Expr {
        let (key, set) = (&self.change.fit.key, &self.found.columns);
        merged_row(&self.columns, key, set, new, old).alias(ROW)
    }

    fn feed(&self) -> Result<DataFrame, DataFusionError> {
        let updates = || is(Kind::Update).or(is(Kind::Mark));
        let goes = is(Kind::Delete).or(is(Kind::Drop));
        let before = when(updates(), lit("update_preimage")).otherwise(lit(DELETED))?;
        let after = when(updates(), lit("update_postimage")).otherwise(lit(INSERTED))?;
        let old = self
            .both()?
            .filter(updates().or(goes))?
            .select([target(ROW).alias(ROW), before.alias(FEED_KIND)])?;
        let new = self
            .both()?
            .filter(updates().or(is(Kind::Insert)))?
            .select([
                self.merged(source(ROW), target(ROW)),
                after.alias(FEED_KIND),
            ])?;
        old.union(new)
    }
}

fn is(kind: Kind) -> Expr {
    source(CHANGE).eq(lit(kind.word()))
}

/// Writes the rows of the change feed.
async fn write_feed(
    change: &Change<'_>,
    present: &EagerSnapshot,
    rows: DataFrame,
    table: Arc<dyn ObjectStore>,
) -> Result<Vec<Action>, Error> {
    let stream = unpacked(change, rows, &[])?.execute_stream().await;
    let mut stream = stream.map_err(engine::Error::from)?;
    let store = Arc::new(PrefixStore::new(table, FEED));
    let mut writer = writer(present, stream.schema(), None, store);
    let told = |error| change.told(error);
    while let Some(batch) = stream.try_next().await.map_err(engine::Error::from)? {
        writer.write(&batch).await.map_err(told)?;
    }
    let files = writer.close().await.map_err(told)?.into_iter();
    let actions = files.map(|file| {
        Action::Cdc(AddCDCFile {
            path: format!("{FEED}/{}", file.path),
            size: file.size,
            partition_values: file.partition_values,
            data_change: false,
            tags: file.tags,
        })
    });
    Ok(actions.collect())
}
