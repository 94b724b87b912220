//! Events as JSON, one object a line, for `--log-format json`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::wording;
use super::{Did, Texts};
use refx_core::diagnostic::{Diagnostic, Severity};
use refx_core::manifest::NodeId;
use refx_core::plan::Step;
use refx_engine::run::{
    Event, Outcome, RowCounts, RunInfo, RunSummary, SkipReason, StepInfo, StepResult,
};

/// Rises when a field of a line changes its meaning or is removed. New fields and events may be added
/// at any time.
const LOG_VERSION: u64 = 1;

/// One line. Fields that an event has no value for are left out; those that it has keep this order.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(title = "refx --log-format json")]
pub struct Record {
    /// The version of this format. It rises when a field changes its meaning or is removed.
    log_version: u64,
    /// `run_started`, `step_started`, `step_progress`, `step_finished`, `message`, `diagnostic`,
    /// `run_finished`; of other commands `plan_step`, `check` and `table_maintained`.
    event: &'static str,
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// When the line was written, RFC 3339 in UTC.
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<Arc<str>>,
    /// dbt's unique id of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    theme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    /// One-based position among the steps of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    /// dbt's word: `success`, `pass`, `warn`, `fail`, `error`, `skipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Whether the step made a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    /// Delta version of the table after the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<RowCounts>,
    /// Rows that a running step's query has given.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_so_far: Option<u64>,
    /// Rows that a test found.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed: Option<f64>,
    /// Why a step does what it does, or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Ids of the nodes that a planned step waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Relative to the project root.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// One-based.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// One-based, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<RunSummary>,
    /// What the maintenance of a table counted, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Map<String, Value>>,
}

impl Record {
    fn new(event: &'static str) -> Self {
        Record {
            log_version: LOG_VERSION,
            event,
            level: "info",
            ..Record::default()
        }
    }

    /// The line's text.
    pub fn line(mut self, now: DateTime<Utc>, invocation_id: Option<&Arc<str>>) -> String {
        self.time = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        self.invocation_id = invocation_id.cloned();
        serde_json::to_string(&self).unwrap_or_else(|error| format!("{{\"event\":\"{error}\"}}"))
    }

    fn step(mut self, info: &StepInfo) -> Self {
        self.node = Some(info.node.to_string());
        self.name = Some(info.name.clone());
        self.resource_type = Some(info.resource_type.as_str());
        self.theme = Some(info.theme.clone()).filter(|theme| !theme.is_empty());
        self.action = Some(info.action);
        self.index = Some(info.index);
        self.total = Some(info.total);
        self
    }

    fn diagnostic(mut self, diagnostic: &Diagnostic, texts: &Texts) -> Self {
        self.level = match diagnostic.severity {
            Severity::Warning => "warn",
            Severity::Error => "error",
        };
        self.message = Some(diagnostic.message.clone());
        self.code = Some(diagnostic.code.as_str());
        if let Some(span) = &diagnostic.span {
            self.file = Some(span.file.to_string());
            if let Some(text) = texts(&span.file) {
                let (line, column) = span.position(&text);
                self.line = Some(line);
                self.column = Some(column);
            }
        }
        self.notes.clone_from(&diagnostic.notes);
        self.help.clone_from(&diagnostic.help);
        self
    }
}

/// The lines of an event: one, and one more for each warning of a finished step.
pub fn records(event: &Event, texts: &Texts) -> Vec<Record> {
    match event {
        Event::RunStarted(info) => vec![Record {
            total: Some(info.steps),
            run: Some(info.clone()),
            ..Record::new("run_started")
        }],
        Event::StepStarted(info) => vec![Record::new("step_started").step(info)],
        Event::StepProgress { node, rows } => vec![Record {
            node: Some(node.to_string()),
            rows_so_far: Some(*rows),
            ..Record::new("step_progress")
        }],
        Event::StepFinished(result) => {
            let mut records = vec![finished(result, texts)];
            records.extend(
                result
                    .warnings
                    .iter()
                    .map(|warning| told(warning, Some(&result.info.node), texts)),
            );
            records
        }
        Event::Message { text, node } => vec![Record {
            node: node.as_ref().map(NodeId::to_string),
            message: Some(text.clone()),
            ..Record::new("message")
        }],
        Event::Diagnostic(diagnostic) => vec![told(diagnostic, None, texts)],
        Event::RunFinished(summary) => vec![Record {
            elapsed: Some(seconds(summary.elapsed)),
            summary: Some(summary.clone()),
            ..Record::new("run_finished")
        }],
    }
}

