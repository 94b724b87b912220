//! The commands. `run.rs` holds the four that carry out a plan, `start.rs` what needs no project.

mod clean;
mod compile;
mod debug;
mod list;
mod operation;
mod parse;
mod plan;
mod run;
mod show;
mod start;

pub(super) use clean::clean;
pub(super) use compile::compile;
pub(super) use debug::debug;
pub(super) use list::list;
pub(super) use operation::operation;
pub(super) use parse::parse;
pub(super) use plan::plan;
pub(super) use run::{Work, run};
pub(super) use show::show;
pub(super) use start::{completions, init};
