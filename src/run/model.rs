//! A model: its query planned, and its rows taken into its table.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inputs::located;
use super::step::{Ended, Work};
use super::{Job, Live, Outcome, hooks, landing};
use crate::compile;
use crate::delta::{self, Merge, OnSchemaChange, PrimaryKey, UpdateColumns, Write};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::manifest::{Materialization, Model, Node, Strategy};
use crate::plan::{self, Action, Step};
use crate::project::config;

pub(super) async fn run(work: &Work<'_>, model: &Model) -> Result<Ended, Diagnostic> {
    let Work {
        job, step, node, ..
    } = *work;
    let inputs = job.inputs();
    let session = job.engine.session();
    inputs.of(&session, node).await?;
    hooks::of_node(&inputs, &session, node, &model.config.pre_hook).await?;
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::render(&job.basis, node, Some(queries))?;
    work.keep(&compiled);
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, &compiled))?;
    let mut warnings = compiled.warnings.clone();
    warnings.extend(plan::stale_rows(
        model,
        job.basis.facts.get(node.id()),
        &step.action,
    ));
    let outcome = match action(step, model) {
        None => {
            hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            Outcome::Planned
        }
        Some(action) => {
            let write = write(job, node, model, action)?;
            let commit = match landing::commit(work, &plan, &write, &session).await {
                Ok(commit) => commit,
                Err(delta::Error::Held) => {
                    return Ok(Ended {
                        outcome: landing::held(work),
                        warnings,
                    });
                }
                Err(delta::Error::Engine(error)) => {
                    return Err(located(session.told(&compiled.sql, error), &compiled));
                }
                Err(error) => {
                    let place = place(&error, model, node);
                    return Err(error.into_diagnostic().at(place));
                }
            };
            for column in &commit.columns_added {
                warnings.push(
                    Diagnostic::warning(
                        Code::SchemaMismatch,
                        format!("the table got the new column `{column}`"),
                    )
                    .at(node.common().span.clone()),
                );
            }
            let outcome = landing::outcome(job, node.id(), &commit);
            if !model.config.post_hook.is_empty() {
                inputs.of(&session, node).await?;
                hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            }
            outcome
        }
    };
    Ok(Ended { outcome, warnings })
}

/// The write of a model's rows, as its settings want it.
fn write(
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
    write.on_schema_change = match model.config.on_schema_change {
        None | Some(config::OnSchemaChange::AppendNewColumns) => OnSchemaChange::AppendNewColumns,
        Some(config::OnSchemaChange::Ignore) => OnSchemaChange::Ignore,
        Some(config::OnSchemaChange::Fail) => OnSchemaChange::Fail,
        Some(config::OnSchemaChange::SyncAllColumns) => OnSchemaChange::SyncAllColumns,
    };
    write.configuration = properties(model);
    write.commit_info = landing::commit_info(job, node);
    Ok(write)
}

/// What the step does to its table; none where nothing lands.
fn action(step: &Step, model: &Model) -> Option<delta::Action> {
    let key = PrimaryKey::new(&model.primary_key);
    let merge = |key: PrimaryKey| {
        let config = &model.config;
        let update = match (&config.merge_update_columns, &config.merge_exclude_columns) {
            (Some(columns), _) => UpdateColumns::Only(columns.value.0.clone()),
            (None, Some(columns)) => UpdateColumns::Except(columns.value.0.clone()),
            (None, None) => UpdateColumns::All,
        };
        let predicates = config
            .incremental_predicates
            .iter()
            .flat_map(|all| all.iter());
        delta::Action::Merge(Merge {
            key,
            update,
            predicates: predicates.map(|text| text.value.clone()).collect(),
        })
    };
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
        (Action::View | Action::Ephemeral | Action::Seed | Action::Test, _) => None,
        (Action::Create | Action::Replace, key) => Some(delta::Action::Overwrite { key }),
        (Action::Append, key) => Some(delta::Action::Append { key }),
        (Action::InsertOverwrite, key) => Some(delta::Action::InsertOverwrite { key }),
        (Action::Merge, Some(key)) => Some(merge(key)),
        (Action::DeleteInsert, Some(key)) => Some(delta::Action::DeleteInsert { key }),
        // The manifest lets no such strategy through without a key.
        (Action::Merge | Action::DeleteInsert, None) => Some(delta::Action::Append { key: None }),
    }
}

fn properties(model: &Model) -> BTreeMap<String, String> {
    let properties = model.config.table_properties.iter().flatten();
    properties
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect()
}

/// Where an error of the table is shown: one about the key at the key's declaration.
fn place(error: &delta::Error, model: &Model, node: &Node) -> Span {
    let of_key = match error {
        delta::Error::NullKey { .. } | delta::Error::DuplicateKey { .. } => true,
        delta::Error::Schema { column, .. } => column
            .as_ref()
            .is_some_and(|column| model.primary_key.contains(column)),
        _ => false,
    };
    match &model.config.primary_key {
        Some(key) if of_key => key.span.clone(),
        _ => node.common().span.clone(),
    }
}
