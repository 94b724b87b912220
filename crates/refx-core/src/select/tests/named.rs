//! `selectors.yml`.

use super::super::{Indirect, named};
use super::*;
use crate::project::yaml;

fn read(text: &str) -> (Selectors, Vec<Diagnostic>) {
    let root = yaml::parse("selectors.yml", text).expect("the YAML of the tests is well-formed");
    named(&root)
}

fn pick_named(yaml: &str, criteria: &Criteria) -> String {
    let (selectors, diagnostics) = read(yaml);
    assert_eq!(diagnostics, [], "{yaml}");
    shown(pick_with(
        criteria,
        &selectors,
        State::default(),
        &ResourceType::ALL,
    ))
}

/// The definition as the only selector, asked for by name and without the tests that join.
fn check(definition: &str, expect: &str) {
    let yaml = format!("selectors:\n- name: it\n  definition: {definition}\n");
    let criteria = Criteria {
        selector: Some("it".to_string()),
        indirect: Indirect::Empty,
        ..Criteria::default()
    };
    assert_eq!(pick_named(&yaml, &criteria), expect, "{definition}");
}

#[test]
fn definitions() {
    for (definition, expect) in [
        ("recency+1", "recency segments"),
        ("'tag:daily,crm recency'", "recency user_360"),
        ("{tag: daily}", "plays user_360"),
        ("{fqn: '*.stg_*'}", "stg_events stg_users"),
        (
            "{config.materialized: incremental}",
            "plays segments user_360",
        ),
        ("{config.meta.pii.masked: true}", "user_360"),
        ("{method: tag, value: daily}", "plays user_360"),
        (
            "{method: fqn, value: segments, parents: true, parents_depth: 1}",
            "recency segments stg_users",
        ),
        (
            "{method: fqn, value: segments, children: true}",
            "adhoc weekly segments user_360 not_null_segments relationships_user_360",
        ),
        (
            "{method: fqn, value: segments, parents: false, parents_depth: 1}",
            "segments",
        ),
        (
            "{intersection: [{method: fqn, value: recency, childrens_parents: true}, 'tag:staging']}",
            "stg_events stg_users",
        ),
        ("[plays, recency]", "plays recency"),
        (
            "{union: [plays, {tag: staging}]}",
            "plays stg_events stg_users",
        ),
        ("{intersection: [crm, {tag: daily}]}", "user_360"),
        (
            "{union: [crm, segmentation, {exclude: [user_360, recency]}]}",
            "score.v1 score.v2 segments",
        ),
        (
            "{intersection: [crm, {exclude: [{version: old}]}]}",
            "score.v2 user_360",
        ),
        (
            "{method: tag, value: staging, exclude: ['stg_users']}",
            "stg_events",
        ),
        (
            "{union: [plays, {intersection: [{tag: daily}, {union: [crm]}]}]}",
            "plays user_360",
        ),
    ] {
        check(definition, expect);
    }
}

const REUSE: &str = "
selectors:
- name: nightly                # uses one that comes later
  definition: {union: [{method: selector, value: staging}, 'tag:daily']}
- name: staging
  description: typed and cleaned
  definition: {union: ['tag:staging', {exclude: ['test_name:unique']}]}
- name: ready
  default: true
  definition: 'selector:stag*,selector:nightly'
";

#[test]
fn selectors_use_each_other() {
    let by_name = |name: &str| Criteria {
        selector: Some(name.to_string()),
        ..Criteria::default()
    };
    // The test that `staging` excludes does not come back by the use of it.
    for (criteria, expect) in [
        (
            by_name("nightly"),
            "plays stg_events stg_users user_360 no_negative_plays relationships_user_360",
        ),
        (
            by_name("ready"),
            "stg_events stg_users relationships_user_360",
        ),
        (
            Criteria::default(),
            "stg_events stg_users relationships_user_360",
        ),
        (ask(&["selector:staging"], &["stg_users"]), "stg_events"),
        (
            ask(&["1+selector:staging"], &[]),
            "stg_events stg_users raw.events raw.users not_null_raw_users relationships_user_360",
        ),
        (ask(&["recency"], &[]), "recency"),
    ] {
        assert_eq!(pick_named(REUSE, &criteria), expect, "{criteria:?}");
    }
    let everything_else = pick_named(REUSE, &ask(&[], &["package:this"]));
    assert_eq!(everything_else, "dates", "the default yields to --exclude");
    assert_eq!(
        pick_named(REUSE, &by_name("nigthly")),
        "no selector is named `nigthly`\nhelp: did you mean `nightly`?"
    );
    let both = Criteria {
        selector: Some("nightly".to_string()),
        ..ask(&["plays"], &[])
    };
    assert_eq!(
        pick_named(REUSE, &both),
        "`--selector` goes with neither `--select` nor `--exclude`\n\
         help: name it among the others: `--select selector:nightly`"
    );
}

