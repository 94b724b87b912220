//! The functions of dbt's Jinja: `ref`, `source`, `config`, `var`, `env_var`, `return`, `log`….

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Rest, Tuple, Value, ValueKind, from_args};
use minijinja::{Error, State};
use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic};

use super::arguments::{bind, required, text};
use super::calls::Site;
use super::clock::AsOf;
use super::failure::{error, fail, return_value};
use super::identifier::column_name;
use super::json;
use super::native::{Native, native_value};
use super::relation::Relation;
use super::render::Render;
use super::scope::{RefCall, is_secret, redact, remember_secret};
use super::values::{self, split};
use super::{adapter, modules, own, query, unreturned};

static NATIVES: &[&Native] = &[
    &Native::function("ref", reference),
    &Native::function("source", source),
    &CONFIG,
    &VAR,
    &Native::function("env_var", env_var),
    &Native::function("return", |_, _, args| {
        let [value] = bind("return", ["data"], args)?;
        Err(return_value(value.unwrap_or_default()))
    }),
    &Native::function("is_incremental", |_, render, _| {
        render.progress().calls.incremental = true;
        Ok(Value::from(render.host.is_incremental()))
    }),
    &Native::function("should_full_refresh", |_, render, _| {
        Ok(wanted(render, "full_refresh", "FULL_REFRESH"))
    }),
    &Native::function("should_store_failures", |_, render, _| {
        Ok(wanted(render, "store_failures", "STORE_FAILURES"))
    }),
    &Native::function("as_of", |_, render, _| {
        render.progress().calls.as_of = true;
        Ok(AsOf::value(render.scope.as_of))
    }),
    &Native::function("log", |_, render, args| {
        let [message, info] = bind("log", ["msg", "info"], args)?;
        let message = required("log", "msg", message)?.to_string();
        let to_terminal = info.is_some_and(|info| info.is_true());
        render.host.log(&redact(&message), to_terminal);
        Ok(Value::from(""))
    }),
    &Native::function("print", |_, render, args| {
        let [message] = bind("print", ["msg"], args)?;
        let message = required("print", "msg", message)?.to_string();
        render.host.log(&redact(&message), true);
        Ok(Value::from(""))
    }),
    &Native::function("doc", doc),
    &EXCEPTIONS,
    &adapter::ADAPTER,
    &adapter::API,
    &Native::function("load_relation", adapter::load_relation),
    &Native::function("run_query", query::run_query),
    &Native::function("statement", query::statement),
    &Native::function("load_result", query::load_result),
    &Native::function("store_result", query::store_result),
    &modules::MODULES,
    &Native::function("fromjson", json::fromjson),
    &Native::function("tojson", json::tojson),
    &Native::function("fromyaml", json::fromyaml),
    &Native::function("toyaml", json::toyaml),
    &Native::function("local_md5", json::local_md5),
    &Native::function("set", |_, _, args| unique("set", args, false)),
    &Native::function("set_strict", |_, _, args| unique("set_strict", args, true)),
    &Native::function("zip", |_, _, args| zip("zip", args, false)),
    &Native::function("zip_strict", |_, _, args| zip("zip_strict", args, true)),
    &Native::function("diff_of_two_dicts", diff_of_two_dicts),
    &Native::function("try_or_compiler_error", try_or_compiler_error),
    &Native::function("debug", |_, _, _| Ok(Value::from(""))),
    &Native::function("refx__list", |_, _, args| match args {
        [items] => values::list_of(items),
        _ => values::list([]),
    }),
    &Native::function("refx__dict", |_, _, args| match args {
        [entries] => values::dict_of(entries),
        _ => values::dict([]),
    }),
    &Native::function("refx__column", column_of),
    &Native::function("refx__own", own::wrap),
    &Native::function("refx__items", unreturned::items),
    &Native::function("refx__number", unreturned::number),
    &BUILTINS,
];

static BUILTINS: Native = Native::object(
    "builtins",
    &[
        ("ref", reference),
        ("source", source),
        ("config", config),
        ("var", var),
    ],
);

static CONFIG: Native = Native {
    name: "config",
    run: Some(config),
    methods: &[
        ("get", |_, render, args| config_get(render, args, false)),
        ("require", |_, render, args| config_get(render, args, true)),
        ("set", |_, render, args| {
            let [name, value] = bind("config.set", ["name", "value"], args)?;
            let name = text("config.set", "name", name)?;
            let value = values::to_json(&value.unwrap_or_default());
            record_config(render, [(name, value)].into_iter().collect());
            Ok(Value::from(""))
        }),
        ("meta_get", |_, render, args| meta_get(render, args, false)),
        ("meta_require", |_, render, args| {
            meta_get(render, args, true)
        }),
        ("persist_relation_docs", |_, _, _| Ok(Value::from(false))),
        ("persist_column_docs", |_, _, _| Ok(Value::from(false))),
    ],
    members: &[],
    otherwise: "",
};

