//! A model's settings as a write into its table.

use std::collections::BTreeMap;

use super::{Job, constraints, landing};
use crate::delta::{self, Merge, OwnColumn, PrimaryKey, Write};
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{Materialization, Model, Strategy};
use refx_core::plan::{Action, Step};
use refx_core::project::Spanned;
use refx_core::project::config::ColumnRule;

/// The write of a model's rows, as its settings want it.
pub(super) fn write(job: &Job, model: &Model, action: delta::Action) -> Result<Write, Diagnostic> {
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
        let as_of = job.basis.invocation.as_of;
        write.admission = key.map(|key| Merge::of(model, key, as_of));
    }
    write.configuration = properties(model);
    if !model.primary_key.is_empty() {
        // A table of another tool is not raised to a protocol that its owner did not ask for.
        write.defaults = BTreeMap::from([(FEED.to_owned(), true.to_string())]);
    }
    write.constraints = constraints::of_model(&job.basis.manifest, model);
    write.commit_info = landing::of_run(job);
    Ok(write)
}

/// Whether the same rows, taken in a second time, would change the table again.
pub(super) fn adds_up(action: &delta::Action) -> bool {
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

/// What the step does to its table; none where nothing lands.
pub(super) fn action(job: &Job, step: &Step, model: &Model) -> Option<delta::Action> {
    let key = PrimaryKey::new(&model.primary_key);
    let as_of = job.basis.invocation.as_of;
    let merge = |key: PrimaryKey| delta::Action::Merge(Merge::of(model, key, as_of));
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
        (Action::DeleteInsert, key) => Some(match PrimaryKey::new(&model.delete_by) {
            Some(by) => delta::Action::DeleteInsert { by, key },
            None => delta::Action::Append { key },
        }),
        // The manifest lets no such strategy through without a key.
        (Action::Merge, None) => Some(delta::Action::Append { key: None }),
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
