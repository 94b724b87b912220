//! The entries of `manifest.json`, one after the other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Checksum, DependsOn, Docs, Entry, ExposureEntry, FixtureEntry, GenericEntry, Info, Metadata,
    ModelEntry, Named, Placed, Query, RefEntry, SeedEntry, SourceEntry, TestEntry, UnitTestEntry,
    config,
};
use crate::manifest::{
    Analysis, Common, Exposure, Manifest, Model, Node, NodeId, Rows, Source, Test, TestKind,
    UnitTest,
};
use crate::project::{ColumnProperties, Constraint};
use crate::template::{MacroDefinition, Relation};

/// What every entry is written from.
#[derive(Debug)]
pub(super) struct Scribe<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) compiled: &'a BTreeMap<NodeId, Arc<str>>,
    pub(super) info: Info,
    pub(super) created_at: f64,
}

impl Scribe<'_> {
    pub(super) fn metadata(&self) -> Metadata {
        Metadata {
            dbt_schema_version: "https://schemas.getdbt.com/dbt/manifest/v12.json",
            dbt_version: self.info.dbt_version.to_string(),
            generated_at: self
                .info
                .generated_at
                .to_rfc3339_opts(SecondsFormat::Micros, true),
            invocation_id: Arc::clone(&self.info.invocation_id),
            env: BTreeMap::from([("refx_version", env!("CARGO_PKG_VERSION").to_string())]),
            project_name: Arc::clone(&self.manifest.project),
            project_id: sha256(&self.manifest.project),
            user_id: None,
            send_anonymous_usage_stats: false,
            adapter_type: "refx",
        }
    }

    pub(super) fn entry(&self, node: &Node) -> Entry {
        match node {
            Node::Model(model) => Entry::Model(Box::new(self.model(model, node))),
            Node::Seed(seed) => {
                let sum = self.info.seed_checksums.get(&seed.common.id).cloned();
                Entry::Seed(Box::new(SeedEntry {
                    placed: Placed {
                        checksum: Checksum {
                            name: if sum.is_some() { "sha256" } else { "none" },
                            checksum: sum.unwrap_or_default(),
                        },
                        ..self.placed(node, Some(&seed.relation), "")
                    },
                    root_path: None,
                    depends_on: BTreeMap::from([("macros", seed.common.macros.clone())]),
                }))
            }
            Node::Test(test) => Entry::Test(Box::new(self.test(test, node))),
            Node::UnitTest(test) => Entry::UnitTest(Box::new(self.unit_test(test, node))),
            Node::Analysis(Analysis { text, .. }) => {
                Entry::Analysis(Box::new(self.query(node, None, text)))
            }
            Node::Source(source) => Entry::Source(Box::new(self.source(source, node))),
            Node::Exposure(exposure) => Entry::Exposure(Box::new(self.exposure(exposure, node))),
        }
    }

    fn named(&self, node: &Node) -> Named {
        let common = node.common();
        let path = match node {
            Node::Test(Test {
                kind: TestKind::Generic { .. },
                ..
            }) => format!("{}.sql", common.name),
            Node::Source(_) | Node::Exposure(_) => common.path.to_string(),
            _ => match common.path.split_once('/') {
                Some((_, rest)) => rest.to_string(),
                None => common.path.to_string(),
            },
        };
        Named {
            name: common.name.clone(),
            resource_type: node.resource_type().as_str(),
            package_name: Arc::clone(&common.package),
            path,
            original_file_path: Arc::clone(&common.path),
            unique_id: common.id.to_string(),
            fqn: common.fqn.clone(),
            description: common.description.clone(),
            tags: common.tags.clone(),
            meta: common.meta.clone(),
            config: config::of(node, self.is_enabled(&common.id)),
            unrendered_config: Map::new(),
            created_at: self.created_at,
        }
    }

    fn placed(&self, node: &Node, relation: Option<&Relation>, text: &str) -> Placed {
        let common = node.common();
        Placed {
            named: self.named(node),
            database: relation.and_then(|relation| relation.database.clone()),
            schema: relation
                .and_then(|relation| relation.schema.clone())
                .unwrap_or_default(),
            alias: relation.map_or_else(
                || common.name.clone(),
                |relation| relation.identifier.clone(),
            ),
            relation_name: node.relation().map(ToString::to_string),
            checksum: Checksum {
                name: "sha256",
                checksum: sha256(text),
            },
            columns: columns(&common.columns),
            group: common.group.clone(),
            docs: Docs {
                show: true,
                node_color: None,
            },
            patch_path: patch_path(common),
            build_path: None,
            raw_code: text.to_string(),
        }
    }

    fn query(&self, node: &Node, relation: Option<&Relation>, text: &str) -> Query {
        let common = node.common();
        let compiled_code = self.compiled.get(&common.id).cloned();
        let mut compiled_path = format!(
            "{}/{}/{}",
            self.info.compiled_root, common.package, common.path
        );
        if let Node::Test(test) = node
            && !common.path.ends_with(".sql")
        {
            compiled_path.push_str(&format!("/{}.sql", test.relation.identifier));
        }
        Query {
            placed: self.placed(node, relation, text),
            language: "sql",
            refs: self.refs(common),
            sources: self.sources(common),
            metrics: [],
            depends_on: depends_on(common),
            compiled_path: compiled_code.is_some().then_some(compiled_path),
            compiled: compiled_code.is_some(),
            compiled_code,
            extra_ctes_injected: false,
            extra_ctes: [],
            contract: contract(node.as_model()),
        }
    }

    fn model(&self, model: &Model, node: &Node) -> ModelEntry {
        ModelEntry {
            query: self.query(node, Some(&model.relation), &model.text),
            access: model.access.as_str(),
            constraints: model.constraints.iter().map(of_table).collect(),
            version: model.version.clone(),
            latest_version: model.latest_version.clone(),
            deprecation_date: None,
            primary_key: model.primary_key.clone(),
        }
    }

    fn test(&self, test: &Test, node: &Node) -> TestEntry {
        let (text, generic) = match &test.kind {
            TestKind::Singular { text } => (text.to_string(), None),
            TestKind::Generic {
                name,
                macro_id,
                arguments,
                column,
                ..
            } => {
                let attached = test.attached.as_ref().and_then(|id| self.manifest.get(id));
                let namespace = macro_id
                    .split('.')
                    .nth(1)
                    .filter(|package| *package != "dbt" && **package != *self.manifest.project);
                let mut kwargs = arguments.clone();
                if let Some(column) = column {
                    kwargs.insert("column_name".into(), column.clone().into());
                }
                if let Some(model) = attached.and_then(model_argument) {
                    kwargs.insert("model".into(), model.into());
                }
                let package = namespace
                    .map(|package| format!("{package}."))
                    .unwrap_or_default();
                let generic = GenericEntry {
                    column_name: column.clone(),
                    file_key_name: attached.map(file_key),
                    attached_node: test.attached.as_ref().map(NodeId::to_string),
                    test_metadata: json!({ "name": name, "kwargs": kwargs, "namespace": namespace }),
                };
                let text = format!("{{{{ {package}test_{name}(**_dbt_generic_test_kwargs) }}}}");
                (text, Some(generic))
            }
        };
        TestEntry {
            query: self.query(node, Some(&test.relation), &text),
            generic,
        }
    }

    fn unit_test(&self, test: &UnitTest, node: &Node) -> UnitTestEntry {
        let named = self.named(node);
        let model = self.manifest.get(&test.model);
        let overrides = &test.overrides;
        UnitTestEntry {
            model: model.map_or("", Node::name).to_owned(),
            given: (test.given.iter())
                .map(|given| fixture(Some(given.written.value.clone()), Some(&given.rows)))
                .collect(),
            expect: fixture(None, test.expect.rows.as_ref()),
            name: named.name,
            resource_type: named.resource_type,
            package_name: named.package_name,
            path: named.path,
            original_file_path: named.original_file_path,
            unique_id: named.unique_id,
            fqn: named.fqn,
            description: named.description,
            overrides: json!({
                "macros": overrides.macros,
                "vars": overrides.vars,
                "env_vars": overrides.env_vars,
            }),
            depends_on: depends_on(&test.common),
            config: named.config,
            checksum: test.common.fingerprint.clone(),
            schema: None,
            created_at: self.created_at,
            versions: None,
            version: test.version.clone(),
        }
    }

    fn source(&self, source: &Source, node: &Node) -> SourceEntry {
        SourceEntry {
            named: self.named(node),
            database: source.relation.database.clone(),
            schema: source.relation.schema.clone().unwrap_or_default(),
            identifier: source.relation.identifier.clone(),
            relation_name: source.relation.to_string(),
            source_name: source.source_name.clone(),
            source_description: String::new(),
            source_meta: Map::new(),
            loader: source.table.loader.clone().unwrap_or_default(),
            columns: columns(&source.common.columns),
            patch_path: None,
        }
    }

    fn exposure(&self, exposure: &Exposure, node: &Node) -> ExposureEntry {
        let common = &exposure.common;
        let one_of = |value: &str, allowed: &[&str]| allowed.contains(&value);
        let kinds = ["dashboard", "notebook", "analysis", "ml", "application"];
        let kind = exposure.kind.as_str();
        ExposureEntry {
            named: self.named(node),
            kind: if one_of(kind, &kinds) {
                kind
            } else {
                "application"
            }
            .to_string(),
            owner: owner(common.owner.as_deref(), exposure.owner_email.as_deref()),
            label: exposure.label.clone(),
            maturity: exposure
                .maturity
                .clone()
                .filter(|maturity| one_of(maturity, &["low", "medium", "high"])),
            url: exposure.url.clone(),
            depends_on: depends_on(common),
            refs: self.refs(common),
            sources: self.sources(common),
            metrics: [],
        }
    }

    pub(super) fn macro_entry(&self, definition: &MacroDefinition) -> Value {
        let path = &*definition.span.file;
        let arguments: Vec<Value> = definition
            .parameters
            .iter()
            .map(|parameter| json!({ "name": parameter.name, "type": null, "description": "" }))
            .collect();
        json!({
            "name": &*definition.name,
            "resource_type": "macro",
            "package_name": &*definition.package,
            "path": path,
            "original_file_path": path,
            "unique_id": &*definition.unique_id,
            "macro_sql": &*definition.text,
            "depends_on": { "macros": [] },
            "description": "",
            "meta": {},
            "docs": { "show": true, "node_color": null },
            "config": { "meta": {}, "docs": { "show": true, "node_color": null } },
            "patch_path": null,
            "arguments": arguments,
            "created_at": self.created_at,
            "supported_languages": null,
        })
    }

    pub(super) fn docs(&self) -> BTreeMap<String, Value> {
        let project = &*self.manifest.project;
        // The manifest also knows each under `package.name`.
        let plain = |(name, _): &(&String, &String)| !name.contains('.');
        let docs = self.manifest.docs.iter().filter(plain).map(|(name, text)| {
            let id = format!("doc.{project}.{name}");
            let entry = json!({
                "name": name,
                "resource_type": "doc",
                "package_name": project,
                "path": "",
                "original_file_path": "",
                "unique_id": id,
                "block_contents": text,
            });
            (id, entry)
        });
        docs.collect()
    }

    pub(super) fn groups(&self) -> BTreeMap<String, Value> {
        let project = &*self.manifest.project;
        let groups = self.manifest.groups.values().map(|group| {
            let id = format!("group.{project}.{}", group.name);
            let entry = json!({
                "name": group.name,
                "resource_type": "group",
                "package_name": project,
                "path": &*group.path,
                "original_file_path": &*group.path,
                "unique_id": id,
                "owner": owner(group.owner.as_deref(), None),
                "description": group.description,
                "config": { "meta": {} },
            });
            (id, entry)
        });
        groups.collect()
    }

    fn is_enabled(&self, id: &NodeId) -> bool {
        self.manifest.nodes.contains_key(id)
    }

    fn refs(&self, common: &Common) -> Vec<RefEntry> {
        let parents = common
            .depends_on
            .iter()
            .filter_map(|id| self.manifest.get(id));
        parents
            .filter(|parent| matches!(parent, Node::Model(_) | Node::Seed(_)))
            .map(|parent| RefEntry {
                name: parent.name().to_string(),
                package: (parent.common().package != common.package)
                    .then(|| parent.common().package.to_string()),
                version: parent.as_model().and_then(|model| model.version.clone()),
            })
            .collect()
    }

    fn sources(&self, common: &Common) -> Vec<[String; 2]> {
        let parents = common
            .depends_on
            .iter()
            .filter_map(|id| self.manifest.get(id));
        parents
            .filter_map(|parent| match parent {
                Node::Source(source) => {
                    Some([source.source_name.clone(), source.common.name.clone()])
                }
                _ => None,
            })
            .collect()
    }
}

