//! Nodes that have a file: models, seeds, singular tests, analyses.

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::config::{
    self, IncrementalStrategy, Materialized, ModelConfig, SeedConfig, TestConfig,
};
use crate::project::yaml::Spanned;
use crate::project::{Constraint, ModelProperties, ModelVersion, SeedFile, SqlFile};
use crate::template::{self, Calls, Host, RefCall, Relation, RelationKind, Source as Text};

use super::build::{Builder, Draft};
use super::settings::{Layers, Settings};
use super::{
    Access, Analysis, Common, Materialization, Model, Node, NodeId, Seed, Strategy, Test, TestKind,
    constraints, contract, fragment, merging, settings,
};

/// Answers a template in the parse pass, before anything is resolved.
pub(super) struct Parsing {
    pub schema: Arc<str>,
    pub config: Value,
}

impl Host for Parsing {
    fn reference(&self, call: &RefCall) -> Result<Relation, Diagnostic> {
        Ok(Relation::table(&*self.schema, &*call.name))
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
        Ok(Relation::table(source, table))
    }

    fn config(&self) -> Value {
        self.config.clone()
    }
}

/// What a model is called.
struct Naming<'a> {
    name: &'a str,
    fqn: Vec<String>,
    id: NodeId,
    /// The name of its table, where its settings give none.
    alias: String,
}

/// A file rendered for its calls.
struct Parsed {
    calls: Calls,
    blank: bool,
}

