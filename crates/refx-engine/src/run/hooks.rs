//! Statements round a model, and round a whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::{Inputs, Job, Live, StepResult, results};
use crate::check::hooks::{failed, source};
use crate::engine::Session;
use refx_core::compile::{self, Compiled};
use refx_core::diagnostic::{Diagnostic, Span};
use refx_core::manifest::Node;
use refx_core::project::Spanned;
use refx_core::project::config::Hook;
use refx_core::template::{Argument, RelationKind};

/// Runs the hooks of a node in its session.
pub(super) async fn of_node(
    inputs: &Inputs,
    session: &Session,
    node: &Node,
    hooks: &[Hook],
) -> Result<(), Diagnostic> {
    for hook in hooks {
        let queries = Arc::new(Live::new(session, inputs));
        let compiled = compile::text(&inputs.basis, Some(node), &source(&hook.sql), Some(queries))?;
        statement(session, &compiled, &hook.sql.span).await?;
    }
    Ok(())
}

/// Runs `on-run-start` or `on-run-end`. They can read every table that is there.
///
/// `names` are what the templates see beside the usual.
pub(super) async fn of_run(
    job: &Job,
    hooks: &[Spanned<String>],
    names: BTreeMap<String, Argument>,
) -> Result<(), Diagnostic> {
    if hooks.is_empty() {
        return Ok(());
    }
    let inputs = job.inputs();
    let session = job.engine.session();
    let there: Vec<_> = job
        .basis
        .manifest
        .nodes
        .keys()
        .filter(|id| job.tables.version(id).is_some())
        .cloned()
        .collect();
    inputs.all(&session, &there).await?;
    for hook in hooks {
        let queries = Arc::new(Live::new(&session, &inputs));
        let names = names.clone();
        let compiled = compile::hook(&inputs.basis, &source(hook), names, queries.clone())?;
        if !compiled.sql.trim().is_empty() {
            let registered = queries.register_referred().await;
            registered.map_err(|diagnostic| match diagnostic.span {
                Some(_) => diagnostic,
                None => diagnostic.at(hook.span.clone()),
            })?;
        }
        statement(&session, &compiled, &hook.span).await?;
    }
    Ok(())
}

/// What `on-run-end` sees of the run: `results`, `schemas`, `database_schemas`.
pub(super) fn ended(job: &Job, steps: &[Arc<StepResult>]) -> BTreeMap<String, Argument> {
    let manifest = &job.basis.manifest;
    let schemas: BTreeSet<&str> = steps
        .iter()
        .filter_map(|step| manifest.get(&step.info.node)?.relation())
        .filter(|relation| relation.kind != RelationKind::Cte)
        .filter_map(|relation| relation.schema.as_deref())
        .collect();
    let pairs: Vec<_> = schemas.iter().map(|schema| json!([null, schema])).collect();
    let results: Vec<_> = steps
        .iter()
        .map(|step| results::told(step, manifest))
        .collect();
    [
        ("results", json!(results)),
        ("schemas", json!(schemas)),
        ("database_schemas", json!(pairs)),
    ]
    .map(|(name, value)| (name.to_owned(), Argument::Value(value)))
    .into()
}

async fn statement(session: &Session, compiled: &Compiled, place: &Span) -> Result<(), Diagnostic> {
    if compiled.sql.trim().is_empty() {
        return Ok(());
    }
    match session.statement(&compiled.sql).await {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(error, compiled, place)),
    }
}
