//! What can be set with `config()`, under `config:` and, by folder, in `project.yml`.
//!
//! The words are dbt's. A setting that is absent is none, so that the layer below it shows through;
//! [`super::layers::merge`] makes one map of all the layers before these types read it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::yaml::{self, Many, Node, Spanned, Text};

mod lint;
mod merging;
mod owner;

pub use lint::{Level, Lint};
pub use merging::{ColumnRule, OnDuplicateKey, OnMatch, OnMissing, Ratio};
pub use owner::Owner;

/// Free keys and values: `meta`.
pub type Meta = Map<String, Json>;

/// Settings of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Whether the model exists at all. A disabled model is neither built nor referred to.
    pub enabled: Option<bool>,
    /// What the model becomes: a view, a table, or text inlined in its readers.
    pub materialized: Option<Materialized>,
    /// The table's name, where it is not the model's.
    pub alias: Option<Spanned<String>>,
    /// The schema (folder) of the table, below the target's own.
    pub schema: Option<Spanned<String>>,
    /// The database of the table. Accepted for dbt; refx has one root.
    pub database: Option<Spanned<String>>,
    /// Words to select the model by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
    /// The columns that identify a row. `unique_key` is read as the same.
    #[serde(alias = "unique_key")]
    pub primary_key: Option<Spanned<Many<String>>>,
    /// How an incremental model changes its table.
    pub incremental_strategy: Option<Spanned<IncrementalStrategy>>,
    /// Conditions on the rows of the table that an incremental merge looks at.
    pub incremental_predicates: Option<Many<Spanned<String>>>,
    /// The columns that a merge updates; all of them where absent.
    pub merge_update_columns: Option<Spanned<Many<String>>>,
    /// The columns that a merge leaves as they are.
    pub merge_exclude_columns: Option<Spanned<Many<String>>>,
    /// What happens where the query gives two rows of one key: `error` (the default), or
    /// `first by COLUMN` and `last by COLUMN`, which take the row with the least or the greatest
    /// value. Rows whose value is NULL come last either way.
    pub on_duplicate_key: Option<Spanned<OnDuplicateKey>>,
    /// What becomes of a column where a row's key is in the table already: `replace` (the default),
    /// `keep`, `min`, `max`, `sum`, `coalesce`; one word for all columns, or a map by column with
    /// `"*"` for the others. `{sql: "…"}` is an expression over `source.` and `target.`.
    pub on_match: Option<Spanned<OnMatch>>,
    /// A condition over `source.` and `target.`: rows are updated only where it holds.
    pub update_when: Option<Spanned<String>>,
    /// A condition over `source.`: rows of a new key are inserted only where it holds.
    pub insert_when: Option<Spanned<String>>,
    /// A condition over `source.`: rows of which it holds are deleted, and not inserted.
    pub delete_when: Option<Spanned<String>>,
    /// What happens to rows of the table whose keys the query no longer gives: `keep` (the
    /// default), `delete`, `flag(COLUMN)`, which sets a column of its own to true, or
    /// `expire after N days`, which deletes them when `missing_since` is so long ago.
    pub on_missing: Option<Spanned<OnMissing>>,
    /// The part of the table's rows that `on_missing` may delete in one run, `0.05` (5 %) where
    /// absent. Past it nothing is committed, as the source rather is incomplete.
    pub max_delete_ratio: Option<Spanned<Ratio>>,
    /// Columns whose values tell files apart, such as a date: a merge reads only the files that
    /// hold rows in the range it needs. It never changes the result.
    pub prune_by: Option<Spanned<Many<String>>>,
    /// Whether each commit tells the rows that it changed, before and after. True where there is a
    /// primary key.
    pub change_data_feed: Option<Spanned<bool>>,
    /// dbt-databricks' name of `update_when`.
    pub matched_condition: Option<Spanned<String>>,
    /// dbt-databricks' name of `insert_when`.
    pub not_matched_condition: Option<Spanned<String>>,
    /// dbt-databricks' name of `on_match: keep`.
    pub skip_matched_step: Option<Spanned<bool>>,
    /// dbt-databricks' name of an `insert_when` that never holds.
    pub skip_not_matched_step: Option<Spanned<bool>>,
    /// dbt-databricks' name of `on_missing`: `delete`, or `update set COLUMN = EXPRESSION, …`.
    pub not_matched_by_source_action: Option<Spanned<String>>,
    /// A condition over `target.`: only missing rows of which it holds are deleted, flagged,
    /// expired or updated.
    pub not_matched_by_source_condition: Option<Spanned<String>>,
    /// What conditions call the new rows, beside `source` and `DBT_INTERNAL_SOURCE`.
    pub source_alias: Option<Spanned<String>>,
    /// What conditions call the table, beside `target` and `DBT_INTERNAL_DEST`.
    pub target_alias: Option<Spanned<String>>,
    /// dbt-databricks' name of `on_schema_change`: `true` is `append_new_columns`, `false` is
    /// `ignore`.
    pub merge_with_schema_evolution: Option<Spanned<bool>>,
    /// What happens when the columns of an incremental model change.
    pub on_schema_change: Option<OnSchemaChange>,
    /// The columns whose values divide the table into folders.
    pub partition_by: Option<Spanned<Many<String>>>,
    /// `true`: each run builds the table anew. `false`: not even `--full-refresh` does.
    pub full_refresh: Option<bool>,
    /// Statements before the model runs.
    #[serde(alias = "pre-hook")]
    pub pre_hook: Many<Hook>,
    /// Statements after the model has run.
    #[serde(alias = "post-hook")]
    pub post_hook: Many<Hook>,
    /// Who answers for the table.
    pub owner: Option<Owner>,
    /// The group that the model belongs to.
    pub group: Option<Spanned<String>>,
    /// Who may refer to the model.
    pub access: Option<Access>,
    /// How often the model is due: `daily`, `monthly`, a cron expression.
    pub cadence: Option<Spanned<String>>,
    /// Whether descriptions are written to the table.
    pub persist_docs: Option<PersistDocs>,
    /// Privileges by name. Accepted for dbt; Delta tables have none.
    pub grants: Option<BTreeMap<String, Many<String>>>,
    /// Whether the columns and types of the properties file are held.
    pub contract: Option<Spanned<Contract>>,
    /// Levels of the rules of lint: `{wall-clock: off}`.
    pub lint: Lint,
    /// How the documentation shows the model.
    pub docs: Option<Docs>,
    /// SQL before the model's own.
    pub sql_header: Option<Spanned<String>>,
    /// The column that says when a row happened.
    pub event_time: Option<Spanned<String>>,
    /// The length of one batch: `hour`, `day`, `month` or `year`.
    pub batch_size: Option<Spanned<String>>,
    /// The first batch of all.
    pub begin: Option<Spanned<Text>>,
    /// How many batches before the last one are computed again.
    pub lookback: Option<Spanned<u32>>,
    /// Whether batches may run at the same time.
    pub concurrent_batches: Option<bool>,
    /// Which parts of names are quoted. Accepted for dbt.
    pub quoting: Option<Quoting>,
    /// Packages of a Python model. Accepted for dbt.
    pub packages: Many<String>,
    /// When the model's data counts as late. Accepted for dbt.
    pub freshness: Option<Node>,
    /// Properties of the Delta table.
    pub table_properties: Option<BTreeMap<String, Text>>,
}