fn fixture(input: Option<String>, rows: Option<&Rows>) -> FixtureEntry {
    FixtureEntry {
        input,
        rows: rows.map(Rows::to_json),
        format: rows.map_or("dict", |rows| rows.format.as_str()),
        fixture: rows.and_then(|rows| rows.fixture.clone()),
    }
}

fn depends_on(common: &Common) -> DependsOn {
    DependsOn {
        macros: common.macros.clone(),
        nodes: common.depends_on.iter().map(NodeId::to_string).collect(),
    }
}

/// dbt keeps name and address apart, where refx has `Name <address>`.
fn owner(written: Option<&str>, email: Option<&str>) -> Value {
    let parts = written.and_then(|text| text.strip_suffix('>')?.split_once(" <"));
    match parts {
        Some((name, address)) => json!({ "name": name, "email": email.unwrap_or(address) }),
        None => json!({ "name": written, "email": email }),
    }
}

fn patch_path(common: &Common) -> Option<String> {
    let path = common.properties_path.as_ref()?;
    Some(format!("{}://{path}", common.package))
}

/// What a generic test receives as `model`, as dbt writes it.
fn model_argument(node: &Node) -> Option<String> {
    let relation = match node {
        Node::Model(_) | Node::Seed(_) => format!("ref('{}')", node.name()),
        Node::Source(source) => {
            format!("source('{}', '{}')", source.source_name, source.common.name)
        }
        Node::Test(_) | Node::UnitTest(_) | Node::Exposure(_) | Node::Analysis(_) => return None,
    };
    Some(format!("{{{{ get_where_subquery({relation}) }}}}"))
}

