//! The command line: the only room that knows clap and the terminal.
//!
//! `args` says what may be typed, `settings` what it means together with the environment, `opened`
//! holds a loaded project and what commands share, `report` prints. Each command has a file.

mod args;
mod command;
mod init;
mod lineage;
mod opened;
mod report;
mod settings;
mod table;

use std::ffi::OsString;
use std::io::{self, Write};

use anyhow::Context;

use args::{Arguments, Command};
use command::Work;
use report::{Options, Report};
use settings::Settings;

use refx_core::diagnostic::Diagnostic;

/// How a command ended, and so the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// A node failed.
    Failed = 1,
    /// Nothing could be run.
    CouldNotRun = 2,
    /// Ctrl-C.
    Interrupted = 130,
}

/// A command that has ended early and has said why: nothing is left to print.
#[derive(Debug, thiserror::Error)]
#[error("the command ended: {0:?}")]
struct Told(Exit);

/// Runs a command line and gives the exit code: 0 done, 1 a node failed, 2 could not run, 130
/// interrupted.
pub fn run(line: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match args::parse(line) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A reader that has gone away, as `head` does, is no failure of ours.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(Exit::CouldNotRun as u8);
        }
    };
    // A panic inside of a step, deltalake's own on a full disk among them, becomes that step's failure.
    refx_engine::run::panics::watch();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(refx_engine::run::STACK)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: no threads can be started: {error}");
            return Exit::CouldNotRun as u8;
        }
    };
    // The first task runs on a thread of the runtime too, with a stack of the same size.
    let exit = runtime.block_on(async { tokio::spawn(dispatch(arguments)).await });
    // A query that was given up may still be at work: nothing of it is waited for.
    runtime.shutdown_background();
    refx_engine::engine::remove_spilled();
    match exit {
        Ok(exit) => exit as u8,
        Err(defect) => {
            let _ = writeln!(
                io::stderr(),
                "error: refx met a defect of its own: {defect}"
            );
            Exit::CouldNotRun as u8
        }
    }
}

async fn dispatch(arguments: Arguments) -> Exit {
    let options = Options {
        findings: arguments.command.findings(),
        document: arguments.command.prints_a_document(),
        ..Options::detect(&arguments.output)
    };
    let mut report = Report::new(Box::new(io::stdout()), Box::new(io::stderr()), options);
    let settings = match Settings::of(&arguments) {
        Ok(settings) => settings,
        Err(diagnostic) => return refuse(&report, diagnostic),
    };
    report.set_repository(settings.repository());
    let result = match arguments.command {
        Command::Init(flags) => command::init(&report, &flags),
        Command::Completions(flags) => command::completions(flags.shell),
        Command::Clean => command::clean(report, &settings),
        Command::Debug => command::debug(report, &settings).await,
        Command::Check(flags) => command::check(report, &settings, &flags).await,
        Command::Parse(_) => command::parse(report, &settings),
        Command::Explain(flags) => command::explain(&report, &flags),
        Command::Lineage(flags) => command::lineage(report, &settings, &flags).await,
        Command::Diff(flags) => command::diff(report, &settings, &flags).await,
        Command::Ls(flags) => command::list(report, &settings, &flags),
        Command::Plan(flags) => command::plan(report, &settings, &flags).await,
        Command::Compile(flags) => command::compile(report, &settings, &flags).await,
        Command::Show(flags) => command::show(report, &settings, &flags).await,
        Command::CreateTest(flags) => command::create_test(report, &settings, &flags).await,
        Command::RunOperation(flags) => command::operation(report, &settings, &flags).await,
        Command::Vacuum(flags) => command::vacuum(report, &settings, &flags).await,
        Command::Optimize(flags) => command::optimize(report, &settings, &flags).await,
        Command::Checkpoint(flags) => command::checkpoint(report, &settings, &flags).await,
        Command::History(flags) => command::history(report, &settings, &flags).await,
        Command::Restore(flags) => command::restore(report, &settings, &flags).await,
        Command::Run(flags) => command::run(report, &settings, Work::Run(&flags)).await,
        Command::Seed(flags) => command::run(report, &settings, Work::Seed(&flags)).await,
        Command::Test(flags) => command::run(report, &settings, Work::Test(&flags)).await,
        Command::Build(flags) => command::run(report, &settings, Work::Build(&flags)).await,
    };
    match result {
        Ok(exit) => exit,
        Err(error) => {
            if let Some(Told(exit)) = error.downcast_ref() {
                return *exit;
            }
            let told = refx_core::template::redact(&format!("error: {error:#}")).into_owned();
            let _ = writeln!(io::stderr(), "{told}");
            Exit::CouldNotRun
        }
    }
}

/// The help of every command, a section each.
#[cfg(test)]
pub(crate) fn help() -> String {
    args::help()
}

/// The JSON schemas of what commands print for programs, by name.
#[cfg(test)]
pub(crate) fn json_schemas() -> [(&'static str, serde_json::Value); 3] {
    report::schemas()
}

/// Prints why nothing could be run.
fn refuse(report: &Report, diagnostic: Diagnostic) -> Exit {
    report.diagnostics(&[diagnostic]);
    Exit::CouldNotRun
}

/// The working directory, with what was tried when it is gone.
fn here() -> anyhow::Result<std::path::PathBuf> {
    std::env::current_dir().context("the working directory cannot be read")
}
