//! Puts the manifest together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::project::config::{Meta, Owner};
use crate::project::{
    ColumnProperties, ModelProperties, ModelVersion, Project, Spanned, VersionColumns, has_jinja,
};
use crate::template::{self, Calls, Host, Macros, Relation, Source as Text};

use super::described::Described;
use super::settings::Settings;
use super::{Common, Invocation, Manifest, Node, NodeId, fingerprint, foreign_key, resolve};

/// A node whose references are not resolved yet.
pub(super) struct Draft {
    pub node: Node,
    pub calls: Calls,
    pub enabled: bool,
}

/// What the stages of building share.
pub(super) struct Builder<'a> {
    pub project: &'a Project,
    pub macros: &'a Macros,
    pub invocation: &'a Invocation,
    pub described: Described<'a>,
    pub docs: Arc<BTreeMap<String, String>>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Builds the manifest of a project.
///
/// What is broken is reported and left out; the rest is there, so that one broken model does not
/// hide the others. `read` names variables that were read outside of models.
pub fn build(
    project: &Project,
    macros: &Macros,
    invocation: &Invocation,
    read: &BTreeSet<String>,
) -> (Manifest, Vec<Diagnostic>) {
    let mut builder = Builder {
        project,
        macros,
        invocation,
        described: Described::default(),
        docs: Arc::default(),
        diagnostics: Vec::new(),
    };
    builder.docs = Arc::new(builder.docs());
    builder.described = builder.described();
    let mut manifest = Manifest {
        project: invocation.project.clone(),
        lint: Arc::new(project.file.lint.clone()),
        docs: builder.docs.clone(),
        groups: builder.groups(),
        snapshots: builder.snapshots(),
        ..Manifest::default()
    };
    let mut drafts = builder.sources();
    drafts.extend(builder.files());
    drafts.extend(builder.exposures());
    drafts.extend(builder.generic_tests(&drafts));
    builder.python_models();
    builder.unused_settings(&drafts);
    builder.unused_vars(&drafts, read);

    let mut calls: BTreeMap<NodeId, Calls> = BTreeMap::new();
    for draft in drafts {
        builder.place(&mut manifest, draft, &mut calls);
    }
    builder.resolve(&mut manifest, &calls);
    builder.unit_tests(&mut manifest);
    builder.same_location(&manifest);
    (manifest, builder.diagnostics)
}

impl Common {
    pub(super) fn label(&mut self, tags: &[String], meta: &Meta) {
        self.tags = tags.to_vec();
        self.meta = meta.clone();
    }

    pub(super) fn owned(&mut self, group: Option<&Spanned<String>>, owner: Option<&Owner>) {
        self.group = group.map(|group| group.value.clone());
        self.owner = owner.map(ToString::to_string);
    }
}

impl<'a> Builder<'a> {
    pub(super) fn unknown_keys(&self) -> Severity {
        self.project.file.dialect.unknown_keys()
    }

    /// The part of a node that all kinds share; the caller fills in what its settings say.
    pub(super) fn common(
        &self,
        id: NodeId,
        name: &str,
        path: &Arc<str>,
        fqn: Vec<String>,
        settings: &Settings,
    ) -> Common {
        Common {
            id,
            name: name.to_string(),
            package: self.invocation.project.clone(),
            path: path.clone(),
            properties_path: None,
            described_at: None,
            fqn,
            span: Span::file(path.clone()),
            description: String::new(),
            tags: Vec::new(),
            meta: serde_json::Map::new(),
            group: None,
            owner: None,
            columns: Vec::new(),
            depends_on: Vec::new(),
            macros: Vec::new(),
            fingerprint: String::new(),
            config: settings.to_json(),
        }
    }

    /// Takes over what the properties of a model or seed say of it and its columns.
    pub(super) fn describe(
        &self,
        common: &mut Common,
        properties: &ModelProperties,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        common.description = self.description(properties.description.as_ref(), diagnostics);
        common.columns = self.columns(&properties.columns, diagnostics);
        common.properties_path = self.described.files.get(properties.name.as_str()).cloned();
        common.described_at = Some(properties.name.span.clone());
    }

