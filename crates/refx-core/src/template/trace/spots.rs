//! Where the marks go in a template.
//!
//! | written | becomes |
//! |---|---|
//! | `sum(x)` between tags | the text, with marks round it |
//! | `{{ x }}` | `{{ refx__at(1, 0, (x)) }}` |
//! | `{% set y = m(x) %}` | `{% set y = refx__in(1, 0, (m(x))) %}` |
//! | `{% call m() %}…{% endcall %}` | `{% filter refx__at(1, 0) %}{% call m() %}…{% endcall %}{% endfilter %}` |
//! | `m('x')`, `['x']` | the literal, with marks inside of its quotes |
//! | `{% if x == 'y' %}`, `a[x]` | `{% if refx__plain(x) == 'y' %}`, `a[refx__plain(x)]` |
//!
//! Literals are left alone where they are names or are compared: in calls of dbt's own functions, in
//! filters, in conditions, as keys.

use std::ops::Range;
use std::sync::Arc;

use super::marks::Mark;
use crate::diagnostic::Span;
use crate::template::Source;
use crate::template::rewrite::{Edit, operand};
use crate::template::tokens::{Tag, TagKind, Token, TokenKind};

/// A place of a template that writes text.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub span: Span,
    /// Whether the text stands in the file as it is, rather than an expression that gives it.
    pub copied: bool,
    /// The macro of a template's own that holds it.
    pub within: Option<Arc<str>>,
}

/// The edits that put marks into a template, and the spots that they speak of.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub spots: Vec<Spot>,
    /// Edits that come before others at the same offset, and those that come after.
    pub before: Vec<Edit>,
    pub after: Vec<Edit>,
}

/// What decides how a template is marked.
pub(super) struct Plan<'a> {
    pub template: u32,
    pub source: &'a Source,
    /// The part of the text that is marked.
    pub range: Range<usize>,
    pub tags: &'a [Tag],
    pub literals: bool,
    /// Whether a name is that of a macro.
    pub is_macro: &'a dyn Fn(&str) -> bool,
}

impl Plan<'_> {
    pub fn marked(&self) -> Marked {
        let mut pen = Pen {
            plan: self,
            marked: Marked::default(),
            within: None,
        };
        let mut at = self.range.start;
        let mut calls = 0usize;
        for tag in self.tags {
            pen.raw(at..tag.range.start);
            at = tag.range.end;
            let text = &*self.source.text;
            let keyword = tag.keyword(text);
            match keyword {
                // In a macro's own template the block is the macro itself.
                Some("macro") if self.template == 0 => {
                    pen.within = tag.tokens.get(1).map(|name| name.text(text).into());
                }
                Some("endmacro") => pen.within = None,
                Some("call") => {
                    pen.call(tag);
                    calls += 1;
                }
                Some("endcall") if calls > 0 => {
                    pen.end_of_call(tag);
                    calls -= 1;
                }
                Some("set") => pen.assignment(tag),
                None if tag.kind == TagKind::Expression => pen.expression(tag),
                _ => {}
            }
            pen.conditions(tag);
            if self.literals && !matches!(keyword, Some("if" | "elif")) {
                pen.literals(tag);
            }
        }
        pen.raw(at..self.range.end);
        pen.marked
    }
}

struct Pen<'a> {
    plan: &'a Plan<'a>,
    marked: Marked,
    within: Option<Arc<str>>,
}

