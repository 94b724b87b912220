//! An engine's error at its place in the steward's file.

use super::Error;
use refx_core::compile::Compiled;
use refx_core::diagnostic::Diagnostic;

/// The diagnostic of an error of planning or running the compiled text.
pub fn located(error: Error, compiled: &Compiled) -> Diagnostic {
    let Some(place) = error.position else {
        return error.into_diagnostic().at(compiled.otherwise.clone());
    };
    compiled.mark(error.into_diagnostic(), place.line, place.column)
}
