//! One step of a plan: what it reads, what it computes, what it commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::inputs::{located, name};
use super::{Event, Inputs, Job, Live, Outcome, RowCounts, SkipReason, hooks, verdict};
use crate::compile;
use crate::delta::{self, Merge, OnSchemaChange, PrimaryKey, UpdateColumns, Write};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::{self, Name, Session, SourceOptions, SourceTable};
use crate::manifest::{Materialization, Model, Node, NodeId, Seed, Strategy};
use crate::plan::{self, Action, Step};
use crate::project::config;

/// How often a running step tells how many rows it has.
const PROGRESS: Duration = Duration::from_millis(200);

/// What is left of a step when it is over.
pub(super) struct Ended {
    pub outcome: Outcome,
    pub warnings: Vec<Diagnostic>,
    pub compiled: Option<Arc<str>>,
}

impl Ended {
    pub(super) fn failed(diagnostic: Diagnostic) -> Self {
        Ended {
            outcome: Outcome::Failed(diagnostic),
            warnings: Vec::new(),
            compiled: None,
        }
    }
}

pub(super) async fn run(job: &Job, step: &Step) -> Ended {
    let node = match job.node(&step.node) {
        Ok(node) => node,
        Err(diagnostic) => return Ended::failed(diagnostic),
    };
    let work = async {
        match node {
            Node::Model(model) => run_model(job, step, node, model).await,
            Node::Seed(seed) => run_seed(job, node, seed).await,
            Node::Test(test) => verdict::of(job, node, test).await,
            Node::Source(_) | Node::Exposure(_) | Node::Analysis(_) => Err(Diagnostic::error(
                Code::Unsupported,
                format!("`{}` has nothing to run", node.name()),
            )),
        }
    };
    tokio::select! {
        ended = work => ended.unwrap_or_else(|diagnostic| Ended::failed(placed(diagnostic, node))),
        () = job.interrupt.wait() => interrupted(job, node).await,
    }
}

/// A diagnostic that knows no place is shown at the node's.
fn placed(diagnostic: Diagnostic, node: &Node) -> Diagnostic {
    match diagnostic.span {
        Some(_) => diagnostic,
        None => diagnostic.at(node.common().span.clone()),
    }
}

/// A step that was given up. A commit is atomic and may have been made at the last moment, so the
/// table itself is asked.
async fn interrupted(job: &Job, node: &Node) -> Ended {
    let before = job.tables.version(node.id());
    let mut outcome = Outcome::Skipped(SkipReason::Interrupted);
    if let Some(relation) = node.relation()
        && let Ok(location) = job.tables.location(relation)
        && let Ok(Some(facts)) = delta::inspect(&location).await
        && let Ok(version) = u64::try_from(facts.version)
        && before.is_none_or(|before| version > before)
    {
        outcome = Outcome::Committed {
            version,
            rows: RowCounts::default(),
        };
    }
    Ended {
        outcome,
        warnings: Vec::new(),
        compiled: None,
    }
}

async fn run_model(
    job: &Job,
    step: &Step,
    node: &Node,
    model: &Model,
) -> Result<Ended, Diagnostic> {
    let inputs = job.inputs();
    let session = job.engine.session();
    inputs.of(&session, node).await?;
    hooks::of_node(&inputs, &session, node, &model.config.pre_hook).await?;
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::render(&job.house, node, Some(queries))?;
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, &compiled))?;
    let mut warnings = compiled.warnings.clone();
    warnings.extend(plan::stale_rows(
        model,
        job.house.facts.get(node.id()),
        &step.action,
    ));
    let outcome = match action(step, model) {
        None => {
            hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            Outcome::Planned
        }
        Some(action) => {
            let mut write = Write::new(job.tables.location(&model.relation)?, action);
            write.partition_by = model
                .config
                .partition_by
                .as_ref()
                .map(|columns| columns.value.0.clone())
                .unwrap_or_default();
            write.on_schema_change = match model.config.on_schema_change {
                None | Some(config::OnSchemaChange::AppendNewColumns) => {
                    OnSchemaChange::AppendNewColumns
                }
                Some(config::OnSchemaChange::Ignore) => OnSchemaChange::Ignore,
                Some(config::OnSchemaChange::Fail) => OnSchemaChange::Fail,
                Some(config::OnSchemaChange::SyncAllColumns) => OnSchemaChange::SyncAllColumns,
            };
            write.configuration = properties(model);
            write.commit_info = commit_info(job, node);
            let written = commit(job, node, &plan, &write, &session).await;
            let commit = written.map_err(|error| match error {
                delta::Error::Engine(error) => {
                    located(session.told(&compiled.sql, error), &compiled)
                }
                error => {
                    let place = place(&error, model, node);
                    error.into_diagnostic().at(place)
                }
            })?;
            for column in &commit.columns_added {
                warnings.push(
                    Diagnostic::warning(
                        Code::SchemaMismatch,
                        format!("the table got the new column `{column}`"),
                    )
                    .at(node.common().span.clone()),
                );
            }
            let outcome = outcome(job, node.id(), &commit);
            if !model.config.post_hook.is_empty() {
                inputs.of(&session, node).await?;
                hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
            }
            outcome
        }
    };
    Ok(Ended {
        outcome,
        warnings,
        compiled: Some(compiled.sql),
    })
}

