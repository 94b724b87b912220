//! The calls that stand in a text: what a render asked for, and what the text says literally.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diagnostic::Span;

use super::tokens::{Tag, TagKind, Token, TokenKind, scan, unquote};
use super::{RefCall, Source, chain};

/// What a template asked for while it rendered.
///
/// In a pass with `execute: false` the calls that only stand in the text are merged in, so that a
/// `ref()` under `{% if is_incremental() %}` or `{% if execute %}` is an edge of the graph as well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    pub refs: Vec<(RefCall, Span)>,
    /// Source name, table name, place.
    pub sources: Vec<(String, String, Span)>,
    /// The arguments of each `config(...)`, in order; later ones win.
    pub config: Vec<(serde_json::Map<String, serde_json::Value>, Span)>,
    /// Unique ids (`macro.<package>.<name>`) of the macros that ran, the indirect ones included.
    pub macros: BTreeSet<String>,
    pub vars: BTreeSet<String>,
    pub env_vars: BTreeSet<String>,
    /// Whether `is_incremental()` was called: its answer then decides what the text is.
    pub incremental: bool,
    /// Whether `as_of()`, `run_started_at` or a clock was read: the text then changes from run to run.
    pub as_of: bool,
}

impl Calls {
    pub(super) fn add_ref(&mut self, call: RefCall, span: Span) {
        if !self.refs.iter().any(|(known, _)| *known == call) {
            self.refs.push((call, span));
        }
    }

    pub(super) fn add_source(&mut self, source: String, table: String, span: Span) {
        if !self
            .sources
            .iter()
            .any(|(s, t, _)| *s == source && *t == table)
        {
            self.sources.push((source, table, span));
        }
    }

    pub(super) fn merge_static(&mut self, other: Calls) {
        for (call, span) in other.refs {
            self.add_ref(call, span);
        }
        for (source, table, span) in other.sources {
            self.add_source(source, table, span);
        }
        self.vars.extend(other.vars);
        self.env_vars.extend(other.env_vars);
        self.incremental |= other.incremental;
        self.as_of |= other.as_of;
    }
}

/// The calls of `ref`, `source`, `var`, `env_var`, `is_incremental` and `as_of` that stand literally
/// in a text, whether a render would reach them or not. Macros are not followed.
pub fn static_calls(source: &Source) -> Calls {
    let tags = scan(&source.text);
    if chain::check(source, &tags).is_err() {
        // The render tells of it.
        return Calls::default();
    }
    calls_of(&sites(&source.text, &tags), source)
}

/// Whether the text of a template is the same in every pass: it holds settings and assignments, and
/// nothing that could depend on `execute`, on rows or on tables.
pub fn has_fixed_text(source: &Source) -> bool {
    let text = &source.text;
    scan(text).iter().all(|tag| match tag.kind {
        TagKind::Expression => tag
            .tokens
            .first()
            .is_none_or(|first| first.text(text) == "config"),
        TagKind::Statement => matches!(tag.keyword(text), Some("set" | "endset" | "do")),
        TagKind::Comment => true,
    })
}

pub(super) fn calls_of(sites: &[Site], source: &Source) -> Calls {
    let mut calls = Calls::default();
    for site in sites {
        let span = source.span(&site.range);
        match site.name.as_str() {
            "ref" | "builtins.ref" => {
                if let Some(call) = site.reference() {
                    calls.add_ref(call, span);
                }
            }
            "source" | "builtins.source" => {
                if let Some([source, table]) = site.texts() {
                    calls.add_source(source.clone(), table.clone(), span);
                }
            }
            "var" => calls.vars.extend(site.first_text()),
            "env_var" => calls.env_vars.extend(site.first_text()),
            "is_incremental" => calls.incremental = true,
            "as_of" => calls.as_of = true,
            _ => {}
        }
    }
    calls
}

/// A call that stands in the text: `name(…)`.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// With the path before it: `dbt_utils.star`, `adapter.dispatch`.
    pub name: String,
    /// From the name to the closing parenthesis.
    pub range: Range<usize>,
    pub arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub keyword: Option<String>,
    /// The value when it is a literal text or number; none for any other expression.
    pub literal: Option<String>,
}

impl Site {
    /// The call as a reference, when all of its arguments are literal.
    pub fn reference(&self) -> Option<RefCall> {
        let mut names = Vec::new();
        let mut version = None;
        for argument in &self.arguments {
            let literal = argument.literal.clone()?;
            match argument.keyword.as_deref() {
                None => names.push(literal),
                Some("v" | "version") => version = Some(literal),
                Some(_) => return None,
            }
        }
        let name = names.pop()?;
        let package = names.pop();
        names.is_empty().then_some(RefCall {
            package,
            name,
            version,
        })
    }

    fn texts(&self) -> Option<[&String; 2]> {
        match self.arguments.as_slice() {
            [a, b] => Some([a.literal.as_ref()?, b.literal.as_ref()?]),
            _ => None,
        }
    }

    fn first_text(&self) -> Option<String> {
        self.arguments.first()?.literal.clone()
    }
}

/// All calls in the tags of a text, in order of where they begin.
pub(super) fn sites(source: &str, tags: &[Tag]) -> Vec<Site> {
    let mut sites = Vec::new();
    for tag in tags {
        for (index, token) in tag.tokens.iter().enumerate() {
            let opens = tag
                .tokens
                .get(index + 1)
                .is_some_and(|next| next.is(source, "("));
            // The name in the head of a macro is a definition.
            let defines = index == 1 && is_head(tag.keyword(source));
            if token.kind == TokenKind::Name && opens && !defines {
                sites.extend(site(source, &tag.tokens, index));
            }
        }
    }
    sites
}

fn is_head(keyword: Option<&str>) -> bool {
    matches!(keyword, Some("macro" | "test" | "data_test"))
}

fn site(source: &str, tokens: &[Token], index: usize) -> Option<Site> {
    let mut first = index;
    while first >= 2
        && tokens[first - 1].is(source, ".")
        && tokens[first - 2].kind == TokenKind::Name
    {
        first -= 2;
    }
    // A method of something that is not a plain path, `x[0].ref(…)`, is not a call of `ref`.
    if first >= 1 && tokens[first - 1].is(source, ".") {
        return None;
    }
    let name = tokens[first..=index]
        .iter()
        .map(|token| token.text(source))
        .collect();
    let mut arguments = Vec::new();
    let mut depth = 0usize;
    let mut from = index + 2;
    for (at, token) in tokens.iter().enumerate().skip(index + 1) {
        if token.kind != TokenKind::Symbol {
            continue;
        }
        match token.text(source) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    if at > from {
                        arguments.push(argument(source, &tokens[from..at]));
                    }
                    return Some(Site {
                        name,
                        range: tokens[first].range.start..token.range.end,
                        arguments,
                    });
                }
            }
            "," if depth == 1 => {
                arguments.push(argument(source, tokens.get(from..at)?));
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

fn argument(source: &str, tokens: &[Token]) -> Argument {
    let (keyword, value) = match tokens {
        [name, equals, value @ ..] if name.kind == TokenKind::Name && equals.is(source, "=") => {
            (Some(name.text(source).to_owned()), value)
        }
        value => (None, value),
    };
    let literal = match value {
        [token] if token.kind == TokenKind::Text => Some(unquote(token.text(source))),
        [token] if token.kind == TokenKind::Number => Some(token.text(source).to_owned()),
        _ => None,
    };
    Argument { keyword, literal }
}
