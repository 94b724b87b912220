//! `manifest.json`: the project in dbt's version 12, so that tools for dbt read it.
//!
//! The types are the file's own: a change of the manifest's insides cannot change it by accident.
//! Fields are those of <https://schemas.getdbt.com/dbt/manifest/v12.json> that refx has a value for,
//! or that the schema requires; `tests/artifacts/check.py` holds the file against dbt's own reader.

mod config;
mod scribe;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use self::scribe::Scribe;
use super::{Manifest, Node, NodeId};
use crate::template::MacroDefinition;

/// What the file says beside the manifest.
#[derive(Clone, Debug)]
pub struct Info<'a> {
    pub invocation_id: Arc<str>,
    pub generated_at: DateTime<Utc>,
    /// dbt-core's version that the file is like.
    pub dbt_version: &'a str,
    /// The folder of compiled SQL, relative to the project: `.refx/compiled`.
    pub compiled_root: &'a str,
    /// The definitions of `selectors.yml`, by name.
    pub selectors: Map<String, Value>,
    /// SHA-256 of the seeds' files, in hexadecimal, where they were read.
    pub seed_checksums: &'a BTreeMap<NodeId, String>,
}

/// The content of `manifest.json`.
#[derive(Debug, Serialize)]
pub struct Artifact {
    metadata: Metadata,
    /// Models, seeds, tests and analyses.
    nodes: BTreeMap<String, Entry>,
    sources: BTreeMap<String, Entry>,
    macros: BTreeMap<String, Value>,
    docs: BTreeMap<String, Value>,
    exposures: BTreeMap<String, Entry>,
    metrics: Empty,
    groups: BTreeMap<String, Value>,
    selectors: Map<String, Value>,
    disabled: BTreeMap<String, Vec<Entry>>,
    parent_map: BTreeMap<String, Vec<String>>,
    child_map: BTreeMap<String, Vec<String>>,
    group_map: BTreeMap<String, Vec<String>>,
    saved_queries: Empty,
    semantic_models: Empty,
    unit_tests: Empty,
}

/// What dbt has and refx does not.
type Empty = BTreeMap<String, Value>;