    /// Takes over what the properties say of one version: columns of its own take the place of the
    /// model's.
    pub(super) fn describe_version(
        &self,
        common: &mut Common,
        version: &ModelVersion,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if version.description.is_some() {
            common.description = self.description(version.description.as_ref(), diagnostics);
        }
        for columns in &version.columns {
            if let VersionColumns::Inherit(inherited) = columns {
                common
                    .columns
                    .retain(|column| inherited.takes(&column.name.value));
            }
        }
        for columns in &version.columns {
            if let VersionColumns::Own(own) = columns {
                let name = &own.name.value;
                match common
                    .columns
                    .iter_mut()
                    .find(|known| known.name.value == *name)
                {
                    Some(known) => *known = own.as_ref().clone(),
                    None => common.columns.push(own.as_ref().clone()),
                }
            }
        }
    }

    /// The columns of one list with their descriptions rendered. Reports a column that comes twice.
    pub(super) fn columns(
        &self,
        columns: &[ColumnProperties],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<ColumnProperties> {
        let mut columns = columns.to_vec();
        let mut seen: HashMap<String, Span> = HashMap::new();
        for column in &mut columns {
            if let Some(description) = &mut column.description {
                description.value = self.description(Some(description), diagnostics);
            }
            let name = &column.name;
            if let Some(first) = seen.insert(name.value.to_string(), name.span.clone()) {
                diagnostics.push(
                    Diagnostic::error(
                        Code::DuplicateName,
                        format!("the column `{}` is described twice", &*name.value),
                    )
                    .at(name.span.clone())
                    .related(first, "the other description is here")
                    .help("put both into one entry"),
                );
            }
        }
        columns
    }

    /// A description with its calls of `doc()` answered. Reports a call that names no block; whatever
    /// else does not render stays as written: a document is no reason to stop.
    pub(super) fn description(
        &self,
        description: Option<&Spanned<String>>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> String {
        let Some(description) = description else {
            return String::new();
        };
        if !has_jinja(&description.value) {
            return description.value.clone();
        }
        let source = Text {
            file: description.span.file.clone(),
            text: description.value.as_str().into(),
            offset: description.span.start,
        };
        let scope = self.invocation.documented(&self.docs);
        match template::render_value(self.macros, &source, &scope, &silent()) {
            Ok(serde_json::Value::String(text)) => text,
            Err(diagnostic) if diagnostic.code == Code::UnknownDoc => {
                diagnostics.push(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => {
                        diagnostic.help("write `{% docs … %}` in a `.md` file beside the models")
                    }
                });
                description.value.clone()
            }
            _ => description.value.clone(),
        }
    }

    /// Puts a draft into the manifest under its names.
    fn place(
        &mut self,
        manifest: &mut Manifest,
        draft: Draft,
        calls: &mut BTreeMap<NodeId, Calls>,
    ) {
        let id = draft.node.id().clone();
        if !draft.enabled {
            manifest.disabled.insert(id, draft.node);
            return;
        }
        let name = draft.node.name().to_string();
        let span = draft.node.common().span.clone();
        let rival = match &draft.node {
            Node::Model(model) => manifest.names.get(&name).and_then(|ids| {
                ids.iter().find(|other| {
                    let other = manifest.nodes.get(other).and_then(Node::as_model);
                    other.is_none_or(|other| {
                        model.version.is_none() || other.version == model.version
                    })
                })
            }),
            Node::Seed(_) => manifest.names.get(&name).and_then(|ids| ids.first()),
            _ => manifest.nodes.get_key_value(&id).map(|(id, _)| id),
        };
        if let Some(rival) = rival.and_then(|rival| manifest.nodes.get(rival)) {
            let kind = |node: &Node| node.resource_type().as_str();
            let what = if kind(rival) == kind(&draft.node) {
                format!("two {}s are named `{name}`", kind(rival))
            } else {
                format!(
                    "a {} and a {} are named `{name}`",
                    kind(rival),
                    kind(&draft.node)
                )
            };
            self.diagnostics.push(
                Diagnostic::error(Code::DuplicateName, what)
                    .at(span)
                    .related(rival.common().span.clone(), "the other one is here")
                    .help("rename one of them: names are how `ref()` finds them"),
            );
            return;
        }
        match &draft.node {
            Node::Model(_) | Node::Seed(_) => {
                manifest.names.entry(name).or_default().push(id.clone());
            }
            Node::Source(source) => {
                let key = (source.source_name.clone(), name);
                manifest.sources.insert(key, id.clone());
            }
            Node::Test(_) | Node::UnitTest(_) | Node::Exposure(_) | Node::Analysis(_) => {}
        }
        calls.insert(id.clone(), draft.calls);
        manifest.nodes.insert(id, draft.node);
    }

    fn resolve(&mut self, manifest: &mut Manifest, calls: &BTreeMap<NodeId, Calls>) {
        let mut resolved = Vec::with_capacity(calls.len());
        for (id, calls) in calls {
            let Some(node) = manifest.nodes.get(id) else {
                continue;
            };
            let (dependencies, diagnostics) = resolve::dependencies(manifest, node, calls);
            let mut macros: BTreeSet<String> = calls.macros.iter().cloned().collect();
            for called in &calls.macros {
                macros.extend(
                    self.macros
                        .depends_on(called)
                        .iter()
                        .map(ToString::to_string),
                );
            }
            if let Some(group) = &node.common().group
                && !manifest.groups.contains_key(group)
            {
                let known = manifest.groups.keys().map(String::as_str);
                let diagnostic =
                    Diagnostic::error(Code::UnknownProperty, format!("no group named `{group}`"))
                        .at(node.common().span.clone())
                        .did_you_mean(group, known);
                self.diagnostics.push(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => diagnostic.help("declare it under `groups:` in a properties file"),
                });
            }
            self.diagnostics.extend(diagnostics);
            resolved.push((id.clone(), dependencies, macros));
        }
        let (mut foreign_keys, diagnostics) = foreign_key::resolve(manifest);
        self.diagnostics.extend(diagnostics);
        for (id, mut dependencies, macros) in resolved {
            if let (Some(keys), Some(Node::Model(model))) =
                (foreign_keys.remove(&id), manifest.nodes.get_mut(&id))
            {
                // A table that refers to itself waits for nobody.
                let others = keys.iter().map(|key| &key.to).filter(|to| **to != id);
                dependencies.extend(others.cloned());
                model.foreign_keys = keys;
            }
            if let Some(node) = manifest.nodes.get_mut(&id) {
                let common = node.common_mut();
                for dependency in dependencies {
                    if !common.depends_on.contains(&dependency) {
                        common.depends_on.push(dependency);
                    }
                }
                common.macros = macros.into_iter().collect();
                let fingerprint = fingerprint::of(node, self.macros);
                node.common_mut().fingerprint = fingerprint;
            }
        }
    }
}

/// A host for renders that may not ask for anything.
pub(super) fn silent() -> Arc<dyn Host> {
    struct Silent;
    impl Host for Silent {
        fn reference(&self, call: &template::RefCall) -> Result<Relation, Diagnostic> {
            Err(Diagnostic::error(
                Code::JinjaError,
                format!("`ref('{}')` cannot be used here", call.name),
            )
            .help("models are read in the SQL of models and tests"))
        }

        fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
            Err(Diagnostic::error(
                Code::JinjaError,
                format!("`source('{source}', '{table}')` cannot be used here"),
            )
            .help("sources are read in the SQL of models and tests"))
        }
    }
    Arc::new(Silent)
}
