//! Lineage as a tree of text.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::View;
use refx_core::manifest::{Node, NodeId, ResourceType};
use refx_core::select::{ColumnId, Direction};
use refx_engine::check::Way;

/// A line of a tree, and what hangs from it.
struct Branch {
    text: String,
    below: Vec<Branch>,
}

impl Branch {
    fn leaf(text: String) -> Branch {
        Branch {
            text,
            below: Vec::new(),
        }
    }
}

/// A tree in each direction that is asked for, sources at the ends of the one, and what decides about
/// the node's rows.
pub(in crate::cli) fn text(view: &View) -> String {
    let title = match view.column {
        Some(column) => format!("{}.{column}", view.name(view.node)),
        None => view.name(view.node),
    };
    let mut parts = vec![title];
    if view.up && !view.columns.is_end(view.node) {
        parts.push(section("made of", &made_of(view)));
        let rows = rows(view);
        if !rows.is_empty() {
            parts.push(format!("its rows depend on\n{rows}"));
        }
    }
    if view.down {
        let used_by = used_by(view);
        parts.push(match used_by.is_empty() {
            true => "used by nothing".to_owned(),
            false => section("used by", &used_by),
        });
    }
    parts.join("\n\n")
}

fn section(title: &str, branches: &[Branch]) -> String {
    let mut lines = vec![title.to_owned()];
    draw(branches, "", &mut lines);
    lines.join("\n")
}

fn draw(branches: &[Branch], indent: &str, lines: &mut Vec<String>) {
    for (index, branch) in branches.iter().enumerate() {
        let (mark, below) = match index + 1 == branches.len() {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        lines.push(format!("{indent}{mark}{}", branch.text));
        draw(&branch.below, &format!("{indent}{below}"), lines);
    }
}

fn made_of(view: &View) -> Vec<Branch> {
    let mut drawn = HashSet::new();
    let asked = view.asked();
    let mut branches = Vec::new();
    for column in &asked {
        let below = inputs(view, column, &mut drawn);
        match view.column {
            Some(_) => branches.extend(below),
            None => branches.push(Branch {
                text: column.column.clone(),
                below,
            }),
        }
    }
    branches
}

fn inputs(view: &View, column: &ColumnId, drawn: &mut HashSet<ColumnId>) -> Vec<Branch> {
    let mut branches: Vec<Branch> = Vec::new();
    let steps = view.columns.next(column, Direction::Up);
    for (input, way) in steps {
        let mut text = format!("{}  {}", way.as_str(), view.column_name(input));
        let goes_on = matches!(way, Way::Value(_)) && !view.columns.is_end(&input.node);
        if view.columns.is_end(&input.node) {
            text.push_str(&format!("  ({})", kind(view, &input.node)));
        }
        let below = match goes_on {
            true if !drawn.insert(input.clone()) => {
                text.push_str("  (see above)");
                Vec::new()
            }
            true => inputs(view, input, drawn),
            false => Vec::new(),
        };
        branches.push(Branch { text, below });
    }
    for counted in view.columns.counted(column) {
        branches.push(Branch::leaf(format!(
            "counts  rows of {}",
            view.name(counted)
        )));
    }
    if branches.is_empty() && !view.columns.is_end(&column.node) {
        branches.push(Branch::leaf("constant".to_owned()));
    }
    branches
}

fn kind(view: &View, id: &NodeId) -> &'static str {
    let node = view.manifest.get(id);
    match node.map_or(ResourceType::Source, Node::resource_type) {
        // A model is an end where its query could not be planned.
        ResourceType::Model => "not known further",
        kind => kind.as_str(),
    }
}

/// A line for each role, with the columns that have it.
fn rows(view: &View) -> String {
    let mut roles: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (column, role) in view.columns.rows(view.node) {
        let columns = roles.entry(role.as_str()).or_default();
        columns.insert(view.column_name(column));
    }
    let width = roles.keys().map(|role| role.len()).max().unwrap_or(0);
    let lines = roles.into_iter().map(|(role, columns)| {
        let columns: Vec<String> = columns.into_iter().collect();
        format!("   {role:width$}  {}", columns.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn used_by(view: &View) -> Vec<Branch> {
    let mut drawn = HashSet::new();
    let mut branches = Vec::new();
    let mut reached = BTreeSet::from([view.node.clone()]);
    for column in view.asked() {
        let below = readers(view, &column, &mut drawn, &mut reached);
        match view.column {
            Some(_) => branches.extend(below),
            None if below.is_empty() => {}
            None => branches.push(Branch {
                text: column.column.clone(),
                below,
            }),
        }
    }
    branches.extend(exposures(view, &reached));
    branches
}

fn readers(
    view: &View,
    column: &ColumnId,
    drawn: &mut HashSet<ColumnId>,
    reached: &mut BTreeSet<NodeId>,
) -> Vec<Branch> {
    let mut branches = Vec::new();
    for (reader, way) in view.columns.next(column, Direction::Down) {
        let mut text = format!("{}  {}", way.as_str(), view.column_name(reader));
        reached.insert(reader.node.clone());
        let below = match drawn.insert(reader.clone()) {
            true => readers(view, reader, drawn, reached),
            false => {
                if !view.columns.next(reader, Direction::Down).is_empty() {
                    text.push_str("  (see above)");
                }
                Vec::new()
            }
        };
        branches.push(Branch { text, below });
    }
    for (reader, role) in view.columns.row_readers(column) {
        let text = format!("{}  rows of {}", role.as_str(), view.name(reader));
        branches.push(Branch::leaf(text));
    }
    branches
}

/// What reads the nodes that were reached, and is no query.
fn exposures(view: &View, reached: &BTreeSet<NodeId>) -> Vec<Branch> {
    let nodes = view.manifest.nodes.values();
    nodes
        .filter(|node| matches!(node, Node::Exposure(_)))
        .filter_map(|node| {
            let read = node.common().depends_on.iter();
            let read = read.filter(|id| reached.contains(*id));
            let read: Vec<String> = read.map(|id| view.name(id)).collect();
            let text = format!("exposure  {} (reads {})", node.name(), read.join(", "));
            (!read.is_empty()).then(|| Branch::leaf(text))
        })
        .collect()
}
