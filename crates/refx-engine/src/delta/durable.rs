//! The local file system, with the promise of a database: what a commit names is on the disk before
//! anyone can see the commit.
//!
//! Data files are written as ever and remembered. An entry of a table's log first flushes the files
//! that were written for the table and their folders, then itself, then becomes visible by a link
//! that fails where the name is taken, then flushes the folder of the log.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::logstore::object_store::local::LocalFileSystem;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::logs::log_of;

/// Files that are flushed at the same time: a disk takes them together.
const AT_A_TIME: usize = 16;

/// The local file system below its root.
#[derive(Debug)]
pub(super) struct Durable {
    below: LocalFileSystem,
    /// Files that were written and may not be on the disk yet.
    unflushed: Arc<Mutex<BTreeSet<Path>>>,
}

impl Durable {
    pub(super) fn new() -> Durable {
        Durable {
            below: LocalFileSystem::new(),
            unflushed: Arc::default(),
        }
    }

    fn unflushed(&self) -> MutexGuard<'_, BTreeSet<Path>> {
        self.unflushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, at: &Path) {
        self.unflushed().insert(at.clone());
    }

    /// Flushes what was written below a table's folder, and the folders that hold it.
    async fn flush(&self, table: &Path) -> Result<()> {
        let written: Vec<Path> = {
            let mut unflushed = self.unflushed();
            let of_table = |path: &&Path| path.prefix_matches(table);
            let written: Vec<Path> = unflushed.iter().filter(of_table).cloned().collect();
            unflushed.retain(|path| !path.prefix_matches(table));
            written
        };
        let root = self.below.path_to_filesystem(table)?;
        let mut folders = BTreeSet::new();
        let mut files = Vec::with_capacity(written.len());
        for path in &written {
            let file = self.below.path_to_filesystem(path)?;
            let parents = file.ancestors().skip(1);
            folders.extend(
                parents
                    .take_while(|folder| folder.starts_with(&root))
                    .map(FilePath::to_path_buf),
            );
            files.push(file);
        }
        let flushed = |paths: Vec<PathBuf>| {
            stream::iter(paths)
                .map(|path| blocking(move || flush(&path)))
                .buffer_unordered(AT_A_TIME)
                .try_collect::<()>()
        };
        let done = match flushed(files).await {
            Ok(()) => flushed(folders.into_iter().collect()).await,
            failed => failed,
        };
        if done.is_err() {
            // Whoever tries again has to flush them again.
            self.unflushed().extend(written);
        }
        done
    }
}

impl Durable {
    /// Flushes the folders that a new table is in: some of them may be as new as the table.
    async fn flush_above(&self, table: &Path) -> Result<()> {
        let root = self.below.path_to_filesystem(table)?;
        blocking(move || {
            // Folders further up may be closed to this user, and then he did not make them.
            let mut above = root.ancestors().skip(1).filter(|path| path.is_dir());
            let _: io::Result<()> = above.try_for_each(flush);
            Ok(())
        })
        .await
    }
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(of_disk),
        Err(defect) => Err(of_disk(io::Error::other(defect))),
    }
}

fn of_disk(source: io::Error) -> Error {
    Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(source),
    }
}

/// Waits until a file or folder is on the disk. One that is gone, and a folder of a file system that
/// cannot flush folders, need no flush.
fn flush(path: &FilePath) -> io::Result<()> {
    let flushed = File::open(path).and_then(|file| match file.sync_all() {
        Err(error) if error.kind() == ErrorKind::InvalidInput && path.is_dir() => Ok(()),
        flushed => flushed,
    });
    match flushed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        flushed => flushed,
    }
}

/// Writes a file so that it is visible as a whole and on the disk, or not at all.
fn put(path: &FilePath, payload: &PutPayload, create: bool) -> io::Result<()> {
    let (mut file, staged) = stage(path)?;
    let written = payload
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.sync_all());
    drop(file);
    let visible = written.and_then(|()| match create {
        // A link fails where the name is taken, a rename replaces what is there.
        true => fs::hard_link(&staged, path),
        false => fs::rename(&staged, path),
    });
    if create || visible.is_err() {
        let _ = fs::remove_file(&staged);
    }
    visible?;
    path.parent().map_or(Ok(()), flush)
}

/// A new file beside the one that is meant, under a name that the store's listings leave out.
fn stage(path: &FilePath) -> io::Result<(File, PathBuf)> {
    let mut number = 1;
    loop {
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let staged = PathBuf::from(staged);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)
        {
            Ok(file) => return Ok((file, staged)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => make_folders(path)?,
            Err(error) => return Err(error),
        }
    }
}

/// Makes the folders of a file and flushes those that got a new one.
fn make_folders(path: &FilePath) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Err(ErrorKind::NotFound.into());
    };
    let there = folder.ancestors().find(|folder| folder.is_dir());
    fs::create_dir_all(folder)?;
    let there = there.unwrap_or(folder);
    let changed = folder.ancestors().skip(1);
    changed
        .take_while(|folder| folder.starts_with(there))
        .try_for_each(flush)
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.below.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Durable {
    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        let (Some(log), PutMode::Create | PutMode::Overwrite) = (log_of(at), &how.mode) else {
            let done = self.below.put_opts(at, payload, how).await?;
            self.remember(at);
            return Ok(done);
        };
        self.flush(&log.table).await?;
        if log.version() == Some(0) {
            self.flush_above(&log.table).await?;
        }
        let path = self.below.path_to_filesystem(at)?;
        let create = how.mode == PutMode::Create;
        let shown = path.display().to_string();
        match blocking(move || put(&path, &payload, create)).await {
            Ok(()) => Ok(PutResult {
                e_tag: None,
                version: None,
            }),
            Err(Error::Generic { source, .. }) if create && is_taken(source.as_ref()) => {
                Err(Error::AlreadyExists {
                    path: shown,
                    source,
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.below.put_multipart_opts(at, how).await?;
        self.remember(at);
        Ok(upload)
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.below.get_opts(at, how).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.below.get_ranges(at, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let unflushed = Arc::clone(&self.unflushed);
        let removed = self.below.delete_stream(paths);
        removed
            .inspect_ok(move |path| {
                let mut unflushed = unflushed.lock().unwrap_or_else(PoisonError::into_inner);
                unflushed.remove(path);
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.below.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.below.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.below.copy_opts(from, to, how).await?;
        self.remember(to);
        Ok(())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, how: RenameOptions) -> Result<()> {
        self.below.rename_opts(from, to, how).await?;
        self.remember(to);
        Ok(())
    }
}

fn is_taken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::AlreadyExists)
}
