//! Features of Delta's protocol that a table needs before rows of new columns can go in.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use deltalake::kernel::{EagerSnapshot, TableFeatures};

/// From this writer version on, a table has the features that its log names and no others.
const NAMES_ITS_FEATURES: i32 = 7;

/// The features to add to the table for these columns to come; none where it has what they need.
///
/// deltalake raises a table of older versions to the one that names its features and names only those
/// that it was asked for. What the table did without a name would be off from then on: its change
/// feed would end without a word, and its constraints would bind no writer. So they are named too.
pub(super) fn missing(table: &EagerSnapshot, added: &[FieldRef]) -> Vec<TableFeatures> {
    let named = table.protocol().writer_features();
    let enabled = named.is_some_and(|names| names.iter().any(|f| f.as_ref() == "timestampNtz"));
    if enabled || !added.iter().any(|field| without_zone(field.data_type())) {
        return Vec::new();
    }
    let mut features = vec![TableFeatures::TimestampWithoutTimezone];
    if table.protocol().min_writer_version() < NAMES_ITS_FEATURES {
        features.extend(unnamed(table));
    }
    features
}

/// The features that the table uses by its version alone.
fn unnamed(table: &EagerSnapshot) -> Vec<TableFeatures> {
    let properties = table.metadata().configuration();
    let on = |name: &str| {
        let value = properties.get(name);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    let schema = table.schema();
    let columns = |key: &str| {
        let mut fields = schema.fields();
        fields.any(|field| field.metadata().contains_key(key))
    };
    let checked = |name: &String| name.starts_with("delta.constraints.");
    let used = [
        (on("delta.appendOnly"), TableFeatures::AppendOnly),
        (columns("delta.invariants"), TableFeatures::Invariants),
        (
            properties.keys().any(checked),
            TableFeatures::CheckConstraints,
        ),
        (
            on("delta.enableChangeDataFeed"),
            TableFeatures::ChangeDataFeed,
        ),
        (
            columns("delta.generationExpression"),
            TableFeatures::GeneratedColumns,
        ),
    ];
    let used = used.into_iter().filter(|(is_used, _)| *is_used);
    used.map(|(_, feature)| feature).collect()
}

/// Whether the type is, or holds, a timestamp without a zone.
fn without_zone(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, zone) => zone.is_none(),
        DataType::List(item) | DataType::Map(item, _) => without_zone(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| without_zone(field.data_type())),
        _ => false,
    }
}
