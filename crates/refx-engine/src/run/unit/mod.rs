//! A unit test: its model's query over the rows that it is given, in a session that has nothing else.
//!
//! No table is opened. The types of the given rows are those of the columns that the model reads in a
//! run, as a check plans them; so the query is planned and executed as it will be.

mod compare;
mod create;
mod fields;
mod given;
mod sample;
mod shapes;
mod show;
mod table;
mod typed;
mod written;

pub use create::{Ask, create};
pub use shapes::Shapes;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;

use self::compare::Sheet;
use super::step::{Ended, Work};
use super::{Job, Live, Outcome};
use crate::engine::{Error, Name, Plan, Session, located};
use refx_core::compile;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Content, Model, Node, Rows, UnitTest};

/// Runs a unit test.
pub(super) async fn of(work: &Work<'_>, test: &UnitTest) -> Result<Ended, Diagnostic> {
    let subject = Subject::new(work.job, test)?;
    let ran = subject.run().await?;
    work.keep(&ran.compiled);
    let mut found = Vec::new();
    if let Some(rows) = &test.expect.rows {
        let actual = ran.rows().await?;
        found.extend(subject.held_against(rows, &actual, "").await?);
    }
    if let Some(rows) = &test.expect.table {
        let actual = table::after(&subject, &ran).await?;
        found.extend(
            subject
                .held_against(rows, &actual, "in the table: ")
                .await?,
        );
    }
    let outcome = match found.is_empty() {
        true => Outcome::Passed,
        false => Outcome::TestFailed {
            failures: found.iter().map(|found| found.rows).sum(),
            diagnostic: subject.failed(found),
        },
    };
    Ok(Ended {
        outcome,
        warnings: ran.compiled.warnings,
    })
}

/// Plans a unit test over what it gives, and holds what it expects against the columns that come out.
/// Nothing is compared.
///
/// # Errors
/// What would keep the test from being run.
pub async fn plan(job: &Job, test: &UnitTest) -> Result<(), Diagnostic> {
    let subject = Subject::new(job, test)?;
    let ran = subject.run().await?;
    if let Some(rows) = &test.expect.rows {
        subject.expected(rows, &ran.plan.schema()).await?;
    }
    if let (Some(rows), Ok(table)) = (&test.expect.table, job.shapes.of(subject.node)) {
        subject.expected(rows, table).await?;
    }
    Ok(())
}

/// A unit test and the model that it is about.
pub(super) struct Subject<'a> {
    pub job: Job,
    pub test: &'a UnitTest,
    pub node: &'a Node,
    pub model: &'a Model,
}

/// The query of a model, planned over given rows.
pub(super) struct Ran {
    pub session: Session,
    pub plan: Plan,
    pub compiled: compile::Compiled,
}

/// The rows of a query or a table.
pub(super) struct Actual {
    pub schema: SchemaRef,
    pub rows: RecordBatch,
}

/// Where rows are not those expected.
struct Mismatch {
    rows: u64,
    /// How many of what, in words.
    summary: String,
    /// The rows, drawn.
    drawn: String,
}

