//! Text where a list, a number or a dict was meant: what a macro gives that has no `return`.
//!
//! A macro gives what it writes. `{% for region in regions() %}` then walks over the letters of
//! `['north', 'south']`, and `{% if how_many() > 2 %}` compares a text: neither is an error to Jinja, and
//! neither is ever meant. So the texts of macros that never say `return` are remembered for a render, and
//! found out where they are walked over or compared with a number.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind, State};

use super::failure::fail;
use super::library::Library;
use super::macros::{BUILTIN, MacroDefinition, MacroKind};
use super::render::Render;
use super::tokens::{TokenKind, scan};
use crate::diagnostic::{Code, Diagnostic};

/// A longer text is not taken for a list or a number.
pub(super) const LONGEST: usize = 4_096;

/// `refx__items(x)`: what a loop walks over.
pub(super) fn items(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    meant(render, args, "a list")
}

/// `refx__number(x)`: what is compared with a number.
pub(super) fn number(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    meant(render, args, "a number")
}

fn meant(render: &Arc<Render>, args: &[Value], wanted: &str) -> Result<Value, Error> {
    let value = args.first().cloned().unwrap_or_default();
    match value.as_str().and_then(|text| render.unreturned(text)) {
        Some(definition) => {
            let message = format!("`{}` gives text, and {wanted} is needed", definition.name);
            let diagnostic = Diagnostic::error(Code::JinjaError, message);
            Err(fail(without_return(diagnostic, definition)))
        }
        None => Ok(value),
    }
}

/// The diagnostic with the macro's place, and the way out.
fn without_return(diagnostic: Diagnostic, definition: &MacroDefinition) -> Diagnostic {
    let name = &definition.name;
    let place = definition.name_span.clone();
    diagnostic
        .related(
            place,
            format!("`{name}` is defined here, without a `return`"),
        )
        .help("a macro gives what it writes; to give a value it says `{{ return(…) }}`")
}

/// Tells of the macro without `return` that an operation failed on, where the failed expression calls one
/// or names what one gave.
pub(super) fn explained(
    diagnostic: Diagnostic,
    error: &Error,
    (excerpt, template): (&str, &str),
    (library, package): (&Library, &str),
) -> Diagnostic {
    let detail = error.detail().unwrap_or_default();
    let of_text = match error.kind() {
        ErrorKind::InvalidOperation => detail.contains("string"),
        ErrorKind::UndefinedError | ErrorKind::UnknownMethod => true,
        _ => false,
    };
    if !of_text || diagnostic.help.is_some() {
        return diagnostic;
    }
    let Some((name, definition)) = giver(library, package, excerpt, template) else {
        return diagnostic;
    };
    let undefined = error.kind() == ErrorKind::UndefinedError;
    if undefined && !diagnostic.message.starts_with(&format!("`{name}")) {
        return diagnostic;
    }
    let note = format!("`{}` gives text", definition.name);
    without_return(diagnostic.note(note), definition)
}

/// The name in an expression that stands for the text of a macro without `return`, and the macro.
fn giver<'l>(
    library: &'l Library,
    package: &str,
    excerpt: &str,
    template: &str,
) -> Option<(String, &'l MacroDefinition)> {
    let silent = |name: &str| {
        let definition = &library.definitions[library.resolve(package, name)?];
        let silent = !definition.returns
            && definition.kind == MacroKind::Macro
            && &*definition.package != BUILTIN;
        silent.then_some(definition)
    };
    let braced = format!("{{{{{excerpt}}}}}");
    let tokens = scan(&braced).into_iter().next()?.tokens;
    tokens.iter().enumerate().find_map(|(at, token)| {
        let attribute = at > 0 && tokens[at - 1].is(&braced, ".");
        if token.kind != TokenKind::Name || attribute {
            return None;
        }
        let name = token.text(&braced);
        let called = tokens.get(at + 1).is_some_and(|next| next.is(&braced, "("));
        let definition = match called {
            true => silent(name)?,
            false => silent(&set_by(template, name)?)?,
        };
        Some((name.to_owned(), definition))
    })
}

/// The macro whose call a name was last set to: `regions` for `{% set x = regions() %}`.
fn set_by(template: &str, name: &str) -> Option<String> {
    let tags = scan(template);
    let set = tags.iter().rev().find(|tag| {
        let word = |at: usize| tag.tokens.get(at).map_or("", |token| token.text(template));
        tag.keyword(template) == Some("set") && word(1) == name && word(2) == "=" && word(4) == "("
    })?;
    Some(set.tokens[3].text(template).to_owned())
}
