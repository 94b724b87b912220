//! What became of the steps of a run as JUnit XML, for the reports of GitLab, GitHub and others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{Report, wording};
use refx_core::diagnostic::{self, Diagnostic};
use refx_core::manifest::Manifest;
use refx_engine::run::{Outcome, RunResults, StepResult};

impl Report {
    /// A suite for each table, with a case for the table itself where it was made, and for each of its
    /// tests. Secrets are taken out.
    ///
    /// # Errors
    /// None that is known of: the text is made in memory.
    pub fn junit(&self, done: &RunResults, manifest: &Manifest) -> anyhow::Result<String> {
        let mut steps: Vec<&Arc<StepResult>> = done.steps.iter().collect();
        steps.sort_by_key(|step| step.info.index);
        let mut suites: Vec<TestSuite> = Vec::new();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for step in steps {
            let about = self.tables.about(&step.info.node);
            let place = self.tables.place(&step.info);
            let name = match place.theme.as_str() {
                "" => place.table,
                theme => format!("{theme}.{}", place.table),
            };
            let suite = *at.entry(about.as_str()).or_insert_with(|| {
                suites.push(TestSuite::new(name.as_str()));
                suites.len() - 1
            });
            let mut case = self.case(step);
            case.set_classname(name.as_str());
            if let Some(node) = manifest.get(&step.info.node) {
                let file = XmlString::new(&*node.common().path);
                case.extra.insert(XmlString::new("file"), file);
            }
            suites[suite].add_test_case(case);
        }
        let mut report = quick_junit::Report::new("refx");
        report.set_time(done.summary.elapsed);
        for mut suite in suites {
            let times = suite.test_cases.iter().filter_map(|case| case.time);
            suite.set_time(times.sum::<Duration>());
            report.add_test_suite(suite);
        }
        Ok(report.to_string()?)
    }

    fn case(&self, step: &StepResult) -> TestCase {
        let status = match &step.outcome {
            Outcome::TestFailed { diagnostic, .. } => {
                self.failed(NonSuccessKind::Failure, diagnostic)
            }
            Outcome::Failed(diagnostic) | Outcome::Held { diagnostic, .. } => {
                self.failed(NonSuccessKind::Error, diagnostic)
            }
            Outcome::Skipped(reason) => {
                let mut status = TestCaseStatus::skipped();
                let why = wording::skipped(reason, |id| self.tables.name(id));
                status.set_message(why);
                status
            }
            Outcome::Committed { .. }
            | Outcome::Unchanged { .. }
            | Outcome::Planned
            | Outcome::Passed
            | Outcome::Warned { .. } => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(step.info.name.as_str(), status);
        case.set_time(step.elapsed);
        if let Some(started_at) = step.started_at {
            case.set_timestamp(started_at);
        }
        let warned = match &step.outcome {
            Outcome::Warned { diagnostic, .. } => Some(diagnostic),
            _ => None,
        };
        let told: Vec<String> = (step.warnings.iter().chain(warned))
            .map(|diagnostic| self.plain(diagnostic))
            .collect();
        if !told.is_empty() {
            case.set_system_out(told.join("\n\n"));
        }
        case
    }

    fn failed(&self, kind: NonSuccessKind, diagnostic: &Diagnostic) -> TestCaseStatus {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message((self.redact)(&diagnostic.message));
        status.set_type(diagnostic.code.as_str());
        status.set_description(self.plain(diagnostic));
        status
    }

    /// A diagnostic as it is printed, without colour.
    fn plain(&self, diagnostic: &Diagnostic) -> String {
        let texts = self.texts_of(diagnostic);
        let text = |file: &str| texts.get(file).map(String::as_str);
        (self.redact)(&diagnostic::render(diagnostic, &text, false))
    }
}
