//! The text of a selector → [`Selector`].

use std::fmt;

use crate::diagnostic::{Code, Diagnostic, Span};

use super::Indirect;
use super::method::Method;

/// What the user asks for, parsed: every name of a method is known and every pattern is read, so
/// that picking cannot fail on its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Selector {
    Atom(Atom),
    Union(Vec<Selector>),
    Intersection(Vec<Selector>),
    /// The first without the second.
    Difference(Box<Selector>, Box<Selector>),
}

/// One method with its value, and how far the selection reaches from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    pub method: Method,
    pub reach: Reach,
    /// Set where the definition in `selectors.yml` sets it for itself.
    pub indirect: Option<Indirect>,
    /// As it was written.
    pub text: String,
    /// Where it was written; none for the command line.
    pub span: Option<Span>,
}

/// The relatives that come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `x`, `+x`, `x+`, `2+x+3`.
    Lines {
        parents: Option<Depth>,
        children: Option<Depth>,
    },
    /// `@x`: descendants, and everything that they and `x` need to be built.
    ChildrensParents,
}

impl Reach {
    pub const ALONE: Reach = Reach::Lines {
        parents: None,
        children: None,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    All,
    Steps(usize),
}

impl Depth {
    /// Whether a walk that took so many steps may take one more.
    pub fn allows(self, taken: usize) -> bool {
        match self {
            Depth::All => true,
            Depth::Steps(steps) => taken < steps,
        }
    }
}

/// Parses one value of `--select` or `--exclude`: a union of words, each an intersection of its
/// parts. `segmentation+ tag:daily,crm` is segmentation with all that follows from it, and the daily
/// tables of crm.
///
/// Errors: [`Code::InvalidSelector`] for a method that does not exist, a value that the method does
/// not take, or a part that is missing.
pub fn parse(text: &str) -> Result<Selector, Diagnostic> {
    let words: Result<Vec<_>, _> = text.split_whitespace().map(intersection).collect();
    let mut words = words?;
    Ok(match words.len() {
        1 => words.remove(0),
        _ => Selector::Union(words),
    })
}

fn intersection(word: &str) -> Result<Selector, Diagnostic> {
    if !word.contains(',') {
        return atom(word);
    }
    if word.split(',').any(str::is_empty) {
        return Err(invalid(format!("a part is missing in `{word}`"))
            .help("write an intersection as `a,b`, without spaces"));
    }
    let parts: Result<Vec<_>, _> = word.split(',').map(atom).collect();
    Ok(Selector::Intersection(parts?))
}

/// `@? (n? +)? (method:)? value (+ n?)?`, read as dbt's regular expression reads it.
fn atom(text: &str) -> Result<Selector, Diagnostic> {
    let (childrens_parents, rest) = match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (parents, rest) = leading_depth(rest);
    let (method, rest) = method_name(rest);
    let (value, children) = trailing_depth(rest);
    if childrens_parents && children.is_some() {
        return Err(
            invalid(format!("`@` and `+` exclude each other in `{text}`")).help(format!(
                "`@{value}` already holds everything downstream of `{value}`"
            )),
        );
    }
    if value.is_empty() {
        return Err(invalid(format!("`{text}` names nothing"))
            .help("name a model, a folder or `method:value`"));
    }
    let method = match method {
        Some(name) => Method::parse(name, value),
        None => Method::default_for(value),
    };
    let reach = match childrens_parents {
        // The parents of `x` are among the parents of its children: `@+x` says nothing more.
        true => Reach::ChildrensParents,
        false => Reach::Lines { parents, children },
    };
    Ok(Selector::Atom(Atom {
        method: method?,
        reach,
        indirect: None,
        text: text.to_string(),
        span: None,
    }))
}

fn leading_depth(text: &str) -> (Option<Depth>, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text[digits..].strip_prefix('+') {
        Some(rest) => (Some(depth(&text[..digits])), rest),
        None => (None, text),
    }
}

fn trailing_depth(text: &str) -> (&str, Option<Depth>) {
    let before = text.trim_end_matches(|c: char| c.is_ascii_digit());
    match before.strip_suffix('+') {
        Some(value) => (value, Some(depth(&text[before.len()..]))),
        None => (text, None),
    }
}

fn depth(digits: &str) -> Depth {
    match digits {
        "" => Depth::All,
        // A number too large to hold is deeper than any graph.
        digits => digits.parse().map_or(Depth::All, Depth::Steps),
    }
}

fn method_name(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((name, value))
            if !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '.') =>
        {
            (Some(name), value)
        }
        _ => (None, text),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::InvalidSelector, message)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Selector], separator: &str| {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    f.write_str(separator)?;
                }
                write!(f, "{part}")?;
            }
            Ok(())
        };
        match self {
            Selector::Atom(atom) => f.write_str(&atom.text),
            Selector::Union(parts) => list(f, parts, " "),
            Selector::Intersection(parts) => list(f, parts, ","),
            Selector::Difference(from, without) => write!(f, "{from} without {without}"),
        }
    }
}
