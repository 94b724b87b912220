//! The command line: commands and flags as clap reads them, with dbt's names and short forms.
//!
//! What a flag means together with the environment and the project file is settled once, in
//! `cli/settings.rs`; this file only says what may be written, and explains it in `--help`.

mod everywhere;
mod findings;
mod maintenance;
mod selection;

pub use everywhere::{
    ColorWhen, IgnoredArgs, LogFormat, LogLevel, OutputArgs, ProjectArgs, RunningArgs,
};
pub use findings::{ExplainArgs, ExplainOutput, FindingsArgs, FindingsOutput};
pub use maintenance::{
    CheckpointArgs, HistoryArgs, HistoryOutput, OptimizeArgs, RestoreArgs, VacuumArgs,
};
pub use selection::{FailuresArgs, IndirectSelection, JunitArgs, RefreshArgs, SelectionArgs};

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use refx_core::diagnostic::closest;

/// A command line that was understood.
#[derive(Debug, Parser)]
#[command(
    name = "refx",
    version,
    about = "Keeps reference tables: one SQL model a table, tested, then merged on its primary key",
    after_help = "Examples:
  refx build                          make every table, tests included
  refx build --select segmentation+   one theme, and all that reads it
  refx plan                           what would be done and why; writes nothing

`refx COMMAND -h` shows the flags of a command, `--help` all of them.",
    styles = STYLES,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub running: RunningArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub ignored: IgnoredArgs,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new project
    #[command(
        after_help = "Example:\n  refx init user_reference && cd user_reference && refx build"
    )]
    Init(InitArgs),
    /// Check the project file, the target and the sources, and say what is amiss
    #[command(after_help = "Example:\n  refx debug --target production")]
    Debug,
    /// Plan every query, and say what is wrong, without reading data
    #[command(after_help = "Examples:
  refx check
  refx check --select user_360+ --offline
  refx check --output sarif > check.sarif")]
    Check(CheckArgs),
    /// Read the whole project and report every mistake; runs nothing
    #[command(after_help = "Examples:
  refx parse
  refx parse --output sarif > parse.sarif")]
    Parse(FindingsArgs),
    /// Explain the code of an error or a warning, with an example and the way out
    #[command(after_help = "Examples:
  refx explain unknown-ref
  refx explain                  lists all codes")]
    Explain(ExplainArgs),
    /// Show what a model's columns are made of, down to the sources, and what is made of them
    #[command(after_help = "Examples:
  refx lineage user_360.watch_hours
  refx lineage raw.plays.seconds --downstream
  refx lineage user_360 --upstream --output mermaid")]
    Lineage(LineageArgs),
    /// Say what a change of code means: which indicators it changes, and what it reaches
    #[command(after_help = "Examples:
  refx diff --code --state main-artifacts
  refx diff --code --state main-artifacts --output markdown")]
    Diff(DiffArgs),
    /// List what a selection picks
    #[command(
        name = "ls",
        visible_alias = "list",
        after_help = "Example:\n  refx ls --select tag:daily --resource-type model --output name"
    )]
    Ls(LsArgs),
    /// Show what would be done, step by step, and why; writes nothing
    #[command(after_help = "Example:\n  refx plan --select user_360+")]
    Plan(PlanArgs),
    /// Write the SQL that the models come to, without running it
    #[command(after_help = "Example:\n  refx compile --select user_360")]
    Compile(CompileArgs),
    /// Run one model or query and show its first rows; writes nothing
    #[command(after_help = "Examples:
  refx show user_360 --limit 20
  refx show --inline \"select count(*) from {{ ref('user_360') }}\" --output csv")]
    Show(ShowArgs),
    /// Make the tables, without testing them
    #[command(after_help = "Example:\n  refx run --select segmentation+ --as-of 2024-08-31")]
    Run(RunArgs),
    /// Load the seeds: small tables kept as files in the project
    #[command(after_help = "Example:\n  refx seed --select content_types --full-refresh")]
    Seed(RunArgs),
    /// Test the tables as they are, and the models on given rows
    #[command(after_help = "Examples:
  refx test --select user_360 --store-failures
  refx test --select test_type:unit --junit unit-tests.xml")]
    Test(TestArgs),
    /// Load seeds, make the tables and test them, each in its turn
    #[command(after_help = "Examples:
  refx build
  refx build --select +user_360 --fail-fast")]
    Build(BuildArgs),
    /// Write a unit test of a model from real rows: those of its inputs, and what it makes of them
    #[command(after_help = "Examples:
  refx create-test user_360 --where \"user_id = 'u42'\"
  refx create-test user_360 --where \"user_id in ('u1', 'u2')\" --output models/crm/crm.yml")]
    CreateTest(CreateTestArgs),
    /// Call a macro of the project
    #[command(after_help = "Example:\n  refx run-operation grant_access --args '{role: analyst}'")]
    RunOperation(RunOperationArgs),
    /// Remove the files that no version within the retention reads
    #[command(after_help = "Examples:
  refx vacuum --dry-run
  refx vacuum --select tag:daily --retention 30d")]
    Vacuum(VacuumArgs),
    /// Put small files together, or sort rows so that filters skip files; the rows stay the same
    #[command(after_help = "Examples:
  refx optimize --dry-run
  refx optimize --select user_360 --zorder user_id,country")]
    Optimize(OptimizeArgs),
    /// Write a checkpoint of each table's version, so that readers need not read the whole log
    #[command(after_help = "Example:\n  refx checkpoint --select tag:daily")]
    Checkpoint(CheckpointArgs),
    /// Show what happened to a table, commit by commit
    #[command(after_help = "Examples:
  refx history user_360 --limit 20
  refx history user_360 --output json")]
    History(HistoryArgs),
    /// Bring back the rows of an earlier version of a table, as a new version
    #[command(after_help = "Examples:
  refx restore user_360 --to 12 --dry-run
  refx restore user_360 --to 2024-08-31T06:00:00Z")]
    Restore(RestoreArgs),
    /// Delete the folders named in `clean-targets`
    #[command(after_help = "Example:\n  refx clean")]
    Clean,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  refx completions bash > ~/.local/share/bash-completion/completions/refx"
    )]
    Completions(CompletionsArgs),
}

