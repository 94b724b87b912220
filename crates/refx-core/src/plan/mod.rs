//! Graph + NodeSet + TableFacts → Plan: what will be done, in which order, and why.
//!
//! Deciding and doing are apart: `refx plan` prints the very value that `refx run` executes.

mod action;
mod facts;
mod order;

pub use action::{Action, decide, is_incremental, stale_rows};
pub use facts::{Facts, TableFacts};

use crate::graph::{Graph, NodeSet};
use crate::manifest::{Manifest, Node, NodeId};

/// The frozen steps of a run, each after the steps that it waits for.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub node: NodeId,
    pub action: Action,
    /// Why this action: a sentence fragment for `refx plan`.
    pub reason: String,
    /// Indexes of the steps that must have succeeded before.
    pub after: Vec<usize>,
    /// Indexes of the tests that are run on the table that this step makes, before it is published.
    pub audits: Vec<usize>,
}

/// What the caller asks for besides the selection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Build incremental models from nothing, except where a model forbids it.
    pub full_refresh: bool,
    /// Let tables go back to an earlier instant, or to earlier versions of their inputs.
    pub allow_older: bool,
}

/// Decides what each selected node will do and what it waits for.
///
/// Sources, exposures and analyses have nothing to do and get no step.
pub fn build(
    manifest: &Manifest,
    graph: &Graph,
    nodes: &NodeSet,
    facts: &TableFacts,
    options: Options,
) -> Plan {
    let planned: Vec<&Node> = graph
        .order()
        .iter()
        .filter(|id| nodes.contains(id))
        .filter_map(|id| manifest.get(id))
        .filter(|node| {
            matches!(
                node,
                Node::Model(_) | Node::Seed(_) | Node::Test(_) | Node::UnitTest(_)
            )
        })
        .collect();
    let waits = order::waits(manifest, graph, &planned);
    let steps = planned
        .iter()
        .zip(waits)
        .map(|(node, order::Waits { after, audits })| {
            let (action, mut reason) = action::decide(node, facts.get(node.id()), options);
            if let Some(why) = facts.broken.get(node.id()) {
                reason = format!("will fail: {why}");
            }
            Step {
                node: node.id().clone(),
                action,
                reason,
                after,
                audits,
            }
        })
        .collect();
    Plan { steps }
}
