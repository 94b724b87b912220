//! A checkpoint of the present version, so that readers need not read the whole log.

use deltalake::DeltaTableError;
use deltalake::checkpoints::create_checkpoint;
use deltalake::logstore::object_store::path::Path;
use futures::TryStreamExt;

use super::super::inspect::snapshot;
use super::{Error, Location, writable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The table's version.
    pub version: i64,
    /// Whether there was none of this version.
    pub missing: bool,
}

/// Writes a checkpoint of the table's version, unless there is one or it is a dry run.
pub async fn checkpoint(location: &Location, dry_run: bool) -> Result<Checkpoint, Error> {
    let told = |error| Error::from_delta(error, location);
    let table = writable(location).await?;
    let version = snapshot(&table, location)?.version();
    let log = table.log_store();
    let files: Vec<_> = log
        .object_store(None)
        .list(Some(&Path::from("_delta_log")))
        .try_collect()
        .await
        .map_err(|error| told(DeltaTableError::from(error)))?;
    let prefix = format!("{version:020}.checkpoint.");
    let is_there = files.iter().any(|file| {
        let name = file.location.filename();
        name.is_some_and(|name| name.starts_with(&prefix))
    });
    if !is_there && !dry_run {
        create_checkpoint(&table, None).await.map_err(told)?;
    }
    Ok(Checkpoint {
        version: super::super::inspect::signed(version),
        missing: !is_there,
    })
}
