//! What templates ask for, in the parse pass and after, and where it stands.

use super::*;

fn names(rendered: &Rendered) -> Vec<&str> {
    let refs = rendered.calls.refs.iter();
    refs.map(|(call, _)| call.name.as_str()).collect()
}

#[test]
fn calls_are_recorded_with_their_place() {
    let text = "{{ config(materialized='table', tags=['a']) }}\nselect * from {{ ref('orders') }}\njoin {{ source('raw', 'ev') }}";
    let rendered = Project::new().render(text).unwrap();
    let calls = rendered.calls;
    let (call, span) = &calls.refs[0];
    assert_eq!(
        (call.name.as_str(), &text[span.start..span.end]),
        ("orders", "ref('orders')")
    );
    let (source, table, span) = &calls.sources[0];
    assert_eq!((source.as_str(), table.as_str()), ("raw", "ev"));
    assert_eq!(&text[span.start..span.end], "source('raw', 'ev')");
    let (config, span) = &calls.config[0];
    assert_eq!(
        json!(config),
        json!({"materialized": "table", "tags": ["a"]})
    );
    assert_eq!(
        &text[span.start..span.end],
        "config(materialized='table', tags=['a'])"
    );
}

#[test]
fn the_parse_pass_finds_what_it_does_not_reach() {
    let text = "{% if is_incremental() %}{{ ref('users') }}{% endif %}\
                {% if execute %}{% set x = run_query('select 1').columns[0].values()[0] %}\
                {{ ref('shop', 'events', v=2) }}{{ var('start_date') }}{% endif %}{{ ref('orders') }}";
    let rendered = Project::new().parse_pass().render(text).unwrap();
    assert_eq!(names(&rendered), ["orders", "users", "events"]);
    assert_eq!(rendered.calls.refs[2].0.version.as_deref(), Some("2"));
    assert!(rendered.calls.incremental);
    assert!(rendered.calls.vars.contains("start_date"));
    let rendered = Project::new()
        .render("{% if false %}{{ ref('users') }}{% endif %}")
        .unwrap();
    assert!(names(&rendered).is_empty());
}

#[test]
fn the_parse_pass_swallows_queries_and_undefined_names() {
    let text = "{% set r = run_query('x') %}{{ r.columns[0].values()[0] }}{% for x in r.rows %}{{ x }}{% endfor %}\
                {{ load_result('s').table.columns['a'] }}{{ undefined_name.a.b }}";
    let project = Project::new().parse_pass();
    assert_eq!(project.text(text), "");
    assert!(project.answers.queries.lock().unwrap().is_empty());
}

#[test]
fn a_ref_in_a_macro_points_to_the_call_in_the_model() {
    let project = Project::new()
        .macros("{% macro all_of(name) %}select * from {{ ref(name) }}{% endmacro %}");
    let text = "-- x\n{{ all_of('orders') }}";
    let rendered = project.render(text).unwrap();
    let (call, span) = &rendered.calls.refs[0];
    assert_eq!(
        (call.name.as_str(), &text[span.start..span.end]),
        ("orders", "all_of('orders')")
    );
    assert!(rendered.calls.macros.contains("macro.shop.all_of"));
}

#[test]
fn macros_that_decide_the_text_are_known() {
    let project = Project::new().macros(
        "{% macro a() %}{{ b() }}{{ dbt.type_int() }}{% endmacro %}{% macro b() %}{% endmacro %}",
    );
    let (macros, _) = project.load();
    let ids = macros.depends_on("macro.shop.a");
    let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
    assert_eq!(
        ids,
        [
            "macro.dbt.default__type_int",
            "macro.dbt.type_int",
            "macro.shop.b"
        ]
    );
    let rendered = project
        .parse_pass()
        .render("{% if execute %}{{ a() }}{% endif %}")
        .unwrap();
    assert!(rendered.calls.macros.contains("macro.shop.a"));
}