impl Builder<'_> {
    /// Reads all files of nodes. The parse pass of the models runs on all cores.
    pub(super) fn files(&mut self) -> Vec<Draft> {
        let project = self.project;
        let mut drafts = Vec::new();
        let models: Vec<_> = {
            let builder = &*self;
            let read = |file| builder.model(file);
            project.models.par_iter().map(read).collect()
        };
        let tests: Vec<_> = {
            let builder = &*self;
            let read = |file| builder.singular_test(file);
            project.singular_tests.par_iter().map(read).collect()
        };
        let analyses: Vec<_> = {
            let builder = &*self;
            let read = |file| builder.analysis(file);
            project.analyses.par_iter().map(read).collect()
        };
        let seeds: Vec<_> = project.seeds.iter().map(|file| self.seed(file)).collect();
        for (draft, diagnostics) in models.into_iter().chain(seeds).chain(tests).chain(analyses) {
            drafts.extend(draft);
            self.diagnostics.extend(diagnostics);
        }
        drafts
    }

    fn model(&self, file: &SqlFile) -> (Option<Draft>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let (properties, version) = self.described_model(&file.name);
        let Naming {
            name,
            fqn,
            id,
            alias,
        } = self.naming(file, properties, version);
        let mut layers = Layers::new(self.project.file.models.as_ref(), &fqn);
        if let Some(properties) = properties {
            layers.properties(properties);
            layers.push(properties.config.as_ref());
        }
        layers.push(version.and_then(|version| version.config.as_ref()));
        let general = layers.merge();
        let parsed = self.parse_pass(file, &general, &mut diagnostics);
        let merged = layers.with_calls(general, &parsed.calls.config);
        let mut config: ModelConfig = merged.decode(self.unknown_keys(), &mut diagnostics);
        let by = merged.unique_key();
        if let (Some(_), true) = (&by, deletes_and_inserts(&config)) {
            // As in dbt, the rows of a `unique_key` are replaced as a group; what identifies a row is
            // `primary_key`.
            config.primary_key = merged.primary_key();
        }
        let enabled = config.enabled.unwrap_or(true);
        if parsed.blank && enabled && diagnostics.iter().all(|known| !known.is_error()) {
            diagnostics.push(empty_model(name, &file.path));
        }
        let constraints: Vec<Constraint> = properties
            .iter()
            .flat_map(|properties| &properties.constraints)
            .chain(version.iter().flat_map(|version| &version.constraints))
            .cloned()
            .collect();
        let primary_key = config.primary_key.as_ref().map(|key| key.value.0.clone());
        let mut common = self.common(id, name, &file.path, fqn, &merged);
        common.label(&config.tags.0, &config.meta);
        common.owned(config.group.as_ref(), config.owner.as_ref());
        if let Some(properties) = properties {
            self.describe(&mut common, properties, &mut diagnostics);
        }
        if let Some(version) = version {
            self.describe_version(&mut common, version, &mut diagnostics);
        }
        constraints::check(&constraints, &common.columns, &mut diagnostics);
        let own = properties.and_then(|properties| properties.config.as_ref());
        let strategy = config.incremental_strategy.as_ref();
        let by_name =
            strategy.is_some_and(|strategy| strategy.value == IncrementalStrategy::DeleteInsert);
        let calls = &parsed.calls.config;
        diagnostics.extend(settings::two_keys(properties, own, calls, by_name));
        diagnostics.extend(config.cadence.as_ref().and_then(settings::unknown_cadence));
        let primary_key =
            primary_key.or_else(|| constraints::primary_key(&constraints, &common.columns));
        let delete_by = match (by, deletes_and_inserts(&config)) {
            (Some(by), true) => by.value.0,
            (None, true) => primary_key.clone().unwrap_or_default(),
            (_, false) => Vec::new(),
        };
        let key = match deletes_and_inserts(&config) {
            true => Some(delete_by.as_slice()),
            false => primary_key.as_deref(),
        };
        let materialization = self.materialization(&config, key, &mut diagnostics, &common);
        let key = primary_key.as_deref().unwrap_or_default();
        merging::settle(
            &mut config,
            key,
            &materialization,
            &merged,
            &mut diagnostics,
        );
        contract::check(&config, &common, &materialization, &mut diagnostics);
        if parsed.calls.incremental {
            merging::partial(&config, &mut diagnostics);
        }
        let relation = self.relation_of(
            &common,
            config.schema.as_ref(),
            config.alias.as_ref(),
            &alias,
            match materialization {
                Materialization::View => RelationKind::View,
                Materialization::Ephemeral => RelationKind::Cte,
                Materialization::Table | Materialization::Incremental(_) => RelationKind::Table,
            },
            &mut diagnostics,
        );
        let model = Model {
            materialization,
            primary_key: primary_key.unwrap_or_default(),
            delete_by,
            access: match config.access {
                Some(config::Access::Private) => Access::Private,
                Some(config::Access::Public) => Access::Public,
                Some(config::Access::Protected) | None => Access::Protected,
            },
            version: version.map(|version| version.v.value.to_string()),
            latest_version: properties.and_then(latest_version),
            cadence: config.cadence.as_ref().map(|cadence| cadence.value.clone()),
            relation,
            config: Box::new(config),
            text: file.text.clone(),
            asks_incremental: parsed.calls.incremental,
            constraints,
            foreign_keys: Vec::new(),
            common,
        };
        let draft = Draft {
            node: Node::Model(model),
            calls: parsed.calls,
            enabled,
        };
        (Some(draft), diagnostics)
    }

    /// What a model is called. `v2` of `users` is `users.v2` in its id and lands in `users_v2`.
    fn naming<'n>(
        &self,
        file: &'n SqlFile,
        properties: Option<&'n ModelProperties>,
        version: Option<&ModelVersion>,
    ) -> Naming<'n> {
        let name = properties.map_or(file.name.as_str(), |properties| &properties.name.value);
        let mut fqn = self.fqn(&file.folders, name);
        let mut id = format!("model.{}.{name}", self.invocation.project);
        let mut alias = name.to_string();
        if let Some(version) = version {
            let version = &*version.v.value;
            fqn.push(format!("v{version}"));
            id.push_str(&format!(".v{version}"));
            alias.push_str(&format!("_v{version}"));
        }
        Naming {
            name,
            fqn,
            id: NodeId::new(id),
            alias,
        }
    }

    fn seed(&self, file: &SeedFile) -> (Option<Draft>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let name = file.name.as_str();
        let fqn = self.fqn(&file.folders, name);
        let properties = self.described.seeds.get(name).copied();
        let mut layers = Layers::new(self.project.file.seeds.as_ref(), &fqn);
        if let Some(properties) = properties {
            layers.properties(properties);
            layers.push(properties.config.as_ref());
        }
        let merged = layers.merge();
        let config: SeedConfig = merged.decode(self.unknown_keys(), &mut diagnostics);
        let id = NodeId::new(format!("seed.{}.{name}", self.invocation.project));
        let mut common = self.common(id, name, &file.path, fqn, &merged);
        common.label(&config.tags.0, &config.meta);
        common.owned(config.group.as_ref(), config.owner.as_ref());
        if let Some(properties) = properties {
            self.describe(&mut common, properties, &mut diagnostics);
        }
        let relation = self.relation_of(
            &common,
            config.schema.as_ref(),
            config.alias.as_ref(),
            name,
            RelationKind::Table,
            &mut diagnostics,
        );
        let own_types = layers.own_keys("column_types");
        let draft = Draft {
            enabled: config.enabled.unwrap_or(true),
            node: Node::Seed(Seed {
                common,
                relation,
                own_types,
                config: Box::new(config),
            }),
            calls: Calls::default(),
        };
        (Some(draft), diagnostics)
    }

    fn singular_test(&self, file: &SqlFile) -> (Option<Draft>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let name = file.name.as_str();
        let fqn = self.fqn(&file.folders, name);
        let properties = self.described.tests.get(name).copied();
        let mut layers = Layers::new(self.project.file.data_tests.as_ref(), &fqn);
        layers.push(properties.and_then(|properties| properties.config.as_ref()));
        let general = layers.merge();
        let parsed = self.parse_pass(file, &general, &mut diagnostics);
        let merged = layers.with_calls(general, &parsed.calls.config);
        let config: TestConfig = merged.decode(self.unknown_keys(), &mut diagnostics);
        fragment::check_test(&config, &mut diagnostics);
        let id = NodeId::new(format!("test.{}.{name}", self.invocation.project));
        let mut common = self.common(id, name, &file.path, fqn, &merged);
        common.label(&config.tags.0, &config.meta);
        if let Some(properties) = properties {
            common.description =
                self.description(properties.description.as_ref(), &mut diagnostics);
        }
        let draft = Draft {
            enabled: config.enabled.unwrap_or(true),
            node: Node::Test(Test {
                relation: self.failures(&config, name),
                common,
                kind: TestKind::Singular {
                    text: file.text.clone(),
                },
                attached: None,
                config: Box::new(config),
            }),
            calls: parsed.calls,
        };
        (Some(draft), diagnostics)
    }

    fn analysis(&self, file: &SqlFile) -> (Option<Draft>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let fqn = self.fqn(&file.folders, &file.name);
        let none = Layers::default().merge();
        let parsed = self.parse_pass(file, &none, &mut diagnostics);
        let id = NodeId::new(format!(
            "analysis.{}.{}",
            self.invocation.project, file.name
        ));
        let draft = Draft {
            enabled: true,
            node: Node::Analysis(Analysis {
                common: self.common(id, &file.name, &file.path, fqn, &none),
                text: file.text.clone(),
            }),
            calls: parsed.calls,
        };
        (Some(draft), diagnostics)
    }

    /// Renders a file for what it asks for. A file that fails still has the calls that stand in it.
    fn parse_pass(
        &self,
        file: &SqlFile,
        general: &Settings,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Parsed {
        let source = Text::whole(file.path.clone(), file.text.clone());
        let config = general.to_json();
        let mut scope = self.invocation.scope(false);
        scope.this = Some(self.invocation.relation(&file.name));
        scope.docs = self.docs.clone();
        scope.model = Arc::new(serde_json::json!({
            "name": file.name,
            "resource_type": "model",
            "package_name": &*self.invocation.project,
            "original_file_path": &*file.path,
            "path": &*file.path,
            "schema": &*self.invocation.schema,
            "alias": file.name,
            "config": config,
        }));
        let host: Arc<dyn Host> = Arc::new(Parsing {
            schema: self.invocation.schema.clone(),
            config: Value::Object(config),
        });
        let (rendered, wrong) = template::parse(self.macros, &source, &scope, &host);
        diagnostics.extend(rendered.warnings);
        let failed = wrong.is_some();
        diagnostics.extend(wrong);
        Parsed {
            // What depends on `execute` or on rows is known when the model is compiled.
            blank: !failed && template::has_fixed_text(&source) && is_blank(&rendered.text),
            calls: rendered.calls,
        }
    }

    fn fqn(&self, folders: &[String], name: &str) -> Vec<String> {
        let mut fqn = vec![self.invocation.project.to_string()];
        fqn.extend_from_slice(folders);
        fqn.push(name.to_string());
        fqn
    }

    /// The properties of the model in a file, and its version where the properties declare some.
    fn described_model(&self, file: &str) -> (Option<&ModelProperties>, Option<&ModelVersion>) {
        if let Some((properties, version)) = self.described.versions.get(file) {
            return (Some(properties), Some(version));
        }
        (self.described.models.get(file).copied(), None)
    }

    fn materialization(
        &self,
        config: &ModelConfig,
        key: Option<&[String]>,
        diagnostics: &mut Vec<Diagnostic>,
        common: &Common,
    ) -> Materialization {
        let place = |span: Option<&Span>| span.cloned().unwrap_or_else(|| common.span.clone());
        match config.materialized {
            None | Some(Materialized::View) => Materialization::View,
            Some(Materialized::Ephemeral) => Materialization::Ephemeral,
            Some(Materialized::Table) => Materialization::Table,
            Some(Materialized::MaterializedView) => {
                diagnostics.push(
                    Diagnostic::error(Code::Unsupported, "refx has no materialized views")
                        .at(common.span.clone())
                        .help("use `materialized: table`, or `incremental` with a primary key"),
                );
                Materialization::Table
            }
            Some(Materialized::Incremental) => {
                let keyed = key.is_some_and(|key| !key.is_empty());
                let strategy = match &config.incremental_strategy {
                    Some(Spanned { value, span }) => match value {
                        IncrementalStrategy::Merge => Strategy::Merge,
                        IncrementalStrategy::Append => Strategy::Append,
                        IncrementalStrategy::DeleteInsert => Strategy::DeleteInsert,
                        IncrementalStrategy::InsertOverwrite => Strategy::InsertOverwrite,
                        IncrementalStrategy::Microbatch => {
                            diagnostics.push(
                                Diagnostic::error(
                                    Code::Unsupported,
                                    "refx has no `microbatch` strategy",
                                )
                                .at(span.clone())
                                .help("use `merge` with a primary key, and filter on `as_of()`"),
                            );
                            Strategy::Append
                        }
                    },
                    None if keyed => Strategy::Merge,
                    None => Strategy::Append,
                };
                let span = config
                    .incremental_strategy
                    .as_ref()
                    .map(|found| &found.span);
                match strategy {
                    Strategy::Merge | Strategy::DeleteInsert if !keyed => {
                        // dbt appends where `merge` has no key, and a steward would not notice.
                        let diagnostic = Diagnostic::error(
                            Code::InvalidConfig,
                            format!("`{}` needs a primary key", strategy.as_str()),
                        )
                        .at(place(span))
                        .help(
                            "name the columns that identify a row, `primary_key: [user_id]`; \
                             or add all rows: `incremental_strategy: append`",
                        );
                        diagnostics.push(match span.is_some_and(|span| span.file != common.path) {
                            true => diagnostic.related(
                                common.span.clone(),
                                format!("`{}` has none", common.name),
                            ),
                            false => diagnostic,
                        });
                    }
                    Strategy::InsertOverwrite if config.partition_by.is_none() => {
                        diagnostics.push(
                            Diagnostic::error(
                                Code::InvalidConfig,
                                "`insert_overwrite` needs `partition_by`",
                            )
                            .at(place(span))
                            .help("name the columns whose partitions are replaced: `partition_by: [day]`"),
                        );
                    }
                    Strategy::Merge
                    | Strategy::DeleteInsert
                    | Strategy::InsertOverwrite
                    | Strategy::Append => {}
                }
                Materialization::Incremental(strategy)
            }
        }
    }
}

