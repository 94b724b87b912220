//! The one integration binary: linking the engine is what a test binary costs.

mod architecture;
mod cases;
mod demonstration;
mod faults;
mod interrupt;
mod lineage;
mod readers;
mod requests;
mod rows;
