//! The store of source files, as all steps of a run see it: each folder is listed once, and each file
//! is read as it was when it was listed. The data files of Delta tables are read through it too, and
//! pass unnoticed: nobody lists them, their log names them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

type Listing = Arc<OnceCell<Arc<Vec<ObjectMeta>>>>;

/// A store that answers the second question about a folder or a file from memory, for as long as it
/// lives. A file that has changed since it was listed is not read: the read fails with
/// [`Error::Precondition`]. Once a statement of the run
/// (a hook's `copy`) has written into the store, nothing is answered from memory any more.
#[derive(Debug)]
pub(super) struct SourceStore {
    store: Arc<dyn ObjectStore>,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    written: AtomicBool,
    listings: Mutex<HashMap<Option<Path>, Listing>>,
    files: Mutex<HashMap<Path, ObjectMeta>>,
}

impl Seen {
    fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    fn file(&self, at: &Path) -> Option<ObjectMeta> {
        if self.is_written() {
            return None;
        }
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(at).cloned()
    }

    /// The first look at a file counts.
    fn keep(&self, files: &mut [ObjectMeta]) {
        if self.is_written() {
            return;
        }
        let mut known = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            let first = known.entry(file.location.clone());
            *file = first.or_insert_with(|| file.clone()).clone();
        }
    }

    async fn list(
        &self,
        store: &dyn ObjectStore,
        prefix: Option<Path>,
    ) -> Result<Arc<Vec<ObjectMeta>>> {
        let list = || async {
            let mut files: Vec<_> = store.list(prefix.as_ref()).try_collect().await?;
            self.keep(&mut files);
            Ok(Arc::new(files))
        };
        if self.is_written() {
            return list().await;
        }
        let listing = {
            let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(listings.entry(prefix.clone()).or_default())
        };
        listing.get_or_try_init(list).await.cloned()
    }
}

impl SourceStore {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> SourceStore {
        SourceStore {
            store,
            seen: Arc::default(),
        }
    }

    fn written(&self) -> &dyn ObjectStore {
        self.seen.written.store(true, Ordering::Release);
        self.store.as_ref()
    }
}

impl fmt::Display for SourceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

fn head_only(meta: ObjectMeta) -> GetResult {
    GetResult {
        payload: GetResultPayload::Stream(futures::stream::empty().boxed()),
        range: 0..meta.size,
        meta,
        attributes: Attributes::default(),
    }
}

/// Whether two answers are about the same content. Some stores quote a tag in one kind of answer only,
/// so the tags are compared here and not by the store.
fn is_same(listed: &ObjectMeta, read: &ObjectMeta) -> bool {
    let tag = |file: &ObjectMeta| {
        file.e_tag
            .as_ref()
            .map(|tag| tag.trim_matches('"').to_owned())
    };
    match (tag(listed), tag(read)) {
        (Some(listed), Some(read)) => listed == read,
        // Headers give seconds, listings may give less.
        _ => {
            let second = |file: &ObjectMeta| file.last_modified.timestamp();
            listed.size == read.size && second(listed) == second(read)
        }
    }
}

#[async_trait]
impl ObjectStore for SourceStore {
    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let head = how.head;
        let seen = self.seen.file(at);
        if let (Some(file), true) = (&seen, head) {
            return Ok(head_only(file.clone()));
        }
        let result = self.store.get_opts(at, how).await?;
        match seen {
            Some(file) if !is_same(&file, &result.meta) => {
                return Err(Error::Precondition {
                    path: at.to_string(),
                    source: "it is not the file that was listed".into(),
                });
            }
            _ if head => self.seen.keep(&mut [result.meta.clone()]),
            _ => {}
        }
        Ok(result)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, seen, prefix) = (
            Arc::clone(&self.store),
            Arc::clone(&self.seen),
            prefix.cloned(),
        );
        let files = async move { seen.list(store.as_ref(), prefix).await };
        futures::stream::once(files)
            .map_ok(|files| {
                let files = (0..files.len()).map(move |at| Ok(files[at].clone()));
                futures::stream::iter(files)
            })
            .try_flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.written().put_opts(at, payload, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.written().put_multipart_opts(at, how).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.written().delete_stream(paths)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.written().copy_opts(from, to, how).await
    }
}
