//! Marks in a text that say which place of a template wrote what stands between them.
//!
//! ```text
//! ⟨1.0 sum(⟨2.3 plays 2.3⟩) over (partition by regio) 1.0⟩
//! ```
//!
//! A mark is three characters for private use: begin or end, whose template, which of its places. They
//! ride along through whatever macros do with the text: captured, joined, put in capitals, handed to
//! another macro. They never begin or end with a blank inside, so that trimming does what it did.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value};
use minijinja::{Error, State};

use crate::template::values::split;

const BEGIN: char = '\u{10FFFC}';
const END: char = '\u{10FFFD}';
/// The first of the characters that stand for a number.
const ZERO: u32 = 0xF_0000;
/// Numbers from here on have no character.
const MOST: u32 = 0xFFFE;

/// A place: the number of its template, and its own in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    pub template: u32,
    pub spot: u32,
}

impl Mark {
    pub fn begin(self) -> String {
        self.written(BEGIN)
    }

    pub fn end(self) -> String {
        self.written(END)
    }

    fn written(self, kind: char) -> String {
        let digit = |number: u32| char::from_u32(ZERO + number);
        match (digit(self.template), digit(self.spot)) {
            (Some(template), Some(spot)) if self.template < MOST && self.spot < MOST => {
                String::from_iter([kind, template, spot])
            }
            _ => String::new(),
        }
    }

    /// The text between the marks; blanks at its ends stay outside.
    pub fn round(self, text: &str) -> String {
        let inner = text.trim();
        if inner.is_empty() {
            return text.to_owned();
        }
        let start = text.len() - text.trim_start().len();
        let (before, after) = (&text[..start], &text[start + inner.len()..]);
        format!("{before}{}{inner}{}{after}", self.begin(), self.end())
    }
}

/// What stands at the beginning of a text.
enum Next {
    Begin(Mark),
    End(Mark),
    Letter(char),
}

fn next(text: &str) -> Option<(Next, usize)> {
    let mut letters = text.chars();
    let first = letters.next()?;
    let letter = (Next::Letter(first), first.len_utf8());
    if first != BEGIN && first != END {
        return Some(letter);
    }
    let mut number = || {
        let number = u32::from(letters.next()?).checked_sub(ZERO)?;
        (number < MOST).then_some(number)
    };
    let (Some(template), Some(spot)) = (number(), number()) else {
        return Some(letter);
    };
    let mark = Mark { template, spot };
    let length = text.len() - letters.as_str().len();
    Some(match first {
        BEGIN => (Next::Begin(mark), length),
        _ => (Next::End(mark), length),
    })
}

/// A stretch of the text that one pair of marks held, and the one round it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub mark: Mark,
    pub parent: Option<usize>,
    pub start: usize,
    pub end: usize,
}

/// A text without its marks, and what they said.
#[derive(Clone, Debug, Default)]
pub(super) struct Unmarked {
    pub text: String,
    pub held: Vec<Held>,
    /// From which offset on which of `held` is the innermost.
    pub segments: Vec<(usize, Option<usize>)>,
}

impl Unmarked {
    pub fn of(marked: &str) -> Self {
        let mut unmarked = Unmarked::default();
        let mut current: Option<usize> = None;
        let mut rest = marked;
        while let Some((found, length)) = next(rest) {
            rest = &rest[length..];
            let at = unmarked.text.len();
            match found {
                Next::Letter(letter) => unmarked.text.push(letter),
                Next::Begin(mark) => {
                    unmarked.held.push(Held {
                        mark,
                        parent: current,
                        start: at,
                        end: usize::MAX,
                    });
                    current = Some(unmarked.held.len() - 1);
                    unmarked.segments.push((at, current));
                }
                // A text that was cut has ends without a beginning, and the reverse.
                Next::End(mark) => {
                    if let Some(closed) = unmarked.enclosing(current, mark) {
                        unmarked.held[closed].end = at;
                        current = unmarked.held[closed].parent;
                        unmarked.segments.push((at, current));
                    }
                }
            }
        }
        unmarked
    }

    fn enclosing(&self, from: Option<usize>, mark: Mark) -> Option<usize> {
        let mut next = from;
        while let Some(index) = next {
            if self.held[index].mark == mark {
                return Some(index);
            }
            next = self.held[index].parent;
        }
        None
    }

    /// What holds the letter at an offset, the outermost first.
    pub fn around(&self, offset: usize) -> Vec<&Held> {
        let after = self.segments.partition_point(|(start, _)| *start <= offset);
        let mut next = after.checked_sub(1).and_then(|at| self.segments[at].1);
        let mut found = Vec::new();
        while let Some(index) = next {
            found.push(&self.held[index]);
            next = self.held[index].parent;
        }
        found.reverse();
        found
    }
}

