//! Column lineage over the whole project: the lineages of single queries, put together.
//!
//! A path leads from a column of a source, through the columns that are made of it, to the columns of
//! published tables. What decides about the rows of a model stands apart: it touches every column of
//! that model, and a path that goes on through it would lead from everywhere to everywhere. So such a
//! step is the last of its path.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Answers;
use crate::engine::{How, Lineage, Name, Role};
use refx_core::manifest::{Manifest, NodeId};
use refx_core::select::{ColumnId, ColumnPaths, Direction};

/// The columns of everything that was checked, and how they depend on each other.
pub fn columns(manifest: &Manifest, answers: &Answers) -> Columns {
    let nodes = manifest.nodes.values();
    let readable = nodes.filter(|node| node.relation().is_some());
    let known = readable.map(|node| {
        let planned = answers.get(node.id()).and_then(|checked| checked.planned());
        let fields = planned.iter().flat_map(|planned| planned.shape.fields());
        let known = NodeColumns {
            columns: fields.map(|field| field.name().clone()).collect(),
            lineage: planned
                .and_then(|planned| planned.query.as_ref())
                .map(|query| &query.lineage),
        };
        (node.id().clone(), known)
    });
    // A query reads what its node depends on, and no other table of the same name.
    let table = |reader: &NodeId, name: &Name| {
        let reader = manifest.get(reader)?;
        let read = reader.common().depends_on.iter().chain([reader.id()]);
        let mut read = read.filter_map(|id| manifest.get(id));
        let found = read.find(|node| node.relation().is_some_and(|own| Name::of(own).is(name)))?;
        Some(found.id().clone())
    };
    Columns::of(&known.collect(), &table)
}

/// How one column depends on another, the weakest first. A path through what only decides about a
/// value is one that decides; else it is as strong as its strongest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    Decides(Role),
    Value(How),
}

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Decides(role) => role.as_str(),
            Way::Value(how) => how.as_str(),
        }
    }

    /// The way of a path that goes on by another step.
    fn then(self, next: Way) -> Way {
        match (self, next) {
            (Way::Value(one), Way::Value(other)) => Way::Value(one.max(other)),
            (Way::Decides(role), _) | (_, Way::Decides(role)) => Way::Decides(role),
        }
    }
}

/// What is known of a node.
#[derive(Clone, Debug)]
struct NodeColumns<'a> {
    columns: Vec<String>,
    /// None for what refx does not make, such as sources, and for what could not be planned.
    lineage: Option<&'a Lineage>,
}

/// The columns of all nodes, and how they depend on each other.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    columns: BTreeMap<NodeId, Vec<String>>,
    inputs: BTreeMap<ColumnId, Vec<(ColumnId, Way)>>,
    readers: BTreeMap<ColumnId, Vec<(ColumnId, Way)>>,
    counts: BTreeMap<ColumnId, Vec<NodeId>>,
    rows: BTreeMap<NodeId, Vec<(ColumnId, Role)>>,
    row_readers: BTreeMap<ColumnId, Vec<(NodeId, Role)>>,
    ends: BTreeSet<NodeId>,
}

impl Columns {
    /// Puts lineages together. `table` gives the node that a query of a node reads under a name.
    fn of(
        nodes: &BTreeMap<NodeId, NodeColumns>,
        table: &dyn Fn(&NodeId, &Name) -> Option<NodeId>,
    ) -> Columns {
        let mut all = Columns::default();
        for (id, known) in nodes {
            all.columns.insert(id.clone(), known.columns.clone());
            match known.lineage {
                // A model that reads its own table adds nothing to what it is made of.
                Some(lineage) => {
                    all.add(id, lineage, &|name| table(id, name).filter(|at| at != id))
                }
                None => _ = all.ends.insert(id.clone()),
            }
        }
        all
    }

    fn add(&mut self, id: &NodeId, lineage: &Lineage, table: &dyn Fn(&Name) -> Option<NodeId>) {
        for column in &lineage.columns {
            let own = ColumnId {
                node: id.clone(),
                column: column.name.clone(),
            };
            let values = column.inputs.iter();
            let values = values.map(|(input, how)| (input, Way::Value(*how)));
            let deciding = column.decided_by.iter();
            let deciding =
                deciding.map(|influence| (&influence.input, Way::Decides(influence.role)));
            for (input, way) in values.chain(deciding) {
                let Some(node) = table(&input.table) else {
                    continue;
                };
                let input = ColumnId {
                    node,
                    column: input.column.clone(),
                };
                let readers = self.readers.entry(input.clone()).or_default();
                readers.push((own.clone(), way));
                self.inputs
                    .entry(own.clone())
                    .or_default()
                    .push((input, way));
            }
            let counted: Vec<NodeId> = column.counts.iter().filter_map(table).collect();
            if !counted.is_empty() {
                self.counts.insert(own, counted);
            }
        }
        for influence in &lineage.rows {
            let Some(node) = table(&influence.input.table) else {
                continue;
            };
            let input = ColumnId {
                node,
                column: influence.input.column.clone(),
            };
            let readers = self.row_readers.entry(input.clone()).or_default();
            readers.push((id.clone(), influence.role));
            let rows = self.rows.entry(id.clone()).or_default();
            rows.push((input, influence.role));
        }
    }

