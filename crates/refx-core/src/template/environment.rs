//! minijinja set up as dbt sets up Jinja2.

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior};

use super::failure::{error, fail};
use super::filters;
use super::format;
use super::json::parse_yaml;
use super::render::Render;
use super::strings;
use super::{library, native, values};
use crate::diagnostic::{Code, Diagnostic};

/// Macros that call each other deeper than some 500 times are in a circle.
const RECURSION_LIMIT: usize = 4_000;

/// What one render may cost: an instruction, or 64 bytes of text. Honest models stay below a
/// hundredth of it; a loop without end takes seconds to reach it.
const FUEL: u64 = 10_000_000;

/// An environment without templates. Undefined names are errors, but for `{% if name %}`.
pub(super) fn build() -> Environment<'static> {
    let mut environment = Environment::new();
    // The text is SQL, whatever the file is called.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.set_fuel(Some(FUEL));
    // Errors then name the value that is undefined.
    environment.set_debug(true);
    environment.set_unknown_method_callback(unknown_method);
    environment.set_formatter(formatted);
    environment.add_filter("as_text", |value: &Value| value.to_string());
    environment.add_filter("as_bool", as_bool);
    environment.add_filter("as_number", as_number);
    environment.add_filter("as_native", as_native);
    filters::add(&mut environment);
    environment.add_filter("list", |value: &Value| values::list(value.try_iter()?));
    environment
}

/// Writes a value into the text. A function has no text: its call was meant.
fn formatted(out: &mut Output, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match native::called(value).or_else(|| library::called(value)) {
        Some(call) => Err(fail(
            Diagnostic::error(
                Code::JinjaError,
                format!(
                    "`{}` is a function, and is not called",
                    call.trim_end_matches("()")
                ),
            )
            .help(format!("call it: `{{{{ {call} }}}}`")),
        )),
        None => {
            let is_float = value.kind() == ValueKind::Number && !value.is_integer();
            match is_float.then(|| f64::try_from(value.clone())) {
                Some(Ok(number)) => out
                    .write_str(&format::python_float(number))
                    .map_err(Error::from),
                _ => minijinja::escape_formatter(out, state, value),
            }
        }
    }
}

/// The methods of Python's texts, lists and dicts on minijinja's values.
fn unknown_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    // `x % y`, see the table of rewrites.
    if let ("__mod__", [right]) = (method, args) {
        return match value.as_str() {
            Some(text) => format::percent(text, right).map(Value::from),
            None => Err(error(format!("`{value}` is no text to put values into"))),
        };
    }
    if let Some(text) = value.as_str()
        && let Some(result) = strings::method(text, method, args)?
    {
        return Ok(result);
    }
    let result = minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)?;
    // What Python gives as a list can be appended to.
    match (method, result.kind()) {
        ("split" | "splitlines" | "rsplit" | "keys" | "values" | "items", _) => {
            values::list(result.try_iter()?)
        }
        _ => Ok(result),
    }
}

/// Texts are not padded wider than this: a slip in the width would fill the memory.
pub(super) const MAX_WIDTH: usize = 100_000;

/// Whether the value of an expression counts, and not the text that it prints. As in dbt, the filters
/// that give a value its type work there only: in SQL all is text.
fn is_native(state: &State<'_, '_>) -> Result<bool, Error> {
    Ok(Render::of(state)?.native)
}

/// A text as the value that it would be in YAML, anything else as it is.
fn native(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => match parse_yaml(text) {
            Ok(json) => values::from_json(&json),
            Err(_) => value.clone(),
        },
        None => value.clone(),
    }
}

fn as_native(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    Ok(match is_native(state)? {
        true => native(value),
        false => value.clone(),
    })
}

fn as_bool(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if !is_native(state)? {
        return Ok(value.clone());
    }
    let read = native(value);
    match read.kind() {
        ValueKind::Bool => Ok(read),
        _ => Err(error(format!("`{value}` is neither true nor false"))),
    }
}

fn as_number(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if !is_native(state)? {
        return Ok(value.clone());
    }
    let read = native(value);
    match read.kind() {
        ValueKind::Number => Ok(read),
        _ => Err(error(format!("`{value}` is not a number"))),
    }
}
