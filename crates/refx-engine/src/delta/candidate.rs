//! A table as the coming commit would leave it: read by tests, then published or thrown away.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::catalog::TableProvider;
use deltalake::DeltaTable;
use deltalake::checkpoints::{cleanup_metadata, create_checkpoint};
use deltalake::logstore::object_store;
use deltalake::table::config::TablePropertiesExt;
use serde_json::{Map, Value};

use super::branch::{Branch, Unpublished};
use super::evolve::REWRITE;
use super::inspect::{open, scan, snapshot};
use super::{Error, Gate, Location};
use crate::engine::Session;

/// The rows of a table after a commit that nobody sees yet, or of the table as it is where there
/// is nothing to commit.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub(super) location: &'a Location,
    pub(super) table: DeltaTable,
}

impl Candidate<'_> {
    /// The rows, for queries of any session of the same engine.
    pub fn table(&self, session: &Session) -> Result<Arc<dyn TableProvider>, Error> {
        scan(session, &self.table, self.location)
    }
}

/// Looks at a table before it is published.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Whether the table may be published. It is asked again about a new candidate where another
    /// writer was faster.
    async fn passes(&self, candidate: &Candidate<'_>) -> bool;
}

/// Publishes whatever keeps its key.
pub struct NoAudit;

#[async_trait]
impl Audit for NoAudit {
    async fn passes(&self, _: &Candidate<'_>) -> bool {
        true
    }
}

/// Makes what was committed on the branch one commit of the table, if the version that it stands on
/// is still the last.
pub(super) async fn publish(
    branch: &Arc<Branch>,
    base: Option<u64>,
    candidate: &Candidate<'_>,
    gate: &Gate,
) -> Result<(), Error> {
    let location = candidate.location;
    let told = |error: object_store::Error| Error::from_delta(error.into(), location);
    let entries = branch.entries().await.map_err(told)?;
    let entry = match entries.as_slice() {
        [] => return Ok(()),
        [only] if !is_rewrite(only) => only.clone(),
        several => squash(several).map_err(|error| Error::Io {
            what: format!("`{}`: {error}", location.shown()),
            help: None,
        })?,
    };
    let version = base.map_or(0, |base| base + 1);
    location.prove().await?;
    let Some(passing) = gate.enter() else {
        return Err(Error::Stopped);
    };
    // In a task of its own, which nobody gives up: whoever waits for the gate waits for its end.
    let put = {
        let branch = Arc::clone(branch);
        tokio::spawn(async move {
            let published = branch.publish(version, entry).await;
            drop(passing);
            published
        })
    };
    let published = put.await.map_err(|defect| Error::Unsure {
        version,
        what: defect.to_string(),
    })?;
    match published {
        Ok(()) => {}
        Err(Unpublished::Overtaken) => {
            return Err(Error::Conflict {
                location: location.shown(),
            });
        }
        Err(Unpublished::Failed(error)) => return Err(told(error)),
        Err(Unpublished::Unknown(error)) => {
            return Err(Error::Unsure {
                version,
                what: told(error).to_string(),
            });
        }
    }
    // The commit is made: readers do without a checkpoint, and the next one comes in its turn.
    let _ = tidy(candidate, version).await;
    Ok(())
}

/// Writes a checkpoint where one is due, and drops the log that has expired before it.
async fn tidy(candidate: &Candidate<'_>, version: u64) -> Result<(), Error> {
    let location = candidate.location;
    let told = |error| Error::from_delta(error, location);
    let config = candidate.table.snapshot().map_err(told)?.table_config();
    if !(version + 1).is_multiple_of(checkpoint_interval(&candidate.table, location)?) {
        return Ok(());
    }
    let Some(table) = open(location, i64::try_from(version).ok()).await? else {
        return Ok(());
    };
    create_checkpoint(&table, None).await.map_err(told)?;
    // A table can ask that the log before a version is kept whole.
    let features = table.snapshot().map_err(told)?.protocol().writer_features();
    let protected = features.is_some_and(|names| {
        names
            .iter()
            // The name of a feature that deltalake does not know is in its text alone.
            .any(|name| name.to_string() == "checkpointProtection")
    });
    if config.enable_expired_log_cleanup() && !protected {
        cleanup_metadata(&table, None).await.map_err(told)?;
    }
    Ok(())
}