impl Command {
    /// The name as it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Debug => "debug",
            Command::Check(_) => "check",
            Command::Parse(_) => "parse",
            Command::Explain(_) => "explain",
            Command::Lineage(_) => "lineage",
            Command::Diff(_) => "diff",
            Command::Ls(_) => "ls",
            Command::Plan(_) => "plan",
            Command::Compile(_) => "compile",
            Command::Show(_) => "show",
            Command::Run(_) => "run",
            Command::Seed(_) => "seed",
            Command::Test(_) => "test",
            Command::Build(_) => "build",
            Command::CreateTest(_) => "create-test",
            Command::RunOperation(_) => "run-operation",
            Command::Vacuum(_) => "vacuum",
            Command::Optimize(_) => "optimize",
            Command::Checkpoint(_) => "checkpoint",
            Command::History(_) => "history",
            Command::Restore(_) => "restore",
            Command::Clean => "clean",
            Command::Completions(_) => "completions",
        }
    }

    /// Whether what the command prints is one document, which a program may read.
    pub fn prints_a_document(&self) -> bool {
        matches!(
            self,
            Command::Explain(_)
                | Command::Lineage(_)
                | Command::Diff(_)
                | Command::Ls(_)
                | Command::Compile(_)
                | Command::Show(_)
                | Command::CreateTest(_)
                | Command::History(_)
                | Command::Completions(_)
        )
    }

    /// How the command hands out what is wrong.
    pub fn findings(&self) -> FindingsOutput {
        match self {
            Command::Parse(flags) => flags.output,
            Command::Check(flags) => flags.findings.output,
            _ => FindingsOutput::Text,
        }
    }
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Name of the project and of its folder: lower-case letters, digits and `_`
    pub name: String,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Look at no file of data: take the columns of sources from the last check
    #[arg(help_heading = "Running", long)]
    pub offline: bool,
    #[command(flatten)]
    pub findings: FindingsArgs,
}

#[derive(Debug, Args)]
pub struct LineageArgs {
    /// A model, seed or source (`source.table`), or one of its columns
    #[arg(value_name = "MODEL[.COLUMN]")]
    pub of: String,
    /// What it is made of; with neither direction, both are shown
    #[arg(long)]
    pub upstream: bool,
    /// What is made of it
    #[arg(long)]
    pub downstream: bool,
    /// Look at no file of data: take the columns of sources from the last check
    #[arg(help_heading = "Running", long)]
    pub offline: bool,
    /// How to print it [default: text, or json with `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<LineageOutput>,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Compare what the queries mean
    #[arg(long, required = true)]
    pub code: bool,
    /// Folder with the artifacts of `refx check` on the code to compare with
    #[arg(long, value_name = "DIR", env = "REFX_STATE", hide_env = true)]
    pub state: PathBuf,
    /// Look at no file of data: take the columns of sources from the last check
    #[arg(help_heading = "Running", long)]
    pub offline: bool,
    /// How to print it [default: text, or json with `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<DiffOutput>,
}

