use std::fs;

use serde_json::json;

use super::*;
use crate::diagnostic::{Code, Severity};

/// Jinja for tests: `{{ word }}` is that word in capitals, `{{ fail }}` fails.
struct Capitals;

impl Render for Capitals {
    fn value(&self, text: &str, span: &Span) -> Result<serde_json::Value, Diagnostic> {
        let word = text.trim_matches(['{', '}', ' ']);
        match word {
            "fail" => Err(Diagnostic::error(Code::UnknownEnvVar, "not set").at(span.clone())),
            "four" => Ok(json!(4)),
            _ if text.starts_with("{{") && text.ends_with("}}") => Ok(word.to_uppercase().into()),
            _ => Ok(text.replace("{{ base }}", "BASE").into()),
        }
    }
}

fn load_with(texts: &[(&str, &str)], choice: Choice<'_>) -> (Option<Project>, Vec<Diagnostic>) {
    let files = from_texts(texts.iter().copied());
    let (target, mut diagnostics) = target(&files, choice, &Capitals);
    let Some(target) = target else {
        return (None, diagnostics);
    };
    let (file, more) = project_file(&files, target, &Capitals);
    diagnostics.extend(more);
    let Some(file) = file else {
        return (None, diagnostics);
    };
    let (project, more) = parse(Path::new(""), files, file, &Capitals);
    diagnostics.extend(more);
    (Some(project), diagnostics)
}

fn load(texts: &[(&str, &str)]) -> Project {
    let (project, diagnostics) = load_with(texts, Choice::default());
    assert_eq!(diagnostics, []);
    project.expect("the project loads")
}

/// `path:line:column message | help` of each.
fn told(texts: &[(&str, &str)], diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let help = diagnostic.help.as_deref().unwrap_or_default();
            let place = diagnostic.span.as_ref().map_or(String::new(), |span| {
                let text = texts.iter().find(|(path, _)| **path == *span.file);
                let (line, column) = text.map_or((0, 0), |(_, text)| span.position(text));
                format!("{}:{line}:{column} ", span.file)
            });
            format!("{place}{} | {help}", diagnostic.message)
        })
        .collect()
}

fn mistakes(texts: &[(&str, &str)], choice: Choice<'_>) -> Vec<String> {
    told(texts, &load_with(texts, choice).1)
}

/// The properties of one model file, beside a minimal project file.
fn properties(text: &str) -> Properties {
    let texts = [("project.yml", "name: shop"), ("models/schema.yml", text)];
    load(&texts).properties.remove(0)
}

fn wrong_properties(text: &str) -> Vec<String> {
    let texts = [("project.yml", "name: shop"), ("models/schema.yml", text)];
    mistakes(&texts, Choice::default())
}

#[test]
fn files_are_sorted_by_folder_and_ending() {
    let project = load(&[
        (
            "project.yml",
            "name: shop\nmodel-paths: [models, ./extra/]\n",
        ),
        ("models/staging/stg_users.sql", "select 1"),
        ("models/docs.md", "{% docs a %}{% enddocs %}"),
        ("models/schema.yml", "models: []"),
        ("extra/a.sql", "select 1"),
        ("tests/no_gap.sql", "select 1"),
        (
            "tests/generic/positive.sql",
            "{% test positive() %}{% endtest %}",
        ),
        ("macros/cents.sql", ""),
        ("analyses/why.sql", "select 1"),
        ("seeds/geo/regions.csv", "a,b\n1,2\n"),
        ("models/stray.csv", "a\n"),
        ("elsewhere/b.sql", "select 1"),
        ("selectors.yml", "selectors: []"),
    ]);
    let paths = |files: &[SqlFile]| -> Vec<String> {
        files.iter().map(|file| file.path.to_string()).collect()
    };
    assert_eq!(
        paths(&project.models),
        ["extra/a.sql", "models/staging/stg_users.sql"]
    );
    assert_eq!(project.models[1].name, "stg_users");
    assert_eq!(project.models[1].folders, ["staging"]);
    assert_eq!(paths(&project.singular_tests), ["tests/no_gap.sql"]);
    assert_eq!(
        paths(&project.macros),
        ["macros/cents.sql", "tests/generic/positive.sql"]
    );
    assert_eq!(paths(&project.analyses), ["analyses/why.sql"]);
    assert_eq!(project.docs.len(), 1);
    assert_eq!(project.properties.len(), 1);
    assert!(project.selectors.is_some());
    let [seed] = project.seeds.as_slice() else {
        panic!("one seed");
    };
    assert_eq!(
        (seed.name.as_str(), seed.folders.as_slice(), seed.data.size),
        ("regions", &["geo".to_owned()][..], 8)
    );
}

