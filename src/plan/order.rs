//! What each step waits for.

use std::collections::{BTreeSet, HashMap};

use crate::graph::{Graph, NodeSet};
use crate::manifest::{Manifest, Node, NodeId};

/// For each planned node, the indexes of the planned nodes that it waits for.
///
/// A node waits for the nearest planned nodes above it, through those that are not planned. A model
/// also waits for the tests of what it reads, as in dbt's `build`: a test counts once everything
/// that the test reads is above the model.
pub(super) fn waits(manifest: &Manifest, graph: &Graph, planned: &[&Node]) -> Vec<Vec<usize>> {
    let index: HashMap<&NodeId, usize> = planned
        .iter()
        .enumerate()
        .map(|(at, node)| (node.id(), at))
        .collect();
    let mut waits: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); planned.len()];
    let mut below: HashMap<&NodeId, Vec<usize>> = HashMap::new();

    // `order()` lists parents first, so the nearest planned ancestors of a node follow from those
    // of its parents.
    let mut nearest: HashMap<&NodeId, BTreeSet<usize>> = HashMap::new();
    for id in graph.order() {
        let Some(node) = manifest.get(id) else {
            continue;
        };
        let mut above = BTreeSet::new();
        for parent in &node.common().depends_on {
            match index.get(parent) {
                Some(&at) => {
                    above.insert(at);
                }
                None => above.extend(nearest.get(parent).into_iter().flatten().copied()),
            }
        }
        if let Some(&at) = index.get(id) {
            for &parent in &above {
                below.entry(planned[parent].id()).or_default().push(at);
            }
            waits[at] = above;
        } else {
            nearest.insert(id, above);
        }
    }

    for (at, node) in planned.iter().enumerate() {
        if node.as_test().is_none() {
            continue;
        }
        for reader in readers_of_all(graph, &index, &below, node) {
            if planned[reader].as_test().is_none() {
                waits[reader].insert(at);
            }
        }
    }
    waits
        .into_iter()
        .map(|set| set.into_iter().collect())
        .collect()
}

/// The planned nodes that must not run before the test has passed.
fn readers_of_all(
    graph: &Graph,
    index: &HashMap<&NodeId, usize>,
    below: &HashMap<&NodeId, Vec<usize>>,
    test: &Node,
) -> Vec<usize> {
    let parents: &[NodeId] = &test.common().depends_on;
    match parents {
        [] => Vec::new(),
        [parent] if index.contains_key(parent) => below.get(parent).cloned().unwrap_or_default(),
        [first, rest @ ..] => {
            let mut common: NodeSet = graph.descendants(first, None);
            for parent in rest {
                let readers = graph.descendants(parent, None);
                common.retain(|id| readers.contains(id));
            }
            common
                .iter()
                .filter_map(|id| index.get(id).copied())
                .collect()
        }
    }
}
