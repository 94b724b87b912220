//! The table that a model's rows make of the one before: by the merge of a run, on a table in memory.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;

use super::{Actual, Ran, Subject, given};
use crate::delta::{self, Action, Location, NoAudit, PrimaryKey, Write};
use crate::engine::{Error, Name, Plan, Session, located};
use crate::run::writing;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::Materialization;
use refx_core::plan::{self, Step};

/// The table's rows once the query's were taken into what `this` gives.
pub(super) async fn after(subject: &Subject<'_>, ran: &Ran) -> Result<Actual, Diagnostic> {
    let location = Location::in_memory().map_err(delta::Error::into_diagnostic)?;
    let state = match subject.test.this() {
        Some(given) => {
            let rows = given::batch(subject, given).await?;
            before(subject, &location, rows)
                .await
                .map_err(|error| error.into_diagnostic().at(given.written.span.clone()))?;
            true
        }
        None => false,
    };
    let Some(action) = writing::action(&subject.job, &step(subject, state), subject.model) else {
        return Err(Diagnostic::error(
            Code::InvalidConfig,
            format!("`{}` has no table", subject.model.common.name),
        ));
    };
    let write = write(subject, &location, action)?;
    if let Err(error) = delta::write(&ran.session, &ran.plan, &write, &NoAudit).await {
        return Err(match error {
            delta::Error::Engine(error) => {
                located(ran.session.told(&ran.compiled.sql, error), &ran.compiled)
            }
            error => {
                let place = error.place(subject.model);
                let test = &subject.test.common.span;
                error
                    .into_diagnostic()
                    .at(place)
                    .related(test.clone(), "in this unit test")
            }
        });
    }
    read(&subject.job.engine.session(), &location)
        .await
        .map_err(|error| error.into_diagnostic().at(subject.test.common.span.clone()))
}

/// Makes the table as it is before the run.
async fn before(
    subject: &Subject<'_>,
    location: &Location,
    rows: RecordBatch,
) -> Result<(), delta::Error> {
    let session = subject.job.engine.session();
    let plan = plan_of(&session, rows).await?;
    let key = PrimaryKey::new(&subject.model.primary_key);
    let write = Write {
        partition_by: partition_by(subject),
        ..Write::new(location.clone(), Action::Overwrite { key })
    };
    delta::write(&session, &plan, &write, &NoAudit).await?;
    Ok(())
}

async fn plan_of(session: &Session, rows: RecordBatch) -> Result<Plan, Error> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    session.register_table(&Name::qualified("refx", "given"), Arc::new(table))?;
    session.plan("select * from refx.given").await
}

/// What the run of the model does to its table.
fn step(subject: &Subject<'_>, state: bool) -> Step {
    let grows = matches!(
        subject.model.materialization,
        Materialization::Incremental(_)
    );
    let action = match state && !(grows && subject.test.is_incremental()) {
        true => plan::Action::Replace,
        false => plan::Action::Create,
    };
    Step {
        node: subject.node.id().clone(),
        action,
        reason: String::new(),
        after: Vec::new(),
        audits: Vec::new(),
    }
}

fn write(subject: &Subject<'_>, location: &Location, action: Action) -> Result<Write, Diagnostic> {
    let mut write = writing::write(&subject.job, subject.model, action)?;
    write.location = location.clone();
    if let Action::Merge(merge) = &mut write.action {
        // A few rows are no measure of how many may go.
        merge.max_delete_ratio = 1.0;
    }
    Ok(write)
}

fn partition_by(subject: &Subject<'_>) -> Vec<String> {
    let columns = subject.model.config.partition_by.as_ref();
    columns
        .map(|columns| columns.value.0.clone())
        .unwrap_or_default()
}

async fn read(session: &Session, location: &Location) -> Result<Actual, delta::Error> {
    let table = delta::provider(session, location, None).await?;
    let name = Name::qualified("refx", "table");
    session.register_table(&name, table)?;
    let plan = session.plan("select * from refx.table").await?;
    let batches = plan.collect(None).await?;
    Ok(Actual::new(plan.schema(), &batches)?)
}
