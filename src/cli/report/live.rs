//! The live display: a line for each running step, and a bar for the whole.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::wording::{count, number};
use refx_core::manifest::NodeId;

/// Drawn on standard error, below the lines that stay.
pub struct Live {
    display: MultiProgress,
    overall: ProgressBar,
    running: HashMap<NodeId, (ProgressBar, String)>,
    failed: u64,
}

const TICK: Duration = Duration::from_millis(100);

impl Live {
    pub fn start(steps: usize, colour: bool) -> Self {
        let display = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bar = if colour {
            "{bar:30.cyan/dim}"
        } else {
            "{bar:30}"
        };
        let overall = display.add(ProgressBar::new(steps as u64).with_style(style(&format!(
            "{bar} {{pos}}/{{len}}  {{elapsed}}  {{msg}}"
        ))));
        overall.enable_steady_tick(TICK);
        Live {
            display,
            overall,
            running: HashMap::new(),
            failed: 0,
        }
    }

    pub fn begin(&mut self, node: &NodeId, label: String) {
        let line = self.display.insert_before(
            &self.overall,
            ProgressBar::new_spinner()
                .with_style(style("{spinner}     {elapsed:>8}  {wide_msg}"))
                .with_message(label.clone()),
        );
        line.enable_steady_tick(TICK);
        self.running.insert(node.clone(), (line, label));
    }

    pub fn rows(&self, node: &NodeId, rows: u64) {
        if let Some((line, label)) = self.running.get(node) {
            line.set_message(format!("{label}  {} rows so far", number(rows)));
        }
    }

    pub fn end(&mut self, node: &NodeId, failed: bool) {
        if let Some((line, _)) = self.running.remove(node) {
            line.finish_and_clear();
            self.display.remove(&line);
        }
        if failed {
            self.failed += 1;
            self.overall.set_message(count(self.failed, "failure"));
        }
        self.overall.inc(1);
    }

    /// Runs `write` while nothing is drawn.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.display.suspend(write)
    }

    pub fn clear(&self) {
        for (line, _) in self.running.values() {
            line.finish_and_clear();
        }
        self.overall.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .tick_strings(&["·", "•", "●", "•", " "])
        .progress_chars("━━─")
}
