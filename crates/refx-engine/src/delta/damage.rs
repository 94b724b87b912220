//! Which file of a log is torn or gone: looked for only once the log could not be read.
//!
//! deltalake says what is wrong and not where. The files of the log say it themselves, by their names
//! and by how they begin and end.

use std::collections::BTreeMap;

use datafusion::object_store::path::Path;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::{DeltaTable, ObjectStoreError};
use futures::TryStreamExt;
use serde_json::Value;

use super::inspect::{open, snapshot};
use super::{Error, Location};

/// What is broken, with its file or version; `what` as it is where nothing is found.
pub(super) async fn named(table: &DeltaTable, what: String) -> String {
    let store = table.log_store().object_store(None);
    match Log::list(&store).await {
        Some(log) => match log.broken(&store).await {
            Some(found) => found,
            None => log.blamed(what),
        },
        None => what,
    }
}

/// The data file of the table that cannot be decoded. Parquet's reader says what is wrong and not
/// where; it is looked for only once a query has failed so.
pub async fn damaged(location: &Location, version: Option<i64>) -> Option<Error> {
    let table = open(location, version).await.ok()??;
    let store = table.log_store().object_store(None);
    let files = snapshot(&table, location).ok()?.log_data();
    let paths: Vec<String> = files.iter().map(|file| file.path().to_string()).collect();
    for path in paths {
        let bytes = store
            .get(&Path::parse(&path).ok()?)
            .await
            .ok()?
            .bytes()
            .await;
        let bytes = bytes.ok()?;
        let whole = tokio::task::spawn_blocking(move || {
            let rows =
                ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|file| file.build());
            rows.is_ok_and(|mut rows| rows.all(|batch| batch.is_ok()))
        });
        if !matches!(whole.await, Ok(true)) {
            return Some(Error::Corrupt {
                location: location.shown(),
                what: format!("its data file `{path}` cannot be read"),
            });
        }
    }
    None
}

/// A version without a byte. deltalake takes it for one without changes: what it removed would be back,
/// and keys with it that are there already.
pub(super) fn empty_version(location: &Location, version: u64) -> Option<String> {
    let files = location.opened().ok()?.kept.files()?;
    let log = Log::of(files);
    let first = log.after_checkpoint();
    let mut needed = log.commits.range(first..=version.max(first));
    needed
        .find(|(_, (_, size))| *size == 0)
        .map(|(version, (path, _))| format!("`{}`, its version {version}, is empty", short(path)))
}

/// The names in a log.
struct Log {
    /// By version, with their sizes in bytes.
    commits: BTreeMap<u64, (Path, u64)>,
    /// The newest checkpoint that the log has.
    checkpoint: Option<(u64, Path)>,
}

impl Log {
    async fn list(store: &dyn ObjectStore) -> Option<Log> {
        let folder = Path::from("_delta_log");
        let files: Vec<_> = store.list(Some(&folder)).try_collect().await.ok()?;
        Some(Log::of(files))
    }

    fn of(files: Vec<ObjectMeta>) -> Log {
        let mut log = Log {
            commits: BTreeMap::new(),
            checkpoint: None,
        };
        for file in files {
            let name = file.location.filename().unwrap_or_default();
            let Some((Ok(version), kind)) = name
                .split_once('.')
                .map(|(version, kind)| (version.parse(), kind))
            else {
                continue;
            };
            if kind == "json" {
                log.commits.insert(version, (file.location, file.size));
            } else if kind.starts_with("checkpoint.")
                && log
                    .checkpoint
                    .as_ref()
                    .is_none_or(|(last, _)| *last < version)
            {
                log.checkpoint = Some((version, file.location));
            }
        }
        log
    }

    /// The first version that is read as a commit of its own.
    fn after_checkpoint(&self) -> u64 {
        self.checkpoint
            .as_ref()
            .map_or(0, |(version, _)| version + 1)
    }

