//! [`Node`] → a typed value, through serde: what does not fit is a diagnostic at its own place.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::carry::{CARRIED, Carried, NODE, SPANNED};
use super::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, Severity, Span, closest};

/// How many mistakes of one value are told before the rest is left for the next time.
const MAX_MISTAKES: usize = 50;

/// Reads a typed value, or tells the first thing that does not fit.
///
/// An unknown key is [`Code::UnknownKey`] at the key, a value of another type [`Code::WrongType`] at
/// the value, a word outside of an enum [`Code::InvalidValue`]. A key without a value is an empty
/// list, an empty map or none, as the type has it.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Diagnostic> {
    T::deserialize(node).map_err(|mistake| mistake.at(node).into_diagnostic())
}

/// Reads a typed value and tells everything that does not fit: what is wrong is set aside, and the
/// rest is read without it. None when too little is left, such as a model without a name.
///
/// Unknown keys are told with the severity given: warnings in files that dbt accepts.
pub fn decode_all<T: DeserializeOwned>(
    node: &Node,
    unknown_keys: Severity,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut rest = Cow::Borrowed(node);
    for _ in 0..MAX_MISTAKES {
        let mut diagnostic = match decode(&rest) {
            Ok(value) => return Some(value),
            Err(diagnostic) => diagnostic,
        };
        let aside = match (diagnostic.code, &diagnostic.span) {
            (Code::MissingKey, _) | (_, None) => false,
            (_, Some(span)) => set_aside(rest.to_mut(), span),
        };
        if diagnostic.code == Code::UnknownKey {
            diagnostic.severity = unknown_keys;
        }
        diagnostics.push(diagnostic);
        if !aside {
            return None;
        }
    }
    None
}

/// Takes the entry or item at a place out of the tree, and an item that is empty without it.
fn set_aside(node: &mut Node, span: &Span) -> bool {
    match &mut node.value {
        Value::Map(entries) => {
            let found = entries
                .iter()
                .position(|(key, value)| key.span == *span || value.span == *span);
            match found {
                Some(index) => {
                    entries.remove(index);
                    true
                }
                None => entries.iter_mut().any(|(_, value)| set_aside(value, span)),
            }
        }
        Value::List(items) => match items.iter().position(|item| item.span == *span) {
            Some(index) => {
                items.remove(index);
                true
            }
            None => {
                let found = items.iter_mut().position(|item| set_aside(item, span));
                if let Some(index) = found
                    && items[index].as_map().is_some_and(<[_]>::is_empty)
                {
                    items.remove(index);
                }
                found.is_some()
            }
        },
        _ => false,
    }
}

/// `expected a list, found text `x``, with the way out where the slip is a usual one.
pub fn wrong_type(expected: &str, node: &Node) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        Code::WrongType,
        format!("expected {expected}, found {}", node.describe()),
    )
    .at(node.span.clone());
    match (expected, &node.value) {
        ("text", Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
            diagnostic.help("put quotes round it")
        }
        ("a list", Value::String(text)) if !text.contains(['\n', '{', '`']) => {
            diagnostic.help(format!("write it as a list: `[{text}]`"))
        }
        ("keys and values", Value::String(text))
            if text.split_once(':').is_some_and(|(key, value)| {
                !key.contains(char::is_whitespace) && !value.starts_with(' ')
            }) =>
        {
            diagnostic.help("put a space after the colon: `key: value`")
        }
        ("`true` or `false`", Value::String(text))
            if ["true", "false"].contains(&text.to_lowercase().as_str()) =>
        {
            diagnostic.help("remove the quotes")
        }
        ("a whole number" | "a number", Value::String(text)) if text.parse::<f64>().is_ok() => {
            diagnostic.help("remove the quotes")
        }
        _ => diagnostic,
    }
}

/// A diagnostic on its way up: its place and its key are known only further out.
#[derive(Debug)]
pub struct Mistake {
    diagnostic: Box<Diagnostic>,
    /// What a visitor asked for, as long as the value that it got is not known.
    expected: Option<String>,
    /// Whether the message already says at which key.
    named: bool,
}

impl Mistake {
    fn new(diagnostic: Diagnostic) -> Self {
        Mistake {
            named: matches!(
                diagnostic.code,
                Code::UnknownKey | Code::MissingKey | Code::BrokenYaml
            ),
            diagnostic: Box::new(diagnostic),
            expected: None,
        }
    }

    /// Takes the node's place, unless the mistake has a nearer one.
    fn at(mut self, node: &Node) -> Self {
        if let Some(expected) = self.expected.take() {
            let code = self.diagnostic.code;
            *self.diagnostic = wrong_type(&expected, node);
            self.diagnostic.code = code;
        }
        if self.diagnostic.span.is_none() {
            let place = match &node.value {
                Value::Map(entries) if self.diagnostic.code == Code::MissingKey => {
                    entries.first().map_or(&node.span, |(key, _)| &key.span)
                }
                _ => &node.span,
            };
            self.diagnostic.span = Some(place.clone());
        }
        self
    }

    fn under(mut self, key: &Node) -> Self {
        if !self.named
            && let Some(key) = key.as_str()
        {
            self.diagnostic.message = format!("`{key}`: {}", self.diagnostic.message);
            self.named = true;
        }
        self
    }

