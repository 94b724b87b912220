//! `refx history`: what happened to a table, commit by commit.

use std::num::NonZeroUsize;

use super::maintain::Only;
use crate::cli::Exit;
use crate::cli::args::HistoryArgs;
use crate::cli::report::Report;
use crate::cli::settings::Settings;
use refx_engine::delta::maintain;

pub(crate) async fn history(
    report: Report,
    settings: &Settings,
    flags: &HistoryArgs,
) -> anyhow::Result<Exit> {
    let only = Only::open(report, settings, &flags.model)?;
    let limit = flags.limit.map(NonZeroUsize::get);
    match maintain::history(&only.location, limit).await {
        Ok(changes) => {
            let report = &only.opened.report;
            report.history(&only.id, &changes, report.format(flags.output));
            Ok(Exit::Done)
        }
        Err(error) => Ok(only.refuse(error)),
    }
}
