//! What a change of code means: models whose plan is another one, column by column, and what that
//! reaches.
//!
//! Two checks are compared, so white space, comments and aliases count for nothing, and a macro or a
//! variable that changes the plan counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, Memory, Outcome, Query};
use crate::engine::Meaning;
use refx_core::manifest::{Manifest, Node, NodeId};

/// What is other than before.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Models whose own code has another meaning, in order of id.
    pub models: Vec<ModelChange>,
    /// Models that stay as they are written, and get other values or rows from those above them.
    pub reached: Vec<Reached>,
    pub exposures: Vec<ReachedExposure>,
    /// Models that cannot be planned now, and so not be compared.
    pub unknown: Vec<NodeId>,
    pub unchanged: usize,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.reached.is_empty() && self.unknown.is_empty()
    }
}

#[derive(Clone, Debug)]
pub struct ModelChange {
    pub id: NodeId,
    pub kind: ModelChangeKind,
}

#[derive(Clone, Debug)]
pub enum ModelChangeKind {
    Added,
    Removed,
    Changed(Changed),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// What decides which rows come out is other than before.
    pub rows: Vec<RowsChange>,
    pub columns: Vec<(String, ColumnChange)>,
    pub unchanged: usize,
    /// The form of the model where `is_incremental()` holds is another one, and the first load is not.
    pub only_increment: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsChange {
    /// Other tables are read, or grouped, united or limited otherwise.
    Tables,
    /// A condition of a filter or a join came, went or changed.
    Conditions,
    /// A join that takes no row away came, went or changed.
    LeftJoins,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    Added { data_type: String },
    Removed,
    Retyped { from: String, to: String },
    Meaning,
}

#[derive(Clone, Debug)]
pub struct Reached {
    pub id: NodeId,
    /// Columns that may hold other values.
    pub columns: Vec<String>,
    /// Whether other rows may come out.
    pub rows: bool,
}

#[derive(Clone, Debug)]
pub struct ReachedExposure {
    pub id: NodeId,
    /// The changed or reached models that it reads.
    pub through: Vec<NodeId>,
}

/// Compares the models among `answers` with those of an earlier check.
pub fn compare(manifest: &Manifest, before: &Memory, answers: &Answers) -> Difference {
    let mut difference = Difference::default();
    let mut touched: BTreeSet<&NodeId> = BTreeSet::new();
    for (id, checked) in answers {
        if manifest.get(id).and_then(Node::as_model).is_none() {
            continue;
        }
        let now = match &checked.outcome {
            Outcome::Planned(planned) => planned.query.as_ref(),
            Outcome::Failed | Outcome::NotChecked { .. } => None,
        };
        match (before.query(id), now) {
            (_, None) => difference.unknown.push(id.clone()),
            (None, Some(_)) => {
                touched.insert(id);
                difference.models.push(ModelChange {
                    id: id.clone(),
                    kind: ModelChangeKind::Added,
                });
            }
            (Some(old), Some(new)) => {
                let changed = changed(old, new);
                let reached = reached(id, old, new);
                match (changed, reached) {
                    (Some(changed), _) => {
                        touched.insert(id);
                        difference.models.push(ModelChange {
                            id: id.clone(),
                            kind: ModelChangeKind::Changed(changed),
                        });
                    }
                    (None, Some(reached)) => {
                        touched.insert(id);
                        difference.reached.push(reached);
                    }
                    (None, None) => difference.unchanged += 1,
                }
            }
        }
    }
    let gone = before.models().filter(|id| manifest.get(id).is_none());
    difference.models.extend(gone.map(|id| ModelChange {
        id,
        kind: ModelChangeKind::Removed,
    }));
    difference.models.sort_by(|a, b| a.id.cmp(&b.id));
    for node in manifest.nodes.values() {
        let through = node.common().depends_on.iter();
        let through: Vec<NodeId> = through.filter(|id| touched.contains(id)).cloned().collect();
        if matches!(node, Node::Exposure(_)) && !through.is_empty() {
            difference.exposures.push(ReachedExposure {
                id: node.id().clone(),
                through,
            });
        }
    }
    difference
}

/// For each model that both checks planned, whether its own code means the same.
pub fn same_code(before: &Memory, answers: &Answers) -> BTreeMap<NodeId, bool> {
    let both = answers.iter().filter_map(|(id, checked)| {
        let now = checked.planned()?.query.as_ref()?;
        let same = changed(before.query(id)?, now).is_none();
        Some((id.clone(), same))
    });
    both.collect()
}

fn changed(old: &Query, new: &Query) -> Option<Changed> {
    let mut changed = of_meaning(&old.own, &new.own);
    let first = !changed.rows.is_empty() || !changed.columns.is_empty();
    if first {
        return Some(changed);
    }
    // The first load is the same; the loads after it may not be.
    changed = match (&old.increment, &new.increment) {
        (None, None) => return None,
        (Some(old), Some(new)) => of_meaning(old, new),
        // The model began or ceased to ask whether it runs as an increment.
        (Some(one), None) | (None, Some(one)) => of_meaning(&old.own, one),
    };
    changed.only_increment = true;
    (!changed.rows.is_empty() || !changed.columns.is_empty()).then_some(changed)
}

fn of_meaning(old: &Meaning, new: &Meaning) -> Changed {
    let mut columns = Vec::new();
    let mut unchanged = 0;
    for column in &new.columns {
        let before = old.columns.iter().find(|old| old.name == column.name);
        let change = match before {
            None => ColumnChange::Added {
                data_type: column.data_type.clone(),
            },
            Some(before) if before.data_type != column.data_type => ColumnChange::Retyped {
                from: before.data_type.clone(),
                to: column.data_type.clone(),
            },
            Some(before) if before.digest != column.digest => ColumnChange::Meaning,
            Some(_) => {
                unchanged += 1;
                continue;
            }
        };
        columns.push((column.name.clone(), change));
    }
    let is_gone = |name: &String| new.columns.iter().all(|column| column.name != *name);
    let gone = old.columns.iter().map(|column| &column.name);
    let gone = gone.filter(|name| is_gone(name));
    columns.extend(gone.map(|name| (name.clone(), ColumnChange::Removed)));
    Changed {
        rows: of_rows(old, new),
        columns,
        unchanged,
        only_increment: false,
    }
}

fn of_rows(old: &Meaning, new: &Meaning) -> Vec<RowsChange> {
    if old.rows == new.rows {
        return Vec::new();
    }
    let (old, new) = (&old.parts, &new.parts);
    let parts = [
        (old.tables != new.tables, RowsChange::Tables),
        (old.conditions != new.conditions, RowsChange::Conditions),
        (old.left_joins != new.left_joins, RowsChange::LeftJoins),
    ];
    let parts = parts.into_iter().filter(|(differs, _)| *differs);
    parts.map(|(_, change)| change).collect()
}

/// What a model gets from changes above it.
fn reached(id: &NodeId, old: &Query, new: &Query) -> Option<Reached> {
    let columns = new.whole.columns.iter().filter(|column| {
        let before = old.whole.columns.iter();
        let mut before = before.filter(|old| old.name == column.name);
        before.next().is_none_or(|old| old.digest != column.digest)
    });
    let columns: Vec<String> = columns.map(|column| column.name.clone()).collect();
    let rows = old.whole.rows != new.whole.rows;
    (rows || !columns.is_empty()).then(|| Reached {
        id: id.clone(),
        columns,
        rows,
    })
}
