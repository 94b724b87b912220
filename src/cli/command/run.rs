//! `refx run`, `seed`, `test` and `build`: one plan, carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::cli::Exit;
use crate::cli::args::{FailuresArgs, SelectionArgs};
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use crate::compile::Basis;
use crate::manifest::{NodeId, ResourceType};
use crate::run::{self, Interrupt, RunResults, results};
use crate::{plan, template};

/// Which of the four commands it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Run,
    Seed,
    Test(FailuresArgs),
    Build(FailuresArgs),
}

impl Work {
    fn types(self) -> &'static [ResourceType] {
        match self {
            Work::Run => &[ResourceType::Model],
            Work::Seed => &[ResourceType::Seed],
            Work::Test(_) => &[ResourceType::Test],
            Work::Build(_) => &[ResourceType::Model, ResourceType::Seed, ResourceType::Test],
        }
    }

    fn store_failures(self) -> bool {
        match self {
            Work::Run | Work::Seed => false,
            Work::Test(flags) | Work::Build(flags) => flags.store_failures,
        }
    }
}

pub(crate) async fn run(
    report: Report,
    settings: &Settings,
    work: Work,
    selection: &SelectionArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let state = selection.state.as_deref();
    let nodes = opened.pick(&criteria(selection), state, work.types())?;
    let tables = opened.tables();
    let looked_at = match opened.loaded.project.file.on_run_start.is_empty()
        && opened.loaded.project.file.on_run_end.is_empty()
    {
        true => nodes.clone(),
        // Hooks round a run may read any table.
        false => opened.loaded.manifest.nodes.keys().cloned().collect(),
    };
    let (facts, _) = opened.inspect(&looked_at, &tables).await;
    let manifest = opened.loaded.manifest.clone();
    let plan = plan::build(&manifest, &opened.graph, &nodes, &facts, opened.options());
    let basis = Basis {
        selected: plan.steps.iter().map(|step| step.node.clone()).collect(),
        ..opened.basis(facts)
    };
    let job = Arc::new(opened.job(basis, tables, work.store_failures())?);
    listen(job.interrupt.clone());
    let done = run::execute(&plan, &job).await;
    keep(&opened, &done, work, selection)?;
    Ok(match (done.summary.interrupted, done.is_success()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Done,
        (false, false) => Exit::Failed,
    })
}

/// The first Ctrl-C gives up what runs and prints the summary, the second does not wait for that.
///
/// It listens on a thread of its own, until the process ends: queries can keep the others busy.
pub(super) fn listen(interrupt: Interrupt) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without a runtime, Ctrl-C ends the process as it would any other.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupt.raise();
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(Exit::Interrupted as i32);
                }
            }
        });
    });
}

/// Writes the artifacts of a run.
fn keep(
    opened: &Opened<'_>,
    done: &RunResults,
    work: Work,
    selection: &SelectionArgs,
) -> anyhow::Result<()> {
    let compiled: BTreeMap<NodeId, Arc<str>> = done
        .steps
        .iter()
        .filter_map(|step| Some((step.info.node.clone(), step.compiled.clone()?)))
        .collect();
    opened.write_compiled(&compiled)?;
    opened.write_manifest(&compiled)?;
    let info = results::Info {
        invocation_id: opened.settings.request.invocation_id.clone(),
        started_at: opened.settings.request.started_at,
        generated_at: Utc::now(),
        elapsed_seconds: done.summary.elapsed.as_secs_f64(),
        args: arguments(opened, work, selection),
    };
    let artifact = results::artifact(&done.steps, &opened.loaded.manifest, &info);
    let path = opened.artifacts().join("run_results.json");
    results::write_json(&path, &artifact, template::redactor())
        .with_context(|| format!("`{}` cannot be written", path.display()))
}

fn arguments(opened: &Opened<'_>, work: Work, selection: &SelectionArgs) -> Map<String, Value> {
    let arguments = json!({
        "which": opened.settings.request.command,
        "select": selection.select,
        "exclude": selection.exclude,
        "selector": selection.selector,
        "full_refresh": opened.settings.request.full_refresh,
        "fail_fast": opened.settings.fail_fast,
        "store_failures": work.store_failures(),
        "target": opened.loaded.project.file.target.name,
        "as_of": opened.loaded.invocation.as_of.to_rfc3339(),
        "vars": opened.settings.request.vars,
    });
    match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    }
}
