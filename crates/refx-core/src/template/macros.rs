//! All macros of a project, compiled once and shared by every render.
//!
//! Each macro becomes a template of its own that holds nothing but the macro. A render imports those
//! that it calls into its own state (see [`super::render`]), so that `caller()` and everything that
//! minijinja ties to a state work across files.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Environment;

use crate::diagnostic::{Code, Diagnostic, Span};

use super::Source;
use super::blocks::{self, BlockKind, Found};
use super::calls::{Calls, Site, calls_of, sites};
use super::chain;
use super::failure::{Known, Place, diagnose};
use super::library::Library;
use super::rewrite::{self, Edit};
use super::scope::Undefined;
use super::tokens::{Tag, Token, TokenKind, scan};
use super::{context, environment};

/// The package of refx's own macros, under the name that dbt's have.
pub const BUILTIN: &str = "dbt";

/// The macros of refx itself, one file for each kind.
const BUILTIN_FILES: &[(&str, &str)] = &[
    ("builtin/tests.sql", include_str!("builtin/tests.sql")),
    ("builtin/names.sql", include_str!("builtin/names.sql")),
    ("builtin/types.sql", include_str!("builtin/types.sql")),
    ("builtin/dates.sql", include_str!("builtin/dates.sql")),
    ("builtin/texts.sql", include_str!("builtin/texts.sql")),
    ("builtin/sets.sql", include_str!("builtin/sets.sql")),
    ("builtin/hooks.sql", include_str!("builtin/hooks.sql")),
];

/// A file that may define macros.
#[derive(Clone, Debug)]
pub struct MacroFile {
    pub package: Arc<str>,
    pub source: Source,
}

/// One entry of `dispatch:` in the project file: where `adapter.dispatch(…, namespace)` looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    pub namespace: String,
    pub search_order: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MacroKind {
    Macro,
    /// A generic test: `{% test unique(model, column_name) %}` is the macro `test_unique`.
    Test,
    /// Known by name only: refx's materializations are native.
    Materialization,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub has_default: bool,
}

/// A macro of the project, of a package or of refx.
#[derive(Clone, Debug)]
pub struct MacroDefinition {
    /// `macro.<package>.<name>`
    pub unique_id: Arc<str>,
    pub package: Arc<str>,
    pub name: Arc<str>,
    pub kind: MacroKind,
    pub parameters: Vec<Parameter>,
    /// The block, from its first brace to its last.
    pub span: Span,
    pub name_span: Span,
    /// The text of the block as it stands in the file.
    pub text: Arc<str>,
    /// What the body calls literally, whether reached or not.
    pub calls: Calls,
    pub(super) called: Vec<Site>,
    pub(super) takes_varargs: bool,
    pub(super) takes_kwargs: bool,
    pub(super) takes_caller: bool,
    /// Whether the body says `return`: otherwise the macro gives text, whatever it is used for.
    pub(super) returns: bool,
}

impl MacroDefinition {
    /// How messages speak of it: `the macro `share``, `the test `positive``.
    pub fn spoken(&self) -> String {
        match (self.kind, self.name.strip_prefix("test_")) {
            (MacroKind::Test, Some(name)) => format!("the test `{name}`"),
            _ => format!("the macro `{}`", self.name),
        }
    }
}

/// All macros of a project, its packages and refx, compiled.
pub struct Macros {
    pub(super) library: Arc<Library>,
    strict: Environment<'static>,
    lenient: Environment<'static>,
}

impl fmt::Debug for Macros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Macros({})", self.library.definitions.len())
    }
}

impl Macros {
    /// Compiles the macros of all files and refx's own.
    ///
    /// What does not parse is left out and reported: [`Code::JinjaSyntax`], [`Code::DuplicateMacro`],
    /// [`Code::Unsupported`].
    pub fn load(
        project: &str,
        files: &[MacroFile],
        dispatch: &[Dispatch],
    ) -> (Macros, Vec<Diagnostic>) {
        let mut loader = Loader {
            library: Library::new(project, dispatch),
            environment: environment::build(),
            diagnostics: Vec::new(),
        };
        for (file, text) in BUILTIN_FILES {
            loader.file(&MacroFile {
                package: BUILTIN.into(),
                source: Source::whole(*file, *text),
            });
        }
        for file in files {
            loader.file(file);
        }
        let Loader {
            mut library,
            environment: strict,
            diagnostics,
        } = loader;
        library.finish();
        let mut lenient = strict.clone();
        lenient.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
        let macros = Macros {
            library: Arc::new(library),
            strict,
            lenient,
        };
        (macros, diagnostics)
    }

    /// refx's own macros alone: what values in `project.yml` are rendered with.
    pub fn builtin(project: &str) -> Macros {
        Macros::load(project, &[], &[]).0
    }

