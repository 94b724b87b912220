//! A model: its query planned, and its rows taken into its table.

use std::sync::Arc;

use super::origin::{Planned, origin};
use super::step::{Ended, Work};
use super::writing::{action, write};
use super::{Inputs, Job, Live, Outcome, constraints, hooks, landing, pinned};
use crate::check::contract;
use crate::delta::{self, SchemaChange, Standpoint};
use crate::engine::{Name, located};
use refx_core::compile::{self, Basis, Compiled};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Model, Node};
use refx_core::plan::{self, Step};

/// How often a model whose rows rest on its own table is rendered and run again, because other writers
/// were faster.
const ATTEMPTS: usize = 5;

pub(super) async fn run(work: &Work<'_>, model: &Model) -> Result<Ended, Diagnostic> {
    let mut now = Now {
        job: Arc::clone(work.job),
        step: work.step.clone(),
    };
    let mut attempt = 1;
    loop {
        match once(work, &now, model, attempt).await? {
            Done::Ended(ended) => return Ok(ended),
            Done::Overtaken => {
                attempt += 1;
                now = now.again(model).await?;
            }
        }
    }
}

/// What an attempt came to.
enum Done {
    Ended(Ended),
    /// The rows rest on the table as it was, and another writer has moved that on.
    Overtaken,
}

/// What is known of the table that an attempt is for, and what is done with it therefore.
struct Now {
    job: Arc<Job>,
    step: Step,
}

impl Now {
    /// The same, of the table as it is now.
    async fn again(&self, model: &Model) -> Result<Now, Diagnostic> {
        let id = &model.common.id;
        let location = self.job.tables.location(&model.relation)?;
        let node = self.job.node(id)?;
        let found = pinned::looked_at(&location, node).await;
        let found = found.map_err(delta::Error::into_diagnostic)?;
        let mut facts = (*self.job.basis.facts).clone();
        match found.map(pinned::known) {
            Some(found) => {
                self.job.tables.pin(id, found.version);
                facts.tables.insert(id.clone(), found);
            }
            None => drop(facts.tables.remove(id)),
        }
        let (action, reason) = plan::decide(node, facts.get(id), self.job.basis.options);
        Ok(Now {
            job: Arc::new(Job {
                basis: Basis {
                    facts: Arc::new(facts),
                    ..self.job.basis.clone()
                },
                ..(*self.job).clone()
            }),
            step: Step {
                action,
                reason,
                ..self.step.clone()
            },
        })
    }
}

async fn once(
    work: &Work<'_>,
    now: &Now,
    model: &Model,
    attempt: usize,
) -> Result<Done, Diagnostic> {
    let node = work.node;
    let Now { job, step } = now;
    let inputs = Inputs {
        checks_keys: true,
        ..job.inputs()
    };
    let session = job.engine.session();
    inputs.of(&session, node).await?;
    if attempt == 1 {
        hooks::of_node(&inputs, &session, node, &model.config.pre_hook).await?;
    }
    let queries = Arc::new(Live::of(&session, &inputs, &model.relation));
    let compiled = compile::render(&job.basis, node, Some(queries.clone()))?;
    work.keep(&compiled);
    let plan = session
        .plan(&compiled.sql)
        .await
        .map_err(|error| located(error, &compiled))?;
    contract::hold(&session, model, &plan)?;
    let plan = contract::in_order(model, &plan).map_err(|error| located(error, &compiled))?;
    let mut warnings = compiled.warnings.clone();
    warnings.extend(plan::stale_rows(
        model,
        job.basis.facts.get(node.id()),
        &step.action,
    ));
    let Some(action) = action(job, step, model) else {
        hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
        warnings.extend(left_behind(job, model).await);
        let outcome = Outcome::Planned;
        return Ok(Done::Ended(Ended { outcome, warnings }));
    };
    let mut write = write(job, model, action)?;
    let reads_itself = queries.has_read_own() || plan.reads(&Name::of(&model.relation));
    write.stands_on = standpoint(job, node, &compiled, reads_itself);
    let planned = Planned {
        model,
        compiled: &compiled,
        plan: &plan,
        step: &step.action,
        action: &write.action,
        reads_itself,
    };
    let origin = origin(job, &inputs, &planned).map_err(|error| located(error, &compiled))?;
    write.origin = Some(origin);
    let commit = match landing::commit(work, &plan, &write, &session).await {
        Ok(commit) => commit,
        Err(delta::Error::Held { version }) => {
            return Ok(Done::Ended(Ended {
                outcome: landing::held(work, version),
                warnings,
            }));
        }
        Err(delta::Error::Conflict { .. })
            if write.stands_on != Standpoint::Any && attempt < ATTEMPTS =>
        {
            return Ok(Done::Overtaken);
        }
        Err(delta::Error::Engine(error)) => {
            if let Some(diagnostic) = landing::damaged_input(job, node, &error).await {
                return Err(diagnostic);
            }
            let error = session.traced(&compiled.sql, error).await;
            return Err(located(error, &compiled));
        }
        Err(error) => {
            let place = constraints::place(&job.basis.manifest, model, &error);
            let place = place.unwrap_or_else(|| error.place(model));
            let personal = job.basis.manifest.personal(node);
            return Err(error.masked(&personal).into_diagnostic().at(place));
        }
    };
    for change in &commit.columns {
        warnings.push(
            Diagnostic::warning(Code::SchemaMismatch, format!("the table got {change}"))
                .at(node.common().span.clone()),
        );
    }
    if let Some(version) = commit.repeats {
        warnings.push(landing::repeated(job, node, version));
    }
    let outcome = landing::outcome(job, node.id(), &commit);
    if !model.config.post_hook.is_empty() {
        inputs.of(&session, node).await?;
        hooks::of_node(&inputs, &session, node, &model.config.post_hook).await?;
    }
    Ok(Done::Ended(Ended { outcome, warnings }))
}

