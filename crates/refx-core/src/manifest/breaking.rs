//! What a change of the project takes away from the readers of a model that promised it.
//!
//! A contract that was enforced in an earlier `manifest.json` is held against the model of today:
//! what was promised and is no longer is a breaking change. What is added, or grows, breaks nobody.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::{Constraint, ConstraintKind, Spanned};

use super::{Manifest, Model, Node, NodeId, data_type};

/// The breaking changes from an earlier manifest (the value of its `manifest.json`, refx's or dbt's
/// own) to the present one: one diagnostic a model, which names each change and who reads it.
pub fn breaking_changes(before: &Value, now: &Manifest) -> Vec<(NodeId, Diagnostic)> {
    let nodes = before.get("nodes").and_then(Value::as_object);
    let models = nodes.into_iter().flatten();
    let models = models.filter(|(_, node)| {
        let text = |pointer| node.pointer(pointer).and_then(Value::as_str);
        text("/resource_type") == Some("model")
            && node.pointer("/contract/enforced") == Some(&Value::Bool(true))
    });
    models
        .filter_map(|(id, node)| {
            let id = NodeId::new(id.as_str());
            let diagnostic = match now.get(&id).and_then(Node::as_model) {
                Some(model) => changed(&Promise::written(node), model, now)?,
                None => removed(&id, node, now),
            };
            Some((id, diagnostic))
        })
        .collect()
}

/// What a contract promises.
struct Promise {
    /// In lower case, each with its name and type as they were written.
    columns: BTreeMap<String, (String, Option<String>)>,
    constraints: Vec<Held>,
    key: Vec<String>,
    lands: bool,
}

/// One constraint, as it is compared.
#[derive(PartialEq)]
struct Held {
    kind: String,
    columns: Vec<String>,
    /// The condition of a `check`, with single spaces.
    expression: String,
    to: String,
}

fn changed(before: &Promise, model: &Model, now: &Manifest) -> Option<Diagnostic> {
    let today = Promise::of(model);
    let mut changes: Vec<(String, Option<Span>)> = Vec::new();
    let mut tell = |change: String, place: Option<Span>| changes.push((change, place));
    let contract = model.config.contract.as_ref();
    if model.contract().is_none() {
        tell(
            "its contract is no longer enforced".to_owned(),
            contract.map(|contract| contract.span.clone()),
        );
    }
    if before.lands && !today.lands {
        let word = model.materialization.as_str();
        tell(
            format!("it was a table, and is materialized as `{word}`"),
            None,
        );
    }
    for (name, (written, old)) in &before.columns {
        match (old, today.columns.get(name)) {
            (_, None) => tell(format!("the column `{written}` is gone"), None),
            (Some(old), Some((_, Some(new)))) if !data_type::widens(old, new) => {
                tell(
                    format!("the column `{written}` was `{old}`, and is `{new}`"),
                    place_of_type(model, name),
                );
            }
            _ => {}
        }
    }
    if before.key != today.key && !before.key.is_empty() {
        let new = match today.key.is_empty() {
            true => "it has none".to_owned(),
            false => format!("it is {}", quoted(&today.key)),
        };
        let place = model.config.primary_key.as_ref();
        tell(
            format!("the primary key was {}, and {new}", quoted(&before.key)),
            place.map(|key| key.span.clone()),
        );
    }
    for held in before.constraints.iter().filter(|held| !today.holds(held)) {
        tell(format!("the constraint {} is gone", held.told()), None);
    }
    if changes.is_empty() {
        return None;
    }
    let place = model.common.described_at.clone();
    let place = place.unwrap_or_else(|| model.common.span.clone());
    let name = &model.common.name;
    let told = called(name, model.version.as_deref());
    let mut diagnostic = Diagnostic::error(
        Code::BreakingChange,
        format!("{told} no longer keeps what its contract promised"),
    )
    .at(place);
    for (change, place) in changes {
        diagnostic = match place {
            Some(place) => diagnostic.related(place, change),
            None => diagnostic.note(change),
        };
    }
    Some(
        with_readers(diagnostic, readers(&model.common.id, now)).help(match &model.version {
            Some(version) => format!(
                "leave version `{version}` as it was, and add a new one under `versions:` of `{name}`"
            ),
            None => {
                "keep the promise, or give the model `versions:`, so that its readers can move in \
                 their own time"
                    .to_owned()
            }
        }),
    )
}

