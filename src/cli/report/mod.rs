//! What a person or a program reads of a run: lines as it goes, then a summary.
//!
//! [`Report`] is a reader of the runner's [`Event`]s, and the one place of refx that prints. Results go
//! to standard output, diagnostics to standard error, so that a warning never ends up in a document
//! that another program reads. It writes to whatever it is given, so a test reads its output from a
//! buffer:
//!
//! ```text
//! ok      0.4 s  crm           user_360       merge  v7  12 inserted, 3 updated
//! same    0.1 s  segmentation  rfa_segments   merge  v2  1,999 rows, none changed
//! FAIL    0.1 s  navigation    user_activity  merge  no column `visited_at` in `raw.page_views`
//! ```

mod check;
mod diff;
pub(super) mod documents;
mod explain;
mod findings;
mod json;
mod junit;
mod lists;
mod live;
mod maintenance;
mod summary;
pub(super) mod wording;

pub use check::Ended;
pub use findings::Repository;
pub use lists::Check;
pub use maintenance::{Did, Totals};
pub use wording::count;

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{Timelike, Utc};

use self::live::Live;
use self::wording::{BAD, FAINT, Line, PLAIN, STRONG, duration, status};
use super::args::{ColorWhen, DocumentFormat, FindingsOutput, LogFormat, LogLevel, OutputArgs};
use refx_core::diagnostic::{self, Diagnostic};
use refx_core::manifest::{Manifest, Node, NodeId, ResourceType};
use refx_engine::run::{Event, Outcome, RunInfo, StepInfo, StepResult};

/// How to print.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Only failures and the closing line.
    pub quiet: bool,
    /// Leave warnings out too.
    pub no_warnings: bool,
    /// Whether results are coloured.
    pub colour: bool,
    /// Whether diagnostics are coloured: they go to another stream.
    pub colour_diagnostics: bool,
    /// Columns of the terminal; none where lines may be of any length.
    pub width: Option<usize>,
    /// Draw what runs at the moment, on standard error.
    pub live: bool,
    /// Whether diagnostics are printed as they come, or written as one document at the end.
    pub findings: FindingsOutput,
    /// Whether standard output is one document, into which no event may be written.
    pub document: bool,
}

impl Options {
    /// What the flags ask for, on the standard output and error that there are.
    pub fn detect(flags: &OutputArgs) -> Self {
        let terminal = io::stdout().is_terminal();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let json = flags.log_format == LogFormat::Json;
        let quiet = flags.quiet || flags.log_level > LogLevel::Info;
        let when = if flags.no_color {
            ColorWhen::Never
        } else {
            flags.color
        };
        Options {
            json,
            quiet,
            no_warnings: flags.log_level > LogLevel::Warn,
            colour: !json && coloured(when, terminal, &variable),
            colour_diagnostics: !json && coloured(when, io::stderr().is_terminal(), &variable),
            width: comfy_table::Table::new()
                .width()
                .map(usize::from)
                .filter(|_| terminal),
            live: terminal
                && io::stderr().is_terminal()
                && !(json || quiet || flags.no_progress)
                && variable("CI").is_none(),
            findings: FindingsOutput::Text,
            document: false,
        }
    }

    /// Whether what is printed is text, rather than documents or lines for programs.
    fn for_people(self) -> bool {
        !self.json && self.findings == FindingsOutput::Text
    }
}

/// Flag before environment before what the output is: no-color.org and bixense.com/clicolors.
fn coloured(when: ColorWhen, terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if variable("NO_COLOR").is_some() => false,
        ColorWhen::Auto if variable("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorWhen::Auto => {
            terminal
                && variable("CLICOLOR").is_none_or(|value| value != "0")
                && variable("TERM").is_none_or(|value| value != "dumb")
        }
    }
}

/// Gives the text of a file of the project, for excerpts.
pub type Texts = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Takes secrets out of a text that is about to be written.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A reader of events that writes them down. Share it by reference among threads.
pub struct Report {
    options: Options,
    texts: Texts,
    redact: Redact,
    tables: Tables,
    repository: Repository,
    state: Mutex<State>,
}

struct State {
    out: Output,
    diagnostics: Output,
    live: Option<Live>,
    run: Option<Arc<RunInfo>>,
    results: Vec<Arc<StepResult>>,
    told: Vec<Diagnostic>,
    progress: HashMap<NodeId, Instant>,
}

