//! The end of a run: a table of what became of every table, the excerpts, and one closing line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets};

use super::wording::{
    BAD, CAREFUL, GOOD, Line, PLAIN, STRONG, count, cut, duration, instant, number, status,
};
use super::{Place, Report, State};
use refx_core::diagnostic::Diagnostic;
use refx_engine::run::{Outcome, RowCounts, RunInfo, RunSummary, StepResult};

/// What is known when a run has finished.
pub struct Summary<'a> {
    pub run: Option<&'a RunInfo>,
    /// In the order of the plan.
    pub results: &'a [Arc<StepResult>],
    /// Diagnostics of the run as a whole.
    pub told: &'a [Diagnostic],
    pub finish: &'a RunSummary,
}

/// The models and seeds up to which each has its line in the table, whatever became of it.
const ALL_LISTED: usize = 60;

impl Report {
    /// Writes the end of a run: the table and the closing line as results, the excerpts between them
    /// as diagnostics.
    pub(super) fn summary(&self, state: &mut State, summary: &Summary<'_>) {
        if !self.options.quiet
            && let Some(table) = summary.table(self)
        {
            self.say(state, &format!("\n{table}"));
        }
        let diagnostics = summary.diagnostics(self);
        for diagnostic in &diagnostics {
            self.say_diagnostic(state, &format!("\n{}", self.excerpt(diagnostic)));
        }
        let mut closing = summary.closing(self);
        if let Some(next) = summary.next(self) {
            closing.push('\n');
            closing.push_str(&next);
        }
        if !self.options.quiet || !diagnostics.is_empty() {
            closing.insert(0, '\n');
        }
        self.say(state, &closing);
    }
}

