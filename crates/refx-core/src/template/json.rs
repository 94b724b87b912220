//! `fromjson`, `tojson`, `fromyaml`, `toyaml`, `local_md5`.

use std::fmt::Write as _;
use std::sync::Arc;

use md5::{Digest, Md5};
use minijinja::value::Value;
use minijinja::{Error, State};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Serialize;
use serde_json::Value as Json;

use super::arguments::{bind, required, text};
use super::failure::error;
use super::render::Render;
use super::values;

pub(super) fn fromjson(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [string, default] = bind("fromjson", ["string", "default"], args)?;
    let string = text("fromjson", "string", string)?;
    match (serde_json::from_str::<Json>(&string), default) {
        (Ok(json), _) => Ok(values::from_json(&json)),
        (Err(_), Some(default)) => Ok(default),
        (Err(problem), None) => Err(error(format!("`fromjson`: {problem}"))),
    }
}

pub(super) fn tojson(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [value, _default, sort_keys] = bind("tojson", ["value", "default", "sort_keys"], args)?;
    let mut json = values::to_json(&required("tojson", "value", value)?);
    if sort_keys.is_some_and(|sort| sort.is_true()) {
        sort(&mut json);
    }
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PythonFormat);
    json.serialize(&mut serializer)
        .map_err(|problem| error(format!("`tojson`: {problem}")))?;
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

/// JSON as Python's `json.dumps` prints it: a blank after `,` and `:`, and ASCII only. Packages
/// compare and hash such texts.
struct PythonFormat;

impl serde_json::ser::Formatter for PythonFormat {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        for c in fragment.chars() {
            if c.is_ascii() {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn sort(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(sort),
        Json::Object(entries) => {
            entries.values_mut().for_each(sort);
            entries.sort_keys();
        }
        _ => {}
    }
}

pub(super) fn fromyaml(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [string, default] = bind("fromyaml", ["value", "default"], args)?;
    let string = text("fromyaml", "value", string)?;
    match (parse_yaml(&string), default) {
        (Ok(json), _) => Ok(values::from_json(&json)),
        (Err(_), Some(default)) => Ok(default),
        (Err(problem), None) => Err(error(format!("`fromyaml`: {problem}"))),
    }
}

/// The first document of a YAML text.
pub(super) fn parse_yaml(text: &str) -> Result<Json, String> {
    let documents = Yaml::load_from_str(text).map_err(|problem| problem.to_string())?;
    Ok(documents.first().map_or(Json::Null, yaml_to_json))
}

fn yaml_to_json(yaml: &Yaml<'_>) -> Json {
    match yaml {
        Yaml::Value(Scalar::Null) | Yaml::BadValue | Yaml::Alias(_) => Json::Null,
        Yaml::Value(Scalar::Boolean(value)) => Json::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Json::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Json::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Json::from(value.as_ref()),
        Yaml::Representation(value, ..) => Json::from(value.as_ref()),
        Yaml::Sequence(items) => Json::Array(items.iter().map(yaml_to_json).collect()),
        Yaml::Mapping(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| {
                    let key = match yaml_to_json(key) {
                        Json::String(key) => key,
                        other => other.to_string(),
                    };
                    (key, yaml_to_json(value))
                })
                .collect(),
        ),
        Yaml::Tagged(_, value) => yaml_to_json(value),
    }
}

pub(super) fn toyaml(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [value, _default, sort_keys] = bind("toyaml", ["value", "default", "sort_keys"], args)?;
    let mut json = values::to_json(&required("toyaml", "value", value)?);
    if sort_keys.is_some_and(|sort| sort.is_true()) {
        sort(&mut json);
    }
    let mut yaml = String::new();
    write_yaml(&mut yaml, &json, 0);
    Ok(Value::from(yaml))
}

/// YAML in the layout of Python's `yaml.safe_dump`: block style, list items not indented in a map.
fn write_yaml(out: &mut String, json: &Json, indent: usize) {
    let pad = "  ".repeat(indent);
    match json {
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                write_yaml(&mut inner, item, indent + 1);
                // The first line of the item stands behind the dash.
                let _ = write!(out, "{pad}- {}", inner.trim_start_matches(' '));
            }
        }
        Json::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let _ = write!(out, "{pad}{}:", yaml_text(key));
                match value {
                    Json::Array(items) if !items.is_empty() => {
                        out.push('\n');
                        write_yaml(out, value, indent);
                    }
                    Json::Object(entries) if !entries.is_empty() => {
                        out.push('\n');
                        write_yaml(out, value, indent + 1);
                    }
                    _ => {
                        let _ = writeln!(out, " {}", yaml_scalar(value));
                    }
                }
            }
        }
        _ => {
            let _ = writeln!(out, "{}", yaml_scalar(json));
        }
    }
}

fn yaml_scalar(json: &Json) -> String {
    match json {
        Json::String(text) => yaml_text(text),
        other => other.to_string(),
    }
}

/// The text plain where it reads back as the same text, else in quotes.
fn yaml_text(text: &str) -> String {
    let plain = matches!(parse_yaml(text), Ok(Json::String(read)) if read == text);
    if plain && !text.contains(['\n', '#', ':']) {
        text.to_owned()
    } else if text.contains(['\n', '\t', '\\']) {
        Json::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

pub(super) fn local_md5(
    _: &mut State<'_, '_>,
    _: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [value] = bind("local_md5", ["value"], args)?;
    let value = text("local_md5", "value", value)?;
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(value.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(Value::from(hex))
}
