//! What each step waits for, and which tests it is audited by.

use std::collections::{BTreeSet, HashMap};

use crate::graph::{Graph, NodeSet};
use crate::manifest::{Manifest, Node, NodeId};

/// The place of a step among the others.
pub(super) struct Waits {
    /// The steps that it waits for.
    pub(super) after: Vec<usize>,
    /// The tests that are run on the table it makes before anyone else sees it.
    pub(super) audits: Vec<usize>,
}

/// For each planned node, the indexes of the planned nodes that it waits for.
///
/// A unit test reads no table and waits for nothing; its model waits for it.
///
/// A node waits for the nearest planned nodes above it, through those that are not planned. A model
/// also waits for the tests of what it reads, as in dbt's `build`: a test counts once everything
/// that the test reads is above the model.
pub(super) fn waits(manifest: &Manifest, graph: &Graph, planned: &[&Node]) -> Vec<Waits> {
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
            if node.as_unit_test().is_some() {
                continue;
            }
            for &parent in &above {
                below.entry(planned[parent].id()).or_default().push(at);
            }
            waits[at] = above;
        } else {
            nearest.insert(id, above);
        }
    }

    for (at, node) in planned.iter().enumerate() {
        if let Some(test) = node.as_unit_test()
            && let Some(&model) = index.get(&test.model)
        {
            waits[model].insert(at);
        }
        if node.as_test().is_none() {
            continue;
        }
        for reader in readers_of_all(graph, &index, &below, node) {
            if !planned[reader].resource_type().is_test() {
                waits[reader].insert(at);
            }
        }
    }
    let owners = owners(planned, &index, &mut waits);
    let mut placed: Vec<Waits> = waits
        .into_iter()
        .enumerate()
        .map(|(at, set)| {
            // Who waits for a test of a candidate waits for the table.
            let after = set
                .into_iter()
                .map(|before| owners[before].unwrap_or(before));
            let after: BTreeSet<usize> = after.filter(|before| *before != at).collect();
            Waits {
                after: after.into_iter().collect(),
                audits: Vec::new(),
            }
        })
        .collect();
    for (test, owner) in owners.into_iter().enumerate() {
        if let Some(owner) = owner {
            placed[test].after = vec![owner];
            placed[owner].audits.push(test);
        }
    }
    placed
}

/// For each test, the planned table whose candidate it is run on; none where it runs on its own.
///
/// It is the table that the test is declared on, and the other tables that the test reads are built
/// before: without them nobody knows whether it passes. Where one of these is built from it, that one
/// is the last and holds the test.
fn owners(
    planned: &[&Node],
    index: &HashMap<&NodeId, usize>,
    waits: &mut [BTreeSet<usize>],
) -> Vec<Option<usize>> {
    let lands = |at: usize| match planned[at] {
        Node::Model(model) => model.materialization.lands(),
        Node::Seed(_) => true,
        _ => false,
    };
    let mut owners = vec![None; planned.len()];
    for (at, node) in planned.iter().enumerate() {
        let Some(test) = node.as_test() else { continue };
        let read: BTreeSet<usize> = test
            .common
            .depends_on
            .iter()
            .filter_map(|id| index.get(id).copied())
            .collect();
        let declared = match &test.attached {
            // What is wrong with a source is no reason to hold a table.
            Some(id) => index.get(id).copied().filter(|at| read.contains(at)),
            None => read.last().copied(),
        };
        let Some(mut owner) = declared else { continue };
        let above = waits[at].clone();
        while let Some(&later) = above
            .iter()
            .find(|other| **other != owner && reaches(waits, **other, owner))
        {
            owner = later;
        }
        if !lands(owner) || !read.contains(&owner) {
            continue;
        }
        waits[owner].extend(above.into_iter().filter(|other| *other != owner));
        owners[at] = Some(owner);
    }
    owners
}

/// Whether one step waits for another, directly or through others.
fn reaches(waits: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        for &before in &waits[at] {
            if before == to {
                return true;
            }
            if seen.insert(before) {
                todo.push(before);
            }
        }
    }
    false
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
