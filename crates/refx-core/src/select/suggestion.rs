//! What to say of a selector that matches nothing: most often a slip, so the nearest thing that
//! exists is offered.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic, closest};
use crate::manifest::{Manifest, Node, TestKind};

use super::glob::Glob;
use super::matches::{file_name, owners, setting};
use super::method::{FqnPattern, Method};
use super::parse::{Atom, Selector, invalid};
use super::selectors::Selectors;
use super::{Scope, columns};

/// The warning for a selector whose parts match nothing, or nothing in common.
pub fn empty(selector: &Selector, empty_parts: &[&Atom], scope: &Scope) -> Diagnostic {
    let message = match selector {
        Selector::Union(parts) if parts.is_empty() => "an empty selector matches nothing".into(),
        selector => format!("`{selector}` matches nothing"),
    };
    let mut diagnostic = Diagnostic::warning(Code::EmptySelection, message);
    if let Selector::Intersection(_) = selector {
        diagnostic = match empty_parts {
            [] => diagnostic.note("each part matches something, but they have nothing in common"),
            parts => parts.iter().fold(diagnostic, |diagnostic, part| {
                diagnostic.note(format!("`{}` matches nothing", part.text))
            }),
        };
    }
    for atom in empty_parts {
        if let Some(span) = &atom.span {
            diagnostic = diagnostic.at(span.clone());
        }
        if let Method::Lacking { what, .. } = &atom.method {
            return diagnostic.note(format!("refx has no {what}"));
        }
        if let Some(near) = nearest(&atom.method, scope) {
            return diagnostic.help(format!("did you mean `{near}`?"));
        }
    }
    diagnostic
}

pub fn unknown_selector(name: &str, selectors: &Selectors) -> Diagnostic {
    let diagnostic = invalid(format!("no selector is named `{name}`"));
    let diagnostic = match selectors.names().next() {
        Some(_) => {
            let names: Vec<&str> = selectors.names().collect();
            diagnostic.help(format!("`selectors.yml` has {}", names.join(", ")))
        }
        None => diagnostic.help("name one in `selectors.yml`"),
    };
    diagnostic.did_you_mean(name, selectors.names())
}

/// The nearest selector that matches something, as one would write it.
fn nearest(method: &Method, scope: &Scope) -> Option<String> {
    let manifest = scope.manifest;
    let written = match method {
        Method::Fqn(pattern) => return nearest_name(&pattern.text, scope),
        Method::Column(pattern) => {
            let names = columns::names(scope);
            let near = closest(&pattern.text, names.iter().map(String::as_str))?;
            return Some(format!("column:{near}"));
        }
        Method::Tag(value)
        | Method::Group(value)
        | Method::Owner(value)
        | Method::Cadence(value)
        | Method::File(value)
        | Method::Package(value)
        | Method::TestName(value)
        | Method::UnitTest(value)
        | Method::Config { value, .. } => &value.text,
        Method::Source { text, .. } | Method::Exposure { text, .. } | Method::Path(_, text) => text,
        // These take one of a few words, and an unknown one never gets here; or they speak of an
        // earlier run, where nothing is a common and welcome answer.
        _ => return None,
    };
    let known = values(method, manifest);
    let near = closest(written, known.iter().map(String::as_str))?;
    Some(format!("{}:{near}", method.name()))
}

/// For a bare word: something of that very name that another method finds, else the nearest model or
/// folder, else the nearest tag.
fn nearest_name(written: &str, scope: &Scope) -> Option<String> {
    let manifest = scope.manifest;
    if Glob::is_pattern(written) {
        // A pattern with a dot starts at the top folder, which surprises: `wide.user_*` is no model
        // in a folder `crm/wide`, and `*.wide.user_*` is.
        let anywhere = format!("*.{written}");
        let pattern = FqnPattern::new(&anywhere);
        let found = manifest.nodes.values().any(|node| {
            !matches!(node, Node::Source(_)) && pattern.matches(&node.common().fqn, false)
        });
        return found.then_some(anywhere);
    }
    let others = [
        Method::parse("tag", written),
        Method::parse("source", written),
        Method::parse("exposure", written),
        Method::parse("group", written),
        Method::parse("owner", written),
        Method::parse("path", written),
        Method::parse("unit_test", written),
        Method::parse("test_name", written),
    ];
    let others = others.into_iter().filter_map(Result::ok);
    let tags = values(&Method::parse("tag", written).ok()?, manifest);
    let exact = others
        .filter(|method| values(method, manifest).contains(written))
        .map(|method| format!("{}:{written}", method.name()))
        .chain(
            scope
                .selectors
                .get(written)
                .map(|_| format!("selector:{written}")),
        )
        .next();
    exact.or_else(|| {
        let names = names(manifest);
        closest(written, names.iter().map(String::as_str))
            .map(str::to_string)
            .or_else(|| {
                closest(written, tags.iter().map(String::as_str)).map(|tag| format!("tag:{tag}"))
            })
    })
}

/// What stands for nodes without a method: names, and folders with and without the package.
fn names(manifest: &Manifest) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in manifest.nodes.values() {
        // The names of generic tests are long and made up: nobody means one by a slip.
        if matches!(node, Node::Source(_) | Node::Test(_) | Node::UnitTest(_)) {
            continue;
        }
        let fqn = &node.common().fqn;
        names.insert(node.name().to_string());
        for start in [0, 1] {
            for end in start + 1..=fqn.len() {
                names.insert(fqn[start..end].join("."));
            }
        }
    }
    names
}

/// The values of the method that match something.
fn values(method: &Method, manifest: &Manifest) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for node in manifest.nodes.values() {
        let common = node.common();
        match method {
            Method::Tag(_) => values.extend(common.tags.iter().cloned()),
            Method::Group(_) => values.extend(common.group.clone()),
            Method::Owner(_) => values.extend(owners(node, manifest).map(str::to_string)),
            Method::Cadence(_) => {
                values.extend(node.as_model().and_then(|model| model.cadence.clone()));
            }
            Method::Source { .. } => {
                if let Node::Source(source) = node {
                    values.insert(source.source_name.clone());
                    values.insert(format!("{}.{}", source.source_name, common.name));
                }
            }
            Method::Exposure { .. } => {
                if let Node::Exposure(_) = node {
                    values.insert(common.name.clone());
                }
            }
            Method::Path(..) => {
                let ends = common.path.match_indices('/').map(|(at, _)| at);
                values.extend(
                    ends.chain([common.path.len()])
                        .map(|end| common.path[..end].to_string()),
                );
            }
            Method::File(_) => {
                values.insert(file_name(common).to_string());
            }
            Method::Package(_) => {
                values.insert(common.package.to_string());
            }
            Method::TestName(_) => {
                if let Some(TestKind::Generic { name, .. }) = node.as_test().map(|test| &test.kind)
                {
                    values.insert(name.clone());
                }
            }
            Method::UnitTest(_) => {
                if let Node::UnitTest(_) = node {
                    values.insert(common.name.clone());
                }
            }
            Method::Config { keys, .. } => match setting(node, keys) {
                Some(Json::Array(items)) => values.extend(items.iter().filter_map(word)),
                Some(value) => values.extend(word(&value)),
                None => {}
            },
            _ => {}
        }
    }
    values
}

fn word(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
