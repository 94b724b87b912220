//! Puts the manifest together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::project::config::TestConfig;
use crate::project::{ModelProperties, ModelVersion, Project, SingularTestProperties, Spanned};
use crate::template::{
    self, Argument, BUILTIN, BlockKind, Calls, Host, Macros, Relation, RelationKind, Source as Text,
};

use super::settings::Settings;
use super::{Common, Invocation, Manifest, Node, NodeId, fingerprint, resolve};

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

/// What properties files say, by the name of what they say it of.
#[derive(Default)]
pub(super) struct Described<'a> {
    pub models: HashMap<&'a str, &'a ModelProperties>,
    /// Models with versions, by the name of the version's file.
    pub versions: HashMap<String, (&'a ModelProperties, &'a ModelVersion)>,
    pub seeds: HashMap<&'a str, &'a ModelProperties>,
    pub tests: HashMap<&'a str, &'a SingularTestProperties>,
    /// The properties file of each model and seed.
    pub files: HashMap<&'a str, Arc<str>>,
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
        docs: builder.docs.clone(),
        groups: builder.groups(),
        ..Manifest::default()
    };
    let mut drafts = builder.sources();
    drafts.extend(builder.files());
    drafts.extend(builder.exposures());
    drafts.extend(builder.generic_tests(&drafts));
    builder.unused_settings(&drafts);
    builder.unused_vars(&drafts, read);

    let mut calls: BTreeMap<NodeId, Calls> = BTreeMap::new();
    for draft in drafts {
        builder.place(&mut manifest, draft, &mut calls);
    }
    builder.resolve(&mut manifest, &calls);
    builder.same_location(&manifest);
    (manifest, builder.diagnostics)
}

impl<'a> Builder<'a> {
    pub(super) fn unknown_keys(&self) -> Severity {
        self.project.file.dialect.unknown_keys()
    }