#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// What to print of each node [default: selector, or json with `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<LsOutput>,
    /// Keys to print with `--output json`
    #[arg(help_heading = "Output", long, value_name = "KEY", num_args = 1.., value_delimiter = ',')]
    pub output_keys: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub refresh: RefreshArgs,
}

#[derive(Debug, Args)]
pub struct CompileArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub refresh: RefreshArgs,
    /// Compile this SQL instead of models
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "exclude", "selector"])]
    pub inline: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false).args(["model", "select", "inline"]))]
pub struct ShowArgs {
    /// The model, seed, source or test to show
    #[arg(value_name = "MODEL")]
    pub model: Option<String>,
    /// The same, as a selector that picks one node
    #[arg(short, long, short_alias = 'm', aliases = ["models", "model"], value_name = "SELECTOR")]
    pub select: Option<String>,
    /// Run this SQL, in which `ref()` and the other functions work
    #[arg(long, value_name = "SQL")]
    pub inline: Option<String>,
    /// Rows to show; `-1` shows all
    #[arg(
        help_heading = "Output",
        long,
        value_name = "N",
        default_value_t = 10,
        allow_negative_numbers = true
    )]
    pub limit: i64,
    /// How to print them [default: table, or json with `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<ShowOutput>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub refresh: RefreshArgs,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub failures: FailuresArgs,
    #[command(flatten)]
    pub report: JunitArgs,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub refresh: RefreshArgs,
    #[command(flatten)]
    pub failures: FailuresArgs,
    #[command(flatten)]
    pub report: JunitArgs,
}

