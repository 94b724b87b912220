//! Project → Manifest: every node, its settings merged, its references resolved.
//!
//! ```text
//! files of models, seeds, tests ─▶ parse pass ─▶ drafts with their calls ─┐
//! properties: sources, exposures, generic tests ─────────────────────────┴▶ resolve ─▶ Manifest
//! ```

mod breaking;
mod build;
mod constraints;
mod contract;
mod describe;
mod described;
mod files;
mod fingerprint;
mod foreign_key;
mod fragment;
mod generic;
mod invocation;
mod landing;
mod later;
mod merging;
mod name;
mod node;
mod outside;
mod personal;
mod resolve;
mod settings;
mod unit;
mod unused;

pub mod artifact;
pub mod data_type;

pub use breaking::breaking_changes;
pub use build::build;
pub use describe::{describe, graph};
pub use files::{empty_model, is_blank};
pub use foreign_key::ForeignKey;
pub use fragment::{Fault, fragment};
pub use generic::is_expression;
pub use invocation::{Invocation, instant};
pub use landing::folders;
pub use node::{
    Access, Analysis, Common, Exposure, Materialization, Model, Node, NodeId, ResourceType, Seed,
    Source, Strategy, Test, TestKind,
};
pub use resolve::Found;
pub use unit::{Content, Expect, Given, Grid, Input, Overrides, Rows, UnitTest, reference};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::Span;
use crate::project::config::Lint;
use crate::template::RefCall;

/// All nodes of a project and what else selection, planning and artifacts need of it.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Name of the root project.
    pub project: Arc<str>,
    /// In order of id.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Nodes with `enabled: false`. Nothing may refer to them.
    pub disabled: BTreeMap<NodeId, Node>,
    pub groups: BTreeMap<String, Group>,
    /// Levels of the rules of lint for the whole project; models have their own.
    pub lint: Arc<Lint>,
    /// Texts of the `{% docs %}` blocks, by name.
    pub docs: Arc<BTreeMap<String, String>>,
    /// Names of snapshots, which are not taken yet, with the place of each.
    snapshots: BTreeMap<String, Span>,
    names: BTreeMap<String, Vec<NodeId>>,
    sources: BTreeMap<(String, String), NodeId>,
}

/// A group of models with one owner.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub owner: Option<String>,
    pub description: String,
    pub path: Arc<str>,
}

impl Manifest {
    pub fn get(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The model or seed that a `ref` means.
    pub fn find(&self, call: &RefCall) -> Found<'_> {
        resolve::find(self, call)
    }

    /// The source table that a `source` means.
    pub fn find_source(&self, source: &str, table: &str) -> Option<&Node> {
        self.nodes
            .get(self.sources.get(&(source.to_string(), table.to_string()))?)
    }

    /// Names of all models and seeds, for messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The `source.table` pairs of all sources, for messages.
    pub fn source_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .keys()
            .map(|(source, table)| (source.as_str(), table.as_str()))
    }
}

/// A JSON object without its nulls: artifacts and templates leave out what is not set.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        other => other,
    }
}
