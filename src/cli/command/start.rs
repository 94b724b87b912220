//! `refx init` and `refx completions`: what needs no project.

use std::io;

use clap_complete::Shell;

use crate::cli::args::{self, InitArgs};
use crate::cli::report::Report;
use crate::cli::{Exit, here, init as scaffold};

pub(crate) fn init(report: &Report, flags: &InitArgs) -> anyhow::Result<Exit> {
    scaffold::init(&here()?, &flags.name)?;
    report.note(&format!(
        "made the project {name}; begin with\n\n    cd {name}\n    refx build",
        name = flags.name
    ));
    Ok(Exit::Done)
}

pub(crate) fn completions(shell: Option<Shell>) -> anyhow::Result<Exit> {
    let Some(shell) = shell.or_else(Shell::from_env) else {
        anyhow::bail!("no shell is known here: name one, as `refx completions bash`");
    };
    match args::write_completions(shell, &mut io::stdout()) {
        Ok(()) => Ok(Exit::Done),
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(error.into()),
    }
}