#[derive(Debug, Args)]
pub struct CreateTestArgs {
    /// The model to test
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// The rows to take of each input that has the columns
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// The most rows to take of one input
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The name of the test
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The properties file to add it to; printed where absent
    #[arg(help_heading = "Output", short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunOperationArgs {
    /// Name of the macro
    #[arg(value_name = "MACRO")]
    pub name: String,
    /// Its arguments, as YAML
    #[arg(long, value_name = "YAML")]
    pub args: Option<String>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell; guessed from `$SHELL` where it is left out
    pub shell: Option<Shell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LsOutput {
    Selector,
    Name,
    Path,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineageOutput {
    /// A tree in each direction
    Text,
    Json,
    /// A flowchart, as Markdown pages show it
    Mermaid,
    /// For Graphviz
    Dot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffOutput {
    Text,
    Json,
    /// For a comment on a merge request
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowOutput {
    #[value(alias = "text")]
    Table,
    Csv,
    Json,
}

/// The formats in which a command prints its document.
pub trait DocumentFormat {
    /// What is printed for people.
    const TEXT: Self;
    const JSON: Self;
}

macro_rules! document_format {
    ($($format:ident: $text:ident),*) => {$(
        impl DocumentFormat for $format {
            const TEXT: Self = $format::$text;
            const JSON: Self = $format::Json;
        }
    )*};
}

document_format!(
    LsOutput: Selector,
    LineageOutput: Text,
    DiffOutput: Text,
    ShowOutput: Table,
    ExplainOutput: Text,
    HistoryOutput: Table
);

/// Reads a command line. The error prints itself and knows its exit code: 2 for a mistake, 0 for
/// `--help` and `--version`.
pub fn parse<I, T>(line: I) -> Result<Arguments, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    Arguments::try_parse_from(line).map_err(suggested)
}

/// What dbt has and refx has not, and what to do instead.
const COMMANDS_OF_DBT: [(&str, &str); 6] = [
    (
        "deps",
        "refx installs no packages: put their macros into `macros/`",
    ),
    (
        "docs",
        "refx serves no documentation; `refx lineage` and `refx ls` show what there is",
    ),
    (
        "snapshot",
        "refx has no snapshots: an incremental model with `on_missing` keeps what is gone",
    ),
    ("source", "refx does not look at the freshness of sources"),
    ("clone", "refx does not clone tables"),
    (
        "retry",
        "`refx build --select result:error+ --state FOLDER` runs what failed again",
    ),
];

/// A command that does not exist, with the nearest one: clap's own measure calls `clone` similar to
/// `clean`, which deletes folders.
fn suggested(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let written = written.clone();
    error.remove(ContextKind::SuggestedSubcommand);
    error.remove(ContextKind::Suggested);
    if let Some((_, instead)) = COMMANDS_OF_DBT.iter().find(|(name, _)| *name == written) {
        let tips = vec![clap::builder::StyledStr::from(*instead)];
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        return error;
    }
    let command = Arguments::command();
    let names = command.get_subcommands().flat_map(|command| {
        std::iter::once(command.get_name()).chain(command.get_visible_aliases())
    });
    if let Some(near) = closest(&written, names) {
        let near = ContextValue::Strings(vec![near.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
    error
}

/// The long help of every command, in Markdown; flags that all commands take are told once.
#[cfg(test)]
pub fn help() -> String {
    let section = |title: &str, help: clap::builder::StyledStr| {
        let help = help.to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        format!(
            "\n## {title}\n\n```text\n{}\n```\n",
            lines.join("\n").trim_end()
        )
    };
    let mut root = Arguments::command().term_width(100);
    let mut page = section("refx", root.render_long_help());
    root.build();
    for command in root.get_subcommands() {
        let mut own = command.clone();
        let shared = own.get_arguments().filter(|flag| flag.is_global_set());
        let shared: Vec<clap::Id> = shared.map(|flag| flag.get_id().clone()).collect();
        for flag in shared {
            own = own.mut_arg(flag, |flag| flag.hide(true));
        }
        page.push_str(&section(
            &format!("refx {}", command.get_name()),
            own.render_long_help(),
        ));
    }
    page
}

/// Writes the completion script of a shell.
pub fn write_completions(shell: Shell, to: &mut dyn Write) -> io::Result<()> {
    // clap_complete panics where it cannot write, as into `| head`; a buffer always takes it.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "refx", &mut script);
    to.write_all(&script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refx_core::manifest::ResourceType;

    fn read(line: &str) -> Arguments {
        parse(line.split_whitespace()).unwrap()
    }

    fn error(line: &str) -> String {
        parse(line.split_whitespace()).unwrap_err().to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn dbt_command_lines_are_read() {
        let arguments = read("refx --target prod run -s +a b+ --exclude tag:slow -f -x");
        assert_eq!(arguments.project.target.as_deref(), Some("prod"));
        assert!(arguments.running.fail_fast);
        let Command::Run(run) = arguments.command else {
            panic!("not a run");
        };
        assert_eq!(run.selection.select, ["+a", "b+"]);
        assert_eq!(run.selection.exclude, ["tag:slow"]);
        assert!(run.refresh.full_refresh);

        let Command::Ls(ls) =
            read("refx list --models a --models b --resource-type model test --output json")
                .command
        else {
            panic!("not a list");
        };
        assert_eq!(ls.selection.select, ["a", "b"]);
        assert_eq!(
            ls.selection.resource_type,
            [ResourceType::Model, ResourceType::Test]
        );
        assert_eq!(ls.output, Some(LsOutput::Json));

        let Command::Show(show) = read("refx show user_360 --limit -1 --output text").command
        else {
            panic!("not a show");
        };
        assert_eq!((show.limit, show.output), (-1, Some(ShowOutput::Table)));
        read("refx build --no-partial-parse --no-use-colors --vars a:1 --vars b:2 -t prod");
    }

    #[test]
    fn an_instant_is_a_date_or_rfc_3339() {
        for (text, expected) in [
            ("2024-08-31", "2024-08-31T00:00:00+00:00"),
            ("2024-08-31 06:30", "2024-08-31T06:30:00+00:00"),
            ("2024-08-31T06:30:00", "2024-08-31T06:30:00+00:00"),
            ("2024-08-31T06:30:00+02:00", "2024-08-31T04:30:00+00:00"),
        ] {
            let arguments = parse(["refx", "run", "--as-of", text]).unwrap();
            let as_of = arguments.project.as_of.map(|as_of| as_of.to_rfc3339());
            assert_eq!(as_of.as_deref(), Some(expected));
        }
        assert!(error("refx run --as-of yesterday").contains("write a date such as"));
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name() {
        assert!(error("refx biuld").contains("'build'"));
        // What deletes is offered to those alone who wrote nearly that.
        assert!(error("refx clena").contains("'clean'"));
        for word in ["clone", "snapshot", "catalog", "docs", "deps"] {
            assert!(
                !error(&format!("refx {word}")).contains("'clean'"),
                "{word}"
            );
        }
        assert!(error("refx snapshot").contains("no snapshots"));
        assert!(error("refx build --full-refesh").contains("'--full-refresh'"));
        assert!(error("refx ls --resource-type modl").contains("'model'"));
        assert!(error("refx run --threads 0").contains("from 1 up"));
        assert!(error("refx show").contains("required"));
    }

    #[test]
    fn every_shell_has_its_completions() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            write_completions(*shell, &mut script).unwrap();
            assert!(String::from_utf8(script).unwrap().contains("run-operation"));
        }
    }
}