#[derive(Debug, Serialize)]
struct Metadata {
    dbt_schema_version: &'static str,
    dbt_version: String,
    generated_at: String,
    invocation_id: Arc<str>,
    /// The schema has room for nothing else of one's own here.
    env: BTreeMap<&'static str, String>,
    project_name: Arc<str>,
    project_id: String,
    user_id: Option<String>,
    send_anonymous_usage_stats: bool,
    adapter_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry {
    Model(Box<ModelEntry>),
    Seed(Box<SeedEntry>),
    Test(Box<TestEntry>),
    Analysis(Box<Query>),
    Source(Box<SourceEntry>),
    Exposure(Box<ExposureEntry>),
}

/// What all have.
#[derive(Debug, Serialize)]
struct Named {
    name: String,
    resource_type: &'static str,
    package_name: Arc<str>,
    path: String,
    original_file_path: Arc<str>,
    unique_id: String,
    fqn: Vec<String>,
    description: String,
    tags: Vec<String>,
    meta: Map<String, Value>,
    config: Map<String, Value>,
    unrendered_config: Map<String, Value>,
    created_at: f64,
}

/// What lands somewhere, or would.
#[derive(Debug, Serialize)]
struct Placed {
    #[serde(flatten)]
    named: Named,
    database: Option<String>,
    schema: String,
    alias: String,
    relation_name: Option<String>,
    checksum: Checksum,
    columns: Map<String, Value>,
    group: Option<String>,
    docs: Docs,
    patch_path: Option<String>,
    build_path: Option<String>,
    raw_code: String,
}

/// What is compiled.
#[derive(Debug, Serialize)]
struct Query {
    #[serde(flatten)]
    placed: Placed,
    language: &'static str,
    refs: Vec<RefEntry>,
    sources: Vec<[String; 2]>,
    metrics: [(); 0],
    depends_on: DependsOn,
    compiled_path: Option<String>,
    compiled: bool,
    compiled_code: Option<Arc<str>>,
    extra_ctes_injected: bool,
    extra_ctes: [(); 0],
    contract: Value,
}

#[derive(Debug, Serialize)]
struct ModelEntry {
    #[serde(flatten)]
    query: Query,
    access: &'static str,
    constraints: [(); 0],
    version: Option<String>,
    latest_version: Option<String>,
    deprecation_date: Option<String>,
    primary_key: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SeedEntry {
    #[serde(flatten)]
    placed: Placed,
    root_path: Option<String>,
    depends_on: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug, Serialize)]
struct TestEntry {
    #[serde(flatten)]
    query: Query,
    #[serde(flatten)]
    generic: Option<GenericEntry>,
}

#[derive(Debug, Serialize)]
struct GenericEntry {
    column_name: Option<String>,
    file_key_name: Option<String>,
    attached_node: Option<String>,
    test_metadata: Value,
}

#[derive(Debug, Serialize)]
struct SourceEntry {
    #[serde(flatten)]
    named: Named,
    database: Option<String>,
    schema: String,
    identifier: String,
    relation_name: String,
    source_name: String,
    source_description: String,
    source_meta: Map<String, Value>,
    loader: String,
    columns: Map<String, Value>,
    patch_path: Option<String>,
}

#[derive(Debug, Serialize)]
struct ExposureEntry {
    #[serde(flatten)]
    named: Named,
    #[serde(rename = "type")]
    kind: String,
    owner: Value,
    label: Option<String>,
    maturity: Option<String>,
    url: Option<String>,
    depends_on: DependsOn,
    refs: Vec<RefEntry>,
    sources: Vec<[String; 2]>,
    metrics: [(); 0],
}

#[derive(Debug, Serialize)]
struct Checksum {
    name: &'static str,
    checksum: String,
}

#[derive(Debug, Serialize)]
struct Docs {
    show: bool,
    node_color: Option<String>,
}

#[derive(Debug, Serialize)]
struct RefEntry {
    name: String,
    package: Option<String>,
    version: Option<String>,
}

#[derive(Debug, Serialize)]
struct DependsOn {
    macros: Vec<String>,
    nodes: Vec<String>,
}

/// The file of a manifest. `compiled` holds the SQL of the nodes that were compiled.
pub fn artifact<'a>(
    manifest: &Manifest,
    macros: impl IntoIterator<Item = &'a MacroDefinition>,
    compiled: &BTreeMap<NodeId, Arc<str>>,
    info: &Info<'_>,
) -> Artifact {
    let scribe = Scribe {
        manifest,
        compiled,
        info,
        created_at: info.generated_at.timestamp_micros() as f64 / 1e6,
    };
    let (parent_map, child_map) = neighbours(manifest);
    let mut artifact = Artifact {
        metadata: scribe.metadata(),
        nodes: BTreeMap::new(),
        sources: BTreeMap::new(),
        macros: macros
            .into_iter()
            .map(|definition| {
                (
                    definition.unique_id.to_string(),
                    scribe.macro_entry(definition),
                )
            })
            .collect(),
        docs: scribe.docs(),
        exposures: BTreeMap::new(),
        metrics: Empty::new(),
        groups: scribe.groups(),
        selectors: info.selectors.clone(),
        disabled: manifest
            .disabled
            .values()
            .map(|node| (node.id().to_string(), vec![scribe.entry(node)]))
            .collect(),
        parent_map,
        child_map,
        group_map: group_map(manifest),
        saved_queries: Empty::new(),
        semantic_models: Empty::new(),
        unit_tests: Empty::new(),
    };
    for (id, node) in &manifest.nodes {
        let entries = match node {
            Node::Source(_) => &mut artifact.sources,
            Node::Exposure(_) => &mut artifact.exposures,
            _ => &mut artifact.nodes,
        };
        entries.insert(id.to_string(), scribe.entry(node));
    }
    artifact
}

impl Artifact {
    /// The entry of a node, for `refx ls --output json`.
    pub fn entry(&self, id: &NodeId) -> Map<String, Value> {
        let id = id.as_str();
        let entry = [&self.nodes, &self.sources, &self.exposures]
            .into_iter()
            .find_map(|entries| entries.get(id));
        match entry.and_then(|entry| serde_json::to_value(entry).ok()) {
            Some(Value::Object(entry)) => entry,
            _ => Map::new(),
        }
    }
}

/// Who each node reads and is read by, in order of id. Every node has its entry in both.
fn neighbours(
    manifest: &Manifest,
) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, node) in &manifest.nodes {
        let mut reads: Vec<&NodeId> = node.common().depends_on.iter().collect();
        reads.sort_unstable();
        children.entry(id.to_string()).or_default();
        for parent in &reads {
            children
                .entry(parent.to_string())
                .or_default()
                .push(id.to_string());
        }
        parents.insert(
            id.to_string(),
            reads.iter().map(ToString::to_string).collect(),
        );
    }
    (parents, children)
}

fn group_map(manifest: &Manifest) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in manifest.groups.keys() {
        groups.insert(name.clone(), Vec::new());
    }
    for (id, node) in &manifest.nodes {
        if let Some(group) = &node.common().group {
            groups
                .entry(group.clone())
                .or_default()
                .push(id.to_string());
        }
    }
    groups
}