/// The text without marks.
fn stripped(text: &str) -> Cow<'_, str> {
    match text.contains([BEGIN, END]) {
        true => Cow::Owned(Unmarked::of(text).text),
        false => Cow::Borrowed(text),
    }
}

/// The value without marks, in texts and in lists of them.
fn plain(value: &Value) -> Value {
    if let Some(text) = value.as_str() {
        return match stripped(text) {
            Cow::Owned(text) => Value::from(text),
            Cow::Borrowed(_) => value.clone(),
        };
    }
    let list = value
        .as_object()
        .filter(|object| object.repr() == ObjectRepr::Seq);
    match list.and_then(|list| list.try_iter()) {
        Some(items) => {
            let items: Vec<Value> = items.collect();
            let bare: Vec<Value> = items.iter().map(plain).collect();
            // A list that has no marks stays the one that it is: it may be appended to.
            match bare == items {
                true => value.clone(),
                false => Value::from(bare),
            }
        }
        None => value.clone(),
    }
}

/// Arguments for what is not a macro: names of models, of settings, of variables.
pub(in crate::template) fn plain_arguments(args: &[Value]) -> Vec<Value> {
    let (positional, keywords) = split(args);
    let mut bare: Vec<Value> = positional.iter().map(plain).collect();
    if let Some(keywords) = keywords {
        let named = keywords.args().filter_map(|name| {
            let value: Value = keywords.get(name).ok()?;
            Some((name.to_owned(), plain(&value)))
        });
        bare.push(Value::from(Kwargs::from_iter(named.collect::<Vec<_>>())));
    }
    bare
}

/// What the marked templates call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Marker {
    /// `refx__at(template, spot, value)`: the text of a value, marked.
    Text,
    /// `refx__in(template, spot, value)`: a text, marked, and any other value as it is.
    Value,
    /// `refx__plain(value)`: for comparisons.
    Plain,
}

impl Object for Marker {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if let (Marker::Plain, Some(value)) = (**self, args.first()) {
            return Ok(plain(value));
        }
        let [template, spot, value] = args else {
            return Ok(Value::UNDEFINED);
        };
        let number = |value: &Value| u32::try_from(value.clone()).unwrap_or(MOST);
        let mark = Mark {
            template: number(template),
            spot: number(spot),
        };
        Ok(match (value.as_str(), **self) {
            (Some(text), _) => Value::from(mark.round(text)),
            // What is undefined and may be prints nothing; the rest prints itself.
            (None, Marker::Text) if !value.is_undefined() => {
                Value::from(mark.round(&value.to_string()))
            }
            _ => value.clone(),
        })
    }
}

/// `{% filter refx__at(template, spot) %}`, for blocks.
pub(super) fn filter(text: &str, template: u32, spot: u32) -> String {
    Mark { template, spot }.round(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: Mark = Mark {
        template: 0,
        spot: 1,
    };
    const INNER: Mark = Mark {
        template: 7,
        spot: 0,
    };

    #[test]
    fn a_marked_text_is_led_back() {
        let text = OUTER.round(&format!(" sum({}) ", INNER.round("é")));
        let unmarked = Unmarked::of(&text);
        assert_eq!(unmarked.text, " sum(é) ");
        let marks = |offset| -> Vec<Mark> {
            unmarked
                .around(offset)
                .iter()
                .map(|held| held.mark)
                .collect()
        };
        assert_eq!(marks(0), [], "a blank at the end is outside");
        assert_eq!(marks(1), [OUTER]);
        assert_eq!(marks(5), [OUTER, INNER]);
        assert_eq!(marks(7), [OUTER]);
        assert_eq!(marks(8), []);
    }

    #[test]
    fn a_text_that_was_cut_loses_no_letter() {
        let text = OUTER.round("a,b,c");
        let parts: Vec<String> = text.split(',').map(|part| INNER.round(part)).collect();
        let unmarked = Unmarked::of(&parts.join(";"));
        assert_eq!(unmarked.text, "a;b;c");
        let marks: Vec<Mark> = unmarked.around(2).iter().map(|held| held.mark).collect();
        assert_eq!(marks, [INNER]);
    }

    #[test]
    fn what_is_no_mark_stays() {
        for text in [
            "\u{10FFFC}",
            "\u{10FFFD}ab",
            "\u{10FFFC}\u{F0000}",
            "\u{F0000}",
        ] {
            assert_eq!(Unmarked::of(text).text, text);
        }
    }
}
