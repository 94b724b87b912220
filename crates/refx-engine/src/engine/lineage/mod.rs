//! Which columns of which tables a query's columns are made of, and what decides about its rows.
//!
//! ```ignore
//! let plan = session.plan("select user_id, sum(seconds) as total from plays where kind = 'live' group by 1").await?;
//! let lineage = plan.lineage();
//! // `total` is aggregated from `plays.seconds`; `plays.kind` filters the rows, `plays.user_id` groups them
//! ```
//! The walk follows the analyzed plan, where stars, aliases, CTEs and views are resolved already. The
//! tables at its ends are those that the session scans; lineage across models is put together from
//! the lineages of each.

mod expressions;
mod relations;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, Plan};
use relations::Walk;
pub(super) use relations::{is_lateral, unaliased};

/// The lineage of one query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The query's columns, in order.
    pub columns: Vec<ColumnLineage>,
    /// What decides which rows come out, and how they are grouped. It holds for every column.
    pub rows: BTreeSet<Influence>,
    /// Every table that is scanned, those included of which no column is used.
    pub tables: BTreeSet<Name>,
}

/// What one output column is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLineage {
    pub name: String,
    /// The columns whose values it holds. Empty for constants, and for what only counts rows.
    #[serde(with = "pairs")]
    pub inputs: BTreeMap<Input, How>,
    /// What decides about this column's value without becoming part of it: the keys of its window,
    /// the filter of its aggregate or of its subquery.
    pub decided_by: BTreeSet<Influence>,
    /// The tables whose rows it counts or numbers, as `count(*)` does.
    pub counts: BTreeSet<Name>,
}

/// A column of a scanned table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Input {
    pub table: Name,
    pub column: String,
}

/// How a value gets from an input to an output, the weakest first: a path is as strong as its
/// strongest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As it is, under whatever name.
    Copied,
    /// Through an expression, casts included.
    Derived,
    /// Together with the values of other rows.
    Aggregated,
}

/// A column that decides about rows or about another column's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Influence {
    pub input: Input,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Filter,
    /// Compared with a column of another table.
    JoinKey,
    GroupKey,
    /// One of the columns by which equal rows are taken together.
    Distinct,
    /// The `partition by` of a window.
    Partition,
    /// The `order by` of a window or of an aggregate.
    Order,
    /// The `order by` of a query that takes only the first rows.
    Sort,
    /// A list whose items become rows.
    Unnest,
}

impl How {
    pub const ALL: [How; 3] = [How::Copied, How::Derived, How::Aggregated];

    pub fn as_str(self) -> &'static str {
        match self {
            How::Copied => "copied",
            How::Derived => "derived",
            How::Aggregated => "aggregated",
        }
    }
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Filter => "filter",
            Role::JoinKey => "join key",
            Role::GroupKey => "group key",
            Role::Distinct => "distinct",
            Role::Partition => "partition",
            Role::Order => "order",
            Role::Sort => "sort",
            Role::Unnest => "unnest",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl Plan {
    /// What the query's columns are made of, and what decides about its rows.
    pub fn lineage(&self) -> Lineage {
        let relation = Walk::new(&self.state).top(&self.logical);
        let fields = self.logical.schema().fields();
        let columns = fields.iter().zip(relation.columns);
        Lineage {
            columns: columns
                .map(|(field, origin)| ColumnLineage {
                    name: field.name().clone(),
                    inputs: origin.inputs,
                    decided_by: origin.decided_by,
                    counts: origin.counts,
                })
                .collect(),
            rows: relation.rows,
            tables: relation.tables,
        }
    }
}

/// JSON has no maps whose keys are more than text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{How, Input};

    pub fn serialize<S: Serializer>(
        map: &BTreeMap<Input, How>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Input, How>, D::Error> {
        let pairs = Vec::<(Input, How)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
