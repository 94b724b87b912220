//! Rows on their way into a table: what the write is to do, what rides in its commit, what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::step::Work;
use super::{Event, Job, Outcome, RowCounts};
use crate::delta::{self, Write};
use crate::engine::{self, Session};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId};

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
    let write = &Write {
        gate: job.interrupt.gate.clone(),
        ..write.clone()
    };
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
            job.tables.pin_own(id, version);
            Outcome::Committed { version, rows }
        }
        None => {
            // Another run may have made it since this one began.
            let version = commit.stands_on.and_then(|at| u64::try_from(at).ok());
            if let Some(version) = version {
                match commit.repeats {
                    // Nothing was looked at.
                    Some(_) => job.tables.pin(id, version),
                    None => job.tables.pin_own(id, version),
                }
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

/// Tells that the rows of a run were taken in before, and were not taken in again.
pub(super) fn repeated(job: &Job, node: &Node, version: i64) -> Diagnostic {
    let invocation = &job.basis.invocation;
    let as_of = invocation.as_of.format("%Y-%m-%dT%H:%M:%SZ");
    let name = node.name();
    let message = match invocation.by_clock {
        true => format!(
            "`{name}` was applied before, in version {version}: its inputs and its code are the same"
        ),
        false => format!("`{name}` was applied as of {as_of} before, in version {version}"),
    };
    let back = match version.checked_sub(1).filter(|before| *before >= 0) {
        Some(before) => {
            format!("take that version back first (`refx restore {name} --to {before}`), or ")
        }
        None => String::new(),
    };
    let interval = match invocation.by_clock {
        true => format!("to add them as a new interval, name it: `--as-of {as_of}`; or "),
        false => String::new(),
    };
    Diagnostic::warning(Code::AlreadyApplied, message)
        .at(node.common().span.clone())
        .note("a second time would add the same rows again, so nothing was done")
        .help(format!(
            "{interval}{back}build the table anew with `--full-refresh`"
        ))
}

/// What rides in every commit: the run that makes it.
pub(super) fn of_run(job: &Job) -> BTreeMap<String, Value> {
    let run_id = &*job.basis.invocation.invocation_id;
    BTreeMap::from([
        ("refx.run_id".into(), json!(run_id)),
        ("refx.version".into(), json!(env!("CARGO_PKG_VERSION"))),
    ])
}

/// What rides in the commit of a seed. Its rows rest on its file alone, so no later run is compared with it.
pub(super) fn of_seed(job: &Job, node: &Node) -> BTreeMap<String, Value> {
    let as_of = job.basis.invocation.as_of.to_rfc3339();
    let mut info = of_run(job);
    info.extend([
        ("refx.model".into(), json!(node.id().as_str())),
        ("refx.fingerprint".into(), json!(node.common().fingerprint)),
        ("refx.as_of".into(), json!(as_of)),
        ("refx.inputs".into(), json!({})),
    ]);
    info
}