static VAR: Native = Native {
    name: "var",
    run: Some(var),
    methods: &[("has_var", |_, render, args| {
        let [name] = bind("var.has_var", ["name"], args)?;
        let name = text("var.has_var", "name", name)?;
        let known = render.scope.vars.get(&render.package(), &name).is_some();
        render.progress().calls.vars.insert(name);
        Ok(Value::from(known))
    })],
    members: &[],
    otherwise: "",
};

static EXCEPTIONS: Native = Native {
    name: "exceptions",
    run: None,
    methods: &[
        ("warn", warn),
        ("raise_compiler_error", raise),
        ("raise_not_implemented", raise),
        ("raise_database_error", raise),
        ("raise_fail_fast_error", raise),
        ("raise_dependency_error", raise),
        ("raise_ambiguous_alias", raise),
        ("raise_contract_error", raise),
        ("relation_wrong_type", raise),
        ("missing_config", raise),
        ("missing_materialization", raise),
        ("missing_relation", raise),
        ("column_type_missing", raise),
    ],
    members: &[],
    otherwise: "",
};

static VALUES: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
    let mut values: HashMap<&'static str, Value> = NATIVES
        .iter()
        .map(|native| (native.name, native_value(native)))
        .collect();
    // What dbt fills in places where refx does not run templates.
    for (name, value) in [
        ("dbt_version", Value::from("1.12.0")),
        ("thread_id", Value::from("main")),
        ("sql", Value::from("")),
        ("compiled_code", Value::from("")),
        ("defer_relation", Value::from(())),
    ] {
        values.insert(name, value);
    }
    for name in ["pre_hooks", "post_hooks", "selected_resources"] {
        values.insert(name, Value::from(Vec::<Value>::new()));
    }
    for name in ["invocation_args_dict", "dbt_metadata_envs"] {
        values.insert(name, values::dict([]).unwrap_or_default());
    }
    values
});

/// The value of a name, none when dbt has no such name.
pub(super) fn value(name: &str) -> Option<Value> {
    VALUES.get(name).cloned()
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VALUES.keys().copied()
}

fn reference(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let (positional, keywords) = split(args);
    let mut version = None;
    for keyword in keywords.iter().flat_map(|keywords| keywords.args()) {
        match keyword {
            "v" | "version" => {
                version = keywords
                    .as_ref()
                    .and_then(|keywords| keywords.get::<Value>(keyword).ok())
                    .filter(|version| !version.is_none())
                    .map(|version| version.to_string());
            }
            other => {
                let known = ["version", "v"];
                return Err(super::arguments::unknown("ref", other, known));
            }
        }
    }
    let name = |value: &Value| text("ref", "name", Some(value.clone()));
    let call = match positional {
        [model] => RefCall {
            package: None,
            name: name(model)?,
            version,
        },
        [package, model] => RefCall {
            package: Some(name(package)?),
            name: name(model)?,
            version,
        },
        other => {
            return Err(fail(
                Diagnostic::error(
                    Code::MacroArgument,
                    format!(
                        "`ref` takes one or two names, and {} are given",
                        other.len()
                    ),
                )
                .help("write `ref('model')` or `ref('package', 'model')`"),
            ));
        }
    };
    let span = render.call_span("ref", |site: &Site| {
        site.reference().as_ref() == Some(&call)
    });
    if let Some(span) = span {
        render.progress().calls.add_ref(call.clone(), span);
    }
    let relation = render.host.reference(&call).map_err(fail)?;
    Ok(relation.value())
}

fn source(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [source, table] = bind("source", ["source_name", "table_name"], args)?;
    let source = text("source", "source_name", source)?;
    let table = text("source", "table_name", table)?;
    let span = render.call_span("source", |site: &Site| {
        let literals: Vec<_> = (site.arguments.iter())
            .map(|argument| argument.literal.as_deref())
            .collect();
        literals == [Some(source.as_str()), Some(table.as_str())]
    });
    if let Some(span) = span {
        let mut progress = render.progress();
        progress
            .calls
            .add_source(source.clone(), table.clone(), span);
    }
    let relation = render.host.source(&source, &table).map_err(fail)?;
    Ok(relation.value())
}

