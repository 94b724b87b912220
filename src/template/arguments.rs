//! The arguments of a call, sorted to the names of the parameters.

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use crate::diagnostic::{Code, Diagnostic};

use super::failure::fail;
use super::values::split;

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
