//! What a query means, apart from how it is written.
//!
//! Two queries with equal digests give equal results: white space, comments, aliases, names of CTEs,
//! stars, the order of conditions and the sides of `=` leave no trace. The reverse does not hold:
//! what is equal only by an insight (`a + a` and `2 * a`) has two digests.
//!
//! ```ignore
//! let one = session.plan("select u.id, sum(x) as total from users u join t on t.id = u.id group by 1").await?;
//! let two = session.plan("with v as (select * from users) select v.id, sum(x) as all_of_it from v join t on v.id = t.id group by v.id").await?;
//! assert_eq!(one.meaning(&|_| None).columns[1].digest, two.meaning(&|_| None).columns[1].digest);
//! ```
//! A column's digest is its expression over the columns of scanned tables; what decides which rows
//! come out has a digest of its own. So a join that is added for one new column leaves the digests of
//! the others, and changes that of the rows. Aggregates and windows see rows, so these are part of
//! their digests.
//!
//! One table may be scanned twice. Within one FROM, a column that is there already gets a number, in
//! the order of the text; what is grouped, united or limited is counted as one table.

mod digest;
mod expressions;
mod joins;
mod relations;
mod taken;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use digest::Digest;

use super::query::sql_type;
use super::{Name, Plan};
use relations::Walk;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// Of what decides which rows come out.
    pub rows: Digest,
    /// The parts of it, where they can be told apart.
    pub parts: Rows,
    pub columns: Vec<ColumnMeaning>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMeaning {
    pub name: String,
    /// In SQL's words.
    pub data_type: String,
    pub digest: Digest,
    pub kind: ColumnKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A column of a scanned table, as it is.
    Copied,
    Computed,
}

/// What decides about rows: tables joined by conditions, and tables joined to them that take no row
/// away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Tables, and what counts as one: what is grouped, united or limited. In order of digest.
    pub tables: Vec<Digest>,
    /// All conditions that a row must meet, those of inner joins among them.
    pub conditions: BTreeSet<Digest>,
    pub left_joins: BTreeSet<Digest>,
}

impl Plan {
    /// What the query means. A scanned table whose meaning is known is seen through.
    pub fn meaning(&self, known: &dyn Fn(&Name) -> Option<Meaning>) -> Meaning {
        let relation = Walk::new(&self.state, known).top(&self.logical);
        let fields = self.logical.schema().fields();
        let columns = fields.iter().zip(&relation.columns);
        Meaning {
            rows: relation.rows.digest(),
            columns: columns
                .map(|(field, value)| ColumnMeaning {
                    name: field.name().clone(),
                    data_type: sql_type(field.data_type()),
                    digest: value.digest,
                    kind: value.kind,
                })
                .collect(),
            parts: relation.rows,
        }
    }
}

impl Rows {
    /// What counts as one table.
    pub fn one(table: Digest) -> Rows {
        Rows {
            tables: vec![table],
            ..Rows::default()
        }
    }

    fn digest(&self) -> Digest {
        if let ([table], true, true) = (
            self.tables.as_slice(),
            self.conditions.is_empty(),
            self.left_joins.is_empty(),
        ) {
            return *table;
        }
        Digest::of("rows")
            .list(&self.tables)
            .bag(self.conditions.iter().copied().collect())
            .bag(self.left_joins.iter().copied().collect())
            .end()
    }

    /// Each row of the one with each of the other.
    fn and(mut self, other: Rows) -> Rows {
        self.tables.extend(other.tables);
        self.tables.sort_unstable();
        self.conditions.extend(other.conditions);
        self.left_joins.extend(other.left_joins);
        self
    }
}

#[cfg(test)]
mod tests;
