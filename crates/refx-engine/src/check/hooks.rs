//! Hooks, planned: those of a model over the tables that it reads and its own, those round a run over
//! all tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::node::{Checking, Unknown};
use super::queries::Shapes;
use super::{Answers, Scope};
use crate::engine::{self, Kind, Name, Session, located};
use refx_core::compile::{self, Basis, Compiled};
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Model, Node};
use refx_core::project::Spanned;
use refx_core::template::{Argument, Source};

/// What is wrong with the hooks of a model, whose own table has been registered.
pub(super) async fn of_model(checking: &Checking<'_>, model: &Model) -> Vec<Diagnostic> {
    let scope = checking.scope;
    let hooks = model
        .config
        .pre_hook
        .iter()
        .chain(model.config.post_hook.iter());
    let mut found = Vec::new();
    for hook in hooks {
        // A hook may ask whether the run is incremental, too.
        for basis in [&scope.fresh, &scope.standing] {
            let compiled = compiled(checking.session, basis, checking.node, &hook.sql);
            let wrong = match compiled {
                Ok(compiled) => wrong(checking.session, &compiled, &hook.sql.span).await,
                Err(Unknown::NeedsData) => None,
                Err(Unknown::Broken(diagnostic)) => Some(diagnostic),
            };
            if let Some(wrong) = wrong.filter(|wrong| !found.contains(wrong)) {
                found.push(wrong);
            }
        }
    }
    found
}

fn compiled(
    session: &Session,
    basis: &Basis,
    node: &Node,
    hook: &Spanned<String>,
) -> Result<Compiled, Unknown> {
    let queries = Arc::new(Shapes::new(session));
    match compile::text(basis, Some(node), &source(hook), Some(queries.clone())) {
        _ if queries.asked_for_rows() => Err(Unknown::NeedsData),
        Ok(compiled) => Ok(compiled),
        Err(diagnostic) => Err(Unknown::Broken(diagnostic)),
    }
}

/// What is wrong with the hooks round a run. They may read each table that is there, so nothing is
/// said of tables whose columns are not known.
pub async fn hooks(
    scope: &Arc<Scope>,
    answers: &Answers,
    (before, after): (&[Spanned<String>], &[Spanned<String>]),
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let session = scope.engine.checking_session();
    let mut complete = true;
    for (id, node) in &scope.fresh.manifest.nodes {
        let Some(relation) = node.relation() else {
            continue;
        };
        let known = answers.get(id).and_then(|answer| answer.planned());
        let registered = known
            .map(|planned| session.register_shape(&Name::of(relation), Arc::clone(&planned.shape)));
        complete &= matches!(registered, Some(Ok(())));
    }
    let empty = |name: &str| (name.to_owned(), Argument::Value(json!([])));
    let of_end: BTreeMap<String, Argument> =
        ["results", "schemas", "database_schemas"].map(empty).into();
    let hooks = before.iter().map(|hook| (hook, BTreeMap::new()));
    let hooks = hooks.chain(after.iter().map(|hook| (hook, of_end.clone())));
    for (hook, names) in hooks {
        let queries = Arc::new(Shapes::new(&session));
        let of_results = !names.is_empty();
        let compiled = compile::hook(&scope.standing, &source(hook), names, queries.clone());
        match compiled {
            _ if queries.asked_for_rows() => {}
            Ok(compiled) => {
                let wrong = statements(&session, &compiled, &hook.span).await;
                found.extend(wrong.err().and_then(|(kind, diagnostic)| {
                    (complete || kind != Kind::UnknownTable).then_some(diagnostic)
                }));
            }
            // Of a run that has no results, a hook may say what it says of none.
            Err(_) if of_results => {}
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    found
}

async fn wrong(session: &Session, compiled: &Compiled, place: &Span) -> Option<Diagnostic> {
    let planned = statements(session, compiled, place).await;
    planned.err().map(|(_, diagnostic)| diagnostic)
}

async fn statements(
    session: &Session,
    compiled: &Compiled,
    place: &Span,
) -> Result<(), (Kind, Diagnostic)> {
    if compiled.sql.trim().is_empty() {
        return Ok(());
    }
    let planned = session.plan_statements(&compiled.sql).await;
    planned.map_err(|error| (error.kind, failed(error, compiled, place)))
}

/// The diagnostic of a hook's statement that fails.
pub fn failed(error: engine::Error, compiled: &Compiled, place: &Span) -> Diagnostic {
    let diagnostic = located(error, compiled);
    Diagnostic {
        code: Code::HookFailed,
        message: format!("hook: {}", diagnostic.message),
        span: Some(place.clone()),
        ..diagnostic
    }
}

/// The text of a hook as a template.
pub fn source(hook: &Spanned<String>) -> Source {
    Source {
        file: hook.span.file.clone(),
        text: hook.value.as_str().into(),
        offset: hook.span.start,
    }
}
