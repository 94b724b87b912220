//! Which tests join, in each of the four modes.

use super::super::Indirect;
use super::*;

/// `(select, exclude, tests in eager, cautious, buildable, empty mode)`.
fn check(select: &[&str], exclude: &[&str], expect: [&str; 4]) {
    for (indirect, expect) in Indirect::ALL.into_iter().zip(expect) {
        let criteria = Criteria {
            indirect,
            resource_types: vec![ResourceType::Test],
            ..ask(select, exclude)
        };
        assert_eq!(
            shown(pick_all(&criteria)),
            expect,
            "{} {select:?} {exclude:?}",
            indirect.as_str()
        );
    }
}

#[test]
fn a_test_of_one_node_joins_it() {
    check(
        &["segments"],
        &[],
        [
            "not_null_segments",
            "not_null_segments",
            "not_null_segments",
            "",
        ],
    );
    check(
        &["source:raw.users"],
        &[],
        [
            "not_null_raw_users",
            "not_null_raw_users",
            "not_null_raw_users",
            "",
        ],
    );
}

#[test]
fn a_test_of_two_nodes_depends_on_the_mode() {
    // `user_360` is built from `stg_users`, so buildable lets their common test in; the other way
    // round it does not.
    check(
        &["user_360"],
        &[],
        ["relationships_user_360", "", "relationships_user_360", ""],
    );
    check(
        &["stg_users"],
        &[],
        [
            "relationships_user_360 unique_stg_users",
            "unique_stg_users",
            "unique_stg_users",
            "",
        ],
    );
}

#[test]
fn parts_of_a_union_complete_each_other() {
    let both = "relationships_user_360 unique_stg_users";
    check(&["user_360 stg_users"], &[], [both, both, both, ""]);
    check(&["user_360", "stg_users"], &[], [both, both, both, ""]);
    check(&["tag:daily,crm", "stg_users"], &[], {
        [both, both, both, ""]
    });
}

#[test]
fn an_intersection_keeps_what_both_parts_let_in() {
    // The common test waits in both parts, and neither has both of its parents.
    check(
        &["tag:crm_daily,user_360"],
        &[],
        ["relationships_user_360", "", "relationships_user_360", ""],
    );
    // Eager lets it join on either side.
    check(
        &["user_360,stg_users"],
        &[],
        ["relationships_user_360", "", "", ""],
    );
}

#[test]
fn exclusion_follows_the_mode() {
    check(
        &["user_360"],
        &["stg_users"],
        ["", "", "relationships_user_360", ""],
    );
    check(
        &["segmentation", "test_name:unique"],
        &["test_name:not_null"],
        [
            "unique_stg_users",
            "unique_stg_users",
            "unique_stg_users",
            "unique_stg_users",
        ],
    );
}

#[test]
fn a_test_that_is_selected_itself_is_always_in() {
    let common = "relationships_user_360";
    check(&["test_name:relationships"], &[], [common; 4]);
    check(&["relationships_user_360"], &[], [common; 4]);
    // As in dbt, a test is a child as any other.
    check(&["user_360+"], &[], [common, common, common, common]);
}

#[test]
fn buildable_lets_sources_in() {
    // A source needs no building, so a test that also reads one joins, though `plays` does not come
    // from it.
    let mut manifest = manifest();
    let test = generic("relationships", "plays")
        .reads("model.plays source.raw.users")
        .done();
    manifest.nodes.insert(test.id().clone(), test);
    for (indirect, expect) in [
        (Indirect::Cautious, "no_negative_plays"),
        (Indirect::Buildable, "no_negative_plays relationships_plays"),
    ] {
        let criteria = Criteria {
            indirect,
            ..ask(&["plays"], &[])
        };
        let selectors = Selectors::default();
        let runs = [ResourceType::Test];
        let picked = pick_from(&manifest, &criteria, &selectors, State::default(), &runs);
        assert_eq!(shown(picked), expect, "{}", indirect.as_str());
    }
}
