//! Compiled SQL on DataFusion, landed in Delta tables: checks without rows, and runs.
//!
//! ```text
//! Compiled ─▶ engine::Plan ─▶ Commit
//!             engine          delta
//!             └──── run, which emits Events ────┘
//! ```

pub mod delta;
pub mod engine;

pub mod check;
pub mod run;