    async fn broken(&self, store: &dyn ObjectStore) -> Option<String> {
        let hinted = hinted(store).await;
        if let Some(hinted) = hinted
            && self
                .checkpoint
                .as_ref()
                .is_none_or(|(version, _)| *version < hinted)
        {
            return Some(format!("its checkpoint of version {hinted} is gone"));
        }
        if let Some((_, path)) = &self.checkpoint
            && path.as_ref().ends_with(".parquet")
            && !is_whole_parquet(store, path).await?
        {
            return Some(format!("its checkpoint `{}` is torn", short(path)));
        }
        let first = self.after_checkpoint();
        for (expected, (version, (path, _))) in (first..).zip(self.commits.range(first..)) {
            if *version != expected {
                return Some(format!("version {expected} is missing from its log"));
            }
            let text = store.get(path).await.ok()?.bytes().await.ok()?;
            if text.iter().all(u8::is_ascii_whitespace) {
                return Some(format!(
                    "`{}`, its version {version}, is empty",
                    short(path)
                ));
            }
            for line in text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                if let Err(error) = serde_json::from_slice::<Value>(line) {
                    let why = match error.is_eof() {
                        true => "breaks off",
                        false => "is not valid JSON",
                    };
                    return Some(format!("`{}`, its version {version}, {why}", short(path)));
                }
            }
        }
        None
    }

    /// What the log's reader said of a checkpoint, with the checkpoint's name.
    fn blamed(&self, what: String) -> String {
        match &self.checkpoint {
            Some((_, path)) if what.contains("arquet") || what.contains("heckpoint") => {
                format!("its checkpoint `{}` cannot be read: {what}", short(path))
            }
            _ => what,
        }
    }
}

/// The version of the checkpoint that `_last_checkpoint` speaks of.
async fn hinted(store: &dyn ObjectStore) -> Option<u64> {
    let path = Path::from("_delta_log/_last_checkpoint");
    let text = store.get(&path).await.ok()?.bytes().await.ok()?;
    let hint: Value = serde_json::from_slice(&text).ok()?;
    hint.get("version")?.as_u64()
}

/// Whether a file begins and ends as one of Parquet does, with room for the footer that it tells of.
/// `None` where it cannot be read at all.
async fn is_whole_parquet(store: &dyn ObjectStore, path: &Path) -> Option<bool> {
    const MAGIC: &[u8] = b"PAR1";
    let size = store.head(path).await.ok()?.size;
    if size < 12 {
        return Some(false);
    }
    let head = store.get_range(path, 0..4).await.ok()?;
    let tail = store.get_range(path, size - 8..size).await.ok()?;
    let footer = tail.first_chunk::<4>().copied().map(u32::from_le_bytes)?;
    Some(*head == *MAGIC && tail.ends_with(MAGIC) && u64::from(footer) + 12 <= size)
}

fn short(path: &Path) -> &str {
    path.filename().unwrap_or_default()
}

/// What a remote store says of a call that it did not answer, in an error of whatever depth. It says
/// nothing of the table.
pub(super) fn unanswered(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    /// Its errors tell of files.
    const LOCAL: &str = "LocalFileSystem";
    const GENERIC: &str = "Generic ";
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<ObjectStoreError>() {
            Some(found @ ObjectStoreError::Generic { store, .. }) if *store != LOCAL => {
                return Some(found.to_string());
            }
            _ => {}
        }
        next = match error.downcast_ref::<std::io::Error>() {
            // Its `source` skips the error that it holds.
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    // The log's reader and the readers of Parquet hand it on as text.
    let text = error.to_string();
    let said = ["object store: ", "Object Store error: "];
    let said = said.iter().find_map(|before| text.split_once(before));
    let said = said.map(|(_, said)| said.lines().next().unwrap_or_default())?;
    let store = said.strip_prefix(GENERIC)?;
    (!store.starts_with(LOCAL)).then(|| said.to_owned())
}
