//! Statements round a model, and round a whole run.

use std::sync::Arc;

use super::inputs::located;
use super::{Inputs, Job, Live};
use crate::compile;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::Session;
use crate::manifest::Node;
use crate::project::Spanned;
use crate::project::config::Hook;
use crate::template::Source;

/// Runs the hooks of a node in its session.
pub(super) async fn of_node(
    inputs: &Inputs,
    session: &Session,
    node: &Node,
    hooks: &[Hook],
) -> Result<(), Diagnostic> {
    for hook in hooks {
        statement(inputs, session, Some(node), &hook.sql).await?;
    }
    Ok(())
}

/// Runs `on-run-start` or `on-run-end`. They can read every table that is there.
pub(super) async fn of_run(job: &Job, hooks: &[Spanned<String>]) -> Result<(), Diagnostic> {
    if hooks.is_empty() {
        return Ok(());
    }
    let inputs = job.inputs();
    let session = job.engine.session();
    let there: Vec<_> = job
        .house
        .manifest
        .nodes
        .keys()
        .filter(|id| job.tables.version(id).is_some())
        .cloned()
        .collect();
    inputs.all(&session, &there).await?;
    for hook in hooks {
        statement(&inputs, &session, None, hook).await?;
    }
    Ok(())
}

async fn statement(
    inputs: &Inputs,
    session: &Session,
    node: Option<&Node>,
    hook: &Spanned<String>,
) -> Result<(), Diagnostic> {
    let source = Source {
        file: hook.span.file.clone(),
        text: hook.value.as_str().into(),
        offset: hook.span.start,
    };
    let queries = Arc::new(Live::new(session, inputs));
    let compiled = compile::text(&inputs.house, node, &source, Some(queries))?;
    if compiled.sql.trim().is_empty() {
        return Ok(());
    }
    match session.statement(&compiled.sql).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let diagnostic = located(error, &compiled);
            Err(Diagnostic {
                code: Code::HookFailed,
                message: format!("hook: {}", diagnostic.message),
                span: Some(hook.span.clone()),
                ..diagnostic
            })
        }
    }
}
