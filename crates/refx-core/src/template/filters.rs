//! Filters, tests and globals of Jinja2 that minijinja does not have.
//! Rules: Jinja2 3.1, `filters.py`, `utils.py`.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Tuple, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use sha2::{Digest, Sha256};

use super::environment::MAX_WIDTH;
use super::failure::error;
use super::{format, values};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("center", centered);
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", |text: String| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        text.split(|c| !word(c))
            .filter(|word| !word.is_empty())
            .count()
    });
    environment.add_filter("wordwrap", wordwrap);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("random", random);
    environment.add_filter("filesizeformat", minijinja_contrib::filters::filesizeformat);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    for name in ["escape", "e", "forceescape"] {
        environment.add_filter(name, |text: String| escaped(&text));
    }
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("format", formatted);
    environment.add_filter("indent", indent);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("refx__sort", minijinja::filters::sort);
    environment.add_filter("sort", sort);
    environment.add_filter("refx__dictsort", minijinja::filters::dictsort);
    environment.add_filter("dictsort", dictsort);
    environment.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Map | ValueKind::String
        )
    });
    environment.add_test("callable", is_callable);
    environment.add_function("dict", dict);
    environment.add_function("cycler", cycler);
    environment.add_function("joiner", joiner);
}

/// Python's `str.center`: of an odd number of spaces, the one more is on the left in an odd width.
pub(super) fn center(text: &str, width: usize, fill: char) -> String {
    let width = width.min(MAX_WIDTH);
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let pad = |count: usize| fill.to_string().repeat(count);
    format!("{}{text}{}", pad(left), pad(missing - left))
}

fn centered(text: String, args: Rest<Value>, by_name: Kwargs) -> Result<String, Error> {
    let [width] = named(&args, &by_name, ["width"])?;
    let width = width.map_or(Ok(80), usize::try_from)?;
    Ok(center(&text, width, ' '))
}

/// Cuts a text at a word, or with `killwords` anywhere; a few letters more than the length are let be.
fn truncate(text: String, args: Rest<Value>, by_name: Kwargs) -> Result<String, Error> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, killwords, end, leeway] = named(&args, &by_name, names)?;
    let number = |value: Option<Value>, otherwise: usize| match value {
        Some(value) => usize::try_from(value),
        None => Ok(otherwise),
    };
    let (length, leeway) = (number(length, 255)?, number(leeway, 5)?);
    let end = end.map_or_else(|| "...".to_owned(), |end| end.to_string());
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let room = length.saturating_sub(end.chars().count());
    let cut: String = text.chars().take(room).collect();
    let kept = match cut.rsplit_once(' ') {
        Some((kept, _)) if !killwords.is_some_and(|flag| flag.is_true()) => kept,
        _ => &cut,
    };
    Ok(format!("{kept}{end}"))
}

fn wordwrap(text: String, args: Rest<Value>, by_name: Kwargs) -> Result<String, Error> {
    let names = [
        "width",
        "break_long_words",
        "wrapstring",
        "break_on_hyphens",
    ];
    let [width, long, wrap, hyphens] = named(&args, &by_name, names)?;
    let width = width.map_or(Ok(79), usize::try_from)?.max(1);
    let flag = |value: Option<Value>| value.is_none_or(|value| value.is_true());
    let (long, hyphens) = (flag(long), flag(hyphens));
    let wrap = wrap.filter(|wrap| !wrap.is_none());
    let wrap = wrap.map_or_else(|| "\n".to_owned(), |wrap| wrap.to_string());
    let wrapped = text.lines().flat_map(|line| {
        let lines = wrapped(line, width, long, hyphens);
        match lines.is_empty() {
            true => vec![String::new()],
            false => lines,
        }
    });
    Ok(wrapped.collect::<Vec<_>>().join(&wrap))
}

/// The lines of one line, none longer than `width` where its words allow it.
fn wrapped(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut waiting: Vec<String> = pieces(line, hyphens).into_iter().rev().collect();
    while let Some(piece) = waiting.pop() {
        let blank = piece.trim().is_empty();
        if blank && current.is_empty() && !lines.is_empty() {
            continue;
        }
        if length(&current) + length(&piece) <= width {
            current.push_str(&piece);
            continue;
        }
        if length(&piece) > width && break_long {
            let room = width - length(&current);
            let head: String = piece.chars().take(room).collect();
            waiting.push(piece.chars().skip(room).collect());
            current.push_str(&head);
        } else if current.is_empty() {
            current = piece;
        } else {
            waiting.push(piece);
        }
        lines.push(std::mem::take(&mut current).trim_end().to_owned());
    }
    lines.push(current.trim_end().to_owned());
    lines.retain(|line| !line.is_empty());
    lines
}

