//! SQL of a steward that refx puts into a larger text: a condition, an expression, a SELECT.
//!
//! Whoever puts one in ends it with a new line, since it may end with a comment. What would reach out
//! of its place is rejected here: a bracket too many, a quote that never ends, a second statement.

use crate::diagnostic::{Code, Diagnostic};
use crate::project::config::TestConfig;
use crate::project::{Spanned, has_jinja};

/// Why a text is no fragment, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: &'static str,
    pub help: &'static str,
}

/// The fragment without the `;` at its end.
///
/// # Errors
/// Where the text does not end what it begins, or goes on after its end.
pub fn fragment(text: &str) -> Result<&str, Fault> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut end = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'-', Some(b'-')) => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            (b'/', Some(b'*')) => {
                at = comment_end(bytes, at).ok_or(Fault {
                    message: "a comment never ends",
                    help: "end it with `*/`",
                })?;
                continue;
            }
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            (b';', _) => {
                end.get_or_insert(at);
                at += 1;
                continue;
            }
            _ => {}
        }
        if end.is_some() {
            return Err(Fault {
                message: "more stands after the `;`",
                help: "keep one expression, without a `;`",
            });
        }
        match byte {
            b'\'' | b'"' | b'`' => {
                let escapes = byte == b'\'' && is_escape_prefix(bytes, at);
                at = quote_end(bytes, at, escapes).ok_or(Fault {
                    message: "a quote never ends",
                    help: "close it; a quote inside of a text is written twice",
                })?;
                continue;
            }
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b')' | b']' | b'}' if open.pop() != Some(byte) => {
                return Err(Fault {
                    message: "a bracket is closed that was not opened",
                    help: "remove it, or open it before",
                });
            }
            _ => {}
        }
        at += 1;
    }
    match open.is_empty() {
        true => Ok(&text[..end.unwrap_or(text.len())]),
        false => Err(Fault {
            message: "a bracket is not closed",
            help: "close it",
        }),
    }
}

/// Rejects the settings of a test that are no fragments. One with Jinja is known when it is rendered.
pub(super) fn check_test(config: &TestConfig, diagnostics: &mut Vec<Diagnostic>) {
    for (name, setting) in [
        ("where", &config.filter),
        ("fail_calc", &config.fail_calc),
        ("warn_if", &config.warn_if),
        ("error_if", &config.error_if),
    ] {
        if let Some(text) = setting
            && !has_jinja(&text.value)
            && let Err(fault) = fragment(&text.value)
        {
            diagnostics.push(fault.of(name, text));
        }
    }
}

impl Fault {
    /// The fault of a setting at its place.
    pub fn of(self, setting: &str, text: &Spanned<String>) -> Diagnostic {
        Diagnostic::error(
            Code::InvalidConfig,
            format!("`{setting}` is not complete SQL: {}", self.message),
        )
        .at(text.span.clone())
        .help(self.help)
    }
}

/// The end of a comment, which may hold others.
fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
            (b'*', Some(b'/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// The end of a quoted text; a quote written twice is one inside of it.
fn quote_end(bytes: &[u8], start: usize, escapes: bool) -> Option<usize> {
    let quote = bytes[start];
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Whether a text is `e'…'`, in which a backslash escapes.
fn is_escape_prefix(bytes: &[u8], quote: usize) -> bool {
    let before = |back: usize| quote.checked_sub(back).map(|at| bytes[at]);
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    matches!(before(1), Some(b'e' | b'E')) && !before(2).is_some_and(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_ends_what_it_begins() {
        for (text, expected) in [
            ("a > 1", Ok("a > 1")),
            ("a > 1 -- why; and (how", Ok("a > 1 -- why; and (how")),
            ("a > 1; ", Ok("a > 1")),
            ("a > 1 ;; -- done", Ok("a > 1 ")),
            ("a = ')' or \"(\" = 1", Ok("a = ')' or \"(\" = 1")),
            ("a = 'it''s ('", Ok("a = 'it''s ('")),
            (r"a = e'\'(' ", Ok(r"a = e'\'(' ")),
            ("a = 'back\\'", Ok("a = 'back\\'")),
            ("a /* ( /* ; */ ' */ = 1", Ok("a /* ( /* ; */ ' */ = 1")),
            ("a = [1, (2)][1]", Ok("a = [1, (2)][1]")),
            ("é = 'ü'", Ok("é = 'ü'")),
            (
                "a = 1) or (true",
                Err("a bracket is closed that was not opened"),
            ),
            ("a = (1", Err("a bracket is not closed")),
            ("a = (1]", Err("a bracket is closed that was not opened")),
            ("a = 'x", Err("a quote never ends")),
            ("a /* x", Err("a comment never ends")),
            ("a; drop table b", Err("more stands after the `;`")),
        ] {
            let found = fragment(text).map_err(|fault| fault.message);
            assert_eq!(found, expected, "{text}");
        }
    }
}
