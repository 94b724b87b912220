//! `refx run-operation`: calls a macro of the project.

use std::sync::Arc;

use crate::cli::args::RunOperationArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, map};
use crate::cli::{Exit, refuse};
use refx_core::compile;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::template::{Argument, MacroKind};
use refx_engine::run::Live;

pub(crate) async fn operation(
    report: Report,
    settings: &Settings,
    flags: &RunOperationArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let arguments = match &flags.args {
        Some(text) => match map("--args", text) {
            Ok(arguments) => arguments,
            Err(diagnostic) => return Ok(refuse(&opened.report, diagnostic)),
        },
        None => Default::default(),
    };
    let macros = &opened.loaded.macros;
    let (package, name) = match flags.name.split_once('.') {
        Some((package, name)) => (package, name),
        None => (&*opened.loaded.invocation.project, flags.name.as_str()),
    };
    let Some(definition) = macros.resolve(package, name) else {
        let known = macros
            .definitions()
            .iter()
            .filter(|known| known.kind == MacroKind::Macro && *known.package == *package)
            .map(|known| &*known.name);
        let diagnostic = Diagnostic::error(
            Code::UnknownMacro,
            format!("no macro named `{}`", flags.name),
        )
        .did_you_mean(name, known);
        return Ok(refuse(&opened.report, diagnostic));
    };
    let tables = opened.tables();
    let every = opened.loaded.manifest.nodes.keys().cloned().collect();
    let (facts, _) = opened.inspect(&every, &tables).await;
    let job = opened.job(opened.basis(facts), tables, false)?;
    let session = job.engine.session();
    let inputs = job.inputs();
    let there: Vec<_> = opened
        .loaded
        .manifest
        .nodes
        .keys()
        .filter(|id| job.tables.version(id).is_some())
        .cloned()
        .collect();
    if let Err(diagnostic) = inputs.all(&session, &there).await {
        return Ok(refuse(&opened.report, diagnostic));
    }
    let values: Vec<(String, Argument)> = arguments
        .into_iter()
        .map(|(name, value)| (name, Argument::Value(value)))
        .collect();
    let queries = Arc::new(Live::new(&session, &inputs));
    match compile::operation(&job.basis, &definition.unique_id, &values, queries) {
        Ok(_) => Ok(Exit::Done),
        Err(diagnostic) => {
            opened.report.diagnostics(&[diagnostic]);
            Ok(Exit::Failed)
        }
    }
}
