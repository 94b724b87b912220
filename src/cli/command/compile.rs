//! `refx compile`: the SQL that models come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::cli::args::CompileArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use crate::cli::{Exit, refuse};
use refx_core::compile::{self, Compiled};
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{Node, NodeId, ResourceType};
use refx_core::template::Relation;
use refx_engine::run::{Job, Live};

pub(crate) async fn compile(
    report: Report,
    settings: &Settings,
    flags: &CompileArgs,
) -> anyhow::Result<Exit> {
    let mut opened = Opened::open(report, settings)?;
    if let Some(sql) = &flags.inline {
        return Ok(inline(&mut opened, sql).await);
    }
    let runs = [
        ResourceType::Model,
        ResourceType::Test,
        ResourceType::Analysis,
    ];
    let tables = opened.tables();
    let state = flags.selection.state.as_deref();
    let nodes = opened.pick(&criteria(&flags.selection), state, &runs)?;
    let (facts, broken) = opened.inspect(&nodes, &tables).await;
    let job = opened.job(opened.basis(facts), tables, false)?;
    let mut compiled: BTreeMap<NodeId, Arc<str>> = BTreeMap::new();
    let mut failures = Vec::new();
    let order = opened.graph.order().iter();
    let picked: Vec<&Node> = order
        .filter(|id| nodes.contains(id))
        .filter_map(|id| opened.loaded.manifest.get(id))
        .collect();
    let rendered: Vec<_> = picked
        .par_iter()
        .map(|node| compile::render(&job.basis, node, None))
        .collect();
    for (node, rendered) in picked.into_iter().zip(rendered) {
        match one(&job, node, rendered).await {
            Ok(sql) => {
                compiled.insert(node.id().clone(), sql);
            }
            Err(diagnostic) => failures.push(diagnostic),
        }
    }
    opened.write_compiled(&compiled)?;
    opened.write_manifest(&compiled)?;
    opened
        .report
        .diagnostics(&[broken.as_slice(), &failures].concat());
    let models: Vec<&Arc<str>> = compiled
        .iter()
        .filter(|(id, _)| {
            opened
                .loaded
                .manifest
                .get(id)
                .is_some_and(|node| node.as_test().is_none())
        })
        .map(|(_, sql)| sql)
        .collect();
    match models.as_slice() {
        [sql] if !flags.selection.select.is_empty() => opened.report.result(sql),
        _ => {
            let folder = opened.artifacts().join("compiled");
            let shown = folder.strip_prefix(&settings.root).unwrap_or(&folder);
            opened.report.note(&format!(
                "{} of {} compiled into {}",
                compiled.len(),
                compiled.len() + failures.len(),
                shown.display()
            ));
        }
    }
    Ok(match broken.is_empty() && failures.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Prints the SQL of a text that is none of the project's files.
async fn inline(opened: &mut Opened<'_>, sql: &str) -> Exit {
    let source = opened.inline(sql);
    let every = opened.loaded.manifest.nodes.keys().cloned().collect();
    let (facts, _) = opened.inspect(&every, &opened.tables()).await;
    match compile::text(&opened.basis(facts), None, &source, None) {
        Ok(compiled) => {
            opened.report.result(&compiled.sql);
            Exit::Done
        }
        Err(diagnostic) => refuse(&opened.report, diagnostic),
    }
}

/// The SQL of a node, given what it came to without queries. Tables are opened only for templates
/// that query: others need none.
async fn one(
    job: &Job,
    node: &Node,
    rendered: Result<Compiled, Diagnostic>,
) -> Result<Arc<str>, Diagnostic> {
    let sql = match rendered {
        Ok(compiled) => Ok(compiled.sql),
        Err(without) => match job.session(node).await {
            Ok(session) => {
                let queries = Arc::new(Live::new(&session, &job.inputs()));
                compile::render(&job.basis, node, Some(queries)).map(|compiled| compiled.sql)
            }
            Err(_) => Err(without),
        },
    }?;
    standalone(job, node, &sql)
}

/// Puts ephemeral models in front as CTEs, so that the text can be run on its own.
fn standalone(job: &Job, node: &Node, sql: &Arc<str>) -> Result<Arc<str>, Diagnostic> {
    let mut inner = Vec::new();
    collect(job, node, &mut inner)?;
    Ok(compile::with_ctes(sql, &inner).into())
}

fn collect(
    job: &Job,
    node: &Node,
    inner: &mut Vec<(Relation, Arc<str>)>,
) -> Result<(), Diagnostic> {
    for id in &node.common().depends_on {
        let Some(input) = job.basis.manifest.get(id) else {
            continue;
        };
        let Some(relation) = input
            .relation()
            .filter(|relation| compile::is_inlined(relation))
        else {
            continue;
        };
        if inner.iter().any(|(known, _)| known == relation) {
            continue;
        }
        collect(job, input, inner)?;
        let compiled = compile::render(&job.basis, input, None)?;
        inner.push((relation.clone(), compiled.sql));
    }
    Ok(())
}
