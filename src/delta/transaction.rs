//! An application transaction: the mark in the log that an interval of a model was applied.

use deltalake::DeltaTable;
use deltalake::kernel::Transaction as Action;
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
    pub(super) fn at(&self, version: u64) -> Action {
        Action::new(&self.name, signed(version))
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
        let since = signed(snapshot.version()).saturating_sub(applied);
        let since = usize::try_from(since).unwrap_or_default();
        let commits: Vec<_> = table
            .history(Some(since))
            .try_collect()
            .await
            .map_err(told)?;
        let taken_back = commits.iter().any(|commit| {
            let parameters = commit.operation_parameters.as_ref();
            let version = parameters.and_then(|all| all.get("version"));
            commit.operation.as_deref() == Some("RESTORE")
                && version.and_then(number).is_none_or(|to| to < applied)
        });
        Ok((!taken_back).then_some(applied))
    }
}

/// Parameters of an operation are written as numbers by some tools and as text by others.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
