//! One render: the state that a template and all the macros it calls share.
//!
//! Everything runs in one state of minijinja. A macro is brought into it on its first call by
//! `refx__import`, a macro that stands before every template and does `{% import id as module %}`;
//! its template is compiled once for all renders. The import runs in a frame of its own, so that the
//! macro sees the names of its package and none of the caller's locals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, State};
use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic, Span};

use super::Source;
use super::arguments;
use super::blocks::unclosed;
use super::calls::{Calls, Site, calls_of, sites};
use super::context::{Context, NAMES, is_name};
use super::failure::{Known, Place, at_definition, diagnose, error, fail, leave, returned};
use super::library::Library;
use super::macros::{MacroDefinition, Macros, supported};
use super::own;
use super::rewrite::{self, Edit};
use super::scope::{Argument, Host, Scope};
use super::spans::SpanMap;
use super::tokens::{Tag, TagKind, scan};
use super::unreturned;
use super::values;

/// Stands before every template that is rendered. It writes nothing. The `with` keeps what the
/// template sets later out of the closure of the macro, and so out of all imported macros.
const PRELUDE: &str = "{% with %}{% macro refx__import(refx__id) %}{% import refx__id as \
    refx__module %}{% do refx__imported(refx__module) %}{% endmacro %}{% do refx__start(refx__import) %}{% endwith %}";

/// minijinja's name of the template that is rendered; macros are named by their unique id.
const ROOT: &str = "refx:root";

/// A text, and what was asked for on the way to it.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    pub text: String,
    /// From ranges of the text back to the source.
    pub map: SpanMap,
    pub calls: Calls,
    /// What `exceptions.warn` said.
    pub warnings: Vec<Diagnostic>,
}

