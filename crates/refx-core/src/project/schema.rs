//! JSON schemas of the files that a steward writes, for editors. They come from the types that read
//! the files, and their texts from the types' documentation.

use schemars::schema_for;
use serde_json::{Value as Json, json};

use super::{ProjectFile, Properties};

/// Keys that are read under a second name: serde knows of it, and schemars does not.
const ALIASES: [(&str, &str); 16] = [
    ("primary_key", "unique_key"),
    ("data_tests", "tests"),
    ("data-tests", "tests"),
    ("data-tests", "data_tests"),
    ("unit-tests", "unit_tests"),
    ("semantic-models", "semantic_models"),
    ("saved-queries", "saved_queries"),
    ("pre_hook", "pre-hook"),
    ("post_hook", "post-hook"),
    ("delimiter", "delim"),
    ("delimiter", "sep"),
    ("null_value", "nullstr"),
    ("date_format", "dateformat"),
    ("timestamp_format", "timestampformat"),
    ("infer_rows", "sample_size"),
    ("types", "columns"),
];

/// The schema of `project.yml`.
pub fn schema() -> Json {
    with_aliases(schema_for!(ProjectFile).to_value())
}

/// The schema of properties files.
pub fn properties_schema() -> Json {
    let mut schema = with_aliases(schema_for!(Properties).to_value());
    schema["properties"]["version"] = json!({
        "description": "The version of the file's format: 2. Accepted for dbt.",
        "type": "integer"
    });
    schema
}

fn with_aliases(mut schema: Json) -> Json {
    add_aliases(&mut schema);
    schema
}

/// Gives each key's second name the same schema, wherever the key stands.
fn add_aliases(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::Object(keys)) = map.get_mut("properties") {
                for (name, alias) in ALIASES {
                    if let Some(key) = keys.get(name).filter(|_| !keys.contains_key(alias)) {
                        let key = key.clone();
                        keys.insert(alias.to_owned(), key);
                    }
                }
            }
            map.values_mut().for_each(add_aliases);
        }
        Json::Array(items) => items.iter_mut().for_each(add_aliases),
        _ => {}
    }
}