/// The entry of a properties file that declares a test: `models.user_360`.
fn file_key(node: &Node) -> String {
    match node {
        Node::Source(source) => format!("sources.{}", source.source_name),
        _ => format!("{}s.{}", node.resource_type().as_str(), node.name()),
    }
}

fn columns(columns: &[ColumnProperties]) -> Map<String, Value> {
    columns
        .iter()
        .map(|column| {
            let name = column.name.value.to_string();
            let mut entry = json!({
                "name": name,
                "description": column.description.as_ref().map_or("", |text| text.value.as_str()),
                "meta": column.meta,
                "data_type": column.data_type.as_ref().map(|text| &text.value),
                "constraints": column.constraints.iter().map(constraint).collect::<Vec<_>>(),
                "quote": column.quote,
                "config": { "meta": column.meta, "tags": column.tags.0 },
                "tags": column.tags.0,
            });
            // The schema lets a column have keys of its own.
            let owner = column.owner.as_ref().map(ToString::to_string);
            for (key, value) in [("unit", column.unit.clone()), ("owner", owner)] {
                if let Some(value) = value {
                    entry[key] = value.into();
                }
            }
            (name, entry)
        })
        .collect()
}

/// What a model promises; of other nodes, that they promise nothing.
fn contract(model: Option<&Model>) -> Value {
    let written = model.and_then(|model| model.config.contract.as_ref());
    let written = written.map(|contract| contract.value).unwrap_or_default();
    json!({
        "enforced": written.enforced,
        "alias_types": written.alias_types,
        "checksum": model.and_then(Model::contract_checksum),
    })
}

/// A constraint of the table as a whole.
fn of_table(of_table: &Constraint) -> Value {
    let columns: Vec<&str> = of_table
        .columns
        .iter()
        .map(|name| name.value.as_str())
        .collect();
    let mut entry = constraint(of_table);
    entry["columns"] = json!(columns);
    entry
}

fn constraint(constraint: &Constraint) -> Value {
    let columns: Vec<&str> = constraint
        .to_columns
        .iter()
        .map(|name| name.value.as_str())
        .collect();
    json!({
        "type": constraint.kind.value.as_str(),
        "name": constraint.name,
        "expression": constraint.expression.as_ref().map(|text| &text.value),
        "warn_unenforced": constraint.warn_unenforced.unwrap_or(true),
        "warn_unsupported": constraint.warn_unsupported.unwrap_or(true),
        "to": constraint.to.as_ref().map(|text| &text.value),
        "to_columns": columns,
    })
}

fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
