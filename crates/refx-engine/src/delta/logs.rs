//! What a run has read of the logs of its tables, so that nothing is read twice.
//!
//! deltalake reads a log anew for each table that it opens, for each operation and for each look at
//! the history. [`Logs`] is a store that answers these reads from memory: the listing of a log is
//! frozen until [`Logs::refresh`] asks for what is new, and a file of a log is read once. So a run
//! sees each table in one state, and its requests do not grow with the history.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::DeltaTable;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::probe::{Broken, probe};

const FOLDER: &str = "_delta_log";
const HINT: &str = "_last_checkpoint";

/// The largest file of a log that is kept in memory.
const LARGEST: u64 = 16 << 20;

/// What all kept files of all logs may take of the memory.
const BUDGET: usize = 256 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Where a file of a log is.
pub(super) struct LogPath {
    /// The table's folder.
    pub(super) table: Path,
    /// The folder of its log.
    log: Path,
    name: String,
}

/// The log that a path belongs to.
pub(super) fn log_of(path: &Path) -> Option<LogPath> {
    let parts: Vec<_> = path.parts().collect();
    let at = parts.iter().position(|part| part.as_ref() == FOLDER)?;
    let name: Vec<&str> = parts[at + 1..].iter().map(AsRef::as_ref).collect();
    Some(LogPath {
        table: parts[..at].iter().cloned().collect(),
        log: parts[..=at].iter().cloned().collect(),
        name: name.join("/"),
    })
}

impl LogPath {
    /// The version of an entry of the log, or of a checkpoint.
    pub(super) fn version(&self) -> Option<u64> {
        let (digits, kind) = self.name.split_once('.')?;
        let is_version = kind == "json" || kind.starts_with("checkpoint.");
        let is_version = is_version && digits.len() == 20;
        is_version.then(|| digits.parse().ok()).flatten()
    }
}

/// A store that remembers the logs of the tables in it, for as long as somebody holds a table's
/// [`Kept`].
pub(super) struct Logs {
    below: Arc<dyn ObjectStore>,
    kept: Arc<Mutex<HashMap<Path, Weak<Kept>>>>,
    /// What was found out of the store, once it was asked.
    proven: OnceCell<std::result::Result<(), Broken>>,
}

/// What is known of one table's log.
#[derive(Default)]
pub(super) struct Kept {
    log: Path,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listing: Option<Listing>,
    files: HashMap<Path, Bytes>,
    tables: BTreeMap<u64, DeltaTable>,
}

/// The files of a log as they were listed.
#[derive(Clone, Default)]
struct Listing {
    /// Files whose paths are greater are all known; all files where it is absent.
    after: Option<Path>,
    files: BTreeMap<Path, ObjectMeta>,
}

impl Listing {
    fn knows(&self, path: &Path) -> bool {
        self.after.as_ref().is_none_or(|after| path > after)
    }

    /// The newest version, with its entry or checkpoint.
    fn newest(&self) -> Option<(u64, &ObjectMeta)> {
        let mut files = self.files.values().rev();
        files.find_map(|file| Some((log_of(&file.location)?.version()?, file)))
    }

    fn has_checkpoint(&self, version: u64) -> bool {
        let name = format!("{version:020}.checkpoint");
        let mut files = self.files.keys();
        files.any(|path| path.filename().is_some_and(|file| file.starts_with(&name)))
    }
}

impl State {
    fn insert(&mut self, path: &Path, bytes: Bytes) {
        let size = bytes.len();
        if HELD.load(Ordering::Relaxed) + size <= BUDGET {
            HELD.fetch_add(size, Ordering::Relaxed);
            self.remove(path);
            self.files.insert(path.clone(), bytes);
        }
    }

