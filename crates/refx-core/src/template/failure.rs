//! From minijinja's errors to diagnostics in the steward's own file.
//!
//! Each macro boundary turns the error of the macro's body into a [`Failure`] that carries the
//! diagnostic so far; minijinja then stamps the place of the call on it, and the next boundary makes
//! that place the diagnostic's own, the one before moving to `related`. So the stack of calls builds
//! itself, the model first.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use crate::diagnostic::{Code, Diagnostic, Span, closest};

use super::Source;
use super::library::Library;
use super::macros::{BUILTIN, MacroDefinition};
use super::rewrite::Rewritten;
use super::{unreturned, words};

/// More calls than this between an error and the model are left out of its report.
const MAX_CALLS_SHOWN: usize = 12;

/// A diagnostic on its way through minijinja, which carries errors of any type along.
#[derive(Clone, Debug)]
struct Failure {
    diagnostic: Diagnostic,
    /// The macro that the error has left.
    called: Option<Called>,
}

#[derive(Clone, Debug)]
struct Called {
    /// `the macro `share``
    spoken: String,
    /// The macro's block.
    span: Span,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for Failure {}

/// An error of minijinja that carries a diagnostic.
pub(super) fn fail(diagnostic: Diagnostic) -> Error {
    wrap(diagnostic, None)
}

fn wrap(diagnostic: Diagnostic, called: Option<Called>) -> Error {
    Error::new(ErrorKind::InvalidOperation, diagnostic.message.clone())
        .with_source(Failure { diagnostic, called })
}

/// A plain error of a function, without a code of its own.
pub(super) fn error(message: impl Into<String>) -> Error {
    fail(Diagnostic::error(Code::JinjaError, message))
}

/// The error by which `return(x)` leaves a macro.
#[derive(Debug)]
struct Returned(Value);

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`return` outside of a macro")
    }
}

impl std::error::Error for Returned {}

pub(super) fn return_value(value: Value) -> Error {
    Error::new(ErrorKind::InvalidOperation, "`return` outside of a macro")
        .with_source(Returned(value))
}

/// The value, when the error is a `return`.
pub(super) fn returned(error: &Error) -> Option<Value> {
    find::<Returned>(error).map(|returned| returned.0.clone())
}

fn find<T: std::error::Error + 'static>(error: &Error) -> Option<&T> {
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(found) = source.downcast_ref::<T>() {
            return Some(found);
        }
        next = source.source();
    }
    None
}

/// A template as minijinja has it, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub source: Source,
    pub rewritten: Rewritten,
}

impl Place {
    /// The place of an error in the steward's file, with what is written there.
    fn locate(&self, error: &Error) -> Option<(Span, &str)> {
        let text = &self.source.text;
        let range = match error.range() {
            Some(range) => with_receiver(text, self.rewritten.original_range(&range)),
            None => {
                let line = error.line()?.saturating_sub(1);
                let start: usize = self
                    .rewritten
                    .text
                    .split_inclusive('\n')
                    .take(line)
                    .map(str::len)
                    .sum();
                let start = self.rewritten.original(start);
                let length = text.get(start..)?.find('\n');
                start..start + length.unwrap_or(text.len() - start)
            }
        };
        let excerpt = text.get(range.clone()).unwrap_or_default();
        Some((self.source.span(&range), excerpt))
    }
}

/// minijinja places the call of a method at its dot, and the call of what a call gave at its
/// parenthesis; the steward reads from the name before it.
fn with_receiver(text: &str, range: Range<usize>) -> Range<usize> {
    let (Some(before), Some(inside)) = (text.get(..range.start), text.get(range.clone())) else {
        return range;
    };
    if !inside.starts_with(['.', '(']) {
        return range;
    }
    let path = before.trim_end_matches(|c| is_word(c) || c == '.');
    path.len()..range.end
}

/// What an error is told with: where templates came from, and which names there are.
pub(super) trait Known {
    /// The place of a template by minijinja's name of it.
    fn place(&self, template: &str) -> Option<&Place>;
    /// Every name that the template could have meant.
    fn names(&self) -> Vec<String>;
    /// What can be asked of the value of a name, as `name` of `target`.
    fn members(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }
    /// All macros, and the package whose code runs.
    fn library(&self) -> Option<(&Library, Arc<str>)> {
        None
    }
}

