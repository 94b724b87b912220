//! Care for tables that are there: none of it changes a row that readers of the last version see,
//! save [`restore`], which brings back the rows of an earlier version.
//!
//! ```ignore
//! let done = maintain::vacuum(&location, &Vacuum::of(run_id)).await?;
//! println!("{} files, {} bytes", done.files, done.bytes);
//! ```
//!
//! Each commit made here stands on the very version that was read, and carries over what refx wrote
//! into that version's commit: readers of the log look at the last commit alone.

mod checkpoint;
mod history;
pub(super) mod log;
mod optimize;
mod pinned;
mod restore;
mod vacuum;
mod zorder;

pub use checkpoint::{Checkpoint, checkpoint};
pub use history::{Change, Rows, history};
pub use optimize::{Optimize, Optimized, optimize};
pub use restore::{Restore, Restored, To, restore};
pub use vacuum::{Vacuum, Vacuumed, vacuum};

use std::collections::BTreeMap;

use deltalake::DeltaTable;
use deltalake::kernel::EagerSnapshot;
use deltalake::kernel::transaction::CommitProperties;
use serde_json::{Value, json};

use super::inspect::{open, snapshot, unwritable};
use super::record::CARRIED_FROM;
use super::{Error, Location};

/// How often work is begun again because other writers were faster.
const ATTEMPTS: usize = 5;

/// The key of a Z-order's columns, in commits since which no row has changed.
const ZORDER: &str = "refx.zorder";

/// The table as it is now.
async fn opened(location: &Location) -> Result<DeltaTable, Error> {
    let table = open(location, None).await?;
    table.ok_or_else(|| Error::Missing {
        location: location.shown(),
    })
}

/// The table as it is now, if refx may write it.
async fn writable(location: &Location) -> Result<DeltaTable, Error> {
    let table = opened(location).await?;
    match unwritable(snapshot(&table, location)?) {
        None => Ok(table),
        Some(reason) => Err(Error::Unsupported {
            location: location.shown(),
            access: "written",
            reason,
        }),
    }
}

/// What rides in a commit whose rows are those of another commit: all that refx wrote into that one,
/// its version, and the run that makes this one.
fn carried(entry: &log::Entry, run_id: &str) -> BTreeMap<String, Value> {
    let own = entry
        .info
        .iter()
        .filter(|(name, _)| name.starts_with("refx."))
        .map(|(name, value)| (name.clone(), value.clone()));
    let mut carried: BTreeMap<String, Value> = own.collect();
    if !carried.is_empty() {
        let version = carried.entry(CARRIED_FROM.into());
        version.or_insert_with(|| json!(entry.version));
    }
    carried.insert("refx.run_id".into(), json!(run_id));
    carried.insert("refx.version".into(), json!(env!("CARGO_PKG_VERSION")));
    carried
}

/// A commit that stands on the version that was read, or is not made.
fn strict(metadata: impl IntoIterator<Item = (String, Value)>) -> CommitProperties {
    CommitProperties::default()
        .with_metadata(metadata)
        .with_max_retries(0)
}

/// The rows of a version, where the statistics of every file count them.
fn rows(snapshot: &EagerSnapshot) -> Option<u64> {
    snapshot.log_data().iter().try_fold(0, |sum, file| {
        let counted = match file.deletion_vector_descriptor() {
            Some(_) => None,
            None => file.num_records(),
        };
        Some(sum + counted? as u64)
    })
}

#[cfg(test)]
mod tests;