impl Pen<'_> {
    fn text(&self) -> &str {
        &self.plan.source.text
    }

    fn spot(&mut self, range: &Range<usize>, copied: bool) -> Mark {
        self.marked.spots.push(Spot {
            span: self.plan.source.span(range),
            copied,
            within: self.within.clone(),
        });
        let spot = u32::try_from(self.marked.spots.len() - 1).unwrap_or(u32::MAX);
        Mark {
            template: self.plan.template,
            spot,
        }
    }

    /// Text between tags, without the comments in it.
    fn raw(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let rest = &self.text()[at..range.end];
            let end = rest.find("{#").map_or(range.end, |found| at + found);
            self.verbatim(at..end);
            let comment = &self.text()[end..range.end];
            at = comment
                .find("#}")
                .map_or(range.end, |found| end + found + 2);
        }
    }

    /// Marks a text that is copied, but for the blanks round it.
    fn verbatim(&mut self, range: Range<usize>) {
        let written = &self.text()[range.clone()];
        let inner = written.trim();
        if inner.is_empty() {
            return;
        }
        let start = range.start + (written.len() - written.trim_start().len());
        let inner = start..start + inner.len();
        let mark = self.spot(&inner, true);
        self.marked
            .before
            .push(Edit::insert(inner.start, mark.begin()));
        self.marked.before.push(Edit::insert(inner.end, mark.end()));
    }

    fn expression(&mut self, tag: &Tag) {
        let Some(range) = covered(&tag.tokens) else {
            return;
        };
        let mark = self.spot(&range, false);
        let text = self.text();
        let inside = inside(text, &tag.range);
        let open = format!(" refx__at({}, {}, (", mark.template, mark.spot);
        self.marked.before.push(Edit::insert(inside.start, open));
        self.marked.after.push(Edit::insert(inside.end, ")) "));
    }

    /// `{% set x = … %}`, where a macro is called.
    fn assignment(&mut self, tag: &Tag) {
        let text = self.text();
        let Some(equals) = tag.tokens.iter().position(|token| token.is(text, "=")) else {
            return;
        };
        let tokens = &tag.tokens[equals + 1..];
        let calls = tokens
            .windows(2)
            .any(|pair| pair[0].kind == TokenKind::Name && pair[1].is(text, "("));
        let Some(range) = covered(tokens).filter(|_| calls) else {
            return;
        };
        let mark = self.spot(&range, false);
        let open = format!("refx__in({}, {}, (", mark.template, mark.spot);
        self.marked.before.push(Edit::insert(range.start, open));
        self.marked.after.push(Edit::insert(range.end, "))"));
    }

    fn call(&mut self, tag: &Tag) {
        let text = self.text();
        // `{% call(row) m() %}`: the names that the block takes are no part of the call.
        let from = match tag.tokens.get(1) {
            Some(open) if open.is(text, "(") => {
                let close = tag.tokens.iter().position(|token| token.is(text, ")"));
                close.map_or(1, |close| close + 1)
            }
            _ => 1,
        };
        let range = covered(&tag.tokens[from.min(tag.tokens.len())..]);
        let mark = self.spot(&range.unwrap_or(tag.range.clone()), false);
        let dash = dash(self.text(), tag.range.start + 2);
        let open = format!(
            "{{%{dash} filter refx__at({}, {}) %}}",
            mark.template, mark.spot
        );
        self.marked.before.push(Edit::insert(tag.range.start, open));
    }

    fn end_of_call(&mut self, tag: &Tag) {
        let dash = dash(self.text(), tag.range.end - 3);
        let close = format!("{{% endfilter {dash}%}}");
        self.marked.before.push(Edit::insert(tag.range.end, close));
    }

    /// Takes marks off values that are compared or looked up.
    fn conditions(&mut self, tag: &Tag) {
        let text = self.text().to_owned();
        let text = text.as_str();
        let mut condition = matches!(tag.keyword(text), Some("if" | "elif"));
        let mut depth = 0usize;
        let mut at = usize::from(tag.kind == TagKind::Statement);
        while let Some(token) = tag.tokens.get(at) {
            let word = token.text(text);
            match (token.kind, word) {
                (TokenKind::Symbol, "(" | "[" | "{") => depth += 1,
                (TokenKind::Symbol, ")" | "]" | "}") => {
                    depth = depth.saturating_sub(1);
                    condition &= matches!(tag.keyword(text), Some("if" | "elif"));
                }
                (TokenKind::Name, "if") => condition = true,
                (TokenKind::Name, "else") => condition = false,
                (TokenKind::Name, _) if condition && begins_operand(text, &tag.tokens, at) => {
                    let tokens = operand(text, &tag.tokens[at..]);
                    if let Some(range) = covered(tokens) {
                        self.plain(range);
                    }
                    at += tokens.len().max(1);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn plain(&mut self, range: Range<usize>) {
        self.marked
            .before
            .push(Edit::insert(range.start, "refx__plain("));
        self.marked.before.push(Edit::insert(range.end, ")"));
    }

    fn literals(&mut self, tag: &Tag) {
        let text = self.text().to_owned();
        let text = text.as_str();
        let mut open: Vec<bool> = Vec::new();
        let mut condition = false;
        for (index, token) in tag.tokens.iter().enumerate() {
            let word = token.text(text);
            match (token.kind, word) {
                (TokenKind::Symbol, "(" | "[" | "{") => {
                    let allowed = open.last().copied().unwrap_or(true);
                    open.push(allowed && self.lets_through(text, &tag.tokens, index));
                }
                (TokenKind::Symbol, ")" | "]" | "}") => {
                    open.pop();
                }
                (TokenKind::Name, "if") => condition = true,
                (TokenKind::Name, "else") => condition = false,
                (TokenKind::Text, _) => {
                    let allowed = !condition && open.last().copied().unwrap_or(true);
                    if allowed && !is_compared(text, &tag.tokens, index) && word.len() > 2 {
                        self.verbatim(token.range.start + 1..token.range.end - 1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether literals in a bracket may carry marks: those of lists, and of calls of macros.
    fn lets_through(&self, text: &str, tokens: &[Token], open: usize) -> bool {
        let Some(before) = open.checked_sub(1).map(|at| &tokens[at]) else {
            return true;
        };
        let symbol = |name: &str| before.is(text, name);
        if tokens[open].is(text, "[") {
            let value = before.kind == TokenKind::Name && !KEYWORDS.contains(&before.text(text));
            return !(value || symbol(")") || symbol("]"));
        }
        if !tokens[open].is(text, "(") {
            return true;
        }
        if before.kind != TokenKind::Name {
            // What a call gave is called, as `adapter.dispatch('m')(…)`; or the bracket only groups.
            return true;
        }
        let name = before.text(text);
        if KEYWORDS.contains(&name) {
            return name != "call";
        }
        let path = path(text, &tokens[..open]);
        let start = open - path.len();
        if start
            .checked_sub(1)
            .is_some_and(|at| tokens[at].is(text, "|"))
        {
            return false;
        }
        let whole: String = path.iter().map(|token| token.text(text)).collect();
        (self.plan.is_macro)(&whole) || PASSING.contains(&name)
    }
}

/// Functions and methods that hand on what they are given.
const PASSING: &[&str] = &[
    "return",
    "namespace",
    "dict",
    "append",
    "extend",
    "insert",
    "update",
    "caller",
    "zip",
];

const KEYWORDS: &[&str] = &[
    "and",
    "call",
    "do",
    "elif",
    "else",
    "if",
    "in",
    "is",
    "not",
    "or",
    "print",
    "set",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "for",
    "recursive",
];

/// Whether the name at `at` begins an operand, rather than being a word of the language, an attribute, a
/// filter or a test.
fn begins_operand(text: &str, tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].text(text));
    let name = tokens[at].text(text);
    let test = before(1) == "not" && before(2) == "is";
    !(test || matches!(before(1), "." | "|" | "is") || KEYWORDS.contains(&name))
}

fn is_compared(text: &str, tokens: &[Token], at: usize) -> bool {
    let word = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at))
            .map_or("", |t| t.text(text))
    };
    const COMPARING: &[&str] = &["==", "!=", "in", "<", ">", "<=", ">="];
    let (before, after) = (word(at.checked_sub(1)), word(Some(at + 1)));
    COMPARING.contains(&before) || COMPARING.contains(&after) || after == ":"
}

/// The name that a call is made by, with the dots in it: the last tokens.
fn path<'t>(text: &str, tokens: &'t [Token]) -> &'t [Token] {
    let mut start = tokens.len().saturating_sub(1);
    while start >= 2 && tokens[start - 1].is(text, ".") && tokens[start - 2].kind == TokenKind::Name
    {
        start -= 2;
    }
    &tokens[start..]
}

fn covered(tokens: &[Token]) -> Option<Range<usize>> {
    Some(tokens.first()?.range.start..tokens.last()?.range.end)
}

/// What a tag holds between its braces and dashes.
fn inside(text: &str, tag: &Range<usize>) -> Range<usize> {
    let start = tag.start + 2 + dash(text, tag.start + 2).len();
    let end = tag.end - 2 - dash(text, tag.end - 3).len();
    start..end.max(start)
}

/// The sign at an offset that trims blanks or keeps them.
fn dash(text: &str, at: usize) -> &str {
    match text.as_bytes().get(at) {
        Some(b'-' | b'+') => &text[at..=at],
        _ => "",
    }
}
