//! How long a chain may be.
//!
//! minijinja bounds how deep brackets and blocks nest. It builds `a.b.c…`, `a ~ b ~ c…` and `elif` after
//! `elif` without nesting, but descends link by link when it compiles them: some thousands end the
//! stack, and with it the process.

use crate::diagnostic::{Code, Diagnostic};

use super::Source;
use super::tokens::{Tag, Token, TokenKind};

/// Links of one chain. An unoptimized build has stack for three times as many.
const LONGEST: usize = 1_000;

/// Refuses a text with a longer chain, at the first link that is too many.
pub(super) fn check(source: &Source, tags: &[Tag]) -> Result<(), Diagnostic> {
    // How many `elif` each `if` that is open has had.
    let mut branches: Vec<usize> = Vec::new();
    for tag in tags {
        if let Some(token) = first_too_many(&source.text, &tag.tokens) {
            let message = format!(
                "more than {LONGEST} operators, attributes and calls stand in one expression"
            );
            return Err(Diagnostic::error(Code::JinjaSyntax, message)
                .at(source.span(&token.range))
                .help("give parts of it names with `{% set … %}`, or loop over a list"));
        }
        match tag.keyword(&source.text) {
            Some("if") => branches.push(0),
            Some("endif") => _ = branches.pop(),
            Some("elif") => {
                if let Some(last) = branches.last_mut() {
                    *last += 1;
                }
                if branches.iter().sum::<usize>() > LONGEST {
                    let message = format!("more than {LONGEST} `elif` follow one `if`");
                    return Err(Diagnostic::error(Code::JinjaSyntax, message)
                        .at(source.span(&tag.range))
                        .help("look the value up in a dict instead"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The token at which the chains that are open together have too many links.
fn first_too_many<'t>(text: &str, tokens: &'t [Token]) -> Option<&'t Token> {
    // Each link is a token at least; few tags need a second look.
    if tokens.len() <= LONGEST {
        return None;
    }
    let mut outer = Vec::new();
    let (mut outside, mut here) = (0usize, 0usize);
    for token in tokens {
        match (token.kind, token.text(text)) {
            (TokenKind::Symbol, "(" | "[" | "{") => {
                // A call and a subscript are links of the chain that they stand in.
                outer.push(here + 1);
                outside += here + 1;
                here = 0;
            }
            (TokenKind::Symbol, ")" | "]" | "}") => {
                here = outer.pop().unwrap_or_default();
                outside -= here;
            }
            (TokenKind::Symbol, "," | ":") => here = 0,
            (TokenKind::Symbol, _)
            | (TokenKind::Name, "and" | "or" | "not" | "in" | "is" | "if" | "else") => here += 1,
            _ => {}
        }
        if outside + here > LONGEST {
            return Some(token);
        }
    }
    None
}
