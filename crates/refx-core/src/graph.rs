//! Who reads whom.

use std::collections::{BTreeSet, HashMap, VecDeque};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Manifest, NodeId};

/// A set of nodes, in order of id.
pub type NodeSet = BTreeSet<NodeId>;

/// The references between nodes, an edge from what is read to its reader. Free of cycles.
#[derive(Clone, Debug)]
pub struct Graph {
    edges: DiGraph<NodeId, ()>,
    index: HashMap<NodeId, NodeIndex>,
    order: Vec<NodeId>,
}

/// Builds the graph of a manifest's `depends_on`.
///
/// # Errors
/// [`Code::Cycle`], with the loop shown from its first model back to it.
pub fn build(manifest: &Manifest) -> Result<Graph, Diagnostic> {
    let mut edges = DiGraph::with_capacity(manifest.nodes.len(), manifest.nodes.len() * 2);
    let index: HashMap<NodeId, NodeIndex> = manifest
        .nodes
        .keys()
        .map(|id| (id.clone(), edges.add_node(id.clone())))
        .collect();
    for node in manifest.nodes.values() {
        for parent in &node.common().depends_on {
            if let (Some(&from), Some(&to)) = (index.get(parent), index.get(node.id())) {
                edges.update_edge(from, to, ());
            }
        }
    }
    match order(&edges) {
        Some(order) => Ok(Graph {
            edges,
            index,
            order,
        }),
        None => Err(cycle(manifest, &edges)),
    }
}

/// All nodes, each after what it reads, and by id where that leaves a choice: a person finds a plan
/// in the order of the folders. None where there is a cycle.
fn order(edges: &DiGraph<NodeId, ()>) -> Option<Vec<NodeId>> {
    let count = |at| edges.neighbors_directed(at, Direction::Incoming).count();
    let mut waiting: HashMap<NodeIndex, usize> =
        edges.node_indices().map(|at| (at, count(at))).collect();
    let mut ready: BTreeSet<(&NodeId, NodeIndex)> = edges
        .node_indices()
        .filter(|at| waiting[at] == 0)
        .map(|at| (&edges[at], at))
        .collect();
    let mut order = Vec::with_capacity(edges.node_count());
    while let Some((id, at)) = ready.pop_first() {
        order.push(id.clone());
        for reader in edges.neighbors_directed(at, Direction::Outgoing) {
            let left = waiting.get_mut(&reader)?;
            *left -= 1;
            if *left == 0 {
                ready.insert((&edges[reader], reader));
            }
        }
    }
    (order.len() == edges.node_count()).then_some(order)
}

impl Graph {
    /// All nodes, each after everything that it reads.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The nodes that `id` reads directly.
    pub fn parents(&self, id: &NodeId) -> NodeSet {
        self.neighbours(id, Direction::Incoming)
    }

    /// The nodes that read `id` directly.
    pub fn children(&self, id: &NodeId) -> NodeSet {
        self.neighbours(id, Direction::Outgoing)
    }

    /// Everything that `id` reads, directly or not, up to `depth` steps away; without `id`.
    pub fn ancestors(&self, id: &NodeId, depth: Option<usize>) -> NodeSet {
        self.reach(id, Direction::Incoming, depth)
    }

    /// Everything that reads `id`, directly or not, up to `depth` steps away; without `id`.
    pub fn descendants(&self, id: &NodeId, depth: Option<usize>) -> NodeSet {
        self.reach(id, Direction::Outgoing, depth)
    }

    fn neighbours(&self, id: &NodeId, direction: Direction) -> NodeSet {
        self.reach(id, direction, Some(1))
    }

    fn reach(&self, id: &NodeId, direction: Direction, depth: Option<usize>) -> NodeSet {
        let mut found = NodeSet::new();
        let Some(&start) = self.index.get(id) else {
            return found;
        };
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((at, distance)) = queue.pop_front() {
            if depth.is_some_and(|depth| distance >= depth) {
                continue;
            }
            for next in self.edges.neighbors_directed(at, direction) {
                if next != start && found.insert(self.edges[next].clone()) {
                    queue.push_back((next, distance + 1));
                }
            }
        }
        found
    }
}

/// The shortest loop through the first node that lies on one.
fn cycle(manifest: &Manifest, edges: &DiGraph<NodeId, ()>) -> Diagnostic {
    let on_loop: Vec<NodeIndex> = tarjan_scc(edges)
        .into_iter()
        .find(|group| group.len() > 1 || edges.contains_edge(group[0], group[0]))
        .unwrap_or_default();
    let Some(&start) = on_loop.iter().min_by_key(|at| &edges[**at]) else {
        return Diagnostic::error(Code::Cycle, "models read each other in a circle");
    };
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    let mut last = start;
    'search: while let Some(at) = queue.pop_front() {
        for next in edges.neighbors_directed(at, Direction::Outgoing) {
            if next == start {
                last = at;
                break 'search;
            }
            if on_loop.contains(&next) && !came_from.contains_key(&next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    let mut path = vec![last];
    while let Some(&before) = came_from.get(&path[path.len() - 1]) {
        path.push(before);
    }
    path.reverse();
    let name = |at: &NodeIndex| {
        manifest
            .get(&edges[*at])
            .map_or_else(|| edges[*at].to_string(), |node| node.name().to_string())
    };
    let mut names: Vec<String> = path.iter().map(name).collect();
    names.push(names[0].clone());
    let diagnostic = match names.as_slice() {
        [only, again] if only == again => {
            Diagnostic::error(Code::Cycle, format!("`{only}` reads itself")).help(
                "read what the table holds by `{{ this }}`, inside of \
                 `{% if is_incremental() %} … {% endif %}`",
            )
        }
        _ => Diagnostic::error(
            Code::Cycle,
            format!("models read each other in a circle: {}", names.join(" → ")),
        )
        .note("an arrow leads from a model to one that reads it")
        .help("take one `ref` of the circle out, for instance by moving what both need to a model of its own"),
    };
    match manifest.get(&edges[start]) {
        Some(node) => diagnostic.at(node.common().span.clone()),
        None => diagnostic,
    }
}
