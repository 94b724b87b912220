//! The rows of a query into a table: compute once, write the files, audit them, commit once.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::DeltaTable;
use serde_json::Value;

use super::arrive::{self, OwnColumn};
use super::audit::{self, Holder};
use super::candidate::Audit;
use super::change::{Begun, Change, context, prefers_sorting};
use super::constraint::Constraint;
use super::evolve::{self, SchemaChange};
use super::inspect::{open, schema, snapshot, unwritable};
use super::maintain::log;
use super::origin::Origin;
use super::record;
use super::schema::{Fit, Policy, same_columns};
use super::{Error, Gate, Location, Merge, merge};
use crate::engine::{Kind, Plan, Session};
use refx_core::project::config::{OnDuplicateKey, OnSchemaChange};

/// How often a change is computed again because of other writers.
const ATTEMPTS: usize = 5;

/// The columns that identify a row, or a group of rows; at least one.
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

    /// Whether both are of the same columns.
    pub(super) fn is(&self, other: &PrimaryKey) -> bool {
        let within = |one: &PrimaryKey, all: &PrimaryKey| {
            let mut columns = one.0.iter();
            columns.all(|column| all.0.iter().any(|known| known.eq_ignore_ascii_case(column)))
        };
        within(self, other) && within(other, self)
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
    /// The rows of the table that have the values of a new row in some columns are deleted, and all new
    /// rows inserted.
    DeleteInsert {
        by: PrimaryKey,
        key: Option<PrimaryKey>,
    },
    /// The partitions that occur in the query's rows are replaced as a whole.
    InsertOverwrite { key: Option<PrimaryKey> },
}

impl Action {
    pub fn key(&self) -> Option<&PrimaryKey> {
        match self {
            Action::Overwrite { key }
            | Action::Append { key }
            | Action::InsertOverwrite { key }
            | Action::DeleteInsert { key, .. } => key.as_ref(),
            Action::Merge(Merge { key, .. }) => Some(key),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Write {
    pub location: Location,
    pub action: Action,
    pub partition_by: Vec<String>,
    /// What to do when the query's columns are not the table's. Full replacement needs none of it.
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
    /// Rides in the commit: the run.
    pub commit_info: BTreeMap<String, Value>,
    /// What the rows are computed from. It rides in the commit, and is compared with that of the commit before.
    pub origin: Option<Origin>,
    /// The merge whose `delete_when` says which rows do not come into a table that is replaced.
    pub admission: Option<Merge>,
    /// The state of the table that the rows were computed from. On any other their write is of no use.
    pub stands_on: Standpoint,
    /// Whether the run may still commit.
    pub gate: Gate,
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
            origin: None,
            admission: None,
            stands_on: Standpoint::Any,
            gate: Gate::default(),
        }
    }
}

/// The state of a table that rows for it were computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standpoint {
    /// Nothing was read of the table: the rows are good on every version.
    #[default]
    Any,
    /// The rows rest on that there was no table.
    NoTable,
    Version(i64),
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The new version; `None` where nothing changed and nothing was committed.
    pub version: Option<i64>,
    /// The version before it, which is the table's where nothing was committed; `None` where there was
    /// no table.
    pub stands_on: Option<i64>,
    pub rows: Counts,
    /// What changed of the table's columns.
    pub columns: Vec<SchemaChange>,
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
    let mut begun = Begun::at(session, write).await?;
    if let Some(repeated) = begun.repeated(write, audit).await? {
        return Ok(repeated);
    }
    let plan = &shaped(plan, write)?;
    let fit = fit(begun.table.as_ref(), plan, write)?;
    if let Action::Merge(merge) = &write.action {
        merge::check(session, begun.columns(write)?.as_deref(), &fit, merge)?;
    }
    let mut staged = plan
        .stage(fit.columns.clone(), Arc::clone(&fit.schema))
        .await?;
    let admission = match (&write.action, &begun.table) {
        (Action::Merge(merge), None) => Some(merge),
        (Action::Overwrite { .. }, _) => write.admission.as_ref(),
        _ => None,
    };
    let admission = admission.filter(|merge| merge.delete_when.is_some());
    if let Some(merge) = admission {
        staged = merge::admitted(session, &fit, staged, merge).await?;
    }
    let mut sorts = prefers_sorting(session, &staged);
    let mut change = Change {
        session,
        write,
        context: context(session, sorts),
        base: None,
        record: None,
        proven: false,
        staged: {
            let context = context(session, sorts);
            audit::check_key(&context, staged.table()?, &fit.key, Holder::Query).await?;
            staged.require(&fit.key)?;
            staged
        },
        fit,
    };
    for attempt in 1.. {
        change.base = begun.version();
        change.record = begun.record.clone();
        change.proven = match &begun.table {
            Some(_) => audit::is_proven(begun.info(), &change.fit.key),
            None => true,
        };
        let columns = begun.columns(write)?;
        let done = change.land(&begun, audit).await;
        if done.is_err() {
            begun.branch.discard().await;
        }
        match done {
            // Rows that were computed from the table itself are of no use on another version.
            Err(Error::Conflict { .. })
                if attempt < ATTEMPTS && write.stands_on == Standpoint::Any => {}
            // A hash join cannot spill; one that sorts can.
            Err(Error::Engine(error)) if error.kind == Kind::Resources && !sorts => {
                sorts = true;
                change.context = context(session, sorts);
            }
            done => return done,
        }
        begun = Begun::at(session, write).await?;
        // The other writer may have been at the same interval.
        if let Some(repeated) = begun.repeated(write, audit).await? {
            return Ok(repeated);
        }
        let now = begun.columns(write)?;
        if admission.is_some() && columns.is_none() {
            // What was left out of a first load may be what a merge has to delete.
            break;
        }
        let replaced = matches!(write.action, Action::Overwrite { .. });
        let fits = match (&columns, &now) {
            (Some(before), Some(now)) => same_columns(before, now),
            (None, Some(now)) => same_columns(&change.fit.schema, now),
            (_, None) => columns.is_none(),
        };
        if !fits && !replaced {
            break;
        }
    }
    Err(Error::Conflict {
        location: write.location.shown(),
    })
}

/// The query with what the write adds to it and takes from it.
fn shaped(plan: &Plan, write: &Write) -> Result<Plan, Error> {
    let Write {
        on_duplicate_key,
        own_column,
        ..
    } = write;
    arrive::shaped(
        plan,
        on_duplicate_key,
        write.action.key(),
        own_column.as_ref(),
    )
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
    let policy = Policy {
        change: write.on_schema_change,
        own: write.own_column.as_ref().map(OwnColumn::name),
        partition_by: present,
    };
    Fit::into(&schema(snapshot), &query, key, &policy)
}

/// What a write of the plan's rows will change of the table's columns; nothing where there is no
/// table yet.
///
/// # Errors
/// As [`write`], for columns that do not fit.
pub async fn foresee(plan: &Plan, write: &Write) -> Result<Vec<SchemaChange>, Error> {
    let Some(table) = open(&write.location, None).await? else {
        return Ok(Vec::new());
    };
    if let Some(origin) = &write.origin {
        let last = log::last(&table, &write.location).await?;
        let record = record::of_table(&table, &write.location, &last, &origin.model).await?;
        if let Some(record) = record {
            origin.hold(&record).await?;
        }
    }
    let plan = shaped(plan, write)?;
    let fit = fit(Some(&table), &plan, write)?;
    Ok(match write.action {
        Action::Overwrite { .. } => {
            let present = schema(snapshot(&table, &write.location)?);
            evolve::difference(&present, &fit.schema)
        }
        _ => fit.changes,
    })
}
