//! Unit tests: what a model is given, and what it is to make of it.

mod build;
mod rows;

pub use build::reference;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Common, NodeId};
use crate::diagnostic::Span;
use crate::project::{Node as Yaml, RowFormat, Spanned};

/// A model, the rows that it is given, and the rows that are expected of it.
#[derive(Clone, Debug)]
pub struct UnitTest {
    pub common: Common,
    /// The model that is tested.
    pub model: NodeId,
    /// The version of the model, where it has some.
    pub version: Option<String>,
    pub given: Vec<Given>,
    pub expect: Expect,
    pub overrides: Overrides,
}

/// The rows of one input.
#[derive(Clone, Debug)]
pub struct Given {
    pub input: Input,
    /// The input as it was written: `ref('users')`.
    pub written: Spanned<String>,
    pub rows: Rows,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A model, seed or source that the model reads.
    Node(NodeId),
    /// The model's own table before the run.
    This,
}

/// What is expected; at least one of the two.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The rows that the query gives.
    pub rows: Option<Rows>,
    /// The rows of the table once these were taken into it.
    pub table: Option<Rows>,
}

/// Rows as they were written.
#[derive(Clone, Debug)]
pub struct Rows {
    pub content: Content,
    pub format: RowFormat,
    /// The fixture that they come from.
    pub fixture: Option<String>,
    /// Where they begin: at their key, or in their own file.
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Content {
    Grid(Grid),
    /// A SELECT.
    Sql(Spanned<Arc<str>>),
}

/// Rows with the place of every value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// The names of the columns, each where it was first written.
    pub columns: Vec<Spanned<String>>,
    /// A row has a value for each column; none where it does not say one.
    pub rows: Vec<Vec<Option<Yaml>>>,
}

/// What is otherwise than in a run.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The values that macros give, by name.
    pub macros: BTreeMap<String, Value>,
    pub vars: BTreeMap<String, Value>,
    pub env_vars: BTreeMap<String, String>,
    pub as_of: Option<DateTime<Utc>>,
}

impl UnitTest {
    /// The rows of the model's own table before the run.
    pub fn this(&self) -> Option<&Given> {
        self.given.iter().find(|given| given.input == Input::This)
    }

    /// What `is_incremental()` answers: what the test says, or whether the model's own table is given.
    pub fn is_incremental(&self) -> bool {
        match self.overrides.macros.get("is_incremental") {
            Some(answer) => *answer == Value::Bool(true),
            None => self.this().is_some(),
        }
    }
}