    fn into_diagnostic(self) -> Diagnostic {
        *self.diagnostic
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for Mistake {}

impl serde::de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        match CARRIED.take() {
            Some(Carried::Diagnostic(diagnostic)) => Mistake::new(*diagnostic),
            _ => Mistake::new(Diagnostic::error(Code::InvalidValue, message.to_string())),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Mistake {
            diagnostic: Box::new(Diagnostic::error(Code::WrongType, "")),
            expected: Some(plain(&expected.to_string())),
            named: false,
        }
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Mistake {
            diagnostic: Box::new(Diagnostic::error(Code::InvalidValue, "")),
            expected: Some(plain(&expected.to_string())),
            named: false,
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let diagnostic = Diagnostic::error(
            Code::InvalidValue,
            format!("`{variant}` is none of its values"),
        );
        Mistake::new(offer(diagnostic, variant, expected, "choose one of"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let diagnostic = Diagnostic::error(Code::UnknownKey, format!("unknown key `{field}`"));
        Mistake::new(offer(diagnostic, field, expected, "the keys here are"))
    }

    fn missing_field(field: &'static str) -> Self {
        Mistake::new(
            Diagnostic::error(Code::MissingKey, format!("`{field}` is missing"))
                .help(format!("add the key `{field}:`")),
        )
    }

    fn duplicate_field(field: &'static str) -> Self {
        Mistake::new(
            Diagnostic::error(
                Code::InvalidValue,
                format!("`{field}` is given twice, under two of its names"),
            )
            .help("keep one of them"),
        )
    }
}

/// Names the nearest of the words that are allowed as the way out, or all where none is near.
fn offer(diagnostic: Diagnostic, written: &str, words: &[&str], lead: &str) -> Diagnostic {
    let all = words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match closest(written, words.iter().copied()) {
        Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
        None if words.is_empty() => diagnostic,
        None => diagnostic.help(format!("{lead} {all}")),
    }
}

/// serde's name of a type in a steward's words.
fn plain(expected: &str) -> String {
    match expected {
        "a boolean" => "`true` or `false`",
        "a string" | "string" => "text",
        "a sequence" => "a list",
        "a map" => "keys and values",
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number that is not negative",
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number",
        "f64" | "f32" => "a number",
        other if other.starts_with("struct ") => "keys and values",
        other => other,
    }
    .to_owned()
}

fn refuse<T>(expected: &str, node: &Node) -> Result<T, Mistake> {
    Err(Mistake::new(wrong_type(expected, node)))
}

/// Ends a visit: a mistake without a place of its own happened at this node.
fn placed<T>(node: &Node, result: Result<T, Mistake>) -> Result<T, Mistake> {
    result.map_err(|mistake| mistake.at(node))
}

/// The entries of a map; a mistake in a value learns under which key it stands.
struct Entries<'a> {
    rest: std::slice::Iter<'a, (Node, Node)>,
    current: Option<&'a (Node, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        self.current = self.rest.next();
        match self.current {
            Some((key, _)) => placed(key, seed.deserialize(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let (key, value) = self.current.expect("serde asks for a key before its value");
        placed(value, seed.deserialize(value)).map_err(|mistake| mistake.under(key))
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for &Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn visit_list<'de, V: Visitor<'de>>(items: &[Node], visitor: V) -> Result<V::Value, Mistake> {
    visitor.visit_seq(SeqDeserializer::new(items.iter()))
}

fn visit_map<'de, V: Visitor<'de>>(
    entries: &[(Node, Node)],
    visitor: V,
) -> Result<V::Value, Mistake> {
    visitor.visit_map(Entries {
        rest: entries.iter(),
        current: None,
    })
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match self.value {
                Value::Int(value) => placed(self, visitor.visit_i64(value)),
                _ => refuse("a whole number", self),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        placed(
            self,
            match &self.value {
                Value::Null => visitor.visit_unit(),
                Value::Bool(value) => visitor.visit_bool(*value),
                Value::Int(value) => visitor.visit_i64(*value),
                Value::Float(value) => visitor.visit_f64(*value),
                Value::String(text) => visitor.visit_str(text),
                Value::List(items) => visit_list(items, visitor),
                Value::Map(entries) => visit_map(entries, visitor),
            },
        )
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value {
            Value::Bool(value) => placed(self, visitor.visit_bool(value)),
            _ => refuse("`true` or `false`", self),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value {
            Value::Int(_) | Value::Float(_) => self.deserialize_any(visitor),
            _ => refuse("a number", self),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::String(text) if text.chars().count() == 1 => {
                placed(self, visitor.visit_str(text))
            }
            _ => refuse("one character", self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::String(text) => placed(self, visitor.visit_str(text)),
            _ => refuse("text", self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        CARRIED.set(match name {
            SPANNED => Some(Carried::Span(self.span.clone())),
            NODE => Some(Carried::Node(self.clone())),
            _ => None,
        });
        placed(self, visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::List(items) => placed(self, visit_list(items, visitor)),
            Value::Null => placed(self, visit_list(&[], visitor)),
            _ => refuse("a list", self),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Map(entries) => placed(self, visit_map(entries, visitor)),
            Value::Null => placed(self, visit_map(&[], visitor)),
            _ => refuse("keys and values", self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.scalar_text() {
            Some(text) => placed(
                self,
                visitor.visit_enum(StrDeserializer::<Mistake>::new(&text)),
            ),
            None => refuse("one word", self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
