//! The rows of a query into a table: compute once, check the key, commit once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::transaction::CommitProperties;
use serde_json::Value;

use super::arrive::{self, OwnColumn};
use super::inspect::{open, scan, schema, signed, snapshot, unwritable};
use super::schema::{Fit, same_columns};
use super::{Error, Location, Merge, audit, merge, replace};
use crate::engine::{Kind, Plan, Session, Staged};
use crate::project::config::OnDuplicateKey;

/// How often a change is computed again because of other writers.
const ATTEMPTS: usize = 5;

/// The columns that identify a row; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryKey(Vec<String>);

impl PrimaryKey {
    /// `None` for an empty list.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Option<PrimaryKey> {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        (!columns.is_empty()).then_some(PrimaryKey(columns))
    }

    pub fn columns(&self) -> &[String] {
        &self.0
    }
}

/// What a write does with the rows that are there. Each makes the table if there is none.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a step makes one, and lends it")]
pub enum Action {
    /// The query's rows are the table, columns and partitions included.
    Overwrite { key: Option<PrimaryKey> },
    /// Rows of a known key are updated where they differ; the others are inserted.
    Merge(Merge),
    /// All rows are inserted; a key that is there already is an error.
    Append { key: Option<PrimaryKey> },
    /// Rows of a known key are replaced as a whole, the others inserted.
    DeleteInsert { key: PrimaryKey },
    /// The partitions that occur in the query's rows are replaced as a whole.
    InsertOverwrite { key: Option<PrimaryKey> },
}

impl Action {
    pub fn key(&self) -> Option<&PrimaryKey> {
        match self {
            Action::Overwrite { key }
            | Action::Append { key }
            | Action::InsertOverwrite { key } => key.as_ref(),
            Action::Merge(Merge { key, .. }) | Action::DeleteInsert { key } => Some(key),
        }
    }
}

/// What to do when the query's columns are not the table's. Full replacement needs none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSchemaChange {
    /// New columns are added; columns that are gone keep their values.
    #[default]
    AppendNewColumns,
    /// New columns are left out; a column that is gone is an error.
    Ignore,
    Fail,
    /// New columns are added; a column that is gone is an error that asks for a full refresh.
    SyncAllColumns,
}

#[derive(Clone, Debug)]
pub struct Write {
    pub location: Location,
    pub action: Action,
    pub partition_by: Vec<String>,
    pub on_schema_change: OnSchemaChange,
    /// Which of two rows of one key is taken; of actions that have a key.
    pub on_duplicate_key: OnDuplicateKey,
    /// A column that the table has and the query need not give.
    pub own_column: Option<OwnColumn>,
    /// Table properties: `delta.enableChangeDataFeed`.
    pub configuration: BTreeMap<String, String>,
    /// Rides in the commit: run id, model, fingerprint, inputs.
    pub commit_info: BTreeMap<String, Value>,
}

impl Write {
    pub fn new(location: Location, action: Action) -> Write {
        let own_column = match &action {
            Action::Merge(merge) => OwnColumn::of(&merge.on_missing),
            _ => None,
        };
        Write {
            location,
            action,
            on_duplicate_key: OnDuplicateKey::default(),
            own_column,
            partition_by: Vec::new(),
            on_schema_change: OnSchemaChange::default(),
            configuration: BTreeMap::new(),
            commit_info: BTreeMap::new(),
        }
    }
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The new version; `None` where nothing changed and nothing was committed.
    pub version: Option<i64>,
    pub rows: Counts,
    /// Columns that the table got.
    pub columns_added: Vec<String>,
    pub files_added: u64,
    pub bytes_added: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that the query gave.
    pub source: u64,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    /// Rows that the query gave and the table held already.
    pub unchanged: u64,
}