#[test]
fn the_project_file() {
    let project = load(&[(
        "project.yml",
        "name: shop
version: 1.0
as-of: 2024-08-31
vars: { a: 1, b: '{{ later }}', shop: { a: 2 } }
on-run-start: '{{ later }}'
models:
  shop:
    +schema: '{{ marts }}'
    +pre-hook: '{{ later }}'
data_tests:
  +severity: warn
dispatch: [{ macro_namespace: dbt_utils, search_order: [shop, dbt_utils] }]
targets:
  dev: { root: warehouse, threads: '{{ four }}', memory_limit: 8GB }
  prod: { root: 's3://bucket', storage_options: { key: '{{ fail }}' } }
default-target: dev
",
    )]);
    let file = &project.file;
    assert_eq!(file.version.as_deref(), Some("1.0"));
    assert_eq!(
        file.as_of.as_ref().map(|as_of| &***as_of),
        Some("2024-08-31")
    );
    assert_eq!(json!(file.vars), json!({ "a": 2, "b": "{{ later }}" }));
    assert_eq!(file.on_run_start[0].value, "{{ later }}");
    assert_eq!(
        file.models.as_ref().map(Node::to_json),
        Some(json!({ "shop": { "+schema": "MARTS", "+pre-hook": "{{ later }}" } }))
    );
    assert!(file.data_tests.is_some());
    assert_eq!(file.target.name, "dev");
    assert_eq!(file.target.profile, "shop");
    assert_eq!(file.target.root.value, "warehouse");
    assert_eq!(
        file.target.threads.as_ref().map(|threads| threads.0),
        Some(4)
    );
    assert_eq!(
        file.target.memory_limit.as_ref().map(|limit| limit.0),
        Some(8_000_000_000)
    );
}

#[test]
fn an_unknown_key_is_an_error_here_and_a_warning_in_dbts_file() {
    let text = "name: shop\ndefault_target: dev\nmodel-path: [m]\n";
    let texts = [("project.yml", text)];
    let (project, diagnostics) = load_with(&texts, Choice::default());
    assert!(project.is_some());
    assert_eq!(
        told(&texts, &diagnostics),
        [
            "project.yml:2:1 unknown key `default_target` | did you mean `default-target`?",
            "project.yml:3:1 unknown key `model-path` | did you mean `model-paths`?",
        ]
    );
    assert!(diagnostics.iter().all(Diagnostic::is_error));
    let (_, diagnostics) = load_with(&[("dbt_project.yml", text)], Choice::default());
    assert_eq!(diagnostics.len(), 2);
    assert!(
        diagnostics
            .iter()
            .all(|told| told.severity == Severity::Warning)
    );
}

