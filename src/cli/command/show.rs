//! `refx show`: the first rows of a model, a test or a query.

use std::sync::Arc;

use crate::cli::args::{ShowArgs, ShowOutput};
use crate::cli::opened::Opened;
use crate::cli::report::{Report, documents};
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse, table};
use refx_core::compile::{self, Compiled};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::graph::NodeSet;
use refx_core::manifest::{Node, NodeId, ResourceType};
use refx_core::template::Source;
use refx_engine::engine::{Session, located};
use refx_engine::run::{Job, Live};

/// What has rows. A unit test has none of its own, and shares the path of its model.
const SHOWN: [ResourceType; 5] = [
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Source,
    ResourceType::Test,
    ResourceType::Analysis,
];

pub(crate) async fn show(
    report: Report,
    settings: &Settings,
    flags: &ShowArgs,
) -> anyhow::Result<Exit> {
    let mut opened = Opened::open(report, settings)?;
    let limit = usize::try_from(flags.limit).ok();
    let mut shown = None;
    let inline = flags.inline.as_ref().map(|sql| opened.inline(sql));
    if inline.is_none() {
        let word = flags.model.as_ref().or(flags.select.as_ref());
        let word = word.map(String::as_str).unwrap_or_default();
        match only(opened.pick_one(word, &SHOWN)?) {
            Ok(id) => shown = Some(id),
            Err(diagnostic) => return Ok(refuse(&opened.report, diagnostic)),
        }
    }
    let tables = opened.tables();
    let wanted = match &shown {
        Some(id) => [id.clone()].into(),
        None => opened.loaded.manifest.nodes.keys().cloned().collect(),
    };
    let (facts, _) = opened.inspect(&wanted, &tables).await;
    let job = opened.job(opened.basis(facts), tables, false)?;
    let rows = match (&inline, &shown) {
        (Some(source), _) => of_text(&job, source, limit).await,
        (None, Some(id)) => of_node(&job, job.node(id)?, limit).await,
        (None, None) => unreachable!("a selection that picks nothing ended the command"),
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
    let output = opened.report.format(flags.output);
    table::write(&schema, &batches, output, width, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    match output {
        ShowOutput::Json => {
            let document = documents::Rows::new(shown.as_ref(), &schema, &text);
            opened.report.result(&document.text());
        }
        ShowOutput::Table | ShowOutput::Csv => opened.report.result(&text),
    }
    Ok(Exit::Done)
}

/// The one node of a selection.
fn only(nodes: NodeSet) -> Result<NodeId, Diagnostic> {
    let mut nodes = nodes.into_iter();
    match (nodes.next(), nodes.len()) {
        (Some(id), 0) => Ok(id),
        (None, _) => Err(Diagnostic::error(
            Code::EmptySelection,
            "the selection picks nothing to show",
        )
        .help("`refx ls --resource-type model source test` lists what there is")),
        (Some(_), others) => Err(Diagnostic::error(
            Code::InvalidSelector,
            format!("the selection picks {} nodes, and one is shown", others + 1),
        )
        .help("name one model")),
    }
}

/// The schema of a query and its rows.
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

async fn of_text(job: &Job, source: &Source, limit: Option<usize>) -> Result<Rows, Diagnostic> {
    let session = job.engine.session();
    let queries = Arc::new(Live::new(&session, &job.inputs()));
    let compiled = compile::text(&job.basis, None, source, Some(queries.clone()))?;
    queries.register_referred().await?;
    rows(&session, &compiled, limit).await
}

async fn rows(
    session: &Session,
    compiled: &Compiled,
    limit: Option<usize>,
) -> Result<Rows, Diagnostic> {
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, compiled))?;
    let rows = plan.collect(limit).await;
    match rows {
        Ok(rows) => Ok((plan.schema(), rows)),
        Err(error) => {
            let error = session.traced(&compiled.sql, error).await;
            Err(located(error, compiled))
        }
    }
}
