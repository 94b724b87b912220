//! One value of a YAML file and its place.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number};

use crate::diagnostic::{Diagnostic, Span};

/// A YAML value and the place where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value's own range: a key's is the key, a map's reaches from its first key to its end.
    pub span: Span,
    pub value: Value,
    /// The word that stands in the file, where YAML reads a number or a truth value in it: `no`, `1.10`.
    /// Where a name or a text is meant, it is this word.
    word: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    /// Keys in the order of the file, none of them twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub fn new(value: Value, span: Span) -> Self {
        Node {
            span,
            value,
            word: None,
        }
    }

    /// A value that was written as one word without quotes.
    pub fn plain(word: &str, value: Value, span: Span) -> Self {
        let is_text = matches!(value, Value::String(_) | Value::Null);
        Node {
            span,
            value,
            word: (!is_text).then(|| word.into()),
        }
    }

    pub fn null(span: Span) -> Self {
        Node::new(Value::Null, span)
    }

    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Node::new(Value::String(text.into()), span)
    }

    /// The value of a map's key; none for a missing key, and for what is not a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A map's key, with the key's own place, and its value.
    pub fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        self.as_map()?
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self.value {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The text of a scalar as it is written: `no` and `1.10` where YAML reads a truth value and a
    /// number. None for null, lists and maps.
    pub fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.word {
            Some(word) => Some(Cow::Borrowed(word)),
            None => self.value_text(),
        }
    }

    /// The text of a scalar's value, `false` for `no`; none for null, lists and maps.
    pub fn value_text(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string().into()),
            Value::Int(value) => Some(value.to_string().into()),
            Value::Float(value) => Some(format!("{value:?}").into()),
            Value::String(text) => Some(text.into()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The same value without its places. Infinite and undefined numbers become text, which JSON
    /// has no other way to carry.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => Number::from_f64(*value).map_or_else(
                || serde_json::Value::String(value.to_string()),
                serde_json::Value::Number,
            ),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(_) => serde_json::Value::Object(self.to_json_map()),
        }
    }

    /// A map's entries as JSON; empty for what is not a map.
    pub fn to_json_map(&self) -> Map<String, serde_json::Value> {
        let entries = self.as_map().unwrap_or_default();
        entries
            .iter()
            .map(|(key, value)| {
                let key = key.scalar_text().unwrap_or_default().into_owned();
                (key, value.to_json())
            })
            .collect()
    }

    /// A value that was not written in a file, such as an argument of `config()`: all of it is at
    /// the one place given.
    pub fn from_json(value: &serde_json::Value, span: &Span) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Value::String(text.clone()),
            serde_json::Value::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Node::from_json(item, span))
                    .collect(),
            ),
            serde_json::Value::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| {
                        let key = Node::text(key, span.clone());
                        (key, Node::from_json(value, span))
                    })
                    .collect(),
            ),
        };
        Node::new(value, span.clone())
    }

    /// Replaces the texts in the tree, keys excepted; `replace` answers none to leave one as it is.
    pub fn map_strings<F>(&mut self, replace: &mut F) -> Result<(), Diagnostic>
    where
        F: FnMut(&str, &Span) -> Result<Option<Node>, Diagnostic>,
    {
        match &mut self.value {
            Value::String(text) => {
                if let Some(node) = replace(text, &self.span)? {
                    *self = node;
                }
                Ok(())
            }
            Value::List(items) => items
                .iter_mut()
                .try_for_each(|item| item.map_strings(replace)),
            Value::Map(entries) => entries
                .iter_mut()
                .try_for_each(|(_, value)| value.map_strings(replace)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(()),
        }
    }

    /// What the value is, in the words of a message: text `x`, the number `3`, a list.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(value) => match self.word.as_deref() {
                Some(word) if !word.eq_ignore_ascii_case(&value.to_string()) => {
                    format!("`{word}`, which is `{value}` in YAML")
                }
                _ => format!("`{value}`"),
            },
            Value::Int(_) | Value::Float(_) => {
                format!("the number `{}`", self.scalar_text().unwrap_or_default())
            }
            Value::String(text) => format!("text `{}`", shorten(text)),
            Value::List(_) => "a list".into(),
            Value::Map(entries) => match entries.first().and_then(|(key, _)| key.scalar_text()) {
                Some(key) => format!("keys of its own (`{}:`)", shorten(&key)),
                None => "an empty map `{}`".into(),
            },
        }
    }
}

/// The first line of a text, cut to what a message has room for.
fn shorten(text: &str) -> String {
    const ROOM: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= ROOM && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let cut: String = line.chars().take(ROOM).collect();
    format!("{cut}…")
}

/// Any value: the schema of a node says nothing, so that the field's own documentation can.
impl JsonSchema for Node {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Node".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}
