//! Whether a store can hold a log: of several writers of one new object exactly one may succeed.
//!
//! A commit is an object that must not be there yet. A store that takes the request and ignores the
//! condition lets the last writer win, and the commit of the first is gone without a word.

use std::fmt;

use bytes::Bytes;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, Result,
};
use futures::future::join_all;

/// Writers that race for one object.
const RACERS: u8 = 8;

/// Why a store cannot hold a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It does not know the request.
    Unsupported(String),
    /// So many writers of one object were told that they were first.
    Winners(usize),
    /// A later writer replaced the object.
    Replaced,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Unsupported(why) => {
                write!(
                    f,
                    "its store cannot write an object only if it is absent: {why}"
                )
            }
            Broken::Winners(winners) => write!(
                f,
                "its store does not keep writers apart: of {RACERS} that wrote one new object at the \
                 same time, {winners} were told that they were first"
            ),
            Broken::Replaced => write!(
                f,
                "its store ignores the condition that an object must be absent: a second writer \
                 replaced the object of the first"
            ),
        }
    }
}

/// Tries it on an object of its own in a folder, and removes the object.
///
/// # Errors
/// Where the store cannot be asked, which tells nothing of what it can do.
pub(super) async fn probe(
    store: &dyn ObjectStore,
    folder: &Path,
) -> Result<std::result::Result<(), Broken>> {
    // Readers of tables and of folders of files leave out names that begin so.
    let name = format!("_refx_probe_{}", uuid::Uuid::new_v4().simple());
    let path = folder.clone().join(name);
    let found = race(store, &path).await;
    // What is left over does no harm, and was told of by the error that it follows.
    let _ = store.delete(&path).await;
    found
}

async fn race(store: &dyn ObjectStore, path: &Path) -> Result<std::result::Result<(), Broken>> {
    let put = |writer: u8| {
        let mine = Bytes::from(vec![writer]);
        async move {
            let how = PutOptions::from(PutMode::Create);
            store.put_opts(path, mine.into(), how).await
        }
    };
    let answers = join_all((0..RACERS).map(put)).await;
    let mut winners = Vec::new();
    let mut failed = None;
    for (writer, answer) in (0..RACERS).zip(answers) {
        match answer {
            Ok(_) => winners.push(writer),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Err(error) => failed = Some(error),
        }
    }
    match (winners.as_slice(), failed) {
        ([_, _, ..], _) => return Ok(Err(Broken::Winners(winners.len()))),
        (_, Some(error)) => return unsupported(error),
        // A winner whose answer was lost was refused by its own object.
        _ => {}
    }
    let first = store.get(path).await?.bytes().await?;
    match put(RACERS).await {
        Ok(_) => return Ok(Err(Broken::Replaced)),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
        Err(error) => return unsupported(error),
    }
    let kept = store.get(path).await?.bytes().await?;
    let is_winners = winners.first().is_none_or(|winner| *kept == [*winner]);
    Ok(match kept == first && is_winners {
        true => Ok(()),
        false => Err(Broken::Replaced),
    })
}

fn unsupported(error: Error) -> Result<std::result::Result<(), Broken>> {
    match error {
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            Ok(Err(Broken::Unsupported(error.to_string())))
        }
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use async_trait::async_trait;
    use deltalake::logstore::object_store::local::LocalFileSystem;
    use deltalake::logstore::object_store::memory::InMemory;
    use deltalake::logstore::object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
        PutMultipartOptions, PutPayload, PutResult,
    };
    use futures::stream::BoxStream;

    use super::*;

    /// Takes a condition and does not look at it; from the second writer on, where `late` is set.
    #[derive(Debug)]
    struct Careless {
        below: InMemory,
        late: bool,
    }

    impl fmt::Display for Careless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("careless")
        }
    }

    #[async_trait]
    impl ObjectStore for Careless {
        async fn put_opts(
            &self,
            at: &Path,
            payload: PutPayload,
            how: PutOptions,
        ) -> Result<PutResult> {
            let is_racer = Bytes::from(payload.clone())[0] < RACERS;
            let how = match self.late && is_racer {
                true => how,
                false => PutOptions::default(),
            };
            self.below.put_opts(at, payload, how).await
        }

        async fn put_multipart_opts(
            &self,
            at: &Path,
            how: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.below.put_multipart_opts(at, how).await
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
            self.below.delete_stream(paths)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.below.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            self.below.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
            self.below.copy_opts(from, to, how).await
        }
    }

    async fn found(store: &dyn ObjectStore) -> std::result::Result<(), Broken> {
        let folder = Path::from("tables/t");
        let found = probe(store, &folder).await.unwrap();
        let left = store.list_with_delimiter(Some(&folder)).await.unwrap();
        assert!(left.objects.is_empty(), "{left:?}");
        found
    }

    #[tokio::test]
    async fn stores_that_let_a_second_writer_win_are_found_out() {
        assert_eq!(found(&InMemory::new()).await, Ok(()));
        let ignores = |late| Careless {
            below: InMemory::new(),
            late,
        };
        assert_eq!(
            found(&ignores(false)).await,
            Err(Broken::Winners(usize::from(RACERS)))
        );
        assert_eq!(found(&ignores(true)).await, Err(Broken::Replaced));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_local_file_system_can_hold_a_log() {
        let name = format!("refx-test-probe-{}", uuid::Uuid::new_v4());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&root).unwrap();
        let local = Arc::new(LocalFileSystem::new_with_prefix(&root).unwrap());
        assert_eq!(found(local.as_ref()).await, Ok(()));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