#[test]
fn mistakes_in_the_project_file() {
    for (text, expected) in [
        (
            "version: 1\n",
            "project.yml:1:1 `name` is missing | add the key `name:`",
        ),
        (
            "",
            "project.yml:1:1 `project.yml` is empty | write at least `name: my_project`",
        ),
        (
            "name: my-shop\n",
            "project.yml:1:7 `my-shop` cannot be the name of a project | use letters, digits and underscores: `my_shop`",
        ),
        (
            "name: shop\nmodel-paths: [../models]\n",
            "project.yml:2:15 `../models` leads out of the project | name a folder below the project file, as `models`",
        ),
        (
            "name: shop\ntargets: { dev: { root: w, thread: 1 } }\n",
            "project.yml:2:28 unknown key `thread` | did you mean `threads`?",
        ),
        (
            "name: shop\ntargets: { dev: { root: w, memory_limit: lots } }\n",
            "project.yml:2:42 `memory_limit`: expected an amount of memory, found text `lots` | write a number with its unit: `8GB`, `512MiB`",
        ),
        (
            "name: shop\ntargets: { dev: { threads: 1 } }\n",
            "project.yml:2:19 `root` is missing | add the key `root:`",
        ),
        (
            "name: shop\ntargets: { dev: { root: w } }\ndefault-target: prod\n",
            "project.yml:3:17 no target named `prod` | choose one of `dev`",
        ),
        (
            "name: shop\nmodels: { +tags: '{{ fail }}' }\n",
            "project.yml:2:18 not set | ",
        ),
    ] {
        let texts = [("project.yml", text)];
        assert_eq!(mistakes(&texts, Choice::default()), [expected], "{text}");
    }
    assert_eq!(load_with(&[], Choice::default()).1[0].code, Code::NoProject);
}

#[test]
fn the_target_that_is_asked_for() {
    let texts = [(
        "project.yml",
        "name: shop\ntargets: { dev: { root: a }, prod: { root: b } }\n",
    )];
    let asked = |target| Choice {
        target: Some(target),
        ..Choice::default()
    };
    let (project, _) = load_with(&texts, asked("prod"));
    assert_eq!(project.expect("loads").file.target.root.value, "b");
    let (project, _) = load_with(&texts, Choice::default());
    assert_eq!(project.expect("loads").file.target.name, "dev");
    assert_eq!(
        mistakes(&texts, asked("prodd")),
        ["project.yml:2:10 no target named `prodd` | did you mean `prod`?"]
    );
    assert!(
        mistakes(&[("project.yml", "name: shop")], asked("prod"))[0]
            .contains("no target named `prod`")
    );
}

#[test]
fn a_profile_names_the_target() {
    let profiles = "shop:
  target: '{{ two }}'
  outputs:
    ONE: { type: duckdb, path: x, schema: main, threads: 3, password: '{{ fail }}' }
    TWO: { type: refx, root: 'gs://bucket', storage_options: { token: secret } }
";
    let project_text = ("dbt_project.yml", "name: shop\nprofile: shop\n");
    let texts = [project_text, ("profiles.yml", profiles)];
    let target = load(&texts).file.target;
    assert_eq!(
        (target.name.as_str(), target.root.as_str()),
        ("TWO", "gs://bucket")
    );
    assert!(!format!("{target:?}").contains("secret"));
    let one = Choice {
        target: Some("ONE"),
        ..Choice::default()
    };
    let (project, diagnostics) = load_with(&texts, one);
    assert_eq!(diagnostics, []);
    let target = project.expect("loads").file.target;
    assert_eq!(
        (target.name.as_str(), target.root.as_str()),
        ("ONE", "warehouse")
    );
    assert_eq!(
        target.schema.as_ref().map(|schema| schema.as_str()),
        Some("main")
    );
    assert_eq!(target.threads.map(|threads| threads.0), Some(3));
    let target = load(&[project_text]).file.target;
    assert_eq!(
        (target.name.as_str(), target.profile.as_str()),
        ("dev", "shop")
    );
}

#[test]
fn a_secret_stays_out_of_the_message() {
    let text = "name: shop\ntargets: { dev: { root: w, storage_options: hunter2 } }\n";
    let told = mistakes(&[("project.yml", text)], Choice::default());
    assert_eq!(
        told,
        ["project.yml:2:45 `storage_options`: expected keys and values | "]
    );
}