impl<'a> Subject<'a> {
    fn new(job: &'a Job, test: &'a UnitTest) -> Result<Subject<'a>, Diagnostic> {
        let node = job.node(&test.model)?;
        let model = node.as_model().ok_or_else(|| {
            Diagnostic::error(Code::UnknownRef, format!("`{}` is no model", node.name()))
        })?;
        Ok(Subject {
            job: Job {
                basis: compile::overridden(&job.basis, test),
                engine: job.engine.for_few_rows(),
                ..job.clone()
            },
            test,
            node,
            model,
        })
    }

    /// Plans the query in a session that has what is given and nothing else.
    async fn run(&self) -> Result<Ran, Diagnostic> {
        let (ran, missing) = self.planned().await?;
        let mut missing = missing.iter();
        match missing.find(|input| ran.plan.reads(&Name::of(&input.relation))) {
            Some(input) => Err(input.told(self, &ran.compiled)),
            None => Ok(ran),
        }
    }

    /// The same, with what is not given as well, without rows.
    async fn planned(&self) -> Result<(Ran, Vec<given::Missing>), Diagnostic> {
        let session = self.job.engine.session();
        let missing = given::register(self, &session).await?;
        let queries = Arc::new(Live::new(&session, &self.job.inputs()));
        let compiled = compile::tested(&self.job.basis, self.test, queries)?;
        let plan = match session.plan(&compiled.sql).await {
            Ok(plan) => plan,
            Err(error) => return Err(located(error, &compiled)),
        };
        let ran = Ran {
            session,
            plan,
            compiled,
        };
        Ok((ran, missing))
    }

    /// The expected rows in the types of the columns that they name.
    async fn expected(&self, rows: &Rows, whole: &SchemaRef) -> Result<RecordBatch, Diagnostic> {
        match &rows.content {
            // No rows name no columns: none of them is to be there.
            Content::Grid(grid) if grid.rows.is_empty() && grid.columns.is_empty() => {
                Ok(RecordBatch::new_empty(whole.clone()))
            }
            Content::Grid(grid) => {
                let schema = typed::named(grid, whole, "the model gives")?;
                typed::batch(grid, &schema)
            }
            Content::Sql(sql) => typed::of_query(&self.job, sql, whole, "the model gives").await,
        }
    }

    /// Compares the rows with those expected, in the columns that these name.
    async fn held_against(
        &self,
        expected: &Rows,
        actual: &Actual,
        whose: &str,
    ) -> Result<Option<Mismatch>, Diagnostic> {
        let whole = actual.schema.as_ref();
        let expected = self.expected(expected, &actual.schema).await?;
        let columns = expected.schema();
        let columns = columns
            .fields()
            .iter()
            .filter_map(|field| whole.index_of(field.name()).ok());
        let columns: Vec<usize> = columns.collect();
        let actual = actual.rows.project(&columns).map_err(Error::from);
        let actual = actual.map_err(|error| self.placed(error))?;
        let expected = Sheet::of(&expected).map_err(|error| self.placed(error))?;
        let actual = Sheet::of(&actual).map_err(|error| self.placed(error))?;
        let difference = compare::difference(&expected, &actual, &self.model.primary_key);
        if difference.is_empty() {
            return Ok(None);
        }
        Ok(Some(Mismatch {
            rows: difference.rows(),
            summary: format!("{whose}{}", difference.summary()),
            drawn: show::drawn(&expected, &actual, &difference),
        }))
    }

    fn failed(&self, found: Vec<Mismatch>) -> Diagnostic {
        let common = &self.test.common;
        let summaries: Vec<&str> = found.iter().map(|found| found.summary.as_str()).collect();
        let diagnostic = Diagnostic::error(
            Code::UnitTestFailed,
            format!("`{}`: {}", common.name, summaries.join("; ")),
        )
        .at(common.span.clone());
        let diagnostic = found
            .into_iter()
            .fold(diagnostic, |diagnostic, found| diagnostic.note(found.drawn));
        diagnostic.help(format!(
            "correct `{}`, or what the test expects",
            self.model.common.path
        ))
    }

    /// An error that has no place of its own.
    fn placed(&self, error: Error) -> Diagnostic {
        error.into_diagnostic().at(self.test.common.span.clone())
    }
}

impl Ran {
    /// The rows that the query gives.
    async fn rows(&self) -> Result<Actual, Diagnostic> {
        match self.plan.collect(None).await {
            Ok(batches) => Actual::new(self.plan.schema(), &batches)
                .map_err(|error| located(error, &self.compiled)),
            Err(error) => {
                let error = self.session.traced(&self.compiled.sql, error).await;
                Err(located(error, &self.compiled))
            }
        }
    }
}

impl Actual {
    fn new(schema: SchemaRef, batches: &[RecordBatch]) -> Result<Actual, Error> {
        // A query may give batches whose fields are said to be null more or less often than the plan's.
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let rows = concat_batches(&schema, batches)?;
        Ok(Actual { schema, rows })
    }
}