fn removed(id: &NodeId, node: &Value, now: &Manifest) -> Diagnostic {
    let text = |key| node.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or_else(|| id.as_str());
    let version = node.get("version").filter(|version| !version.is_null());
    let version = version.map(|version| match version {
        Value::String(version) => version.clone(),
        other => other.to_string(),
    });
    let name = called(name, version.as_deref());
    let path = text("original_file_path").unwrap_or_default();
    let disabled = now.disabled.get(id);
    let diagnostic = match disabled {
        Some(node) => Diagnostic::error(
            Code::BreakingChange,
            format!("{name} has a contract, and is disabled"),
        )
        .at(node.common().span.clone()),
        None => Diagnostic::error(
            Code::BreakingChange,
            format!("{name} had a contract, and is gone"),
        )
        .note(format!("it was in `{path}`")),
    };
    with_readers(diagnostic, readers(id, now))
        .help("keep it until nobody reads it any more; a new version can stand beside it")
}

fn called(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("version `{version}` of `{name}`"),
        None => format!("`{name}`"),
    }
}

impl Promise {
    fn of(model: &Model) -> Promise {
        let columns = model.common.columns.iter().map(|column| {
            let name = column.name.value.to_string();
            let data_type = column.data_type.as_ref();
            let data_type = data_type.map(|written| written.value.clone());
            (name.to_lowercase(), (name, data_type))
        });
        let constraints = model.all_constraints();
        Promise {
            columns: columns.collect(),
            constraints: constraints
                .map(|(constraint, columns)| Held::of(constraint, &columns))
                .filter(|held| held.kind != ConstraintKind::PrimaryKey.as_str())
                .collect(),
            key: lower(model.primary_key.iter().map(String::as_str)),
            lands: model.materialization.lands(),
        }
    }

    /// Reads the entry of a model in a `manifest.json`.
    fn written(node: &Value) -> Promise {
        let columns = node.get("columns").and_then(Value::as_object);
        let columns = || columns.into_iter().flatten();
        let of_table = list(node, "constraints");
        let of_table = of_table.map(|constraint| Held::written(constraint, None));
        let of_columns = columns().flat_map(|(name, column)| {
            let constraints = list(column, "constraints");
            constraints.map(move |constraint| Held::written(constraint, Some(name)))
        });
        let (keys, constraints): (Vec<Held>, Vec<Held>) = of_table
            .chain(of_columns)
            .partition(|held| held.kind == ConstraintKind::PrimaryKey.as_str());
        let key = match lower(texts(node, "/config/unique_key")) {
            key if key.is_empty() => keys.into_iter().flat_map(|key| key.columns).collect(),
            key => key,
        };
        let materialized = node.pointer("/config/materialized").and_then(Value::as_str);
        Promise {
            columns: columns()
                .map(|(name, column)| {
                    let data_type = column.get("data_type").and_then(Value::as_str);
                    let data_type = data_type.map(str::to_owned);
                    (name.to_lowercase(), (name.clone(), data_type))
                })
                .collect(),
            constraints,
            key,
            lands: matches!(materialized, Some("table" | "incremental")),
        }
    }

    /// Whether rows that fulfil these constraints fulfil the one of before. The key is neither NULL
    /// nor twice, and says so of its columns.
    fn holds(&self, held: &Held) -> bool {
        let of_key = match held.kind.as_str() {
            "not_null" => held.columns.iter().all(|column| self.key.contains(column)),
            "unique" => !self.key.is_empty() && self.key == held.columns,
            // Nothing holds it, before or after.
            "custom" => true,
            _ => false,
        };
        of_key || self.constraints.contains(held) || self.holds_each(held)
    }

