//! A compiled text, and the way from a place in it back to the steward's files.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};
use crate::template::{CameOut, Origin, Rendered, SpanMap, Trace};

/// A SELECT without Jinja.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub sql: Arc<str>,
    /// From ranges of `sql` to the file.
    map: SpanMap,
    /// From ranges of `sql` to the macros that wrote them.
    trace: Trace,
    /// The `where` of a generic test: its range of `sql`, and its place in the properties file.
    filter: Option<(Range<usize>, Span)>,
    /// Where an error without a place of its own is shown.
    pub otherwise: Span,
    /// What the template warned of.
    pub warnings: Vec<Diagnostic>,
    /// What else than the template decides about the text.
    pub asked: Asked,
}

/// What a template asked for that may differ from run to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub vars: BTreeSet<String>,
    pub env_vars: BTreeSet<String>,
    /// Whether it read the instant of the run.
    pub instant: bool,
    /// Whether it called `is_incremental()`.
    pub incremental: bool,
}

impl Compiled {
    pub(super) fn of(
        rendered: Rendered,
        otherwise: Span,
        trace: impl FnOnce(CameOut) -> Trace,
    ) -> Self {
        let sql: Arc<str> = rendered.text.into();
        let asked = Asked {
            vars: rendered.calls.vars,
            env_vars: rendered.calls.env_vars,
            instant: rendered.calls.as_of,
            incremental: rendered.calls.incremental,
        };
        let came_out = CameOut {
            text: sql.clone(),
            called: rendered.calls.macros,
        };
        Compiled {
            sql,
            map: rendered.map,
            trace: trace(came_out),
            filter: None,
            otherwise,
            warnings: rendered.warnings,
            asked,
        }
    }

    /// Takes the place of a condition that stands in the text as it is.
    pub(super) fn set_filter(&mut self, text: &str, place: Span) {
        let start = self.sql.find(text);
        self.filter = start.map(|start| (start..start + text.len(), place));
    }

    /// The place in the steward's file of a one-based line and column of `sql`.
    ///
    /// The mark reaches over the word there: positions that an engine tells are points.
    pub fn locate(&self, line: usize, column: usize) -> Span {
        let place = self.word(line, column).and_then(|word| self.place(&word));
        place.unwrap_or_else(|| self.otherwise.clone())
    }

    /// Gives a diagnostic its place, from a one-based line and column of `sql`: in the steward's file,
    /// and the lines of the macros that wrote the text there. Where these cannot be known, a note says
    /// what the compiled line reads.
    pub fn mark(&self, diagnostic: Diagnostic, line: usize, column: usize) -> Diagnostic {
        let mut diagnostic = diagnostic.at(self.locate(line, column));
        let word = self.word(line, column);
        if let Some(origin) = word.and_then(|word| self.origin(&word)) {
            diagnostic.related.extend(origin.related);
            if origin.written {
                return diagnostic;
            }
        }
        match self.written(line, column) {
            Some(line) => diagnostic.note(format!("here the compiled SQL reads `{line}`")),
            None => diagnostic,
        }
    }

    /// Whether places can be asked for, down into the macros.
    #[cfg(test)]
    pub fn is_traced(&self) -> bool {
        self.trace.succeeds()
    }

    /// The range of the word at a one-based line and column.
    fn word(&self, line: usize, column: usize) -> Option<Range<usize>> {
        let start = offset(&self.sql, line, column)?;
        let rest = &self.sql[start..];
        let length = match name(rest) {
            0 => rest.chars().next().map_or(0, char::len_utf8),
            name => name,
        };
        Some(start..start + length)
    }

    fn place(&self, range: &Range<usize>) -> Option<Span> {
        if let Some((_, place)) = self.filter_at(range.start) {
            return Some(place.clone());
        }
        match self.origin(range) {
            Some(origin) => origin.span,
            None => self.map.locate(range.clone()),
        }
    }

    /// Where a text came from that does not stand in the file as it is.
    fn origin(&self, range: &Range<usize>) -> Option<Origin> {
        let copied = self.map.is_copied(range.start) || self.filter_at(range.start).is_some();
        match copied {
            true => None,
            false => self.trace.origin(range),
        }
    }

    /// What the compiled line says at a place that an expression wrote: the steward's file shows the
    /// expression only.
    pub fn written(&self, line: usize, column: usize) -> Option<String> {
        const AROUND: usize = 60;
        let start = offset(&self.sql, line, column)?;
        if self.map.is_copied(start) || self.filter_at(start).is_some() {
            return None;
        }
        let line = self.sql.lines().nth(line.checked_sub(1)?)?;
        let letters: Vec<char> = line.chars().collect();
        let from = column.saturating_sub(AROUND);
        let to = letters.len().min(column + AROUND);
        let excerpt: String = letters.get(from..to)?.iter().collect();
        let before = if from > 0 { "… " } else { "" };
        let after = if to < letters.len() { " …" } else { "" };
        let excerpt = excerpt.trim();
        (!excerpt.is_empty()).then(|| format!("{before}{excerpt}{after}"))
    }

    fn filter_at(&self, offset: usize) -> Option<&(Range<usize>, Span)> {
        let filter = self.filter.as_ref();
        filter.filter(|(range, _)| range.contains(&offset))
    }
}

/// The length of the name that a text begins with, be it quoted or qualified: `u."first name"`.
fn name(text: &str) -> usize {
    let part = |text: &str| match text.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map_or(0, |end| end + 2),
        None => text
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .unwrap_or(text.len()),
    };
    let mut length = part(text);
    while length > 0
        && let Some(rest) = text[length..].strip_prefix('.')
        && part(rest) > 0
    {
        length += 1 + part(rest);
    }
    length
}

/// The byte offset of a one-based line and column, counted in characters.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += text[start..].find('\n')? + 1;
    }
    let within = text[start..]
        .char_indices()
        .nth(column.checked_sub(1)?)
        .map_or(text.len() - start, |(at, _)| at);
    Some(start + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        assert_eq!(offset("é = 1\nab", 1, 3), Some(3));
        assert_eq!(offset("é = 1\nab", 2, 2), Some(8));
        assert_eq!(offset("ab", 3, 1), None);
    }
}
