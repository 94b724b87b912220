//! The records of JSON: what their keys hold, and their values as columns of texts.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::guess::Guess;

/// What the values of a key are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Scalar(Guess),
    List(Box<Kind>),
    Object(IndexMap<String, Kind>),
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Scalar(Guess::default())
    }
}

impl Kind {
    /// Both together; none where one is a list or an object and the other is not.
    pub(super) fn and(self, other: Kind) -> Option<Kind> {
        let unknown = Kind::default();
        Some(match (self, other) {
            (Kind::Scalar(a), Kind::Scalar(b)) => Kind::Scalar(a.and(b)),
            (a, b) if a == unknown => b,
            (a, b) if b == unknown => a,
            (Kind::List(a), Kind::List(b)) => Kind::List(Box::new(a.and(*b)?)),
            (Kind::Object(mut a), Kind::Object(b)) => {
                for (key, kind) in b {
                    let known = a.get(&key).cloned().unwrap_or_default();
                    a.insert(key, known.and(kind)?);
                }
                Kind::Object(a)
            }
            _ => return None,
        })
    }

    pub(super) fn data_type(&self, complete: bool) -> DataType {
        match self {
            Kind::Scalar(guess) => guess.data_type(complete),
            Kind::List(item) => {
                DataType::List(Arc::new(Field::new("item", item.data_type(complete), true)))
            }
            Kind::Object(keys) => {
                let fields = keys.iter();
                DataType::Struct(
                    fields
                        .map(|(key, kind)| Field::new(key, kind.data_type(complete), true))
                        .collect(),
                )
            }
        }
    }
}

/// A record is not what it has to be.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// The keys of one record, with what is known of them so far.
pub(super) fn look(record: &[u8], known: Kind) -> Result<Kind, Broken> {
    let mut reader = serde_json::Deserializer::from_slice(record);
    let mut seen = known;
    // A line may have more than one object.
    loop {
        seen = Seen(seen)
            .deserialize(&mut reader)
            .map_err(|error| Broken(described(&error)))?;
        if !matches!(seen, Kind::Object(_)) {
            return Err(Broken(NOT_AN_OBJECT.to_owned()));
        }
        if reader.end().is_ok() {
            return Ok(seen);
        }
    }
}

pub(super) const NOT_AN_OBJECT: &str = "a line of JSON is not an object";

/// The error without its place, which counts from the record.
fn described(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// Adds what a value is to what is known.
struct Seen(Kind);

impl<'de> DeserializeSeed<'de> for Seen {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Kind, D::Error> {
        reader.deserialize_any(self)
    }
}

impl Seen {
    fn scalar<E: serde::de::Error>(self, see: impl FnOnce(&mut Guess)) -> Result<Kind, E> {
        match self.0 {
            Kind::Scalar(mut guess) => {
                see(&mut guess);
                Ok(Kind::Scalar(guess))
            }
            _ => Err(mixed()),
        }
    }
}

fn mixed<E: serde::de::Error>() -> E {
    E::custom("a key has lists or objects in some records and other values in others")
}

impl<'de> Visitor<'de> for Seen {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Kind, E> {
        self.scalar(|guess| guess.see(if value { "true" } else { "false" }))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Kind, E> {
        self.scalar(|guess| guess.see(&value.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Kind, E> {
        self.scalar(|guess| guess.see(&value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        // With a point or an exponent: `1e300` is no number of 301 digits.
        self.scalar(|guess| guess.see(&format!("{value:?}")))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Kind, E> {
        self.scalar(Guess::see_text)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Kind, E> {
        Ok(self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut item = match self.0 {
            Kind::List(item) => *item,
            unknown if unknown == Kind::default() => unknown,
            _ => return Err(mixed()),
        };
        while let Some(seen) = items.next_element_seed(Seen(item.clone()))? {
            item = seen;
        }
        Ok(Kind::List(Box::new(item)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut keys = match self.0 {
            Kind::Object(keys) => keys,
            unknown if unknown == Kind::default() => IndexMap::new(),
            _ => return Err(mixed()),
        };
        while let Some(key) = entries.next_key::<String>()? {
            let known = keys.get_mut(&key).map(std::mem::take).unwrap_or_default();
            let seen = entries.next_value_seed(Seen(known))?;
            keys.insert(key, seen);
        }
        Ok(Kind::Object(keys))
    }
}

/// The type with all of its scalars as texts: as they are read, before they are converted.
pub(crate) fn as_texts(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| {
        let read = field.as_ref().clone();
        Arc::new(read.with_data_type(as_texts(field.data_type())))
    };
    match data_type {
        DataType::Null => DataType::Null,
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        _ => DataType::Utf8,
    }
}

/// The records' values in a schema of texts, so many at a time.
pub(super) fn rows(
    bytes: &[u8],
    schema: &SchemaRef,
    at_once: usize,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_coerce_primitive(true)
        .with_batch_size(at_once)
        .build_decoder()?;
    let (mut batches, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        at += decoder.decode(&bytes[at..])?;
        let Some(batch) = decoder.flush()? else { break };
        batches.push(batch);
    }
    Ok(batches)
}

/// The first key that the records have and the columns do not: `address.street`.
pub(super) fn new_key(seen: &Kind, known: &Kind) -> Option<String> {
    match (seen, known) {
        (Kind::Object(seen), Kind::Object(known)) => {
            seen.iter().find_map(|(key, kind)| match known.get(key) {
                None => Some(key.clone()),
                Some(known) => new_key(kind, known).map(|inner| format!("{key}.{inner}")),
            })
        }
        (Kind::List(seen), Kind::List(known)) => new_key(seen, known),
        _ => None,
    }
}
