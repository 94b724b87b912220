//! What happens during a run, as it happens. The terminal, the JSON lines and the artifacts are
//! readers of this one stream.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::Requests;
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{NodeId, ResourceType};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    RunStarted(RunInfo),
    StepStarted(StepInfo),
    /// The rows that a step's query has given so far.
    StepProgress {
        node: NodeId,
        rows: u64,
    },
    StepFinished(Arc<StepResult>),
    /// A message of a template's `log()` or `print()`, or of the runner itself.
    Message {
        text: String,
        node: Option<NodeId>,
    },
    Diagnostic(Diagnostic),
    RunFinished(RunSummary),
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunInfo {
    pub invocation_id: Arc<str>,
    pub command: &'static str,
    pub project: Arc<str>,
    pub target: String,
    /// Where the tables are: the target's root, without any secret.
    pub root: String,
    #[schemars(with = "String")]
    pub as_of: DateTime<Utc>,
    /// The clock gave the instant: only `as_of` says under which one the run can be resumed.
    #[serde(skip)]
    pub by_clock: bool,
    #[schemars(with = "String")]
    pub started_at: DateTime<Utc>,
    pub steps: usize,
    pub threads: usize,
}

/// A step as readers of the stream name it.
#[derive(Clone, Debug, Serialize)]
pub struct StepInfo {
    #[serde(serialize_with = "as_text")]
    pub node: NodeId,
    /// The name that a steward would say: `user_360`, `not_null_user_360_user_id`.
    pub name: String,
    #[serde(serialize_with = "as_type")]
    pub resource_type: ResourceType,
    /// The folder of the model, the first below `models/`; empty at the top.
    pub theme: String,
    /// What the step does: `merge`, `replace`, `view`, `seed`, `test`…
    pub action: &'static str,
    /// One-based position in the plan.
    pub index: usize,
    pub total: usize,
}

#[derive(Clone, Debug)]
pub struct StepResult {
    pub info: StepInfo,
    pub outcome: Outcome,
    /// Set once the step has begun; skipped steps have none.
    pub started_at: Option<DateTime<Utc>>,
    pub elapsed: Duration,
    /// What the step wants to say besides its outcome: a widened column, a test's warning.
    pub warnings: Vec<Diagnostic>,
    pub compiled: Option<Arc<str>>,
}

/// How a step ended. A failed step has no commit to carry, a skipped one no diagnostic.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// One Delta commit was made.
    Committed {
        version: u64,
        rows: RowCounts,
    },
    /// The table already held exactly these rows: nothing was written.
    Unchanged {
        version: Option<u64>,
        rows: RowCounts,
    },
    /// A view or an ephemeral model: its query plans, nothing lands.
    Planned,
    /// A test that found nothing wrong.
    Passed,
    /// A test with failures below its error threshold.
    Warned {
        failures: u64,
        diagnostic: Diagnostic,
    },
    /// A test with failures.
    TestFailed {
        failures: u64,
        diagnostic: Diagnostic,
    },
    /// A table whose candidate did not pass its tests: readers go on seeing the last good version.
    Held {
        /// None where there is no table yet.
        version: Option<u64>,
        diagnostic: Diagnostic,
    },
    /// A step that could not be done. Tables are as they were.
    Failed(Diagnostic),
    Skipped(SkipReason),
}

#[derive(Clone, Debug)]
pub enum SkipReason {
    /// Something that it reads failed, or a test of it did.
    Upstream(NodeId),
    /// An earlier failure under `--fail-fast`.
    FailFast,
    /// Ctrl-C.
    Interrupted,
}

/// Rows of the target table that a step touched, and of its own that changed nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RowCounts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    pub unchanged: u64,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RunSummary {
    pub succeeded: usize,
    pub unchanged: usize,
    pub passed: usize,
    pub warned: usize,
    pub failed: usize,
    pub held: usize,
    pub skipped: usize,
    pub interrupted: bool,
    /// To the stores of tables and sources, from the start of the command.
    pub requests: Requests,
    /// Seconds.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub elapsed: Duration,
}

impl Outcome {
    /// Whether nodes that read this one must not run.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Outcome::Failed(_) | Outcome::Held { .. } | Outcome::TestFailed { .. }
        )
    }

    /// dbt's word for it in `run_results.json`.
    pub fn status(&self) -> &'static str {
        match self {
            Outcome::Committed { .. } | Outcome::Unchanged { .. } | Outcome::Planned => "success",
            Outcome::Passed => "pass",
            Outcome::Warned { .. } => "warn",
            Outcome::TestFailed { .. } => "fail",
            Outcome::Failed(_) | Outcome::Held { .. } => "error",
            Outcome::Skipped(_) => "skipped",
        }
    }
}

fn as_text<S: serde::Serializer>(id: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

fn as_type<S: serde::Serializer>(kind: &ResourceType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}
