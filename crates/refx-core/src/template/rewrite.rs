//! dbt's Jinja put in the words that minijinja understands, and the way back to the original.
//!
//! | written | becomes | why |
//! |---|---|---|
//! | `{% test unique(model) %}` | `{% macro body(model) %}` | minijinja has no block of that name |
//! | `[1, 2]`, `{'a': 1}` | `refx__list([1, 2])`, `refx__dict({'a': 1})` | literals of minijinja cannot be appended to |
//! | `+1` | ` 1` | minijinja has no unary plus |
//! | `ref('a', v=1.10)` | `ref('a', v='1.10')` | a version is a name, and a number would lose its zero |
//! | `{% if x: %}` | `{% if x  %}` | Jinja2 lets the colon pass |
//! | `{% if a %}{% set x = 1 %}{% endif %}` | `{% set x = (1 if false) %}` before it | in dbt `{{ x }}` then prints nothing |
//! | `day - timedelta(days=1)` | `day .__sub__( timedelta(days=1))` | operators of minijinja are for numbers only |
//! | `(last - first).days` | `(last .__sub__( first)).days` | the same |
//! | `'%s' % x`, `form % 'x'` | `'%s' .__mod__( x)` | the same |
//! | `{{ 1, 2 }}` | `{{ (1, 2) }}` | a tuple of minijinja is in brackets |
//! | `{% for x in m() %}`, `m() > 2` | `{% for x in refx__items(m()) %}`, `refx__number(m()) > 2` | a text is no list and no number, see [`super::unreturned`] |
//! | `{% do x %}` of anything but a call | `{% set refx__done = x %}` | minijinja's `do` takes calls only |
//!
//! [`Rewritten::original`] leads from an offset of the new text to the offset that the steward sees.

use std::ops::Range;

use super::tokens::{Tag, TagKind, Token, TokenKind};

/// A replacement of a range (an empty one for an insertion).
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

impl Edit {
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Edit::replace(at..at, text)
    }

    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Edit {
            range,
            text: text.into(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rewritten {
    pub text: String,
    pieces: Vec<Piece>,
}

/// A stretch of the new text: copied, so that offsets run along, or new, standing at one place.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    original: usize,
    copied: bool,
}

impl Rewritten {
    /// The offset in the original text.
    pub fn original(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.start <= offset);
        match after.checked_sub(1).map(|index| self.pieces[index]) {
            Some(piece) if piece.copied => piece.original + (offset - piece.start),
            Some(piece) => piece.original,
            None => offset,
        }
    }

    /// The range in the original text.
    pub fn original_range(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.original(range.start);
        start..self.original(range.end).max(start)
    }
}

/// Applies edits to `source[range]`, behind a prefix that stands for nothing in the original.
pub(super) fn apply(
    source: &str,
    range: Range<usize>,
    prefix: &str,
    mut edits: Vec<Edit>,
) -> Rewritten {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut rewritten = Rewritten {
        text: String::with_capacity(prefix.len() + range.len() + edits.len() * 12),
        pieces: Vec::with_capacity(edits.len() * 2 + 2),
    };
    let mut at = range.start;
    let mut push = |text: &str, original: usize, copied: bool| {
        if !text.is_empty() {
            rewritten.pieces.push(Piece {
                start: rewritten.text.len(),
                original,
                copied,
            });
            rewritten.text.push_str(text);
        }
    };
    push(prefix, range.start, false);
    for edit in edits {
        if edit.range.start < at || edit.range.end > range.end {
            continue;
        }
        push(&source[at..edit.range.start], at, true);
        push(&edit.text, edit.range.start, false);
        at = edit.range.end;
    }
    push(&source[at..range.end], at, true);
    rewritten
}

/// The edits that a tag needs wherever it stands.
pub(super) fn tag_edits(source: &str, tag: &Tag, edits: &mut Vec<Edit>) {
    used_as(source, tag, edits);
    literals(source, &tag.tokens, edits);
    operators(source, &tag.tokens, edits);
    signs(source, &tag.tokens, edits);
    versions(source, &tag.tokens, edits);
    if tag.kind == TagKind::Expression
        && has_comma(source, &tag.tokens)
        && let [first, .., last] = tag.tokens.as_slice()
    {
        edits.push(Edit::insert(first.range.start, "("));
        edits.push(Edit::insert(last.range.end, ")"));
    }
    if tag.kind != TagKind::Statement || !tag.closed {
        return;
    }
    if let [first, .., last] = tag.tokens.as_slice()
        && last.is(source, ":")
        && matches!(
            first.text(source),
            "if" | "elif" | "else" | "for" | "set" | "endif" | "endfor"
        )
    {
        edits.push(Edit::replace(last.range.clone(), " "));
    }
    if tag.keyword(source) == Some("do") && !is_call(source, &tag.tokens[1..]) {
        edits.push(Edit::replace(
            tag.tokens[0].range.clone(),
            "set refx__done =",
        ));
    }
}

