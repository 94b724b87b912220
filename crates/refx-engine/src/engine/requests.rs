//! How often stores are asked, for a whole process: what a run costs against an object store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::Serialize;

/// Objects that a store gives in one answer of a listing.
const PAGE: u64 = 1000;

/// Requests to stores, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Requests {
    /// Answers of a listing have up to 1,000 objects; each counts.
    pub listings: u64,
    /// Reads of files in a table's log.
    pub log_reads: u64,
    /// Reads of all other files. Parts of a file that lie near each other are one read.
    pub data_reads: u64,
    pub writes: u64,
    pub deletes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    listings: AtomicU64,
    log_reads: AtomicU64,
    data_reads: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
}

static COUNTS: Counts = Counts {
    listings: AtomicU64::new(0),
    log_reads: AtomicU64::new(0),
    data_reads: AtomicU64::new(0),
    writes: AtomicU64::new(0),
    deletes: AtomicU64::new(0),
};

/// The requests that this process has made so far, through stores that are [`Counted`].
pub fn requests() -> Requests {
    let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Requests {
        listings: now(&COUNTS.listings),
        log_reads: now(&COUNTS.log_reads),
        data_reads: now(&COUNTS.data_reads),
        writes: now(&COUNTS.writes),
        deletes: now(&COUNTS.deletes),
    }
}

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

/// A store whose requests are counted.
#[derive(Debug)]
pub(crate) struct Counted(pub(crate) Arc<dyn ObjectStore>);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn count_read(at: &Path) {
    let is_log = at.parts().any(|part| part.as_ref() == "_delta_log");
    count(match is_log {
        true => &COUNTS.log_reads,
        false => &COUNTS.data_reads,
    });
}

fn count_pages(
    listing: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let mut seen = 0;
    count(&COUNTS.listings);
    listing
        .inspect_ok(move |_| {
            seen += 1;
            if seen % PAGE == 0 {
                count(&COUNTS.listings);
            }
        })
        .boxed()
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        count(&COUNTS.writes);
        self.0.put_opts(at, payload, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        count(&COUNTS.writes);
        self.0.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        count_read(at);
        self.0.get_opts(at, how).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let paths = paths.inspect_ok(|_| count(&COUNTS.deletes)).boxed();
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        count_pages(self.0.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        count_pages(self.0.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        count(&COUNTS.listings);
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        count(&COUNTS.writes);
        self.0.copy_opts(from, to, how).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, how: RenameOptions) -> Result<()> {
        count(&COUNTS.writes);
        self.0.rename_opts(from, to, how).await
    }
}