    pub(super) fn environment(&self, undefined: Undefined) -> &Environment<'static> {
        match undefined {
            Undefined::Lenient => &self.lenient,
            Undefined::Strict => &self.strict,
        }
    }

    pub fn definitions(&self) -> &[MacroDefinition] {
        &self.library.definitions
    }

    pub fn get(&self, unique_id: &str) -> Option<&MacroDefinition> {
        let index = self.library.by_id(unique_id)?;
        self.library.definitions.get(index)
    }

    /// All names that a file of a package can call.
    pub fn names(&self, package: &str) -> Vec<String> {
        self.library.names(package)
    }

    /// The macro that a bare name means in a file of a package: its own, the root project's, refx's.
    /// The order is dbt's. A dotted name, `dbt_utils.star`, is looked for in that package only.
    pub fn resolve(&self, package: &str, name: &str) -> Option<&MacroDefinition> {
        let index = self.library.resolve(package, name)?;
        self.library.definitions.get(index)
    }

    /// Unique ids of the macros whose text decides what a macro does: those it calls literally or
    /// through `adapter.dispatch`, and what these call. In order of id, the macro itself left out.
    pub fn depends_on(&self, unique_id: &str) -> Vec<Arc<str>> {
        let library = &self.library;
        let mut found = std::collections::BTreeSet::new();
        let mut open: Vec<usize> = library.by_id(unique_id).into_iter().collect();
        while let Some(index) = open.pop() {
            let definition = &library.definitions[index];
            for next in library.called(&definition.package, &definition.called) {
                let id = &library.definitions[next].unique_id;
                if &**id != unique_id && found.insert(id.clone()) {
                    open.push(next);
                }
            }
        }
        found.into_iter().collect()
    }
}

struct Loader {
    library: Library,
    environment: Environment<'static>,
    diagnostics: Vec<Diagnostic>,
}

impl Loader {
    fn file(&mut self, file: &MacroFile) {
        let tags = scan(&file.source.text);
        match blocks::find(&file.source, &tags) {
            Ok(found) => {
                for found in found {
                    match found.block.kind {
                        BlockKind::Macro | BlockKind::Test => {
                            self.macro_block(file, &found, &tags[found.tags.clone()]);
                        }
                        BlockKind::Materialization => {
                            self.materialization(file, &found, &tags[found.tags.clone()]);
                        }
                        BlockKind::Snapshot | BlockKind::Docs => {}
                    }
                }
            }
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    fn macro_block(&mut self, file: &MacroFile, found: &Found, tags: &[Tag]) {
        let text = &*file.source.text;
        let block = &found.block;
        let (name, kind) = match block.kind {
            BlockKind::Test => (format!("test_{}", block.name), MacroKind::Test),
            _ => (block.name.clone(), MacroKind::Macro),
        };
        if let Err(diagnostic) = supported(&file.source, tags) {
            self.diagnostics.push(diagnostic);
            return;
        }
        let Some(definition) = define(file, found, tags, name, kind) else {
            self.diagnostics.push(
                Diagnostic::error(
                    Code::JinjaSyntax,
                    format!("`{}` has no list of parameters", block.name),
                )
                .at(block.name_span.clone())
                .help(format!("write `{}()`", block.name)),
            );
            return;
        };
        let range = local(&file.source, &block.span);
        let place = Place {
            source: file.source.clone(),
            rewritten: rewrite::apply(text, range, "", macro_edits(text, tags, &definition)),
        };
        let compiled = self.environment.add_template_owned(
            definition.unique_id.to_string(),
            place.rewritten.text.clone(),
        );
        match compiled {
            Ok(()) => self.add(definition, Some(place)),
            Err(error) => {
                let only = OnlyPlace(&place);
                self.diagnostics.push(diagnose(&error, &only));
            }
        }
    }

    fn materialization(&mut self, file: &MacroFile, found: &Found, tags: &[Tag]) {
        let text = &*file.source.text;
        let tokens = tags[0].tokens.as_slice();
        let adapter = tokens
            .windows(3)
            .find(|w| w[0].text(text) == "adapter" && w[1].is(text, "="))
            .map(|w| super::tokens::unquote(w[2].text(text)))
            .unwrap_or_else(|| "default".into());
        let name = format!("materialization_{}_{adapter}", found.block.name);
        let definition = MacroDefinition {
            unique_id: format!("macro.{}.{name}", file.package).into(),
            package: file.package.clone(),
            name: name.into(),
            kind: MacroKind::Materialization,
            parameters: Vec::new(),
            span: found.block.span.clone(),
            name_span: found.block.name_span.clone(),
            text: text[local(&file.source, &found.block.span)].into(),
            calls: Calls::default(),
            called: Vec::new(),
            takes_varargs: false,
            takes_kwargs: false,
            takes_caller: false,
            returns: false,
        };
        self.add(definition, None);
    }

    fn add(&mut self, definition: MacroDefinition, place: Option<Place>) {
        if let Err(diagnostic) = self.library.add(definition, place) {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// While a macro is compiled it is the only template that an error can speak of.
struct OnlyPlace<'a>(&'a Place);

impl Known for OnlyPlace<'_> {
    fn place(&self, _: &str) -> Option<&Place> {
        Some(self.0)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A span of a file as a range of the source's own text.
pub(super) fn local(source: &Source, span: &Span) -> Range<usize> {
    span.start - source.offset..span.end - source.offset
}

/// Tags of Jinja that reach into other files: refx has macros for that, and opens no file for a template.
pub(super) fn supported(source: &Source, tags: &[Tag]) -> Result<(), Diagnostic> {
    for tag in tags {
        if let Some(word @ ("include" | "import" | "from" | "extends" | "block")) =
            tag.keyword(&source.text)
        {
            return Err(Diagnostic::error(
                Code::Unsupported,
                format!("`{{% {word} %}}` is not part of dbt's Jinja"),
            )
            .at(source.span(&tag.range))
            .help("macros of every file of the project can be called by their bare name"));
        }
    }
    chain::check(source, tags)
}

pub(super) fn define(
    file: &MacroFile,
    found: &Found,
    tags: &[Tag],
    name: String,
    kind: MacroKind,
) -> Option<MacroDefinition> {
    let text = &*file.source.text;
    let head = &tags[0];
    let parameters = parameters(text, head.tokens.get(2..)?)?;
    let uses = |word: &str| {
        tags.iter().any(|tag| {
            (tag.tokens.iter().enumerate()).any(|(index, token)| {
                token.kind == TokenKind::Name
                    && token.text(text) == word
                    && (index == 0 || !tag.tokens[index - 1].is(text, "."))
            })
        })
    };
    let own = |word: &str| parameters.iter().any(|parameter| parameter.name == word);
    let called = sites(text, tags);
    Some(MacroDefinition {
        unique_id: format!("macro.{}.{name}", file.package).into(),
        package: file.package.clone(),
        name: name.into(),
        kind,
        span: found.block.span.clone(),
        name_span: found.block.name_span.clone(),
        text: text[local(&file.source, &found.block.span)].into(),
        calls: calls_of(&called, &file.source),
        called,
        takes_varargs: uses("varargs") && !own("varargs"),
        takes_kwargs: uses("kwargs") && !own("kwargs"),
        takes_caller: uses("caller") && !own("caller"),
        returns: uses("return"),
        parameters,
    })
}

/// The parameters of a head, from its parenthesis on.
fn parameters(text: &str, tokens: &[Token]) -> Option<Vec<Parameter>> {
    if !tokens.first()?.is(text, "(") {
        return None;
    }
    let mut parameters = Vec::new();
    let mut depth = 0usize;
    let mut expected = true;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Symbol => match token.text(text) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(parameters);
                    }
                }
                "," if depth == 1 => expected = true,
                _ => {}
            },
            TokenKind::Name if depth == 1 && expected => {
                expected = false;
                parameters.push(Parameter {
                    name: token.text(text).to_owned(),
                    has_default: tokens.get(index + 1).is_some_and(|t| t.is(text, "=")),
                });
            }
            _ => {}
        }
    }
    None
}