impl Summary<'_> {
    /// Warnings first, so that what failed stands nearest to the end.
    fn diagnostics(&self, report: &Report) -> Vec<Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.told.iter().collect();
        for result in self.results {
            all.extend(&result.warnings);
            match &result.outcome {
                Outcome::Warned { diagnostic, .. }
                | Outcome::TestFailed { diagnostic, .. }
                | Outcome::Held { diagnostic, .. }
                | Outcome::Failed(diagnostic) => all.push(diagnostic),
                _ => {}
            }
        }
        all.retain(|diagnostic| diagnostic.is_error() || !report.options.no_warnings);
        all.sort_by_key(|diagnostic| diagnostic.severity);
        let mut distinct: Vec<Diagnostic> = Vec::with_capacity(all.len());
        for diagnostic in all {
            if !distinct.contains(diagnostic) {
                distinct.push(diagnostic.clone());
            }
        }
        distinct
    }

    fn rows(&self, report: &Report) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for test in [false, true] {
            for result in self.results {
                let info = &result.info;
                if info.resource_type.is_test() != test {
                    continue;
                }
                let about = report.tables.about(&info.node);
                let row = *at.entry(about.as_str()).or_insert_with(|| {
                    let place = report.tables.place(info);
                    rows.push(Row {
                        place,
                        result: None,
                        tests: Tally::default(),
                        elapsed: Duration::ZERO,
                    });
                    rows.len() - 1
                });
                if test {
                    rows[row].tests.add(&result.outcome);
                    if rows[row].result.is_none() {
                        rows[row].elapsed += result.elapsed;
                    }
                } else {
                    rows[row].result = Some(result);
                    rows[row].elapsed = result.elapsed;
                }
            }
        }
        by_theme(&mut rows);
        rows
    }

    fn table(&self, report: &Report) -> Option<String> {
        let mut rows = self.rows(report);
        let mut left_out = 0;
        if rows.len() > ALL_LISTED {
            let before = rows.len();
            rows.retain(|row| !row.is_dull());
            left_out = before - rows.len();
        }
        if rows.is_empty() {
            return None;
        }
        let cells: Vec<[String; COLUMNS.len()]> = rows.iter().map(Row::cells).collect();
        let shown = columns_that_fit(&cells, report.options.width);
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        if report.options.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(shown.iter().map(|column| {
            Cell::new(COLUMNS[*column].name)
                .add_attribute(Attribute::Dim)
                .set_alignment(COLUMNS[*column].alignment)
        }));
        for (row, cells) in rows.iter().zip(&cells) {
            table.add_row(
                shown
                    .iter()
                    .map(|column| row.cell(*column, &cells[*column])),
            );
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text: Vec<String> = table
            .lines()
            .map(|line| line.trim_end().to_string())
            .collect();
        if left_out > 0 {
            text.push(format!(
                "and {} unchanged or without rows of their own",
                number(left_out as u64)
            ));
        }
        let text = text.join("\n");
        Some(match report.options.width {
            Some(width) if !report.options.colour => text
                .lines()
                .map(|line| cut(line, width))
                .collect::<Vec<_>>()
                .join("\n"),
            _ => text,
        })
    }

    /// `done in 4.2 s: 18 tables written, 3 unchanged, 96 tests passed`
    fn closing(&self, report: &Report) -> String {
        let mut tables = Counts::default();
        let mut tests = Tally::default();
        for result in self.results {
            if result.info.resource_type.is_test() {
                tests.add(&result.outcome);
            } else {
                tables.add(&result.outcome);
            }
        }
        let failed =
            tables.failed + tables.held + tests.failed + tests.broken > 0 || self.finish.failed > 0;
        let told = self.told.iter().any(Diagnostic::is_error);
        let mut parts = Vec::new();
        let mut part = |value: u64, text: String| {
            if value > 0 {
                parts.push(text);
            }
        };
        part(
            tables.failed,
            format!("{} failed", count(tables.failed, "model")),
        );
        part(tables.held, format!("{} held", count(tables.held, "table")));
        part(
            tests.failed,
            format!("{} failed", count(tests.failed, "test")),
        );
        part(
            tests.broken,
            format!("{} could not run", count(tests.broken, "test")),
        );
        part(
            tables.skipped,
            format!("{} skipped", count(tables.skipped, "model")),
        );
        part(
            tests.skipped,
            format!("{} skipped", count(tests.skipped, "test")),
        );
        part(
            tables.written,
            format!("{} written", count(tables.written, "table")),
        );
        part(
            tables.unchanged,
            match tables.written {
                0 => format!("{} unchanged", count(tables.unchanged, "table")),
                _ => format!("{} unchanged", number(tables.unchanged)),
            },
        );
        part(
            tables.planned,
            format!("{} checked", count(tables.planned, "view")),
        );
        part(
            tests.passed,
            format!("{} passed", count(tests.passed, "test")),
        );
        part(tests.warned, count(tests.warned, "warning"));
        let (word, style) = match (self.finish.interrupted, failed || told) {
            (true, _) => ("interrupted", CAREFUL),
            (_, true) => ("failed", BAD),
            (_, false) => ("done", GOOD),
        };
        let preposition = if self.finish.interrupted {
            "after"
        } else {
            "in"
        };
        let what = match (parts.is_empty(), failed || told) {
            (true, true) => "no step has run".to_string(),
            (true, false) => "nothing to do".to_string(),
            (false, _) => parts.join(", "),
        };
        Line::default()
            .push(word, style)
            .push(
                format!(" {preposition} {}: ", duration(self.finish.elapsed)),
                PLAIN,
            )
            .push(what, PLAIN)
            .paint(None, report.options.colour)
    }

    /// The command to type next, where something is left to do.
    fn next(&self, report: &Report) -> Option<String> {
        let command = self.run.map_or("build", |run| run.command);
        let mut names: Vec<String> = Vec::new();
        for result in self.results {
            if result.outcome.is_failure() {
                let name = report.tables.name(report.tables.about(&result.info.node));
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let line = Line::default().push("next: ", STRONG);
        let line = if self.finish.interrupted {
            let line = line.push(
                "the same command goes on from here; what was committed stays",
                PLAIN,
            );
            // What was committed is of this instant, and so is the rest that is to come.
            match self.run {
                Some(run) if run.by_clock => {
                    let as_of = instant(&run.as_of);
                    line.push(format!("; `--as-of {as_of}` keeps its instant"), PLAIN)
                }
                _ => line,
            }
        } else if names.is_empty() {
            return None;
        } else {
            let onwards = if command == "test" { "" } else { "+" };
            let selectors = if names.len() <= 5 {
                names
                    .iter()
                    .map(|name| format!(" {name}{onwards}"))
                    .collect::<String>()
            } else {
                " result:error+ result:fail+ --state .refx".to_string()
            };
            line.push("correct what is shown above, then `", PLAIN)
                .push(format!("refx {command} --select{selectors}"), STRONG)
                .push("`", PLAIN)
        };
        Some(line.paint(None, report.options.colour))
    }
}

/// A table of the run, or one that only tests were run on.
struct Row<'a> {
    place: Place,
    result: Option<&'a StepResult>,
    tests: Tally,
    elapsed: Duration,
}

/// Puts the tables of a theme side by side, themes and tables in the order of the plan.
fn by_theme(rows: &mut [Row<'_>]) {
    let mut themes: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows.iter() {
        let next = themes.len();
        themes.entry(row.place.theme.clone()).or_insert(next);
    }
    rows.sort_by_key(|row| themes.get(&row.place.theme).copied());
}

struct Column {
    name: &'static str,
    alignment: CellAlignment,
    /// Columns of the highest rank go first where the terminal is too narrow.
    rank: u8,
}

const fn column(name: &'static str, alignment: CellAlignment, rank: u8) -> Column {
    Column {
        name,
        alignment,
        rank,
    }
}

const COLUMNS: [Column; 11] = [
    column("", CellAlignment::Left, 0),
    column("theme", CellAlignment::Left, 3),
    column("table", CellAlignment::Left, 0),
    column("action", CellAlignment::Left, 5),
    column("version", CellAlignment::Right, 4),
    column("inserted", CellAlignment::Right, 1),
    column("updated", CellAlignment::Right, 1),
    column("deleted", CellAlignment::Right, 1),
    column("unchanged", CellAlignment::Right, 2),
    column("time", CellAlignment::Right, 6),
    column("tests", CellAlignment::Left, 0),
];
const STATUS: usize = 0;
const TABLE: usize = 2;
const TESTS: usize = 10;

impl Row<'_> {
    /// Neither written nor failed.
    fn is_dull(&self) -> bool {
        let quiet = match self.result.map(|result| &result.outcome) {
            Some(Outcome::Unchanged { .. } | Outcome::Planned) | None => true,
            Some(_) => false,
        };
        quiet && self.tests.is_clean()
    }

    /// The word for the table and its tests together: the worst of them.
    fn status(&self) -> (&'static str, Color) {
        let table = self.result.map_or("ok", |result| status(&result.outcome).0);
        let word = match table {
            "FAIL" | "HELD" | "skip" => table,
            _ if self.tests.failed + self.tests.broken > 0 => "FAIL",
            _ if self.tests.warned > 0 => "warn",
            _ => table,
        };
        let colour = match word {
            "ok" => Color::Green,
            "FAIL" | "HELD" => Color::Red,
            "same" => Color::Reset,
            _ => Color::Yellow,
        };
        (word, colour)
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let (action, version, rows) = match self.result {
            Some(result) => {
                let (version, rows) = match &result.outcome {
                    Outcome::Committed { version, rows } => (Some(*version), Some(*rows)),
                    Outcome::Unchanged { version, rows } => (*version, Some(*rows)),
                    Outcome::Held { version, .. } => (*version, None),
                    _ => (None, None),
                };
                (result.info.action, version, rows)
            }
            None => ("", None, None),
        };
        let changed = |pick: fn(&RowCounts) -> u64| rows.map(|rows| number(pick(&rows)));
        let ran = self.result.is_none_or(|result| result.started_at.is_some());
        [
            self.status().0.to_string(),
            self.place.theme.clone(),
            self.place.table.clone(),
            action.to_string(),
            version
                .map(|version| format!("v{version}"))
                .unwrap_or_default(),
            changed(|rows| rows.inserted).unwrap_or_default(),
            changed(|rows| rows.updated).unwrap_or_default(),
            changed(|rows| rows.deleted).unwrap_or_default(),
            changed(|rows| rows.unchanged).unwrap_or_default(),
            if ran {
                duration(self.elapsed)
            } else {
                String::new()
            },
            self.tests.text(),
        ]
    }

    fn cell(&self, column: usize, text: &str) -> Cell {
        let cell = Cell::new(text).set_alignment(COLUMNS[column].alignment);
        match column {
            STATUS => cell.fg(self.status().1),
            TABLE => cell.add_attribute(Attribute::Bold),
            TESTS if self.tests.failed + self.tests.broken > 0 => cell.fg(Color::Red),
            TESTS if self.tests.warned > 0 => cell.fg(Color::Yellow),
            _ => cell,
        }
    }
}

/// The columns that say something and fit, in their order.
fn columns_that_fit(rows: &[[String; COLUMNS.len()]], width: Option<usize>) -> Vec<usize> {
    let widest = |column: usize| {
        let cells = rows
            .iter()
            .map(|row| super::wording::width(&row[column]))
            .max();
        match cells {
            None | Some(0) => 0,
            Some(cells) => cells.max(COLUMNS[column].name.len()) + 2,
        }
    };
    let mut shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|column| widest(*column) > 0)
        .collect();
    let Some(width) = width else {
        return shown;
    };
    while shown.iter().map(|column| widest(*column)).sum::<usize>() > width + 2 {
        let Some(last) = shown
            .iter()
            .copied()
            .max_by_key(|column| COLUMNS[*column].rank)
        else {
            break;
        };
        if COLUMNS[last].rank == 0 {
            break;
        }
        shown.retain(|column| *column != last);
    }
    shown
}

