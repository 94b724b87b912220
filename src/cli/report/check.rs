//! What a check came to, in a line for each node that could not be checked and one for all.

use std::time::Duration;

use super::Report;
use super::wording::{BAD, CAREFUL, FAINT, GOOD, Line, PLAIN, STRONG, count, duration, number};
use refx_core::graph::NodeSet;
use refx_core::manifest::{Manifest, ResourceType};
use refx_engine::check::{Answers, Outcome};

/// How a check ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub elapsed: Duration,
    /// Whether anything is wrong, in what was planned or before.
    pub failed: bool,
}

impl Report {
    /// Tells which of the nodes were planned, and why the others were not.
    pub fn checked(&self, manifest: &Manifest, answers: &Answers, nodes: &NodeSet, ended: Ended) {
        if self.options.quiet || !self.options.for_people() {
            return;
        }
        let mut tally = Tally::default();
        let mut lines = Vec::new();
        for id in nodes {
            let (Some(node), Some(checked)) = (manifest.get(id), answers.get(id)) else {
                continue;
            };
            tally.add(node.resource_type(), &checked.outcome, checked.remembered);
            if let Outcome::NotChecked { because } = &checked.outcome
                && because != id
                && matches!(
                    node.resource_type(),
                    ResourceType::Model | ResourceType::Seed | ResourceType::Analysis
                )
            {
                let failed = answers
                    .get(because)
                    .is_some_and(|checked| matches!(checked.outcome, Outcome::Failed));
                let why = if failed { "failed" } else { "is not checked" };
                let because = self.tables.name(because);
                lines.push(
                    Line::default()
                        .column("not checked", 11, CAREFUL)
                        .column(&self.tables.name(id), self.tables.table_width, STRONG)
                        .push(format!("because `{because}` {why}"), FAINT),
                );
            }
        }
        let mut state = self.lock();
        for line in &lines {
            let text = line.paint(self.options.width, self.options.colour);
            self.say(&mut state, &text);
        }
        if !lines.is_empty() {
            self.say(&mut state, "");
        }
        let line = tally.line(ended).paint(None, self.options.colour);
        self.say(&mut state, &line);
    }
}

/// How many of each.
#[derive(Default)]
struct Tally {
    models: u64,
    tests: u64,
    others: u64,
    failed: u64,
    not_checked: u64,
    remembered: u64,
}

impl Tally {
    fn add(&mut self, kind: ResourceType, outcome: &Outcome, remembered: bool) {
        self.remembered += u64::from(remembered);
        match outcome {
            Outcome::Failed => self.failed += 1,
            Outcome::NotChecked { .. } => self.not_checked += 1,
            Outcome::Planned(_) => match kind {
                ResourceType::Model => self.models += 1,
                ResourceType::Test => self.tests += 1,
                _ => self.others += 1,
            },
        }
    }

    fn line(&self, ended: Ended) -> Line {
        let planned = [(self.models, "model"), (self.tests, "test")];
        let planned = planned.iter().filter(|(value, _)| *value > 0);
        let planned: Vec<String> = planned.map(|(value, noun)| count(*value, noun)).collect();
        let planned = match planned.is_empty() {
            true => "nothing".to_string(),
            false => planned.join(" and "),
        };
        let (word, style) = match ended.failed {
            false => ("checked", GOOD),
            true => ("failed", BAD),
        };
        let mut line = Line::default()
            .push(format!("{word} in {}", duration(ended.elapsed)), style)
            .push(format!(": {planned} planned"), PLAIN);
        if self.failed > 0 {
            line = line.push(format!(", {} failed", number(self.failed)), BAD);
        }
        if self.not_checked > 0 {
            line = line.push(
                format!(", {} not checked", number(self.not_checked)),
                CAREFUL,
            );
        }
        if self.remembered > 0 {
            let what = format!(" ({} as in the last check)", number(self.remembered));
            line = line.push(what, FAINT);
        }
        line
    }
}
