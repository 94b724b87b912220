//! What happened to a table, commit by commit.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde_json::{Map, Value};

use super::{Error, Location, ZORDER, log, opened};

/// One commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub version: i64,
    pub at: DateTime<Utc>,
    /// In words: `created`, `merged`, `restored to version 3`.
    pub operation: String,
    /// As far as the commit says: merges count all three, other writes what they added.
    pub rows: Rows,
    /// The run of refx that made it.
    pub run_id: Option<String>,
    /// What made it, where refx did not.
    pub engine: Option<String>,
    /// What the rows were computed as of.
    pub as_of: Option<String>,
    /// The versions of the tables that the rows were computed from, by id.
    pub inputs: Map<String, Value>,
    /// The whole `commitInfo`.
    pub commit_info: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub inserted: Option<u64>,
    pub updated: Option<u64>,
    pub deleted: Option<u64>,
}

/// The commits that the log still has, newest first; all of them without a limit.
pub async fn history(location: &Location, limit: Option<usize>) -> Result<Vec<Change>, Error> {
    let table = opened(location).await?;
    let mut entries = log::newest_first(&table, location)?;
    let mut changes = Vec::new();
    while limit.is_none_or(|limit| changes.len() < limit) {
        let Some(entry) = entries.try_next().await? else {
            break;
        };
        changes.push(change(entry));
    }
    Ok(changes)
}

fn change(entry: log::Entry) -> Change {
    let text = |name: &str| {
        let value = entry.info.get(name).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    let run_id = text("refx.run_id");
    let engine = match &run_id {
        Some(_) => None,
        None => text("engineInfo").or(text("clientVersion")),
    };
    let inputs = entry.info.get("refx.inputs").and_then(Value::as_object);
    Change {
        version: entry.version,
        at: entry.at,
        operation: operation(&entry),
        rows: rows(&entry),
        run_id,
        engine,
        as_of: text("refx.as_of"),
        inputs: inputs.cloned().unwrap_or_default(),
        commit_info: entry.info,
    }
}

fn operation(entry: &log::Entry) -> String {
    let parameters = entry.info.get("operationParameters");
    let parameter = |name: &str| {
        let value = parameters?.get(name)?;
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            value => Some(value.to_string()),
        }
    };
    let columns = entry.info.get(ZORDER).and_then(Value::as_array);
    match (entry.operation(), entry.version) {
        ("WRITE" | "CREATE TABLE" | "CREATE TABLE AS SELECT", 0) => "created".to_owned(),
        ("WRITE", _) => match (parameter("mode").as_deref(), parameter("predicate")) {
            (Some("Append"), _) => "appended".to_owned(),
            (_, Some(_)) => "replaced in part".to_owned(),
            _ => "replaced".to_owned(),
        },
        ("MERGE", _) => "merged".to_owned(),
        ("DELETE", _) => "rows deleted".to_owned(),
        ("UPDATE", _) => "rows updated".to_owned(),
        ("OPTIMIZE", _) => match columns {
            Some(columns) => {
                let columns: Vec<&str> = columns.iter().filter_map(Value::as_str).collect();
                format!("optimized, by {}", columns.join(", "))
            }
            None => "optimized".to_owned(),
        },
        ("VACUUM START", _) => "vacuum began".to_owned(),
        ("VACUUM END", _) => "vacuumed".to_owned(),
        ("RESTORE", _) => match parameter("version") {
            Some(version) => format!("restored to version {version}"),
            None => "restored".to_owned(),
        },
        ("SET TBLPROPERTIES", _) => "properties set".to_owned(),
        ("ADD FEATURE", _) => "feature added".to_owned(),
        ("ADD COLUMN" | "ADD COLUMNS", _) => "columns added".to_owned(),
        ("ADD CONSTRAINT", _) => "constraint added".to_owned(),
        ("DROP CONSTRAINT", _) => "constraint dropped".to_owned(),
        ("", _) => "unknown".to_owned(),
        (other, _) => other.to_lowercase(),
    }
}

/// What the metrics say, in the names of delta-rs and in those of Spark, which writes numbers as text.
fn rows(entry: &log::Entry) -> Rows {
    let metrics = entry.info.get("operationMetrics");
    let first = |names: &[&str]| {
        names.iter().find_map(|name| {
            let value = metrics?.get(*name)?;
            value.as_u64().or_else(|| value.as_str()?.parse().ok())
        })
    };
    match entry.operation() {
        "MERGE" => Rows {
            inserted: first(&["num_target_rows_inserted", "numTargetRowsInserted"]),
            updated: first(&["num_target_rows_updated", "numTargetRowsUpdated"]),
            deleted: first(&["num_target_rows_deleted", "numTargetRowsDeleted"]),
        },
        "DELETE" => Rows {
            deleted: first(&["num_deleted_rows", "numDeletedRows"]),
            ..Rows::default()
        },
        "UPDATE" => Rows {
            updated: first(&["num_updated_rows", "numUpdatedRows"]),
            ..Rows::default()
        },
        "WRITE" | "CREATE TABLE AS SELECT" | "STREAMING UPDATE" => Rows {
            inserted: first(&["num_added_rows", "numOutputRows"]),
            ..Rows::default()
        },
        _ => Rows::default(),
    }
}
