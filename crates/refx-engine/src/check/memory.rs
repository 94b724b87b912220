//! What a check remembers of the last one: `check.json` among the artifacts.
//!
//! A node that had nothing to complain of is not planned again while its text, its settings and the
//! columns of what it reads stay the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Answers, Planned, Query};
use crate::engine::{self, read_shape, write_shape};
use refx_core::manifest::NodeId;

/// The form of the file. One of another form is as good as none.
const FORM: u32 = 2;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    form: u32,
    /// The version of refx: another may plan differently.
    refx: String,
    nodes: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// What the answer depends on; none where there was something to complain of.
    key: Option<String>,
    shape: String,
    query: Option<Query>,
    digest: String,
}

impl Memory {
    /// The memory that the text of a `check.json` holds; empty where it is none of ours.
    pub fn read(text: &str) -> Memory {
        let memory: Option<Memory> = serde_json::from_str(text).ok();
        memory
            .filter(|memory| memory.form == FORM && memory.refx == env!("CARGO_PKG_VERSION"))
            .unwrap_or_default()
    }

    /// The answers as the next check is to find them. What was not looked at this time is kept as it
    /// was.
    pub fn with(&self, answers: &Answers) -> Memory {
        let mut nodes = self.nodes.clone();
        for (id, checked) in answers {
            let entry = checked.planned().and_then(|planned| {
                Some(Entry {
                    key: checked.key.clone(),
                    shape: write_shape(&planned.shape).ok()?,
                    query: planned.query.clone(),
                    digest: planned.digest.clone(),
                })
            });
            match entry {
                Some(entry) => _ = nodes.insert(id.to_string(), entry),
                None => _ = nodes.remove(id.as_str()),
            }
        }
        Memory {
            form: FORM,
            refx: env!("CARGO_PKG_VERSION").to_owned(),
            nodes,
        }
    }

    /// # Errors
    /// None that is known: all of it has a form in JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The answer of the last check, where it depends on the same.
    pub(super) fn planned(&self, id: &NodeId, key: &str) -> Option<Arc<Planned>> {
        let entry = self.nodes.get(id.as_str())?;
        (entry.key.as_deref() == Some(key)).then_some(())?;
        Some(Arc::new(Planned {
            shape: read_shape(&entry.shape).ok()?,
            query: entry.query.clone(),
            digest: entry.digest.clone(),
        }))
    }

    /// What was known of a model's query.
    pub fn query(&self, id: &NodeId) -> Option<&Query> {
        self.nodes.get(id.as_str())?.query.as_ref()
    }

    /// The models whose queries are known.
    pub(super) fn models(&self) -> impl Iterator<Item = NodeId> {
        let known = self.nodes.iter().filter(|(_, entry)| entry.query.is_some());
        known.map(|(id, _)| NodeId::new(id.as_str()))
    }

    /// Whether there was a check.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn source(&self, id: &NodeId, key: &str) -> Option<SchemaRef> {
        Some(self.planned(id, key)?.shape.clone())
    }
}

impl Planned {
    pub(super) fn new(
        shape: SchemaRef,
        query: Option<Query>,
    ) -> Result<Arc<Planned>, engine::Error> {
        let columns = write_shape(&shape)?;
        let whole = query.as_ref().map(|query| {
            let columns = query.whole.columns.iter();
            let columns = columns.map(|column| column.digest.to_string());
            let rows = query.whole.rows.to_string();
            columns.fold(rows, |all, column| all + &column)
        });
        let digest = digest([columns.as_str(), &whole.unwrap_or_default()]);
        Ok(Arc::new(Planned {
            shape,
            query,
            digest,
        }))
    }
}

/// A digest over parts, so that no two lists of parts have the same; 32 hexadecimal digits.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digits = hasher.finalize();
    digits[..16].iter().map(|b| format!("{b:02x}")).collect()
}
