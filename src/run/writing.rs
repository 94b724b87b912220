//! A model's settings as a write into its table.

use std::collections::BTreeMap;

use super::{Job, landing};
use crate::delta::{self, Constraint, Merge, OwnColumn, PrimaryKey, Rule, UpdateColumns, Write};
use crate::diagnostic::Diagnostic;
use crate::manifest::{Materialization, Model, Node, Strategy};
use crate::plan::{Action, Step};
use crate::project::config::ColumnRule;
use crate::project::{ConstraintKind, Spanned};

/// The write of a model's rows, as its settings want it.
pub(super) fn write(
    job: &Job,
    node: &Node,
    model: &Model,
    action: delta::Action,
) -> Result<Write, Diagnostic> {
    let mut write = Write::new(job.tables.location(&model.relation)?, action);
    write.partition_by = model
        .config
        .partition_by
        .as_ref()
        .map(|columns| columns.value.0.clone())
        .unwrap_or_default();
    write.on_schema_change = model.config.on_schema_change.unwrap_or_default();
    write.on_duplicate_key = value(&model.config.on_duplicate_key);
    // A table that is built anew has the column as well.
    write.own_column = OwnColumn::of(&value(&model.config.on_missing));
    if model.materialization == Materialization::Incremental(Strategy::Merge) {
        let key = PrimaryKey::new(&model.primary_key);
        write.admission = key.map(|key| merge(job, model, key));
    }
    write.configuration = properties(model);
    if !model.primary_key.is_empty() {
        // A table of another tool is not raised to a protocol that its owner did not ask for.
        write.defaults = BTreeMap::from([(FEED.to_owned(), true.to_string())]);
    }
    write.constraints = constraints(model);
    write.commit_info = landing::commit_info(job, node);
    let once = adds_up(&write.action);
    write.transaction = Some(landing::transaction(job, node, once));
    Ok(write)
}

/// Whether the same rows, taken in a second time, would change the table again.
fn adds_up(action: &delta::Action) -> bool {
    let adds_up = |rule: &ColumnRule| matches!(rule, ColumnRule::Sum | ColumnRule::Sql(_));
    match action {
        delta::Action::Append { .. } => true,
        delta::Action::Merge(merge) => {
            let columns = merge.on_match.columns.iter().map(|(_, rule)| rule);
            columns.chain([&merge.on_match.others]).any(adds_up)
        }
        delta::Action::Overwrite { .. }
        | delta::Action::DeleteInsert { .. }
        | delta::Action::InsertOverwrite { .. } => false,
    }
}

/// The constraints that a commit is held to.
fn constraints(model: &Model) -> Vec<Constraint> {
    let of_columns = model.common.columns.iter().flat_map(|column| {
        let name = column.name.value.to_string();
        let constraints = column.constraints.iter();
        constraints.map(move |constraint| (constraint, vec![name.clone()]))
    });
    let of_table = model.constraints.iter().map(|constraint| {
        let columns = constraint.columns.iter();
        let columns = columns.map(|column| column.value.clone()).collect();
        (constraint, columns)
    });
    let mut found = Vec::new();
    for (constraint, columns) in of_columns.chain(of_table) {
        match (constraint.kind.value, &constraint.expression) {
            (ConstraintKind::NotNull, _) => {
                found.extend(columns.into_iter().map(|column| Constraint {
                    name: format!("`{column}` is not null"),
                    rule: Rule::NotNull { column },
                }));
            }
            (ConstraintKind::Check, Some(condition)) => found.push(Constraint {
                name: match &constraint.name {
                    Some(name) => format!("`{name}`: `{}`", condition.value),
                    None => format!("`{}`", condition.value),
                },
                rule: Rule::Check {
                    condition: condition.value.clone(),
                },
            }),
            _ => {}
        }
    }
    found
}

/// What the step does to its table; none where nothing lands.
pub(super) fn action(job: &Job, step: &Step, model: &Model) -> Option<delta::Action> {
    let key = PrimaryKey::new(&model.primary_key);
    let merge = |key: PrimaryKey| delta::Action::Merge(merge(job, model, key));
    let planned = match (&step.action, &model.materialization) {
        // Another run may make the table meanwhile, and its rows are not to be lost.
        (Action::Create, Materialization::Incremental(strategy)) => match strategy {
            Strategy::Merge => &Action::Merge,
            Strategy::Append => &Action::Append,
            Strategy::DeleteInsert => &Action::DeleteInsert,
            Strategy::InsertOverwrite => &Action::InsertOverwrite,
        },
        (planned, _) => planned,
    };
    match (planned, key) {
        (Action::View | Action::Ephemeral | Action::Seed | Action::Test | Action::UnitTest, _) => {
            None
        }
        (Action::Create | Action::Replace, key) => Some(delta::Action::Overwrite { key }),
        (Action::Append, key) => Some(delta::Action::Append { key }),
        (Action::InsertOverwrite, key) => Some(delta::Action::InsertOverwrite { key }),
        (Action::Merge, Some(key)) => Some(merge(key)),
        (Action::DeleteInsert, Some(key)) => Some(delta::Action::DeleteInsert { key }),
        // The manifest lets no such strategy through without a key.
        (Action::Merge | Action::DeleteInsert, None) => Some(delta::Action::Append { key: None }),
    }
}

/// The merge of a model's rows, as its settings want it.
fn merge(job: &Job, model: &Model, key: PrimaryKey) -> Merge {
    let config = &model.config;
    let text = |setting: &Option<Spanned<String>>| setting.as_ref().map(|text| text.value.clone());
    let predicates = config.incremental_predicates.iter();
    let predicates = predicates.flat_map(|all| all.iter());
    let ratio = config.max_delete_ratio.as_ref();
    Merge {
        update: match (&config.merge_update_columns, &config.merge_exclude_columns) {
            (Some(columns), _) => UpdateColumns::Only(columns.value.0.clone()),
            (None, Some(columns)) => UpdateColumns::Except(columns.value.0.clone()),
            (None, None) => UpdateColumns::All,
        },
        on_match: value(&config.on_match),
        update_when: text(&config.update_when),
        insert_when: text(&config.insert_when),
        delete_when: text(&config.delete_when),
        on_missing: value(&config.on_missing),
        missing_when: text(&config.not_matched_by_source_condition),
        max_delete_ratio: ratio.map_or(Merge::MAX_DELETE_RATIO, |ratio| ratio.value.0),
        predicates: predicates.map(|text| text.value.clone()).collect(),
        prune_by: value(&config.prune_by).0,
        source_alias: text(&config.source_alias),
        target_alias: text(&config.target_alias),
        as_of: job.basis.invocation.as_of,
        ..Merge::on(key)
    }
}

/// What a setting says, or its default.
fn value<T: Clone + Default>(setting: &Option<Spanned<T>>) -> T {
    let setting = setting.as_ref();
    setting
        .map(|setting| setting.value.clone())
        .unwrap_or_default()
}

const FEED: &str = "delta.enableChangeDataFeed";

/// The properties of the table. What the steward writes there himself stands.
fn properties(model: &Model) -> BTreeMap<String, String> {
    let feed = model.config.change_data_feed.as_ref();
    let feed = feed.map(|feed| (FEED.to_owned(), feed.value.to_string()));
    let properties = model.config.table_properties.iter().flatten();
    let properties = properties.map(|(name, value)| (name.clone(), value.to_string()));
    feed.into_iter().chain(properties).collect()
}
