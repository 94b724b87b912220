//! What the care of tables prints: a line a table, the errors, and one closing line; the history of
//! a table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value};

use super::super::args::HistoryOutput;
use super::wording::{
    BAD, CAREFUL, FAINT, GOOD, Line, PLAIN, STRONG, count, cut, duration, number,
};
use super::{Report, documents, json};
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{Manifest, NodeId};
use refx_engine::delta::maintain::Change;

/// What became of one table.
#[derive(Clone, Debug)]
pub enum Did {
    Done {
        /// What was done, for people.
        said: String,
        /// The version that it made.
        version: Option<i64>,
        /// The same, for programs.
        figures: Map<String, Value>,
    },
    /// There was nothing to do, and why.
    Nothing(String),
    /// There is no table, and why.
    Skipped(String),
    Failed(Diagnostic),
}

/// What became of all tables.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub done: u64,
    pub nothing: u64,
    pub skipped: u64,
    pub failed: Vec<Diagnostic>,
    /// Those that an interrupt left undone.
    pub undone: u64,
    /// Nothing was done, only looked at.
    pub dry_run: bool,
}

impl Totals {
    pub fn add(&mut self, did: Did) {
        match did {
            Did::Done { .. } => self.done += 1,
            Did::Nothing(_) => self.nothing += 1,
            Did::Skipped(_) => self.skipped += 1,
            Did::Failed(diagnostic) => self.failed.push(diagnostic),
        }
    }
}

impl Report {
    /// The line of one table.
    pub fn maintained(
        &self,
        manifest: &Manifest,
        node: &NodeId,
        command: &'static str,
        did: &Did,
        elapsed: Duration,
    ) {
        let place = self.place(manifest, node);
        let (word, style, said) = match did {
            Did::Done { said, .. } => ("ok", GOOD, said.as_str()),
            Did::Nothing(said) => ("same", FAINT, said.as_str()),
            Did::Skipped(reason) => ("skip", CAREFUL, reason.as_str()),
            Did::Failed(diagnostic) => {
                let line = diagnostic.message.lines().next();
                ("FAIL", BAD, line.unwrap_or_default())
            }
        };
        let failed = matches!(did, Did::Failed(_));
        if self.options.quiet && !failed {
            return;
        }
        let mut state = self.lock();
        if self.options.json {
            let record = json::maintained(node, &place.table, command, did, &self.texts);
            return self.say(&mut state, &record.line(Utc::now(), None));
        }
        let line = Line::default()
            .column(word, 4, style)
            .column(&format!("{:>7}", duration(elapsed)), 7, FAINT)
            .column(&place.theme, self.tables.theme_width, FAINT)
            .column(&place.table, self.tables.table_width, STRONG)
            .push(said, if failed { BAD } else { PLAIN })
            .paint(self.options.width, self.options.colour);
        self.say(&mut state, &line);
    }

    /// What is left to say: the errors with the way out, each once, and how it all ended.
    pub fn maintenance_ended(&self, totals: &Totals, what: &str, elapsed: Duration) {
        let mut state = self.lock();
        if self.options.json {
            return;
        }
        let mut distinct: Vec<(Diagnostic, u64)> = Vec::new();
        for diagnostic in &totals.failed {
            let same = |(other, _): &&mut (Diagnostic, u64)| {
                other.message == diagnostic.message && other.help == diagnostic.help
            };
            match distinct.iter_mut().find(same) {
                Some((_, more)) => *more += 1,
                None => distinct.push((diagnostic.clone(), 0)),
            }
        }
        for (diagnostic, more) in distinct {
            let diagnostic = match more {
                0 => diagnostic,
                more => diagnostic.note(format!("so it is with {}", count(more, "more table"))),
            };
            let text = self.excerpt(&diagnostic);
            self.say_diagnostic(&mut state, &format!("\n{text}"));
        }
        let parts = [
            (totals.failed.len() as u64, "failed"),
            (totals.undone, "not done"),
            (totals.done, what),
            (totals.nothing, "with nothing to do"),
            (totals.skipped, "skipped"),
        ];
        let mut said: Vec<String> = Vec::new();
        for (value, what) in parts {
            match (value, said.is_empty()) {
                (0, _) => {}
                (value, true) => said.push(format!("{} {what}", count(value, "table"))),
                (value, false) => said.push(format!("{} {what}", number(value))),
            }
        }
        if said.is_empty() {
            said.push("nothing to do".to_string());
        }
        let kept = match totals.dry_run {
            true => "; nothing was changed",
            false => "",
        };
        let (word, style) = match (totals.undone > 0, totals.failed.is_empty()) {
            (true, _) => ("interrupted", CAREFUL),
            (_, false) => ("failed", BAD),
            (_, true) => ("done", GOOD),
        };
        let line = Line::default()
            .push(word, style)
            .push(
                format!(" in {}: {}{kept}", duration(elapsed), said.join(", ")),
                PLAIN,
            )
            .paint(None, self.options.colour);
        let gap = if self.options.quiet && totals.failed.is_empty() {
            ""
        } else {
            "\n"
        };
        self.say(&mut state, &format!("{gap}{line}"));
    }

    /// The commits of a table, newest first.
    pub fn history(&self, node: &NodeId, changes: &[Change], output: HistoryOutput) {
        let mut state = self.lock();
        if output == HistoryOutput::Json {
            let document = documents::History::new(node, changes);
            return self.say(&mut state, &document.text());
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).force_no_tty();
        table.set_header([
            "version",
            "when",
            "operation",
            "inserted",
            "updated",
            "deleted",
            "as of",
            "by",
        ]);
        for change in changes {
            let rows = |value: Option<u64>| value.map(number).unwrap_or_default();
            table.add_row([
                change.version.to_string(),
                minute(change.at),
                change.operation.clone(),
                rows(change.rows.inserted),
                rows(change.rows.updated),
                rows(change.rows.deleted),
                as_of(change),
                by(change),
            ]);
        }
        for column in [0, 3, 4, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            let line = line.trim_end();
            let width = self.options.width.unwrap_or(usize::MAX);
            self.say(&mut state, &cut(line, width));
        }
    }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn as_of(change: &Change) -> String {
    let text = change.as_of.as_deref().unwrap_or_default();
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => minute(at.to_utc()),
        Err(_) => text.to_string(),
    }
}

/// The beginning of the run's id, or the name of another tool.
fn by(change: &Change) -> String {
    const SHOWN: usize = 8;
    match (&change.run_id, &change.engine) {
        (Some(run), _) => format!("run {}", run.chars().take(SHOWN).collect::<String>()),
        (None, Some(engine)) => engine.clone(),
        (None, None) => "unknown".to_string(),
    }
}
