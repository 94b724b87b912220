//! What is wrong, where, and the way out.
//!
//! Every stage returns its value together with the [`Diagnostic`]s it met, so that one broken model
//! never hides the state of the others. A diagnostic points into the file that the steward wrote:
//! its [`Span`] is a byte range of that file's text, and [`render`] shows the line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A byte range in one file of the project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Path relative to the project root, with forward slashes.
    pub file: Arc<str>,
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(file: impl Into<Arc<str>>, range: Range<usize>) -> Self {
        Span {
            file: file.into(),
            start: range.start,
            end: range.end.max(range.start),
        }
    }

    /// The start of a file, where a mistake concerns the file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Span::new(file, 0..0)
    }

    /// One-based line and column (in characters) of the span's start.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Warning,
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// A sentence fragment in lower case, with backticks round what the user wrote.
    pub message: String,
    pub span: Option<Span>,
    /// Text beside the marked place, where the message alone does not say it.
    pub label: Option<String>,
    /// Further places: the other definition, the calls that led here.
    pub related: Vec<Related>,
    /// Facts that the message has no room for, a line each.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

/// A further place that a [`Diagnostic`] speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    pub span: Span,
    pub message: String,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: None,
            label: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, message)
        }
    }

    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            message: message.into(),
        });
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `did you mean` when one of the candidates is close to what was written.
    pub fn did_you_mean<'a>(
        self,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match closest(written, candidates) {
            Some(name) => {
                let help = format!("did you mean `{name}`?");
                self.help(help)
            }
            None => self,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    /// One line, for logs: `error[unknown-ref]: no model named `ordrs``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{level}[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The candidate nearest to what was written, or none when all are too far to be a slip.
pub fn closest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    candidates
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&written, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| {
            let longest = written.chars().count().max(name.chars().count());
            *distance <= (longest / 3).max(1)
        })
        .min()
        .map(|(_, name)| name)
}

/// Shows a diagnostic as `rustc` does: title, excerpt of the file, notes, help.
///
/// `text` gives the text of a file of the project; a diagnostic in a file that it does not know is
/// shown without its excerpt. No trailing newline.
pub fn render<'a>(
    diagnostic: &Diagnostic,
    text: &dyn Fn(&str) -> Option<&'a str>,
    colour: bool,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(
        level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code.as_str()),
    );
    if let Some(span) = &diagnostic.span {
        if let Some(source) = text(&span.file).filter(|source| !source.is_empty()) {
            let mut annotation = AnnotationKind::Primary.span(inside(span, source));
            if let Some(label) = &diagnostic.label {
                annotation = annotation.label(label.as_str());
            }
            group = group.element(
                Snippet::source(source)
                    .path(&*span.file)
                    .annotation(annotation),
            );
        } else {
            group = group.element(annotate_snippets::Origin::path(&*span.file));
        }
    }
    for related in &diagnostic.related {
        group = group.element(Level::NOTE.message(related.message.as_str()));
        if let Some(source) = text(&related.span.file).filter(|source| !source.is_empty()) {
            group = group.element(
                Snippet::source(source)
                    .path(&*related.span.file)
                    .annotation(AnnotationKind::Context.span(inside(&related.span, source))),
            );
        }
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group]).to_string()
}

/// The span's range, cut to the text and to character boundaries: a file may have changed since.
fn inside(span: &Span, text: &str) -> Range<usize> {
    let boundary = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    boundary(span.start)..boundary(span.end)
}

