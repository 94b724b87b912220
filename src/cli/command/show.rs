//! `refx show`: the first rows of a model, a test or a query.

use std::sync::Arc;

use crate::cli::args::ShowArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse, table};
use crate::compile::{self, Compiled};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Node, ResourceType};
use crate::run::{Job, Live, located};
use crate::select::Criteria;
use crate::template::Source;

/// The name under which errors show the text of `--inline`.
const INLINE: &str = "--inline";

pub(crate) async fn show(
    report: Report,
    settings: &Settings,
    flags: &ShowArgs,
) -> anyhow::Result<Exit> {
    let mut opened = match Opened::open(report, settings) {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let limit = usize::try_from(flags.limit).ok();
    let mut shown = None;
    if let Some(sql) = &flags.inline {
        let (files, sql) = (opened.loaded.project.files.clone(), sql.clone());
        opened.texts(Arc::new(move |path| match path {
            INLINE => Some(sql.clone()),
            path => files.get(path).map(|(_, text)| text.to_string()),
        }));
    } else {
        let word = flags.model.as_ref().or(flags.select.as_ref());
        let criteria = Criteria {
            select: word.cloned().into_iter().collect(),
            indirect: crate::select::Indirect::Empty,
            ..Criteria::default()
        };
        let nodes = match opened.pick(&criteria, None, &ResourceType::ALL)? {
            Ok(nodes) => nodes,
            Err(exit) => return Ok(exit),
        };
        let mut nodes = nodes.into_iter();
        shown = nodes.next();
        match (&shown, nodes.len()) {
            (None, _) => {
                let diagnostic =
                    Diagnostic::error(Code::EmptySelection, "the selection picks nothing to show")
                        .help("`refx ls --resource-type model source test` lists what there is");
                return Ok(refuse(&opened.report, diagnostic));
            }
            (Some(_), 0) => {}
            (Some(_), others) => {
                let diagnostic = Diagnostic::error(
                    Code::InvalidSelector,
                    format!("the selection picks {} nodes, and one is shown", others + 1),
                )
                .help("name one model");
                return Ok(refuse(&opened.report, diagnostic));
            }
        }
    }
    let tables = opened.tables();
    let wanted = match &shown {
        Some(id) => [id.clone()].into(),
        None => opened.loaded.manifest.nodes.keys().cloned().collect(),
    };
    let (facts, _) = opened.inspect(&wanted, &tables).await;
    let job = match opened.job(opened.basis(facts), tables, false) {
        Ok(job) => job,
        Err(diagnostic) => return Ok(refuse(&opened.report, diagnostic)),
    };
    let node = shown.as_ref().and_then(|id| opened.loaded.manifest.get(id));
    let rows = match node {
        Some(node) => of_node(&job, node, limit).await,
        None => {
            let sql = flags.inline.as_deref().unwrap_or_default();
            inline(&job, sql, limit).await
        }
    };
    let (schema, batches) = match rows {
        Ok(rows) => rows,
        Err(diagnostic) => {
            opened.report.diagnostics(&[diagnostic]);
            return Ok(Exit::Failed);
        }
    };
    let mut text = Vec::new();
    let width = opened.report.options().width;
    table::write(&schema, &batches, flags.output, width, &mut text)?;
    opened.report.result(&String::from_utf8_lossy(&text));
    Ok(Exit::Done)
}

type Rows = (
    datafusion::arrow::datatypes::SchemaRef,
    Vec<datafusion::arrow::array::RecordBatch>,
);

/// The rows of a query as it stands now: a model's SELECT is run, a seed's or source's table read.
async fn of_node(job: &Job, node: &Node, limit: Option<usize>) -> Result<Rows, Diagnostic> {
    let inputs = job.inputs();
    let session = job.engine.session();
    match node {
        Node::Seed(_) | Node::Source(_) => {
            inputs
                .all(&session, std::slice::from_ref(node.id()))
                .await?;
            let relation = node.relation().map(ToString::to_string).unwrap_or_default();
            let plan = session
                .plan(&format!("select * from {relation}"))
                .await
                .map_err(|error| error.into_diagnostic().at(node.common().span.clone()))?;
            let rows = plan.collect(limit).await;
            let rows =
                rows.map_err(|error| error.into_diagnostic().at(node.common().span.clone()))?;
            Ok((plan.schema(), rows))
        }
        _ => {
            inputs.of(&session, node).await?;
            let queries = Arc::new(Live::new(&session, &inputs));
            let compiled = compile::render(&job.basis, node, Some(queries))?;
            rows(&session, &compiled, limit).await
        }
    }
}

async fn inline(job: &Job, sql: &str, limit: Option<usize>) -> Result<Rows, Diagnostic> {
    let inputs = job.inputs();
    let session = job.engine.session();
    let source = Source::whole(INLINE, sql);
    let calls = crate::template::static_calls(&source);
    let manifest = &job.basis.manifest;
    let mut read = Vec::new();
    for (call, _) in &calls.refs {
        if let crate::manifest::Found::Node(node) = manifest.find(call) {
            read.push(node.id().clone());
        }
    }
    for (group, name, _) in &calls.sources {
        read.extend(
            manifest
                .find_source(group, name)
                .map(|node| node.id().clone()),
        );
    }
    inputs.all(&session, &read).await?;
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::text(&job.basis, None, &source, Some(queries))?;
    rows(&session, &compiled, limit).await
}

async fn rows(
    session: &crate::engine::Session,
    compiled: &Compiled,
    limit: Option<usize>,
) -> Result<Rows, Diagnostic> {
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, compiled))?;
    let rows = plan.collect(limit).await;
    let rows = rows.map_err(|error| located(session.told(&compiled.sql, error), compiled))?;
    Ok((plan.schema(), rows))
}
