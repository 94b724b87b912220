//! `refx diff`: what a change of code means.

use crate::cli::args::DiffArgs;
use crate::cli::opened::{Opened, remembered};
use crate::cli::report::Report;
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_engine::check::{Sources, diff};

pub(crate) async fn diff(
    report: Report,
    settings: &Settings,
    flags: &DiffArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let folder = settings.root.join(&flags.state);
    let Some(before) = remembered(&folder) else {
        return Ok(refuse(&opened.report, no_state(flags)));
    };
    let answers = opened
        .check(&opened.models(), Sources::of(flags.offline))
        .await?;
    let manifest = &opened.loaded.manifest;
    let difference = diff::compare(manifest, &before, &answers);
    let output = opened.report.format(flags.output);
    opened
        .report
        .difference(manifest, &difference, &flags.state, output);
    Ok(Exit::Done)
}

fn no_state(flags: &DiffArgs) -> Diagnostic {
    Diagnostic::error(
        Code::UnreadableFile,
        format!(
            "`{}` holds no `check.json` that this version of refx reads",
            flags.state.display()
        ),
    )
    .help(
        "run `refx check` on the code to compare with, and keep its `.refx` folder: \
         `refx check --target-path main-artifacts`",
    )
}
