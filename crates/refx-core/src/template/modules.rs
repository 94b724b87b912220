//! `modules`: the parts of Python's `datetime`, `pytz`, `re` and `itertools` that dbt's macros use.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, ErrorKind, State};
use regex::{Captures, Regex, RegexBuilder};

use super::arguments::{bind, required, text};
use super::clock::{self, Date, Moment};
use super::failure::error;
use super::native::Native;
use super::values::{self, split};

pub(super) static MODULES: Native = Native {
    name: "modules",
    run: None,
    methods: &[],
    members: &[&DATETIME, &PYTZ, &RE, &ITERTOOLS],
    otherwise: "",
};

static DATETIME: Native = Native {
    name: "datetime",
    run: None,
    methods: &[("timedelta", |_, _, args| clock::new_delta(args))],
    members: &[&DATETIME_DATETIME, &DATETIME_DATE],
    otherwise: "",
};

static DATETIME_DATETIME: Native = Native {
    name: "datetime",
    run: Some(|_, _, args| clock::new_moment(args)),
    methods: &[
        // Never the wall clock: the same inputs give the same text.
        ("now", |_, render, _| {
            render.progress().calls.as_of = true;
            Ok(Moment::value(render.scope.run_started_at))
        }),
        ("utcnow", |_, render, _| {
            render.progress().calls.as_of = true;
            Ok(Moment::value(render.scope.run_started_at))
        }),
        ("today", |_, render, _| {
            render.progress().calls.as_of = true;
            Ok(Moment::value(render.scope.run_started_at))
        }),
        ("strptime", |_, _, args| clock::parse_moment(args)),
        ("fromisoformat", |_, _, args| clock::parse_iso(args)),
    ],
    members: &[],
    otherwise: "",
};

static DATETIME_DATE: Native = Native {
    name: "date",
    run: Some(|_, _, args| clock::new_date(args)),
    methods: &[("today", |_, render, _| {
        render.progress().calls.as_of = true;
        Ok(Value::from_object(Date(
            render.scope.run_started_at.date_naive(),
        )))
    })],
    members: &[],
    otherwise: "",
};

static PYTZ: Native = Native {
    name: "pytz",
    run: None,
    methods: &[("timezone", |_, _, args| {
        let [name] = bind("pytz.timezone", ["zone"], args)?;
        let name = text("pytz.timezone", "zone", name)?;
        match name.as_str() {
            "UTC" | "utc" | "Etc/UTC" | "GMT" => Ok(Value::from("UTC")),
            other => Err(error(format!(
                "the time zone `{other}` is not known here: templates calculate in UTC, \
                 and SQL has `at time zone`"
            ))),
        }
    })],
    members: &[&UTC],
    otherwise: "",
};

static UTC: Native = Native::object("utc", &[]);

static RE: Native = Native::object(
    "re",
    &[
        ("sub", |state, _, args| {
            let [pattern, with, value, count, flags] = bind(
                "re.sub",
                ["pattern", "repl", "string", "count", "flags"],
                args,
            )?;
            let pattern = expression("re.sub", pattern, flags)?;
            let value = text("re.sub", "string", value)?;
            let with = required("re.sub", "repl", with)?;
            let count = count.and_then(|count| count.as_usize()).unwrap_or(0);
            substitute(state, &pattern.regex, &with, &value, count)
        }),
        ("match", |_, _, args| {
            search("re.match", Anchor::Start, args)
        }),
        ("fullmatch", |_, _, args| {
            search("re.fullmatch", Anchor::Whole, args)
        }),
        ("search", |_, _, args| {
            search("re.search", Anchor::Nowhere, args)
        }),
        ("findall", |_, _, args| {
            let [pattern, value, flags] = bind("re.findall", ["pattern", "string", "flags"], args)?;
            let pattern = expression("re.findall", pattern, flags)?;
            find_all(&pattern.regex, &text("re.findall", "string", value)?)
        }),
        ("split", |_, _, args| {
            let [pattern, value, count, flags] =
                bind("re.split", ["pattern", "string", "maxsplit", "flags"], args)?;
            let pattern = expression("re.split", pattern, flags)?;
            split_at(&pattern.regex, &text("re.split", "string", value)?, count)
        }),
        ("escape", |_, _, args| {
            let [pattern] = bind("re.escape", ["pattern"], args)?;
            Ok(Value::from(regex::escape(&text(
                "re.escape",
                "pattern",
                pattern,
            )?)))
        }),
        ("compile", |_, _, args| {
            let [pattern, flags] = bind("re.compile", ["pattern", "flags"], args)?;
            expression("re.compile", pattern, flags).map(Value::from_object)
        }),
    ],
);