/// One of the two streams that a report writes to.
struct Output {
    to: Box<dyn Write + Send>,
    /// Set once the reader has gone away, as `head` does: the run goes on without it.
    closed: bool,
}

impl Output {
    fn new(to: Box<dyn Write + Send>) -> Self {
        Output { to, closed: false }
    }

    /// Writes a line, above whatever is drawn live.
    fn line(&mut self, text: &str, live: Option<&Live>) {
        if self.closed {
            return;
        }
        let to = &mut self.to;
        let mut write = || writeln!(to, "{text}").and_then(|()| to.flush());
        let written = match live {
            Some(live) => live.aside(write),
            None => write(),
        };
        self.closed = written.is_err();
    }
}

impl Report {
    /// Results are written to `out`, diagnostics to `diagnostics`.
    pub fn new(
        out: Box<dyn Write + Send>,
        diagnostics: Box<dyn Write + Send>,
        options: Options,
    ) -> Self {
        Report {
            options,
            texts: Arc::new(|_| None),
            redact: Arc::new(str::to_string),
            tables: Tables::default(),
            repository: Repository::default(),
            state: Mutex::new(State {
                out: Output::new(out),
                diagnostics: Output::new(diagnostics),
                live: None,
                run: None,
                results: Vec::new(),
                told: Vec::new(),
                progress: HashMap::new(),
            }),
        }
    }

    /// Where excerpts come from, once the project's files are read.
    pub fn set_texts(&mut self, texts: Texts) {
        self.texts = texts;
    }

    /// What hides secrets, once they are known.
    pub fn set_redact(&mut self, redact: Redact) {
        self.redact = redact;
    }

    /// Where the project is for those who read documents of findings.
    pub fn set_repository(&mut self, repository: Repository) {
        self.repository = repository;
    }

    /// Which tables there are and which test is about which, once the manifest is built.
    pub fn set_manifest(&mut self, manifest: &Manifest) {
        self.tables = Tables::of(manifest);
    }

    /// The format of a command's document: the one that was asked for, else the one that suits
    /// `--log-format`.
    pub fn format<F: DocumentFormat>(&self, asked: Option<F>) -> F {
        asked.unwrap_or(match self.options.json {
            true => F::JSON,
            false => F::TEXT,
        })
    }

    pub fn options(&self) -> Options {
        self.options
    }

    /// Takes in one event and prints what it calls for.
    pub fn event(&self, event: &Event) {
        let mut state = self.lock();
        if self.options.json {
            return self.event_as_json(&mut state, event);
        }
        match event {
            Event::RunStarted(info) => {
                state.run = Some(Arc::new(info.clone()));
                if !self.options.quiet {
                    let header = self.header(info);
                    self.say(&mut state, &header);
                }
                if self.options.live {
                    state.live = Some(Live::start(info.steps, self.options.colour));
                }
            }
            Event::StepStarted(info) => {
                let label = (self.redact)(&self.running(info));
                if let Some(live) = &mut state.live {
                    live.begin(&info.node, label);
                }
            }
            Event::StepProgress { node, rows } => {
                if let Some(live) = &state.live {
                    live.rows(node, *rows);
                }
            }
            Event::StepFinished(result) => {
                if let Some(live) = &mut state.live {
                    live.end(&result.info.node, result.outcome.is_failure());
                }
                if let Some(line) = self.finished(result) {
                    self.say(&mut state, &line);
                }
                state.results.push(Arc::clone(result));
            }
            Event::Message { text, node } if !self.options.quiet => {
                let line = Line::default().column("log", 4, FAINT);
                let line = match node {
                    Some(id) => line.push(format!("{}: ", self.tables.name(id)), FAINT),
                    None => line,
                };
                let line = line.push(text, PLAIN).paint(None, self.options.colour);
                self.say(&mut state, &line);
            }
            Event::Message { .. } => {}
            Event::Diagnostic(diagnostic) => state.told.push(diagnostic.clone()),
            Event::RunFinished(finish) => {
                if let Some(live) = state.live.take() {
                    live.clear();
                }
                let mut results = std::mem::take(&mut state.results);
                results.sort_by_key(|result| result.info.index);
                let told = std::mem::take(&mut state.told);
                let run = state.run.clone();
                let summary = summary::Summary {
                    run: run.as_deref(),
                    results: &results,
                    told: &told,
                    finish,
                };
                self.summary(&mut state, &summary);
            }
        }
    }