fn deletes_and_inserts(config: &ModelConfig) -> bool {
    let strategy = config.incremental_strategy.as_ref();
    config.materialized == Some(Materialized::Incremental)
        && strategy.is_some_and(|strategy| strategy.value == IncrementalStrategy::DeleteInsert)
}

fn latest_version(properties: &ModelProperties) -> Option<String> {
    if properties.versions.is_empty() {
        return None;
    }
    let named = properties.latest_version.as_ref();
    if let Some(version) = named {
        return Some(version.value.to_string());
    }
    // The highest, as numbers where all are numbers.
    let versions = properties
        .versions
        .iter()
        .map(|version| version.v.value.to_string());
    versions.max_by(
        |left, right| match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(left), Ok(right)) => left.total_cmp(&right),
            _ => left.cmp(right),
        },
    )
}

/// The error of a model that came to no text.
pub fn empty_model(name: &str, path: &Arc<str>) -> Diagnostic {
    Diagnostic::error(Code::EmptyModel, format!("`{name}` has no SELECT"))
        .at(Span::file(path.clone()))
        .help("write one, or disable the model: `{{ config(enabled=false) }}`")
}

/// Whether a rendered text holds nothing but comments and white space.
pub fn is_blank(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment
                .find('\n')
                .map_or("", |end| &comment[end..])
                .trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment
                .find("*/")
                .map_or("", |end| &comment[end + 2..])
                .trim_start();
        } else {
            return rest.trim_matches([';', ' ', '\n', '\t', '\r']).is_empty();
        }
    }
}
