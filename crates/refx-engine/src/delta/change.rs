//! A change whose rows are staged: made on a branch, looked at, published.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::transaction::CommitProperties;
use serde_json::{Map, Value, json};

use super::audit::{self, Holder};
use super::branch::Branch;
use super::candidate::{self, Audit, Candidate};
use super::changes::FILE;
use super::constraint;
use super::inspect::{open, scan, scan_parts, schema, signed, snapshot};
use super::maintain::log::{self, Entry};
use super::record::{self, Record};
use super::schema::Fit;
use super::{
    Action, Commit, Counts, Error, Location, Merge, Standpoint, Write, evolve, features, groups,
    merge, replace,
};
use crate::engine::{Session, Staged};

/// A branch of the table, at the version that is now its last.
pub(super) struct Begun {
    pub(super) branch: Arc<Branch>,
    /// A handle on the branch, for a table that is made.
    handle: DeltaTable,
    pub(super) table: Option<DeltaTable>,
    /// The last entry of its log.
    last: Option<Entry>,
    /// What its rows are computed from, where refx wrote them.
    pub(super) record: Option<Record>,
}

impl Begun {
    /// # Errors
    /// [`Error::Conflict`], where the rows were computed from another version than the last.
    pub(super) async fn at(session: &Session, write: &Write) -> Result<Begun, Error> {
        let location = &write.location;
        let plain = location.handle()?;
        // The session keeps the first store that it hears of, and a branch is not to stay with it.
        plain
            .update_datafusion_session(&session.state())
            .map_err(|error| Error::from_delta(error, location))?;
        let (handle, branch) = location.branch()?;
        let table = open(location, None).await?.map(|table| {
            let mut on_branch = handle.clone();
            on_branch.state = table.state;
            on_branch
        });
        let base = table.as_ref().and_then(DeltaTable::version);
        let stands = match write.stands_on {
            Standpoint::Any => true,
            Standpoint::NoTable => base.is_none(),
            Standpoint::Version(version) => base.map(signed) == Some(version),
        };
        if !stands {
            return Err(Error::Conflict {
                location: location.shown(),
            });
        }
        branch.begin(base);
        let last = match &table {
            // The last entry is that of the table's version: a branch hides what came later.
            Some(table) => Some(log::last(table, location).await?),
            None => None,
        };
        let record = match (&table, &last, &write.origin) {
            (Some(table), Some(last), Some(origin)) => {
                record::of_table(table, location, last, &origin.model).await?
            }
            _ => None,
        };
        Ok(Begun {
            branch,
            handle,
            table,
            last,
            record,
        })
    }

    pub(super) fn version(&self) -> Option<u64> {
        self.table.as_ref().and_then(DeltaTable::version)
    }

    pub(super) fn columns(&self, write: &Write) -> Result<Option<SchemaRef>, Error> {
        let table = self.table.as_ref();
        table
            .map(|table| Ok(schema(snapshot(table, &write.location)?)))
            .transpose()
    }

    /// What the last commit of the table says.
    pub(super) fn info(&self) -> Option<&Map<String, Value>> {
        self.last.as_ref().map(|last| &last.info)
    }

    /// What the write did where it was applied already and must not be twice: nothing. The table has
    /// to pass all the same, since others read it now.
    ///
    /// # Errors
    /// [`Error::Ahead`], where the write would take the table back.
    pub(super) async fn repeated(
        &self,
        write: &Write,
        audit: &dyn Audit,
    ) -> Result<Option<Commit>, Error> {
        let (Some(table), Some(record), Some(origin)) = (&self.table, &self.record, &write.origin)
        else {
            return Ok(None);
        };
        let Some(applied) = origin.repeats(table, &write.location, record).await? else {
            origin.hold(record).await?;
            return Ok(None);
        };
        let candidate = Candidate {
            location: &write.location,
            table: table.clone(),
        };
        if !audit.passes(&candidate).await {
            return Err(Error::Held {
                version: self.version().map(signed),
            });
        }
        Ok(Some(Commit {
            repeats: Some(applied),
            stands_on: self.version().map(signed),
            ..Commit::default()
        }))
    }
}

