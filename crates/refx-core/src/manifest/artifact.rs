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
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use self::scribe::Scribe;
use super::{Manifest, Node, NodeId};
use crate::template::MacroDefinition;

/// What the file says beside the manifest.
#[derive(Clone, Debug)]
pub struct Info {
    pub invocation_id: Arc<str>,
    pub generated_at: DateTime<Utc>,
    /// dbt-core's version that the file is like.
    pub dbt_version: &'static str,
    /// The folder of compiled SQL, relative to the project: `.refx/compiled`.
    pub compiled_root: String,
    /// The definitions of `selectors.yml`, by name.
    pub selectors: Map<String, Value>,
    /// SHA-256 of the seeds' files, in hexadecimal, where they were read.
    pub seed_checksums: BTreeMap<NodeId, String>,
}

/// The content of `manifest.json`.
#[derive(Debug, Serialize)]
pub struct Artifact<'a> {
    metadata: Metadata,
    /// Models, seeds, tests and analyses.
    nodes: Entries<'a>,
    sources: Entries<'a>,
    macros: BTreeMap<String, Value>,
    docs: BTreeMap<String, Value>,
    exposures: Entries<'a>,
    metrics: Empty,
    groups: BTreeMap<String, Value>,
    selectors: Map<String, Value>,
    disabled: BTreeMap<&'a str, Vec<Entry>>,
    parent_map: Neighbours<'a>,
    child_map: Neighbours<'a>,
    group_map: Neighbours<'a>,
    saved_queries: Empty,
    semantic_models: Empty,
    unit_tests: Entries<'a>,
}

/// What dbt has and refx does not.
type Empty = BTreeMap<String, Value>;

/// Ids by an id, or by the name of a group.
type Neighbours<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The entries of nodes by their ids, each made when it is written: all of them at once would take
/// many times the memory of the file.
#[derive(Debug)]
struct Entries<'a> {
    scribe: Arc<Scribe<'a>>,
    nodes: Vec<&'a Node>,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.nodes.iter();
        serializer.collect_map(entries.map(|node| (node.id().as_str(), self.scribe.entry(node))))
    }
}

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
    UnitTest(Box<UnitTestEntry>),
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
    constraints: Vec<Value>,
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
struct UnitTestEntry {
    model: String,
    given: Vec<FixtureEntry>,
    expect: FixtureEntry,
    name: String,
    resource_type: &'static str,
    package_name: Arc<str>,
    path: String,
    original_file_path: Arc<str>,
    unique_id: String,
    fqn: Vec<String>,
    description: String,
    overrides: Value,
    depends_on: DependsOn,
    config: Map<String, Value>,
    checksum: String,
    schema: Option<String>,
    created_at: f64,
    versions: Option<Value>,
    version: Option<String>,
}

/// Rows of a unit test. The schema has no room for the expected table.
#[derive(Debug, Serialize)]
struct FixtureEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    rows: Option<Value>,
    format: &'static str,
    fixture: Option<String>,
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
    manifest: &'a Manifest,
    macros: impl IntoIterator<Item = &'a MacroDefinition>,
    compiled: &'a BTreeMap<NodeId, Arc<str>>,
    info: Info,
) -> Artifact<'a> {
    let scribe = Arc::new(Scribe {
        manifest,
        compiled,
        created_at: info.generated_at.timestamp_micros() as f64 / 1e6,
        info,
    });
    let entries = |is_one: fn(&Node) -> bool| Entries {
        scribe: Arc::clone(&scribe),
        nodes: manifest
            .nodes
            .values()
            .filter(|node| is_one(node))
            .collect(),
    };
    let (parent_map, child_map) = neighbours(manifest);
    Artifact {
        metadata: scribe.metadata(),
        nodes: entries(|node| {
            !matches!(
                node,
                Node::Source(_) | Node::Exposure(_) | Node::UnitTest(_)
            )
        }),
        sources: entries(|node| matches!(node, Node::Source(_))),
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
        exposures: entries(|node| matches!(node, Node::Exposure(_))),
        metrics: Empty::new(),
        groups: scribe.groups(),
        selectors: scribe.info.selectors.clone(),
        disabled: manifest
            .disabled
            .values()
            .map(|node| (node.id().as_str(), vec![scribe.entry(node)]))
            .collect(),
        parent_map,
        child_map,
        group_map: group_map(manifest),
        saved_queries: Empty::new(),
        semantic_models: Empty::new(),
        unit_tests: entries(|node| matches!(node, Node::UnitTest(_))),
    }
}

impl Artifact<'_> {
    /// The entry of a node, for `refx ls --output json`.
    pub fn entry(&self, id: &NodeId) -> Map<String, Value> {
        let scribe = &self.nodes.scribe;
        let entry = scribe.manifest.get(id).map(|node| scribe.entry(node));
        match entry.and_then(|entry| serde_json::to_value(entry).ok()) {
            Some(Value::Object(entry)) => entry,
            _ => Map::new(),
        }
    }
}

/// Who each node reads and is read by, in order of id. Every node has its entry in both.
fn neighbours(manifest: &Manifest) -> (Neighbours<'_>, Neighbours<'_>) {
    let (mut parents, mut children) = (Neighbours::new(), Neighbours::new());
    for (id, node) in &manifest.nodes {
        let mut reads: Vec<&str> = node
            .common()
            .depends_on
            .iter()
            .map(NodeId::as_str)
            .collect();
        reads.sort_unstable();
        children.entry(id.as_str()).or_default();
        for parent in &reads {
            children.entry(parent).or_default().push(id.as_str());
        }
        parents.insert(id.as_str(), reads);
    }
    (parents, children)
}

fn group_map(manifest: &Manifest) -> Neighbours<'_> {
    let names = manifest.groups.keys();
    let mut groups: Neighbours<'_> = names.map(|name| (name.as_str(), Vec::new())).collect();
    for (id, node) in &manifest.nodes {
        if let Some(group) = &node.common().group {
            groups.entry(group.as_str()).or_default().push(id.as_str());
        }
    }
    groups
}