    fn docs(&mut self) -> BTreeMap<String, String> {
        let mut docs = BTreeMap::new();
        for file in &self.project.docs {
            let source = Text::whole(file.path.clone(), file.text.clone());
            match template::blocks(&source) {
                Ok(blocks) => {
                    for block in blocks
                        .into_iter()
                        .filter(|block| block.kind == BlockKind::Docs)
                    {
                        let body = file.text.get(block.body.clone()).unwrap_or_default().trim();
                        let qualified = format!("{}.{}", self.invocation.project, block.name);
                        docs.insert(qualified, body.to_string());
                        docs.insert(block.name, body.to_string());
                    }
                }
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
        docs
    }

    /// Sorts the entries of the properties files by name, and reports names that come twice.
    fn described(&mut self) -> Described<'a> {
        let mut described = Described::default();
        let mut seen: HashMap<(&str, &str), &Span> = HashMap::new();
        for properties in &self.project.properties {
            let entries = (properties.models.iter().map(|entry| ("model", &entry.name)))
                .chain(properties.seeds.iter().map(|entry| ("seed", &entry.name)))
                .chain(
                    properties
                        .data_tests
                        .iter()
                        .map(|entry| ("test", &entry.name)),
                );
            for (kind, name) in entries {
                if let Some(first) = seen.insert((kind, &name.value), &name.span) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            Code::DuplicateName,
                            format!("the {kind} `{}` is described twice", name.value),
                        )
                        .at(name.span.clone())
                        .related(first.clone(), "the other description is here")
                        .help("put both into one entry"),
                    );
                }
                described.files.insert(&name.value, properties.file.clone());
            }
            for entry in &properties.models {
                for version in &entry.versions {
                    let file = match &version.defined_in {
                        Some(file) => file.value.clone(),
                        None => format!("{}_v{}", entry.name.value, &*version.v.value),
                    };
                    described.versions.insert(file, (entry, version));
                }
                described.models.insert(&entry.name.value, entry);
            }
            for entry in &properties.seeds {
                described.seeds.insert(&entry.name.value, entry);
            }
            for entry in &properties.data_tests {
                described.tests.insert(&entry.name.value, entry);
            }
        }
        self.unknown_names(&described);
        described
    }

    /// Warns of descriptions of what does not exist.
    fn unknown_names(&mut self, described: &Described<'a>) {
        let project = self.project;
        let models: BTreeSet<&str> = project.models.iter().map(|file| &*file.name).collect();
        let seeds: BTreeSet<&str> = project.seeds.iter().map(|file| &*file.name).collect();
        let tests: BTreeSet<&str> = project
            .singular_tests
            .iter()
            .map(|file| &*file.name)
            .collect();
        for properties in &project.properties {
            let entries = properties
                .models
                .iter()
                .filter(|entry| entry.versions.is_empty())
                .map(|entry| ("model", &entry.name, &models))
                .chain(
                    properties
                        .seeds
                        .iter()
                        .map(|entry| ("seed", &entry.name, &seeds)),
                )
                .chain(
                    properties
                        .data_tests
                        .iter()
                        .map(|entry| ("test", &entry.name, &tests)),
                );
            for (kind, name, known) in entries {
                if !known.contains(name.as_str()) {
                    let diagnostic = Diagnostic::warning(
                        Code::UnknownProperty,
                        format!("there is no {kind} named `{}`", name.value),
                    )
                    .at(name.span.clone())
                    .did_you_mean(&name.value, known.iter().copied());
                    self.diagnostics.push(match diagnostic.help {
                        Some(_) => diagnostic,
                        None => diagnostic.help("correct the name, or remove the entry"),
                    });
                }
            }
            for (entry, version) in properties
                .models
                .iter()
                .flat_map(|entry| entry.versions.iter().map(move |version| (entry, version)))
            {
                let file = match &version.defined_in {
                    Some(file) => file.value.clone(),
                    None => format!("{}_v{}", entry.name.value, &*version.v.value),
                };
                if !models.contains(file.as_str()) && described.versions.contains_key(&file) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            Code::UnknownProperty,
                            format!(
                                "version `{}` of `{}` has no file `{file}.sql`",
                                &*version.v.value, entry.name.value
                            ),
                        )
                        .at(version.v.span.clone())
                        .help("add the file, or name another with `defined_in`"),
                    );
                }
            }
        }
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
    pub(super) fn describe(&self, common: &mut Common, properties: &ModelProperties) {
        common.description = self.description(properties.description.as_ref());
        common.columns = properties.columns.clone();
        for column in &mut common.columns {
            if let Some(description) = &mut column.description {
                description.value = self.description(Some(description));
            }
        }
        common.properties_path = self.described.files.get(properties.name.as_str()).cloned();
    }

    /// A description with its calls of `doc()` answered. One that does not render stays as written:
    /// a document is no reason to stop.
    pub(super) fn description(&self, description: Option<&Spanned<String>>) -> String {
        let Some(description) = description else {
            return String::new();
        };
        if !description.value.contains("{{") {
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
            _ => description.value.clone(),
        }
    }

    /// The name under which SQL reads a node, through the macros that make schemas and aliases.
    pub(super) fn relation_of(
        &self,
        common: &Common,
        schema: Option<&Spanned<String>>,
        alias: Option<&Spanned<String>>,
        default_alias: &str,
        kind: RelationKind,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Relation {
        let mut custom = |name: &str, argument: &str, given: Option<&Spanned<String>>| {
            let found = self.macros.resolve(&self.invocation.project, name)?;
            if &*found.package == BUILTIN {
                return None;
            }
            let node = serde_json::json!({
                "name": common.name, "package_name": &*common.package, "fqn": common.fqn,
                "unique_id": common.id.as_str(), "config": common.config, "tags": common.tags,
                "resource_type": common.id.as_str().split('.').next(),
                "original_file_path": &*common.path,
            });
            let given = given.map_or(serde_json::Value::Null, |text| text.value.clone().into());
            let arguments = [
                (argument.to_string(), Argument::Value(given)),
                ("node".to_string(), Argument::Value(node)),
            ];
            let scope = self.invocation.scope(false);
            match template::call(self.macros, &found.unique_id, &arguments, &scope, &silent()) {
                Ok(rendered) => Some(rendered.text.trim().to_string()),
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
                    None
                }
            }
        };
        let schema_name = custom("generate_schema_name", "custom_schema_name", schema);
        let alias_name = custom("generate_alias_name", "custom_alias_name", alias);
        let default = self.invocation.schema.as_ref();
        let named = self.project.file.target.schema.is_some();
        let schema_name =
            schema_name.unwrap_or_else(|| match schema.map(|schema| schema.value.trim()) {
                Some(custom) if named => format!("{default}_{custom}"),
                Some(custom) => custom.to_string(),
                None => default.to_string(),
            });
        let identifier = alias_name.unwrap_or_else(|| match alias {
            Some(alias) => alias.value.trim().to_string(),
            None => default_alias.to_string(),
        });
        Relation {
            database: None,
            schema: Some(schema_name),
            identifier,
            kind,
        }
    }

    /// Where the failing rows of a test go when they are kept.
    pub(super) fn failures(&self, config: &TestConfig, name: &str) -> Relation {
        let schema = config
            .schema
            .as_ref()
            .map_or("dbt_test__audit", |schema| &schema.value);
        let schema = match &self.project.file.target.schema {
            Some(target) => format!("{}_{schema}", target.value),
            None => schema.to_string(),
        };
        let name = config.alias.as_ref().map_or(name, |alias| &alias.value);
        Relation::table(schema, name)
    }

    fn unused_settings(&mut self, drafts: &[Draft]) {
        let file = &self.project.file;
        for (section, tree, prefix) in [
            ("models", &file.models, "model."),
            ("seeds", &file.seeds, "seed."),
        ] {
            let Some(tree) = tree else { continue };
            let fqns: Vec<Vec<&str>> = drafts
                .iter()
                .map(|draft| draft.node.common())
                .filter(|common| common.id.as_str().starts_with(prefix))
                .map(|common| common.fqn.iter().map(String::as_str).collect())
                .collect();
            self.diagnostics
                .extend(crate::project::layers::unused(section, tree, &fqns));
        }
    }

    /// A variable on the command line that nothing reads is a slip that would pass unseen.
    fn unused_vars(&mut self, drafts: &[Draft], read: &BTreeSet<String>) {
        let given = &self.invocation.vars.command_line;
        if given.is_empty() {
            return;
        }
        let mut known: BTreeSet<&str> = read.iter().map(String::as_str).collect();
        known.extend(self.invocation.vars.project.keys().map(String::as_str));
        for draft in drafts {
            known.extend(draft.calls.vars.iter().map(String::as_str));
        }
        for definition in self.macros.definitions() {
            known.extend(definition.calls.vars.iter().map(String::as_str));
        }
        for name in given.keys().filter(|name| !known.contains(name.as_str())) {
            let diagnostic = Diagnostic::error(
                Code::UnusedVar,
                format!("`--vars` gives `{name}`, which nothing in the project reads"),
            )
            .did_you_mean(name, known.iter().copied());
            self.diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help("leave it out, or read it with `var()`"),
            });
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
            Node::Test(_) | Node::Exposure(_) | Node::Analysis(_) => {}
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
        for (id, dependencies, macros) in resolved {
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

    /// Two tables in one place would overwrite each other.
    fn same_location(&mut self, manifest: &Manifest) {
        let mut taken: HashMap<(Option<&String>, String), &Node> = HashMap::new();
        for node in manifest.nodes.values() {
            let relation = match node {
                Node::Model(model) => &model.relation,
                Node::Seed(seed) => &seed.relation,
                _ => continue,
            };
            // Folders of a file system that ignores case would be one.
            let key = (relation.schema.as_ref(), relation.identifier.to_lowercase());
            if let Some(other) = taken.insert(key, node) {
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::DuplicateLocation,
                        format!(
                            "`{}` and `{}` would both land in `{}`",
                            other.name(),
                            node.name(),
                            relation.identifier
                        ),
                    )
                    .at(node.common().span.clone())
                    .related(other.common().span.clone(), "the other one is here")
                    .help("give one of them another `alias` or `schema`"),
                );
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
