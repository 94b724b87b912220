//! The command line of refx.

pub mod cli;

#[cfg(test)]
mod reference;
