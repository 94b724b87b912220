//! `refx parse`: reads the whole project and reports every mistake.

use std::collections::BTreeMap;

use crate::cli::Exit;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;

pub(crate) fn parse(report: Report, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = match Opened::open(report, settings) {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    opened.write_manifest(&BTreeMap::new())?;
    let project = &opened.loaded.project;
    opened.report.note(&format!(
        "{}: {} models, {} seeds, {} macro files, {} properties files; nothing wrong",
        opened.loaded.invocation.project,
        project.models.len(),
        project.seeds.len(),
        project.macros.len(),
        project.properties.len(),
    ));
    Ok(Exit::Done)
}
