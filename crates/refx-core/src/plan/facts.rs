//! What is known of the tables before a run: the one read that planning rests on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::manifest::NodeId;

/// The state of each table of the selected nodes and of what they read; absent where none exists.
#[derive(Clone, Debug, Default)]
pub struct TableFacts {
    pub tables: BTreeMap<NodeId, Facts>,
    /// Why a table that is there cannot be read, in words.
    pub broken: BTreeMap<NodeId, String>,
}

/// One Delta table at the version to which the run pins it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub version: u64,
    /// When the version was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// Fingerprint of the code that wrote the version, where refx did.
    pub fingerprint: Option<String>,
    /// The last version that is all of one code, where rows of an older code remain.
    pub older_code: Option<u64>,
    /// A feature of the table which refx cannot write, in words.
    pub read_only: Option<String>,
}

impl TableFacts {
    pub fn get(&self, id: &NodeId) -> Option<&Facts> {
        self.tables.get(id)
    }
}
