//! A small reference repository, and the one `check` that the tables of cases go through.

mod columns;
mod criteria;
mod fuzz;
mod indirect;
mod methods;
mod named;
mod state;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Criteria, Picked, Scope, Selectors, State, pick};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::graph;
use crate::manifest::{
    Access, Analysis, Common, Exposure, Group, Manifest, Materialization, Model, Node, NodeId,
    ResourceType, Seed, Source, Strategy, Test, TestKind,
};
use crate::project::config::{ModelConfig, SeedConfig, TestConfig};
use crate::project::yaml;
use crate::template::Relation;

const PROJECT: &str = "user_reference";

/// ```text
/// raw.users ──▶ stg_users ───────────┬──────────────▶ score.v1 score.v2
///               countries            ▼
/// raw.events ─▶ stg_events ─▶ recency ▶ segments ──▶ user_360 ─▶ weekly (exposure)
///                     └─────▶ plays ─────────────────┘     └───▶ adhoc (analysis)
/// dates (package calendar)
/// ```
/// with tests on `raw.users`, `stg_users`, `segments`, `plays`, and one that reads both `user_360`
/// and `stg_users`.
fn manifest() -> Manifest {
    let nodes = [
        source("raw", "users").tag("gdpr").done(),
        source("raw", "events").done(),
        seed("countries").done(),
        model("staging/stg_users")
            .reads("source.raw.users")
            .tag("staging")
            .done(),
        model("staging/stg_events")
            .reads("source.raw.events")
            .tag("staging")
            .done(),
        model("segmentation/recency")
            .reads("model.stg_events")
            .done(),
        model("segmentation/segments")
            .reads("model.recency model.stg_users")
            .tag("monthly")
            .key("user_id")
            .meta("owner", json!(["crm@example.org", "data@example.org"]))
            .done(),
        model("consumption/plays")
            .reads("model.stg_events")
            .tag("daily")
            .key("user_id content_type")
            .done(),
        model("crm/wide/user_360")
            .reads("model.segments model.plays")
            .tag("daily")
            .tag("crm_daily")
            .key("user_id")
            .group("crm")
            .meta("pii", json!({"level": "high", "masked": true}))
            .config(
                "grants",
                json!({"select": ["analyst", "reporter"], "retries": 3}),
            )
            .done(),
        model("crm/score.v1").reads("model.stg_users").done(),
        model("crm/score.v2").reads("model.stg_users").done(),
        foreign("calendar", "dates").done(),
        generic("not_null", "raw_users")
            .reads("source.raw.users")
            .done(),
        generic("unique", "stg_users")
            .reads("model.stg_users")
            .config("severity", json!("WARN"))
            .done(),
        generic("not_null", "segments")
            .reads("model.segments")
            .done(),
        generic("relationships", "user_360")
            .reads("model.user_360 model.stg_users")
            .done(),
        singular("no_negative_plays").reads("model.plays").done(),
        exposure("weekly").reads("model.user_360").done(),
        analysis("adhoc").reads("model.user_360").done(),
    ];
    let mut manifest = Manifest::default();
    manifest.project = PROJECT.into();
    manifest
        .nodes
        .extend(nodes.into_iter().map(|node| (node.id().clone(), node)));
    let crm = Group {
        name: "crm".to_string(),
        owner: Some("Anna".to_string()),
        description: String::new(),
        path: "models/crm/_crm.yml".into(),
    };
    manifest.groups.insert(crm.name.clone(), crm);
    manifest
}

struct Builder(Node);

impl Builder {
    /// Ids without the package, which is the project's own.
    fn reads(mut self, ids: &str) -> Self {
        self.0.common_mut().depends_on = ids.split(' ').map(id).collect();
        self
    }

    fn tag(mut self, tag: &str) -> Self {
        self.0.common_mut().tags.push(tag.to_string());
        self
    }