#[test]
fn a_selector_may_set_its_own_mode() {
    let definition = "{method: fqn, value: user_360, indirect_selection: MODE}";
    for (mode, expect) in [
        ("eager", "user_360 relationships_user_360"),
        ("cautious", "user_360"),
        ("buildable", "user_360 relationships_user_360"),
        ("empty", "user_360"),
    ] {
        check(&definition.replace("MODE", mode), expect);
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, place, message) in [
        (
            "selectors:\n- name: a\n  definition: {tga: daily}",
            "tga",
            "no selector method is named `tga`",
        ),
        (
            "selectors:\n- name: a\n  definition: {method: access, value: open}",
            "open",
            "`access:` does not take `open`",
        ),
        (
            "selectors:\n- name: a\n  definition: {method: tag, valeu: x}",
            "valeu",
            "`valeu` cannot stand here in a selector",
        ),
        (
            "selectors:\n- name: a\n  definition: {union: [x], intersection: [y]}",
            "intersection",
            "`intersection` cannot stand here in a selector",
        ),
        (
            "selectors:\n- name: a\n  definition: {union: x}",
            "x",
            "`union`: expected a list, found text `x`",
        ),
        (
            "selectors:\n- name: a\n  definition: {union: [{exclude: [x]}, {exclude: [y]}]}",
            "exclude",
            "`union` has two `exclude`",
        ),
        (
            "selectors:\n- name: a\n  definition: '@x+'",
            "@x+",
            "`@` and `+` exclude each other in `@x+`",
        ),
        (
            "selectors:\n- name: a\n  definition: {method: selector, value: other}",
            "other",
            "no selector is named `other`",
        ),
        (
            "selectors:\n- name: a\n  definition: x\n- name: a\n  definition: y",
            "a",
            "two selectors are named `a`",
        ),
        (
            "selectors:\n- {name: a, definition: x, default: true}\n- {name: b, definition: y, default: true}",
            "b",
            "`a` and `b` are both the default",
        ),
        (
            "selectors:\n- name: a\n  definition: 'selector:b'\n- name: b\n  definition: {union: [x, 'selector:c']}\n- name: c\n  definition: 'selector:b'",
            "b",
            "selectors use each other in a circle: b → c → b",
        ),
        (
            "selectors:\n- name: a\n  definition: 'selector:*'",
            "a",
            "selectors use each other in a circle: a → a",
        ),
        (
            "selectors:\n- name: a\n  definition: {method: tag, value: x, indirect_selection: gentle}",
            "gentle",
            "`indirect_selection` does not take text `gentle`",
        ),
        (
            "selectors:\n- name: a\n  definition: {method: tag, value: x, parents: true, parents_depth: -1}",
            "-1",
            "`parents_depth`: expected a number of steps, found the number `-1`",
        ),
    ] {
        let (_, diagnostics) = read(text);
        let [diagnostic] = &diagnostics[..] else {
            panic!("one diagnostic for {text}, not {diagnostics:?}");
        };
        assert_eq!(diagnostic.message, message, "{text}");
        let span = diagnostic.span.as_ref().expect("a place in the file");
        let marked = text[span.start..span.end].trim_matches('\'');
        assert_eq!(marked, place, "{text}");
    }
}

#[test]
fn a_wrong_selector_hides_no_other() {
    let (selectors, diagnostics) = read(
        "version: 2\nselectors:\n- {name: bad, definition: 'x:y'}\n- {name: good, definition: x}",
    );
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(selectors.names().collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_circle_is_taken_out_so_that_nothing_walks_it() {
    let (selectors, diagnostics) = read(
        "selectors: [{name: a, definition: 'selector:b'}, {name: b, definition: 'selector:a'},\
         {name: c, definition: plays}]",
    );
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(selectors.names().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_deep_nest_is_refused() {
    let mut definition = json!("plays");
    for _ in 0..100 {
        definition = json!({"union": [definition]});
    }
    let file = json!({"selectors": [{"name": "a", "definition": definition}]});
    let root = yaml::Node::from_json(&file, &Span::file("selectors.yml"));
    let (_, diagnostics) = named(&root);
    assert_eq!(diagnostics[0].message, "a selector nested too deeply");
}
