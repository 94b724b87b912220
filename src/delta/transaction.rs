//! An application transaction: the mark in the log that an interval of a model was applied.

use deltalake::DeltaTable;
use deltalake::kernel::Transaction as Mark;
use futures::TryStreamExt;
use serde_json::Value;

use super::inspect::{signed, snapshot};
use super::{Error, Location};

/// What a write stands for, so that it is not done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The model and the interval. Delta calls it the id of the application.
    pub name: String,
    /// Whether a second write of the same name would change the table: rows would be appended
    /// again, or sums be added again. Such a write is left out.
    pub once: bool,
}

impl Transaction {
    /// The mark of a commit. Its number is the version of the commit, so that it can be found again.
    pub(super) fn at(&self, version: u64) -> Mark {
        // With its time it can expire: `delta.setTransactionRetentionDuration`.
        let now = chrono::Utc::now().timestamp_millis();
        Mark::new_with_last_update(&self.name, signed(version), Some(now))
    }

    /// The version in which it was applied, where that is still part of the table: a restore takes
    /// back what came after its version.
    pub(super) async fn applied(
        &self,
        table: &DeltaTable,
        location: &Location,
    ) -> Result<Option<i64>, Error> {
        let told = |error| Error::from_delta(error, location);
        let snapshot = snapshot(table, location)?;
        let found = snapshot
            .transaction_version(table.log_store().as_ref(), &self.name)
            .await
            .map_err(told)?;
        let Some(applied) = found else {
            return Ok(None);
        };
        let mut at = signed(snapshot.version());
        let since = usize::try_from(at.saturating_sub(applied)).unwrap_or_default();
        let commits: Vec<_> = table
            .history(Some(since))
            .try_collect()
            .await
            .map_err(told)?;
        // Each restore is a step back to the version that it brought back: what lies between is not
        // part of the table.
        for (version, commit) in (0..=at).rev().zip(&commits) {
            if version > at || commit.operation.as_deref() != Some("RESTORE") {
                continue;
            }
            let parameters = commit.operation_parameters.as_ref();
            let to = parameters.and_then(|all| all.get("version"));
            match to.and_then(number) {
                Some(to) if to >= applied => at = to,
                _ => return Ok(None),
            }
        }
        Ok(Some(applied))
    }
}

/// Parameters of an operation are written as numbers by some tools and as text by others.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
