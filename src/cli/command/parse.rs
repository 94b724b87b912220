//! `refx parse`: reads the whole project and reports every mistake.

use std::collections::BTreeMap;

use crate::cli::Exit;
use crate::cli::opened::Opened;
use crate::cli::report::{Report, count};
use crate::cli::settings::Settings;

pub(crate) fn parse(report: Report, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    opened.write_manifest(&BTreeMap::new())?;
    let (project, manifest) = (&opened.loaded.project, &opened.loaded.manifest);
    let tests = manifest
        .nodes
        .values()
        .filter(|node| node.as_test().is_some());
    opened.report.note(&format!(
        "`{}` reads well: {}, {}, {}, {}",
        opened.loaded.invocation.project,
        count(project.models.len() as u64, "model"),
        count(project.seeds.len() as u64, "seed"),
        count(tests.count() as u64, "test"),
        count(project.macros.len() as u64, "macro file"),
    ));
    Ok(Exit::Done)
}
