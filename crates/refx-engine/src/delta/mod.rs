//! Delta tables: what they are now, and how new rows get into them.
//!
//! [`inspect`] and [`provider`] read; [`write`] takes the rows of a planned query into a table in
//! one commit. The rows are computed once and the files written once, on a private branch of the
//! log; the key, the constraints and the caller's [`Audit`] look at the table that they make, and
//! only then does it become visible. What changes nothing commits nothing.
//!
//! ```ignore
//! let plan = session.plan("select user_id, max(seen) as seen from raw.views group by 1").await?;
//! let action = Action::Merge(Merge::on(PrimaryKey::new(["user_id"])?));
//! let commit = delta::write(&session, &plan, &Write::new(location, action), &NoAudit).await?;
//! println!("version {:?}: {} updated", commit.version, commit.rows.updated);
//! ```
//!
//! Every commit is made against the very version that was read: a commit of another writer in
//! between is a conflict, and the change is computed again on the new version.

mod apply;
mod arrive;
mod audit;
mod branch;
mod candidate;
mod change;
mod changes;
mod compare;
mod constraint;
mod damage;
mod durable;
mod error;
mod evolve;
mod features;
mod gate;
mod groups;
mod inspect;
mod location;
mod logs;
pub mod maintain;
mod merge;
mod origin;
mod packed;
mod place;
mod probe;
mod prune;
mod record;
mod replace;
mod rules;
mod sample;
mod scan;
mod schema;
mod settings;
mod sides;
mod stores;
mod write;

pub use arrive::OwnColumn;
pub use candidate::{Audit, Candidate, NoAudit};
pub use constraint::{Constraint, Rule};
pub use damage::damaged;
pub use error::Error;
pub use evolve::SchemaChange;
pub use gate::Gate;
pub use inspect::{
    Column, TableFacts, check_key, inspect, is_table, provider, record, register_source,
};
pub use location::Location;
pub use merge::{Merge, UpdateColumns};
pub use origin::{Ahead, Input, Origin};
pub use record::Record;
pub use sample::MASKED;
pub use schema::{landed, would_change};
pub use settings::rules;
pub use write::{Action, Commit, Counts, PrimaryKey, Standpoint, Write, foresee, write};

#[cfg(test)]
mod tests;