/// The names that are set under an `if`, as assignments of a value that is undefined and yet allowed:
/// what an inline `if` without an `else` gives. A name that was never set anywhere stays an error.
///
/// A name that refx gives, and one that its own `set` reads, is left alone: it has a value before.
pub(super) fn unset_names(source: &str, tags: &[Tag], has_value: impl Fn(&str) -> bool) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut conditions = 0usize;
    for tag in tags {
        match tag.keyword(source) {
            Some("if") => conditions += 1,
            Some("endif") => conditions = conditions.saturating_sub(1),
            Some("set") if conditions > 0 => {
                let targets = tag.tokens[1..]
                    .iter()
                    .take_while(|token| token.kind == TokenKind::Name || token.is(source, ","))
                    .filter(|token| token.kind == TokenKind::Name)
                    .map(|token| token.text(source));
                for name in targets {
                    let same = |token: &&Token| token.text(source) == name;
                    let once = tag.tokens.iter().filter(same).count() == 1;
                    // `{% set ns.x = 1 %}` sets an attribute and not a name.
                    let attribute = tag.tokens.get(2).is_some_and(|next| next.is(source, "."));
                    if once && !attribute && !names.contains(&name) && !has_value(name) {
                        names.push(name);
                    }
                }
            }
            _ => {}
        }
    }
    names
        .iter()
        .map(|name| format!("{{% set {name} = (1 if false) %}}"))
        .collect()
}

/// Whether an expression is a call and nothing else: `a.b(c)`, and not `a(b) if c else d(e)`.
fn is_call(source: &str, tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    let plain = tokens.iter().all(|token| match token.text(source) {
        "(" | "[" | "{" => {
            depth += 1;
            true
        }
        ")" | "]" | "}" => {
            depth = depth.saturating_sub(1);
            true
        }
        "." => true,
        "if" | "and" | "or" | "not" | "in" | "is" => depth > 0,
        _ => depth > 0 || token.kind != TokenKind::Symbol,
    });
    plain && tokens.last().is_some_and(|last| last.is(source, ")"))
}

/// Python's operators on dates and texts as calls of its methods. What the operands are is only known
/// when the template runs, so that those are rewritten which say it themselves.
fn operators(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    for (index, token) in tokens.iter().enumerate().skip(1) {
        if !matches!(token.text(source), "+" | "-" | "%") {
            continue;
        }
        let after = &tokens[index + 1..];
        // A sign belongs to the operand: `'%d' % -1`.
        let signed = after.first().is_some_and(|first| first.is(source, "-"));
        let right = operand(source, &after[usize::from(signed)..]);
        let Some(last) = right.last() else { continue };
        let delta = (right.iter()).any(|token| token.text(source) == "timedelta");
        let rest = &after[usize::from(signed) + right.len()..];
        let method = match token.text(source) {
            "+" if delta => "__add__",
            "-" if delta || is_difference_of_dates(source, rest) => "__sub__",
            "%" if tokens[index - 1].kind == TokenKind::Text => "__mod__",
            "%" if is_operand(source, &tokens[index - 1]) && gives_texts(source, right) => {
                "__mod__"
            }
            _ => continue,
        };
        edits.push(Edit::replace(token.range.clone(), format!(".{method}(")));
        edits.push(Edit::insert(last.range.end, ")"));
    }
}

/// Whether an operand is a text, a tuple or a dict, which no number is divided by.
fn gives_texts(source: &str, operand: &[Token]) -> bool {
    match operand {
        [only] => only.kind == TokenKind::Text,
        [first, ..] if first.is(source, "{") => true,
        [first, inner @ .., _] if first.is(source, "(") => has_comma(source, inner),
        _ => false,
    }
}

/// Whether a comma stands outside of all brackets.
fn has_comma(source: &str, tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    tokens.iter().any(|token| {
        if token.kind != TokenKind::Symbol {
            return false;
        }
        match token.text(source) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," => return depth == 0,
            _ => {}
        }
        false
    })
}

/// Takes out a `+` that has no left side.
fn signs(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &tokens[before]);
        if token.is(source, "+") && !before.is_some_and(|before| ends_operand(source, before)) {
            edits.push(Edit::replace(token.range.clone(), " "));
        }
    }
}

/// Quotes the version in `ref('users', v=1.10)`.
fn versions(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    for index in 0..tokens.len().saturating_sub(1) {
        if tokens[index].text(source) != "ref" || !tokens[index + 1].is(source, "(") {
            continue;
        }
        for call in operand(source, &tokens[index..]).windows(3) {
            if let [name, equals, number] = call
                && matches!(name.text(source), "v" | "version")
                && equals.is(source, "=")
                && number.kind == TokenKind::Number
            {
                edits.push(Edit::insert(number.range.start, "'"));
                edits.push(Edit::insert(number.range.end, "'"));
            }
        }
    }
}

