//! The arguments of a call, sorted to the names of the parameters.

use minijinja::value::{Kwargs, Tuple, Value};
use minijinja::{Error, ErrorKind};

use crate::diagnostic::{Code, Diagnostic};

use super::failure::{error, fail};
use super::macros::MacroDefinition;
use super::values::{self, split};

/// Sorts arguments to parameters, positional ones first, as Python does.
///
/// # Errors
/// [`Code::MacroArgument`] for a name that is not among the parameters, for one given twice, and for
/// more arguments than parameters.
pub(super) fn bind<const N: usize>(
    function: &str,
    parameters: [&str; N],
    args: &[Value],
) -> Result<[Option<Value>; N], Error> {
    let (positional, keywords) = split(args);
    if positional.len() > N {
        return Err(too_many(function, N, positional.len()));
    }
    let mut bound: [Option<Value>; N] = std::array::from_fn(|at| positional.get(at).cloned());
    if let Some(keywords) = keywords {
        for name in keywords.args() {
            match parameters.iter().position(|parameter| *parameter == name) {
                Some(at) if bound[at].is_some() => return Err(twice(function, name)),
                Some(at) => bound[at] = Some(keywords.get(name)?),
                None => return Err(unknown(function, name, parameters)),
            }
        }
    }
    Ok(bound)
}

/// The arguments of a macro in the order of the parameters, and the names of those without a value or default.
pub(super) fn of_macro<'d>(
    definition: &'d MacroDefinition,
    args: &[Value],
) -> Result<(Vec<Value>, Vec<&'d str>), Error> {
    let name = &*definition.name;
    let parameters = &definition.parameters;
    let (positional, keywords) = split(args);
    let mut bound: Vec<Value> = positional.iter().take(parameters.len()).cloned().collect();
    let rest = positional.get(parameters.len()..).unwrap_or_default();
    if !rest.is_empty() && !definition.takes_varargs {
        return Err(too_many(name, parameters.len(), positional.len()));
    }
    bound.resize(parameters.len(), Value::UNDEFINED);
    let mut more = Vec::new();
    let mut caller = None;
    if let Some(keywords) = &keywords {
        for keyword in keywords.args() {
            let value: Value = keywords.get(keyword)?;
            match parameters.iter().position(|p| p.name == keyword) {
                Some(at) if at < positional.len() => {
                    return Err(twice(name, keyword));
                }
                Some(at) => bound[at] = value,
                None if keyword == "caller" && definition.takes_caller => caller = Some(value),
                None if definition.takes_kwargs => more.push((Value::from(keyword), value)),
                None if keyword == "caller" => {
                    return Err(error(format!(
                        "`{name}` is called with a block, and does not use `caller()`"
                    )));
                }
                None => {
                    let known = parameters.iter().map(|p| p.name.as_str());
                    return Err(unknown(name, keyword, known));
                }
            }
        }
    }
    let left_out = (parameters.iter().zip(&bound))
        .filter(|(parameter, value)| !parameter.has_default && value.is_undefined())
        .map(|(parameter, _)| parameter.name.as_str())
        .collect();
    if definition.takes_varargs {
        bound.push(Value::from(Tuple::from(rest.to_vec())));
    }
    if definition.takes_kwargs {
        bound.push(values::dict(more)?);
    }
    if let Some(caller) = caller {
        bound.push(Value::from(Kwargs::from_iter([("caller", caller)])));
    }
    Ok((bound, left_out))
}

/// A parameter that must be there.
pub(super) fn required(
    function: &str,
    parameter: &str,
    value: Option<Value>,
) -> Result<Value, Error> {
    value.ok_or_else(|| {
        fail(Diagnostic::error(
            Code::MacroArgument,
            format!("`{function}` needs the argument `{parameter}`"),
        ))
    })
}

/// A parameter that must be there and be text.
pub(super) fn text(function: &str, parameter: &str, value: Option<Value>) -> Result<String, Error> {
    let value = required(function, parameter, value)?;
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_none() {
        return Err(fail(Diagnostic::error(
            Code::MacroArgument,
            format!("`{function}`: `{parameter}` is none"),
        )));
    }
    Ok(match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    })
}

pub(super) fn too_many(function: &str, known: usize, given: usize) -> Error {
    let plural = if known == 1 { "" } else { "s" };
    fail(Diagnostic::error(
        Code::MacroArgument,
        format!("`{function}` takes {known} argument{plural}, and {given} are given"),
    ))
}

pub(super) fn twice(function: &str, name: &str) -> Error {
    fail(Diagnostic::error(
        Code::MacroArgument,
        format!("`{function}` is given the argument `{name}` twice"),
    ))
}

pub(super) fn unknown<'a>(
    function: &str,
    name: &str,
    parameters: impl IntoIterator<Item = &'a str> + Clone,
) -> Error {
    let all: Vec<String> = parameters
        .clone()
        .into_iter()
        .map(|parameter| format!("`{parameter}`"))
        .collect();
    let diagnostic = Diagnostic::error(
        Code::MacroArgument,
        format!("`{function}` takes no argument `{name}`"),
    )
    .did_you_mean(name, parameters);
    fail(if all.is_empty() {
        diagnostic.note("it takes no arguments by name")
    } else {
        diagnostic.note(format!("it takes {}", all.join(", ")))
    })
}
