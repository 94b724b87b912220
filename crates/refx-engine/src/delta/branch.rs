//! A private branch of a table's log.
//!
//! deltalake's operations write data files and then a log entry, at once. On a branch the data files
//! go where they belong and the log entries stay in memory: the operation sees its commit as made,
//! the table as every other reader sees it is what it was. So the table that a commit would leave can
//! be read, by the very code that reads tables, before anyone else can.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::logstore::object_store::memory::InMemory;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

/// A store whose writes below one `_delta_log` are held back.
#[derive(Debug)]
pub(super) struct Branch {
    /// Rooted where the store is, not at the table.
    below: Arc<dyn ObjectStore>,
    /// The folder of the log.
    log: Path,
    held: InMemory,
    /// The version that the branch begins at, once it is known; `None` inside where there was no
    /// table. What other writers commit after it is hidden.
    base: OnceLock<Option<u64>>,
    /// Data files that were written through the branch.
    written: Mutex<Vec<Path>>,
    /// Whether a put that failed is surely not done where nothing is found of it. What is on its way
    /// to a remote store can still arrive.
    local: bool,
}

/// Why an entry is not known to be in the log.
#[derive(Debug)]
pub(super) enum Unpublished {
    /// Another writer's entry is there.
    Overtaken,
    /// It is not there.
    Failed(Error),
    /// The log could not be read to find out.
    Unknown(Error),
}

impl Branch {
    /// `root` is the table's folder in the store.
    pub(super) fn new(below: Arc<dyn ObjectStore>, root: &Path, local: bool) -> Branch {
        Branch {
            below,
            log: root.clone().join("_delta_log"),
            held: InMemory::new(),
            base: OnceLock::new(),
            written: Mutex::default(),
            local,
        }
    }

    /// Hides what others commit from now on.
    pub(super) fn begin(&self, base: Option<u64>) {
        let _ = self.base.set(base);
    }

    /// The log entries that were held back, oldest first.
    pub(super) async fn entries(&self) -> Result<Vec<Bytes>> {
        let mut found: Vec<ObjectMeta> = self.held.list(Some(&self.log)).try_collect().await?;
        found.retain(|entry| version(&entry.location).is_some());
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let mut entries = Vec::with_capacity(found.len());
        for entry in found {
            entries.push(self.held.get(&entry.location).await?.bytes().await?);
        }
        Ok(entries)
    }

    /// Makes the entry of a version visible to everyone, if no other writer was first.
    pub(super) async fn publish(&self, version: u64, entry: Bytes) -> Result<(), Unpublished> {
        let path = self.log.clone().join(format!("{version:020}.json"));
        let put = PutOptions::from(deltalake::logstore::object_store::PutMode::Create);
        let Err(error) = self.below.put_opts(&path, entry.clone().into(), put).await else {
            return Ok(());
        };
        // A store that lost its own answer may have taken the entry, and a second try of its client
        // then finds it there: only the log knows.
        match self.look(&path).await {
            Ok(found) if found == entry => Ok(()),
            Ok(_) => Err(Unpublished::Overtaken),
            Err(Error::NotFound { .. }) => {
                if !self.local {
                    self.keep();
                }
                Err(Unpublished::Failed(error))
            }
            Err(_) => {
                self.keep();
                Err(Unpublished::Unknown(error))
            }
        }
    }

