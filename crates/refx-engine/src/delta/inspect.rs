//! What a table is now: the one read before planning, and the tables that queries read.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use deltalake::kernel::transaction::{PROTOCOL, TransactionError};
use deltalake::kernel::{Action, CommitInfo, EagerSnapshot, Version};
use deltalake::{DeltaTable, DeltaTableError};
use serde_json::Value;

use super::audit::{self, Holder, PROVEN_KEY};
use super::change::context;
use super::damage::unanswered;
use super::maintain::log;
use super::record::{self, Record};
use super::scan::Scan;
use super::schema::named;
use super::{Error, Location, damage};
use crate::engine::{self, Format, Name, Session, SourceTable, plain, sql_type};

/// What the log says of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFacts {
    pub version: i64,
    pub columns: Vec<Column>,
    pub partition_by: Vec<String>,
    /// Rows, where every file's statistics count them and none has deletion vectors.
    pub rows: Option<u64>,
    pub files: u64,
    pub bytes: u64,
    pub configuration: BTreeMap<String, String>,
    /// Milliseconds since 1970 of the last commit.
    pub committed_at: Option<i64>,
    /// What refx wrote into the last commit that it made: the run, the fingerprint, the inputs.
    pub commit_info: BTreeMap<String, Value>,
    /// The columns that the last commit says are the key.
    pub proven_key: Vec<String>,
    /// What the rows are computed from, where refx made the last commit.
    pub record: Option<Record>,
    /// Why refx cannot write the table, if it cannot.
    pub unwritable: Option<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// In SQL's words.
    pub data_type: String,
    pub nullable: bool,
}

/// The table as it is now; `None` where there is none.
pub async fn inspect(location: &Location) -> Result<Option<TableFacts>, Error> {
    let Some(table) = open(location, None).await? else {
        return Ok(None);
    };
    let snapshot = snapshot(&table, location)?;
    let mut rows = Some(0);
    let (mut files, mut bytes) = (0, 0);
    for file in snapshot.log_data().iter() {
        files += 1;
        bytes += u64::try_from(file.size()).unwrap_or(0);
        let counted = match file.deletion_vector_descriptor() {
            Some(_) => None,
            None => file.num_records(),
        };
        rows = rows.zip(counted).map(|(sum, n)| sum + n as u64);
    }
    let last = last_commit(&table, location).await?;
    let committed_at = last.as_ref().and_then(|info| info.timestamp);
    let commit_info = last.map(|info| info.info);
    let version = signed(snapshot.version());
    let record = commit_info
        .as_ref()
        .map(|info| info.clone().into_iter().collect());
    let record = record.and_then(|info| Record::of(version, &info));
    let commit_info: BTreeMap<String, Value> =
        commit_info.unwrap_or_default().into_iter().collect();
    let proven = commit_info.get(PROVEN_KEY).and_then(Value::as_array);
    let proven_key = proven.into_iter().flatten().filter_map(Value::as_str);
    let proven_key = proven_key.map(str::to_owned).collect();
    Ok(Some(TableFacts {
        version,
        columns: columns(&schema(snapshot)),
        partition_by: snapshot.metadata().partition_columns().to_vec(),
        rows,
        files,
        bytes,
        configuration: snapshot
            .metadata()
            .configuration()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        committed_at,
        commit_info,
        proven_key,
        record,
        unwritable: unwritable(snapshot),
    }))
}

/// Looks at all rows of a table whose last commit does not say that they keep the key: another tool
/// wrote it, or the key is new. Columns that the table lacks are not looked for.
///
/// # Errors
/// [`Error::NullKey`] and [`Error::DuplicateKey`].
pub async fn check_key(
    session: &Session,
    location: &Location,
    version: i64,
    key: &[String],
) -> Result<(), Error> {
    let Some(table) = open(location, Some(version)).await? else {
        return Ok(());
    };
    let schema = schema(snapshot(&table, location)?);
    let columns = key.iter().map(|column| named(&schema, column));
    let Some(columns) = columns.collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    let columns: Vec<String> = columns.iter().map(|field| field.name().clone()).collect();
    let rows = scan(session, &table, location)?;
    // A hash table of all keys may not fit; a sort spills.
    audit::check_key(&context(session, true), rows, &columns, Holder::Table).await
}

