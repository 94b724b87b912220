//! Which nodes a [`Method`] means.

use serde_json::Value as Json;

use crate::manifest::{Common, Manifest, Model, Node, ResourceType, TestKind};

use super::method::{Method, TestType, Value, VersionKind};
use super::state::State;

/// Whether the node is one that the method asks for.
///
/// [`Method::Selector`] and [`Method::Column`] are about more than one node: `pick` looks them up, and
/// here they match nothing.
pub fn matches(method: &Method, node: &Node, manifest: &Manifest, state: &State) -> bool {
    let common = node.common();
    let any = |value: &Value, found: &Option<String>| {
        found.as_deref().is_some_and(|found| value.matches(found))
    };
    match method {
        // As in dbt, a source is never meant by name alone: its table may share it with a model.
        Method::Fqn(_) if matches!(node, Node::Source(_)) => false,
        Method::Fqn(pattern) => pattern.matches(&common.fqn, is_versioned(node)),
        Method::Tag(value) => common.tags.iter().any(|tag| value.matches(tag)),
        Method::Group(value) => any(value, &common.group),
        Method::Owner(value) => owners(node, manifest).any(|owner| value.matches(owner)),
        Method::Cadence(value) => node
            .as_model()
            .is_some_and(|model| any(value, &model.cadence)),
        Method::Access(access) => node.as_model().is_some_and(|model| model.access == *access),
        Method::Source {
            package,
            source,
            table,
            ..
        } => match node {
            Node::Source(own) => {
                package.matches(&common.package)
                    && source.matches(&own.source_name)
                    && table.matches(&common.name)
            }
            _ => false,
        },
        Method::Exposure { package, name, .. } => {
            matches!(node, Node::Exposure(_))
                && package.matches(&common.package)
                && name.matches(&common.name)
        }
        Method::Path(glob, _) => {
            glob.matches(&common.path)
                || common
                    .properties_path
                    .as_deref()
                    .is_some_and(|path| glob.matches(path))
        }
        Method::File(value) => {
            let name = file_name(common);
            value.matches(name) || value.matches(stem(name))
        }
        Method::Package(value) => {
            value.matches(&common.package)
                || (value.text == "this" && common.package == manifest.project)
        }
        Method::Config { keys, value } => holds(node, keys, value),
        Method::ResourceType(kind) => node.resource_type() == *kind,
        Method::TestName(value) => match node {
            Node::Test(test) => match &test.kind {
                TestKind::Generic { name, .. } => value.matches(name),
                TestKind::Singular { .. } => false,
            },
            Node::UnitTest(_) => value.matches(&common.name),
            _ => false,
        },
        Method::UnitTest(value) => matches!(node, Node::UnitTest(_)) && value.matches(&common.name),
        Method::TestType(kind) => match node {
            Node::Test(test) => match &test.kind {
                TestKind::Generic { .. } => matches!(kind, TestType::Generic | TestType::Data),
                TestKind::Singular { .. } => matches!(kind, TestType::Singular | TestType::Data),
            },
            Node::UnitTest(_) => *kind == TestType::Unit,
            _ => false,
        },
        Method::State(check) => state.holds(*check, node.id()),
        Method::Result(value) => state
            .results
            .and_then(|results| results.get(node.id()))
            .is_some_and(|status| value.matches(status)),
        Method::Version(kind) => node
            .as_model()
            .is_some_and(|model| is_version(*kind, model)),
        Method::Selector(_) | Method::Column(_) | Method::Lacking { .. } => false,
    }
}

fn is_versioned(node: &Node) -> bool {
    node.as_model().is_some_and(|model| model.version.is_some())
}

fn is_version(kind: VersionKind, model: &Model) -> bool {
    let against = |wanted: std::cmp::Ordering| match (&model.version, &model.latest_version) {
        (Some(version), Some(latest)) => order_versions(version, latest) == wanted,
        _ => false,
    };
    match kind {
        VersionKind::None => model.version.is_none(),
        VersionKind::Latest => against(std::cmp::Ordering::Equal),
        VersionKind::Prerelease => against(std::cmp::Ordering::Greater),
        VersionKind::Old => against(std::cmp::Ordering::Less),
    }
}

/// Numbers by value, so that 10 comes after 9; everything else by its text, as in dbt.
fn order_versions(left: &str, right: &str) -> std::cmp::Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => left.cmp(right),
    }
}

/// The owner of the node, those under its `meta`, its group's, and the address of an exposure's.
pub fn owners<'a>(node: &'a Node, manifest: &'a Manifest) -> impl Iterator<Item = &'a str> {
    let common = node.common();
    let email = match node {
        Node::Exposure(exposure) => exposure.owner_email.as_deref(),
        _ => None,
    };
    let group = common.group.as_ref().and_then(|group| {
        let group = manifest.groups.get(group)?;
        group.owner.as_deref()
    });
    let in_meta = match common.meta.get("owner") {
        Some(Json::Array(owners)) => owners.as_slice(),
        Some(owner) => std::slice::from_ref(owner),
        None => &[],
    };
    common
        .owner
        .as_deref()
        .into_iter()
        .chain(email)
        .chain(group)
        .chain(in_meta.iter().filter_map(Json::as_str))
}

pub fn file_name(common: &Common) -> &str {
    common.path.rsplit('/').next().unwrap_or_default()
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// Whether the setting is the value, or a list that holds it.
fn holds(node: &Node, keys: &[String], value: &Value) -> bool {
    match setting(node, keys) {
        // `ERROR` and `error` are one severity.
        Some(Json::String(severity)) if keys == ["severity"] => {
            severity.eq_ignore_ascii_case(&value.text)
        }
        Some(Json::Array(items)) => items.iter().any(|item| equals(item, value)),
        Some(setting) => equals(&setting, value),
        None => false,
    }
}

fn equals(setting: &Json, value: &Value) -> bool {
    match setting {
        Json::String(text) => *text == value.text || value.matches(text),
        Json::Bool(flag) => value.text.eq_ignore_ascii_case(&flag.to_string()),
        Json::Number(number) => number.to_string() == value.text,
        Json::Null => value.text.eq_ignore_ascii_case("none") || value.text == "null",
        Json::Array(_) | Json::Object(_) => false,
    }
}

/// A setting of the node, by its keys. Those that hold without being written are answered from what
/// the node became: a model with no `materialized` is still one whose `materialized` is `view`.
pub fn setting(node: &Node, keys: &[String]) -> Option<Json> {
    let common = node.common();
    let (first, rest) = keys.split_first()?;
    let whole = match (first.as_str(), node) {
        ("materialized", Node::Model(model)) => Some(model.materialization.as_str().into()),
        ("materialized", Node::Seed(_)) => Some("seed".into()),
        ("materialized", Node::Test(_)) => Some("test".into()),
        // dbt's name of the key, and refx's: both are read.
        ("primary_key" | "unique_key", Node::Model(model)) if !model.primary_key.is_empty() => {
            Some(model.primary_key.clone().into())
        }
        ("access", Node::Model(model)) => Some(model.access.as_str().into()),
        ("tags", _) => Some(common.tags.clone().into()),
        ("group", _) => common.group.clone().map(Json::from),
        ("meta", _) => Some(Json::Object(common.meta.clone())),
        (name, _) => common.config.get(name).cloned(),
    };
    let whole = match (whole, first.as_str(), node.resource_type()) {
        (None, "severity", ResourceType::Test) => "error".into(),
        (None, "enabled", _) => true.into(),
        (whole, ..) => whole?,
    };
    let found = rest
        .iter()
        .try_fold(&whole, |value, key| value.as_object()?.get(key));
    found.cloned()
}