/// Words and the spaces between them; a word with hyphens may be broken after each.
fn pieces(line: &str, hyphens: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in line.chars() {
        let starts = pieces
            .last()
            .and_then(|last| last.chars().last())
            .is_none_or(|before| {
                before.is_whitespace() != c.is_whitespace()
                    || (hyphens && before == '-' && c.is_alphanumeric())
            });
        match pieces.last_mut().filter(|_| !starts) {
            Some(last) => last.push(c),
            None => pieces.push(c.to_string()),
        }
    }
    pieces
}

/// A text as a part of an address, or pairs as its query.
fn urlencode(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(quoted(text, true));
    }
    if !matches!(
        value.kind(),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable
    ) {
        return Ok(quoted(&value.to_string(), true));
    }
    let is_map = value.kind() == ValueKind::Map;
    let mut pairs = Vec::new();
    for item in value.try_iter()? {
        let (key, value) = match is_map {
            true => (item.clone(), value.get_item(&item)?),
            false => (item.get_item_by_index(0)?, item.get_item_by_index(1)?),
        };
        let part = |value: &Value| quoted(&value.to_string(), false).replace("%20", "+");
        pairs.push(format!("{}={}", part(&key), part(&value)));
    }
    Ok(pairs.join("&"))
}

fn quoted(text: &str, slash: bool) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' if slash => quoted.push('/'),
            b'_' | b'.' | b'-' | b'~' => quoted.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

/// One of the items. It is always the same one of the same items, since a compiled text is a function
/// of the project.
fn random(value: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = match value.as_str() {
        Some(text) => text.chars().map(|c| Value::from(c.to_string())).collect(),
        None => value.try_iter()?.collect(),
    };
    let digest = Sha256::digest(format!("{items:?}"));
    let at = usize::from(u16::from_be_bytes([digest[0], digest[1]])) % items.len().max(1);
    Ok(items.get(at).cloned().unwrap_or_default())
}

/// Whether a value can be called. minijinja does not say, so that it is told from how functions and
/// macros are printed.
fn is_callable(value: &Value) -> bool {
    if let Some(callable) = super::native::is_function(value) {
        return callable;
    }
    if value.as_object().is_none() {
        return false;
    }
    let printed = format!("{value:?}");
    // A function of Rust prints its path.
    let is_path = printed.contains("::")
        && !printed.contains(char::is_whitespace)
        && !printed.starts_with(['[', '{', '(']);
    printed.starts_with("<macro ") || printed.starts_with("<function ") || is_path
}

/// Arguments by position or by name.
fn named<const N: usize>(
    positional: &[Value],
    keywords: &Kwargs,
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    if positional.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut found: [Option<Value>; N] = std::array::from_fn(|at| positional.get(at).cloned());
    for (slot, name) in found.iter_mut().zip(names) {
        if keywords.has(name) {
            *slot = Some(keywords.get(name)?);
        }
    }
    keywords.assert_all_used()?;
    Ok(found)
}

fn sort(state: &mut State<'_, '_>, args: Rest<Value>, by_name: Kwargs) -> Result<Value, Error> {
    let names = ["reverse", "case_sensitive", "attribute"];
    named_only(state, "refx__sort", (&args, &by_name), &names)
}

fn dictsort(state: &mut State<'_, '_>, args: Rest<Value>, by_name: Kwargs) -> Result<Value, Error> {
    let names = ["case_sensitive", "by", "reverse"];
    named_only(state, "refx__dictsort", (&args, &by_name), &names)
}

/// Calls a filter of minijinja, which takes by name what Jinja2 also takes by position.
fn named_only(
    state: &mut State<'_, '_>,
    filter: &str,
    (args, keywords): (&[Value], &Kwargs),
    names: &[&str],
) -> Result<Value, Error> {
    let Some((value, positional)) = args.split_first() else {
        return Err(Error::from(ErrorKind::MissingArgument));
    };
    if positional.len() > names.len() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut given: Vec<(&str, Value)> = Vec::new();
    for (name, value) in names.iter().zip(positional) {
        given.push((name, value.clone()));
    }
    for name in keywords.args() {
        given.push((name, keywords.get(name)?));
    }
    let given = Value::from(Kwargs::from_iter(given));
    state.apply_filter(filter, &[value.clone(), given])
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A text as a whole number: what is none gives the default, 0 where none is named.
fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    by_name: Kwargs,
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return minijinja::filters::int(state, value, default, base, by_name);
    };
    let default = match default {
        Some(default) => Some(default),
        None => by_name.get("default")?,
    };
    let base = match base {
        Some(base) => Some(base),
        None => by_name.get("base")?,
    };
    by_name.assert_all_used()?;
    let text = Value::from(text.trim().replace('_', ""));
    let none = Kwargs::from_iter(std::iter::empty::<(&str, Value)>());
    let read = minijinja::filters::int(state, &text, None, base, none);
    Ok(read.unwrap_or_else(|_| default.unwrap_or_else(|| Value::from(0))))
}

