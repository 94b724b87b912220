//! The log of a table, entry by entry.

use chrono::{DateTime, Utc};
use deltalake::logstore::object_store::ObjectStoreExt;
use deltalake::{DeltaTable, DeltaTableError, Path};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::super::inspect::{signed, snapshot};
use super::{Error, Location};

/// Entries that are read at the same time.
const AT_A_TIME: usize = 8;

/// What one commit says.
#[derive(Clone, Debug)]
pub(in crate::delta) struct Entry {
    pub version: i64,
    /// When it was made: as it says itself, or else as its file says.
    pub at: DateTime<Utc>,
    /// Its `commitInfo`; empty where its writer left none.
    pub info: Map<String, Value>,
    pub removed: Vec<Removed>,
    /// Paths of the change data files that it brought, as the log writes them.
    pub change_data: Vec<String>,
}

#[derive(Clone, Debug)]
pub(in crate::delta) struct Removed {
    /// As the log writes it.
    pub path: String,
    pub at: Option<DateTime<Utc>>,
}

impl Entry {
    pub fn operation(&self) -> &str {
        let operation = self.info.get("operation").and_then(Value::as_str);
        operation.unwrap_or_default()
    }
}

/// The entry of a version; `None` where the log has it no longer.
pub(in crate::delta) async fn entry(
    table: &DeltaTable,
    location: &Location,
    version: i64,
) -> Result<Option<Entry>, Error> {
    let told = |error| Error::from_delta(error, location);
    let Ok(number) = u64::try_from(version) else {
        return Ok(None);
    };
    let log = table.log_store();
    let Some(bytes) = log.read_commit_entry(number).await.map_err(told)? else {
        return Ok(None);
    };
    let mut found = Entry {
        version,
        at: DateTime::UNIX_EPOCH,
        info: Map::new(),
        removed: Vec::new(),
        change_data: Vec::new(),
    };
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let action: Map<String, Value> =
            serde_json::from_slice(line).map_err(|_| Error::Corrupt {
                location: location.shown(),
                what: format!("the log entry of version {version} is not valid JSON"),
            })?;
        take(&mut found, action);
    }
    let said = ["inCommitTimestamp", "timestamp"]
        .iter()
        .find_map(|name| instant(found.info.get(*name)?));
    found.at = match said {
        Some(at) => at,
        None => {
            let path = Path::from(format!("_delta_log/{number:020}.json"));
            let file = log.object_store(None).head(&path).await;
            let file = file.map_err(|error| told(DeltaTableError::from(error)))?;
            file.last_modified
        }
    };
    Ok(Some(found))
}

fn take(entry: &mut Entry, action: Map<String, Value>) {
    for (kind, body) in action {
        let path = body.get("path").and_then(Value::as_str).map(str::to_owned);
        match (kind.as_str(), path) {
            ("commitInfo", _) => {
                if let Value::Object(info) = body {
                    entry.info = info;
                }
            }
            ("remove", Some(path)) => entry.removed.push(Removed {
                path,
                at: body.get("deletionTimestamp").and_then(instant),
            }),
            ("cdc", Some(path)) => entry.change_data.push(path),
            _ => {}
        }
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(value.as_i64()?)
}

/// The entry of the version that the table was opened at. One that is gone says nothing.
pub(in crate::delta) async fn last(
    table: &DeltaTable,
    location: &Location,
) -> Result<Entry, Error> {
    let version = signed(snapshot(table, location)?.version());
    Ok(entry(table, location, version).await?.unwrap_or(Entry {
        version,
        at: DateTime::UNIX_EPOCH,
        info: Map::new(),
        removed: Vec::new(),
        change_data: Vec::new(),
    }))
}

/// The entries that the log still has, newest first.
pub(in crate::delta) fn newest_first<'a>(
    table: &'a DeltaTable,
    location: &'a Location,
) -> Result<BoxStream<'a, Result<Entry, Error>>, Error> {
    let version = signed(snapshot(table, location)?.version());
    let entries = stream::iter((0..=version).rev())
        .map(move |version| entry(table, location, version))
        .boxed()
        .buffered(AT_A_TIME)
        .try_take_while(|entry| futures::future::ready(Ok(entry.is_some())))
        .try_filter_map(|entry| futures::future::ready(Ok(entry)));
    Ok(entries.boxed())
}
