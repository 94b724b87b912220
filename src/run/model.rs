//! A model: its query planned, and its rows taken into its table.

use std::sync::Arc;

use super::inputs::located;
use super::step::{Ended, Work};
use super::writing::{action, place, write};
use super::{Live, Outcome, hooks, landing};
use crate::compile;
use crate::delta;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::Model;
use crate::plan;

pub(super) async fn run(work: &Work<'_>, model: &Model) -> Result<Ended, Diagnostic> {
    let Work {
        job, step, node, ..
    } = *work;
    let inputs = job.inputs();
    let session = job.engine.session();
    inputs.of(&session, node).await?;
    hooks::of_node(&inputs, &session, node, &model.config.pre_hook).await?;
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::render(&job.basis, node, Some(queries))?;
    work.keep(&compiled);
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, &compiled))?;
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
            let write = write(job, node, model, action)?;
            let commit = match landing::commit(work, &plan, &write, &session).await {
                Ok(commit) => commit,
                Err(delta::Error::Held) => {
                    return Ok(Ended {
                        outcome: landing::held(work),
                        warnings,
                    });
                }
                Err(delta::Error::Engine(error)) => {
                    return Err(located(session.told(&compiled.sql, error), &compiled));
                }
                Err(error) => {
                    let place = place(&error, model, node);
                    return Err(error.into_diagnostic().at(place));
                }
            };
            for column in &commit.columns_added {
                warnings.push(
                    Diagnostic::warning(
                        Code::SchemaMismatch,
                        format!("the table got the new column `{column}`"),
                    )
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
    Ok(Ended { outcome, warnings })
}