/// What is walked over and what is compared with a number, as calls that look at it.
fn used_as(source: &str, tag: &Tag, edits: &mut Vec<Edit>) {
    let mut wrap = |tokens: &[Token], function: &str| {
        if let ([first, ..], Some(last)) = (tokens, tokens.last())
            && first.kind == TokenKind::Name
        {
            edits.push(Edit::insert(first.range.start, format!("{function}(")));
            edits.push(Edit::insert(last.range.end, ")"));
        }
    };
    let tokens = tag.tokens.as_slice();
    if tag.keyword(source) == Some("for")
        && let Some(at) = tokens.iter().position(|token| token.text(source) == "in")
    {
        let list = operand(source, &tokens[at + 1..]);
        let next = tokens.get(at + 1 + list.len());
        if next.is_none_or(|next| matches!(next.text(source), "if" | "recursive" | ":")) {
            wrap(list, "refx__items");
        }
    }
    for (index, token) in tokens.iter().enumerate().skip(1) {
        let ordering = matches!(token.text(source), "<" | ">" | "<=" | ">=");
        if token.kind != TokenKind::Symbol
            || !(ordering || matches!(token.text(source), "==" | "!="))
        {
            continue;
        }
        let left = operand_before(source, &tokens[..index]);
        let right = operand(source, &tokens[index + 1..]);
        let number = |side: &[Token]| matches!(side, [one] if one.kind == TokenKind::Number);
        let filtered = tokens
            .get(index + 1 + right.len())
            .is_some_and(|next| next.is(source, "|"));
        if ordering || number(right) {
            wrap(left, "refx__number");
        }
        if (ordering || number(left)) && !filtered {
            wrap(right, "refx__number");
        }
    }
}

/// The tokens of the call or name that an expression ends with; none where a filter made the value.
fn operand_before<'t>(source: &str, tokens: &'t [Token]) -> &'t [Token] {
    let mut start = tokens.len();
    loop {
        let mut depth = 0usize;
        // The brackets of a call or subscript, then the name before them.
        while let Some(token) = start.checked_sub(1).map(|at| &tokens[at]) {
            match token.text(source) {
                ")" | "]" => depth += 1,
                "(" | "[" if depth > 0 => depth -= 1,
                _ if depth > 0 => {}
                _ => break,
            }
            start -= 1;
        }
        match start.checked_sub(1).map(|at| &tokens[at]) {
            Some(token) if is_operand(source, token) => start -= 1,
            _ => return &[],
        }
        match start.checked_sub(1).map(|at| tokens[at].text(source)) {
            Some(".") => start -= 1,
            Some("|" | "is") => return &[],
            _ => return &tokens[start..],
        }
    }
}

/// The tokens of the operand that an expression begins with: a name, a literal or a bracket, and the
/// attributes, subscripts and calls after it.
pub(super) fn operand<'t>(source: &str, tokens: &'t [Token]) -> &'t [Token] {
    let mut depth = 0usize;
    let mut after_dot = true;
    for (index, token) in tokens.iter().enumerate() {
        let symbol = token.kind == TokenKind::Symbol;
        match token.text(source) {
            "(" | "[" | "{" if symbol => depth += 1,
            ")" | "]" | "}" if symbol && depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            "." if symbol => {
                after_dot = true;
                continue;
            }
            _ if after_dot && !symbol => {}
            _ => return &tokens[..index],
        }
        after_dot = false;
    }
    tokens
}

/// Whether what follows asks a length of time: `).days`.
fn is_difference_of_dates(source: &str, rest: &[Token]) -> bool {
    let [close, dot, name, ..] = rest else {
        return false;
    };
    let asked = ["days", "seconds", "total_seconds"];
    close.is(source, ")") && dot.is(source, ".") && asked.contains(&name.text(source))
}

/// Whether a value ends with the token: what follows is a subscript, a call or a binary operator.
fn ends_operand(source: &str, token: &Token) -> bool {
    is_operand(source, token) || matches!(token.text(source), ")" | "]" | "}")
}

/// Whether a token can stand before a bracket that calls or subscripts it.
fn is_operand(source: &str, token: &Token) -> bool {
    match token.kind {
        TokenKind::Name => !KEYWORDS.contains(&token.text(source)),
        TokenKind::Text | TokenKind::Number => true,
        TokenKind::Symbol => false,
    }
}

/// Words after which a bracket opens a list and not a subscript, and a sign has no left side.
const KEYWORDS: &[&str] = &[
    "and",
    "do",
    "elif",
    "else",
    "if",
    "in",
    "is",
    "not",
    "or",
    "recursive",
    "set",
    "with",
    "call",
    "print",
];

fn literals(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    let mut open: Vec<bool> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != TokenKind::Symbol {
            continue;
        }
        match token.text(source) {
            "(" => open.push(false),
            "[" => {
                let literal = index
                    .checked_sub(1)
                    .is_none_or(|before| !ends_operand(source, &tokens[before]));
                if literal {
                    edits.push(Edit::insert(token.range.start, " refx__list("));
                }
                open.push(literal);
            }
            "{" => {
                edits.push(Edit::insert(token.range.start, " refx__dict("));
                open.push(true);
            }
            ")" | "]" | "}" if open.pop() == Some(true) => {
                edits.push(Edit::insert(token.range.end, ")"));
            }
            _ => {}
        }
    }
}