#[test]
fn a_models_properties() {
    let properties = properties(
        "version: 2
models:
  - name: user_video
    description: \"{{ doc('video') }}\"
    unique_key: [user_id, content_type]
    owner: { name: Ann, email: ann@tv }
    cadence: daily
    config: { tags: ['{{ tag }}'], pre-hook: '{{ later }}', meta: { a: 1 } }
    versions: [{ v: 2, columns: [{ include: all, exclude: [a] }, { name: b }] }]
    columns:
      - name: user_id
        unit: seconds
        data_type: bigint
        constraints: [{ type: not_null }]
",
    );
    let model = &properties.models[0];
    assert_eq!(model.name.value, "user_video");
    assert_eq!(
        model.description.as_ref().map(|text| text.value.as_str()),
        Some("{{ doc('video') }}")
    );
    assert_eq!(
        model.primary_key.as_ref().map(|key| key.0.as_slice()),
        Some(&["user_id".to_owned(), "content_type".to_owned()][..])
    );
    assert_eq!(
        model.owner.as_ref().map(|owner| owner.to_string()),
        Some("Ann <ann@tv>".into())
    );
    assert_eq!(
        model.config.as_ref().map(Node::to_json),
        Some(json!({ "tags": ["TAG"], "pre-hook": "{{ later }}", "meta": { "a": 1 } }))
    );
    assert!(matches!(
        model.versions[0].columns.as_slice(),
        [VersionColumns::Inherit(_), VersionColumns::Own(_)]
    ));
    assert_eq!(model.columns[0].unit.as_deref(), Some("seconds"));
}

#[test]
fn every_spelling_of_a_test() {
    let properties = properties(
        "models:
  - name: a
    tests:
      - unique
      - unique: { config: { severity: '{{ warn }}', where: '{{ later }}' } }
      - accepted_values: { values: [1, 2], severity: warn }
      - dbt_utils.accepted: { arguments: { values: ['{{ raw }}'] }, name: mine, description: '{{ raw }}' }
      - name: mine
        test_name: relationships
        to: ref('users')
        column_name: b
",
    );
    let tests: Vec<_> = properties.models[0]
        .data_tests
        .iter()
        .map(|test| {
            let arguments: serde_json::Map<_, _> = test
                .arguments
                .iter()
                .map(|(name, node)| (name.clone(), node.to_json()))
                .collect();
            json!([
                test.test,
                test.name,
                arguments,
                test.config.as_ref().map(Node::to_json)
            ])
        })
        .collect();
    assert_eq!(
        tests,
        [
            json!(["unique", null, {}, null]),
            json!(["unique", null, {}, { "severity": "WARN", "where": "{{ later }}" }]),
            json!(["accepted_values", null, { "values": [1, 2] }, { "severity": "warn" }]),
            json!(["dbt_utils.accepted", "mine", { "values": ["{{ raw }}"] }, null]),
            json!(["relationships", "mine", { "to": "ref('users')" }, null]),
        ]
    );
    assert_eq!(
        properties.models[0].data_tests[4].column_name.as_deref(),
        Some("b")
    );
}

