//! `refx ls`: what a selection picks.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::cli::Exit;
use crate::cli::args::LsArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::{Settings, criteria};
use refx_core::manifest::ResourceType;
use refx_core::select::Criteria;

pub(crate) fn list(report: Report, settings: &Settings, flags: &LsArgs) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let state = flags.selection.state.as_deref();
    let nodes = opened.pick(&listing(&opened, flags), state, &ResourceType::ALL)?;
    let manifest = &opened.loaded.manifest;
    let listed = nodes.iter().filter_map(|id| manifest.get(id));
    let (artifact, uncompiled) = (OnceCell::new(), BTreeMap::new());
    let output = opened.report.format(flags.output);
    opened
        .report
        .list(listed, output, &flags.output_keys, &|id| {
            artifact
                .get_or_init(|| opened.artifact(&uncompiled))
                .entry(id)
        });
    Ok(Exit::Done)
}

/// That nothing was modified, or that nothing failed, is an answer and no slip: CI asks with `refx ls`
/// whether there is anything to do.
fn listing(opened: &Opened<'_>, flags: &LsArgs) -> Criteria {
    let criteria = criteria(&flags.selection);
    Criteria {
        allow_empty: criteria.allow_empty || opened.asks_for_state(&criteria),
        ..criteria
    }
}