#[test]
fn definitions_are_described() {
    let text = "{% test t(model, column_name, n=[1, 2]) %}{{ ref('x') }}{% endtest %}";
    let project = Project::new().macros(text);
    let (macros, _) = project.load();
    let test = macros.get("macro.shop.test_t").unwrap();
    assert_eq!(test.kind, MacroKind::Test);
    let parameters: Vec<_> = test
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.has_default))
        .collect();
    assert_eq!(
        parameters,
        [("model", false), ("column_name", false), ("n", true)]
    );
    assert_eq!(test.calls.refs[0].0.name, "x");
    assert_eq!(&*test.text, text);
    assert!(macros.resolve("shop", "test_t").is_some());
    assert!(macros.resolve("shop", "dbt.date_trunc").is_some());
    assert!(macros.resolve("shop", "nothing").is_none());
}

#[test]
fn the_map_leads_back_to_the_source() {
    let text = "{% set l = [1] -%}\n  select {{ l[0] }},\n  wrong_column from {{ ref('orders') }} where é = 1\n";
    let rendered = Project::new().render(text).unwrap();
    let find = |part: &str| {
        let at = rendered.text.find(part).unwrap();
        let span = rendered.map.locate(at..at + part.len()).unwrap();
        &text[span.start..span.end]
    };
    assert_eq!(find("wrong_column"), "wrong_column");
    assert_eq!(find("é = 1"), "é = 1");
    assert_eq!(find(r#""main"."orders""#), "ref('orders')");
    assert_eq!(find("1,"), "l[0] }},");
    let plain = Project::new().render("select 1").unwrap();
    assert_eq!(
        plain.map.locate(7..8).unwrap(),
        crate::diagnostic::Span::new("models/m.sql", 7..8)
    );
}

#[test]
fn spans_are_offsets_of_the_file() {
    let (macros, _) = Project::new().load();
    let project = Project::new();
    let source = Source {
        offset: 100,
        ..Source::whole("a.yml", "{{ nothing }}")
    };
    let problem =
        super::super::render(&macros, &source, &project.scope, &project.host()).unwrap_err();
    assert_eq!(
        problem.span.unwrap(),
        crate::diagnostic::Span::new("a.yml", 103..110)
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let project = Project::new();
    let text = "{% set d = {'z': 1, 'a': set([3, 1, 3])} %}{{ d }}{{ tojson(d) }}{{ context }}";
    assert_eq!(project.text(text), project.text(text));
}

#[test]
fn macros_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Macros>();
    let project = Project::new().macros("{% macro f(x) %}{{ return(x + 1) }}{% endmacro %}");
    let (macros, _) = project.load();
    std::thread::scope(|threads| {
        for n in 0..8 {
            let (macros, project) = (&macros, &project);
            threads.spawn(move || {
                let source = Source::whole("m.sql", format!("{{{{ f({n}) }}}}"));
                let rendered =
                    super::super::render(macros, &source, &project.scope, &project.host());
                assert_eq!(rendered.unwrap().text, (n + 1).to_string());
            });
        }
    });
}

#[test]
fn a_macro_can_be_made_to_give_a_value() {
    let mut project = Project::new()
        .macros("{% macro days() %}7{% endmacro %}{% macro window(n) %}{{ n }} of {{ days() }}{% endmacro %}")
        .package("kit", "{% macro unit(x) %}second{% endmacro %}{% macro other() %}kept{% endmacro %}");
    let text = "{{ window(3) }} {{ kit.unit('a') }} {{ kit.other() }} {% if is_incremental() %}more{% endif %}";
    assert_eq!(project.text(text), "3 of 7 second kept ");
    project.scope.overrides = Arc::new(BTreeMap::from([
        ("days".to_owned(), json!(30)),
        ("kit.unit".to_owned(), json!("minute")),
        ("is_incremental".to_owned(), json!(true)),
    ]));
    assert_eq!(project.text(text), "3 of 30 minute kept more");
}

#[test]
fn environment_variables_can_stand_in_for_others() {
    let mut project = Project::new();
    let over = BTreeMap::from([("REGION".to_owned(), "us".to_owned())]);
    project.scope.environment = Arc::new(project.scope.environment.with(&over));
    assert_eq!(project.text("{{ env_var('REGION') }}"), "us");
}