#[test]
fn mistakes_in_properties_leave_the_rest() {
    let text = "models:
  - name: a
    color: red
  - description: nameless
  - name: b
    tests:
      - unique:
        severity: warn
      - not_null
  - name: c
    tests:
      - accepted_values: [1, 2]
modles: []
";
    assert_eq!(
        wrong_properties(text),
        [
            "models/schema.yml:3:5 unknown key `color` | the keys here are `name`, `description`, `primary_key`, `unique_key`, `owner`, `cadence`, `tags`, `meta`, `config`, `columns`, `data_tests`, `tests`, `constraints`, `docs`, `access`, `group`, `latest_version`, `versions`, `deprecation_date`, `time_spine`, `relation`, `semantic_model`, `quote_columns`",
            "models/schema.yml:4:5 `name` is missing | add the key `name:`",
            "models/schema.yml:8:9 `severity` stands beside the test `unique` and not below it | indent `severity:` further than `unique:`",
            "models/schema.yml:12:26 `tests`: expected the arguments of the test by name, found a list | write the argument's name before the value, as `accepted_values: { values: [a, b] }`",
            "models/schema.yml:13:1 unknown key `modles` | did you mean `models`?",
        ]
    );
    let texts = [
        ("project.yml", "name: shop"),
        ("models/a.yml", "models: [\n"),
        ("models/b.yml", "models: [{ name: b }]\n"),
        ("models/c.yml", "\t\n- x"),
    ];
    let (project, diagnostics) = load_with(&texts, Choice::default());
    let project = project.expect("the project loads");
    assert_eq!(project.properties[0].models[0].name.value, "b");
    assert_eq!(diagnostics.len(), 2);
}

#[test]
fn the_place_of_a_source() {
    let place = |source: &str| {
        let properties = properties(&format!(
            "sources:\n  - name: raw\n    {source}\n    tables: [{{ name: users, identifier: u }}]\n"
        ));
        let source = &properties.sources[0];
        let place = source
            .place(&source.tables[0])
            .map_err(|told| told.message)
            .map(|place| place.expect("a place"));
        place.map(|place| {
            let options = serde_json::to_value(&place.options).expect("options are JSON");
            let options: serde_json::Map<_, _> = options
                .as_object()
                .expect("a map")
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            (place.locations.join(" "), place.format, json!(options))
        })
    };
    let none = || json!({});
    for (source, location, format, options) in [
        ("location: data/{name}", "data/users", None, none()),
        (
            "location: data/{identifier}.csv.gz",
            "data/u.csv.gz",
            Some(Format::Csv),
            none(),
        ),
        (
            "{location: data, format: delta, options: {version: 3}}",
            "data",
            Some(Format::Delta),
            json!({ "version": 3 }),
        ),
        (
            "meta: { external_location: \"{{ base }}/{name}.parquet\" }",
            "BASE/users.parquet",
            Some(Format::Parquet),
            none(),
        ),
        (
            "config: { meta: { external_location: \"read_parquet('p/{name}/*.parquet')\" } }",
            "p/users/*.parquet",
            Some(Format::Parquet),
            none(),
        ),
        (
            "config: { external_location: \"'p/{name}.json'\" }",
            "p/users.json",
            Some(Format::Json),
            none(),
        ),
        (
            "meta: { external_location: \"read_csv(['a.csv', 'b,c.csv'], header = true, delim=';', nullstr='NA')\" }",
            "a.csv b,c.csv",
            Some(Format::Csv),
            json!({ "delimiter": ";", "header": true, "null_value": ["NA"] }),
        ),
        (
            "meta: { external_location: \"read_csv_auto('a.csv', columns={'x': 'BIGINT'}, sample_size=-1)\" }",
            "a.csv",
            Some(Format::Csv),
            json!({ "types": { "x": "BIGINT" }, "infer_rows": -1 }),
        ),
        (
            "meta: { external_location: \"delta_scan('s3://b/t')\" }",
            "s3://b/t",
            Some(Format::Delta),
            none(),
        ),
    ] {
        let source = source.trim_start_matches('{').replace(
            ", format: delta, options: {version: 3}}",
            "\n    format: delta\n    options: { version: 3 }",
        );
        assert_eq!(
            place(&source),
            Ok((location.to_owned(), format, options)),
            "{source}"
        );
    }
    for (location, message) in [
        (
            "read_excel('a')",
            "`read_excel` is not a function that reads files",
        ),
        ("read_csv('a", "the path"),
        ("read_csv(a)", "a location that cannot be read"),
        (
            "read_csv('a', filename=true)",
            "the option `filename` of an external location has no counterpart in refx",
        ),
        ("read_csv('a', delimitr=';')", "unknown key `delimitr`"),
    ] {
        let told = place(&format!("meta: {{ external_location: \"{location}\" }}"));
        match told {
            Err(told) => assert_eq!(told, message),
            Ok((path, ..)) => assert_eq!(path, "read_csv('a", "{location}"),
        }
    }
}

