//! Whether a data test passed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use datafusion::catalog::TableProvider;

use super::step::{Ended, Timed, Work, placed};
use super::{Inputs, Job, Live, Outcome};
use crate::delta::{self, Action, Write};
use crate::engine::{self, Answer, Name, Query, Session, located};
use refx_core::compile::{self, Compiled, Counting, counting, written};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Manifest, Node, NodeId, Test};
use refx_core::plan::Step;
use refx_core::project::config::{Severity, StoreFailuresAs};

/// Runs a test over the tables as they are.
pub(super) async fn of(work: &Work<'_>, test: &Test) -> Result<Ended, Diagnostic> {
    let Work { job, node, .. } = *work;
    let prepared = Prepared::new(job, node, test, &job.inputs()).await?;
    work.keep(&prepared.compiled);
    let answer = prepared
        .session
        .rows_as_json(&prepared.counting.sql, 1)
        .await;
    prepared.judge(job, answer).await
}

/// Runs the tests of a table on its candidate, side by side over one scan of it. In the order of the
/// steps.
pub(super) async fn together(
    job: &Job,
    tests: &[Step],
    about: &NodeId,
    candidate: Arc<dyn TableProvider>,
) -> Vec<Timed> {
    let inputs = Inputs {
        candidate: Some((about.clone(), Arc::clone(&candidate))),
        ..job.inputs()
    };
    let started_at = Utc::now();
    let started = Instant::now();
    let mut prepared = Vec::with_capacity(tests.len());
    for step in tests {
        prepared.push(prepare(job, step, &inputs).await);
    }
    let queries = prepared.iter().flatten().map(|test| Query {
        session: test.session.clone(),
        sql: test.counting.sql.clone(),
    });
    let relation = job.node(about).ok().and_then(Node::relation);
    let queries: Vec<Query> = queries.collect();
    let mut answers = match relation {
        Some(relation) => engine::together(&Name::of(relation), candidate, queries, 1).await,
        None => Vec::new(),
    }
    .into_iter();
    let mut results = Vec::with_capacity(tests.len());
    for test in prepared {
        let mut compiled = None;
        let ended = match test {
            Ok(test) => {
                compiled = Some(Arc::clone(&test.compiled.sql));
                match answers.next() {
                    Some(answer) => test.judge(job, answer).await,
                    None => Err(Diagnostic::error(
                        Code::QueryFailed,
                        format!("`{about}` has no table to test"),
                    )),
                }
            }
            Err(diagnostic) => Err(diagnostic),
        };
        results.push((ended, compiled));
    }
    let elapsed = started.elapsed();
    let timed = tests.iter().zip(results).map(|(step, (ended, compiled))| {
        let ended = ended.unwrap_or_else(|diagnostic| {
            Ended::failed(match job.node(&step.node) {
                Ok(node) => placed(diagnostic, node),
                Err(_) => diagnostic,
            })
        });
        Timed {
            ended,
            compiled,
            started_at,
            // They ran at the same time, over the same rows.
            elapsed,
        }
    });
    timed.collect()
}

async fn prepare<'a>(
    job: &'a Job,
    step: &Step,
    inputs: &Inputs,
) -> Result<Prepared<'a>, Diagnostic> {
    let node = job.node(&step.node)?;
    let test = node.as_test().ok_or_else(|| {
        Diagnostic::error(Code::Unsupported, format!("`{}` is no test", node.name()))
    })?;
    Prepared::new(job, node, test, inputs).await
}

/// A test whose query is written, in a session that has what it reads.
pub(super) struct Prepared<'a> {
    pub(super) test: &'a Test,
    pub(super) session: Session,
    pub(super) compiled: Compiled,
    /// The query that counts what the test finds and judges the number.
    counting: Counting,
    /// Whether the table that the test reads is not published yet.
    pub(super) unpublished: bool,
    /// The primary key of the table that the test is declared on; empty where it has none.
    pub(super) key: Vec<String>,
    /// The columns of personal data, in lower case.
    pub(super) personal: BTreeSet<String>,
}