/// Python's flags of patterns, by their names.
const FLAGS: [(&str, u32); 12] = [
    ("I", IGNORE_CASE),
    ("IGNORECASE", IGNORE_CASE),
    ("M", MULTI_LINE),
    ("MULTILINE", MULTI_LINE),
    ("S", DOT_ALL),
    ("DOTALL", DOT_ALL),
    ("X", VERBOSE),
    ("VERBOSE", VERBOSE),
    ("A", ASCII),
    ("ASCII", ASCII),
    ("U", 32),
    ("UNICODE", 32),
];
const IGNORE_CASE: u32 = 2;
const MULTI_LINE: u32 = 8;
const DOT_ALL: u32 = 16;
const VERBOSE: u32 = 64;
const ASCII: u32 = 256;

/// The number of `modules.re.IGNORECASE` and the like.
pub(super) fn flag(name: &str) -> Option<Value> {
    let known = FLAGS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| Value::from(*number))
}

/// A pattern of Python in the words of the `regex` crate, which has no look-around: such a pattern is
/// an error that says so.
fn expression(
    function: &str,
    pattern: Option<Value>,
    flags: Option<Value>,
) -> Result<Pattern, Error> {
    let pattern = required(function, "pattern", pattern)?;
    if let Some(compiled) = pattern.downcast_object_ref::<Pattern>() {
        return Ok(compiled.clone());
    }
    let flags = match flags.filter(|flags| !flags.is_none()) {
        None => 0,
        Some(flags) => u32::try_from(flags.clone()).map_err(|_| {
            error(format!(
                "`{function}`: `{flags}` is no flag: write `modules.re.IGNORECASE`"
            ))
        })?,
    };
    if flags & ASCII != 0 {
        return Err(error(format!(
            "`{function}`: `re.ASCII` does not exist here: write `[0-9A-Za-z_]` for `\\w`"
        )));
    }
    Pattern::new(&pattern.to_string(), flags)
        .map_err(|problem| error(format!("`{function}`: {problem}")))
}

fn search(function: &str, at: Anchor, args: &[Value]) -> Result<Value, Error> {
    let [pattern, value, flags] = bind(function, ["pattern", "string", "flags"], args)?;
    let pattern = expression(function, pattern, flags)?;
    let value = text(function, "string", value)?;
    pattern.find(at, &value)
}

fn substitute(
    state: &mut State<'_, '_>,
    pattern: &Regex,
    with: &Value,
    value: &str,
    count: usize,
) -> Result<Value, Error> {
    let mut out = String::with_capacity(value.len());
    let mut at = 0;
    for (index, found) in pattern.captures_iter(value).enumerate() {
        if count > 0 && index >= count {
            break;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&value[at..whole.start()]);
        match with.as_str() {
            Some(template) => expand(&mut out, template, &found),
            None => {
                let found = Value::from_object(Match::new(pattern, &found));
                out.push_str(&with.call(state, &[found])?.to_string());
            }
        }
        at = whole.end();
    }
    out.push_str(&value[at..]);
    Ok(Value::from(out))
}

/// What each match gives: itself, its one group, or all of its groups.
fn find_all(pattern: &Regex, value: &str) -> Result<Value, Error> {
    let group = |found: &Captures<'_>, at: usize| {
        Value::from(found.get(at).map_or("", |found| found.as_str()))
    };
    values::list(pattern.captures_iter(value).map(|found| match found.len() {
        1 => group(&found, 0),
        2 => group(&found, 1),
        n => Value::from(Tuple::from(
            (1..n).map(|at| group(&found, at)).collect::<Vec<_>>(),
        )),
    }))
}

/// The parts between matches; a limit counts the cuts.
fn split_at(pattern: &Regex, value: &str, limit: Option<Value>) -> Result<Value, Error> {
    let pieces: Vec<Value> = match limit.and_then(|limit| limit.as_usize()) {
        Some(limit) if limit > 0 => pattern.splitn(value, limit + 1).map(Value::from).collect(),
        _ => pattern.split(value).map(Value::from).collect(),
    };
    values::list(pieces)
}

