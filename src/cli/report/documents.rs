//! The JSON documents of `refx show` and `refx history`. `docs/json.md` describes them, and
//! `docs/schema/` has their JSON schemas, which are made from these types.

use chrono::SecondsFormat;
use datafusion::arrow::datatypes::Schema;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use refx_core::manifest::NodeId;
use refx_engine::delta::maintain::Change;
use refx_engine::engine::sql_type;

/// Rises when a field of a document changes its meaning or is removed. New fields may be added at
/// any time.
pub const VERSION: u64 = 1;

/// What `refx show --output json` prints: the first rows of a model, a seed, a source, a test or a
/// query.
#[derive(JsonSchema)]
#[schemars(title = "refx show")]
pub struct Rows<'a> {
    /// The version of this format.
    version: u64,
    /// dbt's unique id of the node; null for `--inline`.
    node: Option<&'a str>,
    /// In the order of the query.
    columns: Vec<RowColumn<'a>>,
    /// One object for each row, by column name. NULL, and a float that is not a number, is null. A
    /// decimal is a text, so that it keeps its digits. Instants are ISO 8601.
    #[schemars(with = "Vec<Map<String, Value>>")]
    rows: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct RowColumn<'a> {
    name: &'a str,
    /// The type in SQL.
    data_type: String,
}

/// What `refx history --output json` prints: the commits of a table.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "refx history")]
pub struct History<'a> {
    /// The version of this format.
    version: u64,
    /// dbt's unique id of the model or seed.
    node: &'a str,
    /// The newest first.
    commits: Vec<Commit<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Commit<'a> {
    /// The version of the Delta table that the commit made.
    version: i64,
    /// When it was committed, RFC 3339 in UTC.
    timestamp: String,
    /// What it did, in words: `merged`, `replaced`, `restored to version 3`.
    operation: &'a str,
    rows: CommitRows,
    /// The run of refx that made the commit.
    run_id: Option<&'a str>,
    /// What another tool says of itself.
    engine: Option<&'a str>,
    /// The instant that refx computed for, RFC 3339 in UTC.
    as_of: Option<&'a str>,
    /// The versions of the tables that were read, by dbt's unique id.
    inputs: &'a Map<String, Value>,
    /// All that the commit says.
    commit_info: &'a Map<String, Value>,
}

/// Counts of rows; null where the commit does not say.
#[derive(Serialize, JsonSchema)]
struct CommitRows {
    inserted: Option<u64>,
    updated: Option<u64>,
    deleted: Option<u64>,
}

impl<'a> History<'a> {
    pub fn new(node: &'a NodeId, changes: &'a [Change]) -> Self {
        History {
            version: VERSION,
            node: node.as_str(),
            commits: changes.iter().map(Commit::new).collect(),
        }
    }

    /// The document, a line for each commit, so that people and `grep` can read it too.
    pub fn text(&self) -> String {
        let commits: Vec<String> = self.commits.iter().map(text).collect();
        let commits = match commits.as_slice() {
            [] => "[]".to_string(),
            commits => format!("[\n{}\n]", commits.join(",\n")),
        };
        let (version, node) = (self.version, text(&self.node));
        format!("{{\"version\":{version},\"node\":{node},\"commits\":{commits}}}")
    }
}

impl<'a> Commit<'a> {
    fn new(change: &'a Change) -> Self {
        Commit {
            version: change.version,
            timestamp: change.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            operation: &change.operation,
            rows: CommitRows {
                inserted: change.rows.inserted,
                updated: change.rows.updated,
                deleted: change.rows.deleted,
            },
            run_id: change.run_id.as_deref(),
            engine: change.engine.as_deref(),
            as_of: change.as_of.as_deref(),
            inputs: &change.inputs,
            commit_info: &change.commit_info,
        }
    }
}

impl<'a> Rows<'a> {
    /// `rows` is a JSON array with an object for each row.
    pub fn new(node: Option<&'a NodeId>, schema: &'a Schema, rows: &'a str) -> Self {
        let columns = schema.fields().iter().map(|field| RowColumn {
            name: field.name(),
            data_type: sql_type(field.data_type()),
        });
        Rows {
            version: VERSION,
            node: node.map(NodeId::as_str),
            columns: columns.collect(),
            rows,
        }
    }

    /// The document; the rows keep the lines that they have.
    pub fn text(&self) -> String {
        let (version, node) = (self.version, text(&self.node));
        let (columns, rows) = (text(&self.columns), self.rows.trim_end());
        format!("{{\"version\":{version},\"node\":{node},\"columns\":{columns},\"rows\":{rows}}}")
    }
}

fn text(value: &impl Serialize) -> String {
    // None of these types has a map whose keys are not texts, so writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
