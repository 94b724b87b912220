//! The demonstration, which every newcomer copies: no delivery of a collector harms a table, and
//! README's tour is what a fresh clone shows.

mod deliveries;
#[path = "../examples/generate/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod generate;
mod tour;