async fn run_seed(job: &Job, node: &Node, seed: &Seed) -> Result<Ended, Diagnostic> {
    let inputs = job.inputs();
    let session = job.engine.session();
    let file = Name::qualified("refx", "seed");
    let delimiter = seed
        .config
        .delimiter
        .as_ref()
        .and_then(|text| text.value.chars().next());
    // A type that the project file gives to a whole folder is for the seeds that have the column.
    let (of_folder, columns): (Vec<_>, Vec<_>) = (seed.config.column_types.iter().flatten())
        .map(|(name, data_type)| (data_type, (name.clone(), data_type.value.clone())))
        .partition(|(data_type, _)| data_type.span.file.ends_with("project.yml"));
    let source = SourceTable {
        options: SourceOptions {
            delimiter,
            columns: columns.into_iter().map(|(_, column)| column).collect(),
            columns_if_there: of_folder.into_iter().map(|(_, column)| column).collect(),
            ..SourceOptions::default()
        },
        ..SourceTable::at(inputs.path(&seed.common.path))
    };
    let whole = || Span::file(seed.common.path.clone());
    session
        .register_source(&file, &source)
        .await
        .map_err(|error| error.into_diagnostic().at(whole()))?;
    inputs.of(&session, node).await?;
    hooks::of_node(&inputs, &session, node, &seed.config.pre_hook).await?;
    let plan = session
        .plan("select * from refx.seed")
        .await
        .map_err(|error| error.into_diagnostic().at(whole()))?;
    let key = seed.config.primary_key.as_ref();
    let key = key.and_then(|key| PrimaryKey::new(key.value.iter()));
    let location = job.tables.location(&seed.relation)?;
    let mut write = Write::new(location, delta::Action::Overwrite { key });
    write.commit_info = commit_info(job, node);
    let written = commit(job, node, &plan, &write, &session).await;
    let commit = written.map_err(|error| {
        let diagnostic = match error {
            delta::Error::Engine(error) => session.told("", error).into_diagnostic(),
            error => error.into_diagnostic(),
        };
        diagnostic.at(whole())
    })?;
    let outcome = outcome(job, node.id(), &commit);
    if !seed.config.post_hook.is_empty() {
        inputs.of(&session, node).await?;
        hooks::of_node(&inputs, &session, node, &seed.config.post_hook).await?;
    }
    Ok(Ended {
        outcome,
        warnings: Vec::new(),
        compiled: None,
    })
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

/// Writes, and tells meanwhile how many rows there are.
async fn commit(
    job: &Job,
    node: &Node,
    plan: &engine::Plan,
    write: &Write,
    session: &Session,
) -> Result<delta::Commit, delta::Error> {
    let telling = async {
        let mut told = 0;
        loop {
            tokio::time::sleep(PROGRESS).await;
            let now = plan.rows_staged();
            if now > told {
                told = now;
                (job.emit)(Event::StepProgress {
                    node: node.id().clone(),
                    rows: now,
                });
            }
        }
    };
    tokio::select! {
        done = delta::write(session, plan, write) => done,
        () = telling => unreachable!("telling never ends"),
    }
}

/// Pins the table to what was written, and says what changed.
fn outcome(job: &Job, id: &NodeId, commit: &delta::Commit) -> Outcome {
    let rows = RowCounts {
        inserted: commit.rows.inserted,
        updated: commit.rows.updated,
        deleted: commit.rows.deleted,
        unchanged: commit.rows.unchanged,
    };
    match commit
        .version
        .and_then(|version| u64::try_from(version).ok())
    {
        Some(version) => {
            job.tables.pin(id, version);
            Outcome::Committed { version, rows }
        }
        None => Outcome::Unchanged {
            version: job.tables.version(id),
            rows,
        },
    }
}

fn properties(model: &Model) -> BTreeMap<String, String> {
    let properties = model.config.table_properties.iter().flatten();
    properties
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect()
}

/// What rides in the commit: who made it, of which code, for when, from which versions.
fn commit_info(job: &Job, node: &Node) -> BTreeMap<String, Value> {
    let invocation = &job.house.invocation;
    let inputs: BTreeMap<&str, u64> = node
        .common()
        .depends_on
        .iter()
        .filter_map(|id| Some((id.as_str(), job.tables.version(id)?)))
        .collect();
    BTreeMap::from([
        ("refx.run_id".into(), json!(&*invocation.invocation_id)),
        ("refx.model".into(), json!(node.id().as_str())),
        ("refx.fingerprint".into(), json!(node.common().fingerprint)),
        ("refx.as_of".into(), json!(invocation.as_of.to_rfc3339())),
        ("refx.inputs".into(), json!(inputs)),
        ("refx.version".into(), json!(env!("CARGO_PKG_VERSION"))),
    ])
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

impl Job {
    /// What makes tables readable in a session.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            house: self.house.clone(),
            tables: self.tables.clone(),
            root: self.root.as_path().into(),
            emit: self.emit.clone(),
        }
    }

    /// Registers what a node reads in a fresh session: for `show` and `compile`.
    ///
    /// # Errors
    /// As [`Inputs::of`].
    pub async fn session(&self, node: &Node) -> Result<Session, Diagnostic> {
        let session = self.engine.session();
        self.inputs().of(&session, node).await?;
        Ok(session)
    }

    /// The engine's name of a node's relation.
    pub fn name_of(&self, node: &Node) -> Option<Name> {
        node.relation().map(name)
    }
}
