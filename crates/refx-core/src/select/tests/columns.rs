//! `column:` over paths that the tests make up.

use std::collections::BTreeMap;

use super::*;
use crate::select::{ColumnId, ColumnPaths, Direction};

/// Columns as `node.column`, with ids in their short form.
#[derive(Debug, Default)]
struct Paths {
    columns: BTreeMap<NodeId, Vec<String>>,
    steps: Vec<(ColumnId, ColumnId)>,
    rows: Vec<(ColumnId, NodeId)>,
}

fn at(text: &str) -> ColumnId {
    let (node, column) = text.rsplit_once('.').expect("it has a dot");
    ColumnId {
        node: id(node),
        column: column.to_string(),
    }
}

impl Paths {
    /// `from -> to` for values, `from => node` for rows.
    fn of(lines: &[&str]) -> Paths {
        let mut paths = Paths::default();
        for line in lines {
            if let Some((from, to)) = line.split_once(" -> ") {
                paths.steps.push((at(from), at(to)));
                paths.know(at(to));
                paths.know(at(from));
            } else if let Some((from, node)) = line.split_once(" => ") {
                paths.rows.push((at(from), id(node)));
                paths.know(at(from));
            }
        }
        paths
    }

    fn know(&mut self, column: ColumnId) {
        let columns = self.columns.entry(column.node).or_default();
        if !columns.contains(&column.column) {
            columns.push(column.column);
        }
    }
}

impl ColumnPaths for Paths {
    fn columns(&self, node: &NodeId) -> &[String] {
        self.columns.get(node).map_or(&[], Vec::as_slice)
    }

    fn steps(&self, column: &ColumnId, direction: Direction) -> Vec<&ColumnId> {
        let steps = self.steps.iter();
        steps
            .filter_map(|(from, to)| match direction {
                Direction::Up => (to == column).then_some(from),
                Direction::Down => (from == column).then_some(to),
            })
            .collect()
    }

    fn decides_rows_of(&self, column: &ColumnId) -> Vec<&NodeId> {
        let rows = self.rows.iter().filter(|(from, _)| from == column);
        rows.map(|(_, node)| node).collect()
    }

    fn rows_depend_on(&self, node: &NodeId) -> Vec<&ColumnId> {
        let rows = self.rows.iter().filter(|(_, of)| of == node);
        rows.map(|(from, _)| from).collect()
    }
}

fn paths() -> Paths {
    Paths::of(&[
        "source.raw.events.at -> model.stg_events.at",
        "source.raw.events.user_id -> model.stg_events.user_id",
        "source.raw.users.user_id -> model.stg_users.user_id",
        "model.stg_events.at -> model.recency.days",
        "model.recency.days -> model.segments.segment",
        "model.stg_users.user_id -> model.segments.user_id",
        "model.segments.segment -> model.user_360.segment",
        "model.stg_events.user_id -> model.plays.user_id",
        "model.stg_events.at => model.plays",
    ])
}

fn picked(text: &str) -> String {
    let (manifest, paths) = (manifest(), paths());
    let graph = graph::build(&manifest).expect("the nodes of the tests have no circle");
    let scope = Scope {
        manifest: &manifest,
        graph: &graph,
        selectors: &Selectors::default(),
        state: State::default(),
        columns: Some(&paths),
        runs: &[ResourceType::Model, ResourceType::Source],
    };
    let criteria = Criteria {
        select: vec![text.to_string()],
        allow_empty: true,
        ..Criteria::default()
    };
    match pick(&criteria, &scope) {
        Ok(picked) => match picked.diagnostics.first() {
            Some(warning) => told(warning),
            None => names(&picked),
        },
        Err(error) => told(&error),
    }
}

#[test]
fn a_column_picks_its_node() {
    assert_eq!(picked("column:stg_events.at"), "stg_events");
    assert_eq!(picked("column:raw.events.at"), "raw.events");
    assert_eq!(picked("column:*.stg_ev*.at"), "stg_events");
    assert_eq!(picked("column:staging.stg_events.at"), "stg_events");
}

#[test]
fn only_what_is_made_of_it_is_downstream() {
    // `plays` filters on it and reads no value of it, so what reads `plays` is not reached that way.
    assert_eq!(
        picked("column:stg_events.at+"),
        "plays recency segments stg_events user_360"
    );
    assert_eq!(picked("column:stg_events.user_id+"), "plays stg_events");
    assert_eq!(picked("column:stg_events.at+1"), "plays recency stg_events");
    assert_eq!(picked("column:stg_users.user_id+"), "segments stg_users");
}

#[test]
fn only_what_it_is_made_of_is_upstream() {
    assert_eq!(
        picked("+column:segments.segment"),
        "recency segments stg_events raw.events"
    );
    assert_eq!(picked("1+column:segments.segment"), "recency segments");
    // Its rows depend on `stg_events.at`, and that on the source's.
    assert_eq!(
        picked("+column:plays.user_id"),
        "plays stg_events raw.events"
    );
    assert_eq!(
        picked("+column:segments.user_id"),
        "segments stg_users raw.users"
    );
}

#[test]
fn an_at_sign_brings_all_that_the_readers_need() {
    assert_eq!(
        picked("@column:stg_users.user_id"),
        "recency segments stg_events stg_users raw.events raw.users"
    );
}

#[test]
fn columns_go_with_other_parts() {
    assert_eq!(picked("column:stg_events.at+,tag:daily"), "plays user_360");
    assert_eq!(picked("column:*_events.*"), "stg_events");
}

#[test]
fn a_slip_is_answered_with_the_nearest_column() {
    assert_eq!(
        picked("column:stg_events.att"),
        "`column:stg_events.att` matches nothing\nhelp: did you mean `column:stg_events.at`?"
    );
    assert_eq!(
        picked("column:stg_events"),
        "`column:stg_events` names no column\nhelp: write `column:stg_events.name_of_the_column`"
    );
}

#[test]
fn without_plans_it_cannot_be_told() {
    assert_eq!(
        shown(pick_all(&ask(&["column:stg_events.at"], &[]))),
        "`column:stg_events.at` needs the plans of the models"
    );
}

#[test]
fn who_asks_for_columns_is_known_beforehand() {
    let selectors = Selectors::default();
    let asks = |text: &str| crate::select::asks_for_columns(&ask(&[text], &[]), &selectors);
    assert!(asks("tag:daily +column:a.b,crm"));
    assert!(!asks("tag:column"));
}
