//! YAML whose every value knows where it was written.
//!
//! [`parse`] reads a file into a tree of [`Node`]s, and [`decode`] turns a node into a typed value,
//! so that a wrong type or an unknown key is shown at the steward's own line:
//!
//! ```text
//! error[wrong-type]: `tags`: expected a list, found the number `3`
//! ```

mod carry;
mod decode;
mod explain;
mod node;
mod parse;
mod scalar;
mod shape;

pub use carry::{Spanned, from_node};
pub use decode::{decode, decode_all, wrong_type};
pub use node::{Node, Value};
pub use parse::{parse, parse_all};
pub use shape::{Many, Text};

#[cfg(test)]
mod tests;