/// Whether there is a Delta table, whatever state it is in.
pub async fn is_table(location: &Location) -> Result<bool, Error> {
    if !exists(location) {
        return Ok(false);
    }
    let found = location.handle()?.verify_deltatable_existence().await;
    found.map_err(|error| Error::from_delta(error, location))
}

/// What the rows of a table are computed from, at a version whose last commit may be another tool's.
pub async fn record(
    location: &Location,
    version: i64,
    model: &str,
) -> Result<Option<Record>, Error> {
    let Some(table) = open(location, Some(version)).await? else {
        return Ok(None);
    };
    let last = log::last(&table, location).await?;
    record::of_table(&table, location, &last, model).await
}

/// The table for queries of the session, pinned to a version (the latest when absent), its strings
/// plain.
pub async fn provider(
    session: &Session,
    location: &Location,
    version: Option<i64>,
) -> Result<Arc<dyn TableProvider>, Error> {
    let table = open(location, version).await?;
    let table = table.ok_or_else(|| Error::Missing {
        location: location.shown(),
    })?;
    scan(session, &table, location)
}

/// Registers a source of any format: Delta tables here, files by the engine. Gives a digest of the list of
/// files, where it is one.
pub async fn register_source(
    session: &Session,
    name: &Name,
    source: &SourceTable,
    options: &BTreeMap<String, String>,
) -> Result<Option<String>, Error> {
    if session.source_format(source).await? != Format::Delta {
        return Ok(Some(session.register_source(name, source).await?));
    }
    let [root] = source.locations.as_slice() else {
        return Err(Error::Io {
            what: format!(
                "`{name}` is a Delta table at {} places",
                source.locations.len()
            ),
            help: Some("give a Delta source exactly one location".to_owned()),
        });
    };
    let location = Location::new(root, options.clone())?;
    let table = provider(session, &location, source.version).await?;
    session.register_table(name, table)?;
    Ok(None)
}

/// The loaded table, or `None` where there is none.
pub(super) async fn open(
    location: &Location,
    version: Option<i64>,
) -> Result<Option<DeltaTable>, Error> {
    if !exists(location) {
        return Ok(None);
    }
    let wanted = version.map(Version::try_from).transpose();
    let wanted = wanted.map_err(|_| no_version(location, version))?;
    let mut kept = &location.opened()?.kept;
    let is_known = kept.is_listed() && wanted.is_some() && wanted <= kept.newest();
    if !is_known {
        kept = &location.refresh().await?.kept;
    }
    let Some(newest) = kept.newest() else {
        // A checkpoint is spoken of where there was a table.
        return match kept.has_hint() {
            true => Err(without_log(location)),
            false => Ok(None),
        };
    };
    let wanted = wanted.unwrap_or(newest);
    if let Some(table) = kept.table(wanted) {
        return Ok(Some(table));
    }
    let table = match kept.table_before(wanted) {
        Some(table) => table,
        None => location.handle()?,
    };
    let table = load(table, location, wanted).await?;
    kept.keep(&table);
    Ok(Some(table))
}

/// Whether there can be a table. A folder that is not there is none; deltalake would call it an
/// error of the store.
pub(super) fn exists(location: &Location) -> bool {
    location.path().is_none_or(|path| path.exists())
}

/// A handle at a version.
async fn load(
    mut table: DeltaTable,
    location: &Location,
    version: Version,
) -> Result<DeltaTable, Error> {
    match table.load_version(version).await {
        Ok(()) => match damage::empty_version(location, version) {
            Some(what) => Err(corrupt(location, what)),
            None => Ok(table),
        },
        // The log is there, so what cannot be read of it is broken.
        Err(DeltaTableError::NotATable(_)) => Err(without_log(location)),
        Err(error) if unanswered(&error).is_some() => Err(Error::from_delta(error, location)),
        Err(error) => match Error::from_delta(error, location) {
            Error::Io { what, help } if help.is_none() && !what.contains("permission") => {
                Err(corrupt(location, damage::named(&table, what).await))
            }
            Error::Corrupt { what, .. } => {
                Err(corrupt(location, damage::named(&table, what).await))
            }
            other => Err(other),
        },
    }
}

fn no_version(location: &Location, version: Option<i64>) -> Error {
    Error::Io {
        what: format!(
            "`{}` has no version {}",
            location.shown(),
            version.unwrap_or_default()
        ),
        help: None,
    }
}