impl<'a> Prepared<'a> {
    async fn new(
        job: &Job,
        node: &Node,
        test: &'a Test,
        inputs: &Inputs,
    ) -> Result<Prepared<'a>, Diagnostic> {
        let session = job.engine.session();
        inputs.of(&session, node).await?;
        let queries = Arc::new(Live::new(&session, inputs));
        let compiled = compile::render(&job.basis, node, Some(queries))?;
        let counting = counting(test, written(&compiled));
        Ok(Prepared {
            test,
            session,
            compiled,
            counting,
            unpublished: inputs.candidate.is_some(),
            key: key(&job.basis.manifest, test),
            personal: job.basis.manifest.personal(node),
        })
    }

    /// What the answer of the counting query means.
    async fn judge(
        &self,
        job: &Job,
        answer: Result<Answer, engine::Error>,
    ) -> Result<Ended, Diagnostic> {
        let config = &self.test.config;
        let Counted {
            failures,
            should_warn,
            should_fail,
        } = self.counted(answer).await?;
        let kept = match (config.store_failures_as, config.store_failures) {
            (Some(form), _) => form != StoreFailuresAs::Ephemeral,
            (None, Some(kept)) => kept,
            (None, None) => job.rules.store_failures,
        };
        let kept = match kept {
            true => Some(self.keep(job).await?),
            false => None,
        };
        let severity = config.severity.unwrap_or(Severity::Error);
        let outcome = if severity == Severity::Error && should_fail {
            Outcome::TestFailed {
                failures,
                diagnostic: self.tell(failures, kept.as_deref()).await,
            }
        } else if should_warn {
            let mut diagnostic = self.tell(failures, kept.as_deref()).await;
            if job.rules.warn_error {
                Outcome::TestFailed {
                    failures,
                    diagnostic,
                }
            } else {
                diagnostic.severity = refx_core::diagnostic::Severity::Warning;
                Outcome::Warned {
                    failures,
                    diagnostic,
                }
            }
        } else {
            Outcome::Passed
        };
        Ok(Ended {
            outcome,
            warnings: self.compiled.warnings.clone(),
        })
    }

    async fn counted(&self, answer: Result<Answer, engine::Error>) -> Result<Counted, Diagnostic> {
        let answer = match answer {
            Ok(answer) => answer,
            // The query round the test hides what is wrong inside of it.
            Err(error) => match self.session.plan(&self.compiled.sql).await {
                Ok(_) if error.position.is_some() => {
                    return Err(in_test(error, &self.compiled, self.counting.before));
                }
                Ok(_) => {
                    let error = self.session.traced(&self.compiled.sql, error).await;
                    return Err(located(error, &self.compiled));
                }
                Err(error) => return Err(located(error, &self.compiled)),
            },
        };
        let row = answer.rows.into_iter().next().unwrap_or_default();
        let failures = row.first().and_then(|value| {
            value
                .as_u64()
                .or_else(|| value.as_f64().map(|number| number.abs() as u64))
        });
        let holds = |at: usize| row.get(at).and_then(serde_json::Value::as_bool) == Some(true);
        Ok(Counted {
            failures: failures.unwrap_or_default(),
            should_warn: holds(1),
            should_fail: holds(2),
        })
    }
}

fn key(manifest: &Manifest, test: &Test) -> Vec<String> {
    let attached = test.attached.as_ref().and_then(|id| manifest.get(id));
    match attached {
        Some(Node::Model(model)) => model.primary_key.clone(),
        Some(Node::Seed(seed)) => {
            let key = seed.config.primary_key.as_ref();
            key.map(|key| key.value.0.clone()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// What a test's query comes to.
struct Counted {
    failures: u64,
    should_warn: bool,
    should_fail: bool,
}

/// An error of the counting query, at its place in the test, which begins after so many lines.
fn in_test(mut error: crate::engine::Error, compiled: &Compiled, before: usize) -> Diagnostic {
    if let Some(place) = error.position {
        error = error.moved_up((place.line - 1).min(before));
    }
    located(error, compiled)
}

impl Prepared<'_> {
    /// Writes the failing rows to a table of their own, also when there are none: a table of an
    /// earlier failure would mislead. Gives the table's folder.
    async fn keep(&self, job: &Job) -> Result<String, Diagnostic> {
        let test = self.test;
        let plan = self
            .session
            .plan(written(&self.compiled))
            .await
            .map_err(|error| located(error, &self.compiled))?;
        let location = job.tables.location(&test.relation)?;
        let folder = location.shown();
        let mut write = Write::new(location, Action::Overwrite { key: None });
        write.gate = job.interrupt.gate.clone();
        delta::write(&self.session, &plan, &write, &delta::NoAudit)
            .await
            .map(|_| folder)
            .map_err(|error| error.into_diagnostic().at(test.common.span.clone()))
    }
}
