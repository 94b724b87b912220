//! Each method and each operator: selector → names, without the tests that join by themselves.

use super::super::Indirect;
use super::*;

/// Sorted by unique id: analyses, exposures, models by package, seeds, sources, tests.
fn check(cases: &[(&str, &str)]) {
    for (select, expect) in cases {
        let criteria = Criteria {
            indirect: Indirect::Empty,
            ..ask(&[select], &[])
        };
        assert_eq!(shown(pick_all(&criteria)), *expect, "--select {select:?}");
    }
}

#[test]
fn names_folders_and_packages() {
    check(&[
        ("user_360", "user_360"),
        ("segmentation", "recency segments"),
        ("user_reference.segmentation", "recency segments"),
        ("segmentation.segments", "segments"),
        ("crm.wide", "user_360"),
        ("crm", "score.v1 score.v2 user_360"),
        ("wide", ""),
        ("user_reference.wide", ""),
        ("calendar", "dates"),
        ("dates", "dates"),
        ("calendar.dates.dates", "dates"),
        ("fqn:plays", "plays"),
        ("countries", "countries"),
        ("weekly", "weekly"),
        ("no_negative_plays", "no_negative_plays"),
        // A source is not meant by its name.
        ("users", ""),
        ("User_360", ""),
        ("segmentation.segments.more", ""),
    ]);
}

#[test]
fn globs_cross_dots_in_names() {
    check(&[
        ("*.stg_*", "stg_events stg_users"),
        // Without a dot it is also the name alone, in any folder; with one, it starts at the top.
        ("stg_*", "stg_events stg_users"),
        ("user_?60", "user_360"),
        ("scor*", "score.v1 score.v2"),
        ("wide.user_*", ""),
        ("seg*", "recency segments"),
        ("crm.*", "score.v1 score.v2 user_360"),
        ("crm.*360", "user_360"),
        ("user_reference.*.recency", "recency"),
        ("crm.*.user_36?", "user_360"),
        ("crm.score.v[12]", "score.v1 score.v2"),
        ("crm.score.v[!1]", "score.v2"),
        ("[", ""),
        ("tag:*daily", "plays user_360"),
        ("tag:crm_*", "user_360"),
    ]);
}

#[test]
fn versions() {
    check(&[
        ("score", "score.v1 score.v2"),
        ("score.v2", "score.v2"),
        ("score_v2", "score.v2"),
        ("crm.score.v1", "score.v1"),
        ("v2", ""),
        ("version:latest", "score.v2"),
        ("version:old", "score.v1"),
        ("version:prerelease", ""),
        ("crm,version:none", "user_360"),
    ]);
}

#[test]
fn relatives() {
    let all_of_users = "adhoc weekly score.v1 score.v2 segments stg_users user_360 \
                        not_null_segments relationships_user_360 unique_stg_users";
    check(&[
        (
            "segmentation+",
            "adhoc weekly recency segments user_360 not_null_segments relationships_user_360",
        ),
        (
            "+user_360",
            "plays recency segments stg_events stg_users user_360 raw.events raw.users",
        ),
        ("1+user_360", "plays segments user_360"),
        ("0+user_360", "user_360"),
        (
            "2+segments",
            "recency segments stg_events stg_users raw.users",
        ),
        ("recency+1", "recency segments"),
        ("1+recency+1", "recency segments stg_events"),
        ("recency+2", "recency segments user_360 not_null_segments"),
        ("stg_users+", all_of_users),
        (
            "@plays",
            "adhoc weekly plays recency segments stg_events stg_users user_360 raw.events \
             raw.users no_negative_plays relationships_user_360",
        ),
        ("@+plays,exposure:*", "weekly"),
        (
            "99999999999999999999999999+stg_users",
            "stg_users raw.users",
        ),
        ("source:raw.events+1", "stg_events raw.events"),
        ("+exposure:weekly,segmentation", "recency segments"),
    ]);
    let error = "`@` and `+` exclude each other in `@plays+`\n\
                 help: `@plays` already holds everything downstream of `plays`";
    check(&[("@plays+", error)]);
}

#[test]
fn a_step_is_counted_from_the_nearest_start() {
    // Two starts on one line: `user_360` is one step from `segments`, though three from `stg_events`.
    check(&[(
        "stg_events segments+1",
        "segments stg_events user_360 not_null_segments",
    )]);
    check(&[(
        "tag:staging+1",
        "plays recency score.v1 score.v2 segments stg_events stg_users \
         relationships_user_360 unique_stg_users",
    )]);
}

#[test]
fn unions_and_intersections() {
    check(&[
        ("plays recency", "plays recency"),
        ("  plays   recency ", "plays recency"),
        ("tag:daily,crm", "user_360"),
        ("tag:daily,crm recency", "recency user_360"),
        ("crm+,tag:daily,package:this", "user_360"),
        ("tag:daily,staging", ""),
        ("", ""),
        (
            "plays,",
            "a part is missing in `plays,`\nhelp: write an intersection as `a,b`, without spaces",
        ),
        (
            "plays , crm",
            "a part is missing in `,`\nhelp: write an intersection as `a,b`, without spaces",
        ),
        (
            "+",
            "`+` names nothing\nhelp: name a model, a folder or `method:value`",
        ),
        (
            "tag:",
            "`tag:` names nothing\nhelp: name a model, a folder or `method:value`",
        ),
    ]);
}

