//! A Delta table for queries. Each query filters its rows itself; deltalake only skips files.
//!
//! deltalake calls a condition exact where it names no column, or partition columns alone, and then
//! only skips the files whose values make it false. What is NULL stays: `part = part` gives rows of
//! NULL, and `k > 0 and null` gives all. So no condition counts as exact here.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Constraints, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::engine::may_hold_nan;

#[derive(Debug)]
pub(super) struct Scan {
    table: Arc<dyn TableProvider>,
}

impl Scan {
    pub(super) fn new(table: Arc<dyn TableProvider>) -> Scan {
        Scan { table }
    }

    /// Whether files may be skipped by the condition: NaN is in no file's statistics.
    fn skips(&self, filter: &Expr) -> bool {
        let schema = self.table.schema();
        let columns = filter.column_refs();
        !columns.iter().any(|column| {
            let field = schema.field_with_name(&column.name);
            field.is_ok_and(|field| may_hold_nan(field.data_type()))
        })
    }
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.table.constraints()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answers = filters.iter().map(|filter| match self.skips(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        });
        Ok(answers.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        how: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.insert_into(state, input, how).await
    }
}
