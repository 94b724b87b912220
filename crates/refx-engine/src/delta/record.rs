//! What a commit of refx says about the rows of its table: the code, the instant and the inputs that
//! they were computed from. The next commit is compared with it.
//!
//! The words ride in `commitInfo`. Commits of other tools carry none of them, so the record of a table
//! is that of the newest commit that has one. The table's mark, a Delta transaction that each commit
//! replaces, is in every checkpoint: it keeps the instant where the log has expired.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use deltalake::kernel::Transaction;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde_json::{Map, Value, json};

use super::inspect::snapshot;
use super::maintain::log::{self, Entry};
use super::{Error, Location};

const MODEL: &str = "refx.model";
const FINGERPRINT: &str = "refx.fingerprint";
const AS_OF: &str = "refx.as_of";
const CLOCK: &str = "refx.clock";
const INPUTS: &str = "refx.inputs";
const FILES: &str = "refx.files";
const CODE: &str = "refx.code";
const VARIABLES: &str = "refx.variables";
const QUERY: &str = "refx.query";
const OLDER_CODE: &str = "refx.older_code";

/// The version whose commit computed the rows, in commits that only carry its words on.
pub(super) const CARRIED_FROM: &str = "refx.carried_from";

/// What a commit says about the rows of its table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The version whose commit computed the rows; `None` where only the table's mark is left of it.
    pub version: Option<i64>,
    /// The node that the rows are of: `model.shop.orders`.
    pub model: Option<String>,
    /// The code of the commit.
    pub fingerprint: Option<String>,
    pub as_of: Option<DateTime<Utc>>,
    /// The clock gave the instant: nobody asked for it.
    pub by_clock: bool,
    /// Versions of the Delta tables that were read, by node.
    pub inputs: BTreeMap<String, u64>,
    /// Digests of the lists of files that were read, by source.
    pub files: BTreeMap<String, String>,
    /// Digest of the code, that of inlined models included.
    pub code: Option<String>,
    /// Digest of the variables that the code read.
    pub variables: Option<String>,
    /// Digest of the planned query, its constants evaluated.
    pub query: Option<String>,
    /// The last version that is all of one code, where rows of an older code remain.
    pub older_code: Option<i64>,
}

impl Record {
    /// What the commit info of a version says; `None` where refx computed no rows for it.
    pub(super) fn of(version: i64, info: &Map<String, Value>) -> Option<Record> {
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        let as_of = DateTime::parse_from_rfc3339(&text(AS_OF)?).ok()?;
        let pairs = |name: &str| {
            info.get(name)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
        };
        let carried = info.get(CARRIED_FROM).and_then(Value::as_i64);
        Some(Record {
            version: Some(carried.unwrap_or(version)),
            model: text(MODEL),
            fingerprint: text(FINGERPRINT),
            as_of: Some(as_of.to_utc()),
            by_clock: info.get(CLOCK) == Some(&Value::Bool(true)),
            inputs: pairs(INPUTS)
                .filter_map(|(id, version)| Some((id.clone(), version.as_u64()?)))
                .collect(),
            files: pairs(FILES)
                .filter_map(|(id, digest)| Some((id.clone(), digest.as_str()?.to_owned())))
                .collect(),
            code: text(CODE),
            variables: text(VARIABLES),
            query: text(QUERY),
            older_code: info.get(OLDER_CODE).and_then(Value::as_i64),
        })
    }

    /// The words of the commit info.
    pub(super) fn info(&self) -> BTreeMap<String, Value> {
        let text =
            |name: &str, value: &Option<String>| Some((name.to_owned(), json!(value.as_ref()?)));
        let known = [
            text(MODEL, &self.model),
            text(FINGERPRINT, &self.fingerprint),
            text(AS_OF, &self.as_of.map(|as_of| as_of.to_rfc3339())),
            self.by_clock.then(|| (CLOCK.to_owned(), json!(true))),
            Some((INPUTS.to_owned(), json!(self.inputs))),
            (!self.files.is_empty()).then(|| (FILES.to_owned(), json!(self.files))),
            text(CODE, &self.code),
            text(VARIABLES, &self.variables),
            text(QUERY, &self.query),
            self.older_code
                .map(|version| (OLDER_CODE.to_owned(), json!(version))),
        ];
        known.into_iter().flatten().collect()
    }

    /// The mark of the table: one for each table, whose number is the instant in microseconds. A later
    /// commit replaces it.
    pub(super) fn mark(&self) -> Option<Transaction> {
        let number = self.as_of?.timestamp_micros();
        mark(self.model.as_deref()?, number)
    }

    /// The mark of a table that has no rows of the model.
    pub(super) fn no_mark(model: &str) -> Option<Transaction> {
        mark(model, 0)
    }
}

fn mark(model: &str, number: i64) -> Option<Transaction> {
    // With its time it can expire: `delta.setTransactionRetentionDuration`.
    let now = Utc::now().timestamp_millis();
    let mark = Transaction::new_with_last_update(mark_name(model), number, Some(now));
    Some(mark)
}

fn mark_name(model: &str) -> String {
    format!("refx/{model}")
}

/// The record of a table at the version that it was opened at.
///
/// `model` is whose mark is looked for where the last commit is of another tool.
pub(super) async fn of_table(
    table: &DeltaTable,
    location: &Location,
    last: &Entry,
    model: &str,
) -> Result<Option<Record>, Error> {
    if let Some(record) = Record::of(last.version, &last.info) {
        return Ok(Some(record));
    }
    let marked = snapshot(table, location)?
        .transaction_version(table.log_store().as_ref(), mark_name(model))
        .await
        .map_err(|error| Error::from_delta(error, location))?;
    let Some(marked) = marked else {
        return Ok(None);
    };
    let mut records = Records::of(table, location)?;
    if let Some(record) = records.next().await? {
        return Ok(Some(record));
    }
    // A restore by another tool leaves the mark as it is, and takes the rows back.
    Ok(match records.is_restored || marked == 0 {
        true => None,
        false => Some(Record {
            model: Some(model.to_owned()),
            as_of: DateTime::from_timestamp_micros(marked),
            ..Record::default()
        }),
    })
}

/// The records of the commits that are part of a table, newest first. What a restore took back is not.
pub(super) struct Records<'a> {
    entries: BoxStream<'a, Result<Entry, Error>>,
    /// The newest version that is still part of the table.
    upto: i64,
    /// Whether a restore was met.
    is_restored: bool,
}

impl<'a> Records<'a> {
    pub(super) fn of(table: &'a DeltaTable, location: &'a Location) -> Result<Self, Error> {
        Ok(Records {
            entries: log::newest_first(table, location)?,
            upto: i64::MAX,
            is_restored: false,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Record>, Error> {
        while let Some(entry) = self.entries.try_next().await? {
            if entry.version > self.upto {
                continue;
            }
            if entry.operation() == "RESTORE" {
                self.is_restored = true;
                let parameters = entry.info.get("operationParameters");
                let to = parameters.and_then(|all| all.get("version"));
                // A restore to an instant does not say to which version: nothing before it is known.
                self.upto = to.and_then(number).unwrap_or(-1);
            }
            if let Some(record) = Record::of(entry.version, &entry.info) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// Parameters of an operation are written as numbers by some tools and as text by others.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
