//! The other ways in: values of YAML, calls of tests, blocks of a file.

use super::*;

#[test]
fn values_of_yaml_keep_their_type() {
    let project = Project::new();
    let value = |text: &str| project.value(text).unwrap();
    assert_eq!(value("{{ var('cli') }}"), json!(1));
    assert_eq!(value(" {{ var('kinds') }} "), json!(["live", "replay"]));
    assert_eq!(value("x{{ var('cli') }}"), json!("x1"));
    assert_eq!(value("plain"), json!("plain"));
    assert_eq!(value("{{ target.name == 'dev' }}"), json!(true));
    assert_eq!(value("{{ 'true' | as_bool }}"), json!(true));
    assert_eq!(value("{{ {'a': [1]} }}"), json!({"a": [1]}));
}

#[test]
fn tests_are_called_with_values() {
    let project = Project::new()
        .macros("{% test at_least(model, column_name, n=1) %}{{ model }}/{{ column_name }}/{{ n }}{% endtest %}");
    let (macros, _) = project.load();
    let call = |id: &str, arguments: &[(String, Argument)]| {
        super::super::call(&macros, id, arguments, &project.scope, &project.host()).unwrap()
    };
    let model = (
        "model".to_owned(),
        Argument::Relation(Relation::table("main", "orders")),
    );
    let column = ("column_name".to_owned(), Argument::Value(json!("a }} b")));
    let rendered = call("macro.shop.test_at_least", &[model.clone(), column.clone()]);
    assert_eq!(rendered.text, r#""main"."orders"/a }} b/1"#);
    assert!(rendered.calls.macros.contains("macro.shop.test_at_least"));
    let to = |text: &str| {
        (
            "to".to_owned(),
            Argument::Expression(Source::whole("models/s.yml", text)),
        )
    };
    let field = ("field".to_owned(), Argument::Value(json!("id")));
    for text in ["ref('users')", "{{ ref('users') }}"] {
        let arguments = [model.clone(), column.clone(), to(text), field.clone()];
        let rendered = call("macro.dbt.test_relationships", &arguments);
        assert!(
            rendered.text.contains(r#"from "main"."users""#),
            "{}",
            rendered.text
        );
        assert_eq!(rendered.calls.refs[0].0.name, "users");
        assert_eq!(rendered.calls.refs[0].1.file, "models/s.yml".into());
    }
    let values = ("values".to_owned(), Argument::Value(json!(["it's", 2])));
    let rendered = call("macro.dbt.test_accepted_values", &[model, column, values]);
    assert!(
        rendered.text.contains("not in ('it''s', '2')"),
        "{}",
        rendered.text
    );
}

#[test]
fn blocks_of_a_file() {
    let text = "{% snapshot s %}select {{ 1 }}{% endsnapshot %}\n{% docs d %}a {{ b{% enddocs %}";
    let source = Source {
        offset: 10,
        ..Source::whole("x.sql", text)
    };
    let found = blocks(&source).unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|block| (block.kind, block.name.as_str()))
        .collect();
    assert_eq!(names, [(BlockKind::Snapshot, "s"), (BlockKind::Docs, "d")]);
    let body = found[0].body_source(&source);
    assert_eq!((&*body.text, body.offset), ("select {{ 1 }}", 26));
    assert_eq!(&*found[1].body_source(&source).text, "a {{ b");
}
