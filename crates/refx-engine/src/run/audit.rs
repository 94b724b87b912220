//! The tests of a table, run on its candidate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;

use super::step::{Ended, Timed};
use super::{Job, Outcome, verdict};
use crate::delta::{Audit, Candidate};
use refx_core::manifest::{Node, NodeId};
use refx_core::plan::Step;
use refx_core::project::config::Severity;

/// The tests that a table has to pass before it is published.
pub(super) struct Tests {
    job: Arc<Job>,
    /// The table's node.
    about: NodeId,
    tests: Vec<Step>,
    /// What they came to on the last candidate.
    results: Mutex<Vec<Timed>>,
}

impl Tests {
    pub(super) fn new(job: &Arc<Job>, about: &NodeId, tests: Vec<Step>) -> Tests {
        Tests {
            job: Arc::clone(job),
            about: about.clone(),
            tests,
            results: Mutex::default(),
        }
    }

    pub(super) fn into_results(self) -> Vec<Timed> {
        self.results
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a failure of the test holds the table: one that only warns does not, even where it
    /// cannot run.
    fn holds(&self, step: &Step) -> bool {
        let node = self.job.node(&step.node).ok();
        let severity = node
            .and_then(Node::as_test)
            .and_then(|test| test.config.severity);
        severity != Some(Severity::Warn) || self.job.rules.warn_error
    }

    /// What the tests found that failed, a line each.
    pub(super) fn reasons(&self) -> Vec<String> {
        let results = self.lock();
        let failed = results.iter().filter_map(|test| match &test.ended.outcome {
            Outcome::TestFailed { diagnostic, .. } | Outcome::Failed(diagnostic) => {
                Some(diagnostic.message.clone())
            }
            _ => None,
        });
        failed.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Timed>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Audit for Tests {
    async fn passes(&self, candidate: &Candidate<'_>) -> bool {
        if self.tests.is_empty() {
            return true;
        }
        // What an earlier candidate came to is of no more use.
        self.lock().clear();
        let results = match candidate.table(&self.job.engine.session()) {
            Ok(table) => verdict::together(&self.job, &self.tests, &self.about, table).await,
            Err(error) => {
                let diagnostic = error.into_diagnostic();
                let unread = |_: &Step| Timed {
                    ended: Ended::failed(diagnostic.clone()),
                    compiled: None,
                    started_at: Utc::now(),
                    elapsed: Duration::ZERO,
                };
                self.tests.iter().map(unread).collect()
            }
        };
        let counts = self.tests.iter().map(|step| self.holds(step));
        let passes = !counts
            .zip(&results)
            .any(|(holds, test)| holds && test.ended.outcome.is_failure());
        *self.lock() = results;
        passes
    }
}
