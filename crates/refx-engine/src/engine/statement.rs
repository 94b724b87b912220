//! The statements of hooks, which may be of any kind: planned by a check, run by a run.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::parser::Statement;

use super::session::parse;
use super::{Error, Session, ambiguous};

impl Session {
    /// Runs the statements one after the other. The rows of the last one.
    pub async fn statement(&self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        let mut rows = Vec::new();
        for statement in parse(sql)? {
            let told = |error| self.told(sql, Error::from(error));
            let state = self.state();
            let planned = state.statement_to_plan(statement.clone()).await;
            let plan = planned.map_err(told)?;
            ambiguous::check(&state, &statement, &plan).await?;
            let run = async {
                let frame = self.context.execute_logical_plan(plan).await?;
                frame.collect().await
            };
            rows = run.await.map_err(told)?;
        }
        Ok(rows)
    }

    /// Plans the statements without doing what they say. A table that one of them makes has its
    /// columns for the next ones; after a statement whose effects are not known, nothing is planned.
    pub async fn plan_statements(&self, sql: &str) -> Result<(), Error> {
        for statement in parse(sql)? {
            if !self.plan_statement(sql, statement).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether it is known what the next statement finds.
    async fn plan_statement(&self, sql: &str, statement: Statement) -> Result<bool, Error> {
        let told = |error| self.told(sql, Error::from(error));
        let state = self.state();
        let planned = state.statement_to_plan(statement.clone()).await;
        let planned = planned.map_err(told)?;
        ambiguous::check(&state, &statement, &planned).await?;
        match &planned {
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(made)) => {
                self.register_made(&made.name, &made.input)?;
            }
            LogicalPlan::Ddl(DdlStatement::CreateView(made)) => {
                self.register_made(&made.name, &made.input)?;
            }
            LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => return Ok(false),
            LogicalPlan::Dml(_) => {}
            LogicalPlan::Copy(copied) => {
                self.would_run(&state, &copied.input).await.map_err(told)?;
            }
            query => self.would_run(&state, query).await.map_err(told)?,
        }
        Ok(true)
    }

    fn register_made(&self, name: &TableReference, input: &LogicalPlan) -> Result<(), Error> {
        let shape = Arc::new(input.schema().as_arrow().clone());
        self.context.deregister_table(name.clone())?;
        self.context
            .register_table(name.clone(), Arc::new(EmptyTable::new(shape)))?;
        Ok(())
    }
}