/// Runs the query once and takes its rows into the table, in one commit or none.
///
/// The key is checked on every path before anything is committed. A commit of another writer in
/// between makes the change be computed again from the staged rows, a bounded number of times.
pub async fn write(session: &Session, plan: &Plan, write: &Write) -> Result<Commit, Error> {
    let mut table = open(&write.location, None).await?;
    let plan = &arrive::shaped(plan, write)?;
    let fit = fit(table.as_ref(), plan, write)?;
    if let Action::Merge(merge) = &write.action {
        let present = match &table {
            Some(table) => Some(schema(snapshot(table, &write.location)?)),
            None => None,
        };
        merge::check(session, present.as_deref(), &fit, merge)?;
    }
    let mut staged = plan
        .stage(fit.columns.clone(), Arc::clone(&fit.schema))
        .await?;
    let context = context(session, prefers_sorting(session, &staged));
    audit::check_key(&context, staged.table()?, &fit.key).await?;
    staged.require(&fit.key)?;

    let mut change = Change {
        session,
        write,
        fit,
        staged,
        context,
    };
    for attempt in 1.. {
        let columns = match &table {
            Some(table) => Some(schema(snapshot(table, &write.location)?)),
            None => None,
        };
        match change.apply(table).await {
            Err(Error::Conflict { location }) if attempt < ATTEMPTS => {
                table = open(&write.location, None).await?;
                let now = match &table {
                    Some(table) => Some(schema(snapshot(table, &write.location)?)),
                    None => None,
                };
                let replaced = matches!(write.action, Action::Overwrite { .. });
                let fits = match (&columns, &now) {
                    (Some(before), Some(now)) => same_columns(before, now),
                    (None, Some(now)) => same_columns(&change.fit.schema, now),
                    (_, None) => columns.is_none(),
                };
                if !fits && !replaced {
                    return Err(Error::Conflict { location });
                }
            }
            // A hash join cannot spill; one that sorts can.
            Err(Error::Engine(error)) if error.kind == Kind::Resources && attempt == 1 => {
                change.context = self::context(session, true);
                table = open(&write.location, None).await?;
            }
            done => return done,
        }
    }
    Err(Error::Conflict {
        location: write.location.shown(),
    })
}

/// How the query's columns become the table's; refuses tables that cannot be written.
fn fit(table: Option<&DeltaTable>, plan: &Plan, write: &Write) -> Result<Fit, Error> {
    let key = write.action.key();
    let query = plan.schema();
    let Some(table) = table else {
        return Fit::fresh(&query, key);
    };
    let snapshot = snapshot(table, &write.location)?;
    if let Some(reason) = unwritable(snapshot) {
        return Err(Error::Unsupported {
            location: write.location.shown(),
            access: "written",
            reason,
        });
    }
    if matches!(write.action, Action::Overwrite { .. }) {
        return Fit::fresh(&query, key);
    }
    let present = snapshot.metadata().partition_columns();
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let moved = present.len() != write.partition_by.len()
        || !present
            .iter()
            .zip(&write.partition_by)
            .all(|(a, b)| same(a, b));
    if moved && !write.partition_by.is_empty() {
        return Err(Error::Schema {
            column: None,
            message: format!(
                "the table is partitioned by [{}], the model by [{}]",
                present.join(", "),
                write.partition_by.join(", ")
            ),
            help: "rebuild the table with `--full-refresh`".to_owned(),
        });
    }
    let own = write.own_column.as_ref().map(OwnColumn::name);
    Fit::into(&schema(snapshot), &query, key, write.on_schema_change, own)
}

/// A change whose rows are staged and whose key holds.
pub(super) struct Change<'a> {
    pub(super) session: &'a Session,
    pub(super) write: &'a Write,
    pub(super) fit: Fit,
    pub(super) staged: Staged,
    pub(super) context: SessionContext,
}

