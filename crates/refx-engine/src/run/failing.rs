//! What a failed test says: how many rows or values it found, and some of them.

use serde_json::Value;

use super::verdict::Prepared;
use crate::delta::MASKED;
use crate::engine::Answer;
use refx_core::compile::written;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::TestKind;

/// Failing rows that are shown with a failure.
const SAMPLES: usize = 3;

/// The column of a test that gives a row for each value: how many rows of the table have it.
const RECORDS: &str = "n_records";

impl Prepared<'_> {
    /// What failed, with some of the rows.
    pub(super) async fn tell(&self, failures: u64, kept: Option<&str>) -> Diagnostic {
        let test = self.test;
        let sql = written(&self.compiled);
        let sample = format!("select * from (\n{sql}\n) as found limit {SAMPLES}");
        let sample = self.session.rows_as_json(&sample, SAMPLES).await.ok();
        let (found, of) = match self.of_values(sql, sample.as_ref()).await {
            Some(found) => (found, "of"),
            None => (counted(failures, "row"), "in"),
        };
        let what = match &test.kind {
            TestKind::Generic { name, column, .. } => {
                let subject = test
                    .attached
                    .as_ref()
                    .and_then(|id| id.as_str().rsplit('.').next())
                    .unwrap_or_default();
                match column {
                    Some(column) => format!("`{name}` found {found} {of} `{subject}.{column}`"),
                    None => format!("`{name}` found {found} {of} `{subject}`"),
                }
            }
            TestKind::Singular { .. } => format!("`{}` found {found}", test.common.name),
        };
        let diagnostic = Diagnostic::error(Code::TestFailed, what).at(test.common.span.clone());
        let shown = sample.map(|answer| self.shown(answer)).unwrap_or_default();
        let diagnostic = shown.into_iter().fold(diagnostic, Diagnostic::note);
        let name = &test.common.name;
        diagnostic.help(match (kept, self.unpublished) {
            (Some(folder), _) => format!("the rows are kept in the table `{folder}`"),
            // What `refx show` reads is the table, and the rows are not in it.
            (None, true) => "the table was not published; see all of the rows with \
                `--store-failures`"
                .to_owned(),
            (None, false) => format!("see them with `refx show {name}`"),
        })
    }

    /// `1 value in 480 rows`, of a test that gives a row for each value.
    async fn of_values(&self, sql: &str, sample: Option<&Answer>) -> Option<String> {
        let mut columns = sample?.columns.iter();
        columns.find(|(name, _)| name == RECORDS)?;
        let totals = format!("select count(*), sum({RECORDS}) from (\n{sql}\n) as found");
        let totals = self.session.rows_as_json(&totals, 1).await.ok()?;
        let mut totals = totals.rows.into_iter().next()?.into_iter();
        let (values, rows) = (totals.next()?.as_u64()?, totals.next()?.as_u64()?);
        Some(format!(
            "{} in {}",
            counted(values, "value"),
            counted(rows, "row")
        ))
    }

    /// The rows, a line each. Of a wide one the key and the tested column are enough.
    fn shown(&self, answer: Answer) -> Vec<String> {
        let tested = match &self.test.kind {
            TestKind::Generic { column, .. } => column.as_deref(),
            TestKind::Singular { .. } => None,
        };
        let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
        let has = |wanted: &String| answer.columns.iter().any(|(name, _)| is(name, wanted));
        let by_key = !self.key.is_empty() && self.key.iter().all(has);
        let is_shown = |name: &str| {
            !by_key
                || self.key.iter().any(|key| is(name, key))
                || tested.is_some_and(|tested| is(name, tested))
        };
        // The tests of a column call its values by names of their own: `value_field`.
        let tests_personal =
            tested.is_some_and(|tested| self.personal.contains(&tested.to_lowercase()));
        let is_masked = |name: &str| {
            self.personal.contains(&name.to_lowercase())
                || (tests_personal && !by_key && name != RECORDS)
        };
        let line = |row: Vec<Value>| {
            let cells = answer.columns.iter().zip(row);
            let cells = cells.filter(|((name, _), _)| is_shown(name));
            let cells: Vec<String> = cells
                .map(|((name, _), value)| match value {
                    Value::Null => format!("{name} is NULL"),
                    _ if is_masked(name) => format!("{name} = {MASKED}"),
                    Value::String(text) => format!("{name} = {text}"),
                    value => format!("{name} = {value}"),
                })
                .collect();
            cells.join(", ")
        };
        answer.rows.into_iter().map(line).collect()
    }
}

fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}