/// The diagnostic of an error, its own place or the place of the call that led to it filled in.
pub(super) fn diagnose(error: &Error, known: &dyn Known) -> Diagnostic {
    let located = error
        .name()
        .and_then(|name| known.place(name)?.locate(error));
    let (span, excerpt) = match located {
        Some((span, excerpt)) => (Some(span), excerpt),
        None => (None, ""),
    };
    let Some(failure) = find::<Failure>(error) else {
        let template = error.name().and_then(|name| known.place(name));
        let template = template.map_or("", |place| &place.rewritten.text);
        let cause = innermost(error);
        let mut diagnostic = translate(cause, (excerpt, template), known);
        if let Some((library, package)) = known.library() {
            let texts = (excerpt, template);
            diagnostic = unreturned::explained(diagnostic, cause, texts, (library, &package));
        }
        diagnostic.span = span;
        return diagnostic;
    };
    let mut diagnostic = failure.diagnostic.clone();
    let Some(span) = span else {
        return diagnostic;
    };
    if diagnostic.span.is_none() {
        diagnostic.span = Some(span);
        return diagnostic;
    }
    match &failure.called {
        // What a block given to `caller()` does wrong is not in the macro that calls it.
        Some(called)
            if diagnostic
                .span
                .as_ref()
                .is_some_and(|at| called.span.holds(at)) =>
        {
            if diagnostic.related.len() >= MAX_CALLS_SHOWN {
                const LEFT_OUT: &str = "calls between the first and the last of these are left out";
                diagnostic.related.remove(0);
                if !diagnostic.notes.iter().any(|note| note == LEFT_OUT) {
                    diagnostic.notes.push(LEFT_OUT.into());
                }
            }
            diagnostic.called_at(span, format!("in {}", called.spoken))
        }
        _ => diagnostic,
    }
}

/// The error of a macro's body, told to the caller.
///
/// A parameter that the caller left out and the body needed is the caller's mistake: then the place
/// of the call comes first.
pub(super) fn leave(
    error: &Error,
    called: &MacroDefinition,
    left_out: &[&str],
    known: &dyn Known,
) -> Error {
    let mut diagnostic = diagnose(error, known);
    let fresh = find::<Failure>(error).is_none();
    if fresh
        && error.kind() == ErrorKind::UndefinedError
        && let Some(parameter) = left_out
            .iter()
            .find(|parameter| first_word(&diagnostic.message) == **parameter)
    {
        let used = diagnostic.span.take();
        diagnostic = Diagnostic::error(
            Code::MacroArgument,
            format!("`{}` needs the argument `{parameter}`", called.name),
        );
        if let Some(used) = used {
            diagnostic = diagnostic.related(used, format!("`{parameter}` is used here"));
        }
    }
    let called = Called {
        spoken: called.spoken(),
        span: called.span.clone(),
    };
    wrap(diagnostic, Some(called))
}

/// The error of arguments that a macro does not take, with the place where it says what it takes.
pub(super) fn at_definition(error: Error, called: &MacroDefinition) -> Error {
    match find::<Failure>(&error) {
        Some(failure) if &*called.package != BUILTIN => {
            let message = format!("`{}` is defined here", called.name);
            let place = called.name_span.clone();
            fail(failure.diagnostic.clone().related(place, message))
        }
        _ => error,
    }
}

/// The name at the head of "`name.x` is undefined".
fn first_word(message: &str) -> &str {
    let name = message.strip_prefix('`').unwrap_or_default();
    let end = name.find(|c: char| !is_word(c)).unwrap_or(name.len());
    &name[..end]
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(error) = source.downcast_ref::<Error>() {
            innermost = error;
        }
        next = source.source();
    }
    innermost
}