#[test]
fn paths_and_files() {
    check(&[
        ("path:models/segmentation", "recency segments"),
        ("models/segmentation", "recency segments"),
        ("models/segmentation/", "recency segments"),
        ("./models/segmentation/recency.sql", "recency"),
        ("models/**/user_*.sql", "user_360"),
        ("models/*/stg_*", "stg_events stg_users"),
        (
            "path:models/crm/wide+1",
            "adhoc weekly user_360 relationships_user_360",
        ),
        // The properties file stands for all that it describes.
        ("models/segmentation/_segmentation.yml", "recency segments"),
        ("path:seeds", "countries"),
        ("path:segmentation", ""),
        ("recency.sql", "recency"),
        ("file:recency", "recency"),
        ("file:stg_*.sql", "stg_events stg_users"),
        ("countries.csv", "countries"),
        ("Recency.SQL", ""),
    ]);
}

#[test]
fn what_nodes_carry() {
    check(&[
        ("tag:daily", "plays user_360"),
        ("tag:gdpr", "raw.users"),
        ("group:crm", "user_360"),
        ("group:c*", "user_360"),
        ("owner:Team*", "plays segments user_360"),
        ("owner:crm@example.org", "segments"),
        ("owner:Anna", "user_360"),
        ("owner:board@*", "weekly"),
        ("cadence:daily,tag:monthly", "segments"),
        ("access:public", "plays segments user_360"),
        ("package:calendar", "dates"),
        ("package:this,seg*", "recency segments"),
        ("source:raw", "raw.events raw.users"),
        ("source:raw.users", "raw.users"),
        ("source:user_reference.raw.users", "raw.users"),
        ("source:calendar.raw.users", ""),
        ("source:*", "raw.events raw.users"),
        ("exposure:weekly", "weekly"),
        ("exposure:user_reference.*", "weekly"),
        ("resource_type:seed", "countries"),
        ("resource_type:analysis", "adhoc"),
        ("resource_type:snapshot", ""),
        ("metric:*", ""),
    ]);
}

#[test]
fn tests_by_name_and_type() {
    check(&[
        ("test_name:not_null", "not_null_raw_users not_null_segments"),
        ("test_name:un*", "unique_stg_users"),
        ("test_type:singular", "no_negative_plays"),
        ("test_type:generic,test_name:unique", "unique_stg_users"),
        ("test_type:schema,test_name:unique", "unique_stg_users"),
        (
            "test_type:data",
            "no_negative_plays not_null_raw_users not_null_segments relationships_user_360 \
             unique_stg_users",
        ),
        ("test_type:unit", ""),
    ]);
}

#[test]
fn settings() {
    check(&[
        ("config.materialized:incremental", "plays segments user_360"),
        ("config.materialized:view,crm", "score.v1 score.v2"),
        ("config.materialized:seed", "countries"),
        ("config.unique_key:content_type", "plays"),
        ("config.primary_key:content_type", "plays"),
        ("config.tags:monthly", "segments"),
        ("config.group:crm", "user_360"),
        ("config.access:public,crm", "user_360"),
        ("config.grants.select:reporter", "user_360"),
        ("config.grants.select:writer", ""),
        ("config.grants.retries:3", "user_360"),
        ("config.grants:select", ""),
        ("config.meta.pii.level:high", "user_360"),
        ("config.meta.pii.level:h*", "user_360"),
        ("config.meta.pii.masked:TRUE", "user_360"),
        ("config.meta.pii.masked:false", ""),
        ("config.severity:warn", "unique_stg_users"),
        (
            "config.severity:ERROR",
            "no_negative_plays not_null_raw_users not_null_segments relationships_user_360",
        ),
        ("config.enabled:true,seg*", "recency segments"),
        (
            "config:view",
            "`config` names no setting\nhelp: for instance `config.materialized:view`",
        ),
    ]);
}

#[test]
fn unknown_words_are_errors() {
    check(&[
        (
            "tga:daily",
            "no selector method is named `tga`\nhelp: did you mean `tag:daily`?",
        ),
        (
            "config_materialized:view",
            "no selector method is named `config_materialized`\nhelp: the methods are fqn, tag, \
             group, owner, cadence, access, source, exposure, path, file, package, config, \
             resource_type, test_name, test_type, unit_test, state, result, version, column, \
             selector",
        ),
        (
            "tag.daily:x",
            "`tag` takes nothing after a dot\nhelp: write `tag:x`",
        ),
        (
            "access:publik",
            "`access:` does not take `publik`\nhelp: did you mean `access:public`?",
        ),
        (
            "resource_type:modle",
            "`resource_type:` does not take `modle`\nhelp: did you mean `resource_type:model`?",
        ),
        (
            "version:newest",
            "`version:` does not take `newest`\nhelp: it takes one of latest, prerelease, old, none",
        ),
        (
            "source:a.b.c.d",
            "`source:a.b.c.d` has too many dots\nhelp: write `source:name`, `source:name.table` \
             or `source:package.name.table`",
        ),
        (
            "selector:nightly",
            "no selector is named `nightly`\nhelp: name one in `selectors.yml`",
        ),
    ]);
}