/// Tells of the table of a model that is one no longer: other tools go on reading it. What cannot be
/// looked at is not told of, since the run does not need it.
pub async fn left_behind(job: &Job, model: &Model) -> Option<Diagnostic> {
    let location = job.tables.location(&model.relation).ok()?;
    if model.materialization.lands() || !delta::is_table(&location).await.ok()? {
        return None;
    }
    let name = &model.common.name;
    let kind = model.materialization.as_str();
    let place = location.shown();
    let removal = match location.path() {
        Some(_) => format!("remove it: `rm -r '{place}'`"),
        None => format!("delete the folder `{place}` with the tool of its store"),
    };
    Some(
        Diagnostic::warning(
            Code::TableLeft,
            format!(
                "`{name}` is now materialized as `{kind}`, and its old table is still at `{place}`"
            ),
        )
        .at(model.common.span.clone())
        .note("refx no longer writes it; other tools that read it see the rows of its last version")
        .help(removal),
    )
}

/// The state of its own table that the rows of a model rest on.
fn standpoint(job: &Job, node: &Node, compiled: &Compiled, reads_itself: bool) -> Standpoint {
    let version = job.tables.version(node.id());
    match version.and_then(|version| i64::try_from(version).ok()) {
        Some(version) if reads_itself => Standpoint::Version(version),
        Some(_) => Standpoint::Any,
        // `is_incremental()` said that there is none.
        None if reads_itself || compiled.asked.incremental => Standpoint::NoTable,
        None => Standpoint::Any,
    }
}

/// What a step will change of its table's columns. Its query is planned, not run; nothing is known of
/// a model whose inputs are not built yet.
///
/// # Errors
/// Where the columns do not fit the table.
pub async fn foresee(job: &Job, step: &Step) -> Result<Vec<SchemaChange>, Diagnostic> {
    let node = job.node(&step.node)?;
    let Some(model) = node.as_model() else {
        return Ok(Vec::new());
    };
    let Some(action) = action(job, step, model) else {
        return Ok(Vec::new());
    };
    let inputs = job.inputs();
    let session = job.engine.session();
    let planned = async {
        inputs.of(&session, node).await?;
        let queries = Arc::new(Live::of(&session, &inputs, &model.relation));
        let compiled = compile::render(&job.basis, node, Some(queries.clone()))?;
        let plan = session.plan(&compiled.sql).await;
        let plan = plan.map_err(|error| located(error, &compiled))?;
        let reads_itself = queries.has_read_own() || plan.reads(&Name::of(&model.relation));
        Ok::<_, Diagnostic>((compiled, plan, reads_itself))
    };
    // Whatever else is wrong with the query is told by the run, or by what reads it.
    let Ok((compiled, plan, reads_itself)) = planned.await else {
        return Ok(Vec::new());
    };
    let mut write = write(job, model, action)?;
    let planned = Planned {
        model,
        compiled: &compiled,
        plan: &plan,
        step: &step.action,
        action: &write.action,
        reads_itself,
    };
    write.origin = origin(job, &inputs, &planned).ok();
    match delta::foresee(&plan, &write).await {
        Ok(changes) => Ok(changes),
        Err(error) => {
            let place = error.place(model);
            Err(error.into_diagnostic().at(place))
        }
    }
}
