//! Rows on their way into a table: what the write is to do, what rides in its commit, what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::step::Work;
use super::{Event, Job, Outcome, RowCounts};
use crate::delta::{self, Transaction, Write};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{self, Session};
use crate::manifest::{Node, NodeId};

/// How often a running step tells how many rows it has.
const PROGRESS: Duration = Duration::from_millis(200);

/// Writes, and tells meanwhile how many rows there are.
pub(super) async fn commit(
    work: &Work<'_>,
    plan: &engine::Plan,
    write: &Write,
    session: &Session,
) -> Result<delta::Commit, delta::Error> {
    let Work { job, node, .. } = *work;
    let telling = async {
        let mut told = 0;
        loop {
            tokio::time::sleep(PROGRESS).await;
            let now = plan.rows_staged();
            if now > told {
                told = now;
                (job.emit)(Event::StepProgress {
                    node: node.id().clone(),
                    rows: now,
                });
            }
        }
    };
    tokio::select! {
        done = delta::write(session, plan, write, &work.tests) => done,
        () = telling => unreachable!("telling never ends"),
    }
}

/// Pins the table to what was written, and says what changed.
pub(super) fn outcome(job: &Job, id: &NodeId, commit: &delta::Commit) -> Outcome {
    let rows = RowCounts {
        inserted: commit.rows.inserted,
        updated: commit.rows.updated,
        deleted: commit.rows.deleted,
        unchanged: commit.rows.unchanged,
    };
    match commit
        .version
        .and_then(|version| u64::try_from(version).ok())
    {
        Some(version) => {
            job.tables.pin(id, version);
            Outcome::Committed { version, rows }
        }
        None => {
            // Another run may have made it since this one began.
            let version = commit.stands_on.and_then(|at| u64::try_from(at).ok());
            if let Some(version) = version {
                job.tables.pin(id, version);
            }
            Outcome::Unchanged { version, rows }
        }
    }
}

/// The table that a query failed on, where one of its data files cannot be decoded.
pub(super) async fn damaged_input(
    job: &Job,
    node: &Node,
    error: &engine::Error,
) -> Option<Diagnostic> {
    if !error.message.to_lowercase().contains("parquet") {
        return None;
    }
    for id in node.common().depends_on.iter().chain([node.id()]) {
        let (Some(version), Ok(input)) = (job.tables.version(id), job.node(id)) else {
            continue;
        };
        let Some(Ok(location)) = input.relation().map(|name| job.tables.location(name)) else {
            continue;
        };
        let version = i64::try_from(version).ok();
        if let Some(error) = delta::damaged(&location, version).await {
            return Some(error.into_diagnostic().at(input.common().span.clone()));
        }
    }
    None
}

/// A table that did not pass: which version readers go on seeing, since when, and why.
pub(super) fn held(work: &Work<'_>, version: Option<i64>) -> Outcome {
    let Work { job, node, .. } = *work;
    let version = version.and_then(|version| u64::try_from(version).ok());
    let facts = job.basis.facts.get(node.id());
    let facts = facts.filter(|facts| Some(facts.version) == version);
    let since = facts
        .and_then(|facts| facts.committed_at)
        .map(|at| format!(" of {}", at.format("%Y-%m-%d %H:%M UTC")))
        .unwrap_or_default();
    let name = node.name();
    let message = match version {
        Some(version) => {
            format!("`{name}` is held at version {version}{since}: its tests did not pass")
        }
        None => format!("`{name}` was not published: its tests did not pass"),
    };
    let diagnostic = Diagnostic::error(Code::TableHeld, message).at(node.common().span.clone());
    let diagnostic = work
        .tests
        .reasons()
        .into_iter()
        .fold(diagnostic, Diagnostic::note);
    Outcome::Held {
        version,
        diagnostic: diagnostic.help(match version {
            Some(_) => "readers see that version until the model or its data is corrected",
            None => "readers see no table until the model or its data is corrected",
        }),
    }
}

/// The mark that the run's interval of a node was applied. `once`: whether a second time would change
/// the table.
pub(super) fn transaction(job: &Job, node: &Node, once: bool) -> Transaction {
    let interval = job.basis.invocation.as_of;
    Transaction {
        name: format!("refx/{}/{}", node.id(), interval.to_rfc3339()),
        once,
    }
}

/// Tells that a run's interval was applied before, and was not applied again.
pub(super) fn repeated(job: &Job, node: &Node, version: i64) -> Diagnostic {
    let as_of = job.basis.invocation.as_of.format("%Y-%m-%dT%H:%M:%SZ");
    let name = node.name();
    Diagnostic::warning(
        Code::AlreadyApplied,
        format!("`{name}` was applied as of {as_of} before, in version {version}"),
    )
    .at(node.common().span.clone())
    .note("a second time would add the same rows again, so nothing was done")
    .help(format!(
        "take that version back first (`refx restore {name} --to {}`), or build the table anew \
         with `--full-refresh`",
        version - 1
    ))
}

/// What rides in the commit: who made it, of which code, for when, from which versions.
pub(super) fn commit_info(job: &Job, node: &Node) -> BTreeMap<String, Value> {
    let invocation = &job.basis.invocation;
    let inputs: BTreeMap<&str, u64> = node
        .common()
        .depends_on
        .iter()
        .filter_map(|id| Some((id.as_str(), job.tables.version(id)?)))
        .collect();
    BTreeMap::from([
        ("refx.run_id".into(), json!(&*invocation.invocation_id)),
        ("refx.model".into(), json!(node.id().as_str())),
        ("refx.fingerprint".into(), json!(node.common().fingerprint)),
        ("refx.as_of".into(), json!(invocation.as_of.to_rfc3339())),
        ("refx.inputs".into(), json!(inputs)),
        ("refx.version".into(), json!(env!("CARGO_PKG_VERSION"))),
    ])
}