impl Change<'_> {
    /// Makes the change to the table as it was opened, in one commit or none.
    async fn apply(&self, table: Option<DeltaTable>) -> Result<Commit, Error> {
        let Some(table) = table else {
            return replace::create(self).await;
        };
        let opened = table.version();
        let table = self.prepare(table).await?;
        // A property or a feature that was set is a commit of its own, of no rows.
        let prepared = (table.version() != opened)
            .then(|| table.version().map(signed))
            .flatten();
        let commit = match &self.write.action {
            Action::Overwrite { .. } => replace::overwrite(self, table).await,
            Action::Append { .. } => replace::append(self, table).await,
            Action::InsertOverwrite { .. } => replace::partitions(self, table).await,
            Action::Merge(merge) => merge::merge(self, table, merge).await,
            Action::DeleteInsert { key } => {
                merge::merge(self, table, &Merge::on(key.clone())).await
            }
        }?;
        Ok(Commit {
            version: commit.version.or(prepared),
            ..commit
        })
    }

    /// Sets what the table has to have before the rows can go in: properties, and the feature that
    /// timestamps without a zone need.
    async fn prepare(&self, mut table: DeltaTable) -> Result<DeltaTable, Error> {
        use deltalake::kernel::TableFeatures::TimestampWithoutTimezone;
        let told = |error| Error::from_delta(error, &self.write.location);
        let present = snapshot(&table, &self.write.location)?
            .metadata()
            .configuration()
            .clone();
        let missing: std::collections::HashMap<String, String> = self
            .write
            .configuration
            .iter()
            .filter(|(name, value)| present.get(*name) != Some(*value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !missing.is_empty() {
            table = table
                .set_tbl_properties()
                .with_properties(missing)
                .with_commit_properties(self.commit_properties())
                .await
                .map_err(told)?;
        }
        let without_zone = self.fit.added.iter().any(|field| {
            field.data_type().to_string().contains("Timestamp(")
                && !field.data_type().to_string().contains("UTC")
        });
        let features = snapshot(&table, &self.write.location)?.protocol().clone();
        let enabled = features
            .writer_features()
            .is_some_and(|features| features.iter().any(|f| f.as_ref() == "timestampNtz"));
        if without_zone && !enabled {
            table = table
                .add_feature()
                .with_feature(TimestampWithoutTimezone)
                .with_allow_protocol_versions_increase(true)
                .with_commit_properties(self.commit_properties())
                .await
                .map_err(told)?;
        }
        Ok(table)
    }

    pub(super) fn location(&self) -> &super::Location {
        &self.write.location
    }

    /// The staged rows as a frame.
    pub(super) fn rows(&self) -> Result<DataFrame, Error> {
        self.frame(self.staged.table()?)
    }

    /// The table's rows as a frame.
    pub(super) fn present(&self, table: &DeltaTable) -> Result<DataFrame, Error> {
        self.frame(scan(self.session, table, self.location())?)
    }

    fn frame(&self, table: Arc<dyn TableProvider>) -> Result<DataFrame, Error> {
        let frame = self.context.read_table(table);
        frame.map_err(|error| Error::Engine(error.into()))
    }

    /// The commit stands on the version that was read, or not at all.
    pub(super) fn commit_properties(&self) -> CommitProperties {
        CommitProperties::default()
            .with_metadata(self.write.commit_info.clone())
            .with_max_retries(0)
    }

    pub(super) fn told(&self, error: deltalake::DeltaTableError) -> Error {
        Error::from_delta(error, self.location())
    }

    /// What a commit was, from the table before and after it.
    pub(super) fn committed(
        &self,
        before: &HashSet<String>,
        after: &DeltaTable,
        rows: Counts,
    ) -> Result<Commit, Error> {
        let snapshot = snapshot(after, self.location())?;
        let (mut files_added, mut bytes_added) = (0, 0);
        for file in snapshot.log_data().iter() {
            if !before.contains(file.path().as_ref()) {
                files_added += 1;
                bytes_added += u64::try_from(file.size()).unwrap_or(0);
            }
        }
        Ok(Commit {
            version: Some(signed(snapshot.version())),
            rows: Counts {
                source: self.staged.rows,
                ..rows
            },
            columns_added: self.fit.added.iter().map(|f| f.name().clone()).collect(),
            files_added,
            bytes_added,
        })
    }

    /// Nothing changed, nothing is committed.
    pub(super) fn unchanged(&self, unchanged: u64) -> Commit {
        Commit {
            rows: Counts {
                source: self.staged.rows,
                unchanged,
                ..Counts::default()
            },
            ..Commit::default()
        }
    }
}

/// The paths of the table's files.
pub(super) fn files(table: &DeltaTable, location: &Location) -> Result<HashSet<String>, Error> {
    let files = snapshot(table, location)?.log_data();
    Ok(files.iter().map(|file| file.path().to_string()).collect())
}

/// A context of the session's settings that can plan deltalake's own operators.
fn context(session: &Session, sort: bool) -> SessionContext {
    let mut state = session.state();
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = !sort;
    // deltalake's own sessions do so: the pushed-down list panics on dictionary keys.
    options.optimizer.hash_join_inlist_pushdown_max_size = 0;
    options
        .optimizer
        .hash_join_inlist_pushdown_max_distinct_values = 0;
    let state = SessionStateBuilder::new_from_existing(state)
        .with_query_planner(DeltaPlanner::new())
        .build();
    SessionContext::new_with_state(state)
}

/// Whether a hash table over the rows would take too much of the run's memory.
fn prefers_sorting(session: &Session, staged: &Staged) -> bool {
    const SHARE: u64 = 4;
    match session.state().runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(limit) => staged.bytes > limit as u64 / SHARE,
        _ => false,
    }
}