    /// The columns of a node, in order; none for a node that is not known.
    pub fn of_node(&self, id: &NodeId) -> &[String] {
        self.columns.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether paths end at the node, as they do at sources.
    pub fn is_end(&self, id: &NodeId) -> bool {
        self.ends.contains(id)
    }

    /// The next columns in a direction, each with the way there: values first, then what decides.
    pub fn next(&self, column: &ColumnId, direction: Direction) -> &[(ColumnId, Way)] {
        let steps = match direction {
            Direction::Up => &self.inputs,
            Direction::Down => &self.readers,
        };
        steps.get(column).map_or(&[], Vec::as_slice)
    }

    /// The nodes whose rows a column counts.
    pub fn counted(&self, column: &ColumnId) -> &[NodeId] {
        self.counts.get(column).map_or(&[], Vec::as_slice)
    }

    /// What decides about the rows of a node.
    pub fn rows(&self, id: &NodeId) -> &[(ColumnId, Role)] {
        self.rows.get(id).map_or(&[], Vec::as_slice)
    }

    /// The nodes about whose rows a column decides.
    pub fn row_readers(&self, column: &ColumnId) -> &[(NodeId, Role)] {
        self.row_readers.get(column).map_or(&[], Vec::as_slice)
    }

    /// Every column that can be reached, with the strongest way there; without the start.
    pub fn reach(&self, start: &ColumnId, direction: Direction) -> BTreeMap<ColumnId, Way> {
        let mut found: BTreeMap<ColumnId, Way> = BTreeMap::new();
        let mut queue = VecDeque::from([(start, None)]);
        while let Some((at, so_far)) = queue.pop_front() {
            for (next, step) in self.next(at, direction) {
                let way = so_far.map_or(*step, |so_far: Way| so_far.then(*step));
                if next != start && found.get(next).is_none_or(|known| *known < way) {
                    found.insert(next.clone(), way);
                    queue.push_back((next, Some(way)));
                }
            }
        }
        found
    }

    /// The columns at the ends of all paths upwards: of what a column is made in the end.
    pub fn sources(&self, start: &ColumnId) -> BTreeMap<ColumnId, Way> {
        let mut found = self.reach(start, Direction::Up);
        found.retain(|column, _| self.is_end(&column.node));
        found
    }

    /// The nodes whose rows the values of a column count, be it by way of other columns.
    pub fn all_counted(&self, start: &ColumnId) -> BTreeSet<NodeId> {
        let mut found: BTreeSet<NodeId> = self.counted(start).iter().cloned().collect();
        for (column, way) in self.reach(start, Direction::Up) {
            if matches!(way, Way::Value(_)) {
                found.extend(self.counted(&column).iter().cloned());
            }
        }
        found
    }
}

impl ColumnPaths for Columns {
    fn columns(&self, node: &NodeId) -> &[String] {
        self.of_node(node)
    }

    fn steps(&self, column: &ColumnId, direction: Direction) -> Vec<&ColumnId> {
        let next = self.next(column, direction).iter();
        next.map(|(column, _)| column).collect()
    }

    fn decides_rows_of(&self, column: &ColumnId) -> Vec<&NodeId> {
        let readers = self.row_readers(column).iter();
        readers.map(|(node, _)| node).collect()
    }

