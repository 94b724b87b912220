//! Settings in layers: the project file by folder, then properties, then `config()` in the model.

use std::collections::BTreeMap;

use super::config::ModelConfig;
use super::yaml::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Whom the settings of a layer are written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// All nodes of a folder, in the project file. What does not fit one of them was not meant for it.
    Folder,
    /// The node itself, in a properties file or in `config()`.
    #[default]
    Node,
}

/// The settings that one place gives: names (without dbt's `+`, at their place) and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    pub origin: Origin,
    pub settings: Vec<(Node, Node)>,
}

/// A setting that the layers come to, with the place and the origin of the layer that wrote it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub span: Span,
    pub origin: Origin,
    pub value: Node,
}

impl Layer {
    /// All keys of a map as settings: a `config:` of properties, the arguments of `config()`.
    /// Anything but a map gives nothing.
    pub fn of(config: &Node) -> Self {
        Layer {
            origin: Origin::Node,
            settings: config.as_map().unwrap_or_default().to_vec(),
        }
    }

    /// One setting more, where a properties file gives it outside of `config:`.
    pub fn with(mut self, name: &str, value: Node) -> Self {
        self.settings
            .push((Node::text(name, value.span.clone()), value));
        self
    }
}

/// The layers of a configuration tree (`models:` in `project.yml`) that concern one model, general
/// ones first. `fqn` is the project's name, the folders and the model's name.
///
/// As in dbt, a key with `+` is a setting, and so is one whose value is not a map; any other key is
/// a folder, or the model itself.
pub fn layers(tree: &Node, fqn: &[impl AsRef<str>]) -> Vec<Layer> {
    let mut found = vec![level(tree)];
    let mut tree = tree;
    for part in fqn {
        match folders(tree).find(|(key, _)| key.as_str() == Some(part.as_ref())) {
            Some((_, below)) => tree = below,
            None => break,
        }
        found.push(level(tree));
    }
    found.retain(|layer| !layer.settings.is_empty());
    found
}

/// The settings at one level of a tree.
fn level(tree: &Node) -> Layer {
    let entries = tree.as_map().unwrap_or_default();
    let settings = entries.iter().filter_map(|(key, value)| {
        let name = key.as_str()?;
        match name.strip_prefix('+') {
            Some(name) => Some((Node::text(name.trim(), key.span.clone()), value.clone())),
            None if value.as_map().is_none() => Some((key.clone(), value.clone())),
            None => None,
        }
    });
    Layer {
        origin: Origin::Folder,
        settings: settings.collect(),
    }
}

fn folders(tree: &Node) -> impl Iterator<Item = &(Node, Node)> {
    let entries = tree.as_map().unwrap_or_default();
    entries.iter().filter(|(key, value)| {
        value.as_map().is_some() && key.as_str().is_some_and(|name| !name.starts_with('+'))
    })
}

/// Warns of the folders in a tree that no model is in. `section` is the tree's own key, `models`.
pub fn unused<P: AsRef<str>>(section: &str, tree: &Node, fqns: &[Vec<P>]) -> Vec<Diagnostic> {
    let all: Vec<&[P]> = fqns.iter().map(Vec::as_slice).collect();
    let mut diagnostics = Vec::new();
    unused_below(section, tree, &all, &mut diagnostics);
    diagnostics
}

fn unused_below<P: AsRef<str>>(
    path: &str,
    tree: &Node,
    fqns: &[&[P]],
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (key, below) in folders(tree) {
        let name = key.as_str().unwrap_or_default();
        let path = format!("{path}.{name}");
        let inside: Vec<&[P]> = fqns
            .iter()
            .filter_map(|fqn| fqn.split_first())
            .filter(|(first, _)| first.as_ref() == name)
            .map(|(_, rest)| rest)
            .collect();
        if inside.is_empty() {
            let diagnostic = Diagnostic::warning(
                Code::UnknownProperty,
                format!("unused configuration path `{path}`"),
            )
            .at(key.span.clone());
            let folders = fqns.iter().filter_map(|fqn| fqn.first()).map(P::as_ref);
            diagnostics.push(if is_setting(name) {
                diagnostic.help(format!("write `+{name}` for the setting of that name"))
            } else {
                let diagnostic = diagnostic.did_you_mean(name, folders);
                match diagnostic.help {
                    Some(_) => diagnostic,
                    None => {
                        diagnostic.help("no folder or model has this name: correct or remove it")
                    }
                }
            });
        } else {
            unused_below(&path, below, &inside, diagnostics);
        }
    }
}

fn is_setting(name: &str) -> bool {
    let schema = schemars::schema_for!(ModelConfig);
    schema
        .get("properties")
        .is_some_and(|settings| settings.get(canonical(name)).is_some())
}

/// How a setting of several layers becomes one (dbt: `MergeBehavior`).
enum Rule {
    /// All values, one after the other.
    Append,
    /// One map, in which the later value of a key wins.
    Update,
    /// One map; a key with `+` adds to the earlier values.
    Grants,
    /// The last value.
    Replace,
}

fn rule(name: &str) -> Rule {
    match name {
        "tags" | "pre_hook" | "post_hook" | "packages" => Rule::Append,
        "meta" | "docs" | "persist_docs" | "contract" | "column_types" | "quoting"
        | "table_properties" | "lint" => Rule::Update,
        "grants" => Rule::Grants,
        _ => Rule::Replace,
    }
}

/// The one name of a setting that has several.
fn canonical(name: &str) -> &str {
    match name {
        "pre-hook" => "pre_hook",
        "post-hook" => "post_hook",
        "unique_key" => "primary_key",
        name => name,
    }
}

