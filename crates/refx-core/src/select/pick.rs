//! [`Selector`] + manifest + graph → the nodes that it means.
//!
//! The rules for tests are dbt's: a test joins the nodes that it reads, as the [`Indirect`] mode
//! says. Where only some of them are selected it may have to wait until another part of a union
//! brings the others, so every step hands on two sets: the nodes, and the tests that wait.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::graph::NodeSet;
use crate::manifest::{Node, NodeId};

use super::matches::matches;
use super::method::Method;
use super::parse::{Atom, Depth, Reach, Selector, invalid};
use super::{Indirect, Scope, columns, suggestion};

/// What a part of a selector selects.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub nodes: NodeSet,
    /// Tests that read some of the nodes, and also others that are not selected.
    waiting: NodeSet,
}

pub struct Evaluation<'a> {
    scope: &'a Scope<'a>,
    indirect: Indirect,
    /// Named selectors that were evaluated already: several may use one.
    named: BTreeMap<String, Found>,
}

impl<'a> Evaluation<'a> {
    pub fn new(scope: &'a Scope<'a>, indirect: Indirect) -> Self {
        Evaluation {
            scope,
            indirect,
            named: BTreeMap::new(),
        }
    }

    pub fn everything(&self) -> Found {
        Found {
            nodes: self.scope.manifest.nodes.keys().cloned().collect(),
            waiting: NodeSet::new(),
        }
    }

    pub fn evaluate(&mut self, selector: &Selector) -> Result<Found, Diagnostic> {
        match selector {
            Selector::Atom(atom) => self.atom(atom),
            Selector::Union(parts) => {
                let parts = self.parts(parts)?;
                Ok(self.union(parts))
            }
            Selector::Intersection(parts) => {
                let parts = self.parts(parts)?;
                Ok(self.combine(parts, |left, right| left & right))
            }
            Selector::Difference(from, without) => {
                let from = self.evaluate(from)?;
                let without = self.evaluate(without)?;
                Ok(difference(&from, &without))
            }
        }
    }

    /// The definition of a selector of `selectors.yml`, by its exact name.
    pub fn named(&mut self, name: &str) -> Result<Found, Diagnostic> {
        if let Some(found) = self.named.get(name) {
            return Ok(found.clone());
        }
        let Some(selector) = self.scope.selectors.get(name) else {
            return Err(suggestion::unknown_selector(name, self.scope.selectors));
        };
        let found = self.evaluate(&selector.definition)?;
        self.named.insert(name.to_string(), found.clone());
        Ok(found)
    }

    pub fn union(&self, parts: Vec<Found>) -> Found {
        self.combine(parts, |left, right| left | right)
    }

    fn parts(&mut self, parts: &[Selector]) -> Result<Vec<Found>, Diagnostic> {
        parts.iter().map(|part| self.evaluate(part)).collect()
    }

    fn combine(&self, parts: Vec<Found>, both: fn(&NodeSet, &NodeSet) -> NodeSet) -> Found {
        // A waiting test counts as present until all parts are together.
        let combined = parts
            .into_iter()
            .map(|found| (&found.nodes | &found.waiting, found.nodes))
            .reduce(|left, right| (both(&left.0, &right.0), both(&left.1, &right.1)));
        let Some((present, mut nodes)) = combined else {
            return Found::default();
        };
        let waiting = &present - &nodes;
        // In eager mode nothing waits, but for parts that set a mode of their own: as in dbt, such a
        // part keeps its word when it is joined with others.
        let joining = match self.indirect {
            Indirect::Cautious | Indirect::Buildable => {
                let present = self.readable(&nodes, self.indirect);
                self.reading_only(&waiting, &present)
            }
            Indirect::Eager | Indirect::Empty => NodeSet::new(),
        };
        let waiting = &waiting - &joining;
        nodes.extend(joining);
        Found { nodes, waiting }
    }

    fn atom(&mut self, atom: &Atom) -> Result<Found, Diagnostic> {
        let indirect = atom.indirect.unwrap_or(self.indirect);
        let name = match &atom.method {
            Method::Selector(name) => name,
            Method::Column(pattern) => {
                self.suffices(atom)?;
                let start = pattern.found(self.scope);
                let mut nodes: NodeSet = start.iter().map(|column| column.node.clone()).collect();
                nodes.extend(columns::relatives(&start, atom.reach, self.scope));
                return Ok(self.with_tests(&nodes.clone(), nodes, indirect));
            }
            _ => {
                let mut nodes = self.matching(atom)?;
                nodes.extend(self.relatives(&nodes, atom.reach));
                return Ok(self.with_tests(&nodes.clone(), nodes, indirect));
            }
        };
        let names: Vec<&str> = self
            .scope
            .selectors
            .names()
            .filter(|known| name.matches(known))
            .collect();
        if names.is_empty() {
            return Err(suggestion::unknown_selector(
                &name.text,
                self.scope.selectors,
            ));
        }
        let found: Result<Vec<Found>, _> = names.iter().map(|name| self.named(name)).collect();
        let found = self.union(found?);
        if atom.reach == Reach::ALONE {
            return Ok(found);
        }
        // Tests that joined by themselves bring no relatives: in `+selector:x` what a test of `x`
        // reads besides is no parent of `x`.
        let mut start = NodeSet::new();
        let mut bare = Evaluation::new(self.scope, Indirect::Empty);
        for name in names {
            start.extend(bare.named(name)?.nodes);
        }
        let start = &start & &found.nodes;
        // Tests join the newcomers only: those of the named selector were settled, and perhaps
        // excluded, by its own definition.
        let newcomers = &self.relatives(&start, atom.reach) - &found.nodes;
        let nodes = &found.nodes | &newcomers;
        let mut joined = self.with_tests(&newcomers, nodes, indirect);
        joined.waiting.extend(found.waiting);
        joined.waiting = &joined.waiting - &joined.nodes;
        Ok(joined)
    }

