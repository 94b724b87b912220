//! `selectors.yml`: selections with a name.
//!
//! ```yaml
//! selectors:
//!   - name: nightly
//!     default: true
//!     definition:
//!       union:
//!         - tag:daily                                  # as on the command line
//!         - {method: path, value: models/crm, parents: true, parents_depth: 1}
//!         - {method: selector, value: releases}        # another selector
//!         - exclude: [config.materialized:view]
//! ```
//! Rules: dbt-core 1.12, `graph/cli.py`. The order of the selectors does not matter.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::yaml::Node;

use super::Indirect;
use super::method::{self, Method};
use super::parse::{Atom, Depth, Reach, Selector, invalid, parse};
use super::suggestion;

/// The named selectors of a project. None of them leads back to itself.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    by_name: BTreeMap<String, NamedSelector>,
}

#[derive(Clone, Debug)]
pub struct NamedSelector {
    pub name: String,
    pub definition: Selector,
    /// Whether it stands in for a missing `--select`.
    pub default: bool,
    /// Where its name is written.
    pub span: Span,
}

impl Selectors {
    pub fn get(&self, name: &str) -> Option<&NamedSelector> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The one with `default: true`.
    pub fn default_selector(&self) -> Option<&NamedSelector> {
        self.by_name.values().find(|selector| selector.default)
    }
}

/// Reads the root of `selectors.yml`. A selector that is wrong is left out, and the others load.
pub fn named(root: &Node) -> (Selectors, Vec<Diagnostic>) {
    let mut selectors = Selectors::default();
    let mut diagnostics = Vec::new();
    let items = match list_of(root) {
        Ok(items) => items,
        Err(diagnostic) => return (selectors, vec![diagnostic]),
    };
    for item in items {
        match selector(item) {
            Err(diagnostic) => diagnostics.push(diagnostic),
            Ok(read) => match clash(&selectors, &read) {
                Some(diagnostic) => diagnostics.push(diagnostic),
                None => {
                    selectors.by_name.insert(read.name.clone(), read);
                }
            },
        }
    }
    diagnostics.extend(unknown_uses(&selectors));
    diagnostics.extend(remove_circles(&mut selectors));
    (selectors, diagnostics)
}

fn list_of(root: &Node) -> Result<&[Node], Diagnostic> {
    // An empty file, or one that holds comments only, names no selector.
    if root.is_null() {
        return Ok(&[]);
    }
    only_keys(root, &["version", "selectors"])?;
    match root.get("selectors") {
        None => Ok(&[]),
        Some(list) if list.is_null() => Ok(&[]),
        Some(list) => as_list("selectors", list),
    }
}

fn selector(item: &Node) -> Result<NamedSelector, Diagnostic> {
    only_keys(item, &["name", "definition", "description", "default"])?;
    let name = required(item, "name")?;
    let text = name
        .scalar_text()
        .ok_or_else(|| wrong_type("name", "text", name))?;
    let default = match item.get("default") {
        Some(default) if !default.is_null() => default
            .as_bool()
            .ok_or_else(|| wrong_type("default", "`true` or `false`", default))?,
        _ => false,
    };
    Ok(NamedSelector {
        name: text.into_owned(),
        definition: definition(required(item, "definition")?, 0)?,
        default,
        span: name.span.clone(),
    })
}

fn clash(selectors: &Selectors, read: &NamedSelector) -> Option<Diagnostic> {
    if let Some(first) = selectors.get(&read.name) {
        let message = format!("two selectors are named `{}`", read.name);
        let diagnostic = Diagnostic::error(Code::DuplicateName, message).at(read.span.clone());
        return Some(diagnostic.related(first.span.clone(), "the first is here"));
    }
    let first = selectors.default_selector().filter(|_| read.default)?;
    let message = format!("`{}` and `{}` are both the default", first.name, read.name);
    let diagnostic = Diagnostic::error(Code::InvalidValue, message).at(read.span.clone());
    Some(
        diagnostic
            .related(first.span.clone(), "the first is here")
            .help("leave `default: true` with one of them"),
    )
}

/// Deeper than anyone writes, and far from what the stack holds.
const DEEPEST: usize = 64;

fn definition(node: &Node, depth: usize) -> Result<Selector, Diagnostic> {
    if depth > DEEPEST {
        return Err(invalid("a selector nested too deeply")
            .at(node.span.clone())
            .help("give the inner part a name and use it with `method: selector`"));
    }
    if let Some(text) = node.as_str() {
        let mut parsed = parse(text).map_err(|diagnostic| diagnostic.at(node.span.clone()))?;
        locate(&mut parsed, &node.span);
        return Ok(parsed);
    }
    if node.as_list().is_some() {
        return set(node, "definition", Selector::Union, depth);
    }
    if node.as_map().is_none() {
        return Err(wrong_type("definition", "text or keys", node));
    }
    for (key, combine) in [
        ("union", Selector::Union as fn(Vec<Selector>) -> Selector),
        ("intersection", Selector::Intersection),
    ] {
        if let Some(parts) = node.get(key) {
            only_keys(node, &[key])?;
            return set(parts, key, combine, depth);
        }
    }
    atom(node, depth)
}