    fn group(mut self, group: &str) -> Self {
        self.0.common_mut().group = Some(group.to_string());
        self
    }

    fn meta(mut self, key: &str, value: Value) -> Self {
        self.0.common_mut().meta.insert(key.to_string(), value);
        self
    }

    fn config(mut self, key: &str, value: Value) -> Self {
        self.0.common_mut().config.insert(key.to_string(), value);
        self
    }

    /// Makes the model an incremental table of the team, computed daily and open to all.
    fn key(mut self, columns: &str) -> Self {
        if let Node::Model(model) = &mut self.0 {
            model.primary_key = columns.split(' ').map(str::to_string).collect();
            model.materialization = Materialization::Incremental(Strategy::Merge);
            model.access = Access::Public;
            model.cadence = Some("daily".to_string());
            model.common.owner = Some("Team Audience".to_string());
        }
        self
    }

    fn done(self) -> Node {
        self.0
    }
}

fn id(short: &str) -> NodeId {
    let (kind, name) = short.split_once('.').expect("ids in tests are `type.name`");
    NodeId::new(format!("{kind}.{PROJECT}.{name}"))
}

fn common(kind: &str, name: &str, path: &str, fqn: &str) -> Common {
    Common {
        id: id(&format!("{kind}.{name}")),
        name: name.to_string(),
        package: PROJECT.into(),
        path: path.into(),
        properties_path: None,
        described_at: None,
        fqn: format!("{PROJECT}/{fqn}")
            .split('/')
            .map(str::to_string)
            .collect(),
        span: Span::file(path),
        description: String::new(),
        tags: Vec::new(),
        meta: Map::new(),
        group: None,
        owner: None,
        columns: Vec::new(),
        depends_on: Vec::new(),
        macros: Vec::new(),
        fingerprint: String::new(),
        config: Map::new(),
    }
}

/// A view at `models/<path>.sql`, described by the properties file of its folder. A `.v2` at the end
/// is the version; the latest one is 2.
fn model(path: &str) -> Builder {
    let (folder, file) = path.split_once('/').expect("models lie in a folder");
    let file = file.rsplit('/').next().unwrap_or(file);
    let mut common = common(
        "model",
        file,
        &format!("models/{path}.sql"),
        &path.replace(".v", "/v"),
    );
    common.properties_path = Some(format!("models/{folder}/_{folder}.yml").into());
    let version = file.split_once(".v").map(|(name, version)| {
        common.name = name.to_string();
        version.to_string()
    });
    Builder(Node::Model(Model {
        common,
        materialization: Materialization::View,
        primary_key: Vec::new(),
        delete_by: Vec::new(),
        access: Access::Protected,
        latest_version: version.as_ref().map(|_| "2".to_string()),
        version,
        cadence: None,
        relation: Relation::table("main", file),
        config: Box::new(ModelConfig::default()),
        text: "select 1".into(),
        asks_incremental: false,
        constraints: Vec::new(),
        foreign_keys: Vec::new(),
    }))
}

fn foreign(package: &str, name: &str) -> Builder {
    let mut model = model(&format!("dates/{name}"));
    let common = model.0.common_mut();
    common.id = NodeId::new(format!("model.{package}.{name}"));
    common.package = package.into();
    common.fqn[0] = package.to_string();
    model
}

fn seed(name: &str) -> Builder {
    Builder(Node::Seed(Seed {
        common: common("seed", name, &format!("seeds/{name}.csv"), name),
        relation: Relation::table("main", name),
        own_types: Default::default(),
        config: Box::new(SeedConfig::default()),
    }))
}

fn source(group: &str, table: &str) -> Builder {
    let mut common = common(
        "source",
        &format!("{group}.{table}"),
        "models/staging/sources.yml",
        &format!("staging/{group}/{table}"),
    );
    common.name = table.to_string();
    let name = yaml::parse("sources.yml", &format!("name: {table}"));
    let name = name.expect("one key is well-formed YAML");
    Builder(Node::Source(Source {
        common,
        source_name: group.to_string(),
        relation: Relation::table(group, table),
        table: yaml::decode(&name).expect("a table needs a name only"),
        place: None,
    }))
}

