//! One step of a plan, from its node to how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::audit::Tests;
use super::{
    Inputs, Job, Outcome, RowCounts, SkipReason, StepInfo, StepResult, model, seed, unit, verdict,
};
use crate::delta;
use crate::engine::Session;
use refx_core::compile::Compiled;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId};
use refx_core::plan::Step;

/// What is left of a step when it is over.
pub(super) struct Ended {
    pub outcome: Outcome,
    pub warnings: Vec<Diagnostic>,
}

impl Ended {
    pub(super) fn failed(diagnostic: Diagnostic) -> Self {
        Ended {
            outcome: Outcome::Failed(diagnostic),
            warnings: Vec::new(),
        }
    }
}

/// A step that is over, with the SQL that it came to and the tests of its candidate.
pub(super) struct Done {
    pub ended: Ended,
    pub compiled: Option<Arc<str>>,
    /// In the order of the step's `audits`; empty where it did not come to them.
    pub tests: Vec<Timed>,
}

impl Done {
    /// A step that came to no SQL.
    pub(super) fn without_sql(ended: Ended) -> Done {
        Done {
            ended,
            compiled: None,
            tests: Vec::new(),
        }
    }
}

/// A step that is over, and when it was.
pub(super) struct Timed {
    pub ended: Ended,
    pub compiled: Option<Arc<str>>,
    pub started_at: DateTime<Utc>,
    pub elapsed: Duration,
}

impl Timed {
    pub(super) fn result(self, info: StepInfo) -> StepResult {
        StepResult {
            info,
            outcome: self.ended.outcome,
            started_at: Some(self.started_at),
            elapsed: self.elapsed,
            warnings: self.ended.warnings,
            compiled: self.compiled,
        }
    }
}

/// Runs the step, and the tests of its candidate before that is published.
pub(super) async fn run(job: &Arc<Job>, step: &Step, audits: Vec<Step>) -> Done {
    let failed = |diagnostic| Done::without_sql(Ended::failed(diagnostic));
    let node = match job.node(&step.node) {
        Ok(node) => node,
        Err(diagnostic) => return failed(diagnostic),
    };
    if let Some(diagnostic) = job.tables.broken(&step.node) {
        return failed(diagnostic);
    }
    let work = Work {
        job,
        step,
        node,
        compiled: Mutex::default(),
        tests: Tests::new(job, &step.node, audits),
    };
    let done = async {
        match node {
            Node::Model(model) => model::run(&work, model).await,
            Node::Seed(seed) => seed::run(&work, seed).await,
            Node::Test(test) => verdict::of(&work, test).await,
            Node::UnitTest(test) => unit::of(&work, test).await,
            Node::Source(_) | Node::Exposure(_) | Node::Analysis(_) => Err(Diagnostic::error(
                Code::Unsupported,
                format!("`{}` has nothing to run", node.name()),
            )),
        }
    };
    let ended = tokio::select! {
        // First: a commit that was let through no more is no failure of the step.
        biased;
        () = job.interrupt.wait() => interrupted(job, &step.node).await,
        ended = done => ended.unwrap_or_else(|diagnostic| Ended::failed(placed(diagnostic, node))),
    };
    Done {
        ended,
        compiled: work
            .compiled
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        tests: work.tests.into_results(),
    }
}

/// What a step is about, and the SQL that it came to: also a failed one leaves it to be looked at.
pub(super) struct Work<'a> {
    pub job: &'a Arc<Job>,
    pub step: &'a Step,
    pub node: &'a Node,
    pub compiled: Mutex<Option<Arc<str>>>,
    pub tests: Tests,
}

impl Work<'_> {
    /// A step that is made again leaves the text of its last attempt.
    pub(super) fn keep(&self, compiled: &Compiled) {
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(compiled.sql.clone());
    }
}

/// A diagnostic that knows no place is shown at the node's.
pub(super) fn placed(diagnostic: Diagnostic, node: &Node) -> Diagnostic {
    match diagnostic.span {
        Some(_) => diagnostic,
        None => diagnostic.at(node.common().span.clone()),
    }
}

/// A step that was given up. A commit is atomic and may have been made at the last moment, so the
/// table itself is asked, once no more commits can come.
pub(super) async fn interrupted(job: &Job, node: &NodeId) -> Ended {
    /// A store may take long to answer a commit that is on its way.
    const ANSWER: Duration = Duration::from_secs(5);
    let skipped = Outcome::Skipped(SkipReason::Interrupted);
    let look = async {
        job.interrupt.gate.close().await;
        committed(job, node).await
    };
    let outcome = match tokio::time::timeout(ANSWER, look).await {
        Ok(found) => found.unwrap_or(skipped),
        Err(_) => Outcome::Failed(
            Diagnostic::error(
                Code::TableFailed,
                format!("whether `{node}` was committed is not known: its store does not answer"),
            )
            .help("run again: what is committed already is not applied twice"),
        ),
    };
    Ended {
        outcome,
        warnings: Vec::new(),
    }
}

/// What the run has committed to the table of a node.
async fn committed(job: &Job, node: &NodeId) -> Option<Outcome> {
    let relation = job.node(node).ok()?.relation()?;
    let location = job.tables.location(relation).ok()?;
    let found = delta::inspect(&location).await.ok()??;
    let version = u64::try_from(found.version).ok()?;
    let before = job.basis.facts.get(node).map(|facts| facts.version);
    let is_new = before.is_none_or(|before| version > before);
    let run = found.commit_info.get("refx.run_id").and_then(Value::as_str);
    let is_ours = run == Some(&*job.basis.invocation.invocation_id);
    (is_new && is_ours).then_some(Outcome::Committed {
        version,
        rows: RowCounts::default(),
    })
}

impl Job {
    /// What makes tables readable in a session.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            basis: self.basis.clone(),
            tables: self.tables.clone(),
            root: self.root.as_path().into(),
            emit: self.emit.clone(),
            candidate: None,
            checks_keys: false,
            seen: Arc::default(),
        }
    }

    /// Registers what a node reads in a fresh session: for `show` and `compile`.
    ///
    /// # Errors
    /// As [`Inputs::of`].
    pub async fn session(&self, node: &Node) -> Result<Session, Diagnostic> {
        let session = self.engine.session();
        self.inputs().of(&session, node).await?;
        Ok(session)
    }
}
