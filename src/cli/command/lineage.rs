//! `refx lineage`: what columns are made of, and what is made of them.

use crate::cli::args::{LineageArgs, LineageOutput};
use crate::cli::lineage::{self, View};
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse};
use refx_core::diagnostic::Diagnostic;
use refx_core::graph::NodeSet;
use refx_core::manifest::NodeId;
use refx_engine::check::{self, Answers, Sources};

pub(crate) async fn lineage(
    report: Report,
    settings: &Settings,
    flags: &LineageArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let manifest = &opened.loaded.manifest;
    let (node, column) = match lineage::named(&flags.of, manifest) {
        Ok(named) => named,
        Err(diagnostic) => return Ok(refuse(&opened.report, diagnostic)),
    };
    let both = flags.upstream == flags.downstream;
    let (up, down) = (both || flags.upstream, both || flags.downstream);
    let mut nodes = NodeSet::from([node.clone()]);
    if down {
        let readers = opened.graph.descendants(&node, None);
        let readable = |id: &NodeId| {
            manifest
                .get(id)
                .is_some_and(|node| node.relation().is_some())
        };
        nodes.extend(readers.into_iter().filter(readable));
    }
    let answers = opened.check(&nodes, Sources::of(flags.offline)).await?;
    if answers
        .get(&node)
        .and_then(|checked| checked.planned())
        .is_none()
    {
        opened.report.diagnostics(&errors(&answers));
        return Ok(Exit::Failed);
    }
    let columns = check::columns(manifest, &answers);
    if let Some(asked) = column {
        let known = columns.of_node(&node);
        if !known.iter().any(|name| name == asked) {
            let model = manifest.get(&node).map(lineage::shown).unwrap_or_default();
            let diagnostic = lineage::no_column(&model, asked, known);
            return Ok(refuse(&opened.report, diagnostic));
        }
    }
    let view = View {
        columns: &columns,
        manifest,
        node: &node,
        column,
        up,
        down,
    };
    let output = opened.report.format(flags.output);
    let text = match output {
        LineageOutput::Text => lineage::text(&view),
        LineageOutput::Json => serde_json::to_string_pretty(&lineage::json(&view))?,
        LineageOutput::Mermaid => lineage::mermaid(&view),
        LineageOutput::Dot => lineage::dot(&view),
    };
    opened.report.result(&format!("{text}\n"));
    let broken = errors(&answers);
    if !broken.is_empty() {
        opened.report.diagnostics(&broken);
        opened.report.note("what could not be planned is left out");
    }
    Ok(match broken.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Why some of the nodes could not be planned.
fn errors(answers: &Answers) -> Vec<Diagnostic> {
    let diagnostics = answers.values().flat_map(|checked| &checked.diagnostics);
    diagnostics.filter(|one| one.is_error()).cloned().collect()
}