fn finished(result: &StepResult, texts: &Texts) -> Record {
    let mut record = Record::new("step_finished").step(&result.info);
    record.status = Some(result.outcome.status());
    record.elapsed = Some(seconds(result.elapsed));
    match &result.outcome {
        Outcome::Committed { version, rows } => {
            record.changed = Some(true);
            record.version = Some(*version);
            record.rows = Some(*rows);
            record
        }
        Outcome::Unchanged { version, rows } => {
            record.changed = Some(false);
            record.version = *version;
            record.rows = Some(*rows);
            record
        }
        Outcome::Planned => record,
        Outcome::Passed => Record {
            failures: Some(0),
            ..record
        },
        Outcome::Warned {
            failures,
            diagnostic,
        }
        | Outcome::TestFailed {
            failures,
            diagnostic,
        } => {
            record.failures = Some(*failures);
            record.diagnostic(diagnostic, texts)
        }
        Outcome::Held {
            version,
            diagnostic,
        } => {
            record.version = *version;
            record.diagnostic(diagnostic, texts)
        }
        Outcome::Failed(diagnostic) => record.diagnostic(diagnostic, texts),
        Outcome::Skipped(reason) => {
            record.level = "warn";
            record.reason = Some(wording::skipped(reason, NodeId::to_string));
            if let SkipReason::Upstream(id) = reason {
                record.after = Some(vec![id.to_string()]);
            }
            record
        }
    }
}

/// A diagnostic by itself.
pub fn told(diagnostic: &Diagnostic, node: Option<&NodeId>, texts: &Texts) -> Record {
    Record {
        node: node.map(NodeId::to_string),
        ..Record::new("diagnostic").diagnostic(diagnostic, texts)
    }
}

/// A step of a plan, with its position and the ids that it waits for.
pub fn planned(step: &Step, index: usize, name: &str, after: Vec<String>) -> Record {
    Record {
        node: Some(step.node.to_string()),
        name: Some(name.to_string()),
        action: Some(step.action.as_str()),
        index: Some(index),
        reason: Some(step.reason.clone()),
        after: Some(after),
        ..Record::new("plan_step")
    }
}

/// A check of `refx debug`.
pub fn checked(name: &str, passed: bool, message: &str, help: Option<&str>) -> Record {
    Record {
        level: if passed { "info" } else { "error" },
        name: Some(name.to_string()),
        status: Some(if passed { "pass" } else { "fail" }),
        message: Some(message.to_string()),
        help: help.map(str::to_string),
        ..Record::new("check")
    }
}

/// What `vacuum`, `optimize`, `checkpoint` or `restore` did to a table.
pub fn maintained(
    node: &NodeId,
    name: &str,
    action: &'static str,
    did: &Did,
    texts: &Texts,
) -> Record {
    let mut record = Record {
        node: Some(node.to_string()),
        name: Some(name.to_string()),
        action: Some(action),
        ..Record::new("table_maintained")
    };
    match did {
        Did::Done {
            said,
            version,
            figures,
        } => {
            record.status = Some("success");
            record.version = version.and_then(|version| u64::try_from(version).ok());
            record.message = Some(said.clone());
            record.figures = Some(figures.clone());
            record
        }
        Did::Nothing(said) => Record {
            status: Some("success"),
            changed: Some(false),
            message: Some(said.clone()),
            ..record
        },
        Did::Skipped(reason) => Record {
            level: "warn",
            status: Some("skipped"),
            reason: Some(reason.clone()),
            ..record
        },
        Did::Failed(diagnostic) => {
            record.status = Some("error");
            record.diagnostic(diagnostic, texts)
        }
    }
}

fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
