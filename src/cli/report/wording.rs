//! How numbers, times and lines are written, here and nowhere else.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::styling::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use refx_core::manifest::NodeId;
use refx_engine::run::{Outcome, RowCounts, SkipReason};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const CAREFUL: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();
pub const STRONG: Style = Style::new().bold();
pub const PLAIN: Style = Style::new();

/// `12,345`
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An instant as `--as-of` takes it.
pub fn instant(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `1 table`, `12,345 tables`
pub fn count(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(value))
}

/// `812 B`, `3.4 kB`, `1.2 GB`: a kB is a thousand bytes.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        // What would be rounded up to a thousand belongs to the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{value:.1} {unit}"),
    }
}

/// `0.4 s`, `2 min 05 s`, `1 h 02 min`
pub fn duration(elapsed: Duration) -> String {
    let tenths = (elapsed.as_millis() + 50) / 100;
    let seconds = tenths / 10;
    if seconds < 60 {
        format!("{seconds}.{} s", tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60)
    }
}

/// `1,999 inserted, 3 updated`
pub fn changes(rows: &RowCounts) -> String {
    let parts: Vec<String> = [
        (rows.inserted, "inserted"),
        (rows.updated, "updated"),
        (rows.deleted, "deleted"),
    ]
    .iter()
    .filter(|(value, _)| *value > 0)
    .map(|(value, what)| format!("{} {what}", number(*value)))
    .collect();
    if parts.is_empty() {
        "no rows".to_string()
    } else {
        parts.join(", ")
    }
}

/// The word that begins a step's line, readable without colour.
pub fn status(outcome: &Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Committed { .. } | Outcome::Planned | Outcome::Passed => ("ok", GOOD),
        Outcome::Unchanged { .. } => ("same", FAINT),
        Outcome::Warned { .. } => ("warn", CAREFUL),
        Outcome::Held { .. } => ("HELD", BAD),
        Outcome::TestFailed { .. } | Outcome::Failed(_) => ("FAIL", BAD),
        Outcome::Skipped(_) => ("skip", CAREFUL),
    }
}

/// Why a step was not run.
pub fn skipped(reason: &SkipReason, name: impl Fn(&NodeId) -> String) -> String {
    match reason {
        SkipReason::Upstream(id) => format!("not run, because `{}` failed", name(id)),
        SkipReason::FailFast => "not run, because of an earlier failure and `--fail-fast`".into(),
        SkipReason::Interrupted => "not run: interrupted".into(),
    }
}

/// The columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text, cut to so many columns with an ellipsis where it is longer.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut kept = String::new();
    let mut taken = 1;
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        kept.push(character);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// A line in pieces, so that it can be measured and cut before it is coloured.
#[derive(Default)]
pub struct Line(Vec<(String, Style)>);

impl Line {
    pub fn push(mut self, text: impl Into<String>, style: Style) -> Self {
        self.0.push((text.into(), style));
        self
    }

    /// Adds a text, filled up with spaces to so many columns and two more.
    pub fn column(self, text: &str, columns: usize, style: Style) -> Self {
        let fill = " ".repeat(columns.saturating_sub(width(text)) + 2);
        self.push(text, style).push(fill, PLAIN)
    }

    /// The line as it is printed, without spaces at its end.
    pub fn paint(&self, columns: Option<usize>, colour: bool) -> String {
        let mut left = columns.unwrap_or(usize::MAX);
        let mut painted = String::new();
        let mut pieces = self.0.as_slice();
        while let [rest @ .., (text, _)] = pieces
            && text.trim().is_empty()
        {
            pieces = rest;
        }
        for (text, style) in pieces {
            let text = cut(text, left);
            left -= width(&text);
            if colour && *style != PLAIN && !text.is_empty() {
                painted.push_str(&format!("{style}{text}{style:#}"));
            } else {
                painted.push_str(&text);
            }
        }
        painted.truncate(painted.trim_end().len());
        painted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!(number(7), "7");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "table"), "1 table");
        assert_eq!(count(1999, "row"), "1,999 rows");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_960), "1.0 MB");
        assert_eq!(size(1_234_567_890), "1.2 GB");
        assert_eq!(duration(Duration::from_millis(349)), "0.3 s");
        assert_eq!(duration(Duration::from_millis(59_960)), "1 min 00 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(duration(Duration::from_secs(3725)), "1 h 02 min");
    }

    #[test]
    fn a_long_line_ends_in_an_ellipsis() {
        assert_eq!(cut("consumption", 11), "consumption");
        assert_eq!(cut("consumption", 6), "consu…");
        assert_eq!(cut("消費する", 5), "消費…");
        let line = Line::default()
            .column("ok", 4, GOOD)
            .push("user_360", PLAIN);
        assert_eq!(line.paint(None, false), "ok    user_360");
        assert_eq!(line.paint(Some(10), false), "ok    use…");
        assert_eq!(line.paint(None, true), "\u{1b}[32mok\u{1b}[0m    user_360");
    }
}