fn config(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let (positional, keywords) = split(args);
    let mut settings = serde_json::Map::new();
    for argument in positional {
        match values::to_json(argument) {
            Json::Object(entries) => settings.extend(entries),
            _ => {
                return Err(fail(
                    Diagnostic::error(Code::MacroArgument, "`config` takes its settings by name")
                        .help("write `config(materialized='table')`"),
                ));
            }
        }
    }
    if let Some(keywords) = keywords {
        for name in keywords.args() {
            let value: Value = keywords.get(name)?;
            settings.insert(name.to_owned(), values::to_json(&value));
        }
    }
    record_config(render, settings);
    Ok(Value::from(""))
}

fn record_config(render: &Arc<Render>, settings: serde_json::Map<String, Json>) {
    let names: Vec<String> = settings.keys().cloned().collect();
    let span = render.call_span("config", |site: &Site| {
        let mut keywords = site.arguments.iter().filter_map(|a| a.keyword.as_deref());
        keywords.by_ref().eq(names.iter().map(String::as_str))
    });
    // A macro that refx calls itself, such as a test's, has no template that the call stands in.
    let of_macro = || {
        let outermost = render.progress().stack.first().copied()?;
        Some(render.library.definitions[outermost].name_span.clone())
    };
    if let Some(span) = span.or_else(of_macro) {
        render.progress().calls.config.push((settings, span));
    }
}

fn config_get(render: &Arc<Render>, args: &[Value], must: bool) -> Result<Value, Error> {
    let [name, default, _validator] = bind("config.get", ["name", "default", "validator"], args)?;
    let name = text("config.get", "name", name)?;
    setting(render, &render.host.config(), &name, default, must)
}

fn meta_get(render: &Arc<Render>, args: &[Value], must: bool) -> Result<Value, Error> {
    let [name, default, _validator] =
        bind("config.meta_get", ["name", "default", "validator"], args)?;
    let name = text("config.meta_get", "name", name)?;
    setting(render, &render.host.config()["meta"], &name, default, must)
}

fn setting(
    render: &Arc<Render>,
    settings: &Json,
    name: &str,
    default: Option<Value>,
    must: bool,
) -> Result<Value, Error> {
    match settings.get(name) {
        Some(Json::Null) | None if must && render.scope.execute => Err(fail(Diagnostic::error(
            Code::MissingKey,
            format!("the setting `{name}` is required"),
        ))),
        Some(Json::Null) | None => Ok(default.unwrap_or(Value::from(()))),
        Some(value) => Ok(values::from_json(value)),
    }
}

/// Whether a thing is wanted: by the node's own setting, else by the flag of the command.
fn wanted(render: &Arc<Render>, setting: &str, flag: &str) -> Value {
    let wanted = match &render.host.config()[setting] {
        Json::Null => render.scope.flags[flag].as_bool(),
        setting => setting.as_bool(),
    };
    Value::from(wanted.unwrap_or(false))
}

fn var(state: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [name, default] = bind("var", ["name", "default"], args)?;
    let name = text("var", "name", name)?;
    let package = render.package();
    render.progress().calls.vars.insert(name.clone());
    let vars = &render.scope.vars;
    match (vars.get(&package, &name), default) {
        (Some(Json::String(value)), _) if value.contains("{{") || value.contains("{%") => {
            Ok(Value::from(render.within(state, &name, value)?))
        }
        (Some(value), _) => Ok(values::from_json(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => {
            let diagnostic = Diagnostic::error(
                Code::UnknownVar,
                format!("the variable `{name}` has no value and no default"),
            )
            .did_you_mean(&name, vars.names(&package));
            Err(fail(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!(
                    "set it under `vars:` in the project file, with `--vars '{name}: …'`, \
                     or give a default: `var('{name}', …)`"
                )),
            }))
        }
    }
}

fn env_var(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [name, default] = bind("env_var", ["name", "default"], args)?;
    let name = text("env_var", "name", name)?;
    render.progress().calls.env_vars.insert(name.clone());
    if is_secret(&name) && !render.secrets_allowed {
        return Err(fail(
            Diagnostic::error(
                Code::Unsupported,
                format!("the secret `{name}` cannot be read in SQL, which is printed and stored"),
            )
            .help("read it in the options of a target or a source"),
        ));
    }
    match (render.scope.environment.get(&name), default) {
        (Some(value), _) => {
            if is_secret(&name) {
                remember_secret(&value);
            }
            Ok(Value::from(value))
        }
        (None, Some(default)) if !default.is_none() => Ok(default),
        (None, _) => {
            let names = render.scope.environment.names();
            let diagnostic = Diagnostic::error(
                Code::UnknownEnvVar,
                format!("the environment variable `{name}` is not set and has no default"),
            )
            .did_you_mean(&name, names.iter().map(String::as_str));
            Err(fail(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("set it, or write `env_var('{name}', 'default')`")),
            }))
        }
    }
}

