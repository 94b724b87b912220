//! Project → Manifest: every node, its references resolved.

mod node;

pub use node::{
    Access, Analysis, Common, Exposure, Materialization, Model, Node, NodeId, ResourceType, Seed,
    Source, Strategy, Test, TestKind,
};

use std::collections::BTreeMap;
use std::sync::Arc;

/// All nodes of a project and what else selection, planning and artifacts need of it.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Name of the root project.
    pub project: Arc<str>,
    /// In order of id.
    pub nodes: BTreeMap<NodeId, Node>,
}

impl Manifest {
    pub fn get(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }
}
