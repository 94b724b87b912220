//! The rows of a query into a table: compute once, write the files, audit them, commit once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::transaction::CommitProperties;
use serde_json::{Value, json};

use super::arrive::{self, OwnColumn};
use super::audit::{self, Constraint, Holder};
use super::branch::Branch;
use super::candidate::{self, Audit, Candidate};
use super::inspect::{exists, load, scan, schema, signed, snapshot, unwritable};
use super::schema::{Fit, same_columns};
use super::transaction::Transaction;
use super::{Error, Location, Merge, features, merge, replace};
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
    /// Table properties: `delta.appendOnly`.
    pub configuration: BTreeMap<String, String>,
    /// Table properties of a table that is made; one that is there keeps its own.
    pub defaults: BTreeMap<String, String>,
    /// What every row of the table has to fulfil.
    pub constraints: Vec<Constraint>,
    /// Rides in the commit: run id, model, fingerprint, inputs.
    pub commit_info: BTreeMap<String, Value>,
    pub transaction: Option<Transaction>,
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
            defaults: BTreeMap::new(),
            constraints: Vec::new(),
            commit_info: BTreeMap::new(),
            transaction: None,
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
    /// The version in which the same transaction was applied before; nothing was done then.
    pub repeats: Option<i64>,
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
/// The new files are written first, then the table that they would make is looked at: its key, its
/// constraints, and what `audit` has to say. Only then is the commit made, and only if the version
/// that was read is still the last. A commit of another writer in between makes the change be
/// computed and audited again from the staged rows, a bounded number of times.
///
/// # Errors
/// [`Error::Held`] where `audit` lets it not pass. Whatever the error, the table is as it was; only
/// after [`Error::Unsure`] it may have the commit, and then the whole of it.
pub async fn write(
    session: &Session,
    plan: &Plan,
    write: &Write,
    audit: &dyn Audit,
) -> Result<Commit, Error> {
    let mut begun = Begun::at(session, &write.location).await?;
    if let Some(repeated) = begun.repeated(write).await? {
        return Ok(repeated);
    }
    let plan = &arrive::shaped(plan, write)?;
    let fit = fit(begun.table.as_ref(), plan, write)?;
    if let Action::Merge(merge) = &write.action {
        merge::check(session, begun.columns(write)?.as_deref(), &fit, merge)?;
    }
    let mut staged = plan
        .stage(fit.columns.clone(), Arc::clone(&fit.schema))
        .await?;
    let context = context(session, prefers_sorting(session, &staged));
    audit::check_key(&context, staged.table()?, &fit.key, Holder::Query).await?;
    staged.require(&fit.key)?;

    let mut change = Change {
        session,
        write,
        fit,
        staged,
        context,
        base: None,
        proven: false,
    };
    for attempt in 1.. {
        change.base = begun.table.as_ref().and_then(DeltaTable::version);
        change.proven = match &begun.table {
            Some(table) => audit::is_proven(table, &change.fit.key, &write.location).await?,
            None => true,
        };
        let columns = begun.columns(write)?;
        let done = change.land(&begun, audit).await;
        if done.is_err() {
            begun.branch.discard().await;
        }
        match done {
            Err(Error::Conflict { location }) if attempt < ATTEMPTS => {
                begun = Begun::at(session, &write.location).await?;
                // The other writer may have been at the same interval.
                if let Some(repeated) = begun.repeated(write).await? {
                    return Ok(repeated);
                }
                let now = begun.columns(write)?;
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
                begun = Begun::at(session, &write.location).await?;
            }
            done => return done,
        }
    }
    Err(Error::Conflict {
        location: write.location.shown(),
    })
}

/// A branch of the table, at the version that is now its last.
pub(super) struct Begun {
    pub(super) branch: Arc<Branch>,
    /// A handle on the branch, for a table that is made.
    handle: DeltaTable,
    table: Option<DeltaTable>,
}

impl Begun {
    async fn at(session: &Session, location: &Location) -> Result<Begun, Error> {
        let plain = location.handle()?;
        // The session keeps the first store that it hears of, and a branch is not to stay with it.
        plain
            .update_datafusion_session(&session.state())
            .map_err(|error| Error::from_delta(error, location))?;
        let (handle, branch) = location.branch()?;
        let table = match exists(location) {
            true => load(handle.clone(), location, None).await?,
            false => None,
        };
        branch.begin(table.as_ref().and_then(DeltaTable::version));
        Ok(Begun {
            branch,
            handle,
            table,
        })
    }

    fn columns(&self, write: &Write) -> Result<Option<SchemaRef>, Error> {
        let table = self.table.as_ref();
        table
            .map(|table| Ok(schema(snapshot(table, &write.location)?)))
            .transpose()
    }

    /// What the write did where it was applied already and must not be twice: nothing.
    async fn repeated(&self, write: &Write) -> Result<Option<Commit>, Error> {
        let (Some(table), Some(transaction)) = (&self.table, &write.transaction) else {
            return Ok(None);
        };
        if !transaction.once {
            return Ok(None);
        }
        let applied = transaction.applied(table, &write.location).await?;
        Ok(applied.map(|version| Commit {
            repeats: Some(version),
            ..Commit::default()
        }))
    }
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
    /// The version that the change stands on.
    base: Option<u64>,
    /// Whether that version is known to keep the key.
    pub(super) proven: bool,
}