#[test]
fn schemas_describe_every_key() {
    let schema = schema();
    assert_eq!(schema["title"], "project.yml");
    assert_eq!(
        schema["properties"]["model-paths"]["default"],
        json!(["models"])
    );
    assert_eq!(schema["required"], json!(["name"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(
        schema["properties"]["tests"],
        schema["properties"]["data-tests"]
    );
    let model = &properties_schema()["$defs"]["ModelProperties"]["properties"];
    for key in ["tests", "data_tests", "unique_key", "primary_key"] {
        assert!(model[key].is_object(), "{key}");
    }
    for schema in [schema, properties_schema()] {
        let keys = schema["properties"].as_object().expect("keys");
        for (key, value) in keys {
            assert!(value["description"].is_string(), "{key} has no description");
        }
    }
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let root = std::env::temp_dir().join(format!("refx-{name}-{}", std::process::id()));
        for (path, bytes) in files {
            let path = root.join(path);
            let parent = path.parent().expect("a file is in a folder");
            fs::create_dir_all(parent).expect("the folder can be made");
            fs::write(path, bytes).expect("the file can be written");
        }
        Folder(root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_walk_stops_at_what_is_not_the_projects() {
    let folder = Folder::new(
        "walk",
        &[
            (
                "project.yml",
                b"name: shop\nmodel-paths: [.]\nclean-targets: [out, seeds]\n",
            ),
            ("models/a.sql", b"select 1"),
            ("models/.hidden/b.sql", b""),
            ("models/.b.sql", b""),
            ("models/node_modules/c.sql", b""),
            ("models/target/d.sql", b""),
            ("target/e.sql", b""),
            ("out/f.sql", b""),
            ("dbt_packages/p/g.sql", b""),
            ("tests/cases/own/project.yml", b"name: own"),
            ("tests/cases/own/models/h.sql", b""),
            ("seeds/s.csv", b"a\n1\n"),
            ("notes.txt", b"no"),
            ("models/latin.sql", b"select '\xe9'"),
        ],
    );
    let (files, diagnostics) = read(&folder.0);
    let paths: Vec<_> = files.texts().map(|(path, _)| &**path).collect();
    assert_eq!(
        paths,
        ["models/a.sql", "models/target/d.sql", "project.yml"]
    );
    assert_eq!(files.data().count(), 1);
    let messages: Vec<_> = diagnostics
        .iter()
        .map(|told| told.message.as_str())
        .collect();
    assert_eq!(messages, ["`models/latin.sql` is not UTF-8"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_root() {
    use std::os::unix::fs::symlink;
    let outside = Folder::new("outside", &[("secret.sql", b"select 1")]);
    let folder = Folder::new(
        "links",
        &[
            ("project.yml", b"name: shop"),
            ("shared/a.sql", b"select 1"),
            ("models/b.sql", b""),
        ],
    );
    for (end, link) in [
        (outside.0.clone(), "models/out"),
        (folder.0.join("shared"), "models/in"),
        (folder.0.join("models"), "models/round"),
        (folder.0.join("gone"), "models/gone"),
    ] {
        symlink(end, folder.0.join(link)).expect("the link can be made");
    }
    let (files, diagnostics) = read(&folder.0);
    let paths: Vec<_> = files.texts().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["models/b.sql", "models/in/a.sql", "project.yml"]);
    assert_eq!(diagnostics.len(), 3, "{diagnostics:?}");
}
