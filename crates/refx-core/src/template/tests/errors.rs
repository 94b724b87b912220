//! What is said when a template fails.

use super::*;

fn fails(project: &Project, template: &str) -> Diagnostic {
    match project.render(template) {
        Ok(rendered) => panic!("rendered to {:?}", rendered.text),
        Err(diagnostic) => diagnostic,
    }
}

/// The message of the failure and what is marked in the model.
fn check_error(template: &str, code: Code, message: &str, marked: &str) -> Diagnostic {
    let diagnostic = fails(&Project::new(), template);
    assert_eq!(
        (diagnostic.code, diagnostic.message.as_str()),
        (code, message)
    );
    let span = diagnostic.span.clone().expect("a place");
    assert_eq!(&template[span.start..span.end], marked);
    diagnostic
}

#[test]
fn unknown_names() {
    let unknown = check_error(
        "a {{ ref('ordrs') }}",
        Code::UnknownRef,
        "no model named `ordrs`",
        "ref('ordrs')",
    );
    assert_eq!(unknown.help.as_deref(), Some("did you mean `orders`?"));
    let unknown = check_error(
        "{% set l = [1] %}{{ date_trun('x') }}",
        Code::UnknownMacro,
        "no macro or function named `date_trun`",
        "date_trun('x')",
    );
    assert_eq!(unknown.help.as_deref(), Some("did you mean `date_trunc`?"));
    let unknown = check_error(
        "{{ dbt.date_trun('x') }}",
        Code::UnknownMacro,
        "no macro or function named `dbt.date_trun`",
        "dbt.date_trun('x')",
    );
    assert_eq!(
        unknown.help.as_deref(),
        Some("did you mean `dbt.date_trunc`?")
    );
    check_error(
        "{{ dbt_utils.star(x) }}",
        Code::UnknownMacro,
        "`dbt_utils` is neither a package nor a name with a value",
        "dbt_utils.star(x)",
    );
    let unknown = check_error(
        "{{ var('start_dat') }}",
        Code::UnknownVar,
        "the variable `start_dat` has no value and no default",
        "var('start_dat')",
    );
    assert_eq!(unknown.help.as_deref(), Some("did you mean `start_date`?"));
    check_error(
        "{{ env_var('REGIO') }}",
        Code::UnknownEnvVar,
        "the environment variable `REGIO` is not set and has no default",
        "env_var('REGIO')",
    );
    check_error(
        "x {{ [1, foo] }} {{ targ.name }}",
        Code::JinjaError,
        "`targ` is undefined",
        "targ.name",
    );
    check_error(
        "{{ 1 + foo }}",
        Code::JinjaError,
        "`foo` is undefined",
        "1 + foo",
    );
    check_error("{{ foo }}", Code::JinjaError, "`foo` is undefined", "foo");
    check_error(
        "{{ 'x' | shout }}",
        Code::JinjaError,
        "no filter named `shout`",
        "shout",
    );
    check_error(
        "{{ adapter.drop_relation(this) }}",
        Code::Unsupported,
        "`adapter.drop_relation` is not part of refx: models read, and refx writes",
        "adapter.drop_relation(this)",
    );
}

#[test]
fn rewritten_literals_do_not_move_the_place() {
    let tried = "tried to use + operator on unsupported types number and sequence";
    for (template, marked) in [
        ("{{ 1 + [2] }} é", "1 + [2]"),
        ("{{ [[1]][0][0] + [2] }}", "[[1]][0][0] + [2]"),
        ("{% set d = {'a': []} %}{{ 1 + d.a }}", "1 + d.a"),
    ] {
        check_error(template, Code::JinjaError, tried, marked);
    }
}

#[test]
fn a_name_that_is_merely_absent_is_false() {
    check(
        "{% if foo %}a{% else %}b{% endif %}{{ foo | default('c') }}{{ foo is defined }}",
        "bcFalse",
    );
}

#[test]
fn syntax() {
    let problem = fails(&Project::new(), "select\n{% if x %}1");
    assert_eq!(problem.code, Code::JinjaSyntax);
    check_error(
        "a {{ ref('x')",
        Code::JinjaSyntax,
        "`{{` without its `}}`",
        "{{",
    );
    check_error("a {# b", Code::JinjaSyntax, "`{#` without its `#}`", "{#");
    check_error(
        "{% include 'x' %}",
        Code::Unsupported,
        "`{% include %}` is not part of dbt's Jinja",
        "{% include 'x' %}",
    );
    let problem = fails(&Project::new(), "{% set l = [1, 2] %}{{ l ] }}");
    let span = problem.span.unwrap();
    assert_eq!((problem.code, span.start), (Code::JinjaSyntax, 25));
}

