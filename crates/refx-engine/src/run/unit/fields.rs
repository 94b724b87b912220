//! The fields of structs in written rows.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::error::ArrowError;
use serde_json::Value;

use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::project::Node as Yaml;

/// Refuses a field that the struct does not have: it would be left out.
///
/// # Errors
/// [`Code::UnknownColumn`] at the field, or at the text that it is written in.
pub(super) fn known(column: &Field, cell: &Yaml) -> Result<(), Diagnostic> {
    let whose = format!("`{}`", column.name());
    match cell.as_str() {
        Some(_) => match json(cell) {
            Ok(value) => in_json(column.data_type(), &value, &whose, &cell.span),
            // What is no JSON is told where it is read.
            Err(_) => Ok(()),
        },
        None => in_yaml(column.data_type(), cell, &whose),
    }
}

/// A value as JSON: what it is in YAML, or what a line of CSV holds.
pub(super) fn json(cell: &Yaml) -> Result<Value, ArrowError> {
    match cell.as_str() {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| ArrowError::JsonError(error.to_string()))
        }
        None => Ok(cell.to_json()),
    }
}

fn in_yaml(data_type: &DataType, node: &Yaml, whose: &str) -> Result<(), Diagnostic> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => {
            let mut items = node.as_list().unwrap_or_default().iter();
            items.try_for_each(|one| in_yaml(item.data_type(), one, whose))
        }
        DataType::Struct(fields) => {
            let mut entries = node.as_map().unwrap_or_default().iter();
            entries.try_for_each(|(key, value)| {
                let Some(name) = key.as_str() else {
                    return Ok(());
                };
                match fields.iter().find(|field| field.name() == name) {
                    Some(field) => in_yaml(field.data_type(), value, &format!("`{name}`")),
                    None => Err(unknown(name, fields, whose, &key.span)),
                }
            })
        }
        _ => Ok(()),
    }
}

fn in_json(data_type: &DataType, value: &Value, whose: &str, at: &Span) -> Result<(), Diagnostic> {
    match (data_type, value) {
        (DataType::List(item) | DataType::LargeList(item), Value::Array(items)) => items
            .iter()
            .try_for_each(|one| in_json(item.data_type(), one, whose, at)),
        (DataType::Struct(fields), Value::Object(entries)) => {
            entries.iter().try_for_each(|(name, value)| {
                match fields.iter().find(|field| field.name() == name) {
                    Some(field) => in_json(field.data_type(), value, &format!("`{name}`"), at),
                    None => Err(unknown(name, fields, whose, at)),
                }
            })
        }
        _ => Ok(()),
    }
}

fn unknown(
    name: &str,
    fields: &datafusion::arrow::datatypes::Fields,
    whose: &str,
    at: &Span,
) -> Diagnostic {
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let diagnostic = Diagnostic::error(
        Code::UnknownColumn,
        format!("{whose} has no field named `{name}`"),
    )
    .at(at.clone())
    .did_you_mean(name, names.iter().copied());
    match diagnostic.help {
        Some(_) => diagnostic,
        None => {
            let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            diagnostic.note(format!("it has {}", listed.join(", ")))
        }
    }
}