    fn event_as_json(&self, state: &mut State, event: &Event) {
        const PROGRESS_EVERY: Duration = Duration::from_secs(1);
        match event {
            Event::RunStarted(info) => state.run = Some(Arc::new(info.clone())),
            Event::StepProgress { node, .. } => {
                let now = Instant::now();
                match state.progress.get(node) {
                    Some(last) if now - *last < PROGRESS_EVERY => return,
                    _ => state.progress.insert(node.clone(), now),
                };
            }
            _ => {}
        }
        let id = state.run.as_ref().map(|run| Arc::clone(&run.invocation_id));
        let closing = matches!(event, Event::RunFinished(_));
        for record in json::records(event, &self.texts) {
            if closing || self.wanted(record.level) {
                self.say(state, &record.line(Utc::now(), id.as_ref()));
            }
        }
    }

    /// Whether a line of this level is printed.
    fn wanted(&self, level: &str) -> bool {
        match level {
            "error" => true,
            "warn" => !self.options.no_warnings,
            _ => !self.options.quiet,
        }
    }

    fn header(&self, info: &RunInfo) -> String {
        // Of a run that nobody gave an instant, as `--as-of` takes it: that resumes the run.
        let as_of = match info.by_clock || info.as_of.second() != 0 {
            true => wording::instant(&info.as_of),
            false => info.as_of.format("%Y-%m-%d %H:%M UTC").to_string(),
        };
        let first = Line::default()
            .push(format!("{} ", info.command), STRONG)
            .push(
                format!("`{}` on target `{}` (", info.project, info.target),
                PLAIN,
            )
            .push(format!("{}), as of {as_of}", info.root), PLAIN);
        let second = Line::default().push(
            format!(
                "{}, {} at a time",
                count(info.steps as u64, "step"),
                info.threads
            ),
            FAINT,
        );
        let paint = |line: &Line| line.paint(self.options.width, self.options.colour);
        format!("{}\n{}\n", paint(&first), paint(&second))
    }

    /// A running step, as the live display names it.
    fn running(&self, info: &StepInfo) -> String {
        let place = self.tables.place(info);
        let line = Line::default()
            .column(&place.theme, self.tables.theme_width, PLAIN)
            .column(&place.table, self.tables.table_width, PLAIN)
            .push(info.action, PLAIN);
        match info.resource_type {
            ResourceType::Test | ResourceType::UnitTest => {
                line.push(format!("  {}", info.name), PLAIN)
            }
            _ => line,
        }
        .paint(None, false)
    }

    /// The line of a finished step; none for what need not be read.
    fn finished(&self, result: &StepResult) -> Option<String> {
        let info = &result.info;
        let test = info.resource_type.is_test();
        let detail = match &result.outcome {
            Outcome::Failed(diagnostic) => {
                let said = diagnostic.message.lines().next().unwrap_or_default();
                match test {
                    true => format!("{}: {said}", info.name),
                    false => said.to_string(),
                }
            }
            Outcome::TestFailed { failures, .. } => {
                format!("{}: {}", count(*failures, "failure"), info.name)
            }
            Outcome::Held { version, .. } => match version {
                Some(version) => format!("held at v{version}: its tests did not pass"),
                None => "not published: its tests did not pass".to_string(),
            },
            _ if self.options.quiet => return None,
            Outcome::Warned { failures, .. } => {
                format!("{}: {}", count(*failures, "failure"), info.name)
            }
            Outcome::Passed => return None,
            Outcome::Skipped(_) if test => return None,
            Outcome::Skipped(reason) => wording::skipped(reason, |id| self.tables.name(id)),
            Outcome::Committed { version, rows } => {
                format!("v{version}  {}", wording::changes(rows))
            }
            Outcome::Unchanged { version, rows } => {
                let version = version
                    .map(|version| format!("v{version}  "))
                    .unwrap_or_default();
                match rows.unchanged {
                    0 => format!("{version}nothing changed"),
                    rows => format!("{version}{}, none changed", count(rows, "row")),
                }
            }
            Outcome::Planned => String::new(),
        };
        let (word, style) = status(&result.outcome);
        let elapsed = match result.started_at {
            Some(_) => duration(result.elapsed),
            None => String::new(),
        };
        let place = self.tables.place(info);
        let detail_style = if result.outcome.is_failure() {
            BAD
        } else {
            PLAIN
        };
        Some(
            Line::default()
                .column(word, 4, style)
                .column(&format!("{elapsed:>7}"), 7, FAINT)
                .column(&place.theme, self.tables.theme_width, FAINT)
                .column(&place.table, self.tables.table_width, STRONG)
                .column(info.action, 7, FAINT)
                .push(detail, detail_style)
                .paint(self.options.width, self.options.colour),
        )
    }

