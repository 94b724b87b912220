//! The `config` of an entry: the settings as dbt types them.

use serde_json::{Map, Value, json};

use crate::manifest::{Materialization, Node};

/// What a value of a setting must be for dbt's readers.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
    Map,
}

/// The settings that dbt knows, with the type that its schema gives them.
const KNOWN: &[(&str, Kind)] = &[
    ("access", Kind::Text),
    ("alias", Kind::Text),
    ("column_types", Kind::Map),
    ("contract", Kind::Map),
    ("database", Kind::Text),
    ("delimiter", Kind::Text),
    ("docs", Kind::Map),
    ("enabled", Kind::Flag),
    ("error_if", Kind::Text),
    ("fail_calc", Kind::Text),
    ("full_refresh", Kind::Flag),
    ("grants", Kind::Map),
    ("group", Kind::Text),
    ("incremental_strategy", Kind::Text),
    ("limit", Kind::Number),
    ("loaded_at_field", Kind::Text),
    ("materialized", Kind::Text),
    ("meta", Kind::Map),
    ("on_schema_change", Kind::Text),
    ("persist_docs", Kind::Map),
    ("quote_columns", Kind::Flag),
    ("quoting", Kind::Map),
    ("schema", Kind::Text),
    ("severity", Kind::Text),
    ("store_failures", Kind::Flag),
    ("store_failures_as", Kind::Text),
    ("warn_if", Kind::Text),
    ("where", Kind::Text),
];

/// The settings of a node. One whose value dbt's schema would refuse is left out: its default is
/// better than a file that no tool reads. `storage_options` stay out, as they hold secrets.
pub fn of(node: &Node, enabled: bool) -> Map<String, Value> {
    let common = node.common();
    let mut config = Map::new();
    config.insert("enabled".into(), enabled.into());
    for (name, value) in &common.config {
        let (name, value) = match name.as_str() {
            "storage_options" | "freshness" | "enabled" => continue,
            "pre_hook" | "pre-hook" => ("pre-hook", Some(hooks(value))),
            "post_hook" | "post-hook" => ("post-hook", Some(hooks(value))),
            name => (name, fitting(name, value)),
        };
        if let Some(value) = value.filter(|value| !value.is_null()) {
            config.insert(name.to_string(), value);
        }
    }
    config.insert("tags".into(), json!(common.tags));
    config.insert("meta".into(), Value::Object(common.meta.clone()));
    match node {
        Node::Model(model) => {
            let materialized = model.materialization.as_str();
            config.insert("materialized".into(), materialized.into());
            if let Materialization::Incremental(strategy) = &model.materialization {
                config.insert("incremental_strategy".into(), strategy.as_str().into());
                if model.contract().is_some() {
                    // dbt's default is to ignore changes, which it takes for a broken contract.
                    let change = model.config.on_schema_change.unwrap_or_default();
                    config.insert("on_schema_change".into(), json!(change));
                }
            }
            let key = match model.delete_by.is_empty() {
                true => &model.primary_key,
                false => &model.delete_by,
            };
            if !key.is_empty() {
                config.insert("unique_key".into(), json!(key));
            }
        }
        Node::Seed(_) => {
            config.insert("materialized".into(), "seed".into());
        }
        Node::Test(_) => {
            config.insert("materialized".into(), "test".into());
        }
        Node::UnitTest(_) | Node::Source(_) | Node::Exposure(_) | Node::Analysis(_) => {}
    }
    config
}

/// The value in the type that the schema asks for; none where it cannot be had.
fn fitting(name: &str, value: &Value) -> Option<Value> {
    let Some((_, kind)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        return Some(value.clone());
    };
    match (kind, value) {
        (Kind::Text, Value::String(_))
        | (Kind::Flag, Value::Bool(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Map, Value::Object(_)) => Some(value.clone()),
        (Kind::Text, Value::Number(_) | Value::Bool(_)) => Some(value.to_string().into()),
        _ => None,
    }
}

/// dbt's list of hooks: from a statement, a list of them, or objects with `sql`.
fn hooks(value: &Value) -> Value {
    let each = match value {
        Value::Array(values) => values.as_slice(),
        Value::Null => &[],
        value => std::slice::from_ref(value),
    };
    each.iter()
        .filter_map(|hook| {
            let (sql, transaction) = match hook {
                Value::String(sql) => (sql.as_str(), true),
                Value::Object(hook) => (
                    hook.get("sql")?.as_str()?,
                    hook.get("transaction")
                        .and_then(Value::as_bool)
                        .unwrap_or(true),
                ),
                _ => return None,
            };
            Some(json!({ "sql": sql, "transaction": transaction, "index": null }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_types_that_dbt_reads() {
        assert_eq!(fitting("where", &json!(1)), Some(json!("1")));
        assert_eq!(fitting("full_refresh", &json!("no")), None);
        assert_eq!(fitting("cadence", &json!("daily")), Some(json!("daily")));
        assert_eq!(
            hooks(&json!(["vacuum", { "sql": "optimize", "transaction": false }])),
            json!([
                { "sql": "vacuum", "transaction": true, "index": null },
                { "sql": "optimize", "transaction": false, "index": null },
            ])
        );
    }
}