/// Commits from one checkpoint to the next. Where the table does not say it, it is what Delta's other
/// writers take: deltalake's own 100 would have readers open 100 entries.
fn checkpoint_interval(table: &DeltaTable, location: &Location) -> Result<u64, Error> {
    const DEFAULT: u64 = 10;
    let snapshot = snapshot(table, location)?;
    let configuration = snapshot.metadata().configuration();
    Ok(match configuration.get("delta.checkpointInterval") {
        Some(_) => snapshot.table_properties().checkpoint_interval().get(),
        None => DEFAULT,
    })
}

/// Whether an entry only writes the same rows anew.
fn is_rewrite(entry: &Bytes) -> bool {
    let lines = entry.split(|byte| *byte == b'\n');
    lines.into_iter().any(|line| {
        let line: Result<Value, _> = serde_json::from_slice(line);
        line.is_ok_and(|line| line["commitInfo"].get(REWRITE).is_some())
    })
}

/// One log entry that does what several did one after the other. What only wrote the same rows anew
/// is marked so, and no change feed tells of it.
///
/// # Errors
/// Where an entry is not what Delta's protocol says, which deltalake wrote a moment ago.
fn squash(entries: &[Bytes]) -> Result<Bytes, serde_json::Error> {
    let mut commit_info = None;
    let mut protocol = None;
    let mut metadata = None;
    // Of each application, and of each domain, the last.
    let mut named: BTreeMap<String, Value> = BTreeMap::new();
    let mut others = Vec::new();
    let mut added: BTreeMap<String, Value> = BTreeMap::new();
    let mut removed: BTreeMap<String, Value> = BTreeMap::new();
    let mut rewritten: HashSet<String> = HashSet::new();
    let mut changed_again = false;
    for entry in entries {
        let rewrite = is_rewrite(entry);
        for line in entry.split(|byte| *byte == b'\n') {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let mut action: Map<String, Value> = serde_json::from_slice(line)?;
            let Some((kind, body)) = action.iter_mut().next() else {
                continue;
            };
            match (kind.as_str(), body.as_object_mut()) {
                ("add" | "remove", Some(file)) if rewrite => {
                    file.insert("dataChange".to_owned(), Value::Bool(false));
                }
                ("commitInfo", Some(info)) => drop(info.remove(REWRITE)),
                _ => {}
            }
            let kind = kind.clone();
            let body = action.values().next().cloned().unwrap_or_default();
            let text = |field: &str| {
                let text = body.get(field).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let path = text("path");
            let line = Value::Object(action.clone());
            match kind.as_str() {
                "commitInfo" => commit_info = Some(line),
                "protocol" => protocol = Some(line),
                "metaData" => metadata = Some(line),
                "txn" => drop(named.insert(format!("txn {}", text("appId")), line)),
                "domainMetadata" => drop(named.insert(format!("domain {}", text("domain")), line)),
                "add" => {
                    if rewrite {
                        rewritten.insert(path.clone());
                    }
                    added.insert(path, line);
                }
                // A file that came and went in between was never part of the table.
                "remove" if added.remove(&path).is_some() => {
                    changed_again |= rewritten.contains(&path);
                }
                "remove" => drop(removed.insert(path, line)),
                _ => others.push(line),
            }
        }
    }
    if changed_again {
        // Rows of the old files changed after all, and who reads files alone has to hear of it.
        for (kind, files) in [("add", &mut added), ("remove", &mut removed)] {
            for line in files.values_mut() {
                line[kind]["dataChange"] = Value::Bool(true);
            }
        }
    }
    let lines = [commit_info, protocol, metadata].into_iter().flatten();
    let lines = lines
        .chain(named.into_values())
        .chain(removed.into_values())
        .chain(added.into_values())
        .chain(others);
    let text: Vec<String> = lines.map(|line| line.to_string()).collect();
    Ok(text.join("\n").into())
}
