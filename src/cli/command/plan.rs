//! `refx plan`: what `refx build` would do, and why.

use crate::cli::Exit;
use crate::cli::args::PlanArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use refx_core::manifest::{Node, ResourceType};
use refx_core::plan;
use refx_engine::run;

pub(crate) async fn plan(
    report: Report,
    settings: &Settings,
    flags: &PlanArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let runs = [
        ResourceType::Model,
        ResourceType::Seed,
        ResourceType::Test,
        ResourceType::UnitTest,
    ];
    let state = flags.selection.state.as_deref();
    let nodes = opened.pick(&criteria(&flags.selection), state, &runs)?;
    let tables = opened.tables();
    let (facts, mut broken) = opened.inspect(&nodes, &tables).await;
    let manifest = &opened.loaded.manifest;
    let mut plan = plan::build(manifest, &opened.graph, &nodes, &facts, opened.options());
    let job = opened.job(opened.basis(facts.clone()), tables, false)?;
    for step in &mut plan.steps {
        if facts.get(&step.node).is_some() {
            step.reason.push_str(&columns(&job, step).await);
        }
    }
    let session = job.engine.session();
    for id in job.tables.unproven() {
        if let Some(node) = manifest.get(&id)
            && let Some(diagnostic) = job.tables.broken_key(&session, node).await
        {
            for step in plan.steps.iter_mut().filter(|step| step.node == id) {
                step.reason = format!("{}; its table: {}", step.reason, diagnostic.message);
            }
            broken.push(diagnostic);
        }
    }
    let mut left = Vec::new();
    for step in &plan.steps {
        if let Some(model) = manifest.get(&step.node).and_then(Node::as_model) {
            left.extend(run::left_behind(&job, model).await);
        }
    }
    opened.report.plan(&plan, manifest);
    opened.report.diagnostics(&left);
    opened.report.diagnostics(&broken);
    Ok(match broken.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// What will change of the table's columns, in words.
async fn columns(job: &run::Job, step: &plan::Step) -> String {
    match run::foresee(job, step).await {
        Ok(changes) if changes.is_empty() => String::new(),
        Ok(changes) => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            format!("; its columns change: {}", changes.join(", "))
        }
        Err(diagnostic) => format!("; will fail: {}", diagnostic.message),
    }
}
