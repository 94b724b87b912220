use std::collections::BTreeSet;

use serde_json::Value;

use super::{Repository, findings, gitlab, json, sarif};
use refx_core::diagnostic::{Code, Diagnostic, Span};

const MODEL: &str = "select\n  é, nmae\nfrom {{ ref('users') }}\n";
const MACRO: &str = "{% macro up(column) %}upper({{ column }}){% endmacro %}\n";

fn text(file: &str) -> Option<String> {
    match file {
        "models/my users.sql" => Some(MODEL.into()),
        "macros/up.sql" => Some(MACRO.into()),
        _ => None,
    }
}

fn told() -> Vec<Diagnostic> {
    let column = Diagnostic::error(Code::UnknownColumn, "no column named `nmae`")
        .at(Span::new("models/my users.sql", 13..17))
        .label("here")
        .related(Span::new("macros/up.sql", 28..40), "in the macro `up` here")
        .note("the columns are `name`")
        .help("did you mean `name`?");
    let nowhere = Diagnostic::warning(Code::UnusedVar, "nothing reads `day`");
    vec![column.clone(), nowhere, column]
}

fn repository() -> Repository {
    Repository {
        prefix: "data/reference/".into(),
        project_file: "dbt_project.yml".into(),
    }
}

#[test]
fn json_has_lines_and_columns() {
    let told = told();
    let document = json::document(&findings(&told, &text));
    assert_eq!(
        (&document["errors"], &document["warnings"]),
        (&Value::from(1), &Value::from(1)),
        "the same mistake twice is one"
    );
    let found = &document["findings"][1];
    assert_eq!(found["code"], "unknown-column");
    assert_eq!(found["severity"], "error");
    assert_eq!(found["start"], serde_json::json!({"line": 2, "column": 6}));
    assert_eq!(found["end"], serde_json::json!({"line": 2, "column": 10}));
    assert_eq!(found["related"][0]["file"], "macros/up.sql");
    assert_eq!(found["related"][0]["start"]["column"], 29);
    assert_eq!(document["findings"][0]["file"], Value::Null);
}

#[test]
fn a_fingerprint_outlives_lines_above_it() {
    let told = told();
    let before = findings(&told, &text);
    let moved: Vec<Diagnostic> = told
        .iter()
        .map(|diagnostic| {
            let mut diagnostic = diagnostic.clone();
            if let Some(span) = &mut diagnostic.span {
                span.start += 8;
                span.end += 8;
            }
            diagnostic
        })
        .collect();
    let longer = |file: &str| text(file).map(|text| format!("-- more\n{text}"));
    let after = findings(&moved, &longer);
    let prints = |findings: &[super::Finding]| -> Vec<String> {
        findings
            .iter()
            .map(|found| found.fingerprint.clone())
            .collect()
    };
    assert_eq!(prints(&before), prints(&after));
    let all: BTreeSet<String> = prints(&before).into_iter().collect();
    assert_eq!(all.len(), before.len(), "no two findings share one");
}

#[test]
fn two_of_a_kind_on_one_line_have_fingerprints_of_their_own() {
    let at =
        |range| Diagnostic::error(Code::SqlError, "twice").at(Span::new("macros/up.sql", range));
    let told = [at(3..8), at(9..11)];
    let found = findings(&told, &text);
    assert_ne!(found[0].fingerprint, found[1].fingerprint);
}

/// What the standard and GitHub's limits ask of a log: each rule said once, each result with a known
/// level, a rule that its index leads to, and a place that a relative reference names.
#[test]
fn sarif_is_what_github_takes() {
    let told = told();
    let log = sarif::document(&findings(&told, &text), &repository());
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .unwrap()
            .contains("sarif-schema-2.1.0")
    );
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "refx");
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), rules.len());
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty());
        }
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(result["locations"].as_array().unwrap().len(), 1);
        let related = result["relatedLocations"].as_array().unwrap();
        for place in result["locations"]
            .as_array()
            .unwrap()
            .iter()
            .chain(related)
        {
            let physical = &place["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(
                uri.starts_with("data/reference/") && !uri.contains(' '),
                "{uri}"
            );
            let at = |key: &str| physical["region"][key].as_u64().unwrap();
            let (start, end) = (
                (at("startLine"), at("startColumn")),
                (at("endLine"), at("endColumn")),
            );
            assert!(start >= (1, 1) && end >= start, "{start:?} {end:?}");
        }
        for place in related {
            let link = format!("({})", place["id"]);
            assert!(result["message"]["text"].as_str().unwrap().contains(&link));
        }
        let hash = result["partialFingerprints"]["primaryLocationLineHash"]
            .as_str()
            .unwrap();
        assert!(hash.len() > 16, "{hash}");
    }
    let column = results
        .iter()
        .find(|result| result["ruleId"] == "unknown-column")
        .unwrap();
    let physical = &column["locations"][0]["physicalLocation"];
    assert_eq!(
        physical["artifactLocation"]["uri"],
        "data/reference/models/my%20users.sql"
    );
    assert_eq!(physical["region"]["startColumn"], 6);
    let nowhere = results
        .iter()
        .find(|result| result["ruleId"] == "unused-var")
        .unwrap();
    assert_eq!(
        nowhere["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "data/reference/dbt_project.yml"
    );
}

#[test]
fn gitlab_gets_a_place_and_a_severity_for_each() {
    let told = told();
    let report = gitlab::document(&findings(&told, &text), &repository());
    let entries = report.as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let severities = ["info", "minor", "major", "critical", "blocker"];
    for entry in entries {
        assert!(severities.contains(&entry["severity"].as_str().unwrap()));
        assert!(!entry["description"].as_str().unwrap().is_empty());
        assert!(!entry["check_name"].as_str().unwrap().is_empty());
        assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() >= 1);
    }
    assert_eq!(
        entries[1]["location"]["path"],
        "data/reference/models/my users.sql"
    );
}