/// A change as it was made on the branch.
pub(super) struct Applied {
    pub(super) table: DeltaTable,
    pub(super) commit: Commit,
}

impl Change<'_> {
    /// Writes the files, looks at the table that they make, and publishes it.
    async fn land(&self, begun: &Begun, audit: &dyn Audit) -> Result<Commit, Error> {
        let rebuilt = matches!(self.write.action, Action::Overwrite { .. });
        if let Some(table) = &begun.table
            && !self.proven
            && !rebuilt
        {
            // Another tool wrote it. A merge keeps a key that holds; it cannot make one.
            let rows = scan(self.session, table, self.location())?;
            audit::check_key(&self.context, rows, &self.fit.key, Holder::Table).await?;
        }
        let by = match &begun.table {
            Some(table) if !rebuilt => {
                let present = snapshot(table, self.location())?;
                present.metadata().partition_columns().to_vec()
            }
            _ => replace::partition_by(self)?,
        };
        audit::check_partition_values(self.rows()?, &by).await?;
        let applied = self.apply(begun).await?;
        let candidate = Candidate {
            location: self.location(),
            table: applied.table,
        };
        let rows = candidate.table(self.session)?;
        audit::check_constraints(&self.context, rows, &self.write.constraints).await?;
        if !audit.passes(&candidate).await {
            return Err(Error::Held);
        }
        candidate::publish(&begun.branch, begun.table.as_ref(), self.location()).await?;
        let changed = candidate.table.version() != self.base;
        Ok(Commit {
            // What may be several commits on the branch is one of the table.
            version: changed.then(|| signed(self.next())),
            ..applied.commit
        })
    }

    /// Makes the change on the branch.
    async fn apply(&self, begun: &Begun) -> Result<Applied, Error> {
        let Some(table) = begun.table.clone() else {
            return replace::create(self, begun.handle.clone()).await;
        };
        let table = self.prepare(table).await?;
        match &self.write.action {
            Action::Overwrite { .. } => replace::overwrite(self, table).await,
            Action::Append { .. } => replace::append(self, table).await,
            Action::InsertOverwrite { .. } => replace::partitions(self, table).await,
            Action::Merge(merge) => merge::merge(self, table, merge).await,
            Action::DeleteInsert { key } => {
                merge::merge(self, table, &Merge::on(key.clone())).await
            }
        }
    }

    /// Sets what the table has to have before the rows can go in: properties, and the feature that
    /// timestamps without a zone need.
    async fn prepare(&self, mut table: DeltaTable) -> Result<DeltaTable, Error> {
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
        let missing = features::missing(snapshot(&table, &self.write.location)?, &self.fit.added);
        if !missing.is_empty() {
            table = table
                .add_feature()
                .with_features(missing)
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
        let mut info = self.write.commit_info.clone();
        if !self.fit.key.is_empty() {
            info.insert(audit::PROVEN_KEY.to_owned(), json!(self.fit.key));
        }
        let properties = CommitProperties::default()
            .with_metadata(info)
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        match &self.write.transaction {
            Some(transaction) => {
                properties.with_application_transaction(transaction.at(self.next()))
            }
            None => properties,
        }
    }

    /// The version that the commit will have.
    fn next(&self) -> u64 {
        self.base.map_or(0, |base| base + 1)
    }

    pub(super) fn told(&self, error: deltalake::DeltaTableError) -> Error {
        Error::from_delta(error, self.location())
    }

    /// What a commit was, from the table before and after it.
    pub(super) fn committed(
        &self,
        before: &HashSet<String>,
        after: DeltaTable,
        rows: Counts,
    ) -> Result<Applied, Error> {
        let snapshot = snapshot(&after, self.location())?;
        let (mut files_added, mut bytes_added) = (0, 0);
        for file in snapshot.log_data().iter() {
            if !before.contains(file.path().as_ref()) {
                files_added += 1;
                bytes_added += u64::try_from(file.size()).unwrap_or(0);
            }
        }
        let commit = Commit {
            rows: Counts {
                source: self.staged.rows,
                ..rows
            },
            columns_added: self.fit.added.iter().map(|f| f.name().clone()).collect(),
            files_added,
            bytes_added,
            ..Commit::default()
        };
        Ok(Applied {
            table: after,
            commit,
        })
    }

    /// Nothing changed, nothing is committed.
    pub(super) fn unchanged(&self, table: DeltaTable, unchanged: u64) -> Applied {
        let rows = Counts {
            source: self.staged.rows,
            unchanged,
            ..Counts::default()
        };
        let commit = Commit {
            rows,
            ..Commit::default()
        };
        Applied { table, commit }
    }
}

/// The paths of the table's files.
pub(super) fn files(table: &DeltaTable, location: &Location) -> Result<HashSet<String>, Error> {
    let files = snapshot(table, location)?.log_data();
    Ok(files.iter().map(|file| file.path().to_string()).collect())
}

/// A context of the session's settings that can plan deltalake's own operators.
pub(super) fn context(session: &Session, sort: bool) -> SessionContext {
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
