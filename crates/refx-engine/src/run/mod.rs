//! Walks a plan and tells what happens.
//!
//! Each step has a session of its own, in which exactly the tables that it reads are registered,
//! pinned to one version. Nothing here prints: callers listen to the [`Event`]s.

mod audit;
mod constraints;
mod event;
mod failing;
mod hooks;
mod inputs;
mod interrupt;
mod landing;
mod model;
mod origin;
pub mod panics;
mod pinned;
mod queries;
pub mod results;
mod schedule;
mod seed;
mod step;
mod unit;
mod verdict;
mod workers;
mod writing;

pub use event::{Event, Outcome, RowCounts, RunInfo, RunSummary, SkipReason, StepInfo, StepResult};
pub use inputs::Inputs;
pub use interrupt::Interrupt;
pub use model::{foresee, left_behind};
pub use pinned::{Tables, inspect};
pub use queries::Live;
pub use unit::{Ask, Shapes, create, plan as plan_unit_test};
pub use workers::STACK;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::task::JoinError;

use crate::engine::{self, Engine};
use refx_core::compile::Basis;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId};
use refx_core::plan::Plan;
use refx_core::project::Spanned;
use refx_core::template::Argument;
use workers::Workers;

/// Listens to a run.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// All that the steps of a run share.
#[derive(Clone)]
pub struct Job {
    pub basis: Basis,
    pub engine: Engine,
    pub tables: Arc<Tables>,
    /// The columns of what unit tests are given.
    pub shapes: Arc<Shapes>,
    /// The project's folder: paths in properties are relative to it.
    pub root: PathBuf,
    pub rules: Rules,
    pub on_run_start: Vec<Spanned<String>>,
    pub on_run_end: Vec<Spanned<String>>,
    pub interrupt: Interrupt,
    pub emit: Emit,
    pub info: RunInfo,
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Steps that run at the same time.
    pub threads: usize,
    pub fail_fast: bool,
    /// Keep the failing rows of every test.
    pub store_failures: bool,
    /// A warning counts as a failure.
    pub warn_error: bool,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct RunResults {
    /// In the order in which the steps ended.
    pub steps: Vec<Arc<StepResult>>,
    pub summary: RunSummary,
}

impl RunResults {
    /// Whether nothing failed and nothing was left undone.
    pub fn is_success(&self) -> bool {
        let summary = &self.summary;
        summary.failed + summary.held + summary.skipped == 0 && !summary.interrupted
    }
}

/// Runs every step of a plan.
///
/// A failed step skips what depends on it, and tables whose tests read what it makes; nothing else. Once the job's interrupt is raised no
/// step begins, and those that run are given up: each table is as it was or has the whole commit.
pub async fn execute(plan: &Plan, job: &Arc<Job>) -> RunResults {
    let started = Instant::now();
    job.emit(Event::RunStarted(RunInfo {
        steps: plan.steps.len(),
        ..job.info.clone()
    }));
    let finished: Mutex<Vec<Arc<StepResult>>> = Mutex::default();
    let finish = |result: StepResult| {
        let result = Arc::new(result);
        job.emit(Event::StepFinished(result.clone()));
        finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(result);
    };

    let workers = Workers::new();
    let mut failed_hooks = 0;
    let begun = hooks_of_run(&workers, job, &job.on_run_start, BTreeMap::new()).await;
    let started_well = match begun {
        Ok(()) => true,
        Err(diagnostic) => {
            failed_hooks += 1;
            job.emit(Event::Diagnostic(diagnostic));
            false
        }
    };
    if started_well {
        let rules = schedule::Rules {
            threads: job.rules.threads,
            fail_fast: job.rules.fail_fast,
            interrupt: &job.interrupt,
        };
        schedule::walk(
            plan,
            rules,
            |at| {
                let info = describe(plan, at, job);
                let step = plan.steps[at].clone();
                job.emit(Event::StepStarted(info.clone()));
                let (job, finish, workers) = (Arc::clone(job), &finish, &workers);
                let audits: Vec<usize> = step.audits.clone();
                let audited: Vec<_> = audits.iter().map(|at| plan.steps[*at].clone()).collect();
                async move {
                    let (result, tests) = one(workers, &job, &step, info, audited).await;
                    let succeeded = !result.outcome.is_failure();
                    let ended = match tests.is_empty() {
                        true => Vec::new(),
                        false => audits,
                    };
                    for (at, test) in ended.iter().zip(tests) {
                        let info = describe(plan, *at, &job);
                        job.emit(Event::StepStarted(info.clone()));
                        finish(test.result(info));
                    }
                    finish(result);
                    schedule::Ended {
                        at,
                        succeeded,
                        audits: ended,
                    }
                }
            },
            |at, reason| {
                finish(StepResult {
                    info: describe(plan, at, job),
                    outcome: Outcome::Skipped(reason),
                    started_at: None,
                    elapsed: Duration::ZERO,
                    warnings: Vec::new(),
                    compiled: None,
                });
            },
        )
        .await;
        let names = {
            let finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
            hooks::ended(job, &finished)
        };
        let ended = hooks_of_run(&workers, job, &job.on_run_end, names).await;
        if let Err(diagnostic) = ended {
            failed_hooks += 1;
            job.emit(Event::Diagnostic(diagnostic));
        }
    }
    let steps = finished
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut summary = summarize(&steps);
    summary.failed += failed_hooks;
    summary.interrupted = job.interrupt.is_raised();
    summary.requests = engine::requests();
    summary.elapsed = started.elapsed();
    job.emit(Event::RunFinished(summary.clone()));
    RunResults { steps, summary }
}

/// Runs the hooks round a run. Those that are left to themselves have failed.
async fn hooks_of_run(
    workers: &Workers,
    job: &Arc<Job>,
    hooks: &[Spanned<String>],
    names: BTreeMap<String, Argument>,
) -> Result<(), Diagnostic> {
    if hooks.is_empty() {
        return Ok(());
    }
    let work = {
        let (job, hooks) = (Arc::clone(job), hooks.to_vec());
        async move { hooks::of_run(&job, &hooks, names).await }
    };
    match workers.run(&job.interrupt, work).await {
        Some(Ok(done)) => done,
        Some(Err(defect)) => Err(panicked("a hook round the run", defect)),
        None => Err(Diagnostic::error(
            Code::HookFailed,
            "a hook round the run was interrupted",
        )),
    }
}

/// A panic of a task as the failure of what it was for.
fn panicked(what: &str, defect: JoinError) -> Diagnostic {
    match defect.try_into_panic() {
        Ok(panic) => panics::told(what, panic.as_ref()),
        Err(defect) => Diagnostic::error(Code::QueryFailed, format!("{what} was ended: {defect}")),
    }
}

/// Runs one step in a task of its own, so that steps share the cores, and a defect in one of them
/// is a failure of that one. With it the tests of its candidate, in their order, where it came to them.
async fn one(
    workers: &Workers,
    job: &Arc<Job>,
    step: &refx_core::plan::Step,
    info: StepInfo,
    audits: Vec<refx_core::plan::Step>,
) -> (StepResult, Vec<step::Timed>) {
    let started_at = Utc::now();
    let started = Instant::now();
    let work = {
        let (job, step) = (Arc::clone(job), step.clone());
        async move { step::run(&job, &step, audits).await }
    };
    let done = match workers.run(&job.interrupt, work).await {
        Some(Ok(done)) => done,
        Some(Err(defect)) => {
            let ended = step::Ended::failed(panicked(&format!("`{}`", info.name), defect));
            step::Done::without_sql(ended)
        }
        None => step::Done::without_sql(step::interrupted(job, &step.node).await),
    };
    let timed = step::Timed {
        ended: done.ended,
        compiled: done.compiled,
        started_at,
        elapsed: started.elapsed(),
    };
    (timed.result(info), done.tests)
}

fn describe(plan: &Plan, at: usize, job: &Job) -> StepInfo {
    let step = &plan.steps[at];
    let node = job.basis.manifest.get(&step.node);
    StepInfo {
        node: step.node.clone(),
        name: node.map_or_else(|| step.node.to_string(), |node| node.name().to_string()),
        resource_type: node.map_or(
            refx_core::manifest::ResourceType::Model,
            Node::resource_type,
        ),
        theme: node.map(theme).unwrap_or_default(),
        action: step.action.as_str(),
        index: at + 1,
        total: plan.steps.len(),
    }
}

/// The first folder of a model or seed below the one of its kind. A test has none: its path does not
/// tell what it tests.
fn theme(node: &Node) -> String {
    let fqn = &node.common().fqn;
    match node {
        Node::Model(_) | Node::Seed(_) if fqn.len() > 2 => fqn[1].clone(),
        _ => String::new(),
    }
}

fn summarize(steps: &[Arc<StepResult>]) -> RunSummary {
    let mut summary = RunSummary::default();
    for step in steps {
        match &step.outcome {
            Outcome::Committed { .. } | Outcome::Planned => summary.succeeded += 1,
            Outcome::Unchanged { .. } => summary.unchanged += 1,
            Outcome::Passed => summary.passed += 1,
            Outcome::Warned { .. } => summary.warned += 1,
            Outcome::TestFailed { .. } | Outcome::Failed(_) => summary.failed += 1,
            Outcome::Held { .. } => summary.held += 1,
            Outcome::Skipped(_) => summary.skipped += 1,
        }
    }
    summary
}

impl Job {
    fn emit(&self, event: Event) {
        (self.emit)(event);
    }

    /// # Errors
    /// [`Code::UnknownRef`], where the id is none of the manifest's.
    pub fn node(&self, id: &NodeId) -> Result<&Node, Diagnostic> {
        self.basis.manifest.get(id).ok_or_else(|| {
            Diagnostic::error(Code::UnknownRef, format!("`{id}` is not in the manifest"))
        })
    }
}
