//! A node as templates see it: the `model` dict.

use serde_json::{Value, json};

use super::{Manifest, Node, TestKind, without_nulls};

/// The `graph` dict: everything that the project holds, by kind and unique id.
pub fn graph(manifest: &Manifest) -> Value {
    let mut graph = json!({ "nodes": {}, "sources": {}, "exposures": {}, "groups": {} });
    for (id, node) in &manifest.nodes {
        let kind = match node {
            Node::UnitTest(_) => continue,
            Node::Source(_) => "sources",
            Node::Exposure(_) => "exposures",
            Node::Model(_) | Node::Seed(_) | Node::Test(_) | Node::Analysis(_) => "nodes",
        };
        graph[kind][id.as_str()] = describe(manifest, node);
    }
    for (name, group) in &manifest.groups {
        graph["groups"][name] = json!({ "name": group.name, "description": group.description });
    }
    graph
}

/// The `model` dict of a node, with dbt's names.
pub fn describe(manifest: &Manifest, node: &Node) -> Value {
    let common = node.common();
    let columns: serde_json::Map<String, Value> = common
        .columns
        .iter()
        .map(|column| {
            let name = column.name.value.to_string();
            let entry = json!({
                "name": name,
                "description": column.description.as_ref().map(|text| &text.value),
                "data_type": column.data_type.as_ref().map(|text| &text.value),
                "meta": column.meta,
                "tags": column.tags.0,
                "quote": column.quote,
            });
            (name, entry)
        })
        .collect();
    let refs: Vec<Value> = common
        .depends_on
        .iter()
        .filter_map(|id| manifest.get(id))
        .filter(|node| matches!(node, Node::Model(_) | Node::Seed(_)))
        .map(|node| json!({ "name": node.name(), "package": null, "version": null }))
        .collect();
    let relation = match node {
        Node::Test(test) => Some(&test.relation),
        other => other.relation(),
    };
    let test = match node {
        Node::Test(test) => match &test.kind {
            TestKind::Generic {
                name,
                arguments,
                column,
                ..
            } => json!({
                "test_metadata": { "name": name, "kwargs": arguments },
                "column_name": column,
                "attached_node": test.attached.as_ref().map(|id| id.as_str()),
            }),
            TestKind::Singular { .. } => Value::Null,
        },
        _ => Value::Null,
    };
    let mut described = json!({
        "name": common.name,
        "unique_id": common.id.as_str(),
        "resource_type": node.resource_type().as_str(),
        "package_name": &*common.package,
        "path": common.path.split_once('/').map_or(&*common.path, |(_, rest)| rest),
        "original_file_path": &*common.path,
        "fqn": common.fqn,
        "database": relation.and_then(|relation| relation.database.as_ref()),
        "schema": relation.and_then(|relation| relation.schema.as_ref()),
        "alias": relation.map(|relation| &relation.identifier),
        "identifier": relation.map(|relation| &relation.identifier),
        "relation_name": relation.map(ToString::to_string),
        "description": common.description,
        "tags": common.tags,
        "meta": common.meta,
        "group": common.group,
        "config": common.config,
        "columns": columns,
        "refs": refs,
        "depends_on": {
            "nodes": common.depends_on.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
            "macros": common.macros,
        },
        "version": node.as_model().and_then(|model| model.version.as_ref()),
        "raw_code": node.as_model().map(|model| &*model.text),
    });
    if let (Value::Object(described), Value::Object(test)) = (&mut described, test) {
        described.extend(test);
    }
    without_nulls(described)
}
