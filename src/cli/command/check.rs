//! `refx check`: every query planned, and no data read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::cli::Exit;
use crate::cli::args::CheckArgs;
use crate::cli::opened::Opened;
use crate::cli::report::{Ended, Report};
use crate::cli::settings::{Settings, criteria};
use refx_core::diagnostic::{Diagnostic, Severity, Span, without_aftermath};
use refx_core::graph::NodeSet;
use refx_core::manifest::{Node, NodeId, ResourceType};
use refx_core::plan::TableFacts;
use refx_engine::check::{self, Answers, Checked, Outcome, Sources};
use refx_engine::run;

pub(crate) async fn check(
    report: Report,
    settings: &Settings,
    flags: &CheckArgs,
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let (opened, mut diagnostics) = Opened::load(report, settings)?;
    let state = flags.selection.state.as_deref();
    let criteria = criteria(&flags.selection);
    let (nodes, breaking) = opened.pick_beside(&criteria, state, &ResourceType::ALL)?;
    let manifest = &opened.loaded.manifest;
    let concerns = |id: &NodeId| nodes.contains(id) || manifest.get(id).is_none();
    let breaking = breaking.into_iter().filter(|(id, _)| concerns(id));
    diagnostics.extend(breaking.map(|(_, diagnostic)| diagnostic));
    let sources = Sources::of(flags.offline);
    let mut answers = opened.check(&nodes, sources).await?;
    unit_tests(&opened, &nodes, &mut answers).await?;
    opened.write_manifest(&BTreeMap::new())?;
    let found = of_answers(&answers, &nodes, &diagnostics);
    diagnostics.extend(found);
    diagnostics.extend(opened.check_hooks(&answers).await?);
    let files = &opened.loaded.project.files;
    let text = |file: &str| files.get(file).map(|(_, text)| text.as_ref());
    diagnostics.extend(check::lint(
        &opened.loaded.manifest,
        &answers,
        &nodes,
        &text,
    ));
    let mut diagnostics = without_aftermath(diagnostics, &text);
    if settings.warn_error {
        for diagnostic in &mut diagnostics {
            diagnostic.severity = Severity::Error;
        }
    }
    opened.report.diagnostics(&diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    let ended = Ended {
        elapsed: started.elapsed(),
        failed,
    };
    opened
        .report
        .checked(&opened.loaded.manifest, &answers, &nodes, ended);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Plans the unit tests of models that can be planned themselves. One that could not be run fails.
async fn unit_tests(
    opened: &Opened<'_>,
    nodes: &NodeSet,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let manifest = &opened.loaded.manifest;
    let tests = nodes.iter().filter(|id| {
        let planned = |id: &NodeId| {
            answers
                .get(id)
                .is_some_and(|answer| answer.planned().is_some())
        };
        let test = manifest.get(id).and_then(Node::as_unit_test);
        test.is_some_and(|test| planned(&test.model))
    });
    let tests: Vec<NodeId> = tests.cloned().collect();
    if tests.is_empty() {
        return Ok(());
    }
    let basis = opened.basis(TableFacts::default());
    let mut job = opened.job(basis, opened.tables(), false)?;
    job.shapes = Arc::new(answers.clone().into());
    let job = Arc::new(job);
    let mut planning = JoinSet::new();
    for id in tests {
        let job = Arc::clone(&job);
        planning.spawn(async move {
            let test = job.basis.manifest.get(&id).and_then(Node::as_unit_test);
            let failed = match test {
                Some(test) => run::plan_unit_test(&job, test).await.err(),
                None => None,
            };
            (id, failed)
        });
    }
    while let Some(planned) = planning.join_next().await {
        if let Ok((id, Some(diagnostic))) = planned {
            answers.insert(id, Arc::new(Checked::failed(diagnostic)));
        }
    }
    Ok(())
}

/// What is wrong with the nodes, and what in their inputs keeps them from being checked. Planning a
/// node meets what was wrong when the project was read once more, and that is told already.
fn of_answers(answers: &Answers, nodes: &NodeSet, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let blocking: BTreeSet<_> = nodes
        .iter()
        .filter_map(|id| match &answers.get(id)?.outcome {
            Outcome::NotChecked { because } => Some(because),
            Outcome::Planned(_) | Outcome::Failed => None,
        })
        .collect();
    let mistakes = told.iter().filter(|diagnostic| diagnostic.is_error());
    let told: Vec<&Span> = mistakes.filter_map(|told| told.span.as_ref()).collect();
    let is_told = |diagnostic: &Diagnostic| {
        let span = diagnostic.span.as_ref();
        span.is_some_and(|span| {
            told.iter()
                .any(|told| told.file == span.file && told.start == span.start)
        })
    };
    let mut kept: Vec<Diagnostic> = Vec::new();
    for (id, checked) in answers {
        if !nodes.contains(id) && !blocking.contains(id) {
            continue;
        }
        for diagnostic in &checked.diagnostics {
            // Two tests may meet one mistake.
            if !is_told(diagnostic) && !kept.contains(diagnostic) {
                kept.push(diagnostic.clone());
            }
        }
    }
    kept
}