/// Settings of a seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeedConfig {
    /// Whether the seed exists at all.
    pub enabled: Option<bool>,
    /// Always `seed`. Accepted for dbt.
    pub materialized: Option<String>,
    /// The table's name, where it is not the seed's.
    pub alias: Option<Spanned<String>>,
    /// The schema (folder) of the table, below the target's own.
    pub schema: Option<Spanned<String>>,
    /// The database of the table. Accepted for dbt.
    pub database: Option<Spanned<String>>,
    /// Words to select the seed by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
    /// The columns that identify a row. `unique_key` is read as the same.
    #[serde(alias = "unique_key")]
    pub primary_key: Option<Spanned<Many<String>>>,
    /// The type of each column that the file alone does not give.
    pub column_types: Option<BTreeMap<String, Spanned<String>>>,
    /// The sign between two values of a row.
    pub delimiter: Option<Spanned<String>>,
    /// Whether names of columns keep their upper and lower case. Accepted for dbt.
    pub quote_columns: Option<bool>,
    /// Whether `--full-refresh` builds the table anew.
    pub full_refresh: Option<bool>,
    /// Statements before the seed is loaded.
    #[serde(alias = "pre-hook")]
    pub pre_hook: Many<Hook>,
    /// Statements after the seed is loaded.
    #[serde(alias = "post-hook")]
    pub post_hook: Many<Hook>,
    /// Who answers for the table.
    pub owner: Option<Owner>,
    /// The group that the seed belongs to.
    pub group: Option<Spanned<String>>,
    /// Who may refer to the seed.
    pub access: Option<Access>,
    /// Whether descriptions are written to the table.
    pub persist_docs: Option<PersistDocs>,
    /// Privileges by name. Accepted for dbt.
    pub grants: Option<BTreeMap<String, Many<String>>>,
    /// Whether the columns and types of the properties file are held.
    pub contract: Option<Contract>,
    /// How the documentation shows the seed.
    pub docs: Option<Docs>,
    /// Which parts of names are quoted. Accepted for dbt.
    pub quoting: Option<Quoting>,
    /// The column that says when a row happened.
    pub event_time: Option<Spanned<String>>,
}

