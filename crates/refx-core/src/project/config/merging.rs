//! What a merge does with rows that come and rows that are there: the types of its settings.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

use crate::diagnostic::{Code, Diagnostic, closest};
use crate::project::yaml::{self, Node, Spanned, wrong_type};

/// What happens where the query gives two rows of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicateKey {
    /// The run fails and nothing is written.
    #[default]
    Error,
    /// The row with the least value of the column is taken.
    FirstBy(String),
    /// The row with the greatest value of the column is taken.
    LastBy(String),
}

impl fmt::Display for OnDuplicateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnDuplicateKey::Error => f.write_str("error"),
            OnDuplicateKey::FirstBy(column) => write!(f, "first by {column}"),
            OnDuplicateKey::LastBy(column) => write!(f, "last by {column}"),
        }
    }
}

impl<'de> Deserialize<'de> for OnDuplicateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            let text = text(&node)?;
            let (word, rest) = first_word(text);
            let column = column_after("by", rest);
            match (word.to_lowercase().as_str(), column) {
                ("error", _) if rest.is_empty() => Ok(OnDuplicateKey::Error),
                ("first", Some(column)) => Ok(OnDuplicateKey::FirstBy(column)),
                ("last", Some(column)) => Ok(OnDuplicateKey::LastBy(column)),
                (word @ ("first" | "last"), None) => Err(refused(&node).help(format!(
                    "name the column that decides: `{word} by updated_at`"
                ))),
                (word, column) => Err(nearest(
                    refused(&node),
                    word,
                    &["error", "first", "last"],
                    |near| match &column {
                        Some(column) if near != "error" => format!("{near} by {column}"),
                        _ if near == "error" => near.to_owned(),
                        _ => format!("{near} by …"),
                    },
                    "write `error`, `first by COLUMN` or `last by COLUMN`",
                )),
            }
        })
    }
}

/// What becomes of a column's value where a row's key is in the table already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnRule {
    /// The new value.
    #[default]
    Replace,
    /// The value that is there.
    Keep,
    /// The lesser of the two, whichever there is where one is NULL.
    Min,
    /// The greater of the two, whichever there is where one is NULL.
    Max,
    /// Both added up, NULL counting as nothing.
    Sum,
    /// The new value, or where it is NULL the one that is there.
    Coalesce,
    /// An expression over `source.` and `target.`.
    Sql(String),
}

impl ColumnRule {
    const WORDS: [&str; 6] = ["replace", "keep", "min", "max", "sum", "coalesce"];

    fn word(word: &str) -> Option<ColumnRule> {
        Some(match word {
            "replace" => ColumnRule::Replace,
            "keep" => ColumnRule::Keep,
            "min" => ColumnRule::Min,
            "max" => ColumnRule::Max,
            "sum" => ColumnRule::Sum,
            "coalesce" => ColumnRule::Coalesce,
            _ => return None,
        })
    }

    fn read(node: &Node) -> Result<ColumnRule, Diagnostic> {
        if let Some([(key, value)]) = node.as_map()
            && key.as_str() == Some("sql")
        {
            return Ok(ColumnRule::Sql(text(value)?.to_owned()));
        }
        if node.as_map().is_some() {
            return Err(Diagnostic::error(
                Code::InvalidValue,
                "a column's rule is one word, or `sql` and an expression",
            )
            .at(node.span.clone())
            .help("write `total: sum`, or `total: {sql: \"source.total + target.total\"}`"));
        }
        let word = text(node)?;
        ColumnRule::word(&word.to_lowercase()).ok_or_else(|| {
            nearest(
                refused(node),
                word,
                &Self::WORDS,
                str::to_owned,
                "write `replace`, `keep`, `min`, `max`, `sum`, `coalesce`, or `{sql: \"…\"}`",
            )
        })
    }
}

/// The rules of all columns: of those that are named, and of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnMatch {
    /// Of the columns that are not named: the one word, or what stands at `"*"`.
    pub others: ColumnRule,
    pub columns: Vec<(Spanned<String>, ColumnRule)>,
}

impl OnMatch {
    /// The key of the columns that are not named.
    const OTHERS: &str = "*";

    /// The rule of a column, whatever the case of its letters.
    pub fn of(&self, column: &str) -> &ColumnRule {
        let column = column.to_lowercase();
        let mut named = self.columns.iter();
        let found = named.find(|(name, _)| name.to_lowercase() == column);
        found.map_or(&self.others, |(_, rule)| rule)
    }
}

