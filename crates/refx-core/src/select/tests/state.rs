//! `state:` and `result:`.

use std::collections::BTreeMap;

use super::super::{Compared, Indirect, Snapshot};
use super::*;

/// A `manifest.json` of three models, a macro that one of them calls through another, and a source.
fn artifact() -> Value {
    let model = |name: &str, macros: Value| {
        json!({
            "resource_type": "model",
            "fqn": ["user_reference", name],
            "raw_code": format!("select '{name}'"),
            "description": "what it is",
            "config": {"materialized": "view", "schema": "main", "tags": [], "persist_docs": {"relation": true}},
            "contract": {"enforced": false},
            "depends_on": {"macros": macros},
        })
    };
    json!({
        "nodes": {
            "model.user_reference.recency": model("recency", json!(["macro.p.outer"])),
            "model.user_reference.segments": model("segments", json!([])),
            "model.user_reference.plays": model("plays", json!([])),
        },
        "sources": {
            "source.user_reference.raw.users": {"resource_type": "source", "schema": "raw", "identifier": "users"},
        },
        "macros": {
            "macro.p.outer": {"macro_sql": "{{ inner() }}", "depends_on": {"macros": ["macro.p.inner", "macro.p.outer"]}},
            "macro.p.inner": {"macro_sql": "1"},
        },
    })
}

/// Which of the three models and the source are found after `change`.
fn after(select: &str, change: impl Fn(&mut Value)) -> String {
    let mut changed = artifact();
    change(&mut changed);
    let (before, now) = (Snapshot::of(&artifact()), Snapshot::of(&changed));
    let state = State {
        compared: Some(Compared {
            before: &before,
            now: &now,
            same_code: &BTreeMap::new(),
        }),
        results: None,
    };
    let exclude_rest = [
        "resource_type:test",
        "staging",
        "crm",
        "dates",
        "weekly",
        "adhoc",
        "countries",
        "source:raw.events",
    ];
    let criteria = Criteria {
        indirect: Indirect::Empty,
        ..ask(&[select], &exclude_rest)
    };
    shown(pick_with(
        &criteria,
        &Selectors::default(),
        state,
        &ResourceType::ALL,
    ))
}

fn model<'a>(artifact: &'a mut Value, name: &str) -> &'a mut Value {
    &mut artifact["nodes"][format!("model.user_reference.{name}")]
}

#[test]
fn each_side_of_a_node() {
    type Change = fn(&mut Value);
    let body: Change = |all| model(all, "plays")["raw_code"] = json!("select 2");
    let config: Change = |all| model(all, "plays")["config"]["materialized"] = json!("table");
    let tag: Change = |all| model(all, "plays")["config"]["tags"] = json!(["daily"]);
    let schema: Change = |all| model(all, "plays")["config"]["schema"] = json!("crm");
    let text: Change = |all| model(all, "plays")["description"] = json!("what it was");
    let unseen: Change = |all| {
        model(all, "plays")["columns"] = json!({"user_id": {"description": "who"}});
    };
    let contract: Change = |all| model(all, "plays")["contract"]["enforced"] = json!(true);
    let promised: Change = |all| {
        model(all, "plays")["contract"]["enforced"] = json!(true);
        model(all, "plays")["columns"] = json!({"user_id": {"data_type": "text"}});
    };
    let unpromised: Change = |all| {
        model(all, "plays")["columns"] = json!({"user_id": {"data_type": "text"}});
    };
    let inner: Change = |all| all["macros"]["macro.p.inner"]["macro_sql"] = json!("2");
    let source: Change = |all| {
        all["sources"]["source.user_reference.raw.users"]["identifier"] = json!("people");
    };
    for (change, select, expect) in [
        (body, "state:modified", "plays"),
        (body, "state:modified.body", "plays"),
        (body, "state:modified.configs", ""),
        (body, "state:unmodified", "recency segments raw.users"),
        (config, "state:modified.configs", "plays"),
        (config, "state:modified.body", ""),
        (tag, "state:modified", ""),
        (schema, "state:modified.relation", "plays"),
        (schema, "state:modified.configs", ""),
        (text, "state:modified.persisted_descriptions", "plays"),
        (unseen, "state:modified", ""),
        (contract, "state:modified.contract", "plays"),
        (promised, "state:modified.contract", "plays"),
        (promised, "state:modified.body", ""),
        // Without a contract nobody is promised a type.
        (unpromised, "state:modified", ""),
        (inner, "state:modified.macros", "recency"),
        (inner, "state:modified", "recency"),
        (source, "state:modified", "raw.users"),
        (source, "state:modified.relation", "raw.users"),
        (body, "state:new", ""),
        (body, "state:old", "plays recency segments raw.users"),
    ] {
        assert_eq!(after(select, change), expect, "{select}");
    }
}

#[test]
fn what_is_new_is_also_modified() {
    let manifest = artifact();
    let mut earlier = artifact();
    if let Some(nodes) = earlier["nodes"].as_object_mut() {
        nodes.remove("model.user_reference.segments");
    }
    let (before, now) = (Snapshot::of(&earlier), Snapshot::of(&manifest));
    let state = State {
        compared: Some(Compared {
            before: &before,
            now: &now,
            same_code: &BTreeMap::new(),
        }),
        results: None,
    };
    for select in ["state:new", "state:modified", "state:modified.body"] {
        let criteria = Criteria {
            indirect: Indirect::Empty,
            ..ask(&[&format!("{select},segmentation")], &[])
        };
        let picked = pick_with(
            &criteria,
            &Selectors::default(),
            state,
            &[ResourceType::Model],
        );
        assert_eq!(shown(picked), "segments", "{select}");
    }
}

#[test]
fn statuses_of_the_last_run() {
    let results = statuses(&[
        ("model.plays", "error"),
        ("model.user_360", "skipped"),
        ("test.not_null_segments", "fail"),
    ]);
    let state = State {
        compared: None,
        results: Some(&results),
    };
    for (select, expect) in [
        ("result:error", "plays"),
        ("1+result:fail", "segments not_null_segments"),
        ("result:error result:skipped", "plays user_360"),
        ("result:success", ""),
    ] {
        let criteria = Criteria {
            indirect: Indirect::Empty,
            ..ask(&[select], &[])
        };
        let picked = pick_with(&criteria, &Selectors::default(), state, &ResourceType::ALL);
        assert_eq!(shown(picked), expect, "{select}");
    }
}

#[test]
fn missing_state_is_an_error() {
    for (select, expect) in [
        (
            "plays state:modified+",
            "`state:modified+` needs the manifest of another run to compare with\n\
             help: name the folder of its `manifest.json` with `--state`",
        ),
        (
            "result:error",
            "`result:error` needs the results of an earlier run\n\
             help: name the folder of its `run_results.json` with `--state`",
        ),
        (
            "state:modifed",
            "`state:` does not take `modifed`\nhelp: did you mean `state:modified`?",
        ),
    ] {
        assert_eq!(shown(pick_all(&ask(&[select], &[]))), expect);
    }
}
