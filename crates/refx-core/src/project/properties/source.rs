//! What a properties file says of sources: tables that refx reads and does not make.

use schemars::JsonSchema;
use serde::Deserialize;

use super::place::{Format, ReaderOptions};
use super::{ColumnProperties, TestSpec};
use crate::project::config::{Meta, Owner, Quoting};
use crate::project::target::StorageOptions;
use crate::project::yaml::{Many, Node, Spanned};

/// A group of tables from one place.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceProperties {
    /// The first word of `source('name', 'table')`.
    pub name: Spanned<String>,
    /// Where the data come from, and what they are.
    pub description: Option<Spanned<String>>,
    /// The schema of the tables; the source's name where absent.
    pub schema: Option<Spanned<String>>,
    /// The database of the tables. Accepted for dbt.
    pub database: Option<Spanned<String>>,
    /// What brings the data in.
    pub loader: Option<String>,
    /// Where the tables are: a file, folder, glob or URL, with `{name}` for the table's name.
    pub location: Option<Spanned<String>>,
    /// What the files are; from their ending where absent.
    pub format: Option<Spanned<Format>>,
    /// How the files are read.
    pub options: Option<Spanned<ReaderOptions>>,
    /// Access to the object store. Secrets come from the environment: `{{ env_var('…') }}`.
    pub storage_options: Option<StorageOptions>,
    /// Words to select the source by.
    pub tags: Option<Spanned<Many<String>>>,
    /// Keys and values of one's own.
    pub meta: Option<Spanned<Meta>>,
    /// Who answers for the source.
    pub owner: Option<Owner>,
    /// Settings.
    pub config: Option<Node>,
    /// Which parts of names are quoted. Accepted for dbt.
    pub quoting: Option<Quoting>,
    /// When the tables count as late. Accepted for dbt.
    pub freshness: Option<Node>,
    /// The column that says when a row was loaded. Accepted for dbt.
    pub loaded_at_field: Option<Spanned<String>>,
    /// The query that says when a table was loaded. Accepted for dbt.
    pub loaded_at_query: Option<Spanned<String>>,
    /// The package whose source this one replaces. Accepted for dbt.
    pub overrides: Option<String>,
    /// The tables.
    #[serde(default)]
    pub tables: Vec<SourceTable>,
}

/// One table of a source.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceTable {
    /// The second word of `source('name', 'table')`.
    pub name: Spanned<String>,
    /// The table's own name, where it is another.
    pub identifier: Option<Spanned<String>>,
    /// What a row of the table is.
    pub description: Option<Spanned<String>>,
    /// What brings the data in.
    pub loader: Option<String>,
    /// Where the table is: a file, folder, glob or URL.
    pub location: Option<Spanned<String>>,
    /// What the files are; from their ending where absent.
    pub format: Option<Spanned<Format>>,
    /// How the files are read.
    pub options: Option<Spanned<ReaderOptions>>,
    /// Access to the object store, over the source's own.
    pub storage_options: Option<StorageOptions>,
    /// The columns that identify a row.
    #[serde(alias = "unique_key")]
    pub primary_key: Option<Spanned<Many<String>>>,
    /// The columns.
    #[serde(default)]
    pub columns: Vec<ColumnProperties>,
    /// Tests of the table as a whole. `tests` is read as the same.
    #[serde(default, alias = "tests")]
    pub data_tests: Vec<TestSpec>,
    /// Words to select the table by.
    pub tags: Option<Spanned<Many<String>>>,
    /// Keys and values of one's own.
    pub meta: Option<Spanned<Meta>>,
    /// Who answers for the table.
    pub owner: Option<Owner>,
    /// Settings.
    pub config: Option<Node>,
    /// Which parts of names are quoted. Accepted for dbt.
    pub quoting: Option<Quoting>,
    /// When the table counts as late. Accepted for dbt.
    pub freshness: Option<Node>,
    /// The column that says when a row was loaded. Accepted for dbt.
    pub loaded_at_field: Option<Spanned<String>>,
    /// The query that says when the table was loaded. Accepted for dbt.
    pub loaded_at_query: Option<Spanned<String>>,
    /// An external table of dbt-external-tables, of which refx reads the `location`.
    pub external: Option<Node>,
}
