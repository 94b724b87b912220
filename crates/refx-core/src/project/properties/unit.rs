//! Unit tests: a model, the rows that it is given, and the rows that it is to make of them.
//!
//! ```yaml
//! unit_tests:
//!   - name: heavy_viewers
//!     model: user_engagement
//!     given:
//!       - input: ref('user_video')
//!         rows:
//!           - {user_id: u1, watch_seconds: 90000}
//!     expect:
//!       rows:
//!         - {user_id: u1, level: heavy}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::project::config::Meta;
use crate::project::yaml::{Many, Node, Spanned, Text};

/// A unit test: given rows, a model, and what it is to make of them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitTestProperties {
    /// What the test shows, as a name: `heavy_viewers_are_found`.
    pub name: Spanned<String>,
    /// What must hold, in a sentence.
    pub description: Option<Spanned<String>>,
    /// The model that is tested.
    pub model: Spanned<String>,
    /// The rows that the model finds in what it reads. Each input that it reads is given, if with
    /// `rows: []`.
    #[serde(default)]
    pub given: Vec<GivenProperties>,
    /// The rows that the model is to give.
    pub expect: ExpectProperties,
    /// What is otherwise than in a run, for this test alone.
    #[serde(default)]
    pub overrides: Overrides,
    /// Settings: `tags`, `meta`, `enabled`.
    pub config: Option<Node>,
    /// The versions of the model that are tested; all of them where absent.
    pub versions: Option<TestedVersions>,
}

/// The rows of one input of the model.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenProperties {
    /// What the model reads: `ref('users')`, `source('raw', 'events')`, or `this` for its own table
    /// before the run.
    pub input: Spanned<String>,
    /// The rows. A column that is not named is NULL.
    #[schemars(with = "Option<RowsSchema>")]
    pub rows: Option<Node>,
    /// How the rows are written: `dict` (the default), `csv` or `sql`.
    pub format: Option<Spanned<RowFormat>>,
    /// In place of `rows`: the name of a file under `tests/fixtures/`, without its ending.
    pub fixture: Option<Spanned<String>>,
}

/// The rows that are expected: `rows` of the model's query, `table` of the table after the merge, or
/// both. Only the columns that are named are compared, and the order of rows does not matter.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectProperties {
    /// The rows that the model's query gives; of an incremental model the new ones.
    #[schemars(with = "Option<RowsSchema>")]
    pub rows: Option<Node>,
    /// How the rows are written: `dict` (the default), `csv` or `sql`.
    pub format: Option<Spanned<RowFormat>>,
    /// In place of `rows`: the name of a file under `tests/fixtures/`, without its ending.
    pub fixture: Option<Spanned<String>>,
    /// The table once the query's rows have been taken into it: into what `this` gives, or into a
    /// new one.
    pub table: Option<ExpectedTable>,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedTable {
    /// All rows of the table.
    #[schemars(with = "Option<RowsSchema>")]
    pub rows: Option<Node>,
    /// How the rows are written: `dict` (the default), `csv` or `sql`.
    pub format: Option<Spanned<RowFormat>>,
    /// In place of `rows`: the name of a file under `tests/fixtures/`, without its ending.
    pub fixture: Option<Spanned<String>>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowFormat {
    /// A list of rows, each with the names and values of its columns.
    Dict,
    /// A line of names, then a line for each row. An empty value is NULL.
    Csv,
    /// A SELECT that reads nothing.
    Sql,
}

impl RowFormat {
    pub fn as_str(self) -> &'static str {
        match self {
            RowFormat::Dict => "dict",
            RowFormat::Csv => "csv",
            RowFormat::Sql => "sql",
        }
    }
}

/// What is otherwise than in a run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// Macros by name, each with the value that it is to give: `is_incremental: true`.
    pub macros: BTreeMap<String, Node>,
    /// Variables by name.
    pub vars: BTreeMap<String, Node>,
    /// Environment variables by name.
    pub env_vars: BTreeMap<String, Text>,
    /// The instant that `as_of()` gives: `2024-09-01`. That of the run where absent.
    pub as_of: Option<Spanned<Text>>,
}

/// Which versions of a model are tested.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TestedVersions {
    /// These only.
    pub include: Option<Many<Text>>,
    /// All but these.
    pub exclude: Option<Many<Text>>,
}

/// Settings of a unit test.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnitTestConfig {
    /// Whether the test runs.
    pub enabled: Option<bool>,
    /// Words to select the test by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
    /// Accepted for dbt.
    pub static_analysis: Option<Node>,
}

/// What may stand under `rows`.
struct RowsSchema;

impl JsonSchema for RowsSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "object" } },
                { "type": "string" }
            ]
        })
    }
}
