//! What commands print that run nothing: mistakes of the project, the plan, lists, checks.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde_json::{Map, Value};

use super::super::args::{FindingsOutput, LsOutput};
use super::wording::{BAD, FAINT, GOOD, Line, PLAIN, STRONG, count, cut};
use super::{Place, Report, json};
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{Manifest, Node, NodeId};
use refx_core::plan::{Plan, Step};

/// One check of `refx debug`.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub result: Result<String, String>,
    /// The way out.
    pub help: Option<String>,
}

impl Report {
    /// A line of a command's own, such as where files were written. Not printed when quiet.
    pub fn note(&self, text: &str) {
        if !self.options.quiet && self.options.for_people() {
            self.say(&mut self.lock(), text);
        }
    }

    /// A result that was asked for, printed whatever `--quiet` says: SQL, a table of rows.
    pub fn result(&self, text: &str) {
        self.say(&mut self.lock(), text.strip_suffix('\n').unwrap_or(text));
    }

    /// All mistakes in one go, errors last, with a line that counts them. Prints nothing where
    /// there are none, nor where they are kept for a document.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic]) {
        let mut sorted: Vec<&Diagnostic> = diagnostics
            .iter()
            .filter(|diagnostic| {
                diagnostic.is_error() || !(self.options.no_warnings || self.options.quiet)
            })
            .collect();
        sorted.sort_by(|a, b| (a.severity, &a.span).cmp(&(b.severity, &b.span)));
        let mut state = self.lock();
        if self.options.findings != FindingsOutput::Text {
            state.told.extend(sorted.into_iter().cloned());
            return;
        }
        if self.options.json {
            for diagnostic in sorted {
                let line = json::told(diagnostic, None, &self.texts).line(chrono::Utc::now(), None);
                match self.options.document {
                    true => self.say_diagnostic(&mut state, &line),
                    false => self.say(&mut state, &line),
                }
            }
            return;
        }
        for diagnostic in &sorted {
            let text = self.excerpt(diagnostic);
            self.say_diagnostic(&mut state, &format!("{text}\n"));
        }
        let errors = sorted
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .count() as u64;
        let warnings = sorted.len() as u64 - errors;
        let parts: Vec<String> = [(errors, "error"), (warnings, "warning")]
            .iter()
            .filter(|(value, _)| *value > 0)
            .map(|(value, noun)| count(*value, noun))
            .collect();
        let mut files: Vec<&str> = sorted
            .iter()
            .filter_map(|diagnostic| Some(&*diagnostic.span.as_ref()?.file))
            .collect();
        files.sort_unstable();
        files.dedup();
        if !parts.is_empty() {
            let place = match files.len() as u64 {
                0 => String::new(),
                files => format!(" in {}", count(files, "file")),
            };
            let style = if errors > 0 { BAD } else { STRONG };
            let line = Line::default()
                .push(parts.join(", "), style)
                .push(place, PLAIN)
                .paint(None, self.options.colour_diagnostics);
            self.say_diagnostic(&mut state, &line);
        }
    }

    /// The steps of a plan: what each does and why. Tests are counted with their table.
    pub fn plan(&self, plan: &Plan, manifest: &Manifest) {
        let mut state = self.lock();
        if self.options.json {
            for (index, step) in plan.steps.iter().enumerate() {
                let name = manifest.get(&step.node).map_or("", Node::name);
                let after = step.after.iter().filter_map(|at| plan.steps.get(*at));
                let after = after.map(|step| step.node.to_string()).collect();
                let line = json::planned(step, index + 1, name, after);
                self.say(&mut state, &line.line(chrono::Utc::now(), None));
            }
            return;
        }
        let (steps, tests): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| !step.action.is_test());
        let mut counts: BTreeMap<&NodeId, u64> = BTreeMap::new();
        for test in &tests {
            *counts.entry(self.tables.about(&test.node)).or_default() += 1;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).force_no_tty();
        table.set_header(["step", "theme", "table", "action", "tests", "why"]);
        for (index, step) in steps.iter().enumerate() {
            let place = self.place(manifest, &step.node);
            table.add_row([
                (index + 1).to_string(),
                place.theme,
                place.table,
                step.action.as_str().to_string(),
                counts
                    .remove(&step.node)
                    .map(|tests| tests.to_string())
                    .unwrap_or_default(),
                step.reason.clone(),
            ]);
        }
        for (about, tests) in counts {
            let place = self.place(manifest, about);
            let tests = tests.to_string();
            table.add_row([
                String::new(),
                place.theme,
                place.table,
                "test".into(),
                tests,
                String::new(),
            ]);
        }
        for column in [0, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if !plan.steps.is_empty() {
            for line in table.lines() {
                let line = line.trim_end();
                let line = self
                    .options
                    .width
                    .map_or(line.to_string(), |width| cut(line, width));
                self.say(&mut state, &line);
            }
        }
        if !self.options.quiet {
            let closing = match (steps.len() as u64, tests.len() as u64) {
                (0, 0) => "nothing to do".to_string(),
                (steps, 0) => format!("{}; nothing was written", count(steps, "step")),
                (steps, tests) => format!(
                    "{} and {}; nothing was written",
                    count(steps, "step"),
                    count(tests, "test")
                ),
            };
            self.say(&mut state, &format!("\n{closing}"));
        }
    }

    /// The nodes of a selection, a line each, as `refx ls` prints them. `describe` gives a node's
    /// entry in `manifest.json`, for the format `json`.
    pub fn list<'a>(
        &self,
        nodes: impl IntoIterator<Item = &'a Node>,
        output: LsOutput,
        keys: &[String],
        describe: &dyn Fn(&NodeId) -> Map<String, Value>,
    ) {
        let mut state = self.lock();
        for node in nodes {
            let common = node.common();
            let line = match output {
                LsOutput::Name => match node {
                    Node::Source(source) => format!("{}.{}", source.source_name, common.name),
                    _ => common.name.clone(),
                },
                LsOutput::Path => common.path.to_string(),
                LsOutput::Selector => match node {
                    Node::Source(source) => {
                        format!(
                            "source:{}.{}.{}",
                            common.package, source.source_name, common.name
                        )
                    }
                    Node::Exposure(_) => format!("exposure:{}.{}", common.package, common.name),
                    _ => common.fqn.join("."),
                },
                LsOutput::Json => {
                    let entry = describe(&common.id);
                    let wanted: Vec<&str> = if keys.is_empty() {
                        LIST_KEYS.to_vec()
                    } else {
                        keys.iter().map(String::as_str).collect()
                    };
                    let picked: Map<String, Value> = wanted
                        .into_iter()
                        .filter_map(|key| Some((key.to_string(), entry.get(key)?.clone())))
                        .collect();
                    Value::Object(picked).to_string()
                }
            };
            self.say(&mut state, &line);
        }
    }

    /// The checks of `refx debug`; says whether all went well.
    pub fn checks(&self, checks: &[Check]) -> bool {
        let mut state = self.lock();
        let name_width = checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0);
        for check in checks {
            let (passed, said) = match &check.result {
                Ok(found) => (true, found),
                Err(wrong) => (false, wrong),
            };
            if self.options.json {
                let line = json::checked(check.name, passed, said, check.help.as_deref());
                self.say(&mut state, &line.line(chrono::Utc::now(), None));
                continue;
            }
            let (word, style) = if passed { ("ok", GOOD) } else { ("FAIL", BAD) };
            let line = Line::default()
                .column(word, 4, style)
                .column(check.name, name_width, STRONG)
                .push(said, PLAIN)
                .paint(None, self.options.colour);
            self.say(&mut state, &line);
            if let (false, Some(help)) = (passed, &check.help) {
                let line = Line::default()
                    .push(" ".repeat(name_width + 8), PLAIN)
                    .push(format!("help: {help}"), FAINT)
                    .paint(None, self.options.colour);
                self.say(&mut state, &line);
            }
        }
        let failed = checks.iter().filter(|check| check.result.is_err()).count() as u64;
        if !self.options.json {
            let closing = match failed {
                0 => "all checks passed".to_string(),
                failed => format!("{} failed", count(failed, "check")),
            };
            self.say(&mut state, &format!("\n{closing}"));
        }
        failed == 0
    }

    pub(super) fn place(&self, manifest: &Manifest, id: &NodeId) -> Place {
        match self.tables.places.get(id) {
            Some(place) => place.clone(),
            None => Place {
                theme: String::new(),
                table: manifest.get(id).map_or("", Node::name).to_string(),
            },
        }
    }
}

/// dbt's keys of `ls --output json`.
const LIST_KEYS: [&str; 10] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];
