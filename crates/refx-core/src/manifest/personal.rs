//! Columns of personal data: `meta: {pii: true}`, or the tag `pii`. Their values stay out of messages.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Manifest, Node};
use crate::project::ColumnProperties;

impl Manifest {
    /// The columns whose values no message about the node may show, in lower case: those that it, or
    /// what it reads or tests, marks as personal.
    pub fn personal(&self, node: &Node) -> BTreeSet<String> {
        let inputs = node.common().depends_on.iter();
        let inputs = inputs.filter_map(|id| self.get(id));
        std::iter::once(node)
            .chain(inputs)
            .flat_map(Node::personal)
            .collect()
    }
}

impl Node {
    /// The columns that the node itself marks as personal, in lower case.
    pub fn personal(&self) -> BTreeSet<String> {
        let columns = self.common().columns.iter();
        columns
            .filter(|column| is_personal(column))
            .map(|column| column.name.value.to_lowercase())
            .collect()
    }
}

fn is_personal(column: &ColumnProperties) -> bool {
    let tags = column.tags.0.iter().chain(&column.config.tags.0);
    let metas = [&column.meta, &column.config.meta];
    let says_so = |value: &Value| match value {
        Value::Bool(yes) => *yes,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    };
    tags.clone().any(|tag| tag.eq_ignore_ascii_case("pii"))
        || metas
            .iter()
            .any(|meta| meta.get("pii").is_some_and(says_so))
}
