//! Diagnostics as one document for programs: JSON, SARIF for GitHub, Code Quality for GitLab.
//!
//! Commands with `--output` print their diagnostics as always. Where a document is asked for,
//! [`Report`] keeps them instead, and writes all of them when it is let go: a reader gets one document
//! from every run, the empty one included, whichever way the command ended.

mod gitlab;
mod json;
mod sarif;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Report;
use crate::cli::args::FindingsOutput;
use refx_core::diagnostic::{Diagnostic, Span};

/// A diagnostic with its places counted out.
struct Finding<'a> {
    diagnostic: &'a Diagnostic,
    place: Option<Place>,
    /// Beside each of `diagnostic.related`.
    related: Vec<Place>,
    /// The same for the same mistake, though lines above it come and go.
    fingerprint: String,
}

/// A range of a file, in one-based lines and columns; the end is the first column behind it.
struct Place {
    file: Arc<str>,
    start: (usize, usize),
    end: (usize, usize),
}

impl Report {
    /// The document of the format that was asked for; none where text was.
    pub(super) fn document(&self, diagnostics: &[Diagnostic]) -> Option<String> {
        let text = |file: &str| (self.texts)(file);
        let findings = findings(diagnostics, &text);
        let document = match self.options.findings {
            FindingsOutput::Text => return None,
            FindingsOutput::Json => json::document(&findings),
            FindingsOutput::Sarif => sarif::document(&findings, &self.repository),
            FindingsOutput::Gitlab => gitlab::document(&findings, &self.repository),
        };
        serde_json::to_string_pretty(&document).ok()
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let told = std::mem::take(&mut self.lock().told);
        if let Some(document) = self.document(&told) {
            self.say(&mut self.lock(), &document);
        }
    }
}

/// What a path of the project is called by those who look from the repository's root.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The project's folder in the repository, with a slash at its end; empty for the root itself.
    pub prefix: String,
    /// The project file: the place of what has no other.
    pub project_file: String,
}

impl Default for Repository {
    fn default() -> Self {
        Repository {
            prefix: String::new(),
            project_file: "project.yml".into(),
        }
    }
}

impl Repository {
    fn path(&self, place: Option<&Place>) -> String {
        let file = place.map_or(self.project_file.as_str(), |place| &place.file);
        format!("{}{file}", self.prefix)
    }
}

/// Each diagnostic once, in the order of files and lines.
fn findings<'a>(
    diagnostics: &'a [Diagnostic],
    text: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding<'a>> {
    let mut texts: HashMap<Arc<str>, String> = HashMap::new();
    let mut kept: Vec<&Diagnostic> = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        if !kept.contains(&diagnostic) {
            kept.push(diagnostic);
        }
        let related = diagnostic.related.iter().map(|related| &related.span);
        for span in diagnostic.span.iter().chain(related) {
            if !texts.contains_key(&span.file) {
                let text = text(&span.file).unwrap_or_default();
                texts.insert(span.file.clone(), text);
            }
        }
    }
    kept.sort_by(|a, b| (&a.span, a.code).cmp(&(&b.span, b.code)));
    let mut seen: HashMap<String, usize> = HashMap::new();
    let text = |span: &Span| texts.get(&span.file).map_or("", String::as_str);
    kept.into_iter()
        .map(|diagnostic| {
            let identity = identity(diagnostic, &text);
            let repeated = seen.entry(identity.clone()).or_default();
            let fingerprint = digest(&format!("{identity}\n{repeated}"));
            *repeated += 1;
            let place = |span: &Span| Place {
                file: span.file.clone(),
                start: span.position(text(span)),
                end: span.end_position(text(span)),
            };
            Finding {
                diagnostic,
                place: diagnostic.span.as_ref().map(place),
                related: diagnostic
                    .related
                    .iter()
                    .map(|at| place(&at.span))
                    .collect(),
                fingerprint,
            }
        })
        .collect()
}

/// What makes a diagnostic the same one as before: its code, file and message, and the line as it
/// stands there. Its number may change.
fn identity<'a>(diagnostic: &Diagnostic, text: &dyn Fn(&Span) -> &'a str) -> String {
    let (file, line) = match &diagnostic.span {
        Some(span) => {
            let text = text(span);
            let start = span.within(text).start;
            let before = &text[..start];
            let begin = before.rfind('\n').map_or(0, |at| at + 1);
            let line = text[begin..].lines().next().unwrap_or_default();
            (&*span.file, line.trim())
        }
        None => ("", ""),
    };
    format!(
        "{}\n{file}\n{}\n{line}",
        diagnostic.code, diagnostic.message
    )
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The message with what explains it, for readers that show one text.
fn told(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    for note in &diagnostic.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    text
}

fn position((line, column): (usize, usize)) -> Value {
    serde_json::json!({ "line": line, "column": column })
}
