//! Delta tables: what they are now, and how new rows get into them.
//!
//! [`inspect`] and [`provider`] read; [`write`] takes the rows of a planned query into a table in
//! one commit. The rows are computed once and staged, the key is checked on what was staged, and only
//! then is anything committed. What changes nothing commits nothing.
//!
//! ```ignore
//! let plan = session.plan("select user_id, max(seen) as seen from raw.views group by 1").await?;
//! let action = Action::Merge(Merge::on(PrimaryKey::new(["user_id"])?));
//! let commit = delta::write(&session, &plan, &Write::new(location, action)).await?;
//! println!("version {:?}: {} updated", commit.version, commit.rows.updated);
//! ```
//!
//! Every commit is made against the very version that was read: a commit of another writer in
//! between is a conflict, and the change is computed again on the new version.

mod audit;
mod compare;
mod damage;
mod error;
mod inspect;
mod location;
mod merge;
mod replace;
mod schema;
mod write;

pub use error::Error;
pub use inspect::{Column, TableFacts, inspect, provider, register_source};
pub use location::Location;
pub use write::{
    Action, Commit, Counts, Merge, OnSchemaChange, PrimaryKey, UpdateColumns, Write, write,
};

#[cfg(test)]
mod tests;
