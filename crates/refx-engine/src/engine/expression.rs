//! Types and conditions that stand in settings, planned without a table: declared types, CHECK.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder};

use super::columns::plain;
use super::{Error, Kind, Plan, Session, prepare, sound, trial};

impl Session {
    /// The type that an expression over these columns has. Names, types and functions are checked as
    /// they will be when it runs; an error's place is one in `expression`.
    pub fn type_of(&self, expression: &str, columns: &Schema) -> Result<DataType, Error> {
        self.planned_type(expression, columns)
            .map_err(|error| self.told(expression, Error::from(error)))
    }

    fn planned_type(
        &self,
        expression: &str,
        columns: &Schema,
    ) -> Result<DataType, DataFusionError> {
        let state = self.state();
        let schema = DFSchema::try_from(columns.clone())?;
        let planned = planned(&state, expression, &schema)?;
        let rows = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(schema),
        });
        let plan = LogicalPlanBuilder::from(rows)
            .project([planned.alias("value")])?
            .build()?;
        let options = state.config_options();
        let plan = state
            .analyzer()
            .execute_and_check(plan, options, |_, _| {})?;
        if self.strict {
            sound::check(&plan)?;
            trial::check(&state.optimize(&plan)?, &state)?;
        }
        Ok(plain(plan.schema().field(0).data_type()))
    }

    /// A type in SQL's words, or in those of other warehouses that dbt projects use; none where there
    /// is no such type.
    pub fn named_type(&self, written: &str) -> Option<DataType> {
        let sql = match written.trim().to_lowercase().as_str() {
            "int64" => "bigint".to_owned(),
            "float64" => "double".to_owned(),
            "bool" => "boolean".to_owned(),
            "datetime" => "timestamp".to_owned(),
            "number" => "numeric".to_owned(),
            other => other.to_owned(),
        };
        self.planned_type(&format!("cast(null as {sql})"), &Schema::empty())
            .ok()
    }

    /// The type of a source's column, as it is declared.
    pub(super) fn data_type(&self, column: &str, written: &str) -> Result<DataType, Error> {
        self.named_type(written).ok_or_else(|| {
            Error::new(
                Kind::Type,
                format!("column `{column}`: no type named `{written}`"),
            )
            .help("use a SQL type such as `varchar`, `bigint`, `double`, `decimal(10,2)`, `date`")
            .written(column)
        })
    }
}

/// An expression over the columns, planned as in a query.
pub(crate) fn planned(
    state: &SessionState,
    expression: &str,
    columns: &DFSchema,
) -> Result<Expr, DataFusionError> {
    let dialect = state.config_options().sql_parser.dialect;
    let mut parsed = state.sql_to_expr_with_alias(expression, &dialect)?;
    prepare(&mut parsed.expr);
    state.create_logical_expr_from_sql_expr(parsed, columns)
}

impl Plan {
    /// The columns that are NULL in every row, as far as the query says so itself: `null as left_at`.
    pub fn null_columns(&self) -> Vec<String> {
        let fields = self.logical.schema().fields().iter().enumerate();
        fields
            .filter(|(at, _)| is_null(&self.logical, *at))
            .map(|(_, field)| field.name().clone())
            .collect()
    }

    /// The query with its columns in another order: those that are named first, the others after
    /// them.
    pub fn in_order(&self, names: &[String]) -> Result<Plan, Error> {
        let place = |name: &str| {
            let mut names = names.iter();
            let found = names.position(|known| known.eq_ignore_ascii_case(name));
            found.unwrap_or(usize::MAX)
        };
        let mut columns = self.logical.schema().columns();
        columns.sort_by_key(|column| place(&column.name));
        if columns == self.logical.schema().columns() {
            return Ok(self.clone());
        }
        self.then(|plan| {
            LogicalPlanBuilder::from(plan)
                .project(columns.into_iter().map(Expr::Column))?
                .build()
        })
    }
}

/// Whether a column of a plan is NULL in every row.
fn is_null(plan: &LogicalPlan, at: usize) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => match bare(&projection.expr[at]) {
            Expr::Literal(value, _) => value.is_null(),
            Expr::Column(column) => {
                let input = &projection.input;
                let found = input.schema().index_of_column(column);
                found.is_ok_and(|at| is_null(input, at))
            }
            _ => false,
        },
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| is_null(input, at)),
        LogicalPlan::SubqueryAlias(alias) => is_null(&alias.input, at),
        LogicalPlan::Filter(filter) => is_null(&filter.input, at),
        LogicalPlan::Sort(sort) => is_null(&sort.input, at),
        LogicalPlan::Limit(limit) => is_null(&limit.input, at),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => is_null(input, at),
        _ => false,
    }
}

/// An expression without what changes its name or type, and keeps its NULLs.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::Cast(cast) => bare(&cast.expr),
        Expr::TryCast(cast) => bare(&cast.expr),
        other => other,
    }
}
