//! Which places wrote a part of a rendered text: the call in the template, and the lines of the macros
//! that it went through.
//!
//! ```text
//! models/a.sql    select {{ share('plays') }} as share           the text came from this call,
//! macros/m.sql    {{ whole(column) }}                            through this one,
//! macros/m.sql    sum({{ column }}) over (partition by regio)    and was written here
//! ```
//!
//! A template is rendered once, and its errors are few: so nothing is kept by the way. When a place is
//! asked for that an expression wrote, the template is rendered a second time with [`marks`] in it. Where
//! the marks have changed what the template does, so that the text is another one, it is rendered with
//! fewer of them; and if that is no help the expression remains the answer.

mod marks;
mod spots;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};

pub(super) use self::marks::plain_arguments;
use self::marks::{Held, Marker, Unmarked};
use self::spots::{Marked, Plan, Spot};
use super::environment;
use super::macros::{MacroDefinition, Macros, local, macro_edits};
use super::render::{again, called_again};
use super::rewrite;
use super::scope::{Argument, Host, Scope, Undefined};
use super::tokens::scan;
use super::{Answer, Column, RefCall, Relation, Source};
use crate::diagnostic::{Diagnostic, Related, Span};

/// What a render rested on, so that it can be done again.
#[derive(Clone)]
pub struct Trace(Arc<Basis>);

struct Basis {
    macros: Arc<Macros>,
    work: Work,
    scope: Scope,
    host: Arc<dyn Host>,
    text: Arc<str>,
    called: BTreeSet<String>,
    found: OnceLock<Option<Found>>,
}

/// What the first render gave.
pub struct CameOut {
    pub text: Arc<str>,
    /// Unique ids of the macros that were called.
    pub called: BTreeSet<String>,
}

enum Work {
    Template(Source),
    Macro(String, Vec<(String, Argument)>),
}

/// The text with all that is known of its parts.
struct Found {
    unmarked: Unmarked,
    /// By the number of their template.
    spots: BTreeMap<u32, (Owner, Vec<Spot>)>,
}

/// Whose text a template is.
#[derive(Clone, Debug, PartialEq)]
enum Owner {
    /// The file that was rendered.
    Root,
    /// A macro, by the words that tell of it.
    Macro(String),
}

/// Where a part of a text came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The place in the file that was rendered; none where a macro was called without one.
    pub span: Option<Span>,
    /// The macros that it went through, each at its own line, the outermost first.
    pub related: Vec<Related>,
    /// Whether the part stands in a file as it is, so that the marked lines show it.
    pub written: bool,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

impl Trace {
    /// Of [`super::render`].
    pub fn of_template(
        macros: &Arc<Macros>,
        source: &Source,
        scope: &Scope,
        host: &Arc<dyn Host>,
        came_out: CameOut,
    ) -> Self {
        Trace::new(
            macros,
            Work::Template(source.clone()),
            scope,
            host,
            came_out,
        )
    }

    /// Of [`super::call`].
    pub fn of_call(
        macros: &Arc<Macros>,
        unique_id: &str,
        arguments: &[(String, Argument)],
        scope: &Scope,
        host: &Arc<dyn Host>,
        came_out: CameOut,
    ) -> Self {
        let work = Work::Macro(unique_id.to_owned(), arguments.to_vec());
        Trace::new(macros, work, scope, host, came_out)
    }

    fn new(
        macros: &Arc<Macros>,
        work: Work,
        scope: &Scope,
        host: &Arc<dyn Host>,
        CameOut { text, called }: CameOut,
    ) -> Self {
        Trace(Arc::new(Basis {
            macros: macros.clone(),
            work,
            scope: scope.clone(),
            host: Arc::new(Quiet(host.clone())),
            text,
            called,
            found: OnceLock::new(),
        }))
    }

    /// Whether the marks left the text as it was.
    #[cfg(test)]
    pub fn succeeds(&self) -> bool {
        self.0.found.get_or_init(|| self.0.find()).is_some()
    }

    /// Where a range of the text came from, if that can be known.
    pub fn origin(&self, range: &Range<usize>) -> Option<Origin> {
        let found = self.0.found.get_or_init(|| self.0.find());
        found.as_ref()?.origin(range)
    }
}

impl Basis {
    fn find(&self) -> Option<Found> {
        [true, false].into_iter().find_map(|literals| {
            let found = self.attempt(literals)?;
            (found.unmarked.text == *self.text).then_some(found)
        })
    }