impl<'de> Deserialize<'de> for OnMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            let Some(entries) = node.as_map() else {
                return Ok(OnMatch {
                    others: ColumnRule::read(&node)?,
                    columns: Vec::new(),
                });
            };
            if let [(key, value)] = entries
                && key.as_str() == Some("sql")
                && let Some(sql) = value.as_str()
                && ColumnRule::word(sql).is_none()
            {
                return Err(Diagnostic::error(
                    Code::InvalidValue,
                    "an expression is of one column, and none is named",
                )
                .at(value.span.clone())
                .help(format!(
                    "name it: `on_match: {{total: {{sql: \"{sql}\"}}}}`"
                )));
            }
            let mut rules = OnMatch::default();
            for (key, value) in entries {
                let name = key.scalar_text().ok_or_else(|| wrong_type("text", key))?;
                let rule = ColumnRule::read(value)?;
                if name == OnMatch::OTHERS {
                    rules.others = rule;
                    continue;
                }
                let lower = name.to_lowercase();
                if rules
                    .columns
                    .iter()
                    .any(|(known, _)| known.to_lowercase() == lower)
                {
                    let message = format!("column `{name}` is named twice");
                    return Err(Diagnostic::error(Code::InvalidValue, message)
                        .at(key.span.clone())
                        .help("names of columns differ by more than case: keep one of them"));
                }
                let name = Spanned {
                    value: name.into_owned(),
                    span: key.span.clone(),
                };
                rules.columns.push((name, rule));
            }
            Ok(rules)
        })
    }
}

/// What happens to rows of the table whose keys the query no longer gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    #[default]
    Keep,
    Delete,
    /// They stay, and are true in this column; all others are false.
    Flag(String),
    /// They stay so many days, which the column `missing_since` counts, and are deleted then.
    ExpireAfter(u32),
    /// dbt-databricks' `update set …`: the assignments, over `target.`.
    Set(String),
}

impl OnMissing {
    /// The column that says since when a row is missing.
    pub const SINCE: &str = "missing_since";

    /// The action that dbt-databricks' `not_matched_by_source_action` means.
    pub fn of_action(action: &str) -> Option<OnMissing> {
        let (verb, rest) = first_word(action);
        let (set, assignments) = first_word(rest);
        match (verb.to_lowercase().as_str(), set.to_lowercase().as_str()) {
            ("delete", "") => Some(OnMissing::Delete),
            ("update", "set") if !assignments.is_empty() => {
                Some(OnMissing::Set(assignments.to_owned()))
            }
            _ => None,
        }
    }

    /// The column that refx keeps in the table for it.
    pub fn own_column(&self) -> Option<&str> {
        match self {
            OnMissing::Flag(column) => Some(column),
            OnMissing::ExpireAfter(_) => Some(OnMissing::SINCE),
            OnMissing::Keep | OnMissing::Delete | OnMissing::Set(_) => None,
        }
    }

    fn flag(text: &str) -> Option<OnMissing> {
        let inner = strip_word(text, "flag")?.trim();
        let column = inner.strip_prefix('(')?.strip_suffix(')')?;
        named(column).map(OnMissing::Flag)
    }

    fn expiry(text: &str) -> Option<OnMissing> {
        let after = strip_word(text, "expire")?.trim_start();
        let (days, unit) = first_word(strip_word(after, "after")?.trim_start());
        let is_unit = ["day", "days"].contains(&unit.to_lowercase().as_str());
        days.parse()
            .ok()
            .filter(|_| is_unit)
            .map(OnMissing::ExpireAfter)
    }
}

impl fmt::Display for OnMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnMissing::Keep => f.write_str("keep"),
            OnMissing::Delete => f.write_str("delete"),
            OnMissing::Flag(column) => write!(f, "flag({column})"),
            OnMissing::ExpireAfter(days) => write!(f, "expire after {days} days"),
            OnMissing::Set(assignments) => write!(f, "update set {assignments}"),
        }
    }
}

impl<'de> Deserialize<'de> for OnMissing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            let text = text(&node)?.trim();
            let parsed = match text.to_lowercase().as_str() {
                "keep" => Some(OnMissing::Keep),
                "delete" => Some(OnMissing::Delete),
                _ => OnMissing::flag(text).or_else(|| OnMissing::expiry(text)),
            };
            parsed.ok_or_else(|| {
                let (word, _) = first_word(text);
                let word = word.split('(').next().unwrap_or(word).to_lowercase();
                match word.as_str() {
                    "flag" => {
                        refused(&node).help("name the column in brackets: `flag(is_missing)`")
                    }
                    "expire" => refused(&node).help("write `expire after 30 days`"),
                    word => nearest(
                        refused(&node),
                        word,
                        &["keep", "delete", "flag", "expire"],
                        |near| match near {
                            "flag" => "flag(COLUMN)".to_owned(),
                            "expire" => "expire after N days".to_owned(),
                            near => near.to_owned(),
                        },
                        "write `keep`, `delete`, `flag(COLUMN)` or `expire after N days`",
                    ),
                }
            })
        })
    }
}