    /// Reads an entry of the log, more than once if need be.
    async fn look(&self, path: &Path) -> Result<Bytes> {
        const WAITS: [u64; 3] = [20, 200, 1000];
        let read = || async { self.below.get(path).await?.bytes().await };
        let mut found = read().await;
        for wait in WAITS {
            match &found {
                Ok(_) | Err(Error::NotFound { .. }) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(wait)).await,
            }
            found = read().await;
        }
        found
    }

    /// Gives the data files up to a commit that may be there: without them it could not be read.
    fn keep(&self) {
        self.lock().clear();
    }

    /// Removes the data files that were written, where they are of no use. What cannot be removed
    /// is left to `refx vacuum`.
    pub(super) async fn discard(&self) {
        let written = std::mem::take(&mut *self.lock());
        let written = stream::iter(written.into_iter().map(Ok)).boxed();
        let _: Vec<_> = self.below.delete_stream(written).collect().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Path>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_log(&self, path: &Path) -> bool {
        path.prefix_matches(&self.log)
    }

    /// Whether the path is a commit of another writer that came after the branch began.
    fn is_hidden(&self, path: &Path) -> bool {
        let (Some(base), true) = (self.base.get(), self.is_log(path)) else {
            return false;
        };
        match (version(path), base) {
            (Some(version), Some(base)) => version > *base,
            // A hint at a checkpoint: the one that it names may be hidden.
            (None, _) => path.filename() == Some("_last_checkpoint"),
            (Some(_), None) => true,
        }
    }

    /// What is there and what is held back, in the order of the names.
    fn merged(
        &self,
        below: BoxStream<'static, Result<ObjectMeta>>,
        held: BoxStream<'static, Result<ObjectMeta>>,
        log: bool,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        if !log {
            return below;
        }
        let base = self.base.get().copied();
        let shown = move |path: &Path| match (version(path), base) {
            (Some(version), Some(base)) => base.is_some_and(|base| version <= base),
            _ => true,
        };
        stream::once(async move {
            let mut all: Vec<ObjectMeta> = match below.try_collect().await {
                Ok(all) => all,
                // A table that is being made has no folder yet.
                Err(Error::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            all.retain(|found| shown(&found.location));
            all.extend(held.try_collect::<Vec<_>>().await?);
            all.sort_by(|a, b| a.location.cmp(&b.location));
            Ok(stream::iter(all.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }

    /// Whether a listing below the prefix has to do with the log.
    fn touches_log(&self, prefix: Option<&Path>) -> bool {
        prefix.is_none_or(|prefix| self.is_log(prefix) || self.log.prefix_matches(prefix))
    }
}

/// The version that a file of the log is of: `00000000000000000007.json`, or a checkpoint of it.
fn version(path: &Path) -> Option<u64> {
    const DIGITS: usize = 20;
    let name = path.filename()?;
    // Several versions in one file, as `from.to.compacted.json`, are of the last of them.
    if let Some(versions) = name.strip_suffix(".compacted.json") {
        let (_, last) = versions.split_once('.')?;
        return (last.len() == DIGITS).then(|| last.parse().ok()).flatten();
    }
    let (digits, rest) = name.split_at_checked(DIGITS)?;
    rest.starts_with('.').then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a branch of {}", self.below)
    }
}

#[async_trait]
impl ObjectStore for Branch {
    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        if self.is_log(at) {
            return self.held.put_opts(at, payload, how).await;
        }
        self.lock().push(at.clone());
        self.below.put_opts(at, payload, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.is_log(at) {
            return self.held.put_multipart_opts(at, how).await;
        }
        self.lock().push(at.clone());
        self.below.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        if self.is_log(at) {
            match self.held.get_opts(at, how.clone()).await {
                Err(Error::NotFound { .. }) if !self.is_hidden(at) => {}
                found => return found,
            }
        }
        self.below.get_opts(at, how).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.is_log(at) {
            match self.held.get_ranges(at, ranges).await {
                Err(Error::NotFound { .. }) if !self.is_hidden(at) => {}
                found => return found,
            }
        }
        self.below.get_ranges(at, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // Nothing of the log is ever removed from a branch; the operations that do are not run on one.
        let log = self.log.clone();
        let paths = paths.try_filter(move |path| {
            let keeps = path.prefix_matches(&log);
            futures::future::ready(!keeps)
        });
        self.below.delete_stream(paths.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let log = self.touches_log(prefix);
        self.merged(self.below.list(prefix), self.held.list(prefix), log)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let below = self.below.list_with_offset(prefix, offset);
        let held = self.held.list_with_offset(prefix, offset);
        self.merged(below, held, self.touches_log(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut found = self.below.list_with_delimiter(prefix).await?;
        if self.touches_log(prefix) {
            found.objects.retain(|file| !self.is_hidden(&file.location));
            let held = self.held.list_with_delimiter(prefix).await?;
            found.objects.extend(held.objects);
            found.objects.sort_by(|a, b| a.location.cmp(&b.location));
            found.common_prefixes.extend(held.common_prefixes);
            found.common_prefixes.sort();
            found.common_prefixes.dedup();
        }
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        match self.is_log(to) {
            true => {
                let entry = self.get(from).await?.bytes().await?;
                self.held.put(to, entry.into()).await.map(|_| ())
            }
            false => self.below.copy_opts(from, to, how).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn names(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
        let prefix = Path::from(prefix);
        let found: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.unwrap();
        let names = found.iter().map(|file| file.location.filename());
        names.map(|name| name.unwrap().to_owned()).collect()
    }

    fn entry(version: u64) -> Path {
        Path::from(format!("tables/t/_delta_log/{version:020}.json"))
    }

    #[tokio::test]
    async fn the_log_is_held_back_and_others_are_hidden() {
        let below = Arc::new(InMemory::new());
        below.put(&entry(0), "zero".into()).await.unwrap();
        let branch = Branch::new(below.clone(), &Path::from("tables/t"), false);
        branch.begin(Some(0));
        below.put(&entry(1), "another's".into()).await.unwrap();
        branch.put(&entry(1), "ours".into()).await.unwrap();
        branch.put(&entry(2), "ours too".into()).await.unwrap();
        let data = Path::from("tables/t/part-0.parquet");
        branch.put(&data, "rows".into()).await.unwrap();

        let log = "tables/t/_delta_log";
        assert_eq!(names(&branch, log).await.len(), 3);
        assert_eq!(names(below.as_ref(), log).await.len(), 2);
        let read = branch.get(&entry(1)).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, "ours");
        assert_eq!(branch.entries().await.unwrap(), ["ours", "ours too"]);

        let late = branch.publish(1, "ours".into()).await;
        assert!(matches!(late, Err(Unpublished::Overtaken)), "{late:?}");
        // What was taken before the answer was lost is ours all the same.
        branch.publish(1, "another's".into()).await.unwrap();
        branch.publish(2, "ours".into()).await.unwrap();
        assert!(below.head(&entry(2)).await.is_ok());

        branch.discard().await;
        assert!(below.head(&data).await.is_err());
    }

    #[tokio::test]
    async fn versions_that_others_put_together_are_hidden_as_well() {
        let below = Arc::new(InMemory::new());
        below.put(&entry(3), "three".into()).await.unwrap();
        let branch = Branch::new(below.clone(), &Path::from("tables/t"), false);
        branch.begin(Some(3));
        for (from, to) in [(0, 3), (2, 5)] {
            let name = format!("tables/t/_delta_log/{from:020}.{to:020}.compacted.json");
            below
                .put(&Path::from(name), "several".into())
                .await
                .unwrap();
        }
        let found = names(&branch, "tables/t/_delta_log").await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|name| !name.contains("5.compacted")));
    }

    #[tokio::test]
    async fn a_branch_of_no_table_hides_the_table_of_another() {
        let below = Arc::new(InMemory::new());
        let branch = Branch::new(below.clone(), &Path::from("t"), false);
        branch.begin(None);
        below
            .put(
                &Path::from(format!("t/_delta_log/{:020}.json", 0)),
                "x".into(),
            )
            .await
            .unwrap();
        assert!(names(&branch, "t/_delta_log").await.is_empty());
    }
}
