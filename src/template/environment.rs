//! minijinja set up as dbt sets up Jinja2.

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior};

use super::failure::error;
use super::json::parse_yaml;
use super::values;

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
    environment.add_filter("as_text", |value: &Value| value.to_string());
    environment.add_filter("as_bool", as_bool);
    environment.add_filter("as_number", as_number);
    environment.add_filter("as_native", as_native);
    environment.add_filter("list", |value: &Value| values::list(value.try_iter()?));
    environment
}

/// The methods of Python's texts, lists and dicts on minijinja's values.
fn unknown_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    // `'%s' % x`, see the table of rewrites.
    if let ("__mod__", [values]) = (method, args) {
        let values: Vec<Value> = match values.is_tuple() {
            true => values.try_iter()?.collect(),
            false => vec![values.clone()],
        };
        let arguments: Vec<Value> = [value.clone()].into_iter().chain(values).collect();
        return state.apply_filter("format", &arguments);
    }
    if let Some(text) = value.as_str()
        && let Some(result) = text_method(text, method, args)?
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

/// Methods of texts that pycompat does not have.
fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    use minijinja::value::from_args;
    Ok(Some(match method {
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            let width = width.min(MAX_WIDTH).saturating_sub(sign.len());
            Value::from(format!("{sign}{digits:0>width$}"))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<String>) = from_args(args)?;
            let fill = fill.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let missing = width.min(MAX_WIDTH).saturating_sub(text.chars().count());
            let left = match method {
                "ljust" => 0,
                "rjust" => missing,
                _ => missing / 2,
            };
            let pad = |count: usize| fill.to_string().repeat(count);
            Value::from(format!("{}{text}{}", pad(left), pad(missing - left)))
        }
        "index" => {
            let (part,): (String,) = from_args(args)?;
            match text.find(&part) {
                Some(at) => Value::from(text[..at].chars().count()),
                None => return Err(error(format!("`{part}` is not in the text"))),
            }
        }
        "removeprefix" => {
            let (part,): (String,) = from_args(args)?;
            Value::from(text.strip_prefix(&*part).unwrap_or(text))
        }
        "removesuffix" => {
            let (part,): (String,) = from_args(args)?;
            Value::from(text.strip_suffix(&*part).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (part,): (String,) = from_args(args)?;
            let found = match method {
                "partition" => text.split_once(&*part),
                _ => text.rsplit_once(&*part),
            };
            let parts = match found {
                Some((before, after)) => [before, &*part, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Value::from(minijinja::value::Tuple::from(parts.map(Value::from)))
        }
        _ => return Ok(None),
    }))
}

/// Texts are not padded wider than this: a slip in the width would fill the memory.
const MAX_WIDTH: usize = 100_000;

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

fn as_native(value: &Value) -> Value {
    native(value)
}

fn as_bool(value: &Value) -> Result<Value, Error> {
    let read = native(value);
    match read.kind() {
        ValueKind::Bool => Ok(read),
        _ => Err(error(format!("`{value}` is neither true nor false"))),
    }
}

fn as_number(value: &Value) -> Result<Value, Error> {
    let read = native(value);
    match read.kind() {
        ValueKind::Number => Ok(read),
        _ => Err(error(format!("`{value}` is not a number"))),
    }
}