    /// A diagnostic with its excerpt.
    fn excerpt(&self, diagnostic: &Diagnostic) -> String {
        let texts = self.texts_of(diagnostic);
        let text = |file: &str| texts.get(file).map(String::as_str);
        diagnostic::render(diagnostic, &text, self.options.colour_diagnostics)
    }

    /// The files that a diagnostic speaks of.
    fn texts_of(&self, diagnostic: &Diagnostic) -> HashMap<Arc<str>, String> {
        let spans = diagnostic
            .span
            .iter()
            .chain(diagnostic.related.iter().map(|at| &at.span));
        spans
            .filter_map(|span| Some((Arc::clone(&span.file), (self.texts)(&span.file)?)))
            .collect()
    }

    /// Writes lines of a result, secrets taken out.
    fn say(&self, state: &mut State, text: &str) {
        state.out.line(&(self.redact)(text), state.live.as_ref());
    }

    /// Writes lines of a diagnostic, secrets taken out.
    fn say_diagnostic(&self, state: &mut State, text: &str) {
        let text = (self.redact)(text);
        state.diagnostics.line(&text, state.live.as_ref());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a line belongs: the table, and its theme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    theme: String,
    table: String,
}

/// The names of the nodes, and which table each test is about.
#[derive(Default)]
struct Tables {
    places: HashMap<NodeId, Place>,
    tested: HashMap<NodeId, NodeId>,
    /// The names of the tests: their ids end in a digest.
    tests: HashMap<NodeId, String>,
    theme_width: usize,
    table_width: usize,
}

impl Tables {
    fn of(manifest: &Manifest) -> Self {
        let mut tables = Tables::default();
        for node in manifest.nodes.values() {
            let common = node.common();
            match node {
                Node::Test(test) => {
                    let about = test.attached.as_ref().or_else(|| common.depends_on.last());
                    if let Some(about) = about {
                        tables.tested.insert(common.id.clone(), about.clone());
                    }
                    tables.tests.insert(common.id.clone(), common.name.clone());
                }
                Node::UnitTest(test) => {
                    tables.tested.insert(common.id.clone(), test.model.clone());
                    tables.tests.insert(common.id.clone(), common.name.clone());
                }
                Node::Model(_) | Node::Seed(_) => {
                    let theme = match common.fqn.as_slice() {
                        [_, theme, _, ..] => theme.clone(),
                        _ => String::new(),
                    };
                    tables.theme_width = tables.theme_width.max(wording::width(&theme));
                    tables.table_width = tables.table_width.max(wording::width(&common.name));
                    let version = node.as_model().and_then(|model| model.version.as_ref());
                    let table = match version {
                        Some(version) => format!("{}.v{version}", common.name),
                        None => common.name.clone(),
                    };
                    tables
                        .places
                        .insert(common.id.clone(), Place { theme, table });
                }
                Node::Source(source) => {
                    let table = format!("{}.{}", source.source_name, common.name);
                    let theme = String::new();
                    tables
                        .places
                        .insert(common.id.clone(), Place { theme, table });
                }
                Node::Exposure(_) | Node::Analysis(_) => {}
            }
        }
        tables
    }

    /// The table that a step is about: a test's is the one it tests.
    fn about<'a>(&'a self, node: &'a NodeId) -> &'a NodeId {
        self.tested.get(node).unwrap_or(node)
    }

    fn place(&self, info: &StepInfo) -> Place {
        match self.places.get(self.about(&info.node)) {
            Some(place) => place.clone(),
            None => Place {
                theme: info.theme.clone(),
                table: info.name.clone(),
            },
        }
    }

    fn name(&self, id: &NodeId) -> String {
        match self.places.get(id) {
            Some(place) => place.table.clone(),
            None => match self.tests.get(id) {
                Some(name) => name.clone(),
                None => id.to_string(),
            },
        }
    }
}

/// The JSON schemas of what is printed for programs, by name.
#[cfg(test)]
pub(super) fn schemas() -> [(&'static str, serde_json::Value); 3] {
    [
        ("log", schemars::schema_for!(json::Record).to_value()),
        ("show", schemars::schema_for!(documents::Rows).to_value()),
        (
            "history",
            schemars::schema_for!(documents::History).to_value(),
        ),
    ]
}

#[cfg(test)]
mod tests;
