//! From a text back through the macros that wrote it.

use super::super::{CameOut, Origin, Trace};
use super::*;

/// The marked text of a place, with its file where that is not the model.
fn shown(span: &Span, macros: &str, model: &str) -> String {
    match &*span.file {
        "models/m.sql" => model[span.start..span.end].to_owned(),
        _ => format!("macro: {}", &macros[span.start..span.end]),
    }
}

fn origin(macros: &str, model: &str, word: &str) -> Option<Origin> {
    let project = Project::new().macros(macros);
    let (compiled, diagnostics) = project.load();
    assert_eq!(diagnostics, []);
    let (compiled, host) = (Arc::new(compiled), project.host());
    let source = Source::whole("models/m.sql", model);
    let rendered = super::super::render(&compiled, &source, &project.scope, &host).unwrap();
    let start = rendered.text.find(word).expect("the word is in the text");
    let out = CameOut {
        text: rendered.text.as_str().into(),
        called: rendered.calls.macros,
    };
    let trace = Trace::of_template(&compiled, &source, &project.scope, &host, out);
    trace.origin(&(start..start + word.len()))
}

/// The place in the model, then those in macros.
fn led_back(macros: &str, model: &str, word: &str) -> Vec<String> {
    let Some(origin) = origin(macros, model, word) else {
        return Vec::new();
    };
    let related = origin.related.iter().map(|related| &related.span);
    let spans = origin.span.iter().chain(related);
    spans.map(|span| shown(span, macros, model)).collect()
}

#[test]
fn what_a_macro_wrote_leads_to_its_line() {
    let macros = "{% macro a(x) %} {{ b(x) }} + {{ x }} {% endmacro %}\
                  {% macro b(x) -%} sum({{ x }}) over wide {%- endmacro %}";
    assert_eq!(
        led_back(macros, "select {{ a('n') | trim }} as y", "wide"),
        ["a('n') | trim", "macro: b(x)", "macro: wide"]
    );
    assert_eq!(
        led_back(macros, "select {{ a('nn') }} as y", "nn"),
        ["nn", "macro: b(x)", "macro: x"]
    );
}

#[test]
fn what_was_set_leads_to_where_it_was_set() {
    let macros =
        "{% macro m(x) %}{% set y %}{{ x }} as odd{% endset %}{{ return(y) }}{% endmacro %}";
    assert_eq!(
        led_back("", "{% set c %}one, two{% endset %}select {{ c }}", "two"),
        ["two", "c"]
    );
    assert_eq!(
        led_back(macros, "{% set c = m('a') %}select {{ c }}", "odd"),
        ["m('a')", "c", "macro: odd"]
    );
    assert_eq!(
        led_back("", "{% for c in ['p', 'qq'] %}{{ c }};{% endfor %}", "qq"),
        ["qq", "c"]
    );
    assert_eq!(
        led_back(
            "",
            "{% set l = [] %}{% do l.append('qq') %}{{ l | join(', ') }}",
            "qq"
        ),
        ["qq", "l | join(', ')"]
    );
}

#[test]
fn what_a_block_holds_leads_to_the_block() {
    let macros = "{% macro w() %}({{ caller() }}) as {{ name() }}{% endmacro %}\
                  {% macro name() %}named{% endmacro %}";
    let model = "select * from {% call w() -%} inside {%- endcall %} where 1";
    assert_eq!(
        led_back(macros, model, "inside"),
        ["inside", "w()", "macro: caller()"]
    );
    assert_eq!(
        led_back(macros, model, "named"),
        ["w()", "macro: name()", "macro: named"]
    );
    assert_eq!(led_back(macros, model, "where"), ["where"]);
}

#[test]
fn comparisons_and_lookups_see_no_marks() {
    let macros = "{% macro m(x, l) -%}\
                    {%- if x == 'a' and x in l and x not in ['b'] -%} {{ {'a': 'found'}[x] }} {%- else -%} lost {%- endif -%}\
                    {{ ' same' if x == 'a' else ' other' }}\
                  {%- endmacro %}";
    let model = "{{ m('a', ['a', 'c']) }} {{ ref('orders') }} {{ var('start_date') }}";
    assert_eq!(led_back(macros, model, "found")[0], "m('a', ['a', 'c'])");
    assert_eq!(led_back(macros, model, "same")[0], "m('a', ['a', 'c'])");
}

#[test]
fn a_macro_of_the_model_itself_is_told_of() {
    let model = "{% macro own(x) %}{{ x }} * more{% endmacro %}select {{ own('a') }}";
    let origin = origin("", model, "more").unwrap();
    assert_eq!(shown(&origin.span.unwrap(), "", model), "own('a')");
    assert_eq!(origin.related[0].message, "in the macro `own`");
    assert_eq!(shown(&origin.related[0].span, "", model), "more");
}

#[test]
fn a_macro_that_counts_letters_is_led_back_without_the_marks_in_literals() {
    let macros = "{% macro m(x) %}{{ x }} as c{{ x | length }}{% endmacro %}";
    assert_eq!(
        led_back(macros, "{{ m('abc') }}", "abc"),
        ["m('abc')", "macro: x"]
    );
}

#[test]
fn where_marks_change_the_text_nothing_is_said() {
    let macros = "{% macro m() %}{% set y %}abc{% endset %}{{ y | length }} wide{% endmacro %}";
    assert_eq!(origin(macros, "{{ m() }}", "wide"), None);
}
