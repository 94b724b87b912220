//! Removes the files that no reader can need any more.
//!
//! What may go is decided here and not by deltalake: its own operation knows of files that were
//! removed only what the last checkpoint remembers, takes another table that lies in the folder for
//! waste, and sees no files that a killed writer of the local disk left half-written.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake::kernel::transaction::CommitBuilder;
use deltalake::logstore::object_store;
use deltalake::protocol::DeltaOperation;
use deltalake::table::config::TablePropertiesExt;
use deltalake::{DeltaTable, DeltaTableError, ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::super::inspect::{signed, snapshot};
use super::{ATTEMPTS, Error, Location, carried, log, strict, writable};

/// Clocks of writers differ, and so the log is read so much further than the retention reaches.
const SKEW: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Debug)]
pub struct Vacuum {
    /// Files that some version of this span reads are kept. The table's own retention when absent.
    pub retention: Option<Duration>,
    /// Allows a retention below the table's own.
    pub force: bool,
    pub dry_run: bool,
    pub run_id: String,
}

/// What a vacuum removed, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacuumed {
    /// Relative to the table, sorted.
    pub files: Vec<String>,
    pub bytes: u64,
    pub retention: Duration,
    /// The version of its last commit; `None` where nothing was removed.
    pub version: Option<i64>,
}

/// Removes what no version within the retention reads: files that commits took out of the table,
/// change data, and what failed or killed writes left behind. Only Parquet files are looked at, only
/// those that are older than the retention are removed, and what lies in folders of other tables, or
/// in folders whose names begin with `_` or `.`, is left alone.
///
/// # Errors
/// [`Error::Refused`] for a retention below the table's own, unless `force` is set.
pub async fn vacuum(location: &Location, options: &Vacuum) -> Result<Vacuumed, Error> {
    for _ in 0..ATTEMPTS {
        let table = writable(location).await?;
        let own = snapshot(&table, location)?.table_properties();
        let own = own.deleted_file_retention_duration();
        let retention = options.retention.unwrap_or(own);
        if retention < own && !options.force {
            return Err(too_short(retention, own));
        }
        let waste = waste(&table, location, retention).await?;
        let mut done = Vacuumed {
            files: waste.names(),
            bytes: waste.bytes(),
            retention,
            version: None,
        };
        if options.dry_run || done.files.is_empty() {
            return Ok(done);
        }
        let last = log::last(&table, location).await?;
        let info = carried(&last, &options.run_id);
        let start = DeltaOperation::VacuumStart {
            retention_check_enabled: !options.force,
            specified_retention_millis: Some(millis(retention)),
            default_retention_millis: millis(own),
        };
        let metrics = json!({
            "numFilesToDelete": done.files.len(),
            "sizeOfDataToDelete": done.bytes,
        });
        let info = info
            .into_iter()
            .chain([("operationMetrics".into(), metrics)]);
        match commit(&table, location, info, start).await {
            Ok(version) => done.version = Some(version),
            // Nothing is removed yet, and another commit may need what was waste.
            Err(Error::Conflict { .. }) => continue,
            Err(error) => return Err(error),
        }
        waste.remove(&table, location).await?;
        done.version = finish(location, options, done.files.len())
            .await?
            .or(done.version);
        return Ok(done);
    }
    Err(Error::Conflict {
        location: location.shown(),
    })
}

fn too_short(retention: Duration, own: Duration) -> Error {
    Error::Refused {
        what: format!(
            "a retention of {} is shorter than the {} for which the table keeps its files",
            spoken(retention),
            spoken(own)
        ),
        help: "leave `--retention` out; `--force` allows it, and then whoever reads an older \
               version or writes at this moment may lose the files"
            .to_owned(),
    }
}