/// Renders a template.
///
/// # Errors
/// One diagnostic: [`Code::JinjaSyntax`], [`Code::JinjaError`], [`Code::UnknownMacro`],
/// [`Code::MacroArgument`], [`Code::UnknownVar`], [`Code::UnknownEnvVar`], [`Code::Unsupported`], or the
/// one that the host gave. Where it happened inside of a macro, `related` leads back to the source.
pub fn render(
    macros: &Macros,
    source: &Source,
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<Rendered, Diagnostic> {
    let tags = scan(&source.text);
    if let Some(plain) = plain(source, &tags) {
        return Ok(plain);
    }
    let mut render = Render::prepare(macros, scope, host, Vec::new())?;
    render.root = Root::new(source, &scope.package, &tags, Vec::new())?;
    let render = Arc::new(render);
    let (text, spans) = render.run(macros.environment(scope.undefined))?;
    let map = match &render.root.place {
        Some(place) => SpanMap::new(&text, spans, place),
        None => SpanMap::default(),
    };
    Ok(render.finish(text, map))
}

/// What a text without Jinja comes to: itself, but for the final newline, which Jinja drops.
fn plain(source: &Source, tags: &[Tag]) -> Option<Rendered> {
    if !tags.is_empty() || source.text.contains("{#") {
        return None;
    }
    let text = source.text.strip_suffix('\n').unwrap_or(&source.text);
    Some(Rendered {
        map: SpanMap::verbatim(source, text.len()),
        text: text.to_owned(),
        ..Rendered::default()
    })
}

/// Renders a template for what it asks for. One that fails has still asked for what came before its
/// mistake: the settings above an unknown macro hold, so that the one mistake makes no others.
pub fn parse(
    macros: &Macros,
    source: &Source,
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> (Rendered, Option<Diagnostic>) {
    let tags = scan(&source.text);
    if let Some(plain) = plain(source, &tags) {
        return (plain, None);
    }
    let prepared = Render::prepare(macros, scope, host, Vec::new());
    let prepared = prepared.and_then(|render| {
        let root = Root::new(source, &scope.package, &tags, Vec::new())?;
        Ok(Arc::new(Render { root, ..render }))
    });
    let render = match prepared {
        Ok(render) => render,
        Err(diagnostic) => return (Rendered::default(), Some(diagnostic)),
    };
    match render.run(macros.environment(scope.undefined)) {
        Ok((text, _)) => (render.finish(text, SpanMap::default()), None),
        Err(diagnostic) => {
            let mut rendered = render.finish(String::new(), SpanMap::default());
            for settings in settings_after(source, &tags, &diagnostic) {
                let (later, _) = parse(macros, &settings, scope, host);
                rendered.calls.config.extend(later.calls.config);
            }
            (rendered, Some(diagnostic))
        }
    }
}

/// The calls of `config()` below a mistake, each as a template of its own.
fn settings_after(source: &Source, tags: &[Tag], mistake: &Diagnostic) -> Vec<Source> {
    let place = mistake.span.as_ref();
    let Some(place) = place.filter(|place| place.file == source.file) else {
        return Vec::new();
    };
    let after = tags.iter().filter(|tag| {
        let first = tag.tokens.first();
        source.offset + tag.range.start > place.start
            && tag.kind == TagKind::Expression
            && first.is_some_and(|first| first.text(&source.text) == "config")
    });
    let alone = after.map(|tag| Source {
        file: source.file.clone(),
        text: source.text[tag.range.clone()].into(),
        offset: source.offset + tag.range.start,
    });
    alone.collect()
}

/// Calls a macro for what it asks for, also where it fails on the way, as [`parse`] does.
///
/// # Errors
/// As [`call`], for a macro that cannot be called at all.
pub fn parse_call(
    macros: &Macros,
    unique_id: &str,
    arguments: &[(String, Argument)],
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<Calls, Diagnostic> {
    let (render, _) = calling(macros, unique_id, arguments, scope, host)?;
    let render = Arc::new(render);
    // What is wrong is said when the call is made for its text.
    let _ = render.run(macros.environment(scope.undefined));
    Ok(render.finish(String::new(), SpanMap::default()).calls)
}

/// Calls a macro with values: `{{ test_unique(model=…, column_name=…) }}` without pasting values into
/// a text. The map of the result is empty; its errors have a span only where they lie in a macro.
///
/// # Errors
/// As [`render`]; [`Code::UnknownMacro`] when there is no macro of that unique id.
pub fn call(
    macros: &Macros,
    unique_id: &str,
    arguments: &[(String, Argument)],
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<Rendered, Diagnostic> {
    let (render, calls) = calling(macros, unique_id, arguments, scope, host)?;
    let render = Arc::new(render);
    let (text, _) = render.run(macros.environment(scope.undefined))?;
    let mut rendered = render.finish(text, SpanMap::default());
    rendered.calls.merge_static(calls);
    Ok(rendered)
}

/// The render that calls a macro, and what its arguments asked for.
fn calling(
    macros: &Macros,
    unique_id: &str,
    arguments: &[(String, Argument)],
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<(Render, Calls), Diagnostic> {
    let Some(index) = macros.library.by_id(unique_id) else {
        return Err(Diagnostic::error(
            Code::UnknownMacro,
            format!("no macro `{unique_id}`"),
        ));
    };
    let mut calls = Calls::default();
    let mut values = Vec::with_capacity(arguments.len());
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Value(json) => values::from_json(json),
            Argument::Relation(relation) => relation.clone().value(),
            Argument::Expression(source) => {
                let (value, asked) = evaluate(macros, source, scope, host, true)?;
                calls.merge_static(asked);
                value
            }
        };
        values.push((name.as_str(), value));
    }
    let arguments = Value::from(Kwargs::from_iter(values));
    let names = vec![
        ("refx__macro", macros.library.macro_value(index)),
        ("refx__arguments", arguments),
    ];
    let render = Render::prepare(macros, scope, host, names)?;
    Ok((render, calls))
}

/// [`render`] in another environment, with marks in the template: edits before and after refx's own.
pub(super) fn again(
    macros: &Macros,
    environment: &Environment<'_>,
    (source, tags): (&Source, &[Tag]),
    (before, after): (Vec<Edit>, Vec<Edit>),
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<String, Diagnostic> {
    let mut render = Render::prepare(macros, scope, host, Vec::new())?;
    render.marked = true;
    render.root = Root::marked(source, &scope.package, tags, (before, after))?;
    Arc::new(render).run(environment).map(|(text, _)| text)
}

/// [`call`] in another environment.
pub(super) fn called_again(
    macros: &Macros,
    environment: &Environment<'_>,
    unique_id: &str,
    arguments: &[(String, Argument)],
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<String, Diagnostic> {
    let (mut render, _) = calling(macros, unique_id, arguments, scope, host)?;
    render.marked = true;
    Arc::new(render).run(environment).map(|(text, _)| text)
}

/// The value of an expression in YAML: `"{{ var('x') }}"` keeps the type that `x` has; a text with
/// anything around the braces is text. The rules are dbt's native rendering.
///
/// # Errors
/// As [`render`].
pub fn render_value(
    macros: &Macros,
    source: &Source,
    scope: &Scope,
    host: &Arc<dyn Host>,
) -> Result<Json, Diagnostic> {
    evaluate(macros, source, scope, host, false).map(|(value, _)| values::to_json(&value))
}

/// The value of a source: of its one expression, with or without braces, or its text.
fn evaluate(
    macros: &Macros,
    source: &Source,
    scope: &Scope,
    host: &Arc<dyn Host>,
    bare: bool,
) -> Result<(Value, Calls), Diagnostic> {
    let mut tags = scan(&source.text);
    if tags.is_empty() && !source.text.contains("{#") && !bare {
        return Ok((Value::from(&*source.text), Calls::default()));
    }
    let trimmed = source.text.trim();
    let start = source.text.len() - source.text.trim_start().len();
    let whole = start..start + trimmed.len();
    let mut edits = Vec::new();
    let native = if let [tag] = tags.as_slice()
        && tag.kind == TagKind::Expression
        && tag.range == whole
    {
        edits.push(Edit::replace(start..start + 2, "{% do refx__value("));
        edits.push(Edit::replace(whole.end - 2..whole.end, ") %}"));
        true
    } else if bare && tags.is_empty() {
        // Scanned a second time as if it stood in a tag, for its tokens.
        let braced = format!("{{{{{}}}}}", source.text);
        tags = scan(&braced)
            .into_iter()
            .map(|tag| shift(tag, 2, source.text.len()))
            .collect();
        edits.push(Edit::insert(0, "{% do refx__value("));
        edits.push(Edit::insert(source.text.len(), ") %}"));
        true
    } else {
        false
    };
    let mut render = Render::prepare(macros, scope, host, Vec::new())?;
    render.secrets_allowed = true;
    render.native = native;
    render.root = Root::new(source, &scope.package, &tags, edits)?;
    let render = Arc::new(render);
    let (text, _) = render.run(macros.environment(scope.undefined))?;
    let value = render.progress().value.take();
    let value = match value {
        Some(value) if native => value,
        _ => Value::from(text),
    };
    let calls = std::mem::take(&mut render.progress().calls);
    Ok((value, calls))
}

/// A tag of a text in braces as one of the text without them.
fn shift(mut tag: Tag, by: usize, length: usize) -> Tag {
    let back = |at: usize| at.saturating_sub(by).min(length);
    for token in &mut tag.tokens {
        token.range = back(token.range.start)..back(token.range.end);
    }
    tag.range = 0..length;
    tag
}

/// The template that a render starts from.
#[derive(Default)]
pub(super) struct Root {
    place: Option<Place>,
    sites: Vec<Site>,
    calls: Calls,
    /// The macros that the template defines, as far as refx sorts their arguments.
    own: Vec<Arc<MacroDefinition>>,
}

impl Root {
    fn new(
        source: &Source,
        package: &Arc<str>,
        tags: &[Tag],
        edits: Vec<Edit>,
    ) -> Result<Self, Diagnostic> {
        Root::marked(source, package, tags, (edits, Vec::new()))
    }

    fn marked(
        source: &Source,
        package: &Arc<str>,
        tags: &[Tag],
        (mut edits, after): (Vec<Edit>, Vec<Edit>),
    ) -> Result<Self, Diagnostic> {
        if let Some(tag) = tags.iter().find(|tag| !tag.closed) {
            return Err(unclosed(source, tag));
        }
        supported(source, tags)?;
        for tag in tags {
            rewrite::tag_edits(&source.text, tag, &mut edits);
        }
        let own = own::macros(source, package, tags, &mut edits);
        edits.extend(after);
        let sites = sites(&source.text, tags);
        let unset = rewrite::unset_names(&source.text, tags, is_name);
        let prelude = format!("{PRELUDE}{unset}");
        Ok(Root {
            calls: calls_of(&sites, source),
            sites,
            own,
            place: Some(Place {
                source: source.clone(),
                rewritten: rewrite::apply(&source.text, 0..source.text.len(), &prelude, edits),
            }),
        })
    }
}

/// What a render has met so far.
#[derive(Default)]
pub(super) struct Progress {
    pub calls: Calls,
    pub warnings: Vec<Diagnostic>,
    /// Results of `statement`, by name.
    pub results: HashMap<String, Value>,
    /// Indexes of the macros that run at the moment, the outermost first.
    pub stack: Vec<usize>,
    /// What macros without a `return` gave, with their indexes.
    texts: Vec<(Value, usize)>,
    /// The value of `refx__value`.
    pub value: Option<Value>,
    /// The macro `refx__import` of this state, and the module that it gave last.
    pub importer: Option<Value>,
    pub imported: Option<Value>,
    /// Package of the macro that is being imported: its names are looked up from there.
    pub importing: Option<Arc<str>>,
    macros: HashMap<usize, Value>,
}

pub(super) struct Render {
    pub scope: Scope,
    pub host: Arc<dyn Host>,
    pub library: Arc<Library>,
    pub secrets_allowed: bool,
    /// Whether the value of an expression is asked for, and not a text.
    pub native: bool,
    /// Whether texts carry marks of where they come from, see [`super::trace`].
    pub marked: bool,
    root: Root,
    /// Names that come before all others.
    pub extra: Vec<(String, Value)>,
    /// The `model` dict, made on its first use.
    pub model: std::sync::OnceLock<Value>,
    /// The variables whose values are being rendered, the outermost first.
    variables: Vec<String>,
    progress: Mutex<Progress>,
}

impl Render {
    fn prepare(
        macros: &Macros,
        scope: &Scope,
        host: &Arc<dyn Host>,
        extra: Vec<(&str, Value)>,
    ) -> Result<Self, Diagnostic> {
        let mut names: Vec<(String, Value)> = extra
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        for (name, argument) in &scope.extra {
            let value = match argument {
                Argument::Value(json) => values::from_json(json),
                Argument::Relation(relation) => relation.clone().value(),
                Argument::Expression(source) => {
                    let mut inner = scope.clone();
                    inner.extra.clear();
                    evaluate(macros, source, &inner, host, true)?.0
                }
            };
            names.push((name.clone(), value));
        }
        Ok(Render {
            scope: scope.clone(),
            host: host.clone(),
            library: macros.library.clone(),
            secrets_allowed: false,
            native: false,
            marked: false,
            root: Root::default(),
            extra: names,
            model: std::sync::OnceLock::new(),
            variables: Vec::new(),
            progress: Mutex::default(),
        })
    }

    /// The render that a state belongs to.
    pub fn of(state: &State<'_, '_>) -> Result<Arc<Render>, Error> {
        state
            .get_extension::<Arc<Render>>()
            .cloned()
            .ok_or_else(|| error("called outside of a render"))
    }

    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(
        self: &Arc<Self>,
        environment: &Environment<'_>,
    ) -> Result<(String, Vec<minijinja::OutputSpan>), Diagnostic> {
        let context = Value::from_object(Context(self.clone()));
        let result = match &self.root.place {
            Some(place) => environment
                .template_from_named_str(ROOT, &place.rewritten.text)
                .and_then(|template| template.render_with_spans(context)),
            None => {
                const CALL: &str = "{{ refx__macro(**refx__arguments) }}";
                environment
                    .template_from_named_str(ROOT, &format!("{PRELUDE}{CALL}"))
                    .and_then(|template| template.render_with_spans(context))
            }
        };
        match result {
            Ok(rendered) => Ok(rendered),
            // dbt lets `return` end a template as it ends a macro.
            Err(error) => match returned(&error) {
                Some(value) => {
                    let text = value.to_string();
                    self.progress().value = Some(value);
                    Ok((text, Vec::new()))
                }
                None => Err(diagnose(&error, self)),
            },
        }
    }

    fn finish(&self, text: String, map: SpanMap) -> Rendered {
        let mut progress = self.progress();
        let mut calls = std::mem::take(&mut progress.calls);
        if !self.scope.execute {
            calls.merge_static(self.root.calls.clone());
            for index in self.library.called(&self.scope.package, &self.root.sites) {
                let id = &self.library.definitions[index].unique_id;
                calls.macros.insert(id.to_string());
            }
        }
        Rendered {
            text,
            map,
            calls,
            warnings: std::mem::take(&mut progress.warnings),
        }
    }

    /// The package whose code runs: of the innermost macro, or of the template itself.
    pub fn package(&self) -> Arc<str> {
        match self.progress().stack.last() {
            Some(index) => self.library.definitions[*index].package.clone(),
            None => self.scope.package.clone(),
        }
    }

    /// Where in the template a call stands: the literal call that matches, else the call of the macro
    /// that made it, else the first call of that name, else the start of the template.
    pub fn call_span(&self, name: &str, matches: impl Fn(&Site) -> bool) -> Option<Span> {
        let source = &self.root.place.as_ref()?.source;
        let outermost = self.progress().stack.first().copied();
        let last_word = |site: &Site| site.name.rsplit('.').next().map(str::to_owned);
        let site = match outermost {
            None => (self.root.sites.iter())
                .find(|site| last_word(site).as_deref() == Some(name) && matches(site))
                .or_else(|| {
                    (self.root.sites.iter()).find(|site| last_word(site).as_deref() == Some(name))
                }),
            Some(index) => {
                let called = &*self.library.definitions[index].name;
                (self.root.sites.iter()).find(|site| last_word(site).as_deref() == Some(called))
            }
        };
        Some(match site {
            Some(site) => source.span(&site.range),
            None => source.span(&(0..0)),
        })
    }

    /// The text of a variable that is a template itself. dbt renders it wherever it is read.
    pub fn within(
        &self,
        state: &State<'_, '_>,
        variable: &str,
        text: &str,
    ) -> Result<String, Error> {
        if self.variables.iter().any(|known| known == variable) {
            return Err(error(format!("the variable `{variable}` reads itself")));
        }
        // The mistake is shown where the variable is read, since its value may be anywhere.
        let at_the_call = |diagnostic: Diagnostic| {
            let note = format!("in the value of the variable `{variable}`: {text}");
            fail(Diagnostic {
                span: None,
                ..diagnostic.note(note)
            })
        };
        let source = Source::whole(variable, text);
        let render = Arc::new(Render {
            scope: self.scope.clone(),
            host: self.host.clone(),
            library: self.library.clone(),
            secrets_allowed: self.secrets_allowed,
            native: false,
            marked: self.marked,
            root: Root::new(&source, &self.scope.package, &scan(text), Vec::new())
                .map_err(at_the_call)?,
            extra: self.extra.clone(),
            model: self.model.clone(),
            variables: [self.variables.as_slice(), &[variable.to_owned()]].concat(),
            progress: Mutex::default(),
        });
        let (text, _) = render.run(state.env()).map_err(at_the_call)?;
        let calls = std::mem::take(&mut render.progress().calls);
        self.progress().calls.merge_static(calls);
        Ok(text)
    }

    /// Runs a macro in the state of its caller.
    pub fn call_macro(
        self: &Arc<Self>,
        index: usize,
        state: &mut State<'_, '_>,
        args: &[Value],
    ) -> Result<Value, Error> {
        let definition = &self.library.definitions[index];
        let (bound, left_out) = arguments::of_macro(definition, args)
            .map_err(|error| at_definition(error, definition))?;
        let body = self.body(index, state)?;
        {
            let mut progress = self.progress();
            if !progress.calls.macros.contains(&*definition.unique_id) {
                let id = definition.unique_id.to_string();
                progress.calls.macros.insert(id);
            }
            progress.stack.push(index);
        }
        let result = body.call(state, &bound);
        self.progress().stack.pop();
        if let Ok(text) = &result
            && !definition.returns
            && text
                .as_str()
                .is_some_and(|text| text.len() <= unreturned::LONGEST)
        {
            self.progress().texts.push((text.clone(), index));
        }
        result.or_else(|error| match returned(&error) {
            Some(value) => Ok(value),
            None => Err(leave(&error, definition, &left_out, self)),
        })
    }

    /// A macro that the template defines for itself.
    pub fn own_macro(&self, index: usize) -> Option<Arc<MacroDefinition>> {
        self.root.own.get(index).cloned()
    }

    /// The macro without a `return` that gave a text.
    pub fn unreturned(&self, text: &str) -> Option<&MacroDefinition> {
        let progress = self.progress();
        let mut texts = progress.texts.iter().rev();
        let (_, index) = texts.find(|(given, _)| given.as_str() == Some(text))?;
        self.library.definitions.get(*index)
    }

    /// The macro of minijinja, imported into this state on the first call.
    fn body(&self, index: usize, state: &mut State<'_, '_>) -> Result<Value, Error> {
        let importer = {
            let mut progress = self.progress();
            if let Some(body) = progress.macros.get(&index) {
                return Ok(body.clone());
            }
            progress.importing = Some(self.library.definitions[index].package.clone());
            progress.importer.clone()
        };
        let Some(importer) = importer.filter(|_| self.library.places[index].is_some()) else {
            return Err(error(format!(
                "`{}` cannot be called from a template",
                self.library.definitions[index].name
            )));
        };
        let template = Value::from(&*self.library.definitions[index].unique_id);
        let result = importer.call(state, &[template]);
        let mut progress = self.progress();
        progress.importing = None;
        let module = progress.imported.take();
        result?;
        let body = module
            .and_then(|module| module.get_attr("body").ok())
            .unwrap_or_default();
        progress.macros.insert(index, body.clone());
        Ok(body)
    }
}

impl Known for Arc<Render> {
    fn place(&self, template: &str) -> Option<&Place> {
        if template == ROOT {
            self.root.place.as_ref()
        } else {
            self.library.place(template)
        }
    }

    fn members(&self, name: &str) -> Vec<String> {
        let value = NAMES.contains(&name).then(|| self.lookup(name)).flatten();
        let keys = value.and_then(|value| value.try_iter().ok());
        keys.into_iter()
            .flatten()
            .map(|key| key.to_string())
            .collect()
    }

    fn library(&self) -> Option<(&Library, Arc<str>)> {
        Some((&self.library, self.package()))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.library.names(&self.package());
        names.extend(self.extra.iter().map(|(name, _)| name.clone()));
        names.extend(NAMES.iter().map(|name| (*name).to_owned()));
        names.retain(|name| !name.starts_with("refx__"));
        names
    }
}