fn doc(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [first, second] = bind("doc", ["package", "name"], args)?;
    let name = match (first, second) {
        (Some(package), Some(name)) => format!("{package}.{name}"),
        (first, _) => text("doc", "name", first)?,
    };
    match render.scope.docs.get(&name) {
        Some(text) => Ok(Value::from(text.as_str())),
        None => Err(fail(
            Diagnostic::error(Code::UnknownDoc, format!("no docs block named `{name}`"))
                .did_you_mean(&name, render.scope.docs.keys().map(String::as_str)),
        )),
    }
}

/// The name of a column of a relation, quoted where SQL would read something else in it.
fn column_of(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [relation, name] = bind("refx__column", ["relation", "name"], args)?;
    let relation = relation.as_ref().and_then(Relation::from_value);
    let known = || render.host.columns(relation.as_ref()?).ok();
    let name = text("refx__column", "name", name)?;
    Ok(Value::from(column_name(&name, known)))
}

fn warn(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [message, _node] = bind("exceptions.warn", ["msg", "node"], args)?;
    let message = text("exceptions.warn", "msg", message)?;
    let message = redact(message.trim()).into_owned();
    let mut warning = Diagnostic::warning(Code::JinjaError, message);
    warning.span = render.call_span("warn", |_| true);
    render.progress().warnings.push(warning);
    Ok(Value::from(""))
}

fn raise(_: &mut State<'_, '_>, _: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let (positional, keywords) = split(args);
    let message = match positional.first() {
        Some(message) => message.to_string(),
        None => keywords
            .and_then(|keywords| keywords.get::<String>("msg").ok())
            .unwrap_or_else(|| "an error without a message was raised".into()),
    };
    Err(error(redact(message.trim()).into_owned()))
}

/// The items of an iterable, each once, in order: sets of templates are lists without duplicates, so
/// that the same input gives the same text.
fn unique(function: &str, args: &[Value], strict: bool) -> Result<Value, Error> {
    let [iterable, default] = bind(function, ["value", "default"], args)?;
    let iterable = required(function, "value", iterable)?;
    if !strict && !is_iterable(&iterable) {
        return Ok(default.unwrap_or(Value::from(())));
    }
    let mut items: Vec<Value> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in iterable.try_iter()? {
        if seen.insert(item.clone()) {
            items.push(item);
        }
    }
    values::list(items)
}

fn is_iterable(value: &Value) -> bool {
    !matches!(value.kind(), ValueKind::Undefined | ValueKind::None) && value.try_iter().is_ok()
}

fn zip(_function: &str, args: &[Value], strict: bool) -> Result<Value, Error> {
    let (positional, keywords) = split(args);
    if !strict && !positional.iter().all(is_iterable) {
        return Ok(keywords
            .and_then(|keywords| keywords.get::<Value>("default").ok())
            .unwrap_or(Value::from(())));
    }
    let mut lists = Vec::with_capacity(positional.len());
    for iterable in positional {
        lists.push(iterable.try_iter()?.collect::<Vec<Value>>());
    }
    let length = lists.iter().map(Vec::len).min().unwrap_or(0);
    values::list((0..length).map(|at| {
        let row: Vec<Value> = lists.iter().map(|list| list[at].clone()).collect();
        Value::from(Tuple::from(row))
    }))
}

/// What the first dict of lists has and the second has not, names compared in lower case: dbt's
/// helper for grants.
fn diff_of_two_dicts(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [first, second] = bind("diff_of_two_dicts", ["dict_a", "dict_b"], args)?;
    let first = required("diff_of_two_dicts", "dict_a", first)?;
    let second = required("diff_of_two_dicts", "dict_b", second)?;
    let mut known: HashMap<String, Vec<String>> = HashMap::new();
    for key in second.try_iter()? {
        let items = second.get_item(&key)?;
        let items = items
            .try_iter()?
            .map(|item| item.to_string().to_lowercase());
        known.insert(key.to_string().to_lowercase(), items.collect());
    }
    let mut difference = Vec::new();
    for key in first.try_iter()? {
        let has = known.get(&key.to_string().to_lowercase());
        let items = first.get_item(&key)?;
        let missing: Vec<Value> = items
            .try_iter()?
            .filter(|item| has.is_none_or(|has| !has.contains(&item.to_string().to_lowercase())))
            .collect();
        if !missing.is_empty() {
            difference.push((key, values::list(missing)?));
        }
    }
    values::dict(difference)
}

fn try_or_compiler_error(
    state: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let (message, function, Rest(rest)): (String, Value, Rest<Value>) = from_args(args)?;
    function
        .call(state, &rest)
        .map_err(|problem| match super::failure::returned(&problem) {
            Some(_) => problem,
            None => error(message),
        })
}
