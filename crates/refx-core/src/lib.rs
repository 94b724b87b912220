//! What refx knows of a project before it touches data: its files, templates, nodes and their graph,
//! selections, and the SQL that each node compiles to.
//!
//! ```text
//! files ─▶ Project ─▶ Manifest ─▶ Graph ─▶ Plan ─▶ Compiled
//! project  template   manifest    graph    plan    compile
//!                                 select
//! ```

pub mod diagnostic;

pub mod project;
pub mod template;

pub mod manifest;

pub mod graph;
pub mod select;

pub mod compile;
pub mod load;
pub mod plan;

#[cfg(test)]
mod demonstration;
