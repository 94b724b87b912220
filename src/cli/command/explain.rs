//! `refx explain`: what the code of an error or a warning means. Needs no project.

use crate::cli::args::ExplainArgs;
use crate::cli::report::Report;
use crate::cli::{Exit, refuse};
use refx_core::diagnostic::Code;

pub(crate) fn explain(report: &Report, flags: &ExplainArgs) -> anyhow::Result<Exit> {
    let output = report.format(flags.output);
    let Some(written) = &flags.code else {
        report.codes(output);
        return Ok(Exit::Done);
    };
    Ok(match Code::find(written) {
        Ok(code) => {
            report.explanation(code, output);
            Exit::Done
        }
        Err(unknown) => refuse(report, unknown),
    })
}