#[test]
fn all_broken_macros_are_reported() {
    let project = Project::new()
        .macros("{% macro a() %}{{ 1 + }}{% endmacro %}\n{% macro ok() %}{% endmacro %}\n{% macro b() %}{% if %}{% endmacro %}")
        .package("p", "{% macro open() %}");
    let (macros, diagnostics) = project.load();
    let places: Vec<_> = diagnostics
        .iter()
        .map(|d| {
            (
                d.code,
                d.span.as_ref().map(|s| (s.file.to_string(), s.start)),
            )
        })
        .collect();
    let syntax = |file: &str, at| (Code::JinjaSyntax, Some((file.to_owned(), at)));
    assert_eq!(
        places,
        [
            syntax("macros/all.sql", 22),
            syntax("macros/all.sql", 91),
            syntax("pkg/macros.sql", 0),
        ]
    );
    assert!(macros.get("macro.shop.ok").is_some());
}

#[test]
fn duplicate_macros() {
    let project =
        Project::new().macros("{% macro a() %}{% endmacro %}{% macro a() %}{% endmacro %}");
    let (_, diagnostics) = project.load();
    assert_eq!(diagnostics[0].code, Code::DuplicateMacro);
    assert_eq!(diagnostics[0].related[0].span.start, 9);
}

#[test]
fn arguments() {
    let project = Project::new()
        .macros("{% macro cents(column, scale=2) %}{{ column }}{{ scale }}{% endmacro %}");
    let message = |template: &str| {
        let problem = fails(&project, template);
        let span = problem.span.clone().unwrap();
        assert_eq!(
            (problem.code, &template[span.start..span.end]),
            (Code::MacroArgument, &template[3..template.len() - 3])
        );
        (problem.message, problem.help)
    };
    assert_eq!(
        message("{{ cents(1, 2, 3) }}").0,
        "`cents` takes 2 arguments, and 3 are given"
    );
    let (text, help) = message("{{ cents(1, scal=3) }}");
    assert_eq!(
        (text.as_str(), help.as_deref()),
        (
            "`cents` takes no argument `scal`",
            Some("did you mean `scale`?")
        )
    );
    assert_eq!(
        message("{{ cents(1, column=3) }}").0,
        "`cents` is given the argument `column` twice"
    );
    assert_eq!(
        message("{{ cents() }}").0,
        "`cents` needs the argument `column`"
    );
    assert_eq!(message("{{ var() }}").0, "`var` needs the argument `name`");
    assert_eq!(
        message("{{ var('a', defalt=1) }}").0,
        "`var` takes no argument `defalt`"
    );
}

