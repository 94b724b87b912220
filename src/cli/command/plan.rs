//! `refx plan`: what `refx build` would do, and why.

use crate::cli::Exit;
use crate::cli::args::PlanArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use crate::manifest::ResourceType;
use crate::plan;

pub(crate) async fn plan(
    report: Report,
    settings: &Settings,
    flags: &PlanArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let runs = [ResourceType::Model, ResourceType::Seed, ResourceType::Test];
    let state = flags.selection.state.as_deref();
    let nodes = opened.pick(&criteria(&flags.selection), state, &runs)?;
    let (facts, broken) = opened.inspect(&nodes, &opened.tables()).await;
    let manifest = &opened.loaded.manifest;
    let plan = plan::build(manifest, &opened.graph, &nodes, &facts, opened.options());
    opened.report.plan(&plan, manifest);
    opened.report.diagnostics(&broken);
    Ok(match broken.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}
