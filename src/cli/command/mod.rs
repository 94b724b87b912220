//! The commands. `run.rs` holds the four that carry out a plan, `start.rs` what needs no project,
//! `maintain.rs` what the commands share that care for tables.

mod check;
mod checkpoint;
mod clean;
mod compile;
mod create_test;
mod debug;
mod diff;
mod explain;
mod history;
mod lineage;
mod list;
mod maintain;
mod operation;
mod optimize;
mod parse;
mod plan;
mod restore;
mod run;
mod show;
mod start;
mod vacuum;

pub(super) use check::check;
pub(super) use checkpoint::checkpoint;
pub(super) use clean::clean;
pub(super) use compile::compile;
pub(super) use create_test::create_test;
pub(super) use debug::debug;
pub(super) use diff::diff;
pub(super) use explain::explain;
pub(super) use history::history;
pub(super) use lineage::lineage;
pub(super) use list::list;
pub(super) use operation::operation;
pub(super) use optimize::optimize;
pub(super) use parse::parse;
pub(super) use plan::plan;
pub(super) use restore::restore;
pub(super) use run::{Work, run};
pub(super) use show::show;
pub(super) use start::{completions, init};
pub(super) use vacuum::vacuum;