fn generic(test: &str, on: &str) -> Builder {
    let name = format!("{test}_{on}");
    let kind = TestKind::Generic {
        name: test.to_string(),
        macro_id: format!("macro.refx.test_{test}"),
        arguments: Map::new(),
        places: BTreeMap::new(),
        column: None,
    };
    tested(
        common("test", &name, "models/tests.yml", &format!("checks/{name}")),
        kind,
    )
}

fn singular(name: &str) -> Builder {
    let kind = TestKind::Singular {
        text: "select 1".into(),
    };
    tested(
        common("test", name, &format!("tests/{name}.sql"), name),
        kind,
    )
}

fn tested(common: Common, kind: TestKind) -> Builder {
    Builder(Node::Test(Test {
        relation: Relation::table("failures", common.name.as_str()),
        common,
        kind,
        attached: None,
        config: Box::new(TestConfig::default()),
    }))
}

fn exposure(name: &str) -> Builder {
    Builder(Node::Exposure(Exposure {
        common: common("exposure", name, "models/crm/_crm.yml", name),
        kind: "dashboard".to_string(),
        label: None,
        url: None,
        maturity: None,
        owner_email: Some("board@example.org".to_string()),
    }))
}

fn analysis(name: &str) -> Builder {
    Builder(Node::Analysis(Analysis {
        common: common(
            "analysis",
            name,
            &format!("analyses/{name}.sql"),
            &format!("analysis/{name}"),
        ),
        text: "select 1".into(),
    }))
}

fn ask(select: &[&str], exclude: &[&str]) -> Criteria {
    let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    Criteria {
        select: owned(select),
        exclude: owned(exclude),
        allow_empty: true,
        ..Criteria::default()
    }
}

fn pick_with(
    criteria: &Criteria,
    selectors: &Selectors,
    state: State,
    runs: &[ResourceType],
) -> Result<Picked, Diagnostic> {
    pick_from(&manifest(), criteria, selectors, state, runs)
}

fn pick_from(
    manifest: &Manifest,
    criteria: &Criteria,
    selectors: &Selectors,
    state: State,
    runs: &[ResourceType],
) -> Result<Picked, Diagnostic> {
    let graph = graph::build(manifest).expect("the nodes of the tests have no circle");
    let scope = Scope {
        manifest,
        graph: &graph,
        selectors,
        state,
        columns: None,
        runs,
    };
    pick(criteria, &scope)
}

fn pick_all(criteria: &Criteria) -> Result<Picked, Diagnostic> {
    let selectors = Selectors::default();
    pick_with(criteria, &selectors, State::default(), &ResourceType::ALL)
}

/// Ids without type and package, in order, split by spaces.
fn names(picked: &Picked) -> String {
    let names = picked
        .nodes
        .iter()
        .map(|id| id.as_str().splitn(3, '.').nth(2).unwrap_or(id.as_str()));
    names.collect::<Vec<_>>().join(" ")
}

/// What a criteria picks, or the error and its help.
fn shown(picked: Result<Picked, Diagnostic>) -> String {
    match picked {
        Ok(picked) => names(&picked),
        Err(error) => told(&error),
    }
}

/// Message, notes and help, a line each.
fn told(diagnostic: &Diagnostic) -> String {
    let mut lines = vec![diagnostic.message.clone()];
    lines.extend(diagnostic.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(diagnostic.help.iter().map(|help| format!("help: {help}")));
    lines.join("\n")
}

fn statuses(list: &[(&str, &str)]) -> BTreeMap<NodeId, String> {
    list.iter()
        .map(|(short, status)| (id(short), status.to_string()))
        .collect()
}
