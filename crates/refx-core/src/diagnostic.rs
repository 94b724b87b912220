//! What is wrong, where, and the way out.
//!
//! Every stage returns its value together with the [`Diagnostic`]s it met, so that one broken model
//! never hides the state of the others. A diagnostic points into the file that the steward wrote:
//! its [`Span`] is a byte range of that file's text, and [`render`] shows the line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod aftermath;
mod code;
mod codes;
mod show;

pub use aftermath::without_aftermath;
pub use codes::Code;
pub use show::render;

/// A byte range in one file of the project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Path relative to the project root, with forward slashes.
    pub file: Arc<str>,
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(file: impl Into<Arc<str>>, range: Range<usize>) -> Self {
        Span {
            file: file.into(),
            start: range.start,
            end: range.end.max(range.start),
        }
    }

    /// Whether another span lies in this one.
    pub fn holds(&self, other: &Span) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }

    /// The start of a file, where a mistake concerns the file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Span::new(file, 0..0)
    }

    /// One-based line and column (in characters) of the span's start.
    pub fn position(&self, text: &str) -> (usize, usize) {
        position(text, self.start)
    }

    /// One-based line and column (in characters) just behind the span's end.
    pub fn end_position(&self, text: &str) -> (usize, usize) {
        position(text, self.end)
    }

    /// The span's range, cut to the text and to character boundaries: a file may have changed since.
    pub fn within(&self, text: &str) -> Range<usize> {
        boundary(text, self.start)..boundary(text, self.end)
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..boundary(text, offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// The offset, or the nearest one before it at which a character begins.
fn boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Warning,
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// A sentence fragment in lower case, with backticks round what the user wrote.
    pub message: String,
    pub span: Option<Span>,
    /// Text beside the marked place, where the message alone does not say it.
    pub label: Option<String>,
    /// Further places: the other definition, the calls that led here.
    pub related: Vec<Related>,
    /// Facts that the message has no room for, a line each.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

/// A further place that a [`Diagnostic`] speaks of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Related {
    pub span: Span,
    pub message: String,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: None,
            label: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, message)
        }
    }

    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            message: message.into(),
        });
        self
    }

    /// The mistake as its caller sees it: the call is its place, and the place that it had comes first
    /// among the further ones. A place that is told already is told once.
    pub fn called_at(mut self, call: Span, message: impl Into<String>) -> Self {
        if let Some(span) = self.span.replace(call) {
            let message = message.into();
            let inner = Related { span, message };
            if !self.related.contains(&inner) {
                self.related.insert(0, inner);
            }
        }
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `did you mean` when one of the candidates is close to what was written.
    pub fn did_you_mean<'a>(
        self,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match closest(written, candidates) {
            Some(name) => {
                let help = format!("did you mean `{name}`?");
                self.help(help)
            }
            None => self,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    /// One line, for logs: `error[unknown-ref]: no model named `ordrs``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{level}[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The candidate nearest to what was written, or none when all are too far to be a slip.
pub fn closest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let near = candidates.into_iter().filter_map(|name| {
        let known = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&written, &known);
        let longest = written.chars().count().max(name.chars().count());
        // Of two that are as far, the one that has more letters in common: `columns` for `colums`.
        let apart = 1.0 - strsim::jaro_winkler(&written, &known);
        (distance <= (longest / 3).max(1)).then_some((distance, apart, name))
    });
    let nearer = |a: &(usize, f64, &str), b: &(usize, f64, &str)| {
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(b.2))
    };
    near.min_by(nearer).map(|(_, _, name)| name)
}
