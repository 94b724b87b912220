//! An object store over the local file system that fails.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::logstore::object_store::local::LocalFileSystem;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};

/// What a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Get,
    Put,
    Part,
    List,
    Delete,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing, and says so.
    Fails,
    /// It takes its time.
    Stalls,
    /// It ends in the middle.
    CutsOff,
    /// It does what it should, and says that it did not.
    LosesAnswer,
}

/// Which calls go wrong.
#[derive(Debug)]
pub enum Plan {
    /// That part of them, from 0 to 1, whichever the seed draws.
    Random {
        rate: f64,
        of: &'static [Call],
        state: Mutex<u64>,
    },
    /// The calls on paths with a text in them, each fault once, in their order.
    Listed(Mutex<Vec<(Call, &'static str, Fault)>>),
    /// Puts once there is no room for their bytes.
    Full { left: Mutex<u64> },
}

#[derive(Debug)]
pub struct Faulty {
    below: LocalFileSystem,
    plan: Plan,
    pub calls: AtomicU64,
    pub faults: AtomicU64,
    /// Entries of a log whose put was done, and told as failed.
    pub lost: AtomicU64,
}

impl Call {
    pub const ALL: &[Call] = &[Call::Get, Call::Put, Call::Part, Call::List, Call::Delete];
}

impl Faulty {
    pub fn new(plan: Plan) -> Arc<Faulty> {
        Arc::new(Faulty {
            below: LocalFileSystem::new(),
            plan,
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    pub fn random(rate: f64, of: &'static [Call], seed: u64) -> Arc<Faulty> {
        Faulty::new(Plan::Random {
            rate,
            of,
            state: Mutex::new(seed),
        })
    }

    pub fn listed(faults: &[(Call, &'static str, Fault)]) -> Arc<Faulty> {
        Faulty::new(Plan::Listed(Mutex::new(faults.to_vec())))
    }

    pub fn full_after(bytes: u64) -> Arc<Faulty> {
        Faulty::new(Plan::Full {
            left: Mutex::new(bytes),
        })
    }

    fn draw(&self, call: Call, path: &str, bytes: usize) -> Option<Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let fault = match &self.plan {
            Plan::Random { rate, of, state } => {
                let mut state = state.lock().unwrap();
                let share = next(&mut state) as f64 / u64::MAX as f64;
                let kinds = match call {
                    Call::Get | Call::List => [Fault::Fails, Fault::Stalls, Fault::CutsOff],
                    Call::Put => [Fault::Fails, Fault::Stalls, Fault::LosesAnswer],
                    Call::Part | Call::Delete => [Fault::Fails, Fault::Stalls, Fault::Fails],
                };
                (share < *rate && of.contains(&call))
                    .then(|| kinds[(next(&mut state) % 3) as usize])
            }
            Plan::Listed(faults) => {
                let mut faults = faults.lock().unwrap();
                let found = faults
                    .iter()
                    .position(|(of, part, _)| *of == call && path.contains(part));
                found.map(|index| faults.remove(index).2)
            }
            Plan::Full { left } => {
                let mut left = left.lock().unwrap();
                match (call, left.checked_sub(bytes as u64)) {
                    (Call::Put | Call::Part, None) => Some(Fault::Fails),
                    (Call::Put | Call::Part, Some(rest)) => {
                        *left = rest;
                        None
                    }
                    _ => None,
                }
            }
        };
        self.faults
            .fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        fault
    }

    /// Draws, waits where the call stalls, and fails where it fails.
    async fn begin(&self, call: Call, path: &Path, bytes: usize) -> Result<Option<Fault>> {
        let fault = self.draw(call, path.as_ref(), bytes);
        match fault {
            Some(Fault::Fails) => Err(self.error(path)),
            Some(Fault::Stalls) => {
                tokio::time::sleep(Duration::from_millis(3)).await;
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    fn error(&self, path: &Path) -> Error {
        const NO_SPACE: i32 = 28;
        let source: Box<dyn std::error::Error + Send + Sync> = match &self.plan {
            Plan::Full { .. } => std::io::Error::from_raw_os_error(NO_SPACE).into(),
            _ => broken(path),
        };
        Error::Generic {
            store: "faulty",
            source,
        }
    }
}

fn broken(path: &Path) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{path}: the connection broke off").into()
}

fn cut(path: &Path) -> Error {
    Error::Generic {
        store: "faulty",
        source: broken(path),
    }
}

/// The next number of Steele's splitmix64.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a faulty store over {}", self.below)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, at: &Path, payload: PutPayload, how: PutOptions) -> Result<PutResult> {
        let fault = self.begin(Call::Put, at, payload.content_length()).await?;
        let done = self.below.put_opts(at, payload, how).await?;
        match fault {
            None => Ok(done),
            Some(_) => {
                let is_log = at.as_ref().contains("_delta_log/0") && at.as_ref().ends_with(".json");
                self.lost.fetch_add(u64::from(is_log), Ordering::Relaxed);
                Err(self.error(at))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.begin(Call::Part, at, 0).await?;
        let below = self.below.put_multipart_opts(at, how).await?;
        let plan = match &self.plan {
            Plan::Random { rate, of, state } => {
                let mut state = state.lock().unwrap();
                Faulty::random(*rate, of, next(&mut state))
            }
            Plan::Listed(faults) => Faulty::listed(&std::mem::take(&mut *faults.lock().unwrap())),
            Plan::Full { left } => Faulty::full_after(*left.lock().unwrap()),
        };
        Ok(Box::new(Upload {
            below,
            at: at.clone(),
            plan,
        }))
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let fault = self.begin(Call::Get, at, 0).await?;
        let found = self.below.get_opts(at, how).await?;
        if fault.is_none() {
            return Ok(found);
        }
        let (meta, range, attributes) = (
            found.meta.clone(),
            found.range.clone(),
            found.attributes.clone(),
        );
        let whole = found.bytes().await?;
        let half = Ok(whole.slice(..whole.len() / 2));
        let payload = stream::iter([half, Err(cut(at))]).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.begin(Call::Get, at, 0).await? {
            None => self.below.get_ranges(at, ranges).await,
            Some(_) => Err(cut(at)),
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let none = Path::default();
        match self.draw(Call::Delete, "", 0) {
            None | Some(Fault::Stalls) => self.below.delete_stream(paths),
            Some(_) => {
                let error = move |_| Err(cut(&none));
                paths.map(error).boxed()
            }
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let at = prefix.cloned().unwrap_or_default();
        let found = self.below.list(prefix);
        self.listing(at, found)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let at = prefix.cloned().unwrap_or_default();
        let found = self.below.list_with_offset(prefix, offset);
        self.listing(at, found)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let at = prefix.cloned().unwrap_or_default();
        match self.begin(Call::List, &at, 0).await? {
            None => self.below.list_with_delimiter(prefix).await,
            Some(_) => Err(cut(&at)),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.begin(Call::Part, to, 0).await?;
        self.below.copy_opts(from, to, how).await
    }
}

impl Faulty {
    fn listing(
        &self,
        at: Path,
        found: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.draw(Call::List, at.as_ref(), 0) {
            None | Some(Fault::Stalls) => found,
            Some(Fault::Fails) => stream::iter([Err(self.error(&at))]).boxed(),
            // After the first file.
            Some(_) => found
                .try_take_while(|_| futures::future::ready(Ok(true)))
                .take(1)
                .chain(stream::iter([Err(cut(&at))]))
                .boxed(),
        }
    }
}

/// An upload in parts, some of which do not arrive.
#[derive(Debug)]
struct Upload {
    below: Box<dyn MultipartUpload>,
    at: Path,
    plan: Arc<Faulty>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let fault = self
            .plan
            .draw(Call::Part, self.at.as_ref(), data.content_length());
        match fault {
            None | Some(Fault::Stalls) => self.below.put_part(data),
            Some(_) => {
                let error = self.plan.error(&self.at);
                async move { Err(error) }.boxed()
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.plan.begin(Call::Put, &self.at, 0).await?;
        let done = self.below.complete().await?;
        match fault {
            None => Ok(done),
            Some(_) => Err(self.plan.error(&self.at)),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        // Nothing is left to abort where only the answer was lost.
        let _ = self.below.abort().await;
        Ok(())
    }
}
