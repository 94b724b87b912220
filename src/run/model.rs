//! A model: its query planned, and its rows taken into its table.

use std::sync::Arc;

use super::step::{Ended, Work};
use super::writing::{action, write};
use super::{Job, Live, Outcome, constraints, hooks, landing};
use crate::check::contract;
use crate::compile;
use crate::delta::{self, SchemaChange};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{Name, located};
use crate::manifest::Model;
use crate::plan::{self, Step};

/// How often a query that reads its own table is run again, because other writers were faster.
const ATTEMPTS: usize = 5;

pub(super) async fn run(work: &Work<'_>, model: &Model) -> Result<Ended, Diagnostic> {
    let mut attempt = 1;
    loop {
        match once(work, model, attempt).await? {
            Done::Ended(ended) => return Ok(ended),
            Done::Overtaken => attempt += 1,
        }
    }
}

/// What an attempt came to.
enum Done {
    Ended(Ended),
    /// The query read its own table, and another writer has moved that on.
    Overtaken,
}

async fn once(work: &Work<'_>, model: &Model, attempt: usize) -> Result<Done, Diagnostic> {
    let Work {
        job, step, node, ..
    } = *work;
    let inputs = job.inputs();
    let session = job.engine.session();
    inputs.of(&session, node).await?;
    if attempt == 1 {
        hooks::of_node(&inputs, &session, node, &model.config.pre_hook).await?;
    }
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::render(&job.basis, node, Some(queries))?;
    work.keep(&compiled);
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, &compiled))?;
    contract::hold(&session, model, &plan)?;
    let plan = contract::in_order(model, &plan).map_err(|error| located(error, &compiled))?;
    let mut warnings = compiled.warnings.clone();
    warnings.extend(plan::stale_rows(
        model,
        job.basis.facts.get(node.id()),
        &step.action,
    ));
    let outcome = match action(job, step, model) {
        None => {
            hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            Outcome::Planned
        }
        Some(action) => {
            let mut write = write(job, node, model, action)?;
            if plan.reads(&Name::of(&model.relation)) {
                let version = job.tables.version(node.id());
                write.read_at = version.and_then(|version| i64::try_from(version).ok());
            }
            let commit = match landing::commit(work, &plan, &write, &session).await {
                Ok(commit) => commit,
                Err(delta::Error::Held { version }) => {
                    return Ok(Done::Ended(Ended {
                        outcome: landing::held(work, version),
                        warnings,
                    }));
                }
                Err(delta::Error::Conflict { .. })
                    if write.read_at.is_some() && attempt < ATTEMPTS =>
                {
                    let now = delta::inspect(&write.location).await;
                    let now = now.map_err(delta::Error::into_diagnostic)?;
                    let version = now.and_then(|now| u64::try_from(now.version).ok());
                    if let Some(version) = version {
                        job.tables.pin(node.id(), version);
                    }
                    return Ok(Done::Overtaken);
                }
                Err(delta::Error::Engine(error)) => {
                    if let Some(diagnostic) = landing::damaged_input(job, node, &error).await {
                        return Err(diagnostic);
                    }
                    return Err(located(session.told(&compiled.sql, error), &compiled));
                }
                Err(error) => {
                    let place = constraints::place(&job.basis.manifest, model, &error);
                    let place = place.unwrap_or_else(|| error.place(model));
                    return Err(error.into_diagnostic().at(place));
                }
            };
            for change in &commit.columns {
                warnings.push(
                    Diagnostic::warning(Code::SchemaMismatch, format!("the table got {change}"))
                        .at(node.common().span.clone()),
                );
            }
            if let Some(version) = commit.repeats {
                warnings.push(landing::repeated(job, node, version));
            }
            let outcome = landing::outcome(job, node.id(), &commit);
            if !model.config.post_hook.is_empty() {
                inputs.of(&session, node).await?;
                hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            }
            outcome
        }
    };
    Ok(Done::Ended(Ended { outcome, warnings }))
}

/// What a step will change of its table's columns. Its query is planned, not run; nothing is known of
/// a model whose inputs are not built yet.
///
/// # Errors
/// Where the columns do not fit the table.
pub async fn foresee(job: &Job, step: &Step) -> Result<Vec<SchemaChange>, Diagnostic> {
    let node = job.node(&step.node)?;
    let Some(model) = node.as_model() else {
        return Ok(Vec::new());
    };
    let Some(action) = action(job, step, model) else {
        return Ok(Vec::new());
    };
    let inputs = job.inputs();
    let session = job.engine.session();
    let planned = async {
        inputs.of(&session, node).await?;
        let queries = Arc::new(Live::new(&session, &inputs));
        let compiled = compile::render(&job.basis, node, Some(queries))?;
        let plan = session.plan(&compiled.sql).await;
        plan.map_err(|error| located(error, &compiled))
    };
    // Whatever else is wrong with the query is told by the run, or by what reads it.
    let Ok(plan) = planned.await else {
        return Ok(Vec::new());
    };
    let write = write(job, node, model, action)?;
    match delta::foresee(&plan, &write).await {
        Ok(changes) => Ok(changes),
        Err(error) => {
            let place = error.place(model);
            Err(error.into_diagnostic().at(place))
        }
    }
}
