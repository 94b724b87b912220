//! GitLab's Code Quality report, a part of Code Climate's format.

use serde_json::{Value, json};

use super::{Finding, Repository, told};
use refx_core::diagnostic::Severity;

pub(super) fn document(findings: &[Finding], repository: &Repository) -> Value {
    let entries = findings.iter().map(|found| {
        let place = found.place.as_ref();
        let (begin, end) = place.map_or((1, 1), |place| (place.start.0, place.end.0));
        json!({
            "type": "issue",
            "check_name": found.diagnostic.code,
            "description": told(found.diagnostic),
            "categories": ["Bug Risk"],
            "severity": severity(found.diagnostic.severity),
            "fingerprint": found.fingerprint,
            "location": {
                "path": repository.path(place),
                "lines": { "begin": begin, "end": end },
            },
        })
    });
    entries.collect()
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "critical",
        Severity::Warning => "minor",
    }
}