/// How many tests ended how.
#[derive(Default)]
struct Tally {
    passed: u64,
    warned: u64,
    failed: u64,
    /// Tests whose query failed.
    broken: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Warned { .. } => self.warned += 1,
            Outcome::TestFailed { .. } => self.failed += 1,
            Outcome::Failed(_) => self.broken += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            _ => self.passed += 1,
        }
    }

    fn is_clean(&self) -> bool {
        self.warned + self.failed + self.broken + self.skipped == 0
    }

    /// `12 passed, 1 FAILED`
    fn text(&self) -> String {
        [
            (self.failed, "FAILED"),
            (self.broken, "BROKEN"),
            (self.warned, "warned"),
            (self.passed, "passed"),
            (self.skipped, "skipped"),
        ]
        .iter()
        .filter(|(value, _)| *value > 0)
        .map(|(value, what)| format!("{} {what}", number(*value)))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// How many models and seeds ended how.
#[derive(Default)]
struct Counts {
    written: u64,
    unchanged: u64,
    planned: u64,
    failed: u64,
    held: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Committed { .. } => self.written += 1,
            Outcome::Unchanged { .. } => self.unchanged += 1,
            Outcome::Failed(_) | Outcome::TestFailed { .. } => self.failed += 1,
            Outcome::Held { .. } => self.held += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            Outcome::Planned | Outcome::Passed | Outcome::Warned { .. } => self.planned += 1,
        }
    }
}
