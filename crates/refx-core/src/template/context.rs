//! The names of a render as minijinja's context, and refx's hooks among them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Value};
use minijinja::{Error, State};

use super::clock::Moment;
use super::functions;
use super::render::Render;
use super::values;

/// The version of dbt-core whose words are spoken here: what packages that ask for it are told.
pub const DBT_VERSION: &str = "1.12.0";

/// The names of [`Render::lookup`] that a steward may have meant.
pub(super) const NAMES: &[&str] = &[
    "this",
    "execute",
    "model",
    "target",
    "flags",
    "graph",
    "selected_resources",
    "project_name",
    "invocation_id",
    "invocation_args_dict",
    "dbt_version",
    "run_started_at",
    "database",
    "schema",
    "context",
];

impl Render {
    /// The value of a name that is not a local of the template.
    pub(super) fn lookup(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.extra.iter().find(|(known, _)| known == name) {
            return Some(value.clone());
        }
        if !self.scope.overrides.is_empty()
            && let Some(value) = overridden(self, name)
        {
            return Some(value);
        }
        let scope = &self.scope;
        Some(match name {
            "refx__start" | "refx__imported" | "refx__value" => Value::from_object(Hook {
                render: self.clone(),
                kind: match name {
                    "refx__start" => HookKind::Start,
                    "refx__imported" => HookKind::Imported,
                    _ => HookKind::Value,
                },
            }),
            "this" => scope
                .this
                .clone()
                .map_or(Value::from(()), |this| this.value()),
            "execute" => Value::from(scope.execute),
            "model" => self
                .model
                .get_or_init(|| values::from_json(&scope.model))
                .clone(),
            "target" => values::from_json(&scope.target),
            "env" => values::from_json(&scope.target),
            "flags" => values::from_json(&scope.flags),
            "graph" => values::from_json(&self.host.graph()),
            "selected_resources" => values::from_json(&self.host.selected_resources().into()),
            "project_name" => Value::from(&*scope.project_name),
            "invocation_id" => Value::from(&*scope.invocation_id),
            "invocation_args_dict" => values::from_json(&arguments(&scope.flags)),
            "dbt_version" => Value::from(DBT_VERSION),
            "run_started_at" => {
                self.progress().calls.as_of = true;
                Moment::value(scope.run_started_at)
            }
            "database" | "schema" => self.target_part(name),
            "context" => Value::from_object(Context(self.clone())),
            _ => {
                let importing = self.progress().importing.clone();
                let package = importing.as_ref().unwrap_or(&scope.package);
                return self
                    .library
                    .value(package, name)
                    .or_else(|| functions::value(name))
                    .or_else(|| self.library.namespace(name));
            }
        })
    }

    fn target_part(&self, name: &str) -> Value {
        let of_this = self.scope.this.as_ref().and_then(|this| match name {
            "schema" => this.schema.clone(),
            _ => this.database.clone(),
        });
        match of_this {
            Some(part) => Value::from(part),
            None => values::from_json(&self.scope.target[name]),
        }
    }
}

/// A macro that gives a value of its own, or the package of such a one.
fn overridden(render: &Arc<Render>, name: &str) -> Option<Value> {
    let overrides = &render.scope.overrides;
    if let Some(value) = overrides.get(name) {
        return Some(Value::from_object(Constant(values::from_json(value))));
    }
    let members: BTreeMap<String, Value> = overrides
        .iter()
        .filter_map(|(key, value)| {
            let member = key.strip_prefix(name)?.strip_prefix('.')?;
            let value = Value::from_object(Constant(values::from_json(value)));
            Some((member.to_owned(), value))
        })
        .collect();
    let whole = render.library.namespace(name)?;
    (!members.is_empty()).then(|| Value::from_object(Overridden { whole, members }))
}

/// A macro that gives the same value, whatever it is called with.
#[derive(Debug)]
struct Constant(Value);

impl Object for Constant {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(self.0.clone())
    }
}

/// A package in which some macros give values of their own.
#[derive(Debug)]
struct Overridden {
    whole: Value,
    members: BTreeMap<String, Value>,
}

impl Object for Overridden {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str().and_then(|key| self.members.get(key)) {
            Some(member) => Some(member.clone()),
            None => self.whole.get_item(key).ok(),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.members.get(method) {
            Some(member) => member.call(state, args),
            None => self.whole.call_method(state, method, args),
        }
    }
}

/// The flags as dbt's command line has them: `{"which": "build", "full_refresh": false}`.
fn arguments(flags: &serde_json::Value) -> serde_json::Value {
    let flags = flags.as_object().into_iter().flatten();
    flags
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect()
}

/// Whether a name has a value in every template.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name) || functions::value(name).is_some()
}

/// The names of a render as minijinja's context.
pub(super) struct Context(pub Arc<Render>);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<context>")
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.lookup(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.lookup(key)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[derive(Clone, Copy, Debug)]
enum HookKind {
    /// Ties the render to the state, and takes the macro that imports.
    Start,
    /// Takes the module that was imported.
    Imported,
    /// Takes the value of the expression that is evaluated.
    Value,
}

/// refx's own calls in [`PRELUDE`] and in [`evaluate`].
struct Hook {
    render: Arc<Render>,
    kind: HookKind,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:?}>", self.kind)
    }
}

impl Object for Hook {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let value = args.first().cloned();
        match self.kind {
            HookKind::Start => {
                let render = self.render.clone();
                state.get_or_insert_extension(render);
                self.render.progress().importer = value;
            }
            HookKind::Imported => self.render.progress().imported = value,
            HookKind::Value => self.render.progress().value = value,
        }
        Ok(Value::from(()))
    }
}
