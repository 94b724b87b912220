//! refx's own JSON, described in `docs/diagnostics.md`.

use serde_json::{Value, json};

use super::{Finding, Place, position};

/// Rises when a field changes its meaning or goes away; new fields may come at any time.
const VERSION: u64 = 1;

pub(super) fn document(findings: &[Finding]) -> Value {
    let errors = findings.iter().filter(|found| found.diagnostic.is_error());
    let errors = errors.count();
    json!({
        "version": VERSION,
        "errors": errors,
        "warnings": findings.len() - errors,
        "findings": findings.iter().map(finding).collect::<Vec<Value>>(),
    })
}

fn finding(found: &Finding) -> Value {
    let diagnostic = found.diagnostic;
    let place = found.place.as_ref();
    let related = diagnostic.related.iter().zip(&found.related);
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": place.map(|place| &*place.file),
        "start": place.map(|place| position(place.start)),
        "end": place.map(|place| position(place.end)),
        "label": diagnostic.label,
        "related": related.map(|(at, place)| elsewhere(&at.message, place)).collect::<Vec<Value>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "fingerprint": found.fingerprint,
    })
}

fn elsewhere(message: &str, place: &Place) -> Value {
    json!({
        "message": message,
        "file": &*place.file,
        "start": position(place.start),
        "end": position(place.end),
    })
}
