//! One step of a plan, from its node to how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::audit::Tests;
use super::{
    Inputs, Job, Outcome, RowCounts, SkipReason, StepInfo, StepResult, model, seed, unit, verdict,
};
use crate::compile::Compiled;
use crate::delta;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::Session;
use crate::manifest::Node;
use crate::plan::Step;

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
    let failed = |diagnostic| Done {
        ended: Ended::failed(diagnostic),
        compiled: None,
        tests: Vec::new(),
    };
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
        ended = done => ended.unwrap_or_else(|diagnostic| Ended::failed(placed(diagnostic, node))),
        () = job.interrupt.wait() => interrupted(job, node).await,
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
/// table itself is asked.
async fn interrupted(job: &Job, node: &Node) -> Ended {
    let before = job.tables.version(node.id());
    let mut outcome = Outcome::Skipped(SkipReason::Interrupted);
    if let Some(relation) = node.relation()
        && let Ok(location) = job.tables.location(relation)
        && let Ok(Some(facts)) = delta::inspect(&location).await
        && let Ok(version) = u64::try_from(facts.version)
        && before.is_none_or(|before| version > before)
        && facts.commit_info.get("refx.run_id").and_then(Value::as_str)
            == Some(&*job.basis.invocation.invocation_id)
    {
        outcome = Outcome::Committed {
            version,
            rows: RowCounts::default(),
        };
    }
    Ended {
        outcome,
        warnings: Vec::new(),
    }
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