/// The codes, each with the text that explains it.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What kind of mistake a [`Diagnostic`] tells of. The documentation of each is what
        /// [`Code::explain`] prints.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The code as it is printed: `unknown-ref`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// What the code means and what to do about it.
            pub fn explain(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The folder holds no `project.yml` and no `dbt_project.yml`. Run `refx init` to make one, or
    /// name the folder with `--project-dir`.
    NoProject = "no-project",
    /// A file of the project cannot be read: it is missing, not UTF-8, or not allowed.
    UnreadableFile = "unreadable-file",
    /// A YAML file is not well-formed. Look for a missing colon, a tab, or a line that is indented
    /// differently from its neighbours.
    BrokenYaml = "broken-yaml",
    /// A key that refx does not know. Keys of one's own belong under `meta:`.
    UnknownKey = "unknown-key",
    /// A value of the wrong type: text where a list is expected, a word where a number is.
    WrongType = "wrong-type",
    /// A value outside the set that the key allows.
    InvalidValue = "invalid-value",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// The target named with `--target` or `default-target` is not among `targets:`.
    UnknownTarget = "unknown-target",
    /// A variable that is read with `var()` has no value and no default.
    UnknownVar = "unknown-var",
    /// `--vars` gives a variable that nothing in the project reads.
    UnusedVar = "unused-var",
    /// An environment variable that is read with `env_var()` is not set and has no default.
    UnknownEnvVar = "unknown-env-var",
    /// Jinja that does not parse: a block without its end, a stray brace.
    JinjaSyntax = "jinja-syntax",
    /// Jinja that fails while it runs: an undefined name, a bad operation, a raised error.
    JinjaError = "jinja-error",
    /// A call of a macro that no file of the project defines.
    UnknownMacro = "unknown-macro",
    /// A macro is called with an argument that it does not take, or without one that it needs.
    MacroArgument = "macro-argument",
    /// Two macros, or two blocks, of one kind have the same name.
    DuplicateMacro = "duplicate-macro",
    /// `ref()` names a model or a seed that does not exist.
    UnknownRef = "unknown-ref",
    /// `source()` names a source or a table that no properties file declares.
    UnknownSource = "unknown-source",
    /// `ref()` names a model that is disabled.
    DisabledRef = "disabled-ref",
    /// A model that is private to its group is read from outside of it.
    PrivateRef = "private-ref",
    /// Two models, seeds or sources have the same name.
    DuplicateName = "duplicate-name",
    /// Two models would land in the same place.
    DuplicateLocation = "duplicate-location",
    /// Models read each other in a circle.
    Cycle = "cycle",
    /// A properties file describes a model, seed or column that does not exist.
    UnknownProperty = "unknown-property",
    /// A test of a name that is neither built in nor defined in the project.
    UnknownTest = "unknown-test",
    /// Settings of a model that contradict each other, or lack one that its materialization needs.
    InvalidConfig = "invalid-config",
    /// A model file without a SELECT.
    EmptyModel = "empty-model",
    /// A selector that does not parse, or uses a method that does not exist.
    InvalidSelector = "invalid-selector",
    /// A selector that matches nothing.
    EmptySelection = "empty-selection",
    /// SQL that does not parse.
    SqlSyntax = "sql-syntax",
    /// SQL that names a table that is not known. Read other models with `ref()`, raw data with
    /// `source()`.
    UnknownTable = "unknown-table",
    /// SQL that names a column that the tables it reads do not have.
    UnknownColumn = "unknown-column",
    /// SQL that calls a function that DataFusion does not have, or with arguments of other types.
    UnknownFunction = "unknown-function",
    /// SQL that parses and yet cannot be planned: types that do not fit, an ambiguous name, a column
    /// that is not grouped.
    SqlError = "sql-error",
    /// A query that fails while it runs: a division by zero, a cast that does not hold.
    QueryFailed = "query-failed",
    /// A source's file, folder or table is missing or cannot be read.
    UnreadableSource = "unreadable-source",
    /// A model that is read has not been built yet in this target.
    MissingTable = "missing-table",
    /// A primary key with a NULL in it. Filter such rows out in the model, or correct the key.
    NullKey = "null-key",
    /// A primary key that two rows share. Deduplicate in the model, or correct the key.
    DuplicateKey = "duplicate-key",
    /// Rows that do not fulfil a constraint of the model. Nothing was published.
    BrokenConstraint = "broken-constraint",
    /// Rows whose keys the query no longer gives would be deleted, and they are more of the table
    /// than `max_delete_ratio` allows: the source rather is incomplete. Nothing is committed.
    TooManyMissing = "too-many-missing",
    /// The model's columns no longer fit the table: one is gone, new, or of another type.
    SchemaMismatch = "schema-mismatch",
    /// An interval that was applied to a table before, by a model that would add the same rows again:
    /// it appends, or adds up. Nothing was done.
    AlreadyApplied = "already-applied",
    /// The code of an incremental model is no longer the one that wrote its table. Rows that the run
    /// does not touch keep what the old code gave, until the table is built anew.
    ChangedCode = "changed-code",
    /// A table that uses features of Delta which refx cannot write.
    UnsupportedTable = "unsupported-table",
    /// A table that cannot be read or written: no permission, no space, a broken log.
    TableFailed = "table-failed",
    /// Another writer committed to the table at the same time, again and again.
    CommitConflict = "commit-conflict",
    /// A table that was not published, because the rows it would have had do not pass its tests.
    /// Readers go on seeing the last good version.
    TableHeld = "table-held",
    /// A data test that found rows.
    TestFailed = "test-failed",
    /// The statement of a hook failed.
    HookFailed = "hook-failed",
    /// A model that cannot be known without data: its template asks for rows while it is compiled, with
    /// `run_query` or a macro that calls it. `refx check` plans neither it nor what reads it; `refx plan`
    /// and `refx build` do, over the tables as they are.
    NotChecked = "not-checked",
    /// Something that dbt has and refx has not.
    Unsupported = "unsupported",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_the_way_out() {
        let text = "select *\nfrom {{ ref('ordrs') }}\n";
        let diagnostic = Diagnostic::error(Code::UnknownRef, "no model named `ordrs`")
            .at(Span::new("models/daily.sql", 17..22))
            .did_you_mean("ordrs", ["customers", "orders"]);
        assert_eq!(
            render(&diagnostic, &|_| Some(text), false),
            "error[unknown-ref]: no model named `ordrs`\n \
             --> models/daily.sql:2:9\n  \
             |\n\
             2 | from {{ ref('ordrs') }}\n  \
             |         ^^^^^\n  \
             |\n  \
             = help: did you mean `orders`?"
        );
    }

    #[test]
    fn a_far_name_is_not_offered() {
        assert_eq!(closest("orders", ["customers", "payments"]), None);
    }
}