/// The block as a macro named `body`: the name is fixed so that a call of its own name inside of it
/// goes through refx, where `return` is caught.
pub(super) fn macro_edits(text: &str, tags: &[Tag], definition: &MacroDefinition) -> Vec<Edit> {
    let mut edits = Vec::new();
    for tag in tags {
        rewrite::tag_edits(text, tag, &mut edits);
    }
    let (Some(head), Some(end)) = (tags.first(), tags.last()) else {
        return edits;
    };
    if let [word, name, ..] = head.tokens.as_slice() {
        edits.push(Edit::replace(
            word.range.start..name.range.end,
            "macro body",
        ));
    }
    edits.extend(more_parameters(text, head, definition));
    let unset = rewrite::unset_names(text, tags, |name| {
        context::is_name(name) || definition.parameters.iter().any(|p| p.name == name)
    });
    edits.push(Edit::insert(head.range.end, unset));
    if let (Some(first), Some(last)) = (end.tokens.first(), end.tokens.last()) {
        edits.push(Edit::replace(first.range.start..last.range.end, "endmacro"));
    }
    edits
}

/// `varargs` and `kwargs` as further parameters of a macro that uses them.
pub(super) fn more_parameters(
    text: &str,
    head: &Tag,
    definition: &MacroDefinition,
) -> Option<Edit> {
    let close = closing(text, &head.tokens)?;
    let last_is_comma = head.tokens[close - 1].is(text, ",");
    let mut more = Vec::new();
    for (taken, parameter) in [
        (definition.takes_varargs, "varargs=none"),
        (definition.takes_kwargs, "kwargs=none"),
    ] {
        if taken {
            more.push(parameter);
        }
    }
    if more.is_empty() {
        return None;
    }
    let first = definition.parameters.is_empty() || last_is_comma;
    let comma = if first { "" } else { ", " };
    let more = format!("{comma}{}", more.join(", "));
    Some(Edit::insert(head.tokens[close].range.start, more))
}

/// The index of the parenthesis that closes the list of parameters.
fn closing(text: &str, tokens: &[Token]) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        if token.kind == TokenKind::Symbol {
            match token.text(text) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
    }
    None
}