/// A part of a whole, from 0 to 1: `0.05`, `5%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Ratio(pub f64);

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            let text = node
                .scalar_text()
                .ok_or_else(|| wrong_type("a number", &node))?;
            let (number, unit) = match text.trim().strip_suffix('%') {
                Some(percent) => (percent.trim().parse::<f64>(), 100.0),
                None => (text.trim().parse::<f64>(), 1.0),
            };
            let ratio = number.map(|number| number / unit).ok();
            match ratio.filter(|ratio| (0.0..=1.0).contains(ratio)) {
                Some(ratio) => Ok(Ratio(ratio)),
                None => Err(refused(&node).help("write a part of 1, such as `0.05`, or `5%`")),
            }
        })
    }
}

/// A scalar's text.
fn text(node: &Node) -> Result<&str, Diagnostic> {
    node.as_str().ok_or_else(|| wrong_type("text", node))
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The text after a word, whatever its case.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

/// The column named after a word: all the rest, as names may hold spaces.
fn column_after(word: &str, text: &str) -> Option<String> {
    let rest = strip_word(text, word)?;
    rest.starts_with(char::is_whitespace).then(|| named(rest))?
}

/// A name, with or without double quotes round it.
fn named(text: &str) -> Option<String> {
    let text = text.trim();
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let name = match quoted {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

fn refused(node: &Node) -> Diagnostic {
    let written = node.scalar_text().unwrap_or_default();
    Diagnostic::error(
        Code::InvalidValue,
        format!("`{written}` is none of its values"),
    )
    .at(node.span.clone())
}

/// Offers the nearest word as `shown` writes it out, or else says what may be written.
fn nearest(
    diagnostic: Diagnostic,
    written: &str,
    words: &[&str],
    shown: impl Fn(&str) -> String,
    otherwise: &str,
) -> Diagnostic {
    match closest(written, words.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{}`?", shown(near))),
        None => diagnostic.help(otherwise),
    }
}

impl Serialize for OnDuplicateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for OnMissing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ColumnRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ColumnRule::Sql(sql) => serde_json::json!({ "sql": sql }).serialize(serializer),
            ColumnRule::Replace => serializer.serialize_str("replace"),
            ColumnRule::Keep => serializer.serialize_str("keep"),
            ColumnRule::Min => serializer.serialize_str("min"),
            ColumnRule::Max => serializer.serialize_str("max"),
            ColumnRule::Sum => serializer.serialize_str("sum"),
            ColumnRule::Coalesce => serializer.serialize_str("coalesce"),
        }
    }
}

impl Serialize for OnMatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let others = (OnMatch::OTHERS, &self.others);
        let named = self.columns.iter();
        let named = named.map(|(name, rule)| (name.value.as_str(), rule));
        serializer.collect_map(std::iter::once(others).chain(named))
    }
}

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $type:ident = $schema:tt,)+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                let text = concat!($($doc,)+).trim();
                schema.insert("description".to_owned(), text.into());
                schema
            }
        })+
    };
}

schemas! {
    /// What happens where the query gives two rows of one key.
    OnDuplicateKey = {
        "type": "string",
        "pattern": "^(error|(first|last) by .+)$",
        "examples": ["error", "first by created_at", "last by updated_at"]
    },
    /// What becomes of a column's value where a row's key is in the table already.
    OnMatch = {
        "anyOf": [
            { "enum": ["replace", "keep", "min", "max", "sum", "coalesce"] },
            {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [
                        { "enum": ["replace", "keep", "min", "max", "sum", "coalesce"] },
                        {
                            "type": "object",
                            "properties": { "sql": { "type": "string" } },
                            "required": ["sql"],
                            "additionalProperties": false
                        }
                    ]
                }
            }
        ],
        "examples": ["keep", { "first_seen": "min", "last_seen": "max" }]
    },
    /// What happens to rows of the table whose keys the query no longer gives.
    OnMissing = {
        "type": "string",
        "pattern": "^(keep|delete|flag\\s*\\(.+\\)|expire after [0-9]+ days?)$",
        "examples": ["keep", "delete", "flag(is_missing)", "expire after 30 days"]
    },
    /// A part of a whole, from 0 to 1.
    Ratio = {
        "type": ["number", "string"],
        "examples": [0.05, "5%"]
    },
}

#[cfg(test)]
mod tests;