/// `7 days`, `36 hours`, `0 seconds`
fn spoken(span: Duration) -> String {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        0 => (0, "second"),
        s if s % 86400 == 0 => (s / 86400, "day"),
        s if s % 3600 == 0 => (s / 3600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// One commit of no files on top of the table as it was opened.
pub(super) async fn commit(
    table: &DeltaTable,
    location: &Location,
    info: impl IntoIterator<Item = (String, Value)>,
    operation: DeltaOperation,
) -> Result<i64, Error> {
    let told = |error| Error::from_delta(error, location);
    location.prove().await?;
    let state = table.snapshot().map_err(told)?;
    let done = CommitBuilder::from(strict(info))
        .build(Some(state), table.log_store(), operation)
        .await
        .map_err(told)?;
    Ok(signed(done.version()))
}

/// The commit that says that all is removed. Where others keep committing it is left out: nothing
/// depends on it.
async fn finish(location: &Location, options: &Vacuum, files: usize) -> Result<Option<i64>, Error> {
    for _ in 0..ATTEMPTS {
        let table = writable(location).await?;
        let last = log::last(&table, location).await?;
        let metrics = json!({"numDeletedFiles": files, "numVacuumedDirectories": 0});
        let info = carried(&last, &options.run_id)
            .into_iter()
            .chain([("operationMetrics".into(), metrics)]);
        let end = DeltaOperation::VacuumEnd {
            status: "COMPLETED".to_owned(),
        };
        match commit(&table, location, info, end).await {
            Ok(version) => return Ok(Some(version)),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Files to remove.
#[derive(Default)]
struct Waste {
    files: Vec<(Path, u64)>,
    /// Half-written files of the local disk, which its store does not show.
    partial: Vec<(PathBuf, String, u64)>,
}

impl Waste {
    fn names(&self) -> Vec<String> {
        let files = self.files.iter().map(|(path, _)| path.to_string());
        let partial = self.partial.iter().map(|(_, name, _)| name.clone());
        let mut names: Vec<String> = files.chain(partial).collect();
        names.sort();
        names
    }

    fn bytes(&self) -> u64 {
        let files = self.files.iter().map(|(_, bytes)| bytes);
        let partial = self.partial.iter().map(|(_, _, bytes)| bytes);
        files.chain(partial).sum()
    }

    /// A file that is gone already is no error: another vacuum may be at work.
    async fn remove(self, table: &DeltaTable, location: &Location) -> Result<(), Error> {
        let paths = stream::iter(self.files.into_iter().map(|(path, _)| Ok(path)));
        let store = table.log_store().object_store(None);
        let mut removed = store.delete_stream(paths.boxed());
        while let Some(result) = removed.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::from_delta(error.into(), location)),
            }
        }
        for (path, name, _) in self.partial {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&name, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What can go: older than the retention, and read by no version within it.
async fn waste(
    table: &DeltaTable,
    location: &Location,
    retention: Duration,
) -> Result<Waste, Error> {
    let told = |error| Error::from_delta(error, location);
    let cutoff = Utc::now()
        .checked_sub_signed(chrono::Duration::from_std(retention).unwrap_or(chrono::Duration::MAX))
        .unwrap_or(DateTime::<Utc>::MIN_UTC);
    let kept = kept(table, location, cutoff).await?;
    let snapshot = snapshot(table, location)?;
    let partitions = snapshot.metadata().partition_columns();
    let store = table.log_store().object_store(None);
    let listed: Vec<ObjectMeta> = store
        .list(None)
        .try_collect()
        .await
        .map_err(|error| told(DeltaTableError::from(error)))?;
    let others = other_tables(&listed);
    let files = listed.into_iter().filter(|file| {
        let path = &file.location;
        path.as_ref().ends_with(".parquet")
            && file.last_modified < cutoff
            && !kept.contains(path)
            && !is_hidden(path, partitions)
            && !others.iter().any(|other| path.prefix_matches(other))
    });
    Ok(Waste {
        files: files.map(|file| (file.location, file.size)).collect(),
        partial: partial(location, cutoff, &others)?,
    })
}

/// The files that versions from `cutoff` on read.
async fn kept(
    table: &DeltaTable,
    location: &Location,
    cutoff: DateTime<Utc>,
) -> Result<HashSet<Path>, Error> {
    let told = |error| Error::from_delta(error, location);
    let state = table.snapshot().map_err(told)?;
    let live = state.snapshot().log_data();
    let mut kept: HashSet<Path> = live.iter().map(|file| file.object_store_path()).collect();
    let mut entries = log::newest_first(table, location)?;
    let reach = cutoff
        .checked_sub_signed(chrono::Duration::from_std(SKEW).unwrap_or_default())
        .unwrap_or(cutoff);
    while let Some(entry) = entries.try_next().await? {
        for removed in &entry.removed {
            if entry.at.max(removed.at.unwrap_or(entry.at)) >= cutoff {
                keep(&mut kept, &removed.path);
            }
        }
        if entry.at >= cutoff {
            for path in &entry.change_data {
                keep(&mut kept, path);
            }
        }
        if entry.at < reach {
            break;
        }
    }
    // Where the log ends before the retention does, a checkpoint may remember more.
    let log = table.log_store();
    let mut tombstones = state.all_tombstones(log.as_ref());
    while let Some(tombstone) = tombstones.try_next().await.map_err(told)? {
        let at = tombstone.deletion_timestamp();
        if at.is_some_and(|at| at >= cutoff.timestamp_millis()) {
            keep(&mut kept, &tombstone.path());
        }
    }
    Ok(kept)
}

/// Keeps a path of the log, in which characters may stand as `%20`. Some writers encode paths and
/// some do not: both readings are kept.
fn keep(kept: &mut HashSet<Path>, path: &str) {
    kept.extend(Path::parse(path));
    kept.extend(Path::from_url_path(path));
}

/// Folders below this one that are tables themselves.
fn other_tables(listed: &[ObjectMeta]) -> HashSet<Path> {
    let tables = listed.iter().filter_map(|file| {
        let (folder, _) = file.location.as_ref().split_once("/_delta_log/")?;
        Path::parse(folder).ok()
    });
    tables.collect()
}

/// Whether a folder on the way to the file, or the file itself, is hidden: its name begins with `_`
/// or `.`, and it is neither change data nor a partition.
fn is_hidden(path: &Path, partitions: &[String]) -> bool {
    path.parts().enumerate().any(|(depth, part)| {
        let part = part.as_ref();
        let is_partition = partitions.iter().any(|column| {
            let value = part.strip_prefix(column.as_str());
            value.is_some_and(|value| value.starts_with('='))
        });
        let is_change_data = depth == 0 && part == "_change_data";
        part.starts_with(['_', '.']) && !is_partition && !is_change_data
    })
}

/// Files that a killed writer left half-written on the local disk: they are named after the file
/// that they were to be, with `#` and a number.
fn partial(
    location: &Location,
    cutoff: DateTime<Utc>,
    others: &HashSet<Path>,
) -> Result<Vec<(PathBuf, String, u64)>, Error> {
    let Some(root) = location.path() else {
        return Ok(Vec::new());
    };
    let is_other = |path: &std::path::Path| {
        let relative = path.strip_prefix(&root).unwrap_or(path).to_string_lossy();
        Path::parse(relative).is_ok_and(|path| others.contains(&path))
    };
    let mut found = Vec::new();
    let walk = WalkDir::new(&root)
        .into_iter()
        .filter_entry(|entry| !is_other(entry.path()));
    for entry in walk {
        let Ok(entry) = entry else {
            // What another vacuum removes meanwhile needs no look.
            continue;
        };
        let name = entry.file_name().to_string_lossy();
        let Some((whole, number)) = name.rsplit_once('#') else {
            continue;
        };
        let known = whole.ends_with(".parquet") || whole.ends_with(".json");
        let numbered = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let old = metadata
            .modified()
            .is_ok_and(|modified| DateTime::<Utc>::from(modified) < cutoff);
        if known && numbered && old && metadata.is_file() {
            let shown = entry.path().strip_prefix(&root).unwrap_or(entry.path());
            let shown = shown.to_string_lossy().into_owned();
            found.push((entry.path().to_owned(), shown, metadata.len()));
        }
    }
    Ok(found)
}
