//! The code of a node as one short text that changes when the code does.

use std::collections::BTreeSet;

use crate::template::Macros;

use super::name::digest;
use super::{Node, TestKind};

/// Digest of a node's template, its settings, and the macros that it calls; 16 hexadecimal digits.
///
/// Data, variables and instants are not in it: two runs of one code have one fingerprint.
pub(super) fn of(node: &Node, macros: &Macros) -> String {
    let common = node.common();
    let mut text = String::new();
    match node {
        Node::Model(model) => text.push_str(&model.text),
        Node::Analysis(analysis) => text.push_str(&analysis.text),
        Node::Test(test) => match &test.kind {
            TestKind::Singular { text: sql } => text.push_str(sql),
            TestKind::Generic {
                macro_id,
                arguments,
                column,
                ..
            } => text.push_str(&format!("{macro_id}{arguments:?}{column:?}")),
        },
        Node::UnitTest(test) => {
            for given in &test.given {
                let rows = given.rows.to_json();
                text.push_str(&format!("{:?}{rows}", given.input));
            }
            for rows in [&test.expect.rows, &test.expect.table] {
                let rows = rows.as_ref().map(super::Rows::to_json);
                text.push_str(&format!("{rows:?}"));
            }
            text.push_str(&format!("{:?}", test.overrides));
        }
        Node::Seed(_) | Node::Source(_) | Node::Exposure(_) => {}
    }
    text.push('\0');
    // What lint says of the code is no part of it.
    let mut config = common.config.clone();
    config.shift_remove("lint");
    text.push_str(&serde_json::Value::Object(config).to_string());
    let called: BTreeSet<&str> = common.macros.iter().map(String::as_str).collect();
    for id in called {
        if let Some(definition) = macros.get(id) {
            text.push('\0');
            text.push_str(&definition.text);
        }
    }
    digest(&text, 16)
}
