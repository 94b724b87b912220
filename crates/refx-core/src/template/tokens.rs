//! The tags of a Jinja text and the tokens in them, with their byte ranges.
//!
//! minijinja parses and runs the templates; it does not hand out its tokens. This scanner sees what
//! is needed beside it: where blocks begin and end, which calls stand literally in the text, and
//! where dbt's Jinja has to be put in other words (see [`super::rewrite`]). It accepts any text; what
//! is wrong with it is minijinja's to say, unless a tag never ends.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Text,
    Number,
    /// One character, or one of `==`, `!=`, `<=`, `>=`, `//`, `**`.
    Symbol,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub range: Range<usize>,
}

impl Token {
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.range.clone()]
    }

    pub fn is(&self, source: &str, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text(source) == symbol
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `{{ … }}`
    Expression,
    /// `{% … %}`
    Statement,
    /// `{# … #}`: only ever handed out when it does not end.
    Comment,
}

#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub kind: TagKind,
    /// From the first brace to the last.
    pub range: Range<usize>,
    pub tokens: Vec<Token>,
    pub closed: bool,
}

impl Tag {
    /// The word that a statement begins with: `if`, `macro`, `endfor`.
    pub fn keyword<'a>(&self, source: &'a str) -> Option<&'a str> {
        match (self.kind, self.tokens.first()) {
            (TagKind::Statement, Some(token)) if token.kind == TokenKind::Name => {
                Some(token.text(source))
            }
            _ => None,
        }
    }
}

/// All tags of a text, in order. Comments and the insides of `raw` and `docs` are left out.
pub(super) fn scan(source: &str) -> Vec<Tag> {
    let bytes = source.as_bytes();
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(found) = find_open(bytes, at) {
        match bytes[found + 1] {
            b'#' => match source[found + 2..].find("#}") {
                Some(end) => at = found + 2 + end + 2,
                None => {
                    tags.push(Tag {
                        kind: TagKind::Comment,
                        range: found..source.len(),
                        tokens: Vec::new(),
                        closed: false,
                    });
                    break;
                }
            },
            open => {
                let tag = scan_tag(source, found, open == b'%');
                at = tag.range.end;
                if let Some(word @ ("raw" | "docs")) = tag.keyword(source)
                    && tag.closed
                {
                    at = find_end_tag(source, at, word).unwrap_or(source.len());
                }
                tags.push(tag);
            }
        }
    }
    tags
}

fn find_open(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(2)
        .position(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
        .map(|at| from + at)
}

/// Where the tag `{% end<word> %}` begins.
fn find_end_tag(source: &str, from: usize, word: &str) -> Option<usize> {
    let mut at = from;
    while let Some(found) = source[at..].find("{%").map(|found| at + found) {
        let inside = source[found + 2..].trim_start_matches(['-', '+']);
        if let Some(rest) = inside.trim_start().strip_prefix("end")
            && let Some(rest) = rest.strip_prefix(word)
            && rest
                .trim_start()
                .trim_start_matches(['-', '+'])
                .starts_with("%}")
        {
            return Some(found);
        }
        at = found + 2;
    }
    None
}

fn scan_tag(source: &str, start: usize, statement: bool) -> Tag {
    let bytes = source.as_bytes();
    let close = if statement { b'%' } else { b'}' };
    let mut tokens = Vec::new();
    let mut depth = 0usize;
    let mut at = start + 2;
    if matches!(bytes.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let mut closed = false;
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        // A `}}` inside of a dict literal closes the dict first, as minijinja's lexer has it.
        let ends = |at: usize| bytes.get(at) == Some(&close) && bytes.get(at + 1) == Some(&b'}');
        if depth == 0 || statement {
            if ends(at) {
                at += 2;
                closed = true;
                break;
            }
            if matches!(byte, b'-' | b'+') && ends(at + 1) {
                at += 3;
                closed = true;
                break;
            }
        }
        let kind = match byte {
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => {
                at += 1;
                while let Some(&inner) = bytes.get(at) {
                    at += 1;
                    if inner == b'\\' {
                        at += 1;
                    } else if inner == byte {
                        break;
                    }
                }
                at = at.min(bytes.len());
                TokenKind::Text
            }
            b'0'..=b'9' => {
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                    || (bytes.get(at) == Some(&b'.')
                        && bytes.get(at + 1).is_some_and(u8::is_ascii_digit))
                {
                    at += 1;
                }
                TokenKind::Number
            }
            _ if byte == b'_' || byte.is_ascii_alphabetic() || !byte.is_ascii() => {
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || !b.is_ascii())
                {
                    at += 1;
                }
                TokenKind::Name
            }
            _ => {
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                let double = matches!(
                    (byte, bytes.get(at + 1)),
                    (b'=' | b'!' | b'<' | b'>', Some(b'='))
                        | (b'/', Some(b'/'))
                        | (b'*', Some(b'*'))
                );
                at += if double { 2 } else { 1 };
                TokenKind::Symbol
            }
        };
        tokens.push(Token {
            kind,
            range: begin..at,
        });
    }
    Tag {
        kind: if statement {
            TagKind::Statement
        } else {
            TagKind::Expression
        },
        range: start..at.min(source.len()),
        tokens,
        closed,
    }
}

/// The value of a text token, with the escapes that appear in names resolved.
pub(super) fn unquote(token: &str) -> String {
    let inner = token
        .get(1..token.len().saturating_sub(1))
        .unwrap_or_default();
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(quoted @ ('\'' | '"' | '\\')) => value.push(quoted),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    value
}