/// Merges layers, general ones first, with dbt's rules: tags and hooks add up, `meta` and its like
/// merge by key, all else is replaced. `unique_key` comes out as `primary_key`. Every name and
/// value keeps the place of the layer that wrote it last.
pub fn merge(layers: &[Layer]) -> BTreeMap<String, Setting> {
    let mut merged: BTreeMap<String, Setting> = BTreeMap::new();
    let settings = layers
        .iter()
        .flat_map(|layer| layer.settings.iter().map(|entry| (layer.origin, entry)));
    for (origin, (key, value)) in settings {
        let name = canonical(key.as_str().unwrap_or_default());
        let earlier = merged.remove(name).map(|setting| setting.value);
        let value = match (rule(name), earlier) {
            (Rule::Replace, _) => value.clone(),
            (Rule::Append, earlier) => append(earlier, value, name == "tags"),
            (Rule::Update, Some(earlier)) => update(earlier, value),
            (Rule::Grants, earlier) => grants(earlier, value),
            (Rule::Update, None) => value.clone(),
        };
        let span = key.span.clone();
        let setting = Setting {
            span,
            origin,
            value,
        };
        merged.insert(name.to_owned(), setting);
    }
    merged
}

fn append(earlier: Option<Node>, value: &Node, distinct: bool) -> Node {
    let mut items = earlier.map(items).unwrap_or_default();
    for item in items_of(value) {
        if !distinct || !items.iter().any(|known| known.value == item.value) {
            items.push(item);
        }
    }
    Node::new(Value::List(items), value.span.clone())
}

fn items(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Null => Vec::new(),
        _ => vec![node],
    }
}

fn items_of(node: &Node) -> Vec<Node> {
    items(node.clone())
}

fn update(earlier: Node, value: &Node) -> Node {
    let (Value::Map(mut entries), Some(later)) = (earlier.value, value.as_map()) else {
        return value.clone();
    };
    for (key, value) in later {
        set(&mut entries, key, value.clone());
    }
    Node::new(Value::Map(entries), value.span.clone())
}

fn set(entries: &mut Vec<(Node, Node)>, key: &Node, value: Node) {
    match entries
        .iter_mut()
        .find(|(known, _)| known.value == key.value)
    {
        Some(entry) => *entry = (key.clone(), value),
        None => entries.push((key.clone(), value)),
    }
}

fn grants(earlier: Option<Node>, value: &Node) -> Node {
    let Some(later) = value.as_map() else {
        return value.clone();
    };
    let mut entries = match earlier.map(|node| node.value) {
        Some(Value::Map(entries)) => entries,
        _ => Vec::new(),
    };
    for (key, value) in later {
        match key.as_str().and_then(|name| name.strip_prefix('+')) {
            Some(name) => {
                let key = Node::text(name.trim(), key.span.clone());
                let known = entries.iter().find(|(known, _)| known.value == key.value);
                let value = append(known.map(|(_, value)| value.clone()), value, true);
                set(&mut entries, &key, value);
            }
            None => set(&mut entries, key, value.clone()),
        }
    }
    Node::new(Value::Map(entries), value.span.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::yaml;

    fn tree(text: &str) -> Node {
        yaml::parse("project.yml", text).expect("the test's YAML is well-formed")
    }

    fn merged(text: &str, fqn: &[&str]) -> serde_json::Value {
        let merged = merge(&layers(&tree(text), fqn));
        merged
            .iter()
            .map(|(name, setting)| (name.clone(), setting.value.to_json()))
            .collect()
    }

    const TREE: &str = "
+tags: all
+meta: { a: 1, b: 1 }
shop:
  materialized: view
  +unique_key: id
  marts:
    +tags: [marts, all]
    +meta: { b: 2 }
    +materialized: table
    +pre-hook: first
    +grants: { select: [ann] }
    user_360:
      +primary_key: user_id
      pre_hook: [second]
      +grants: { +select: bob }
";

    #[test]
    fn tags_add_up_meta_merges_the_rest_is_replaced() {
        assert_eq!(
            merged(TREE, &["shop", "marts", "user_360"]),
            serde_json::json!({
                "grants": { "select": ["ann", "bob"] },
                "materialized": "table",
                "meta": { "a": 1, "b": 2 },
                "pre_hook": ["first", "second"],
                "primary_key": "user_id",
                "tags": ["all", "marts"],
            })
        );
        assert_eq!(
            merged(TREE, &["shop", "staging", "stg_users"])["materialized"],
            "view"
        );
        assert_eq!(
            merged(TREE, &["other", "marts"]),
            serde_json::json!({ "tags": ["all"], "meta": { "a": 1, "b": 1 } })
        );
    }

    #[test]
    fn a_value_keeps_the_place_of_its_layer() {
        let merged = merge(&layers(&tree(TREE), &["shop", "marts", "user_360"]));
        let span = &merged["primary_key"].value.span;
        assert_eq!(&TREE[span.start..span.end], "user_id");
    }

    #[test]
    fn folders_without_models_are_told() {
        let tree = tree("shop:\n  martz: { +tags: x }\n  meta: { a: 1 }\n  staging: { a: 1 }\n");
        let fqns = vec![vec!["shop", "marts", "a"], vec!["shop", "staging", "b"]];
        let told: Vec<_> = unused("models", &tree, &fqns)
            .into_iter()
            .map(|told| (told.message, told.help.unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "unused configuration path `models.shop.martz`".into(),
                    "did you mean `marts`?".into()
                ),
                (
                    "unused configuration path `models.shop.meta`".into(),
                    "write `+meta` for the setting of that name".into()
                ),
            ]
        );
    }
}