/// A text as a number: what is none gives the default, 0.0 where none is named.
fn float(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    by_name: Kwargs,
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return minijinja::filters::float(state, value, default, by_name);
    };
    let default = match default {
        Some(default) => Some(default),
        None => by_name.get("default")?,
    };
    by_name.assert_all_used()?;
    let read: Option<f64> = text.trim().replace('_', "").parse().ok();
    Ok(match read {
        Some(number) => Value::from(number),
        None => default.unwrap_or_else(|| Value::from(0.0)),
    })
}

/// `'%s of %d' | format(a, b)`, with names in place of values: `format(a=1)`.
fn formatted(text: String, args: Rest<Value>, by_name: Kwargs) -> Result<String, Error> {
    let names: Vec<&str> = by_name.args().collect();
    let values = match names.is_empty() {
        true => Value::from(Tuple::from(args.0)),
        false => {
            let mut entries = Vec::with_capacity(names.len());
            for name in names {
                entries.push((Value::from(name), by_name.get(name)?));
            }
            values::dict(entries)?
        }
    };
    format::percent(&text, &values)
}

/// The lines of a text moved in, by so many spaces or by a text; the first one, and blank ones, only
/// where it is asked for.
fn indent(text: String, args: Rest<Value>, by_name: Kwargs) -> Result<String, Error> {
    let [width, first, blank] = named(&args, &by_name, ["width", "first", "blank"])?;
    let margin = match width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(margin) => margin.to_owned(),
            None => " ".repeat(usize::try_from(width)?.min(MAX_WIDTH)),
        },
    };
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (flag(first), flag(blank));
    let lines = text.split('\n').enumerate().map(|(at, line)| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let moved = match at {
            0 => first,
            _ => blank || !line.is_empty(),
        };
        match moved {
            true => format!("{margin}{line}"),
            false => line.to_owned(),
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn default(
    value: &Value,
    other: Option<Value>,
    boolean: Option<bool>,
    by_name: Kwargs,
) -> Result<Value, Error> {
    let other = match other {
        Some(other) => Some(other),
        None => by_name.get("default_value")?,
    };
    let boolean = match boolean {
        Some(boolean) => boolean,
        None => by_name.get::<Option<bool>>("boolean")?.unwrap_or(false),
    };
    by_name.assert_all_used()?;
    Ok(
        match value.is_undefined() || (boolean && !value.is_true()) {
            true => other.unwrap_or_else(|| Value::from("")),
            false => value.clone(),
        },
    )
}

/// `dict(a=1)`, `dict([('a', 1)])`, `dict(other, a=1)`: one that can be changed.
fn dict(args: Rest<Value>, by_name: Kwargs) -> Result<Value, Error> {
    let mut entries = match args.first() {
        Some(other) => values::pairs(other)?,
        None => Vec::new(),
    };
    for name in by_name.args() {
        entries.push((Value::from(name), by_name.get(name)?));
    }
    values::dict(entries)
}

/// `cycler('odd', 'even')`: `next()` gives one value after the other, round and round.
struct Cycler {
    items: Vec<Value>,
    at: Mutex<usize>,
}

impl fmt::Debug for Cycler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<cycler>")
    }
}

fn cycler(items: Rest<Value>) -> Result<Value, Error> {
    match items.is_empty() {
        true => Err(error("`cycler` needs at least one value")),
        false => Ok(Value::from_object(Cycler {
            items: items.0,
            at: Mutex::new(0),
        })),
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        (key.as_str() == Some("current")).then(|| self.items[at].clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        match method {
            "next" => {
                let item = self.items[*at].clone();
                *at = (*at + 1) % self.items.len();
                Ok(item)
            }
            "reset" => {
                *at = 0;
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `joiner(', ')`: nothing on the first call, the separator on all others.
struct Joiner {
    separator: Value,
    used: Mutex<bool>,
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<joiner>")
    }
}

fn joiner(separator: Option<Value>, keywords: Kwargs) -> Result<Value, Error> {
    let named: Option<Value> = keywords.get("sep")?;
    keywords.assert_all_used()?;
    Ok(Value::from_object(Joiner {
        separator: separator.or(named).unwrap_or_else(|| Value::from(", ")),
        used: Mutex::new(false),
    }))
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match std::mem::replace(&mut *used, true) {
            true => self.separator.clone(),
            false => Value::from(""),
        })
    }
}
