//! A name of dbt's Jinja that is written in Rust, as a value of templates.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Error, State};

use crate::diagnostic::{Code, Diagnostic};

use super::failure::{error, fail};
use super::render::Render;
use super::trace::plain_arguments;

pub(super) type Run = fn(&mut State<'_, '_>, &Arc<Render>, &[Value]) -> Result<Value, Error>;

/// A name of dbt's Jinja: a function, an object with methods, or both.
pub(super) struct Native {
    pub name: &'static str,
    pub run: Option<Run>,
    pub methods: &'static [(&'static str, Run)],
    pub members: &'static [&'static Native],
    /// What to say of a method that is not there; empty for the plain answer.
    pub otherwise: &'static str,
}

impl Native {
    pub const fn function(name: &'static str, run: Run) -> Self {
        Native {
            name,
            run: Some(run),
            methods: &[],
            members: &[],
            otherwise: "",
        }
    }

    pub const fn object(name: &'static str, methods: &'static [(&'static str, Run)]) -> Self {
        Native {
            name,
            run: None,
            methods,
            members: &[],
            otherwise: "",
        }
    }
}

pub(super) fn native_value(native: &'static Native) -> Value {
    Value::from_object(NativeObject(native))
}

/// Whether a name of dbt's can be called; none for other values.
pub(super) fn is_function(value: &Value) -> Option<bool> {
    let native = value.downcast_object_ref::<NativeObject>();
    native.map(|native| native.0.run.is_some())
}

/// How a value is called, where it is a function: `as_of()`.
pub(super) fn called(value: &Value) -> Option<String> {
    let native = value.downcast_object_ref::<NativeObject>();
    let native = native.filter(|native| native.0.run.is_some());
    let method = value.downcast_object_ref::<Method>();
    let name = native.map(|native| native.0.name);
    let name = name.or_else(|| method.map(|method| method.0));
    name.map(|name| format!("{name}()"))
}

struct NativeObject(&'static Native);

impl fmt::Debug for NativeObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0.name)
    }
}

/// A method by itself, as in `{% set columns = adapter.get_columns_in_relation %}`.
struct Method(&'static str, Run);

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<function {}>", self.0)
    }
}

impl Object for Method {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        run(self.0, self.1, state, args)
    }
}

/// Functions that only hand on what they are given, with the marks of where it comes from.
const HANDING_ON: &[&str] = &[
    "return",
    "refx__own",
    "refx__list",
    "refx__dict",
    "refx__items",
    "refx__number",
];

fn run(name: &str, run: Run, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let render = Render::of(state)?;
    match render.marked && !HANDING_ON.contains(&name) {
        true => run(state, &render, &plain_arguments(args)),
        false => run(state, &render, args),
    }
}

impl Object for NativeObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Some(member) = self.0.members.iter().find(|member| member.name == key) {
            return Some(native_value(member));
        }
        if self.0.name == "re"
            && let Some(flag) = super::modules::flag(key)
        {
            return Some(flag);
        }
        let (name, run) = self.0.methods.iter().find(|(name, _)| *name == key)?;
        Some(Value::from_object(Method(name, *run)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let methods = self.0.methods.iter().map(|(name, _)| *name);
        let members = self.0.members.iter().map(|member| member.name);
        Enumerator::Values(methods.chain(members).map(Value::from).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        match self.0.run {
            Some(function) => run(self.0.name, function, state, args),
            None => Err(error(format!("`{}` is not a function", self.0.name))),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if let Some((name, function)) = self.0.methods.iter().find(|(name, _)| *name == method) {
            return run(name, *function, state, args);
        }
        if let Some(member) = self.0.members.iter().find(|member| member.name == method) {
            return native_value(member).call(state, args);
        }
        let name = self.0.name;
        if !self.0.otherwise.is_empty() {
            return Err(fail(Diagnostic::error(
                Code::Unsupported,
                format!("`{name}.{method}` {}", self.0.otherwise),
            )));
        }
        let known = self.0.methods.iter().map(|(name, _)| *name);
        Err(fail(
            Diagnostic::error(Code::UnknownMacro, format!("`{name}` has no `{method}`"))
                .did_you_mean(method, known),
        ))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
