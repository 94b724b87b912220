//! Telling apart what one FROM has twice.

use std::collections::{BTreeSet, HashMap};

use super::relations::Relation;
use super::{Digest, Rows};

/// The columns that one FROM has so far: how often each digest is there.
#[derive(Debug, Default)]
pub(super) struct Taken(HashMap<Digest, usize>);

impl Taken {
    /// Puts a table beside those that are there. Where it has a column that one of them has too, its
    /// own gets a number.
    pub fn add(&mut self, mut table: Relation) -> Relation {
        let mut again = 0;
        let own: BTreeSet<Digest> = table.columns.iter().map(|value| value.digest).collect();
        for value in &mut table.columns {
            let earlier = self.0.get(&value.digest).copied().unwrap_or_default();
            if earlier > 0 {
                value.digest = Digest::of("again")
                    .number(earlier)
                    .digest(value.digest)
                    .end();
                again = again.max(earlier);
            }
        }
        for digest in own {
            *self.0.entry(digest).or_default() += 1;
        }
        if again > 0 {
            // The conditions in it speak of columns that have other numbers now.
            let rows = Digest::of("again")
                .number(again)
                .digest(table.rows.digest());
            table.rows = Rows::one(rows.end());
        }
        table
    }
}