    /// `not_null` of several columns may have become one constraint each, or the reverse.
    fn holds_each(&self, held: &Held) -> bool {
        held.kind == "not_null"
            && held.columns.iter().all(|column| {
                self.key.contains(column)
                    || self
                        .constraints
                        .iter()
                        .any(|one| one.kind == "not_null" && one.columns.contains(column))
            })
    }
}

impl Held {
    fn of(constraint: &Constraint, columns: &[Spanned<String>]) -> Held {
        let text = |text: &Option<Spanned<String>>| {
            text.as_ref()
                .map(|text| text.value.clone())
                .unwrap_or_default()
        };
        Held::new(
            constraint.kind.value.as_str(),
            columns.iter().map(|column| column.value.as_str()),
            &text(&constraint.expression),
            &text(&constraint.to),
        )
    }

    fn written(constraint: &Value, column: Option<&str>) -> Held {
        let text = |key| {
            constraint
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let columns = texts(constraint, "/columns").chain(column);
        Held::new(text("type"), columns, text("expression"), text("to"))
    }

    fn new<'a>(
        kind: &str,
        columns: impl Iterator<Item = &'a str>,
        expression: &str,
        to: &str,
    ) -> Held {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        // A check belongs to its condition, wherever it is written.
        let columns = match kind {
            "check" => Vec::new(),
            _ => lower(columns),
        };
        // dbt writes the relation's name there once a model was compiled.
        let to = match to.contains('(') {
            true => words(to).replace('"', "'"),
            false => String::new(),
        };
        Held {
            kind: kind.to_owned(),
            columns,
            expression: words(expression),
            to,
        }
    }

    fn told(&self) -> String {
        let kind = &self.kind;
        match (self.expression.as_str(), self.to.as_str()) {
            ("", "") => format!("`{kind}` of {}", quoted(&self.columns)),
            ("", to) => format!("`{kind}` of {} to `{to}`", quoted(&self.columns)),
            (expression, _) => format!("`{kind}: {expression}`"),
        }
    }
}

fn place_of_type(model: &Model, name: &str) -> Option<Span> {
    let mut columns = model.common.columns.iter();
    let column = columns.find(|column| column.name.value.to_lowercase() == name)?;
    column
        .data_type
        .as_ref()
        .map(|written| written.span.clone())
}

/// The models and exposures that read a node, in words, the models first.
fn readers(id: &NodeId, now: &Manifest) -> Vec<String> {
    let readers = |told: fn(&Node) -> Option<String>| {
        let nodes = now.nodes.values();
        let readers = nodes.filter(|node| node.common().depends_on.contains(id));
        readers.filter_map(told)
    };
    let models = readers(|node| {
        node.as_model()
            .map(|model| format!("`{}`", model.common.name))
    });
    let exposures = readers(|node| match node {
        Node::Exposure(exposure) => Some(format!("the exposure `{}`", exposure.common.name)),
        _ => None,
    });
    models.chain(exposures).collect()
}

fn with_readers(diagnostic: Diagnostic, readers: Vec<String>) -> Diagnostic {
    match readers.as_slice() {
        [] => diagnostic.note("no model and no exposure of the project reads it"),
        [one] => diagnostic.note(format!("it is read by {one}")),
        [rest @ .., last] => {
            diagnostic.note(format!("it is read by {} and {last}", rest.join(", ")))
        }
    }
}

fn quoted(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    columns.join(", ")
}

fn lower<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_lowercase).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let items = value.get(key).and_then(Value::as_array);
    items.into_iter().flatten()
}

/// A list of texts, or one text.
fn texts<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    let found = value.pointer(pointer);
    let items = match found {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    items.iter().filter_map(Value::as_str)
}