/// A `union` or `intersection`: its parts, without what its `exclude` names.
fn set(
    node: &Node,
    key: &str,
    combine: fn(Vec<Selector>) -> Selector,
    depth: usize,
) -> Result<Selector, Diagnostic> {
    let mut parts = Vec::new();
    let mut excluded = None;
    for item in as_list(key, node)? {
        match item.as_map() {
            Some([(name, list)]) if name.as_str() == Some("exclude") => {
                if excluded.is_some() {
                    return Err(invalid(format!("`{key}` has two `exclude`"))
                        .at(name.span.clone())
                        .help("name all that is excluded in one list"));
                }
                excluded = Some(set(list, "exclude", Selector::Union, depth + 1)?);
            }
            _ => parts.push(definition(item, depth + 1)?),
        }
    }
    Ok(without(combine(parts), excluded))
}

fn without(selector: Selector, excluded: Option<Selector>) -> Selector {
    match excluded {
        Some(excluded) => Selector::Difference(Box::new(selector), Box::new(excluded)),
        None => selector,
    }
}

const ATOM_KEYS: [&str; 9] = [
    "method",
    "value",
    "parents",
    "parents_depth",
    "children",
    "children_depth",
    "childrens_parents",
    "indirect_selection",
    "exclude",
];

/// `{tag: daily}`, or `{method: tag, value: daily, …}`.
fn atom(node: &Node, depth: usize) -> Result<Selector, Diagnostic> {
    if let Some([(key, value)]) = node.as_map()
        && let Some(name) = key.as_str().filter(|name| !ATOM_KEYS.contains(name))
    {
        return plain_atom(name, key, value, Reach::ALONE, None);
    }
    only_keys(node, &ATOM_KEYS)?;
    let method = required(node, "method")?;
    let name = method
        .as_str()
        .ok_or_else(|| wrong_type("method", "text", method))?;
    let indirect = match node.get("indirect_selection") {
        Some(mode) => Some(indirect(mode)?),
        None => None,
    };
    let excluded = match node.get("exclude") {
        Some(list) => Some(set(list, "exclude", Selector::Union, depth + 1)?),
        None => None,
    };
    let value = required(node, "value")?;
    let atom = plain_atom(name, method, value, reach(node)?, indirect)?;
    Ok(without(atom, excluded))
}

fn plain_atom(
    name: &str,
    at: &Node,
    value: &Node,
    reach: Reach,
    indirect: Option<Indirect>,
) -> Result<Selector, Diagnostic> {
    let value_text = value
        .scalar_text()
        .ok_or_else(|| wrong_type(name, "text", value))?;
    if value_text.is_empty() {
        return Err(invalid(format!("`{name}` has no value")).at(value.span.clone()));
    }
    // The name of the method decides where the mistake is: an unknown one is at the name.
    let known = name.split('.').next().unwrap_or_default();
    let wrong = match method::NAMES.contains(&known) {
        true => &value.span,
        false => &at.span,
    };
    Ok(Selector::Atom(Atom {
        method: Method::parse(name, &value_text)
            .map_err(|diagnostic| diagnostic.at(wrong.clone()))?,
        reach,
        indirect,
        text: format!("{name}:{value_text}"),
        span: Some(value.span.clone()),
    }))
}

fn reach(node: &Node) -> Result<Reach, Diagnostic> {
    let parents = line(node, "parents", "parents_depth")?;
    let children = line(node, "children", "children_depth")?;
    if !flag(node, "childrens_parents")? {
        return Ok(Reach::Lines { parents, children });
    }
    match children {
        None => Ok(Reach::ChildrensParents),
        Some(_) => Err(
            invalid("`childrens_parents` and `children` exclude each other")
                .at(node.span.clone())
                .help("`childrens_parents` already holds everything downstream"),
        ),
    }
}

fn line(node: &Node, key: &str, depth_key: &str) -> Result<Option<Depth>, Diagnostic> {
    let depth = match node.get(depth_key) {
        Some(depth) if !depth.is_null() => Some(
            depth
                .as_int()
                .and_then(|steps| usize::try_from(steps).ok())
                .ok_or_else(|| wrong_type(depth_key, "a number of steps", depth))?,
        ),
        _ => None,
    };
    Ok(flag(node, key)?.then_some(depth.map_or(Depth::All, Depth::Steps)))
}

fn flag(node: &Node, key: &str) -> Result<bool, Diagnostic> {
    match node.get(key) {
        None => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| wrong_type(key, "`true` or `false`", value)),
    }
}

fn indirect(node: &Node) -> Result<Indirect, Diagnostic> {
    let text = node.as_str().unwrap_or_default();
    Indirect::ALL
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| {
            let message = format!("`indirect_selection` does not take {}", node.describe());
            Diagnostic::error(Code::InvalidValue, message)
                .at(node.span.clone())
                .help("it takes one of eager, cautious, buildable, empty")
                .did_you_mean(text, Indirect::ALL.map(Indirect::as_str))
        })
}