    fn matching(&self, atom: &Atom) -> Result<NodeSet, Diagnostic> {
        self.suffices(atom)?;
        let Scope {
            manifest, state, ..
        } = self.scope;
        Ok(manifest
            .nodes
            .values()
            .filter(|node| matches(&atom.method, node, manifest, state))
            .map(|node| node.id().clone())
            .collect())
    }

    /// Whether all is there that the method needs to know.
    fn suffices(&self, atom: &Atom) -> Result<(), Diagnostic> {
        let known = match &atom.method {
            Method::Column(_) if self.scope.columns.is_none() => Err(invalid(format!(
                "`{}` needs the plans of the models",
                atom.text
            ))),
            method => self.scope.state.suffices(method, &atom.text),
        };
        known.map_err(|diagnostic| match &atom.span {
            Some(span) => diagnostic.at(span.clone()),
            None => diagnostic,
        })
    }

    fn relatives(&self, nodes: &NodeSet, reach: Reach) -> NodeSet {
        let graph = self.scope.graph;
        match reach {
            Reach::Lines { parents, children } => {
                let mut found = NodeSet::new();
                if let Some(depth) = parents {
                    found.extend(spread(nodes, depth, |id| graph.parents(id)));
                }
                if let Some(depth) = children {
                    found.extend(spread(nodes, depth, |id| graph.children(id)));
                }
                found
            }
            Reach::ChildrensParents => {
                let mut found = spread(nodes, Depth::All, |id| graph.children(id));
                found.extend(nodes.iter().cloned());
                found.extend(spread(&found, Depth::All, |id| graph.parents(id)));
                found
            }
        }
    }

    /// Adds to `nodes` the tests that read one of `tested`, as the mode allows.
    fn with_tests(&self, tested: &NodeSet, mut nodes: NodeSet, indirect: Indirect) -> Found {
        let candidates: NodeSet = match indirect {
            Indirect::Empty => NodeSet::new(),
            _ => tests_of(self.scope, tested)
                .into_iter()
                .filter(|test| !nodes.contains(test))
                .collect(),
        };
        let joining = match indirect {
            Indirect::Eager => candidates.clone(),
            _ => self.reading_only(&candidates, &self.readable(&nodes, indirect)),
        };
        let waiting = &candidates - &joining;
        nodes.extend(joining);
        Found { nodes, waiting }
    }

    /// What a test may read and still join: the selected nodes; in buildable mode also what they are
    /// built from, and sources, which need no building.
    fn readable(&self, nodes: &NodeSet, indirect: Indirect) -> NodeSet {
        let mut readable = nodes.clone();
        if indirect == Indirect::Buildable {
            let Scope {
                manifest, graph, ..
            } = self.scope;
            readable.extend(spread(nodes, Depth::All, |id| graph.parents(id)));
            let sources = manifest
                .nodes
                .values()
                .filter(|node| matches!(node, Node::Source(_)));
            readable.extend(sources.map(|node| node.id().clone()));
        }
        readable
    }

    fn reading_only(&self, tests: &NodeSet, readable: &NodeSet) -> NodeSet {
        tests
            .iter()
            .filter(|test| self.scope.graph.parents(test).is_subset(readable))
            .cloned()
            .collect()
    }
}

/// The first without the second. As in dbt, a test that waits in the second can no longer join the
/// first, but stays there where it is in already.
pub fn difference(from: &Found, without: &Found) -> Found {
    let excluded = &without.nodes | &without.waiting;
    let nodes = &from.nodes - &without.nodes;
    let present = &(&from.nodes | &from.waiting) - &excluded;
    Found {
        waiting: &present - &nodes,
        nodes,
    }
}

/// Everything up to `depth` steps from `nodes`. One walk for all of them: a walk for each would
/// cost the square of the project's size.
fn spread(nodes: &NodeSet, depth: Depth, step: impl Fn(&NodeId) -> NodeSet) -> NodeSet {
    let mut found = NodeSet::new();
    let mut layer: NodeSet = nodes.clone();
    let mut taken = 0;
    while !layer.is_empty() && depth.allows(taken) {
        layer = layer
            .iter()
            .flat_map(&step)
            .filter(|next| !found.contains(next))
            .collect();
        found.extend(layer.iter().cloned());
        taken += 1;
    }
    found
}

fn tests_of(scope: &Scope, nodes: &NodeSet) -> NodeSet {
    let Scope {
        manifest, graph, ..
    } = scope;
    let is_test = |id: &NodeId| {
        let node = manifest.get(id);
        node.is_some_and(|node| node.resource_type().is_test())
    };
    nodes
        .iter()
        .flat_map(|id| graph.children(id))
        .filter(is_test)
        .collect()
}
