//! The rows and columns of a join.
//!
//! Inner joins are tables beside each other and conditions on them, wherever these are written. A
//! left join takes nothing away, so it stands beside them by itself.

use std::collections::BTreeSet;

use datafusion::common::NullEquality;
use datafusion::logical_expr::{Join, JoinType, Operator};

use super::super::lineage::is_lateral;
use super::super::scope::{Place, Scope};
use super::expressions::{Value, commutative, or_null};
use super::relations::{Relation, Walk};
use super::taken::Taken;
use super::{Digest, Rows};

impl Walk<'_> {
    pub(super) fn join(&self, join: &Join, place: Place<Value>, taken: &mut Taken) -> Relation {
        let left = self.relation(&join.left, place, taken);
        let beside = Scope {
            lateral: true,
            ..place.scope(join.left.schema(), &left.columns)
        };
        let around = match is_lateral(&join.right) {
            true => Place {
                outside: Some(&beside),
                work: place.work,
            },
            false => place,
        };
        let right = self.relation(&join.right, around, taken);
        let conditions = self.join_conditions(join, &left, &right, place);
        joined(join.join_type, left, right, conditions)
    }

    fn join_conditions(
        &self,
        join: &Join,
        left: &Relation,
        right: &Relation,
        place: Place<Value>,
    ) -> BTreeSet<Digest> {
        let mut conditions = BTreeSet::new();
        let on_left = place.scope(join.left.schema(), &left.columns);
        let on_right = place.scope(join.right.schema(), &right.columns);
        let equal = match join.null_equality {
            NullEquality::NullEqualsNothing => Operator::Eq,
            NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
        };
        for (one, other) in &join.on {
            let one = self.digest(one, &on_left, place);
            let other = self.digest(other, &on_right, place);
            conditions.insert(commutative(equal, one, other));
        }
        // The schema of a semi join has the columns of one side only.
        if let Some(filter) = &join.filter
            && let Ok(schema) = join.left.schema().join(join.right.schema())
        {
            let both = [left.columns.as_slice(), right.columns.as_slice()].concat();
            let columns = place.scope(&schema, &both);
            conditions.extend(self.conditions(filter, &columns, place));
        }
        conditions
    }
}

fn joined(
    join_type: JoinType,
    left: Relation,
    right: Relation,
    conditions: BTreeSet<Digest>,
) -> Relation {
    match join_type {
        JoinType::Inner => {
            let mut rows = left.rows.and(right.rows);
            rows.conditions.extend(conditions);
            Relation {
                columns: [left.columns, right.columns].concat(),
                rows,
                order: Vec::new(),
            }
        }
        JoinType::Left => {
            let right_columns = right.columns.iter().copied().map(or_null);
            Relation {
                columns: left.columns.iter().copied().chain(right_columns).collect(),
                rows: attached(left.rows, &right.rows, conditions),
                order: Vec::new(),
            }
        }
        JoinType::Right => {
            let left_columns = left.columns.iter().copied().map(or_null);
            Relation {
                columns: left_columns.chain(right.columns.iter().copied()).collect(),
                rows: attached(right.rows, &left.rows, conditions),
                order: Vec::new(),
            }
        }
        JoinType::Full => {
            let rows = Digest::of("full join")
                .bag(vec![left.rows.digest(), right.rows.digest()])
                .bag(conditions.into_iter().collect())
                .end();
            let columns = left.columns.into_iter().chain(right.columns);
            Relation {
                columns: columns.map(or_null).collect(),
                rows: Rows::one(rows),
                order: Vec::new(),
            }
        }
        JoinType::LeftSemi => met(left, &right, "semi join", conditions),
        JoinType::LeftAnti => met(left, &right, "anti join", conditions),
        JoinType::RightSemi => met(right, &left, "semi join", conditions),
        JoinType::RightAnti => met(right, &left, "anti join", conditions),
        JoinType::LeftMark => marked(left, &right, conditions),
        JoinType::RightMark => marked(right, &left, conditions),
    }
}

/// Rows to which those of another table are joined where there are some.
fn attached(mut rows: Rows, other: &Rows, conditions: BTreeSet<Digest>) -> Rows {
    rows.left_joins.insert(with("left join", other, conditions));
    rows
}

/// Rows for which there are, or are not, some of another table.
fn met(
    mut relation: Relation,
    other: &Relation,
    kind: &str,
    conditions: BTreeSet<Digest>,
) -> Relation {
    let condition = with(kind, &other.rows, conditions);
    relation.rows.conditions.insert(condition);
    relation.order.clear();
    relation
}

fn marked(mut relation: Relation, other: &Relation, conditions: BTreeSet<Digest>) -> Relation {
    let mark = with("mark", &other.rows, conditions);
    relation.columns.push(Value::computed(mark));
    relation.order.clear();
    relation
}

fn with(kind: &str, other: &Rows, conditions: BTreeSet<Digest>) -> Digest {
    Digest::of(kind)
        .digest(other.digest())
        .bag(conditions.into_iter().collect())
        .end()
}