/// Python's replacement texts: `\1`, `\g<1>`, `\g<name>`.
fn expand(out: &mut String, template: &str, found: &Captures<'_>) {
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (group, length) = match rest.chars().next() {
            Some(digit @ '0'..='9') => (digit.to_string(), 1),
            Some('g') if rest[1..].starts_with('<') => match rest.find('>') {
                Some(end) => (rest[2..end].to_owned(), end + 1),
                None => (String::new(), 0),
            },
            Some('\\') => {
                out.push('\\');
                rest = &rest[1..];
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        let text = match group.parse::<usize>() {
            Ok(number) => found.get(number),
            Err(_) => found.name(&group),
        };
        out.push_str(text.map_or("", |text| text.as_str()));
        rest = &rest[length..];
    }
    out.push_str(rest);
}

/// Where a match has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Nowhere,
    Start,
    Whole,
}

#[derive(Clone, Debug)]
struct Pattern {
    source: String,
    flags: u32,
    regex: Regex,
}

impl Pattern {
    fn new(source: &str, flags: u32) -> Result<Pattern, regex::Error> {
        let set = |flag: u32| flags & flag != 0;
        let regex = RegexBuilder::new(source)
            .case_insensitive(set(IGNORE_CASE))
            .multi_line(set(MULTI_LINE))
            .dot_matches_new_line(set(DOT_ALL))
            .ignore_whitespace(set(VERBOSE))
            .build()?;
        Ok(Pattern {
            source: source.to_owned(),
            flags,
            regex,
        })
    }