/// A change whose rows are staged and whose key holds.
pub(super) struct Change<'a> {
    pub(super) session: &'a Session,
    pub(super) write: &'a Write,
    pub(super) fit: Fit,
    pub(super) staged: Staged,
    pub(super) context: SessionContext,
    /// The version that the change stands on.
    pub(super) base: Option<u64>,
    /// What the rows of that version are computed from, where refx wrote them.
    pub(super) record: Option<Record>,
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
    pub(super) async fn land(&self, begun: &Begun, audit: &dyn Audit) -> Result<Commit, Error> {
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
        if matches!(self.write.action, Action::InsertOverwrite { .. }) {
            no_binary(&self.fit.schema, &by)?;
        }
        audit::check_partition_values(self.rows()?, &by).await?;
        let applied = match self.apply(begun).await {
            Err(error) => return Err(self.explained(error, begun).await),
            Ok(applied) => applied,
        };
        let candidate = Candidate {
            location: self.location(),
            table: applied.table,
        };
        let rows = candidate.table(self.session)?;
        constraint::check(&self.context, rows, &self.write.constraints, &self.fit.key).await?;
        if !audit.passes(&candidate).await {
            return Err(Error::Held {
                version: self.base.map(signed),
            });
        }
        let gate = &self.write.gate;
        candidate::publish(&begun.branch, self.base, &candidate, gate).await?;
        let changed = candidate.table.version() != self.base;
        Ok(Commit {
            // What may be several commits on the branch is one of the table.
            version: changed.then(|| signed(self.next())),
            stands_on: self.base.map(signed),
            ..applied.commit
        })
    }

    /// The error with the rule of the table that the rows break, where that is what is wrong.
    async fn explained(&self, error: Error, begun: &Begun) -> Error {
        let Some(table) = &begun.table else {
            return error;
        };
        if !error.to_string().contains("validation check") {
            return error;
        }
        let named = async {
            let table = snapshot(table, self.location())?;
            let rows = self.rows()?;
            constraint::broken_of_table(&self.context, rows, table, &self.fit.key).await
        };
        match named.await {
            Ok(Some(named)) => named,
            _ => error,
        }
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
            // Of a group of one row each, only what differs is written.
            Action::DeleteInsert { by, key: Some(key) } if key.is(by) => {
                merge::merge(self, table, &Merge::on(key.clone())).await
            }
            Action::DeleteInsert { by, .. } => {
                let by = groups::columns(self, &table, by)?;
                groups::replace(self, table, &by).await
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
        let reshaped = self
            .fit
            .reshaped
            .iter()
            .flat_map(|columns| columns.fields());
        let columns: Vec<_> = self.fit.added.iter().chain(reshaped).cloned().collect();
        let missing = features::missing(snapshot(&table, &self.write.location)?, &columns);
        if !missing.is_empty() {
            table = table
                .add_feature()
                .with_features(missing)
                .with_allow_protocol_versions_increase(true)
                .with_commit_properties(self.commit_properties())
                .await
                .map_err(told)?;
        }
        match &self.fit.reshaped {
            Some(columns) => evolve::rewrite(self, table, columns).await,
            None => Ok(table),
        }
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

    /// The table's rows, or those in a range, each with the file that it is in.
    pub(super) fn present_by_file(
        &self,
        table: &DeltaTable,
        range: Option<Expr>,
    ) -> Result<DataFrame, Error> {
        let scan = scan_parts(self.session, table, self.location(), Some(FILE), None)?;
        let rows = self.frame(scan)?;
        let Some(range) = range else {
            return Ok(rows);
        };
        let rows = rows.filter(unnormalize_col(range));
        rows.map_err(|error| Error::Engine(error.into()))
    }

    /// The rows of some of the table's files.
    pub(super) fn present_in(
        &self,
        table: &DeltaTable,
        files: Vec<String>,
    ) -> Result<DataFrame, Error> {
        self.frame(scan_parts(
            self.session,
            table,
            self.location(),
            None,
            Some(files),
        )?)
    }

    fn frame(&self, table: Arc<dyn TableProvider>) -> Result<DataFrame, Error> {
        let frame = self.context.read_table(table);
        frame.map_err(|error| Error::Engine(error.into()))
    }

    /// The commit stands on the version that was read, or not at all.
    pub(super) fn commit_properties(&self) -> CommitProperties {
        self.properties(self.write.commit_info.clone())
    }

    /// The same, with one more word about the commit.
    pub(super) fn properties_with(&self, name: &str, value: Value) -> CommitProperties {
        let mut info = self.write.commit_info.clone();
        info.insert(name.to_owned(), value);
        self.properties(info)
    }

    fn properties(&self, mut info: BTreeMap<String, Value>) -> CommitProperties {
        if !self.fit.key.is_empty() {
            info.insert(audit::PROVEN_KEY.to_owned(), json!(self.fit.key));
        }
        let origin = self.write.origin.as_ref();
        let record = origin.map(|origin| origin.record(self.record.as_ref()));
        info.extend(record.iter().flat_map(Record::info));
        let mark = record.and_then(|record| record.mark());
        CommitProperties::default()
            .with_metadata(info)
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false))
            .with_application_transactions(mark.into_iter().collect())
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
            columns: self.fit.changes.clone(),
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
        // Its columns may be others all the same.
        let columns = match &self.fit.reshaped {
            Some(_) => self.fit.changes.clone(),
            None => Vec::new(),
        };
        let commit = Commit {
            rows,
            columns,
            ..Commit::default()
        };
        Applied { table, commit }
    }
}

/// Refuses partitions of binary values to be replaced: deltalake reads other values than it wrote, and old
/// rows would stay.
fn no_binary(schema: &SchemaRef, by: &[String]) -> Result<(), Error> {
    let is_binary = |name: &&String| {
        let field = schema.field_with_name(name);
        field.is_ok_and(|field| {
            matches!(field.data_type(), DataType::Binary | DataType::LargeBinary)
        })
    };
    match by.iter().find(is_binary) {
        None => Ok(()),
        Some(name) => Err(Error::schema(
            name,
            format!("the partitions of `{name}` cannot be replaced: its values are binary"),
            format!("partition by a text: `encode({name}, 'hex')`"),
        )),
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
pub(super) fn prefers_sorting(session: &Session, staged: &Staged) -> bool {
    const SHARE: u64 = 4;
    match session.state().runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(limit) => staged.bytes > limit as u64 / SHARE,
        _ => false,
    }
}
