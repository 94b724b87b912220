//! Column lineage as a tree of text, as JSON and as a drawing: pure functions from a [`View`] to text.

mod drawing;
mod json;
mod text;

pub(super) use drawing::{dot, mermaid};
pub(super) use json::json;
pub(super) use text::text;

use refx_core::diagnostic::{Code, Diagnostic, closest};
use refx_core::manifest::{Manifest, Node, NodeId};
use refx_core::select::ColumnId;
use refx_engine::check::Columns;

/// What to show: a node or one of its columns, and in which directions.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub columns: &'a Columns,
    pub manifest: &'a Manifest,
    pub node: &'a NodeId,
    /// All of the node's where none is named.
    pub column: Option<&'a str>,
    pub up: bool,
    pub down: bool,
}

impl View<'_> {
    /// The columns that are asked for.
    fn asked(&self) -> Vec<ColumnId> {
        let all = self.columns.of_node(self.node).iter();
        all.filter(|name| self.column.is_none_or(|asked| asked == *name))
            .map(|name| ColumnId {
                node: self.node.clone(),
                column: name.clone(),
            })
            .collect()
    }

    fn name(&self, id: &NodeId) -> String {
        self.manifest.get(id).map_or_else(|| id.to_string(), shown)
    }

    fn column_name(&self, column: &ColumnId) -> String {
        format!("{}.{}", self.name(&column.node), column.column)
    }
}

/// The name of a node as one writes it: a table of a source with the source's own.
pub(super) fn shown(node: &Node) -> String {
    match node {
        Node::Source(source) => format!("{}.{}", source.source_name, source.common.name),
        node => node.name().to_owned(),
    }
}

/// The node that `MODEL[.COLUMN]` names, and the column as it is written.
///
/// # Errors
/// A diagnostic that offers the nearest name, where there is no such node.
pub(super) fn named<'a>(
    written: &'a str,
    manifest: &Manifest,
) -> Result<(NodeId, Option<&'a str>), Diagnostic> {
    if let Some(id) = node_named(written, manifest) {
        return Ok((id, None));
    }
    if let Some((model, column)) = written.rsplit_once('.')
        && let Some(id) = node_named(model, manifest)
    {
        return Ok((id, Some(column)));
    }
    let names: Vec<String> = readable(manifest).map(shown).collect();
    let (model, column) = match written.rsplit_once('.') {
        Some((model, column)) => (model, format!(".{column}")),
        None => (written, String::new()),
    };
    let diagnostic = Diagnostic::error(
        Code::UnknownRef,
        format!("no model, seed or source is named `{model}`"),
    );
    let whole = closest(written, names.iter().map(String::as_str)).map(str::to_owned);
    let part = closest(model, names.iter().map(String::as_str));
    let near = whole.or_else(|| part.map(|near| format!("{near}{column}")));
    Err(match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("`refx ls` lists what there is"),
    })
}

/// What is said of a column that a node does not have.
pub(super) fn no_column(model: &str, column: &str, known: &[String]) -> Diagnostic {
    let message = format!("`{model}` has no column `{column}`");
    let diagnostic = Diagnostic::error(Code::UnknownColumn, message);
    let near = closest(column, known.iter().map(String::as_str));
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{model}.{near}`?")),
        None => diagnostic.help(format!("it has {}", known.join(", "))),
    }
}

fn readable(manifest: &Manifest) -> impl Iterator<Item = &Node> {
    let nodes = manifest.nodes.values();
    nodes.filter(|node| node.relation().is_some())
}

fn node_named(written: &str, manifest: &Manifest) -> Option<NodeId> {
    let node = readable(manifest).find(|node| shown(node) == written);
    node.map(|node| node.id().clone())
}
