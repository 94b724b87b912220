//! Lineage as a drawing, in the languages of Mermaid and Graphviz.

use std::collections::{BTreeMap, BTreeSet};

use super::View;
use refx_core::manifest::NodeId;
use refx_core::select::{ColumnId, Direction};
use refx_engine::check::Way;

/// What an edge starts or ends at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Column(ColumnId),
    Rows(NodeId),
}

impl Point {
    fn node(&self) -> &NodeId {
        match self {
            Point::Column(column) => &column.node,
            Point::Rows(node) => node,
        }
    }

    fn label(&self) -> &str {
        match self {
            Point::Column(column) => &column.column,
            Point::Rows(_) => "(rows)",
        }
    }
}

/// The points of each node and the edges between them.
#[derive(Default)]
struct Drawing {
    nodes: BTreeMap<NodeId, BTreeSet<Point>>,
    edges: BTreeSet<(Point, Point, Way)>,
}

impl Drawing {
    fn of(view: &View) -> Drawing {
        let mut drawing = Drawing::default();
        for column in view.asked() {
            drawing.point(&Point::Column(column.clone()));
            if view.up {
                drawing.walk(view, &column, Direction::Up);
            }
            if view.down {
                drawing.walk(view, &column, Direction::Down);
            }
        }
        if view.up {
            for (column, role) in view.columns.rows(view.node) {
                let rows = Point::Rows(view.node.clone());
                drawing.edge(Point::Column(column.clone()), rows, Way::Decides(*role));
            }
        }
        drawing
    }

    fn walk(&mut self, view: &View, start: &ColumnId, direction: Direction) {
        let mut reached = view.columns.reach(start, direction);
        reached.retain(|_, way| matches!(way, Way::Value(_)));
        for at in std::iter::once(start).chain(reached.keys()) {
            for (next, way) in view.columns.next(at, direction) {
                let ends = [at, next].map(|column| Point::Column(column.clone()));
                let [at, next] = ends;
                match direction {
                    Direction::Up => self.edge(next, at, *way),
                    Direction::Down => self.edge(at, next, *way),
                }
            }
            if direction == Direction::Down {
                for (reader, role) in view.columns.row_readers(at) {
                    let rows = Point::Rows(reader.clone());
                    self.edge(Point::Column(at.clone()), rows, Way::Decides(*role));
                }
            }
        }
    }

    fn point(&mut self, point: &Point) {
        let points = self.nodes.entry(point.node().clone()).or_default();
        points.insert(point.clone());
    }

    fn edge(&mut self, from: Point, to: Point, way: Way) {
        self.point(&from);
        self.point(&to);
        self.edges.insert((from, to, way));
    }

    /// A short name for each point: `n1_0` is the first of the second node.
    fn names(&self) -> BTreeMap<&Point, String> {
        let nodes = self.nodes.values().enumerate();
        nodes
            .flat_map(|(node, points)| {
                let points = points.iter().enumerate();
                points.map(move |(index, point)| (point, format!("n{node}_{index}")))
            })
            .collect()
    }
}

pub(in crate::cli) fn mermaid(view: &View) -> String {
    let drawing = Drawing::of(view);
    let names = drawing.names();
    let mut lines = vec!["flowchart LR".to_owned()];
    for (index, (node, points)) in drawing.nodes.iter().enumerate() {
        lines.push(format!("  subgraph n{index}[{}]", quoted(&view.name(node))));
        for point in points {
            lines.push(format!("    {}[{}]", names[point], quoted(point.label())));
        }
        lines.push("  end".to_owned());
    }
    for (from, to, way) in &drawing.edges {
        let arrow = match way {
            Way::Value(_) => "-->",
            Way::Decides(_) => "-.->",
        };
        let (from, to) = (&names[from], &names[to]);
        lines.push(format!("  {from} {arrow}|{}| {to}", way.as_str()));
    }
    lines.join("\n")
}

pub(in crate::cli) fn dot(view: &View) -> String {
    let drawing = Drawing::of(view);
    let names = drawing.names();
    let mut lines = vec![
        "digraph lineage {".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [shape=box];".to_owned(),
    ];
    for (index, (node, points)) in drawing.nodes.iter().enumerate() {
        lines.push(format!("  subgraph cluster_{index} {{"));
        lines.push(format!("    label={};", escaped(&view.name(node))));
        for point in points {
            let label = escaped(point.label());
            lines.push(format!("    {} [label={label}];", names[point]));
        }
        lines.push("  }".to_owned());
    }
    for (from, to, way) in &drawing.edges {
        let style = match way {
            Way::Value(_) => "",
            Way::Decides(_) => ", style=dashed",
        };
        let (from, to) = (&names[from], &names[to]);
        lines.push(format!(
            "  {from} -> {to} [label=\"{}\"{style}];",
            way.as_str()
        ));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

/// Mermaid has no escape inside of quotes but an entity.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "#quot;"))
}

fn escaped(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