    fn rows_depend_on(&self, node: &NodeId) -> Vec<&ColumnId> {
        let columns = self.rows(node).iter();
        columns.map(|(column, _)| column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ColumnLineage, Influence, Input};

    fn id(name: &str) -> NodeId {
        NodeId::new(name)
    }

    fn at(text: &str) -> ColumnId {
        let (node, column) = text.rsplit_once('.').unwrap();
        ColumnId {
            node: id(node),
            column: column.to_owned(),
        }
    }

    fn input(text: &str) -> Input {
        let (table, column) = text.rsplit_once('.').unwrap();
        Input {
            table: Name::bare(table),
            column: column.to_owned(),
        }
    }

    fn column(name: &str, inputs: &[(&str, How)], decided_by: &[(&str, Role)]) -> ColumnLineage {
        let decided_by = decided_by.iter();
        ColumnLineage {
            name: name.to_owned(),
            inputs: inputs
                .iter()
                .map(|(text, how)| (input(text), *how))
                .collect(),
            decided_by: decided_by
                .map(|(text, role)| influence(text, *role))
                .collect(),
            counts: BTreeSet::new(),
        }
    }

    fn influence(text: &str, role: Role) -> Influence {
        Influence {
            input: input(text),
            role,
        }
    }

    /// raw(id, at, kind) ─▶ staged(id, first) ─▶ daily(id, n, total) ─▶ wide(key, total, label)
    fn columns() -> Columns {
        let staged = Lineage {
            columns: vec![
                column("id", &[("raw.id", How::Copied)], &[]),
                column("first", &[], &[("raw.at", Role::Order)]),
            ],
            rows: [influence("raw.kind", Role::Filter)].into(),
            tables: [Name::bare("raw")].into(),
        };
        let daily = Lineage {
            columns: vec![
                column(
                    "id",
                    &[("staged.id", How::Copied), ("daily.id", How::Copied)],
                    &[],
                ),
                ColumnLineage {
                    counts: [Name::bare("staged")].into(),
                    ..column("n", &[], &[])
                },
                column("total", &[("staged.first", How::Aggregated)], &[]),
            ],
            rows: [influence("staged.id", Role::GroupKey)].into(),
            tables: [Name::bare("staged")].into(),
        };
        let wide = Lineage {
            columns: vec![
                column("key", &[("daily.id", How::Derived)], &[]),
                column(
                    "total",
                    &[("daily.total", How::Copied), ("daily.n", How::Derived)],
                    &[],
                ),
                column("label", &[], &[]),
            ],
            rows: BTreeSet::new(),
            tables: [Name::bare("daily")].into(),
        };
        let node = |names: &[&str], lineage| NodeColumns {
            columns: names.iter().map(|name| name.to_string()).collect(),
            lineage,
        };
        let nodes = [
            (id("raw"), node(&["id", "at", "kind"], None)),
            (id("staged"), node(&["id", "first"], Some(&staged))),
            (id("daily"), node(&["id", "n", "total"], Some(&daily))),
            (id("wide"), node(&["key", "total", "label"], Some(&wide))),
        ];
        Columns::of(&nodes.into(), &|_, name| Some(id(&name.table)))
    }

    fn told(found: BTreeMap<ColumnId, Way>) -> Vec<String> {
        let found = found.iter();
        found
            .map(|(column, way)| format!("{} {}.{}", way.as_str(), column.node, column.column))
            .collect()
    }

    #[test]
    fn paths_lead_to_the_sources() {
        let columns = columns();
        assert_eq!(told(columns.sources(&at("wide.key"))), ["derived raw.id"]);
        assert_eq!(told(columns.sources(&at("wide.total"))), ["order raw.at"]);
        assert_eq!(told(columns.sources(&at("wide.label"))), [""; 0]);
        assert_eq!(
            columns.all_counted(&at("wide.total")),
            [id("staged")].into()
        );
    }

    #[test]
    fn a_path_is_as_strong_as_its_strongest_step() {
        let columns = columns();
        assert_eq!(
            told(columns.reach(&at("wide.total"), Direction::Up)),
            [
                "derived daily.n",
                "copied daily.total",
                "order raw.at",
                "aggregated staged.first"
            ]
        );
        assert_eq!(
            told(columns.reach(&at("raw.id"), Direction::Down)),
            ["copied daily.id", "copied staged.id", "derived wide.key"]
        );
    }

    #[test]
    fn what_decides_about_rows_ends_a_path() {
        let columns = columns();
        assert!(columns.reach(&at("raw.kind"), Direction::Down).is_empty());
        assert_eq!(
            columns.row_readers(&at("raw.kind")),
            [(id("staged"), Role::Filter)]
        );
        assert_eq!(
            columns.rows(&id("daily")),
            [(at("staged.id"), Role::GroupKey)]
        );
    }

    #[test]
    fn a_model_that_reads_itself_has_no_path_to_itself() {
        let columns = columns();
        let found = columns.reach(&at("daily.id"), Direction::Up);
        assert_eq!(told(found), ["copied raw.id", "copied staged.id"]);
    }
}
