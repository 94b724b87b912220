//! `adapter` and `api`: what dbt's macros ask of a database.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, State};

use super::arguments::{bind, required, text};
use super::failure::{error, fail, unknown_macro};
use super::native::Native;
use super::query;
use super::relation::{self, Column, Relation};
use super::render::Render;
use super::values;

pub(super) static ADAPTER: Native = Native {
    name: "adapter",
    run: None,
    methods: &[
        ("dispatch", dispatch),
        ("type", |_, _, _| Ok(Value::from("refx"))),
        ("quote", |_, _, args| {
            let [identifier] = bind("adapter.quote", ["identifier"], args)?;
            let identifier = text("adapter.quote", "identifier", identifier)?;
            Ok(Value::from(relation::quote(&identifier)))
        }),
        ("quote_as_configured", |_, _, args| {
            let [identifier, _key] = bind(
                "adapter.quote_as_configured",
                ["identifier", "quote_key"],
                args,
            )?;
            let identifier = text("adapter.quote_as_configured", "identifier", identifier)?;
            Ok(Value::from(relation::quote(&identifier)))
        }),
        ("get_columns_in_relation", |_, render, args| {
            let [relation] = bind("adapter.get_columns_in_relation", ["relation"], args)?;
            let columns = columns(render, "adapter.get_columns_in_relation", relation)?;
            values::list(columns.into_iter().map(Column::value))
        }),
        ("get_missing_columns", |_, render, args| {
            const NAME: &str = "adapter.get_missing_columns";
            let [from, to] = bind(NAME, ["from_relation", "to_relation"], args)?;
            let known = columns(render, NAME, to)?;
            let missing = columns(render, NAME, from)?
                .into_iter()
                .filter(|column| known.iter().all(|known| known.name != column.name));
            values::list(missing.map(Column::value))
        }),
        ("get_column_schema_from_query", |_, render, args| {
            let [sql] = bind("adapter.get_column_schema_from_query", ["sql"], args)?;
            let sql = text("adapter.get_column_schema_from_query", "sql", sql)?;
            let answer = query::ask(render, &sql)?;
            let columns = answer.into_iter().flat_map(|answer| answer.columns);
            values::list(columns.map(|(name, data_type)| Column { name, data_type }.value()))
        }),
        ("get_relation", get_relation),
        ("check_schema_exists", |_, _, _| Ok(Value::from(true))),
        ("execute", query::execute),
        ("behavior", |_, _, _| values::dict([])),
        // dbt keeps a cache of relations and commits transactions; neither exists here.
        ("commit", |_, _, _| Ok(Value::from(""))),
        ("cache_added", |_, _, _| Ok(Value::from(""))),
    ],
    members: &[],
    otherwise: "is not part of refx: models read, and refx writes",
};

pub(super) static API: Native = Native {
    name: "api",
    run: None,
    methods: &[],
    members: &[&RELATION, &COLUMN],
    otherwise: "",
};

static RELATION: Native = Native::object(
    "Relation",
    &[
        ("create", |_, _, args| relation::create(args)),
        ("add_ephemeral_prefix", |_, _, args| {
            let [name] = bind("api.Relation.add_ephemeral_prefix", ["name"], args)?;
            let name = text("api.Relation.add_ephemeral_prefix", "name", name)?;
            Ok(Value::from(format!("__dbt__cte__{name}")))
        }),
    ],
);

static COLUMN: Native = Native {
    name: "Column",
    run: Some(column),
    methods: &[
        ("create", column),
        ("translate_type", |_, _, args| {
            let [name] = bind("api.Column.translate_type", ["dtype"], args)?;
            required("api.Column.translate_type", "dtype", name)
        }),
        ("string_type", |_, _, _| Ok(Value::from("varchar"))),
        ("numeric_type", |_, _, args| {
            let [kind, precision, scale] = bind(
                "api.Column.numeric_type",
                ["dtype", "precision", "scale"],
                args,
            )?;
            let kind = text("api.Column.numeric_type", "dtype", kind)?;
            Ok(Value::from(match (precision, scale) {
                (Some(precision), Some(scale)) => format!("{kind}({precision},{scale})"),
                _ => kind,
            }))
        }),
    ],
    members: &[],
    otherwise: "",
};

fn column(_: &mut State<'_, '_>, _: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [name, data_type] = bind("api.Column", ["name", "label_or_dtype"], args)?;
    Ok(Column {
        name: text("api.Column", "name", name)?,
        data_type: text("api.Column", "label_or_dtype", data_type)?,
    }
    .value())
}

/// `adapter.dispatch('star', 'dbt_utils')`: the implementation for this engine, or for one near to it.
fn dispatch(_: &mut State<'_, '_>, render: &Arc<Render>, args: &[Value]) -> Result<Value, Error> {
    let [name, namespace] = bind("adapter.dispatch", ["macro_name", "macro_namespace"], args)?;
    let name = text("adapter.dispatch", "macro_name", name)?;
    let namespace = namespace
        .filter(|namespace| !namespace.is_none())
        .map(|namespace| namespace.to_string());
    let package = render.package();
    match render
        .library
        .dispatch(&package, &name, namespace.as_deref())
    {
        Some(index) => Ok(render.library.macro_value(index)),
        None => {
            let wanted = format!("default__{name}");
            let names = render
                .library
                .names(namespace.as_deref().unwrap_or(&package));
            Err(fail(unknown_macro(&wanted, &names).note(format!(
                "`adapter.dispatch('{name}')` looks for `refx__{name}`, `datafusion__{name}`, \
                 `duckdb__{name}`, `postgres__{name}` and `default__{name}`"
            ))))
        }
    }
}

fn columns(
    render: &Arc<Render>,
    function: &str,
    relation: Option<Value>,
) -> Result<Vec<Column>, Error> {
    let value = required(function, "relation", relation)?;
    if !render.scope.execute {
        return Ok(Vec::new());
    }
    let Some(relation) = Relation::from_value(&value) else {
        return Err(error(format!(
            "`{function}` takes a relation, not `{value}`"
        )));
    };
    render.host.columns(&relation).map_err(|problem| {
        error(format!(
            "the columns of {relation} cannot be read: {problem}"
        ))
    })
}

/// `adapter.get_relation(database, schema, identifier)`: the relation where it exists, else none.
fn get_relation(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let value = relation::create(args)?;
    existing(render, value)
}

/// dbt's macro `load_relation(relation)`.
pub(super) fn load_relation(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [relation] = bind("load_relation", ["relation"], args)?;
    let value = required("load_relation", "relation", relation)?;
    existing(render, value)
}

fn existing(render: &Arc<Render>, value: Value) -> Result<Value, Error> {
    let known = render.scope.execute
        && Relation::from_value(&value)
            .is_some_and(|relation| render.host.relation_exists(&relation));
    Ok(if known { value } else { Value::from(()) })
}
