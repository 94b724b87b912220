//! What serde's data model has no room for: a value's place, the node itself, and a diagnostic of a
//! type's own making. They are handed over beside it, in [`CARRIED`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Node;
use crate::diagnostic::{Diagnostic, Span};

/// A value and the place where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Another value at the same place.
    pub fn with<U>(self, value: U) -> Spanned<U> {
        Spanned {
            value,
            span: self.span,
        }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

pub(super) const SPANNED: &str = "$refx::Spanned";
pub(super) const NODE: &str = "$refx::Node";

pub(super) enum Carried {
    Span(Span),
    Node(Node),
    Diagnostic(Box<Diagnostic>),
}

thread_local! {
    /// What a value hands to the type that asked for it, or a type to the error that it raises.
    /// Taken by the very next call, so it never outlives one step of decoding.
    pub(super) static CARRIED: RefCell<Option<Carried>> = const { RefCell::new(None) };
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Spanned<T>, D::Error> {
                let span = match CARRIED.take() {
                    Some(Carried::Span(span)) => span,
                    _ => Span::file(""),
                };
                let value = T::deserialize(deserializer)?;
                Ok(Spanned { value, span })
            }
        }

        deserializer.deserialize_newtype_struct(SPANNED, SpannedVisitor(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Node, D::Error> {
                match CARRIED.take() {
                    Some(Carried::Node(node)) => Ok(node),
                    _ => serde_json::Value::deserialize(deserializer)
                        .map(|value| Node::from_json(&value, &Span::file(""))),
                }
            }
        }

        deserializer.deserialize_newtype_struct(NODE, NodeVisitor)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// For types with several spellings: reads the node oneself, with diagnostics of one's own. To be
/// called from an `impl Deserialize` or named in `#[serde(deserialize_with)]`.
pub fn from_node<'de, D, T>(
    deserializer: D,
    read: impl FnOnce(Node) -> Result<T, Diagnostic>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    read(Node::deserialize(deserializer)?).map_err(|diagnostic| {
        CARRIED.set(Some(Carried::Diagnostic(Box::new(diagnostic))));
        serde::de::Error::custom("")
    })
}
