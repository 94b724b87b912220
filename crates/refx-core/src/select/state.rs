//! What earlier runs left: the manifest to compare with, and the statuses of the last run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::manifest::{NodeId, data_type};

use super::method::{Method, StateCheck};
use super::parse::invalid;

/// State read from earlier runs, where it is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<'a> {
    pub compared: Option<Compared<'a>>,
    /// The status of each node in the last run, as in `run_results.json`.
    pub results: Option<&'a BTreeMap<NodeId, String>>,
}

/// The manifest of another time (`--state`) and the present one.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    pub before: &'a Snapshot,
    pub now: &'a Snapshot,
    /// Whether the code of a model means the same in both, where it could be planned in both. White
    /// space, comments and aliases then do not count, and a variable that changes the query does.
    pub same_code: &'a BTreeMap<NodeId, bool>,
}

/// A manifest reduced to what `state:` compares. Both sides of a comparison are read from the form
/// of `manifest.json`, so that a difference is one in the project and never one of representation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    nodes: BTreeMap<NodeId, Aspects>,
}

/// The sides of a node that can change, as dbt tells them apart (`same_contents` of its nodes).
#[derive(Clone, Debug, PartialEq)]
struct Aspects {
    body: Value,
    configs: Value,
    descriptions: Value,
    relation: Value,
    macros: Value,
    contract: Value,
    /// Where the node stands, and what else a source, test or exposure is made of.
    rest: Value,
}

impl State<'_> {
    /// Errors: [`crate::diagnostic::Code::InvalidSelector`] where the method needs state that is not
    /// there.
    pub(super) fn suffices(&self, method: &Method, text: &str) -> Result<(), Diagnostic> {
        match method {
            Method::State(_) if self.compared.is_none() => Err(invalid(format!(
                "`{text}` needs the manifest of another run to compare with"
            ))
            .help("name the folder of its `manifest.json` with `--state`")),
            Method::Result(_) if self.results.is_none() => Err(invalid(format!(
                "`{text}` needs the results of an earlier run"
            ))
            .help("name the folder of its `run_results.json` with `--state`")),
            _ => Ok(()),
        }
    }

    pub(super) fn holds(&self, check: StateCheck, id: &NodeId) -> bool {
        let Some(Compared {
            before,
            now,
            same_code,
        }) = self.compared
        else {
            return false;
        };
        let before = before.nodes.get(id);
        let now = now.nodes.get(id);
        let differs = |side: fn(&Aspects) -> &Value| before.map(side) != now.map(side);
        let modified = || match (before, now, same_code.get(id)) {
            (Some(before), Some(now), Some(same_code)) => {
                !same_code || before.differs_beside_code(now)
            }
            (before, now, _) => before != now,
        };
        match check {
            StateCheck::New => before.is_none(),
            StateCheck::Old => before.is_some(),
            StateCheck::Modified => modified(),
            StateCheck::Unmodified => !modified(),
            StateCheck::ModifiedBody => match same_code.get(id) {
                Some(same_code) => !same_code,
                None => differs(|aspects| &aspects.body),
            },
            StateCheck::ModifiedConfigs => differs(|aspects| &aspects.configs),
            StateCheck::ModifiedDescriptions => differs(|aspects| &aspects.descriptions),
            StateCheck::ModifiedRelation => differs(|aspects| &aspects.relation),
            StateCheck::ModifiedMacros => differs(|aspects| &aspects.macros),
            StateCheck::ModifiedContract => differs(|aspects| &aspects.contract),
        }
    }
}

impl Snapshot {
    /// Reads the value of a `manifest.json` (dbt's v12, refx's or dbt's own). What it lacks counts as
    /// empty on both sides.
    pub fn of(artifact: &Value) -> Snapshot {
        let macros = artifact.get("macros").and_then(Value::as_object);
        let nodes = ["nodes", "sources", "exposures", "unit_tests"]
            .into_iter()
            .filter_map(|section| artifact.get(section)?.as_object())
            .flatten()
            .map(|(id, node)| (NodeId::new(id.as_str()), Aspects::of(node, macros)))
            .collect();
        Snapshot { nodes }
    }
}

/// Settings that say where a node lands: they are its relation, not its configuration.
const RELATION: [&str; 3] = ["database", "schema", "alias"];
/// Settings that dbt leaves out of the comparison: they select and describe, and change no result.
const NOT_COMPARED: [&str; 2] = ["tags", "group"];

impl Aspects {
    /// Whether anything differs but the text of the query and of the macros that it calls.
    fn differs_beside_code(&self, other: &Aspects) -> bool {
        let beside_code = |aspects: &Aspects| Aspects {
            body: Value::Null,
            macros: Value::Null,
            ..aspects.clone()
        };
        beside_code(self) != beside_code(other)
    }

