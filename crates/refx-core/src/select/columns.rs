//! `column:model.col+`: the models between which a column travels.
//!
//! Lineage is known where queries are planned, many floors above. It comes in as a [`ColumnPaths`], and
//! only where a selector asks for it.

use std::collections::BTreeSet;
use std::fmt;

use crate::graph::NodeSet;
use crate::manifest::{Node, NodeId};

use super::Scope;
use super::glob::Glob;
use super::method::FqnPattern;
use super::parse::{Depth, Reach};

/// A column of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId {
    pub node: NodeId,
    pub column: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what it is made of.
    Up,
    /// To what is made of it.
    Down,
}

/// How the columns of a project depend on each other.
pub trait ColumnPaths: fmt::Debug {
    fn columns(&self, node: &NodeId) -> &[String];
    /// The next columns in a direction. They are of other nodes.
    fn steps(&self, column: &ColumnId, direction: Direction) -> Vec<&ColumnId>;
    /// The nodes about whose rows a column decides.
    fn decides_rows_of(&self, column: &ColumnId) -> Vec<&NodeId>;
    /// The columns that decide about the rows of a node.
    fn rows_depend_on(&self, node: &NodeId) -> Vec<&ColumnId>;
}

/// What stands after `column:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPattern {
    /// As it is written.
    pub text: String,
    node: FqnPattern,
    /// The same for tables of sources: `raw.users`.
    table: Glob,
    column: Glob,
}

impl ColumnPattern {
    /// None where no column is named.
    pub fn new(text: &str) -> Option<ColumnPattern> {
        let (node, column) = text.rsplit_once('.')?;
        (!node.is_empty() && !column.is_empty()).then(|| ColumnPattern {
            text: text.to_owned(),
            node: FqnPattern::new(node),
            table: Glob::new(node),
            column: Glob::new(column),
        })
    }

    /// The columns of the project that it means.
    pub fn found(&self, scope: &Scope) -> Vec<ColumnId> {
        let Some(paths) = scope.columns else {
            return Vec::new();
        };
        let nodes = scope.manifest.nodes.values();
        let nodes = nodes.filter(|node| self.means(node));
        nodes
            .flat_map(|node| {
                let columns = paths.columns(node.id()).iter();
                let columns = columns.filter(|column| self.column.matches(column));
                columns.map(|column| ColumnId {
                    node: node.id().clone(),
                    column: column.clone(),
                })
            })
            .collect()
    }

    fn means(&self, node: &Node) -> bool {
        match node {
            Node::Source(_) => self.table.matches(&written(node)),
            Node::Model(model) => self
                .node
                .matches(&model.common.fqn, model.version.is_some()),
            Node::Seed(seed) => self.node.matches(&seed.common.fqn, false),
            Node::Test(_) | Node::UnitTest(_) | Node::Exposure(_) | Node::Analysis(_) => false,
        }
    }
}

/// The name before the dot of a column.
fn written(node: &Node) -> String {
    match node {
        Node::Source(source) => format!("{}.{}", source.source_name, source.common.name),
        node => node.name().to_owned(),
    }
}

/// Every column, as one would write it.
pub fn names(scope: &Scope) -> BTreeSet<String> {
    let Some(paths) = scope.columns else {
        return BTreeSet::new();
    };
    let nodes = scope.manifest.nodes.values();
    nodes
        .flat_map(|node| {
            let columns = paths.columns(node.id()).iter();
            columns.map(|column| format!("{}.{column}", written(node)))
        })
        .collect()
}

/// The nodes that columns come from or go to, as far as `reach` says; a step leads to another node.
///
/// What decides about the rows of a node is no part of any value, so it stands at one end of a path
/// only: downwards the node is reached and nothing after it, upwards the rows of the first are asked.
pub fn relatives(start: &[ColumnId], reach: Reach, scope: &Scope) -> NodeSet {
    let Some(paths) = scope.columns else {
        return NodeSet::new();
    };
    match reach {
        Reach::Lines { parents, children } => {
            let mut found = NodeSet::new();
            if let Some(depth) = parents {
                found.extend(upwards(start, depth, paths));
            }
            if let Some(depth) = children {
                found.extend(downwards(start, depth, paths));
            }
            found
        }
        Reach::ChildrensParents => {
            let mut found = downwards(start, Depth::All, paths);
            found.extend(start.iter().map(|column| column.node.clone()));
            let needed = found.iter().flat_map(|id| scope.graph.ancestors(id, None));
            let needed: NodeSet = needed.collect();
            found.extend(needed);
            found
        }
    }
}

fn downwards(start: &[ColumnId], depth: Depth, paths: &dyn ColumnPaths) -> NodeSet {
    let mut nodes = NodeSet::new();
    walk(start.iter().collect(), 0, depth, |column| {
        nodes.extend(paths.decides_rows_of(column).into_iter().cloned());
        let next = paths.steps(column, Direction::Down);
        nodes.extend(next.iter().map(|column| column.node.clone()));
        next
    });
    nodes
}

fn upwards(start: &[ColumnId], depth: Depth, paths: &dyn ColumnPaths) -> NodeSet {
    let mut nodes = NodeSet::new();
    if !depth.allows(0) {
        return nodes;
    }
    let rows = start.iter();
    let rows: Vec<&ColumnId> = rows
        .flat_map(|column| paths.rows_depend_on(&column.node))
        .collect();
    nodes.extend(rows.iter().map(|column| column.node.clone()));
    let mut step = |column: &ColumnId| {
        let next = paths.steps(column, Direction::Up);
        nodes.extend(next.iter().map(|column| column.node.clone()));
        next
    };
    walk(start.iter().collect(), 0, depth, &mut step);
    walk(rows, 1, depth, &mut step);
    nodes
}

/// Goes on from columns until nothing is new, or so many steps were taken.
fn walk<'a>(
    mut layer: Vec<&'a ColumnId>,
    mut taken: usize,
    depth: Depth,
    mut next: impl FnMut(&'a ColumnId) -> Vec<&'a ColumnId>,
) {
    let mut seen: BTreeSet<&ColumnId> = layer.iter().copied().collect();
    while !layer.is_empty() && depth.allows(taken) {
        let found: Vec<&ColumnId> = layer.into_iter().flat_map(&mut next).collect();
        layer = found
            .into_iter()
            .filter(|column| seen.insert(column))
            .collect();
        taken += 1;
    }
}