fn locate(selector: &mut Selector, span: &Span) {
    match selector {
        Selector::Atom(atom) => atom.span = Some(span.clone()),
        Selector::Union(parts) | Selector::Intersection(parts) => {
            parts.iter_mut().for_each(|part| locate(part, span));
        }
        Selector::Difference(from, without) => {
            locate(from, span);
            locate(without, span);
        }
    }
}

/// The atoms of a definition that use other selectors.
fn uses<'a>(selector: &'a Selector, found: &mut Vec<&'a Atom>) {
    match selector {
        Selector::Atom(atom) if matches!(atom.method, Method::Selector(_)) => found.push(atom),
        Selector::Atom(_) => {}
        Selector::Union(parts) | Selector::Intersection(parts) => {
            parts.iter().for_each(|part| uses(part, found));
        }
        Selector::Difference(from, without) => {
            uses(from, found);
            uses(without, found);
        }
    }
}

/// Each use of other selectors: who uses, where, and which ones it means.
fn each_use(selectors: &Selectors) -> Vec<(&NamedSelector, &Atom, Vec<&str>)> {
    let mut found = Vec::new();
    for selector in selectors.by_name.values() {
        let mut atoms = Vec::new();
        uses(&selector.definition, &mut atoms);
        for atom in atoms {
            if let Method::Selector(value) = &atom.method {
                let meant = selectors.names().filter(|name| value.matches(name));
                found.push((selector, atom, meant.collect()));
            }
        }
    }
    found
}

fn unknown_uses(selectors: &Selectors) -> Vec<Diagnostic> {
    each_use(selectors)
        .into_iter()
        .filter(|(_, _, meant)| meant.is_empty())
        .map(|(_, atom, _)| {
            let name = match &atom.method {
                Method::Selector(value) => value.text.as_str(),
                _ => atom.text.as_str(),
            };
            let diagnostic = suggestion::unknown_selector(name, selectors);
            match &atom.span {
                Some(span) => diagnostic.at(span.clone()),
                None => diagnostic,
            }
        })
        .collect()
}

/// Takes out the selectors that lead back to themselves, and tells of each circle.
fn remove_circles(selectors: &mut Selectors) -> Vec<Diagnostic> {
    let mut edges: DiGraphMap<&str, ()> = DiGraphMap::new();
    for (selector, _, meant) in each_use(selectors) {
        for name in meant {
            edges.add_edge(selector.name.as_str(), name, ());
        }
    }
    let mut diagnostics = Vec::new();
    let mut removed = BTreeSet::new();
    for group in tarjan_scc(&edges) {
        let circular = group.len() > 1 || group.iter().any(|name| edges.contains_edge(name, name));
        let Some(start) = group.iter().min().filter(|_| circular) else {
            continue;
        };
        let circle = circle(start, &group, &edges).join(" → ");
        let diagnostic = invalid(format!("selectors use each other in a circle: {circle}"));
        let span = selectors.get(start).map(|selector| selector.span.clone());
        diagnostics.push(match span {
            Some(span) => diagnostic.at(span),
            None => diagnostic,
        });
        removed.extend(group.into_iter().map(str::to_string));
    }
    selectors.by_name.retain(|name, _| !removed.contains(name));
    diagnostics
}

/// A walk inside the group from `start` until it meets itself. Every member leads to another, so it
/// must; what came before the meeting point is not part of the circle.
fn circle<'a>(start: &'a str, group: &[&'a str], edges: &DiGraphMap<&'a str, ()>) -> Vec<&'a str> {
    let mut walk = vec![start];
    let mut at = start;
    while let Some(next) = edges.neighbors(at).find(|next| group.contains(next)) {
        if let Some(met) = walk.iter().position(|name| *name == next) {
            walk.drain(..met);
            walk.push(next);
            break;
        }
        walk.push(next);
        at = next;
    }
    walk
}

fn required<'a>(node: &'a Node, key: &str) -> Result<&'a Node, Diagnostic> {
    node.get(key).ok_or_else(|| {
        Diagnostic::error(Code::MissingKey, format!("a selector without `{key}`"))
            .at(node.span.clone())
            .help("a part is text, `tag: daily`, or has both `method` and `value`")
    })
}

fn as_list<'a>(key: &str, node: &'a Node) -> Result<&'a [Node], Diagnostic> {
    node.as_list()
        .ok_or_else(|| wrong_type(key, "a list", node))
}

fn only_keys(node: &Node, known: &[&str]) -> Result<(), Diagnostic> {
    let Some(entries) = node.as_map() else {
        return Err(wrong_type("selectors", "keys", node));
    };
    for (key, _) in entries {
        let name = key.scalar_text().unwrap_or_default();
        if !known.contains(&name.as_ref()) {
            return Err(Diagnostic::error(
                Code::UnknownKey,
                format!("`{name}` cannot stand here in a selector"),
            )
            .at(key.span.clone())
            .help(format!("known here: {}", known.join(", ")))
            .did_you_mean(&name, known.iter().copied()));
        }
    }
    Ok(())
}

fn wrong_type(key: &str, expected: &str, found: &Node) -> Diagnostic {
    let message = format!("`{key}`: expected {expected}, found {}", found.describe());
    Diagnostic::error(Code::WrongType, message).at(found.span.clone())
}
