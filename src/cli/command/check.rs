//! `refx check`: every query planned, and no data read.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::check::{Answers, Outcome};
use crate::cli::Exit;
use crate::cli::args::CheckArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use crate::diagnostic::{Diagnostic, Severity};
use crate::graph::NodeSet;
use crate::manifest::ResourceType;

pub(crate) async fn check(
    report: Report,
    settings: &Settings,
    flags: &CheckArgs,
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let (opened, mut diagnostics) = Opened::load(report, settings)?;
    let state = flags.selection.state.as_deref();
    let nodes = opened.pick(&criteria(&flags.selection), state, &ResourceType::ALL)?;
    let answers = opened.check(&nodes, flags.offline).await?;
    diagnostics.extend(of_answers(&answers, &nodes));
    if settings.warn_error {
        for diagnostic in &mut diagnostics {
            diagnostic.severity = Severity::Error;
        }
    }
    opened.report.diagnostics(&once(diagnostics.clone()));
    opened
        .report
        .checked(&opened.loaded.manifest, &answers, &nodes, started.elapsed());
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// What is wrong with the nodes, and what in their inputs keeps them from being checked.
fn of_answers(answers: &Answers, nodes: &NodeSet) -> Vec<Diagnostic> {
    let blocking: BTreeSet<_> = nodes
        .iter()
        .filter_map(|id| match &answers.get(id)?.outcome {
            Outcome::NotChecked { because } => Some(because),
            Outcome::Planned(_) | Outcome::Failed => None,
        })
        .collect();
    answers
        .iter()
        .filter(|(id, _)| nodes.contains(*id) || blocking.contains(id))
        .flat_map(|(_, checked)| checked.diagnostics.iter().cloned())
        .collect()
}

/// Each mistake once: loading a project and planning its nodes may meet the same one.
fn once(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        if !kept.contains(&diagnostic) {
            kept.push(diagnostic);
        }
    }
    kept
}