#[test]
fn an_error_in_a_macro_shows_the_stack_of_calls() {
    let macros = "{% macro inner(x) %}\n  {% set l = [1] %}{{ x.no_such_method() }}\n{% endmacro %}\n\
                  {% macro outer(x) %}\n  {{ inner(x) }}\n{% endmacro %}\n";
    let project = Project::new().macros(macros);
    let model = "select 1\nfrom {{ outer('a') }}\n";
    let expected = "\
error[jinja-error]: string has no method named no_such_method
 --> models/m.sql:2:9
  |
2 | from {{ outer('a') }}
  |         ^^^^^^^^^^
  |
  = note: in the macro `outer`
  |
 ::: macros/all.sql:5:6
  |
5 |   {{ inner(x) }}
  |      --------
  |
  = note: in the macro `inner`
  |
 ::: macros/all.sql:2:23
  |
2 |   {% set l = [1] %}{{ x.no_such_method() }}
  |                       ------------------";
    let shown = project.text(model);
    let plain = |text: &str| {
        text.lines()
            .map(|l| l.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(plain(&shown), plain(expected), "{shown}");
}

#[test]
fn a_raised_error_is_shown_plainly() {
    let project = Project::new()
        .macros("{% macro f() %}{{ exceptions.raise_compiler_error('no such unit: ' ~ 'km') }}{% endmacro %}");
    let problem = fails(&project, "{{ f() }}");
    assert_eq!(problem.message, "no such unit: km");
    assert_eq!(problem.related[0].span.file, "macros/all.sql".into());
    assert_eq!(
        problem.span,
        Some(crate::diagnostic::Span::new("models/m.sql", 3..6))
    );
}

#[test]
fn an_error_in_a_call_block_is_in_the_model() {
    let project = Project::new().macros("{% macro wrap() %}{{ caller() }}{% endmacro %}");
    let problem = fails(&project, "{% call wrap() %}{{ ref('ordrs') }}{% endcall %}");
    assert_eq!(
        problem.span.unwrap(),
        crate::diagnostic::Span::new("models/m.sql", 20..32)
    );
}

#[test]
fn a_failed_query_says_why() {
    check_error(
        "{{ run_query('select broken') }}",
        Code::JinjaError,
        "the query failed: no table named `broken`",
        "run_query('select broken')",
    );
}

#[test]
fn endless_recursion_is_an_error() {
    let project = Project::new().macros("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}");
    let problem = fails(&project, "{{ f(0) }}");
    assert!(
        problem.message.contains("without end"),
        "{}",
        problem.message
    );
    assert_eq!(
        problem.related.len(),
        1,
        "one call, however often it was made"
    );
    assert_eq!(problem.span.unwrap().file, "models/m.sql".into());
}

#[test]
fn a_list_cannot_hold_itself() {
    let problem = fails(
        &Project::new(),
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
    );
    assert_eq!(problem.message, "lists and dicts are nested too deeply");
    let problem = fails(
        &Project::new(),
        "{% set d = {} %}{% do d.update({'x': [d]}) %}{{ d }}",
    );
    assert_eq!(problem.message, "lists and dicts are nested too deeply");
}

#[test]
fn no_input_makes_it_panic() {
    let project =
        Project::new().macros("{% macro f(a, b=[1]) %}{{ a }}{{ caller() }}{% endmacro %}");
    let (macros, _) = project.load();
    let seeds = [
        "{% set l = [1, {'a': 'é'}] %}{{ f(l, b=x.y['z']) | tojson }}{# ü #}{% call f(1) %}{{ ref('orders') }}{% endcall %}",
        "{% for k, v in {'a': 1}.items() %}{{- k ~ '\\'' -}}{% else %}{% raw %}{{ {% endraw %}{% endfor %}",
        "{% macro x(a, b) %}{% if a: %}{{ return([a]) }}{% endif %}{% endmacro %}{{ x(1, 2)[0] }}{{ as_of().strftime('%Q%') }}",
    ];
    let pieces = [
        "{{", "}}", "{%", "%}", "'", "[", "]", "(", ")", "{", "}", "é", "\\", "-", "|", ".",
    ];
    let mut files = Vec::new();
    for seed in seeds {
        let cuts: Vec<usize> = seed.char_indices().map(|(at, _)| at).collect();
        for (index, &cut) in cuts.iter().enumerate() {
            let piece = pieces[index % pieces.len()];
            for text in [
                seed[..cut].to_owned(),
                seed[cut..].to_owned(),
                format!("{}{piece}{}", &seed[..cut], &seed[cut..]),
            ] {
                let source = Source::whole("m.sql", text.as_str());
                let _ = super::super::render(&macros, &source, &project.scope, &project.host());
                let _ = render_value(&macros, &source, &project.scope, &project.host());
                let _ = (blocks(&source), static_calls(&source));
                files.push(MacroFile {
                    package: format!("p{}", files.len()).into(),
                    source,
                });
            }
        }
    }
    let (_, diagnostics) = Macros::load("shop", &files, &[]);
    assert!(!diagnostics.is_empty());
}

#[test]
fn a_chain_without_end() {
    let long = |first: &str, link: &str| format!("{{{{ {first}{} }}}}", link.repeat(1_001));
    for text in [
        long("a", ".b"),
        long("a", "[0]"),
        long("a", "()"),
        long("'a'", " | upper"),
        long("1", " ~ 1"),
        long("1", " if 1 else 1"),
    ] {
        let diagnostic = fails(&Project::new(), &text);
        assert_eq!(diagnostic.code, Code::JinjaSyntax, "{text:.20}");
        assert!(
            diagnostic.message.starts_with("more than 1000 operators"),
            "{}",
            diagnostic.message
        );
    }
    let branches = "{% elif 0 %}".repeat(1_001);
    let diagnostic = fails(
        &Project::new(),
        &format!("{{% if 0 %}}{branches}{{% endif %}}"),
    );
    assert_eq!(diagnostic.message, "more than 1000 `elif` follow one `if`");

    // Values side by side are no chain.
    let list = format!("{{{{ [{}1] | length }}}}", "a.b, ".repeat(2_000));
    let list = format!("{{% set a = {{'b': 1}} %}}{list}");
    assert_eq!(Project::new().render(&list).unwrap().text, "2001");
}