/// Settings of a data test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TestConfig {
    /// Whether the test runs.
    pub enabled: Option<bool>,
    /// Always `test`. Accepted for dbt.
    pub materialized: Option<String>,
    /// Whether rows that are found fail the run or only warn.
    pub severity: Option<Severity>,
    /// The number of rows found from which on the test warns: `>10`.
    pub warn_if: Option<Spanned<String>>,
    /// The number of rows found from which on the test fails: `>100`.
    pub error_if: Option<Spanned<String>>,
    /// The rows that the test looks at.
    #[serde(rename = "where")]
    pub filter: Option<Spanned<String>>,
    /// The most rows that the test fetches.
    pub limit: Option<Spanned<u64>>,
    /// Whether the rows found are kept in a table.
    pub store_failures: Option<bool>,
    /// What the rows found are kept as.
    pub store_failures_as: Option<StoreFailuresAs>,
    /// The number that the test judges; `count(*)` where absent.
    pub fail_calc: Option<Spanned<String>>,
    /// The name of the table of rows found.
    pub alias: Option<Spanned<String>>,
    /// The schema (folder) of the table of rows found.
    pub schema: Option<Spanned<String>>,
    /// The database of the table of rows found. Accepted for dbt.
    pub database: Option<Spanned<String>>,
    /// Words to select the test by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
    /// Who answers for the test.
    pub owner: Option<Owner>,
    /// The group that the test belongs to.
    pub group: Option<Spanned<String>>,
    /// SQL before the test's own.
    pub sql_header: Option<Spanned<String>>,
}

/// Settings of a source and of its tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// Whether the source exists at all.
    pub enabled: Option<bool>,
    /// Words to select the source by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
    /// Who answers for the source.
    pub owner: Option<Owner>,
    /// The column that says when a row happened.
    pub event_time: Option<Spanned<String>>,
    /// When the source counts as late. Accepted for dbt.
    pub freshness: Option<Node>,
    /// The column that says when a row was loaded. Accepted for dbt.
    pub loaded_at_field: Option<String>,
    /// The query that says when the table was loaded. Accepted for dbt.
    pub loaded_at_query: Option<String>,
    /// dbt-duckdb's place of the files.
    pub external_location: Option<Spanned<String>>,
}

/// What a model becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Materialized {
    /// A query that is run whenever it is read.
    View,
    /// A table that each run writes anew.
    Table,
    /// A table that each run changes.
    Incremental,
    /// Text inlined in the models that refer to it.
    Ephemeral,
    /// A stored query. Accepted for dbt.
    MaterializedView,
}

/// How an incremental model changes its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalStrategy {
    /// Rows of a known key are updated, others inserted.
    Merge,
    /// Rows are added.
    Append,
    /// Rows of the keys that come are deleted, then all that come are inserted.
    #[serde(alias = "delete+insert")]
    DeleteInsert,
    /// The partitions that come are replaced.
    InsertOverwrite,
    /// One batch of time after the other.
    Microbatch,
}

/// What happens when the columns of an incremental model change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSchemaChange {
    /// New columns are not written; a missing one is an error.
    Ignore,
    /// Any change is an error.
    Fail,
    /// New columns are added, old ones kept.
    #[default]
    AppendNewColumns,
    /// New columns are added, old ones removed.
    SyncAllColumns,
}

/// Who may refer to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Models of the same group.
    Private,
    /// Models of the same project.
    Protected,
    /// Everyone.
    Public,
}

/// Whether a failed test stops what depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[serde(alias = "ERROR", alias = "Error")]
    Error,
    #[serde(alias = "WARN", alias = "Warn")]
    Warn,
}

/// What the rows that a test found are kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreFailuresAs {
    Table,
    View,
    Ephemeral,
}

/// A statement before or after a model. Its Jinja is rendered when it runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hook {
    pub sql: Spanned<String>,
    /// dbt's: whether the statement belongs to the model's transaction.
    pub transaction: bool,
}

impl<'de> Deserialize<'de> for Hook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            if node.as_map().is_some() {
                let map = yaml::decode::<HookMap>(&node)?;
                return Ok(Hook {
                    sql: map.sql,
                    transaction: map.transaction.unwrap_or(true),
                });
            }
            Ok(Hook {
                sql: yaml::decode(&node)?,
                transaction: true,
            })
        })
    }
}

impl JsonSchema for Hook {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hook".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let map = generator.subschema_for::<HookMap>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

/// A hook with settings of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HookMap {
    /// The statement.
    sql: Spanned<String>,
    /// Whether the statement belongs to the model's transaction. Accepted for dbt.
    transaction: Option<bool>,
}

/// Whether descriptions are written to the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersistDocs {
    /// The table's own description.
    pub relation: bool,
    /// The descriptions of its columns.
    pub columns: bool,
}

/// Whether the columns and types of the properties file are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contract {
    /// The model's columns must be those of its properties.
    pub enforced: bool,
    /// Names of types that mean the same are taken as the same.
    pub alias_types: bool,
}

impl Default for Contract {
    fn default() -> Self {
        Contract {
            enforced: false,
            alias_types: true,
        }
    }
}

/// How the documentation shows something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Docs {
    /// Whether it is shown.
    pub show: bool,
    /// Its colour in the graph.
    pub node_color: Option<String>,
}

impl Default for Docs {
    fn default() -> Self {
        Docs {
            show: true,
            node_color: None,
        }
    }
}

/// Which parts of names are quoted. Accepted for dbt; refx quotes where it must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quoting {
    pub database: Option<bool>,
    pub schema: Option<bool>,
    pub identifier: Option<bool>,
    pub column: Option<bool>,
    pub snowflake_ignore_case: Option<bool>,
}