    fn find(&self, at: Anchor, value: &str) -> Result<Value, Error> {
        // A comment at the end of a verbose pattern ends with its line.
        let line = if self.flags & VERBOSE == 0 { "" } else { "\n" };
        let end = if at == Anchor::Whole { "\\z" } else { "" };
        let pattern = match at {
            Anchor::Nowhere => self.regex.clone(),
            Anchor::Start | Anchor::Whole => {
                let text = format!("\\A(?:{}{line}){end}", self.source);
                let pattern = Pattern::new(&text, self.flags);
                pattern.map_err(|problem| error(problem.to_string()))?.regex
            }
        };
        Ok(match pattern.captures(value) {
            Some(found) => Value::from_object(Match::new(&pattern, &found)),
            None => Value::from(()),
        })
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let anchor = match method {
            "match" => Anchor::Start,
            "fullmatch" => Anchor::Whole,
            _ => Anchor::Nowhere,
        };
        match method {
            "match" | "search" | "fullmatch" => {
                let [value] = bind(method, ["string"], args)?;
                self.find(anchor, &text(method, "string", value)?)
            }
            "findall" => {
                let [value] = bind(method, ["string"], args)?;
                find_all(&self.regex, &text(method, "string", value)?)
            }
            "split" => {
                let [value, count] = bind(method, ["string", "maxsplit"], args)?;
                split_at(&self.regex, &text(method, "string", value)?, count)
            }
            "sub" => {
                let [with, value, count] = bind(method, ["repl", "string", "count"], args)?;
                let with = required(method, "repl", with)?;
                let count = count.and_then(|count| count.as_usize()).unwrap_or(0);
                let value = text(method, "string", value)?;
                substitute(state, &self.regex, &with, &value, count)
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Python's match object.
#[derive(Debug)]
struct Match {
    groups: Vec<Option<String>>,
    names: Vec<Option<String>>,
    start: usize,
    end: usize,
}

impl Match {
    fn new(pattern: &Regex, found: &Captures<'_>) -> Self {
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        Match {
            groups: found
                .iter()
                .map(|group| group.map(|group| group.as_str().to_owned()))
                .collect(),
            names: pattern
                .capture_names()
                .map(|name| name.map(str::to_owned))
                .collect(),
            start: whole.start,
            end: whole.end,
        }
    }

    fn group(&self, key: &Value) -> Option<Value> {
        let at = match key.as_str() {
            Some(name) => (self.names.iter()).position(|known| known.as_deref() == Some(name))?,
            None => key.as_usize()?,
        };
        self.groups.get(at).map(|group| Value::from(group.clone()))
    }
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.group(key)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "group" => {
                let key = split(args).0.first().cloned().unwrap_or(Value::from(0));
                self.group(&key)
                    .ok_or_else(|| error(format!("the match has no group `{key}`")))
            }
            "groups" => values::list((self.groups.iter().skip(1)).map(|g| Value::from(g.clone()))),
            "groupdict" => values::dict(self.names.iter().zip(&self.groups).filter_map(
                |(name, group)| Some((Value::from(name.as_deref()?), Value::from(group.clone()))),
            )),
            "start" => Ok(Value::from(self.start)),
            "end" => Ok(Value::from(self.end)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.groups.first().cloned().flatten().unwrap_or_default();
        write!(f, "<match {whole:?}>")
    }
}

/// More rows than this are not made from a product: it is a slip, and would fill the memory.
const MAX_ROWS: usize = 1_000_000;

static ITERTOOLS: Native = Native::object(
    "itertools",
    &[
        ("chain", |_, _, args| {
            values::list(lists(args)?.into_iter().flatten())
        }),
        ("product", |_, _, args| {
            let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
            for list in lists(args)? {
                if rows.len().saturating_mul(list.len()) > MAX_ROWS {
                    return Err(error("`itertools.product` of more than a million rows"));
                }
                rows = rows
                    .iter()
                    .flat_map(|row| {
                        list.iter().map(|item| {
                            let mut row = row.clone();
                            row.push(item.clone());
                            row
                        })
                    })
                    .collect();
            }
            values::list(rows.into_iter().map(|row| Value::from(Tuple::from(row))))
        }),
        ("islice", |_, _, args| {
            let (positional, _) = split(args);
            let items: Vec<Value> = match positional.first() {
                Some(items) => items.try_iter()?.collect(),
                None => Vec::new(),
            };
            let bound = |at: usize| positional.get(at).and_then(Value::as_usize);
            let (start, stop) = match positional.len() {
                0..=2 => (0, bound(1)),
                _ => (bound(1).unwrap_or(0), bound(2)),
            };
            let stop = stop.unwrap_or(items.len()).min(items.len());
            let step = bound(3).unwrap_or(1).max(1);
            values::list(items.into_iter().take(stop).skip(start).step_by(step))
        }),
        ("zip_longest", |_, _, args| {
            let (_, keywords) = split(args);
            let fill = keywords
                .and_then(|keywords| keywords.get::<Value>("fillvalue").ok())
                .unwrap_or(Value::from(()));
            let lists = lists(args)?;
            let length = lists.iter().map(Vec::len).max().unwrap_or(0);
            values::list((0..length).map(|at| {
                let row = lists.iter().map(|list| list.get(at).cloned());
                let row: Vec<Value> = row
                    .map(|item| item.unwrap_or_else(|| fill.clone()))
                    .collect();
                Value::from(Tuple::from(row))
            }))
        }),
        ("combinations", |_, _, args| {
            let [items, size] = bind("itertools.combinations", ["iterable", "r"], args)?;
            let items = required("itertools.combinations", "iterable", items)?;
            let items: Vec<Value> = items.try_iter()?.collect();
            let size = required("itertools.combinations", "r", size)?;
            let size = size.as_usize().unwrap_or(usize::MAX);
            combinations(&items, size)
        }),
    ],
);

fn lists(args: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
    let (positional, _) = split(args);
    positional
        .iter()
        .map(|list| Ok(list.try_iter()?.collect()))
        .collect()
}

/// All choices of `size` items, in the order of the items.
fn combinations(items: &[Value], size: usize) -> Result<Value, Error> {
    let mut rows = Vec::new();
    if size > items.len() {
        return values::list(rows);
    }
    let mut chosen: Vec<usize> = (0..size).collect();
    loop {
        if rows.len() >= MAX_ROWS {
            return Err(error(
                "`itertools.combinations` of more than a million rows",
            ));
        }
        let row: Vec<Value> = chosen.iter().map(|at| items[*at].clone()).collect();
        rows.push(Value::from(Tuple::from(row)));
        // The last position that can still move on; those behind it follow.
        let Some(at) = (0..size)
            .rev()
            .find(|at| chosen[*at] < items.len() - size + at)
        else {
            return values::list(rows);
        };
        chosen[at] += 1;
        for next in at + 1..size {
            chosen[next] = chosen[next - 1] + 1;
        }
    }
}
