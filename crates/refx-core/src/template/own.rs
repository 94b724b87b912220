//! Macros that a template defines for itself: minijinja runs them, and refx gives them what dbt's have,
//! `varargs`, `kwargs` and `return`.
//!
//! Such a macro takes the names as parameters, and `{% set m = refx__own(0, m) %}` after its end puts
//! an object in its place that sorts the arguments.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, State};

use super::Source;
use super::arguments::{self, required};
use super::blocks::{self, BlockKind, Found};
use super::failure::{error, returned};
use super::macros::{MacroDefinition, MacroFile, MacroKind, define, more_parameters};
use super::render::Render;
use super::rewrite::Edit;
use super::tokens::Tag;

/// The macros of a template that need refx's help, and the edits for them.
pub(super) fn macros(
    source: &Source,
    package: &Arc<str>,
    tags: &[Tag],
    edits: &mut Vec<Edit>,
) -> Vec<Arc<MacroDefinition>> {
    let file = MacroFile {
        package: package.clone(),
        source: source.clone(),
    };
    let mut own = Vec::new();
    let mut open: Vec<&[Tag]> = vec![tags];
    while let Some(tags) = open.pop() {
        // What is wrong with the blocks is minijinja's to say.
        for found in blocks::find(source, tags).unwrap_or_default() {
            let tags = &tags[found.tags.clone()];
            // A macro may define others.
            open.extend(tags.get(1..tags.len().saturating_sub(1)));
            own.extend(sorted(&file, &found, tags, own.len(), edits));
        }
    }
    own
}

/// The macro with the edits for its arguments, where it needs them.
fn sorted(
    file: &MacroFile,
    found: &Found,
    tags: &[Tag],
    index: usize,
    edits: &mut Vec<Edit>,
) -> Option<Arc<MacroDefinition>> {
    let text = &*file.source.text;
    let end = tags.last()?;
    if found.block.kind != BlockKind::Macro {
        return None;
    }
    let name = found.block.name.clone();
    let definition = define(file, found, tags, name, MacroKind::Macro)?;
    if !(definition.takes_varargs || definition.takes_kwargs || definition.returns) {
        return None;
    }
    edits.extend(more_parameters(text, &tags[0], &definition));
    let name = &definition.name;
    let trims = text[..end.range.end].ends_with("-%}");
    let close = if trims { "-%}" } else { "%}" };
    let wrapped = format!("{{% set {name} = refx__own({index}, {name}) {close}");
    edits.push(Edit::insert(end.range.end, wrapped));
    Some(Arc::new(definition))
}

/// `refx__own(0, m)`: the macro with its arguments sorted.
pub(super) fn wrap(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [index, body] = arguments::bind("refx__own", ["index", "macro"], args)?;
    let index = index.and_then(|index| index.as_usize()).unwrap_or_default();
    let definition = render.own_macro(index);
    Ok(Value::from_object(OwnMacro {
        definition: definition.ok_or_else(|| error("called outside of its template"))?,
        body: required("refx__own", "macro", body)?,
    }))
}

struct OwnMacro {
    definition: Arc<MacroDefinition>,
    body: Value,
}

impl fmt::Debug for OwnMacro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}>", self.definition.name)
    }
}

impl Object for OwnMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (bound, _) = arguments::of_macro(&self.definition, args)?;
        let result = self.body.call(state, &bound);
        result.or_else(|error| returned(&error).ok_or(error))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
