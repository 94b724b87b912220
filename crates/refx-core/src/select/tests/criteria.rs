//! Options together: exclusion, resource types, and the warnings.

use super::*;

fn check(criteria: &Criteria, expect: &str) {
    assert_eq!(shown(pick_all(criteria)), expect, "{criteria:?}");
}

#[test]
fn nothing_asked_is_everything() {
    let picked = pick_all(&Criteria::default()).expect("no selector can fail");
    assert_eq!(picked.nodes.len(), manifest().nodes.len());
    assert_eq!(picked.diagnostics, []);
}

#[test]
fn an_empty_text_is_nothing() {
    // What a script passes when its list of changed models is empty must not run all of them.
    let picked = pick_all(&ask(&[""], &[])).expect("an empty selector parses");
    assert_eq!(names(&picked), "");
    assert_eq!(
        told(&picked.diagnostics[0]),
        "an empty selector matches nothing"
    );
}

#[test]
fn exclusion_takes_its_tests_along() {
    check(
        &ask(&["segmentation", "plays"], &["recency", "tag:daily"]),
        "segments not_null_segments",
    );
    // The test of both `user_360` and `stg_users` goes with `stg_users`.
    check(&ask(&["user_360"], &["stg_users"]), "user_360");
    check(&ask(&[], &["package:this"]), "dates");
}

#[test]
fn a_command_works_on_its_types() {
    use ResourceType::{Model, Seed, Test};
    let types = |criteria: Criteria, runs: &[ResourceType]| {
        let selectors = Selectors::default();
        shown(pick_with(&criteria, &selectors, State::default(), runs))
    };
    let asked = || ask(&["+plays"], &[]);
    assert_eq!(types(asked(), &[Model]), "plays stg_events");
    assert_eq!(types(asked(), &[Test]), "no_negative_plays");
    let build = [Model, Seed, Test];
    let only = Criteria {
        resource_types: vec![Test],
        ..asked()
    };
    assert_eq!(types(only, &build), "no_negative_plays");
    let without = Criteria {
        exclude_resource_types: vec![Test],
        ..asked()
    };
    assert_eq!(types(without, &build), "plays stg_events");
    let other = Criteria {
        resource_types: vec![ResourceType::Source],
        ..asked()
    };
    assert_eq!(types(other, &build), "");
}

#[test]
fn what_matches_nothing_is_said() {
    for (select, exclude, expect) in [
        (
            "segmentaton+ plays",
            "",
            "`segmentaton+` matches nothing\nhelp: did you mean `segmentation`?",
        ),
        (
            "user_reference.segmentaton",
            "",
            "`user_reference.segmentaton` matches nothing\n\
             help: did you mean `user_reference.segmentation`?",
        ),
        (
            "user_306",
            "",
            "`user_306` matches nothing\nhelp: did you mean `user_360`?",
        ),
        (
            "daily",
            "",
            "`daily` matches nothing\nhelp: did you mean `tag:daily`?",
        ),
        (
            "monthl",
            "",
            "`monthl` matches nothing\nhelp: did you mean `tag:monthly`?",
        ),
        (
            "raw",
            "",
            "`raw` matches nothing\nhelp: did you mean `source:raw`?",
        ),
        (
            "models",
            "",
            "`models` matches nothing\nhelp: did you mean `path:models`?",
        ),
        (
            "tag:dialy",
            "",
            "`tag:dialy` matches nothing\nhelp: did you mean `tag:daily`?",
        ),
        (
            "source:raw.user",
            "",
            "`source:raw.user` matches nothing\nhelp: did you mean `source:raw.users`?",
        ),
        (
            "models/segmentatio",
            "",
            "`models/segmentatio` matches nothing\nhelp: did you mean `path:models/segmentation`?",
        ),
        (
            "config.materialized:incrementl",
            "",
            "`config.materialized:incrementl` matches nothing\n\
             help: did you mean `config.materialized:incremental`?",
        ),
        (
            "tag:monthly,consumption",
            "",
            "`tag:monthly,consumption` matches nothing\n\
             note: each part matches something, but they have nothing in common",
        ),
        (
            "tag:daily,stagin",
            "",
            "`tag:daily,stagin` matches nothing\nnote: `stagin` matches nothing\n\
             help: did you mean `staging`?",
        ),
        (
            "metric:revenue",
            "",
            "`metric:revenue` matches nothing\nnote: refx has no metrics",
        ),
        (
            "wide.user_*",
            "",
            "`wide.user_*` matches nothing\nhelp: did you mean `*.wide.user_*`?",
        ),
        (
            "quite_another_thing",
            "",
            "`quite_another_thing` matches nothing",
        ),
        (
            "plays",
            "tag:dayly",
            "`tag:dayly` matches nothing\nhelp: did you mean `tag:daily`?",
        ),
        (
            "plays",
            "path:models",
            "everything that is selected is also excluded",
        ),
    ] {
        let exclude: &[&str] = match exclude {
            "" => &[],
            _ => &[exclude],
        };
        let picked = pick_all(&ask(&[select], exclude)).expect("these selectors parse");
        let told: Vec<String> = picked.diagnostics.iter().map(told).collect();
        assert_eq!(told, [expect], "--select {select}");
    }
}

#[test]
fn nothing_is_an_error_unless_it_may_be() {
    let severity = |criteria: Criteria| {
        let picked = pick_all(&criteria).expect("the selector parses");
        picked.diagnostics[0].severity
    };
    let strict = |select: &[&str]| Criteria {
        allow_empty: false,
        ..ask(select, &[])
    };
    assert_eq!(severity(strict(&["plas"])), Severity::Error);
    assert_eq!(severity(ask(&["plas"], &[])), Severity::Warning);
    // One word among others is a slip, and the others are picked.
    assert_eq!(severity(strict(&["plays", "plas"])), Severity::Warning);
}

#[test]
fn a_selection_of_other_types_is_said() {
    let picked = pick_with(
        &ask(&["source:raw"], &["test_type:data"]),
        &Selectors::default(),
        State::default(),
        &[ResourceType::Model],
    );
    let picked = picked.expect("the selector parses");
    assert_eq!(
        told(&picked.diagnostics[0]),
        "2 nodes are selected, and none is of a type that this command works on\n\
         note: it works on: model"
    );
}