/// minijinja's error in refx's words.
fn translate(error: &Error, (excerpt, template): (&str, &str), known: &dyn Known) -> Diagnostic {
    let detail = error.detail().unwrap_or_default();
    let names = || {
        let mut names = words::locals(template);
        names.extend(known.names());
        names
    };
    if let Some(name) = undefined_name(detail)
        && error.kind() != ErrorKind::UnknownMethod
    {
        return undefined_in(name, &names(), known);
    }
    match error.kind() {
        ErrorKind::SyntaxError => Diagnostic::error(Code::JinjaSyntax, detail.to_owned()),
        ErrorKind::UnknownFunction => unknown_macro(
            detail.strip_suffix(" is unknown").unwrap_or(detail),
            &names(),
        ),
        ErrorKind::InvalidOperation if detail == "value of type undefined is not callable" => {
            unknown_macro(path(excerpt), &names())
        }
        ErrorKind::UnknownMethod if detail.starts_with("undefined has no method") => {
            let path = path(excerpt);
            match path.split_once('.') {
                Some((value, _)) if names().iter().any(|known| known == value) => undefined(
                    path.rsplit_once('.').map_or(path, |(value, _)| value),
                    &names(),
                ),
                Some((package, name)) => unknown_package(package, name, &names()),
                None => Diagnostic::error(Code::JinjaError, detail.to_owned()),
            }
        }
        ErrorKind::UndefinedError => undefined_in(excerpt.trim(), &names(), known),
        ErrorKind::OutOfFuel => {
            Diagnostic::error(Code::JinjaError, "this template does not come to an end")
                .note("it has done ten million steps, or made some hundred megabytes of text")
                .help("let loops run over fewer items, and put long lists into a seed")
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => {
            let (what, name) = match detail
                .strip_suffix(" is unknown")
                .and_then(|d| d.split_once(' '))
            {
                Some((what, name)) => (what, name),
                None => ("filter or test", detail),
            };
            let there = match what {
                "test" => words::TESTS,
                _ => words::FILTERS,
            };
            Diagnostic::error(Code::JinjaError, format!("no {what} named `{name}`"))
                .did_you_mean(name, there.iter().copied())
        }
        ErrorKind::UnknownMethod => {
            let diagnostic = Diagnostic::error(Code::JinjaError, detail.to_owned());
            match detail.split_once(" has no method named ") {
                Some((kind, name)) => {
                    diagnostic.did_you_mean(name, words::methods(kind).iter().copied())
                }
                None => diagnostic,
            }
        }
        ErrorKind::TooManyArguments | ErrorKind::MissingArgument => {
            let what = error.kind().to_string();
            let message = if detail.is_empty() {
                what
            } else {
                format!("{what}: {detail}")
            };
            Diagnostic::error(Code::MacroArgument, message)
        }
        ErrorKind::InvalidOperation if detail == "recursion limit exceeded" => {
            Diagnostic::error(Code::JinjaError, "macros call each other without end")
                .help("let one of them stop: `{% if … %}` round its call")
        }
        kind if detail.is_empty() => Diagnostic::error(Code::JinjaError, kind.to_string()),
        ErrorKind::InvalidOperation => Diagnostic::error(Code::JinjaError, detail.to_owned()),
        kind => Diagnostic::error(Code::JinjaError, format!("{kind}: {detail}")),
    }
}

/// The name in "… (`name` is undefined, from line 3)", which is how minijinja ends a detail.
fn undefined_name(detail: &str) -> Option<&str> {
    let before = &detail[..detail.find("` is undefined")?];
    let name = &before[before.rfind('`')? + 1..];
    (!name.starts_with('(')).then_some(name)
}

fn undefined(name: &str, names: &[String]) -> Diagnostic {
    if name.is_empty() {
        return Diagnostic::error(Code::JinjaError, "an undefined value is used");
    }
    Diagnostic::error(Code::JinjaError, format!("`{name}` is undefined"))
        .did_you_mean(name, names.iter().map(String::as_str))
}

/// As [`undefined`], and `target.nme` is compared with what `target` has.
fn undefined_in(name: &str, names: &[String], known: &dyn Known) -> Diagnostic {
    let Some((value, attribute)) = name.rsplit_once('.') else {
        return undefined(name, names);
    };
    let members = known.members(value);
    let near = closest(attribute, members.iter().map(String::as_str));
    let diagnostic = undefined(name, &[]);
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{value}.{near}`?")),
        None => diagnostic,
    }
}

/// A call of a macro in a package that is not there.
fn unknown_package(package: &str, name: &str, names: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        Code::UnknownMacro,
        format!("`{package}` is neither a package nor a name with a value"),
    )
    .did_you_mean(package, names.iter().map(String::as_str));
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic
            .note("packages of `packages.yml` are not installed or read yet")
            .help(format!(
                "put the macro into macros/, and call it as `{name}`"
            )),
    }
}

/// A call of a name that is defined nowhere, with the nearest that is.
pub(super) fn unknown_macro(name: &str, names: &[String]) -> Diagnostic {
    Diagnostic::error(
        Code::UnknownMacro,
        format!("no macro or function named `{name}`"),
    )
    .did_you_mean(name, names.iter().map(String::as_str))
}

/// The path that a call begins with: `dbt_utils.star` of `dbt_utils.star(from=x)`.
fn path(excerpt: &str) -> &str {
    let excerpt = excerpt.trim();
    let end = excerpt
        .find(|c: char| !is_word(c) && c != '.')
        .unwrap_or(excerpt.len());
    &excerpt[..end]
}