    fn remove(&mut self, path: &Path) {
        if let Some(bytes) = self.files.remove(path) {
            HELD.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
    }

    fn clear(&mut self) {
        let held: usize = self.files.drain().map(|(_, bytes)| bytes.len()).sum();
        HELD.fetch_sub(held, Ordering::Relaxed);
        self.listing = None;
        self.tables.clear();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Kept {
    /// Snapshots that are kept: of the version that a run reads, and of the one that it made.
    const TABLES: usize = 2;

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the log has been listed.
    pub(super) fn is_listed(&self) -> bool {
        self.state().listing.is_some()
    }

    /// The newest version as of the last refresh.
    pub(super) fn newest(&self) -> Option<u64> {
        let state = self.state();
        let listing = state.listing.as_ref()?;
        listing.newest().map(|(version, _)| version)
    }

    /// Whether the log speaks of a checkpoint.
    pub(super) fn has_hint(&self) -> bool {
        let state = self.state();
        let hint = self.log.clone().join(HINT);
        let listing = state.listing.as_ref();
        listing.is_some_and(|listing| listing.files.contains_key(&hint))
    }

    /// The files of the log as of the last refresh, from its newest checkpoint on; `None` where it was
    /// not listed.
    pub(super) fn files(&self) -> Option<Vec<ObjectMeta>> {
        let state = self.state();
        let listing = state.listing.as_ref()?;
        Some(listing.files.values().cloned().collect())
    }

    /// The snapshot of a version, where there is one.
    pub(super) fn table(&self, version: u64) -> Option<DeltaTable> {
        self.state().tables.get(&version).cloned()
    }

    /// The newest snapshot that is not newer than the version.
    pub(super) fn table_before(&self, version: u64) -> Option<DeltaTable> {
        let state = self.state();
        let mut before = state.tables.range(..=version);
        before.next_back().map(|(_, table)| table.clone())
    }

    pub(super) fn keep(&self, table: &DeltaTable) {
        let Some(version) = table.version() else {
            return;
        };
        let mut state = self.state();
        state.tables.insert(version, table.clone());
        while state.tables.len() > Kept::TABLES {
            state.tables.pop_first();
        }
    }

    /// Forgets everything: what comes next is asked of the store.
    pub(super) fn forget(&self) {
        self.state().clear();
    }

    /// Adds what was listed after a path. False where the newest entry that was known is not what it
    /// was: the log is another one.
    fn adopt(&self, after: &Path, found: Vec<ObjectMeta>) -> bool {
        let mut state = self.state();
        let Some(listing) = state.listing.clone() else {
            return false;
        };
        let is_there = listing.newest().is_some_and(|(_, known)| {
            let mut found = found.iter();
            found.any(|file| file.location == known.location && is_same(file, known))
        });
        if !is_there {
            return false;
        }
        let changed = found.iter().filter(|file| {
            let known = listing.files.get(&file.location);
            known.is_none_or(|known| !is_same(file, known))
        });
        for file in changed {
            state.remove(&file.location);
        }
        if let Some(listing) = &mut state.listing {
            listing.files.retain(|path, _| path <= after);
            let found = found.into_iter();
            listing
                .files
                .extend(found.map(|file| (file.location.clone(), file)));
        }
        true
    }
}

/// Whether two looks at a path saw one file.
fn is_same(one: &ObjectMeta, two: &ObjectMeta) -> bool {
    let tags = one.e_tag.as_ref().zip(two.e_tag.as_ref());
    one.size == two.size && tags.is_none_or(|(one, two)| one == two)
}

impl Logs {
    pub(super) fn new(below: Arc<dyn ObjectStore>) -> Logs {
        Logs {
            below,
            kept: Arc::default(),
            proven: OnceCell::new(),
        }
    }

    /// Finds out once in a process whether the store can hold a log.
    pub(super) async fn prove(&self, folder: &Path) -> Result<std::result::Result<(), Broken>> {
        let probe = || probe(self.below.as_ref(), folder);
        self.proven.get_or_try_init(probe).await.cloned()
    }

    /// What is known of a table's log; shared by all who hold it.
    pub(super) fn of(&self, table: &Path) -> Arc<Kept> {
        let log = table.clone().join(FOLDER);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&log).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(Kept {
            log: log.clone(),
            state: Mutex::default(),
        });
        kept.retain(|_, known| known.strong_count() > 0);
        kept.insert(log, Arc::downgrade(&new));
        new
    }

    /// Asks for what is new in a log: one listing of what came after the newest known entry.
    pub(super) async fn refresh(&self, kept: &Kept) -> Result<()> {
        let known = kept.newest();
        if let Some(version) = known {
            // Less than the entry of the version, which so comes along.
            let after = kept.log.clone().join(format!("{version:020}"));
            let found = self.below.list_with_offset(Some(&kept.log), &after);
            let found: Vec<ObjectMeta> = found.try_collect().await?;
            if kept.adopt(&after, found) {
                return Ok(());
            }
        }
        kept.forget();
        self.list_log(kept).await
    }

    /// Lists a log from its newest checkpoint on, or as a whole where it has none.
    async fn list_log(&self, kept: &Kept) -> Result<()> {
        let path = kept.log.clone().join(HINT);
        let hint = match self.below.get(&path).await {
            Ok(found) => Some(found.bytes().await?),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let version = hint.as_ref().and_then(|hint| {
            let hint: serde_json::Value = serde_json::from_slice(hint).ok()?;
            hint.get("version")?.as_u64()
        });
        let mut listing = Listing::default();
        if let Some(version) = version {
            let after = kept.log.clone().join(format!("{version:020}"));
            let found = self.below.list_with_offset(Some(&kept.log), &after);
            let found = listed(found).await?;
            let from_checkpoint = Listing {
                after: Some(after),
                files: found,
            };
            if from_checkpoint.has_checkpoint(version) {
                listing = from_checkpoint;
            }
        }
        if listing.files.is_empty() {
            listing.files = listed(self.below.list(Some(&kept.log))).await?;
        }
        let mut state = kept.state();
        state.clear();
        if let Some(hint) = hint
            && listing.files.contains_key(&path)
        {
            state.insert(&path, hint);
        }
        state.listing = Some(listing);
        Ok(())
    }

    fn find(&self, log: &LogPath) -> Option<Arc<Kept>> {
        find(&self.kept, log)
    }

    /// A listing that the memory can answer.
    fn remembered(&self, prefix: Option<&Path>, after: Option<&Path>) -> Option<Vec<ObjectMeta>> {
        let log = log_of(prefix?).filter(|log| log.name.is_empty())?;
        let kept = self.find(&log)?;
        let state = kept.state();
        let listing = state.listing.as_ref()?;
        let files = listing.files.values();
        match after {
            None if listing.after.is_some() => None,
            None => Some(files.cloned().collect()),
            Some(after) if listing.after.as_ref().is_some_and(|known| after < known) => None,
            Some(after) => Some(
                files
                    .filter(|file| file.location > *after)
                    .cloned()
                    .collect(),
            ),
        }
    }

    /// A file of a log, from memory or read as a whole and remembered. `None` where it is not for the
    /// memory.
    async fn read(&self, at: &Path) -> Result<Option<(ObjectMeta, Bytes)>> {
        let Some(log) = log_of(at) else {
            return Ok(None);
        };
        let Some(kept) = self.find(&log) else {
            return Ok(None);
        };
        let meta = {
            let state = kept.state();
            let Some(listing) = &state.listing else {
                return Ok(None);
            };
            match (listing.files.get(at), state.files.get(at)) {
                (Some(meta), Some(bytes)) => return Ok(Some((meta.clone(), bytes.clone()))),
                (Some(meta), None) if meta.size <= LARGEST => meta.clone(),
                (None, _) if log.name == HINT && listing.knows(at) => {
                    return Err(Error::NotFound {
                        path: at.to_string(),
                        source: "it was not listed".into(),
                    });
                }
                _ => return Ok(None),
            }
        };
        let bytes = self.below.get(at).await?.bytes().await?;
        kept.state().insert(at, bytes.clone());
        let size = bytes.len() as u64;
        Ok(Some((ObjectMeta { size, ..meta }, bytes)))
    }
}

fn find(kept: &Mutex<HashMap<Path, Weak<Kept>>>, log: &LogPath) -> Option<Arc<Kept>> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get(&log.log).and_then(Weak::upgrade)
}

async fn listed(
    files: BoxStream<'static, Result<ObjectMeta>>,
) -> Result<BTreeMap<Path, ObjectMeta>> {
    let files: Result<Vec<ObjectMeta>> = files.try_collect().await;
    match files {
        Ok(files) => Ok(files
            .into_iter()
            .map(|file| (file.location.clone(), file))
            .collect()),
        Err(Error::NotFound { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn all(found: Vec<ObjectMeta>) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::iter(found.into_iter().map(Ok)).boxed()
}

/// The files of a log in the order of their names. The kernel sorts them only where the URL is `file://`,
/// and it knows a local table in an oddly named folder by another URL.
fn in_order(
    prefix: Option<&Path>,
    files: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    if prefix.and_then(log_of).is_none() {
        return files;
    }
    stream::once(listed(files))
        .map_ok(|files| stream::iter(files.into_values().map(Ok)))
        .try_flatten()
        .boxed()
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logs({:?})", self.below)
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.below.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Logs {
    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        let Some(log) = log_of(at) else {
            return self.below.put_opts(at, payload, how).await;
        };
        let create = how.mode == PutMode::Create;
        let done = self.below.put_opts(at, payload.clone(), how).await;
        let Some(kept) = self.find(&log) else {
            return done;
        };
        match &done {
            // The checkpoint that it names was not listed either: the next refresh finds both.
            Ok(_) if log.name == HINT => {}
            Ok(result) => {
                let bytes = Bytes::from(payload);
                let meta = ObjectMeta {
                    location: at.clone(),
                    last_modified: chrono::Utc::now(),
                    size: bytes.len() as u64,
                    e_tag: result.e_tag.clone(),
                    version: result.version.clone(),
                };
                let mut state = kept.state();
                state.remove(at);
                if let Some(listing) = &mut state.listing {
                    listing.files.insert(at.clone(), meta);
                    state.insert(at, bytes);
                }
            }
            // Another writer was first; the next refresh finds what it wrote.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if create => {}
            Err(_) => kept.forget(),
        }
        done
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // A checkpoint: reads go on without it, and the next refresh finds it.
        self.below.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let is_plain = how.if_match.is_none()
            && how.if_none_match.is_none()
            && how.if_modified_since.is_none()
            && how.if_unmodified_since.is_none()
            && how.version.is_none()
            && !how.head;
        if !is_plain {
            return self.below.get_opts(at, how).await;
        }
        let Some((meta, bytes)) = self.read(at).await? else {
            return self.below.get_opts(at, how).await;
        };
        let range = match &how.range {
            None => 0..meta.size,
            Some(range) => range.as_range(meta.size).map_err(|error| Error::Generic {
                store: "Logs",
                source: Box::new(error),
            })?,
        };
        let part = slice(&bytes, &range);
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(part) }).boxed()),
            meta,
            range,
            attributes: Default::default(),
        })
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.read(at).await? {
            Some((meta, bytes)) if ranges.iter().all(|range| range.end <= meta.size) => {
                Ok(ranges.iter().map(|range| slice(&bytes, range)).collect())
            }
            _ => self.below.get_ranges(at, ranges).await,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let kept = Arc::clone(&self.kept);
        let removed = self.below.delete_stream(paths);
        removed
            .inspect_ok(move |path| {
                let known = log_of(path).and_then(|log| find(&kept, &log));
                if let Some(known) = known {
                    let mut state = known.state();
                    state.remove(path);
                    if let Some(listing) = &mut state.listing {
                        listing.files.remove(path);
                    }
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.remembered(prefix, None) {
            Some(found) => all(found),
            None => in_order(prefix, self.below.list(prefix)),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.remembered(prefix, Some(offset)) {
            Some(found) => all(found),
            None => in_order(prefix, self.below.list_with_offset(prefix, offset)),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        if let Some(kept) = log_of(to).and_then(|log| self.find(&log)) {
            kept.forget();
        }
        self.below.copy_opts(from, to, how).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, how: RenameOptions) -> Result<()> {
        for path in [from, to] {
            if let Some(kept) = log_of(path).and_then(|log| self.find(&log)) {
                kept.forget();
            }
        }
        self.below.rename_opts(from, to, how).await
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(bytes.len());
    let end = end.min(bytes.len());
    let start = usize::try_from(range.start).unwrap_or(end).min(end);
    bytes.slice(start..end)
}
