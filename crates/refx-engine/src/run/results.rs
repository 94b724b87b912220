//! `run_results.json`: what a run did, in dbt's version 6, so that tools for dbt read it.
//!
//! Fields and their order are those of <https://schemas.getdbt.com/dbt/run-results/v6.json>.
//! `tests/artifacts/check.py` holds the files against dbt's own reader.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Outcome, RowCounts, SkipReason, StepResult};
use refx_core::manifest::{Manifest, Node, NodeId, describe};

/// The version of dbt-core whose files these are like.
pub use refx_core::template::DBT_VERSION;

/// What a file says of the run that made it.
#[derive(Clone, Debug)]
pub struct Info {
    pub invocation_id: Arc<str>,
    pub started_at: DateTime<Utc>,
    pub generated_at: DateTime<Utc>,
    /// Seconds are taken of the whole run, waiting included.
    pub elapsed_seconds: f64,
    /// The command and its flags: `{"which": "build", "select": ["+user_360"]}`.
    pub args: Map<String, Value>,
}

/// The content of `run_results.json`.
#[derive(Debug, Serialize)]
pub struct RunResults {
    metadata: Metadata,
    results: Vec<NodeResult>,
    elapsed_time: f64,
    args: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    dbt_schema_version: &'static str,
    dbt_version: &'static str,
    generated_at: String,
    invocation_id: Arc<str>,
    invocation_started_at: String,
    /// The schema has room for nothing else of one's own here.
    env: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct NodeResult {
    status: &'static str,
    timing: Vec<Timing>,
    thread_id: &'static str,
    execution_time: f64,
    adapter_response: Map<String, Value>,
    message: Option<String>,
    /// Rows that a test found; none for what is no test.
    failures: Option<u64>,
    unique_id: String,
    compiled: Option<bool>,
    compiled_code: Option<Arc<str>>,
    relation_name: Option<String>,
    batch_results: Option<()>,
}

#[derive(Debug, Serialize)]
struct Timing {
    name: &'static str,
    started_at: String,
    completed_at: String,
}

/// The results of a run, in the order in which they are given.
pub fn artifact(results: &[Arc<StepResult>], manifest: &Manifest, info: &Info) -> RunResults {
    RunResults {
        metadata: Metadata {
            dbt_schema_version: "https://schemas.getdbt.com/dbt/run-results/v6.json",
            dbt_version: DBT_VERSION,
            generated_at: instant(info.generated_at),
            invocation_id: Arc::clone(&info.invocation_id),
            invocation_started_at: instant(info.started_at),
            env: BTreeMap::from([("refx_version", env!("CARGO_PKG_VERSION").to_string())]),
        },
        results: results
            .iter()
            .map(|result| node_result(result, manifest))
            .collect(),
        elapsed_time: info.elapsed_seconds,
        args: info.args.clone(),
    }
}

/// Writes a file of JSON so that a reader sees the whole of it or what was there before, and no
/// secret: `redact` is applied to every text in it.
pub fn write_json(
    path: &Path,
    value: &impl Serialize,
    redact: Option<fn(&str) -> String>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = beside(path);
    let written = match redact {
        None => write(&beside, value),
        Some(redact) => {
            let mut value = serde_json::to_value(value)?;
            redacted(&mut value, redact);
            write(&beside, &value)
        }
    };
    let written = written.and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What failed first is what is told; the rest may lie there.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    serde_json::to_writer(&mut file, value)?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// A name in the same folder, since a rename is atomic within a file system only; with the process's
/// number, since two runs may write at the same time.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn redacted(value: &mut Value, redact: fn(&str) -> String) {
    match value {
        Value::String(text) => *text = redact(text),
        Value::Array(values) => values.iter_mut().for_each(|value| redacted(value, redact)),
        Value::Object(map) => map.values_mut().for_each(|value| redacted(value, redact)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A result as `on-run-end` sees it: the artifact's, and the node.
pub(super) fn told(result: &StepResult, manifest: &Manifest) -> Value {
    let mut told = serde_json::to_value(node_result(result, manifest)).unwrap_or_default();
    if let Some(node) = manifest.get(&result.info.node) {
        told["node"] = describe(manifest, node);
    }
    told
}

fn node_result(result: &StepResult, manifest: &Manifest) -> NodeResult {
    let id = &result.info.node;
    let compilable = !matches!(manifest.get(id), Some(Node::Seed(_)));
    NodeResult {
        status: result.outcome.status(),
        timing: timing(result),
        thread_id: "main",
        execution_time: result.elapsed.as_secs_f64(),
        adapter_response: response(result),
        message: Some(message(&result.outcome, manifest)),
        failures: failures(&result.outcome),
        unique_id: id.to_string(),
        compiled: compilable.then_some(result.compiled.is_some()),
        compiled_code: result.compiled.clone(),
        relation_name: manifest
            .get(id)
            .and_then(Node::relation)
            .map(ToString::to_string),
        batch_results: None,
    }
}

fn timing(result: &StepResult) -> Vec<Timing> {
    let Some(started_at) = result.started_at else {
        return Vec::new();
    };
    let elapsed = TimeDelta::from_std(result.elapsed).unwrap_or(TimeDelta::MAX);
    let completed_at = started_at.checked_add_signed(elapsed).unwrap_or(started_at);
    vec![Timing {
        name: "execute",
        started_at: instant(started_at),
        completed_at: instant(completed_at),
    }]
}

/// What dbt's adapters say of a statement, and the counts that refx adds.
fn response(result: &StepResult) -> Map<String, Value> {
    let mut response = Map::new();
    let (version, rows) = match &result.outcome {
        Outcome::Committed { version, rows } => (Some(*version), rows),
        Outcome::Unchanged { version, rows } => (*version, rows),
        _ => return response,
    };
    let action = result.info.action.to_uppercase();
    let affected = rows.inserted + rows.updated + rows.deleted;
    response.insert("_message".into(), format!("{action} {affected}").into());
    response.insert("code".into(), action.into());
    response.insert("rows_affected".into(), affected.into());
    for (name, count) in [
        ("inserted", rows.inserted),
        ("updated", rows.updated),
        ("deleted", rows.deleted),
        ("unchanged", rows.unchanged),
    ] {
        response.insert(name.into(), count.into());
    }
    response.insert("delta_version".into(), version.into());
    response
}

fn message(outcome: &Outcome, manifest: &Manifest) -> String {
    let name = |id: &NodeId| manifest.get(id).map_or(id.as_str(), Node::name).to_string();
    match outcome {
        Outcome::Committed { version, rows } => format!("version {version}: {}", counts(rows)),
        Outcome::Unchanged { .. } => "nothing changed".into(),
        Outcome::Planned => "the query plans".into(),
        Outcome::Passed => "no failing rows".into(),
        Outcome::Warned { diagnostic, .. }
        | Outcome::TestFailed { diagnostic, .. }
        | Outcome::Held { diagnostic, .. }
        | Outcome::Failed(diagnostic) => diagnostic.to_string(),
        Outcome::Skipped(SkipReason::Upstream(id)) => format!("not run: {} failed", name(id)),
        Outcome::Skipped(SkipReason::FailFast) => "not run: an earlier step failed".into(),
        Outcome::Skipped(SkipReason::Interrupted) => "not run: interrupted".into(),
    }
}

fn counts(rows: &RowCounts) -> String {
    format!(
        "{} inserted, {} updated, {} deleted, {} unchanged",
        rows.inserted, rows.updated, rows.deleted, rows.unchanged
    )
}

fn failures(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Passed => Some(0),
        Outcome::Warned { failures, .. } | Outcome::TestFailed { failures, .. } => Some(*failures),
        _ => None,
    }
}

/// As dbt writes instants: with microseconds, in UTC.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::run::StepInfo;
    use refx_core::diagnostic::{Code, Diagnostic};
    use refx_core::manifest::ResourceType;

    fn result(name: &str, outcome: Outcome) -> Arc<StepResult> {
        Arc::new(StepResult {
            info: StepInfo {
                node: NodeId::new(format!("model.shop.{name}")),
                name: name.into(),
                resource_type: ResourceType::Model,
                theme: String::new(),
                action: "merge",
                index: 1,
                total: 3,
            },
            outcome,
            started_at: Some(DateTime::UNIX_EPOCH),
            elapsed: Duration::from_millis(1500),
            warnings: Vec::new(),
            compiled: Some("select 1".into()),
        })
    }

    fn run() -> Value {
        let rows = RowCounts {
            inserted: 3,
            updated: 2,
            deleted: 1,
            unchanged: 9,
        };
        let broken = Diagnostic::error(Code::QueryFailed, "cannot log in with hunter2");
        let results = [
            result("a", Outcome::Committed { version: 7, rows }),
            result("b", Outcome::Failed(broken)),
            result(
                "c",
                Outcome::Skipped(SkipReason::Upstream(NodeId::new("model.shop.b"))),
            ),
        ];
        let info = Info {
            invocation_id: "4f1c".into(),
            started_at: DateTime::UNIX_EPOCH,
            generated_at: DateTime::UNIX_EPOCH,
            elapsed_seconds: 1.5,
            args: Map::from_iter([("which".to_string(), json!("build"))]),
        };
        serde_json::to_value(artifact(&results, &Manifest::default(), &info)).unwrap()
    }

    #[test]
    fn results_have_dbts_words_and_refxs_counts() {
        let run = run();
        assert_eq!(
            run["metadata"]["env"]["refx_version"],
            env!("CARGO_PKG_VERSION")
        );
        let statuses: Vec<&Value> = run["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| &result["status"])
            .collect();
        assert_eq!(statuses, ["success", "error", "skipped"]);
        assert_eq!(
            run["results"][0]["adapter_response"],
            json!({
                "_message": "MERGE 6", "code": "MERGE", "rows_affected": 6,
                "inserted": 3, "updated": 2, "deleted": 1, "unchanged": 9, "delta_version": 7,
            })
        );
        assert_eq!(
            run["results"][0]["timing"][0]["completed_at"],
            "1970-01-01T00:00:01.500000Z"
        );
    }

    #[test]
    fn a_file_is_written_whole_and_without_secrets() {
        let folder = std::env::temp_dir().join(format!("refx-results-{}", std::process::id()));
        let path = folder.join("deeper/run_results.json");
        let redact: fn(&str) -> String = |text| text.replace("hunter2", "*****");
        write_json(&path, &"old", None).unwrap();
        write_json(&path, &run(), Some(redact)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.join("deeper")).unwrap().collect();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(text.contains("cannot log in with *****"));
        assert!(!text.contains("hunter2"));
        assert_eq!(left.len(), 1);
    }
}
