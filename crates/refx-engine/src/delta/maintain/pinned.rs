//! A log that takes the commit of one version and no other.
//!
//! deltalake tries a commit again on top of what others committed meanwhile, where the
//! files allow it. What refx carries over from the version that was read would then be said of
//! another one, so a commit is made on top of that version or not at all.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::kernel::Version;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreConfig, LogStoreRef};
use deltalake::{DeltaResult, ObjectStore};
use uuid::Uuid;

pub(super) struct Pinned {
    log: LogStoreRef,
    /// The version that may be committed.
    next: Version,
}

impl Pinned {
    pub(super) fn after(log: LogStoreRef, version: Version) -> Arc<Pinned> {
        let next = version + 1;
        Arc::new(Pinned { log, next })
    }
}

#[async_trait]
impl LogStore for Pinned {
    fn name(&self) -> String {
        self.log.name()
    }

    async fn refresh(&self) -> DeltaResult<()> {
        self.log.refresh().await
    }

    async fn read_commit_entry(&self, version: Version) -> DeltaResult<Option<Bytes>> {
        self.log.read_commit_entry(version).await
    }

    async fn write_commit_entry(
        &self,
        version: Version,
        commit: CommitOrBytes,
        operation: Uuid,
    ) -> Result<(), TransactionError> {
        if version != self.next {
            return Err(TransactionError::MaxCommitAttempts(0));
        }
        self.log
            .write_commit_entry(version, commit, operation)
            .await
    }

    async fn abort_commit_entry(
        &self,
        version: Version,
        commit: CommitOrBytes,
        operation: Uuid,
    ) -> Result<(), TransactionError> {
        self.log
            .abort_commit_entry(version, commit, operation)
            .await
    }

    async fn get_latest_version(&self, start: Version) -> DeltaResult<Version> {
        self.log.get_latest_version(start).await
    }

    fn object_store(&self, operation: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.log.object_store(operation)
    }

    fn root_object_store(&self, operation: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.log.root_object_store(operation)
    }

    fn config(&self) -> &LogStoreConfig {
        self.log.config()
    }
}