/// What the commit of the table's version says of itself; `None` where its entry is gone.
pub(super) async fn last_commit(
    table: &DeltaTable,
    location: &Location,
) -> Result<Option<CommitInfo>, Error> {
    let told = |error| Error::from_delta(error, location);
    let version = snapshot(table, location)?.version();
    let entry = table.log_store().read_commit_entry(version).await;
    let Some(entry) = entry.map_err(told)? else {
        return Ok(None);
    };
    for line in entry.split(|byte| *byte == b'\n') {
        // Lines of files are not parsed: there may be thousands of them.
        let name = b"\"commitInfo\"";
        let start = &line[..line.len().min(2 * name.len())];
        if !start.windows(name.len()).any(|part| part == name) {
            continue;
        }
        let action: Action = serde_json::from_slice(line).map_err(|error| {
            corrupt(
                location,
                format!("the log entry of version {version} is not valid JSON: {error}"),
            )
        })?;
        if let Action::CommitInfo(info) = action {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

fn corrupt(location: &Location, what: String) -> Error {
    Error::Corrupt {
        location: location.shown(),
        what,
    }
}

fn without_log(location: &Location) -> Error {
    Error::Corrupt {
        location: location.shown(),
        what: "its log has neither version 0 nor a checkpoint".to_owned(),
    }
}

/// A table provider over what was opened.
pub(super) fn scan(
    session: &Session,
    table: &DeltaTable,
    location: &Location,
) -> Result<Arc<dyn TableProvider>, Error> {
    scan_parts(session, table, location, None, None)
}

/// The same, with a column of this name that says in which file each row is, or of some files alone.
pub(super) fn scan_parts(
    session: &Session,
    table: &DeltaTable,
    location: &Location,
    file_column: Option<&str>,
    files: Option<Vec<String>>,
) -> Result<Arc<dyn TableProvider>, Error> {
    let state = session.state();
    table
        .update_datafusion_session(&state)
        .map_err(|error| Error::from_delta(error, location))?;
    let mut config = DeltaScanConfig::new_from_session(&state).with_wrap_partition_values(false);
    if let Some(column) = file_column {
        config = config.with_file_column_name(column);
    }
    let snapshot = Arc::new(snapshot(table, location)?.clone());
    let scan = DeltaScanNext::new(snapshot, config).map_err(|error| {
        match Error::from_delta(DeltaTableError::from(error), location) {
            Error::Unsupported {
                location, reason, ..
            } => Error::Unsupported {
                location,
                access: "read",
                reason,
            },
            other => other,
        }
    })?;
    let scan = match files {
        Some(files) => scan.with_file_paths(files),
        None => scan,
    };
    Ok(Arc::new(Scan::new(Arc::new(scan))))
}

pub(super) fn snapshot<'a>(
    table: &'a DeltaTable,
    location: &Location,
) -> Result<&'a EagerSnapshot, Error> {
    table
        .snapshot()
        .map(|state| state.snapshot())
        .map_err(|error| Error::from_delta(error, location))
}

/// The table's columns in the engine's types.
pub(super) fn schema(snapshot: &EagerSnapshot) -> SchemaRef {
    let fields = snapshot.arrow_schema();
    let fields = fields
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), plain(field.data_type()), field.is_nullable()));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

pub(super) fn signed(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Why refx cannot write the table.
pub(super) fn unwritable(snapshot: &EagerSnapshot) -> Option<String> {
    let mapping = snapshot
        .metadata()
        .configuration()
        .get("delta.columnMapping.mode");
    if mapping.is_some_and(|mode| mode != "none") {
        return Some("it uses column mapping".to_owned());
    }
    match PROTOCOL.can_write_to(snapshot) {
        Ok(()) => None,
        Err(TransactionError::UnsupportedTableFeatures(features)) => {
            let names: Vec<String> = features
                .iter()
                .map(|feature| format!("`{}`", feature.as_ref()))
                .collect();
            Some(format!("it uses {}", names.join(", ")))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Column {
            name: field.name().clone(),
            data_type: sql_type(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

impl From<engine::ColumnFact> for Column {
    fn from(fact: engine::ColumnFact) -> Column {
        Column {
            name: fact.name,
            data_type: fact.data_type,
            nullable: fact.nullable,
        }
    }
}
