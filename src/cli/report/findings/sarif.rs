//! SARIF 2.1.0, as GitHub's code scanning takes it: every result has a location whose path begins at
//! the repository's root, and a fingerprint of its line.

use serde_json::{Value, json};

use super::{Finding, Place, Repository, told};
use refx_core::diagnostic::{Code, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn document(findings: &[Finding], repository: &Repository) -> Value {
    let mut codes: Vec<Code> = findings.iter().map(|found| found.diagnostic.code).collect();
    codes.sort();
    codes.dedup();
    let result = |found| result(found, &codes, repository);
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "refx",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<Value>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<Value>>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    let explanation = code.explain();
    json!({
        "id": code,
        "name": code,
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": code.summary() },
        "help": { "text": explanation, "markdown": explanation },
    })
}

fn result(found: &Finding, codes: &[Code], repository: &Repository) -> Value {
    let diagnostic = found.diagnostic;
    let related = diagnostic.related.iter().zip(&found.related).enumerate();
    let mut message = told(diagnostic);
    let mut elsewhere = Vec::new();
    for (at, (related, place)) in related {
        let id = at + 1;
        // A reader shows a related place where the message links to it.
        let (said, line) = (&related.message, place.start.0);
        message.push_str(&format!("\n{said}: [{}:{line}]({id})", place.file));
        elsewhere.push(json!({
            "id": id,
            "message": { "text": said },
            "physicalLocation": physical(Some(place), repository),
        }));
    }
    json!({
        "ruleId": diagnostic.code,
        "ruleIndex": codes.iter().position(|code| *code == diagnostic.code),
        "level": level(diagnostic.severity),
        "message": { "text": message },
        "locations": [{ "physicalLocation": physical(found.place.as_ref(), repository) }],
        "relatedLocations": elsewhere,
        "partialFingerprints": { "primaryLocationLineHash": format!("{}:1", found.fingerprint) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn physical(place: Option<&Place>, repository: &Repository) -> Value {
    let (start, end) = place.map_or(((1, 1), (1, 1)), |place| (place.start, place.end));
    json!({
        "artifactLocation": { "uri": escaped(&repository.path(place)) },
        "region": {
            "startLine": start.0,
            "startColumn": start.1,
            "endLine": end.0,
            "endColumn": end.1,
        },
    })
}

/// A path as the relative reference of a URI: bytes that have no place in one become `%20` and the like.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