    fn attempt(&self, literals: bool) -> Option<Found> {
        let mut environment = environment::build();
        if self.scope.undefined == Undefined::Lenient {
            environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        }
        environment.add_global("refx__at", Value::from_object(Marker::Text));
        environment.add_global("refx__in", Value::from_object(Marker::Value));
        environment.add_global("refx__plain", Value::from_object(Marker::Plain));
        environment.add_filter("refx__at", marks::filter);
        let mut spots = BTreeMap::new();
        let definitions = self.macros.definitions().iter().zip(1..);
        for (definition, template) in definitions {
            if self.called.contains(&*definition.unique_id) {
                let marked = self.add(&mut environment, definition, template, literals)?;
                let owner = Owner::Macro(definition.spoken());
                spots.insert(template, (owner, marked.spots));
            }
        }
        let text = match &self.work {
            Work::Template(source) => {
                let tags = scan(&source.text);
                let is_macro =
                    |name: &str| self.macros.resolve(&self.scope.package, name).is_some();
                let marked = Plan {
                    template: 0,
                    source,
                    range: 0..source.text.len(),
                    tags: &tags,
                    literals,
                    is_macro: &is_macro,
                }
                .marked();
                spots.insert(0, (Owner::Root, marked.spots));
                let edits = (marked.before, marked.after);
                again(
                    &self.macros,
                    &environment,
                    (source, &tags),
                    edits,
                    &self.scope,
                    &self.host,
                )
            }
            Work::Macro(unique_id, arguments) => called_again(
                &self.macros,
                &environment,
                unique_id,
                arguments,
                &self.scope,
                &self.host,
            ),
        };
        let unmarked = Unmarked::of(&text.ok()?);
        Some(Found { unmarked, spots })
    }

    /// Compiles a macro with marks in it.
    fn add(
        &self,
        environment: &mut Environment<'static>,
        definition: &MacroDefinition,
        template: u32,
        literals: bool,
    ) -> Option<Marked> {
        let library = &self.macros.library;
        let place = library
            .places
            .get(library.by_id(&definition.unique_id)?)?
            .as_ref()?;
        let source = &place.source;
        let range = local(source, &definition.span);
        let mut tags = scan(&source.text);
        tags.retain(|tag| range.start <= tag.range.start && tag.range.end <= range.end);
        let is_macro = |name: &str| self.macros.resolve(&definition.package, name).is_some();
        let mut marked = Plan {
            template,
            source,
            range: range.clone(),
            tags: &tags,
            literals,
            is_macro: &is_macro,
        }
        .marked();
        let mut edits = std::mem::take(&mut marked.before);
        edits.extend(macro_edits(&source.text, &tags, definition));
        edits.append(&mut marked.after);
        let rewritten = rewrite::apply(&source.text, range, "", edits);
        let id = definition.unique_id.to_string();
        environment.add_template_owned(id, rewritten.text).ok()?;
        Some(marked)
    }
}

/// One step on the way of a text.
struct Frame {
    owner: Owner,
    span: Span,
    copied: bool,
}

impl Found {
    fn origin(&self, range: &Range<usize>) -> Option<Origin> {
        let frames: Vec<Frame> = self
            .unmarked
            .around(range.start)
            .into_iter()
            .filter_map(|held| self.frame(held, range))
            .collect();
        let innermost = frames.last()?;
        let written = innermost.copied;
        let root = |frame: &&Frame| frame.owner == Owner::Root;
        let first = frames.iter().find(root);
        let last = frames.iter().rfind(root);
        let mut related = Vec::new();
        if let (Some(first), Some(last)) = (first, last)
            && !first.span.holds(&last.span)
        {
            let message = "it is put in here".to_owned();
            related.push(Related {
                span: first.span.clone(),
                message,
            });
        }
        let mut told: Vec<&Owner> = Vec::new();
        for frame in &frames {
            if let Owner::Macro(name) = &frame.owner
                && !told.contains(&&frame.owner)
                && let Some(deepest) = frames.iter().rfind(|other| other.owner == frame.owner)
            {
                told.push(&frame.owner);
                let message = format!("in {name}");
                related.push(Related {
                    span: deepest.span.clone(),
                    message,
                });
            }
        }
        Some(Origin {
            span: last.map(|frame| frame.span.clone()),
            related,
            written,
        })
    }

    /// A stretch of the text at its place, cut to the range where the text was copied.
    fn frame(&self, held: &Held, range: &Range<usize>) -> Option<Frame> {
        let (owner, spots) = self.spots.get(&held.mark.template)?;
        let spot = spots.get(usize::try_from(held.mark.spot).ok()?)?;
        let mut span = spot.span.clone();
        let owner = match (&spot.within, owner) {
            (Some(name), Owner::Root) => Owner::Macro(format!("the macro `{name}`")),
            _ => owner.clone(),
        };
        let copied = spot.copied && held.end.checked_sub(held.start) == Some(span.end - span.start);
        if copied {
            let start = span.start + (range.start - held.start);
            let end = span.start + (range.end.min(held.end) - held.start);
            span = Span::new(span.file, start..end);
        }
        Some(Frame {
            owner,
            span,
            copied,
        })
    }
}

/// A host that answers as before, and says nothing a second time.
struct Quiet(Arc<dyn Host>);

impl Host for Quiet {
    fn reference(&self, call: &RefCall) -> Result<Relation, Diagnostic> {
        self.0.reference(call)
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
        self.0.source(source, table)
    }

    fn config(&self) -> serde_json::Value {
        self.0.config()
    }

    fn graph(&self) -> serde_json::Value {
        self.0.graph()
    }

    fn selected_resources(&self) -> Vec<String> {
        self.0.selected_resources()
    }

    fn is_incremental(&self) -> bool {
        self.0.is_incremental()
    }

    fn query(&self, sql: &str) -> Result<Answer, String> {
        self.0.query(sql)
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String> {
        self.0.columns(relation)
    }

    fn relation_exists(&self, relation: &Relation) -> bool {
        self.0.relation_exists(relation)
    }

    fn log(&self, _: &str, _: bool) {}
}
