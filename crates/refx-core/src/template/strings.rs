//! Methods of Python's texts, where minijinja's `pycompat` has none or other ones.

use minijinja::Error;
use minijinja::value::{Kwargs, Tuple, Value, from_args};

use super::environment::MAX_WIDTH;
use super::failure::error;
use super::filters::center;
use super::format;
use super::values::{self, split};

/// The result of a method; none where pycompat has it.
pub(super) fn method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            let width = width.min(MAX_WIDTH).saturating_sub(sign.len());
            Value::from(format!("{sign}{digits:0>width$}"))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<String>) = from_args(args)?;
            let fill = fill.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let missing = width.min(MAX_WIDTH).saturating_sub(text.chars().count());
            let pad = fill.to_string().repeat(missing);
            Value::from(match method {
                "ljust" => format!("{text}{pad}"),
                "rjust" => format!("{pad}{text}"),
                _ => center(text, width, fill),
            })
        }
        "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith" => {
            within(text, method, args)?
        }
        "removeprefix" => {
            let (part,): (String,) = from_args(args)?;
            Value::from(text.strip_prefix(&*part).unwrap_or(text))
        }
        "removesuffix" => {
            let (part,): (String,) = from_args(args)?;
            Value::from(text.strip_suffix(&*part).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (part,): (String,) = from_args(args)?;
            let found = match method {
                "partition" => text.split_once(&*part),
                _ => text.rsplit_once(&*part),
            };
            let parts = match found {
                Some((before, after)) => [before, &*part, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "split" | "rsplit" => pieces(text, args, method == "rsplit")?,
        "format" => {
            let (positional, named) = split(args);
            Value::from(format::format(text, positional, named.as_ref())?)
        }
        "swapcase" => {
            let swapped = text.chars().flat_map(|c| -> Vec<char> {
                match c.is_uppercase() {
                    true => c.to_lowercase().collect(),
                    false => c.to_uppercase().collect(),
                }
            });
            Value::from(swapped.collect::<String>())
        }
        "title" => Value::from(title(text)),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "istitle" => {
            let letters = text.chars().any(char::is_alphabetic);
            Value::from(letters && title(text) == text)
        }
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "isidentifier" => {
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            let starts = text.chars().next().is_some_and(|c| !c.is_numeric());
            Value::from(starts && text.chars().all(is_name))
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(args)?;
            Value::from(expanded(text, size.unwrap_or(8).min(MAX_WIDTH)))
        }
        _ => return Ok(None),
    }))
}

/// Each letter after one that is none in upper case, the others in lower case.
fn title(text: &str) -> String {
    let mut in_word = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match in_word {
            true => out.extend(c.to_lowercase()),
            false => out.extend(c.to_uppercase()),
        }
        in_word = c.is_alphabetic();
    }
    out
}

fn expanded(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let missing = size - column % size;
                out.push_str(&" ".repeat(missing));
                column += missing;
            }
            '\t' => {}
            c => {
                column = if matches!(c, '\n' | '\r') {
                    0
                } else {
                    column + 1
                };
                out.push(c);
            }
        }
    }
    out
}

/// What is asked of a text between two places: Python counts them in letters, from the end where they
/// are negative.
fn within(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (part, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
    let length = text.chars().count();
    let place = |place: Option<i64>, otherwise: usize| {
        let Some(place) = place else { return otherwise };
        let back = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
        match place < 0 {
            true => length.saturating_sub(back),
            false => back,
        }
    };
    let (start, end) = (place(start, 0), place(end, length).min(length));
    let inside: Option<String> =
        (start <= end).then(|| text.chars().skip(start).take(end - start).collect());
    let one = || match part.as_str() {
        Some(part) => Ok(part.to_owned()),
        None => Err(error(format!(
            "`{method}` looks for a text, not for `{part}`"
        ))),
    };
    let inside_text = inside.as_deref().unwrap_or_default();
    if let "startswith" | "endswith" = method {
        let is_there = |part: &Value| {
            let part = part.as_str()?;
            let found = match method {
                "startswith" => inside_text.starts_with(part),
                _ => inside_text.ends_with(part),
            };
            Some(found && inside.is_some())
        };
        let parts: Vec<Value> = match part.as_str() {
            Some(_) => vec![part.clone()],
            None => part.try_iter()?.collect(),
        };
        return Ok(Value::from(
            parts.iter().any(|part| is_there(part) == Some(true)),
        ));
    }
    let part = one()?;
    if method == "count" {
        let count = match (part.is_empty(), &inside) {
            (true, Some(inside)) => inside.chars().count() + 1,
            (true, None) => 0,
            (false, _) => inside_text.matches(&*part).count(),
        };
        return Ok(Value::from(count));
    }
    let found = match method {
        "find" | "index" => inside_text.find(&*part),
        _ => inside_text.rfind(&*part),
    };
    match found.filter(|_| inside.is_some()) {
        Some(at) => Ok(Value::from(start + inside_text[..at].chars().count())),
        None if matches!(method, "find" | "rfind") => Ok(Value::from(-1)),
        None => Err(error(format!("`{part}` is not in the text"))),
    }
}

/// `split` and `rsplit`, by a separator or at white space, with a limit of cuts.
fn pieces(text: &str, args: &[Value], from_end: bool) -> Result<Value, Error> {
    let (positional, named) = split(args);
    let argument = |at: usize, name: &str| {
        let by_name = |named: &Kwargs| named.get::<Value>(name).ok();
        let value = positional
            .get(at)
            .cloned()
            .or_else(|| named.as_ref().and_then(by_name));
        value.filter(|value| !value.is_none() && !value.is_undefined())
    };
    let limit = match argument(1, "maxsplit") {
        Some(limit) => usize::try_from(i64::try_from(limit)?).ok(),
        None => None,
    };
    let pieces: Vec<String> = match argument(0, "sep") {
        Some(separator) => {
            let separator = separator.to_string();
            if separator.is_empty() {
                return Err(error("a text cannot be split by an empty text"));
            }
            let most = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
            match from_end {
                false => text.splitn(most, &*separator).map(str::to_owned).collect(),
                true => {
                    let mut pieces: Vec<String> =
                        text.rsplitn(most, &*separator).map(str::to_owned).collect();
                    pieces.reverse();
                    pieces
                }
            }
        }
        None => words(text, limit.unwrap_or(usize::MAX), from_end),
    };
    values::list(pieces.into_iter().map(Value::from))
}

/// Words, of which the last one (or the first) is all that is left after so many cuts.
fn words(text: &str, limit: usize, from_end: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = match from_end {
            false => rest.trim_start(),
            true => rest.trim_end(),
        };
        if rest.is_empty() {
            break;
        }
        let cut = match from_end {
            false => rest.find(char::is_whitespace),
            true => rest.rfind(char::is_whitespace),
        };
        let Some(cut) = cut.filter(|_| words.len() < limit) else {
            words.push(rest.to_owned());
            break;
        };
        let after = cut + rest[cut..].chars().next().map_or(0, char::len_utf8);
        let (word, left) = match from_end {
            false => (&rest[..cut], &rest[after..]),
            true => (&rest[after..], &rest[..cut]),
        };
        words.push(word.to_owned());
        rest = left;
    }
    if from_end {
        words.reverse();
    }
    words
}
