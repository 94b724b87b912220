//! Comments that silence lint where they stand.
//!
//! ```sql
//! limit 10 -- refx: allow(no-order) a sample for the eye
//!
//! -- refx: allow(wall-clock, no-order)
//! {# refx: allow(wall-clock) #}
//! -- refx: allow-file(integer-division)
//! ```
//! At the end of a line the comment is for that line; on a line of its own, for the next one that
//! holds something else; `allow-file` is for the whole file. In YAML the comment begins with `#`.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use refx_core::diagnostic::{Code, Diagnostic, Severity, Span};
use refx_core::project::config::Lint;

/// One rule in one comment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Allow {
    pub(super) rule: Code,
    /// The rule's name in the comment.
    pub(super) place: Span,
    covers: Covers,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Covers {
    File,
    /// A line, counted from 1.
    Line(usize),
}

impl Allow {
    /// Whether the comment speaks of a place. `text` is that of the comment's file.
    pub(super) fn covers(&self, span: &Span, text: &str) -> bool {
        span.file == self.place.file
            && match self.covers {
                Covers::File => true,
                Covers::Line(line) => span.position(text).0 == line,
            }
    }
}

/// The comments in a file, and what is wrong with them.
pub(super) fn parse(file: &Arc<str>, text: &str) -> (Vec<Allow>, Vec<Diagnostic>) {
    static COMMENT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:--|#|/\*)\s*refx:\s*([A-Za-z_-]+)\s*\(([^)\n]*)\)")
            .expect("the pattern is ours")
    });
    let mut allows = Vec::new();
    let mut diagnostics = Vec::new();
    for found in COMMENT.captures_iter(text) {
        let (Some(whole), Some(word), Some(rules)) = (found.get(0), found.get(1), found.get(2))
        else {
            continue;
        };
        let covers = match word.as_str() {
            "allow" => Covers::Line(line_of(text, whole.start())),
            "allow-file" => Covers::File,
            other => {
                let span = Span::new(file.clone(), word.range());
                let message = format!("no comment `refx: {other}(…)`");
                diagnostics.push(error(message, span).did_you_mean(other, ["allow", "allow-file"]));
                continue;
            }
        };
        for (start, name) in words(rules.as_str()) {
            let start = rules.start() + start;
            let place = Span::new(file.clone(), start..start + name.len());
            match Lint::rule(name) {
                Some(rule) => allows.push(Allow {
                    rule,
                    place,
                    covers,
                }),
                None => {
                    let message = format!("no rule named `{name}`");
                    diagnostics.push(error(message, place).did_you_mean(name, Lint::names()));
                }
            }
        }
    }
    (allows, diagnostics)
}

fn error(message: String, place: Span) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        ..Diagnostic::warning(Code::UnknownRule, message).at(place)
    }
}

/// The words of a list, each with its offset.
fn words(list: &str) -> impl Iterator<Item = (usize, &str)> {
    list.split(',').filter_map(move |part| {
        let word = part.trim();
        let start = word.as_ptr() as usize - list.as_ptr() as usize;
        (!word.is_empty()).then_some((start, word))
    })
}

/// The line that a comment at an offset speaks of.
fn line_of(text: &str, start: usize) -> usize {
    let before = &text[..start];
    let own = before.matches('\n').count() + 1;
    let beside = before.rsplit('\n').next().unwrap_or_default();
    if !is_comment_or_blank(beside) {
        return own;
    }
    let after = text.lines().enumerate().skip(own);
    let mut spoken_of = after.filter(|(_, line)| !is_comment_or_blank(line));
    spoken_of.next().map_or(own, |(index, _)| index + 1)
}

/// Whether a line, or its beginning, holds nothing but a comment. One that spans lines is not seen.
fn is_comment_or_blank(line: &str) -> bool {
    let line = line.trim();
    let comments = [("{#", "#}"), ("/*", "*/")];
    line.is_empty()
        || line == "{"
        || line.starts_with("--")
        || (line.starts_with('#') && !line.starts_with("#}"))
        || comments
            .iter()
            .any(|(begin, end)| line.starts_with(begin) && line.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(&'static str, Covers)> {
        let (allows, diagnostics) = parse(&"a.sql".into(), text);
        assert_eq!(diagnostics, []);
        allows
            .iter()
            .map(|allow| (allow.rule.as_str(), allow.covers))
            .collect()
    }

    #[test]
    fn a_comment_is_for_its_line_or_the_next() {
        assert_eq!(
            lines("select a\nlimit 1 -- refx: allow(no-order) one will do\n"),
            [("no-order", Covers::Line(2))]
        );
        assert_eq!(
            lines("{# refx: allow(no-order, wall-clock) #}\n\n-- as of today\nselect now()\n"),
            [
                ("no-order", Covers::Line(4)),
                ("wall-clock", Covers::Line(4))
            ]
        );
        assert_eq!(
            lines("  # refx: allow(two-meanings)\n  - name: plays\n"),
            [("two-meanings", Covers::Line(2))]
        );
        assert_eq!(
            lines("select 1\n-- refx: allow-file(wall-clock)"),
            [("wall-clock", Covers::File)]
        );
        assert_eq!(lines("-- refx is fine (really)\nselect 1"), []);
    }

    #[test]
    fn a_name_that_is_no_rule_is_told() {
        let (allows, diagnostics) = parse(
            &"a.sql".into(),
            "-- refx: allow(no-ordr)\n-- refx: alow(no-order)",
        );
        assert_eq!(allows, []);
        let told: Vec<_> = diagnostics
            .into_iter()
            .map(|told| (told.message, told.help.unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "no rule named `no-ordr`".to_owned(),
                    "did you mean `no-order`?".to_owned()
                ),
                (
                    "no comment `refx: alow(…)`".to_owned(),
                    "did you mean `allow`?".to_owned()
                ),
            ]
        );
    }
}
