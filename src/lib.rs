//! refx keeps a reference repository: one SQL model a table, resolved into a graph, run on
//! DataFusion, merged into Delta tables on their primary keys.
//!
//! The pipeline, and the rooms in the order in which a run passes through them:
//!
//! ```text
//! files ─▶ Project ─▶ Manifest ─▶ Graph ─▶ Plan ─▶ Compiled ─▶ engine::Plan ─▶ Commit
//! project  template   manifest    graph    plan    compile     engine          delta
//!                                 select                       └──── run, which emits Events ────┘
//! ```
//!
//! What may import what is written in ARCHITECTURE.md, and held by `tests/architecture.rs`.

pub mod diagnostic;

pub mod project;
pub mod template;

pub mod manifest;

pub mod graph;
pub mod select;

pub mod compile;
pub mod load;
pub mod plan;

pub mod delta;
pub mod engine;

pub mod check;
pub mod run;

pub mod cli;

#[cfg(test)]
mod reference;
