//! An engine's error at its place in the steward's file.

use super::Error;
use crate::compile::Compiled;
use crate::diagnostic::Diagnostic;

/// The diagnostic of an error of planning or running the compiled text.
pub fn located(error: Error, compiled: &Compiled) -> Diagnostic {
    let Some(place) = error.position else {
        return error.into_diagnostic().at(compiled.otherwise.clone());
    };
    let diagnostic = error
        .into_diagnostic()
        .at(compiled.locate(place.line, place.column));
    match compiled.written(place.line, place.column) {
        Some(line) => diagnostic.note(format!("here the compiled SQL reads `{line}`")),
        None => diagnostic,
    }
}
