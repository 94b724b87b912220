//! `refx run`, `seed`, `test` and `build`: one plan, carried out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::cli::Exit;
use crate::cli::args::{BuildArgs, RunArgs, SelectionArgs, TestArgs};
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use refx_core::compile::Basis;
use refx_core::graph::NodeSet;
use refx_core::manifest::{Input, Node, NodeId, ResourceType};
use refx_core::{plan, template};
use refx_engine::check::Sources;
use refx_engine::run::{self, Interrupt, RunResults, results};

/// Which of the four commands it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work<'a> {
    Run(&'a RunArgs),
    Seed(&'a RunArgs),
    Test(&'a TestArgs),
    Build(&'a BuildArgs),
}

impl<'a> Work<'a> {
    fn types(self) -> &'static [ResourceType] {
        match self {
            Work::Run(_) => &[ResourceType::Model],
            Work::Seed(_) => &[ResourceType::Seed],
            Work::Test(_) => &[ResourceType::Test, ResourceType::UnitTest],
            Work::Build(_) => &[
                ResourceType::Model,
                ResourceType::Seed,
                ResourceType::Test,
                ResourceType::UnitTest,
            ],
        }
    }

    fn store_failures(self) -> bool {
        match self {
            Work::Run(_) | Work::Seed(_) => false,
            Work::Test(flags) => flags.failures.store_failures,
            Work::Build(flags) => flags.failures.store_failures,
        }
    }

    fn selection(self) -> &'a SelectionArgs {
        match self {
            Work::Run(flags) | Work::Seed(flags) => &flags.selection,
            Work::Test(flags) => &flags.selection,
            Work::Build(flags) => &flags.selection,
        }
    }

    /// The file of JUnit XML, where one is wanted.
    fn junit(self) -> Option<&'a Path> {
        match self {
            Work::Run(_) | Work::Seed(_) => None,
            Work::Test(flags) => flags.report.junit.as_deref(),
            Work::Build(flags) => flags.report.junit.as_deref(),
        }
    }
}

pub(crate) async fn run(
    report: Report,
    settings: &Settings,
    work: Work<'_>,
) -> anyhow::Result<Exit> {
    let selection = work.selection();
    let opened = Opened::open(report, settings)?;
    let state = selection.state.as_deref();
    let nodes = opened.pick(&criteria(selection), state, work.types())?;
    let tables = opened.tables();
    let manifest = opened.loaded.manifest.clone();
    let looked_at = match opened.loaded.project.file.on_run_start.is_empty()
        && opened.loaded.project.file.on_run_end.is_empty()
    {
        // A unit test opens no table, and neither its own model's nor what that reads is looked at for it.
        true => (nodes.iter())
            .filter(|id| manifest.get(id).and_then(Node::as_unit_test).is_none())
            .cloned()
            .collect(),
        // Hooks round a run may read any table.
        false => opened.loaded.manifest.nodes.keys().cloned().collect(),
    };
    let (facts, _) = opened.inspect(&looked_at, &tables).await;
    let plan = plan::build(&manifest, &opened.graph, &nodes, &facts, opened.options());
    let basis = Basis {
        selected: plan.steps.iter().map(|step| step.node.clone()).collect(),
        ..opened.basis(facts)
    };
    let mut job = opened.job(basis, tables, work.store_failures())?;
    job.shapes = Arc::new(shapes(&opened, &plan).await?);
    let job = Arc::new(job);
    listen(job.interrupt.clone());
    let done = run::execute(&plan, &job).await;
    keep(&opened, &done, work)?;
    Ok(match (done.summary.interrupted, done.is_success()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Done,
        (false, false) => Exit::Failed,
    })
}

/// The columns of what the unit tests of a plan give rows of. Without unit tests nobody asks for them.
async fn shapes(opened: &Opened<'_>, plan: &plan::Plan) -> anyhow::Result<run::Shapes> {
    let manifest = &opened.loaded.manifest;
    let tests = plan.steps.iter();
    let tests = tests.filter_map(|step| manifest.get(&step.node)?.as_unit_test());
    let mut nodes = NodeSet::new();
    for test in tests {
        nodes.insert(test.model.clone());
        let model = manifest.get(&test.model);
        nodes.extend(
            model
                .iter()
                .flat_map(|model| model.common().depends_on.clone()),
        );
        nodes.extend(test.given.iter().filter_map(|given| match &given.input {
            Input::Node(id) => Some(id.clone()),
            Input::This => None,
        }));
    }
    match nodes.is_empty() {
        true => Ok(run::Shapes::default()),
        false => Ok(opened
            .check(&nodes, Sources::ReadOrRemembered)
            .await?
            .into()),
    }
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
fn keep(opened: &Opened<'_>, done: &RunResults, work: Work<'_>) -> anyhow::Result<()> {
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
        args: arguments(opened, work),
    };
    let artifact = results::artifact(&done.steps, &opened.loaded.manifest, &info);
    let path = opened.artifacts().join("run_results.json");
    results::write_json(&path, &artifact, template::redactor())
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    let Some(path) = work.junit() else {
        return Ok(());
    };
    let xml = opened.report.junit(done, &opened.loaded.manifest)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("`{}` cannot be made", folder.display()))?;
    }
    std::fs::write(path, xml).with_context(|| format!("`{}` cannot be written", path.display()))
}

fn arguments(opened: &Opened<'_>, work: Work<'_>) -> Map<String, Value> {
    let selection = work.selection();
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
