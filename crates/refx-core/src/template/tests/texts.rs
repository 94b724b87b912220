//! What templates give.

use super::*;

#[test]
fn plain_sql_passes() {
    check("select 1\nfrom x\n", "select 1\nfrom x");
}

#[test]
fn ref_and_source() {
    check("{{ ref('orders') }}", r#""main"."orders""#);
    check("{{ ref('shop', 'orders') }}", r#""main"."orders""#);
    check("{{ ref('orders', v=2) }}", r#""main"."orders""#);
    check("{{ source('raw', 'ev\"ents') }}", r#""raw"."ev""ents""#);
    check("{{ builtins.ref('orders') }}", r#""main"."orders""#);
}

#[test]
fn a_macro_may_take_the_place_of_ref() {
    check_with(
        "{% macro ref(name) %}{{ return(builtins.ref(name).include(schema=false)) }}{% endmacro %}",
        "{{ ref('orders') }}",
        r#""orders""#,
    );
}

#[test]
fn relations() {
    check(
        "{{ ref('orders').identifier }}/{{ ref('orders').schema }}",
        "orders/main",
    );
    check("{{ ref('orders').include(schema=false) }}", r#""orders""#);
    check("{{ ref('orders').include(identifier=false) }}", r#""main""#);
    check(
        "{{ ref('orders').quote(identifier=false) }}",
        r#""main".orders"#,
    );
    check(
        "{{ ref('orders') == ref('orders') }}{{ ref('orders') == ref('users') }}",
        "TrueFalse",
    );
    check("{{ ref('orders') ~ '_x' }}", r#""main"."orders"_x"#);
    check(
        "{{ ref('orders').is_cte or ref('orders').database is none }}",
        "True",
    );
    check(
        "{{ api.Relation.create(schema='a', identifier='b') }}",
        r#""a"."b""#,
    );
    check("{{ this is none }}", "True");
    check(
        "{{ adapter.get_relation(none, 'main', 'orders') }}",
        r#""main"."orders""#,
    );
    check(
        "{{ adapter.get_relation(none, 'main', 'gone') is none }}",
        "True",
    );
    check("{{ load_relation(ref('users')) is none }}", "True");
}

#[test]
fn columns() {
    check(
        "{% for c in adapter.get_columns_in_relation(ref('orders')) %}\
         {{ c.quoted }} {{ c.is_string() }} {{ c.is_integer() }};{% endfor %}",
        r#""user_id" False True;"name" True False;"#,
    );
    check(
        "{% set c = api.Column('a', 'varchar(3)') %}{{ c.is_string() }}{{ c.string_size() }}",
        "True3",
    );
    check(
        "{{ adapter.quote('a\"b') }} {{ adapter.type() }}",
        r#""a""b" refx"#,
    );
}

#[test]
fn config_reads_what_the_house_decided() {
    let mut project = Project::new();
    project.answers = Arc::new(Answers {
        config: json!({"materialized": "table", "meta": {"owner": "crm"}}),
        ..Answers::default()
    });
    let text = "{{ config(materialized='view') }}{{ config.get('materialized') }} \
                {{ config.get('gone', 'x') }} {{ config.require('materialized') }} \
                {{ config.meta_get('owner') }}{{ config.set('a', 1) }}";
    assert_eq!(project.text(text), "table x table crm");
}

#[test]
fn vars() {
    check(
        "{{ var('start_date') }} {{ var('cli') }} {{ var('gone', 'd') }}",
        "2024-01-01 1 d",
    );
    check(
        "{{ var.has_var('cli') }}{{ var.has_var('gone') }}",
        "TrueFalse",
    );
    check(
        "{% for k in var('kinds') %}{{ k }},{% endfor %}",
        "live,replay,",
    );
}

#[test]
fn env_vars() {
    check("{{ env_var('REGION') }} {{ env_var('GONE', 'x') }}", "eu x");
}

#[test]
fn secrets_stay_out_of_sql_and_are_redacted() {
    let project = Project::new();
    let refused = project
        .render("{{ env_var('REFX_SECRET_TOKEN') }}")
        .unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
    let read = project.value("{{ env_var('REFX_SECRET_TOKEN') }}").unwrap();
    assert_eq!(read, json!("s3cr3t-value"));
    assert_eq!(redact("token=s3cr3t-value;"), "token=*****;");
}

#[test]
fn as_of_is_a_sql_literal() {
    check("{{ as_of() }}", "timestamp '2024-09-01 12:30:00'");
    check("{{ as_of().date() }}", "date '2024-09-01'");
    check(
        "{{ as_of().isoformat() }} {{ as_of().strftime('%Y%m%d') }}",
        "2024-09-01T12:30:00+00:00 20240901",
    );
    check(
        "{{ run_started_at.strftime('%H') }} {{ run_started_at }}",
        "12 2024-09-01 12:30:00+00:00",
    );
    let mut project = Project::new();
    project.scope.as_of = noon() + chrono::TimeDelta::microseconds(1500);
    assert_eq!(
        project.text("{{ as_of() }}"),
        "timestamp '2024-09-01 12:30:00.001500'"
    );
}

#[test]
fn incremental_and_full_refresh_are_the_hosts() {
    let mut project = Project::new();
    project.answers = Arc::new(Answers {
        incremental: true,
        ..Answers::default()
    });
    project.scope.flags = Arc::new(json!({"FULL_REFRESH": true}));
    assert_eq!(
        project.text("{{ is_incremental() }}{{ should_full_refresh() }}"),
        "TrueTrue"
    );
}

#[test]
fn macros_by_bare_name_by_package_and_with_defaults() {
    let macros = "{% macro f(a, b='x') %}{{ a }}-{{ b }}{% endmacro %}\
                  {% macro g() %}{{ f(1, b=2) }}{% endmacro %}";
    check_with(
        macros,
        "{{ f(1) }} {{ f(b=3, a=4) }} {{ shop.f(5) }} {{ g() }}",
        "1-x 4-3 5-x 1-2",
    );
}

#[test]
fn return_keeps_the_type_and_ends_the_macro() {
    check_with(
        "{% macro f(n) %}text{% for i in range(n) %}{% if i == 2 %}{{ return([i, 'x']) }}{% endif %}\
         {% endfor %}more{% endmacro %}",
        "{{ f(5)[0] + 1 }} {{ f(1) }}",
        "3 textmore",
    );
    check_with(
        "{% macro inner() %}{% do return(1) %}{% endmacro %}\
         {% macro outer() %}{% set x = inner() %}{{ return(x + 1) }}{% endmacro %}",
        "{{ outer() + outer() }}",
        "4",
    );
}

#[test]
fn varargs_and_kwargs() {
    check_with(
        "{% macro f(a) %}{{ a }}|{{ varargs | join(',') }}|{{ kwargs.get('k', 0) }}\
         {% endmacro %}",
        "{{ f(1, 2, 3, k=4) }} {{ f(1) }}",
        "1|2,3|4 1||0",
    );
    check_with(
        "{% macro f() %}{{ varargs | length }}{% endmacro %}",
        "{{ f(1, 2) }}",
        "2",
    );
}

#[test]
fn call_blocks_reach_macros_of_other_files() {
    check_with(
        "{% macro wrap(tag) %}<{{ tag }}>{{ caller(1) }}</{{ tag }}>{% endmacro %}\
         {% macro twice() %}{% call(n) wrap('b') %}{{ n }}{% endcall %}{% endmacro %}",
        "{% set x = 7 %}{% call(n) wrap('a') %}{{ x }}:{{ n }}{% endcall %}{{ twice() }}",
        "<a>7:1</a><b>1</b>",
    );
}

#[test]
fn dispatch_prefers_the_nearest_dialect_and_the_project() {
    let package = "{% macro star() %}{{ return(adapter.dispatch('star', 'utils')()) }}{% endmacro %}\
                   {% macro default__star() %}default{% endmacro %}\
                   {% macro duckdb__star() %}duckdb{% endmacro %}";
    let project = Project::new().package("utils", package);
    assert_eq!(project.text("{{ utils.star() }}"), "duckdb");
    let project = Project::new()
        .package("utils", package)
        .macros("{% macro default__star() %}mine{% endmacro %}");
    assert_eq!(project.text("{{ utils.star() }}"), "mine");
    let mut project = project;
    project.dispatch = vec![Dispatch {
        namespace: "utils".into(),
        search_order: vec!["utils".into()],
    }];
    assert_eq!(project.text("{{ utils.star() }}"), "duckdb");
}

#[test]
fn a_package_sees_its_own_macros_first() {
    let project = Project::new()
        .package(
            "utils",
            "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}theirs{% endmacro %}",
        )
        .macros("{% macro g() %}mine{% endmacro %}");
    assert_eq!(project.text("{{ utils.f() }} {{ g() }}"), "theirs mine");
}

#[test]
fn macros_do_not_see_the_locals_of_their_caller() {
    check_with(
        "{% macro f() %}{{ x is defined }}{% endmacro %}",
        "{% set x = 1 %}{% for i in [1] %}{{ f() }}{% endfor %}",
        "False",
    );
}

#[test]
fn lists_and_dicts_change_in_place() {
    check(
        "{% set l = [1] %}{% do l.append(2) %}{% do l.extend([3]) %}{{ l }}{{ l.pop() }}{{ l }}",
        "[1, 2, 3]3[1, 2]",
    );
    check(
        "{% set d = {'a': 1} %}{% do d.update({'b': 2}, c=3) %}{% do d.pop('a') %}{{ d }}",
        "{'b': 2, 'c': 3}",
    );
    check(
        "{% set d = {} %}{% do d.setdefault('x', []).append(1) %}{{ d.x }}",
        "[1]",
    );
    check(
        "{% set l = 'a,b'.split(',') %}{% do l.append('c') %}{{ l | join }}",
        "abc",
    );
    check(
        "{% set l = (1, 2) | list %}{% do l.append(3) %}{{ l[-1] }}{{ l[:2] }}{{ l | length }}",
        "3[1, 2]3",
    );
    check(
        "{% set l = [1, [2]] %}{{ l == [1, [2]] }}{{ 2 in [1, 2] }}{{ {'a': 1} == {'a': 1} }}",
        "TrueTrueTrue",
    );
    check(
        "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}",
        "a1b2",
    );
    check(
        "{% set d = {'a': {'b': [1]}} %}{{ d.a.b[0] }}{{ d['a']['b'] }}",
        "1[1]",
    );
    check(
        "{% set l = [3, 1] %}{% do l.sort() %}{% do l.insert(0, 0) %}{% do l.__setitem__(1, 9) %}{{ l }}",
        "[0, 9, 3]",
    );
    check(
        "{% if [] %}y{% else %}n{% endif %}{% if {} %}y{% else %}n{% endif %}",
        "nn",
    );
    check(
        "{{ [1] + [2] }}{{ [] is sequence }}{{ {} is mapping }}{{ 'x' is in ['x'] }}",
        "[1, 2]TrueTrueTrue",
    );
}

#[test]
fn json_and_yaml() {
    check(
        "{{ fromjson('{\"a\": [1, true]}').a[1] }}{{ fromjson('{', 'd') }}",
        "Trued",
    );
    check(
        "{{ tojson({'b': 1, 'a': ['é', none]}, sort_keys=true) }}",
        r#"{"a": ["\u00e9", null], "b": 1}"#,
    );
    check("{{ fromyaml('a: [1, x]').a[1] }}", "x");
    check(
        "{{ toyaml({'a': [1, {'b': 'x: y'}], 'c': {}}) }}",
        "a:\n- 1\n- b: 'x: y'\nc: {}\n",
    );
    check("{{ local_md5('abc') }}", "900150983cd24fb0d6963f7d28e17f72");
}

#[test]
fn sets_and_zips() {
    check(
        "{{ set([1, 2, 1]) }}{{ set(1, 'd') }}{{ zip([1, 2], ['a', 'b']) }}",
        "[1, 2]d[(1, 'a'), (2, 'b')]",
    );
}

#[test]
fn queries() {
    let project = Project::new();
    let text = "{% set r = run_query('select 1') %}{{ r.columns[0].values() }}{{ r.rows[1]['n'] }}\
                {% for row in r %}{{ row[0] }}{{ row.n }}{% endfor %}{{ r.column_names }}\
                {% call statement('s', fetch_result=True) %}select {{ 1 + 1 }}{% endcall %}\
                {{ load_result('s')['data'][0][1] }}{{ load_result('s').table.columns['name'].values() }}";
    assert_eq!(
        project.text(text),
        "['a', 'b']2a1b2['name', 'n']1['a', 'b']"
    );
    assert_eq!(
        *project.answers.queries.lock().unwrap(),
        ["select 1", "select 2"]
    );
}

#[test]
fn modules() {
    check(
        "{{ modules.re.sub('[^a-z]+', '_', 'a-b c') }}{{ modules.re.match('(a)(b)', 'abc').group(2) }}",
        "a_b_cb",
    );
    check(
        "{{ modules.re.sub('(a)(b)', '\\\\2\\\\1', 'abab') }}",
        "baba",
    );
    check(
        "{{ modules.datetime.datetime(2024, 2, 29).strftime('%d/%m') }}",
        "29/02",
    );
    check(
        "{{ modules.datetime.datetime.now().isoformat() }}",
        "2024-09-01T12:30:00+00:00",
    );
    check(
        "{{ modules.datetime.date(2024, 3, 1).__sub__(modules.datetime.timedelta(days=1)) }}",
        "2024-02-29",
    );
    check(
        "{{ run_started_at.date() - modules.datetime.timedelta(days=1) }} \
         {{ (run_started_at + modules.datetime.timedelta(hours=1)).strftime('%H:%M') }} \
         {% set first = modules.datetime.date(2024, 2, 1) %}\
         {{ (modules.datetime.date(2024, 3, 1) - first).days }}",
        "2024-08-31 13:30 29",
    );
    check(
        "{{ '%s' % 'a' }} {{ '%s-%03d' % ('a', [7][0]) }} {{ 7 % 4 }} {{ 7 - 4 }}",
        "a a-007 3 3",
    );
    check(
        "{{ modules.itertools.product([1, 2], 'ab') | list | length }}{{ modules.itertools.combinations([1, 2, 3], 2) }}",
        "4[(1, 2), (1, 3), (2, 3)]",
    );
}

#[test]
fn texts_have_pythons_methods() {
    check(
        "{{ 'Ab'.upper() }}{{ '7'.zfill(3) }}{{ 'a_b'.replace('_', '-') }}{{ 'x'.startswith('x') }}",
        "AB007a-bTrue",
    );
    check(
        "{{ '{}:{}'.format(1, 'a') }}{{ 'abc'.index('c') }}{{ 'a.b'.partition('.')[2] }}",
        "1:a2b",
    );
    // In SQL all is text; the filters give a type in YAML.
    check(
        "{{ '1' | as_number ~ 1 }}{{ 'true' | as_bool }}{{ 1 | as_text }}",
        "11true1",
    );
}

#[test]
fn patterns_have_pythons_flags() {
    for (text, expected) in [
        ("sub('A', 'x', 'aAa', flags=modules.re.IGNORECASE)", "xxx"),
        (
            "sub('^a', 'x', 'a\\nA', 0, modules.re.I + modules.re.M)",
            "x\nx",
        ),
        ("compile('a b', modules.re.X).sub('-', 'ab')", "-"),
        ("match('a.b', 'a\\nb', modules.re.S) is none", "False"),
        ("match('a.b', 'a\\nb') is none", "True"),
        ("fullmatch('a|ab', 'ab').group()", "ab"),
        ("findall('A(.)', 'abAc', modules.re.I)", "['b', 'c']"),
        ("split('x', 'aXb', flags=modules.re.I)", "['a', 'b']"),
    ] {
        check(&format!("{{{{ modules.re.{text} }}}}"), expected);
    }
}

#[test]
fn jinja2_forms_that_minijinja_lacks() {
    check(
        "{% if true: %}a{% endif %}{% for i in [1]: %}{{ i }}{% endfor %}",
        "a1",
    );
    check(
        "{% set l = [] %}{% do l.append(1) if true else none %}{{ l }}",
        "[1]",
    );
    check(
        "{% set l = [] %}{% do l.append(1) if false else l.append(2) %}{{ l }}",
        "[2]",
    );
    check(
        "{% raw %}{{ ref('x') }}{% endraw %}{# ref('y') #}",
        "{{ ref('x') }}",
    );
}

#[test]
fn a_name_set_in_a_branch_not_taken_prints_nothing() {
    check(
        "{% if false %}{% set x = 1 %}{% endif %}[{{ x }}]{{ x is defined }}",
        "[]False",
    );
    check(
        "{% if true %}{% set x, y = 1, 2 %}{% endif %}{{ x }}{{ y }}",
        "12",
    );
    check(
        "{% if true %}{% set target = target.name %}{% endif %}{{ target }}",
        "dev",
    );
    check_with(
        "{% macro f(a) %}{% if a %}{% set x = a %}{% endif %}[{{ x }}]{% endmacro %}",
        "{{ f(1) }}{{ f(0) }}",
        "[1][]",
    );
}

#[test]
fn a_relation_is_a_mapping_and_prints_as_sql() {
    check(
        "{{ ref('orders') is mapping }}{{ ref('orders').get('metadata', {}).get('type', '') }}",
        "TrueRefxRelation",
    );
    check(
        "{{ tojson({'to': ref('orders')}) }}",
        r#"{"to": "\"main\".\"orders\""}"#,
    );
}

#[test]
fn logs_and_warnings() {
    let project = Project::new();
    let rendered = project
        .render(
            "{{ log('hello', info=true) }}{% do print('x') %}{% do exceptions.warn('careful') %}",
        )
        .unwrap();
    assert_eq!(rendered.text, "");
    assert_eq!(*project.answers.logged.lock().unwrap(), ["hello", "x"]);
    assert_eq!(rendered.warnings[0].message, "careful");
}

#[test]
fn the_context_can_be_looked_into() {
    check_with(
        "{% macro f() %}f{% endmacro %}",
        "{{ context['f']() }}{{ context.get('target').name }}{{ project_name }}{{ dbt_version[0] }}",
        "fdevshop1",
    );
}

#[test]
fn names_of_models() {
    check(
        "{{ generate_schema_name(none, none) }} {{ generate_schema_name('crm', none) }}",
        "main main_crm",
    );
    check_with(
        "{% macro generate_schema_name(custom, node) %}{{ return('mine_' ~ custom) }}{% endmacro %}",
        "{{ generate_schema_name('crm', none) }}",
        "mine_crm",
    );
}

#[test]
fn util_macros() {
    check(
        "{{ dbt.date_trunc('month', 'x') }}",
        "date_trunc('month', x)",
    );
    check(
        "{{ dbt.dateadd('week', -1, 'x') }}",
        "(x + cast(cast(-1 as varchar) || ' week' as interval))",
    );
    check(
        "{{ dbt.concat(['a', 'b']) }} {{ dbt.type_string() }} {{ type_int() }}",
        "a || b varchar int",
    );
    check("{{ dbt.safe_cast('x', 'int') }}", "try_cast(x as int)");
    check(
        "{{ dbt.current_timestamp() }}",
        "timestamp '2024-09-01 12:30:00'",
    );
    check(
        "{{ dbt.string_literal(dbt.escape_single_quotes(\"it's\")) }}",
        "'it''s'",
    );
}
