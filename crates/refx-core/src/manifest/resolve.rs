//! From the names in `ref` and `source` to nodes.

use crate::diagnostic::{Code, Diagnostic};
use crate::template::{Calls, RefCall};

use super::{Access, Manifest, Node, NodeId, ResourceType};

/// What a `ref` leads to.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    Node(&'a Node),
    Disabled(&'a Node),
    /// The model exists, and not in the version asked for.
    OtherVersions(&'a Node),
    Nothing,
}

pub(super) fn find<'a>(manifest: &'a Manifest, call: &RefCall) -> Found<'a> {
    let ids = manifest
        .names
        .get(&call.name)
        .map_or(&[][..], Vec::as_slice);
    let of_package = |node: &&Node| {
        call.package
            .as_ref()
            .is_none_or(|package| *package == *node.common().package)
    };
    let nodes = || {
        ids.iter()
            .filter_map(|id| manifest.nodes.get(id))
            .filter(of_package)
    };
    let wanted = nodes().find(|node| match node.as_model() {
        Some(model) => match (&call.version, &model.version) {
            (Some(wanted), Some(version)) => wanted == version,
            (Some(_), None) => false,
            (None, version) => *version == model.latest_version,
        },
        None => call.version.is_none(),
    });
    if let Some(node) = wanted {
        return Found::Node(node);
    }
    if let Some(node) = nodes().next() {
        return Found::OtherVersions(node);
    }
    manifest
        .disabled
        .values()
        .filter(|node| {
            matches!(
                node.resource_type(),
                ResourceType::Model | ResourceType::Seed
            )
        })
        .filter(of_package)
        .find(|node| node.name() == call.name)
        .map_or(Found::Nothing, Found::Disabled)
}

/// The nodes that a template reads, in order, and a diagnostic for each that it cannot read.
pub(super) fn dependencies(
    manifest: &Manifest,
    reader: &Node,
    calls: &Calls,
) -> (Vec<NodeId>, Vec<Diagnostic>) {
    let mut ids = Vec::new();
    let mut diagnostics = Vec::new();
    let mut add = |id: &NodeId| {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    };
    for (call, span) in &calls.refs {
        match readable(manifest, reader, call) {
            Ok(node) => add(node.id()),
            Err(diagnostic) => diagnostics.push(diagnostic.at(span.clone())),
        }
    }
    for (source, table, span) in &calls.sources {
        match manifest.find_source(source, table) {
            Some(node) => add(node.id()),
            None => diagnostics.push(unknown_source(manifest, source, table).at(span.clone())),
        }
    }
    (ids, diagnostics)
}

/// The node of a `ref`, or why it cannot be read. The diagnostic has no span yet.
pub(super) fn readable<'a>(
    manifest: &'a Manifest,
    reader: &Node,
    call: &RefCall,
) -> Result<&'a Node, Diagnostic> {
    match find(manifest, call) {
        Found::Node(node) => match private_to(node, reader) {
            Some(group) => Err(Diagnostic::error(
                Code::PrivateRef,
                format!("`{}` is private to the group `{group}`", node.name()),
            )
            .help(format!(
                "read a public model of the group, or put `{}` into it with `group: {group}`",
                reader.name()
            ))),
            None => Ok(node),
        },
        Found::Disabled(node) => Err(Diagnostic::error(
            Code::DisabledRef,
            format!("`{}` is disabled", node.name()),
        )
        .related(node.common().span.clone(), "it is here")
        .help("set `enabled: true` for it, or disable this reader too")),
        Found::OtherVersions(node) => Err(match &call.version {
            Some(version) => Diagnostic::error(
                Code::UnknownRef,
                format!("`{}` has no version `{version}`", call.name),
            )
            .related(node.common().span.clone(), "the model is here"),
            None => Diagnostic::error(
                Code::UnknownRef,
                format!("`{}` has no latest version", call.name),
            )
            .help("say which version: `ref('name', v=1)`"),
        }),
        Found::Nothing => Err(unknown_ref(manifest, &call.name)),
    }
}

pub(super) fn unknown_ref(manifest: &Manifest, name: &str) -> Diagnostic {
    if let Some(place) = manifest.snapshots.get(name) {
        return Diagnostic::error(
            Code::UnknownRef,
            format!("`{name}` is a snapshot, which refx does not take yet"),
        )
        .related(place.clone(), "it is here")
        .help("go on taking it with dbt, and read its table as a source");
    }
    let source = manifest.source_names().find(|(_, table)| *table == name);
    let diagnostic =
        Diagnostic::error(Code::UnknownRef, format!("no model or seed named `{name}`"));
    match source {
        Some((source, table)) => diagnostic.help(format!(
            "it is a source: write `source('{source}', '{table}')`"
        )),
        None => diagnostic.did_you_mean(name, manifest.names()),
    }
}

/// As [`unknown_ref`], where only models are meant.
pub(super) fn unknown_model(manifest: &Manifest, name: &str) -> Diagnostic {
    let models = manifest
        .nodes
        .values()
        .filter(|node| node.as_model().is_some());
    let diagnostic = Diagnostic::error(Code::UnknownRef, format!("no model named `{name}`"))
        .did_you_mean(name, models.map(Node::name));
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.help("name the model by its file, without the ending"),
    }
}

pub(super) fn unknown_source(manifest: &Manifest, source: &str, table: &str) -> Diagnostic {
    let tables: Vec<&str> = manifest
        .source_names()
        .filter(|(name, _)| *name == source)
        .map(|(_, table)| table)
        .collect();
    if tables.is_empty() {
        let names = manifest.source_names().map(|(name, _)| name);
        let diagnostic =
            Diagnostic::error(Code::UnknownSource, format!("no source named `{source}`"));
        let diagnostic = diagnostic.did_you_mean(source, names);
        return match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic
                .help("declare it under `sources:` in a properties file, with its `location`"),
        };
    }
    let diagnostic = Diagnostic::error(
        Code::UnknownSource,
        format!("the source `{source}` has no table `{table}`"),
    );
    let diagnostic = diagnostic.did_you_mean(table, tables.iter().copied());
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.help(format!("it has {}", tables.join(", "))),
    }
}

/// The group that a model is private to, when the reader is not in it.
fn private_to<'a>(node: &'a Node, reader: &Node) -> Option<&'a str> {
    let model = node.as_model()?;
    let group = model.common.group.as_deref()?;
    let inside = reader.common().group.as_deref() == Some(group) || reader.as_test().is_some();
    (model.access == Access::Private && !inside).then_some(group)
}