    fn of(node: &Value, macros: Option<&Map<String, Value>>) -> Aspects {
        // As it was written before rendering, where the artifact has it: a project that differs
        // between targets by `{{ target.name }}` alone is not modified.
        let written = ["unrendered_config", "config"]
            .into_iter()
            .filter_map(|key| node.get(key)?.as_object())
            .find(|config| !config.is_empty());
        let configs = written
            .into_iter()
            .flatten()
            .filter(|(key, _)| {
                !RELATION.contains(&key.as_str()) && !NOT_COMPARED.contains(&key.as_str())
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Map<_, _>>();
        let placed: Vec<Value> = match node.get("resource_type").and_then(Value::as_str) {
            Some("source") => pick(
                node,
                &["database", "schema", "identifier", "external", "quoting"],
            ),
            _ => RELATION
                .iter()
                .map(|key| written.and_then(|config| config.get(*key)).cloned())
                .map(Option::unwrap_or_default)
                .collect(),
        };
        Aspects {
            body: pick(
                node,
                &["raw_code", "checksum", "test_metadata", "column_name"],
            )
            .into(),
            configs: configs.into(),
            descriptions: descriptions(node),
            relation: placed.into(),
            macros: macro_texts(node, macros),
            contract: contract(node),
            rest: pick(
                node,
                &[
                    "fqn",
                    "freshness",
                    "loaded_at_field",
                    "type",
                    "owner",
                    "maturity",
                    "url",
                    "label",
                ],
            )
            .into(),
        }
    }
}

fn pick(node: &Value, keys: &[&str]) -> Vec<Value> {
    keys.iter()
        .map(|key| node.get(*key).cloned().unwrap_or_default())
        .collect()
}

/// What an enforced contract promises; nothing where none is enforced. It is read from the columns and
/// not from the checksum, which dbt and refx make in different ways.
fn contract(node: &Value) -> Value {
    if node.pointer("/contract/enforced") != Some(&Value::Bool(true)) {
        return Value::Null;
    }
    let constraints = |of: &Value| {
        let each = of.get("constraints").and_then(Value::as_array);
        let keys = ["type", "expression", "columns", "to", "to_columns"];
        each.into_iter()
            .flatten()
            .map(|one| Value::from(pick(one, &keys)))
            .collect::<Vec<_>>()
    };
    let columns = node.get("columns").and_then(Value::as_object);
    let mut promised: BTreeMap<String, Value> = BTreeMap::new();
    for (name, column) in columns.into_iter().flatten() {
        let written = column.get("data_type").and_then(Value::as_str);
        let of_type = Value::from(written.map(data_type::plain));
        promised.insert(
            name.to_lowercase(),
            vec![of_type, constraints(column).into()].into(),
        );
    }
    let key = node
        .pointer("/config/unique_key")
        .cloned()
        .unwrap_or_default();
    let materialized = node.pointer("/config/materialized").cloned();
    let promised = promised.into_iter().collect::<Map<_, _>>();
    vec![
        promised.into(),
        constraints(node).into(),
        key,
        materialized.unwrap_or_default(),
    ]
    .into()
}

/// The descriptions that reach the table: those that `persist_docs` writes there, and all of an
/// exposure, which is nothing but its description.
fn descriptions(node: &Value) -> Value {
    let persisted = |what: &str| {
        node.pointer(&format!("/config/persist_docs/{what}")) == Some(&Value::Bool(true))
    };
    let exposure = node.get("resource_type").and_then(Value::as_str) == Some("exposure");
    let mut found = Vec::new();
    if exposure || persisted("relation") {
        found.extend(node.get("description").cloned());
    }
    if persisted("columns") {
        let columns = node.get("columns").and_then(Value::as_object);
        for (name, column) in columns.into_iter().flatten() {
            let description = column.get("description").cloned().unwrap_or_default();
            found.push(vec![name.clone().into(), description].into());
        }
    }
    found.into()
}

/// The texts of all macros that the node calls, those that they call included, by id.
fn macro_texts(node: &Value, macros: Option<&Map<String, Value>>) -> Value {
    let called = |of: &Value| -> Vec<String> {
        let ids = of.pointer("/depends_on/macros").and_then(Value::as_array);
        ids.into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_string))
            .collect()
    };
    let mut seen = BTreeSet::new();
    let mut queue = called(node);
    let mut texts = BTreeMap::new();
    while let Some(id) = queue.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        if let Some(definition) = macros.and_then(|macros| macros.get(&id)) {
            queue.extend(called(definition));
            texts.insert(id, definition.get("macro_sql").cloned().unwrap_or_default());
        }
    }
    texts.into_iter().collect::<Map<_, _>>().into()
}
