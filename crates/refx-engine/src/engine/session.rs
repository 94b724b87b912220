//! One step's space of names: what is registered in it is what its SQL can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, TableProvider,
};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use serde::{Deserialize, Serialize};

use super::query::Answer;
use super::text::Looks;
use super::{
    CATALOG, Error, Kind, Plan, SCHEMA, ambiguous, chain, elsewhere, functions, locate, prepare,
    slip, sound, subquery, trial, using,
};
use refx_core::diagnostic::closest;
use refx_core::template::Relation;

/// The name of a table in SQL: `orders`, or `raw.orders`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    pub schema: Option<String>,
    pub table: String,
}

impl Name {
    /// The name under which SQL reads a relation.
    pub fn of(relation: &Relation) -> Name {
        Name {
            schema: relation.schema.clone(),
            table: relation.identifier.clone(),
        }
    }

    /// Whether two names mean one table: the schema of a name without one may be written.
    pub fn is(&self, other: &Name) -> bool {
        reference(self) == reference(other)
    }

    pub fn bare(table: impl Into<String>) -> Name {
        Name {
            schema: None,
            table: table.into(),
        }
    }

    pub fn qualified(schema: impl Into<String>, table: impl Into<String>) -> Name {
        Name {
            schema: Some(schema.into()),
            table: table.into(),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

/// A space of names, planned and executed in by one step. Cheap to clone; clones share the names.
#[derive(Clone)]
pub struct Session {
    pub(super) context: SessionContext,
    pub(super) storage_options: Arc<BTreeMap<String, String>>,
    /// Whether plans that cannot be executed are refused when they are planned.
    pub(super) strict: bool,
    /// What the files of sources show of their columns, for all sessions of the engine.
    pub(super) looks: Arc<Looks>,
}

impl Session {
    pub(super) fn new(
        mut state: SessionState,
        storage_options: Arc<BTreeMap<String, String>>,
        looks: Arc<Looks>,
    ) -> Session {
        let catalogs = MemoryCatalogProviderList::new();
        let catalog = MemoryCatalogProvider::new();
        // Registering into a fresh in-memory catalog cannot fail.
        let _ = catalog.register_schema(SCHEMA, Arc::new(MemorySchemaProvider::new()));
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        Session {
            context: SessionContext::new_with_state(state),
            storage_options,
            strict: false,
            looks,
        }
    }

    pub(super) fn strict(mut self) -> Session {
        self.strict = true;
        self
    }

    pub(crate) fn state(&self) -> SessionState {
        self.context.state()
    }

    /// Registers a table that another module made, such as a Delta table pinned to a version. A table
    /// of the same name is replaced.
    pub fn register_table(&self, name: &Name, table: Arc<dyn TableProvider>) -> Result<(), Error> {
        if let Some(schema) = &name.schema {
            let catalog = self.context.catalog(CATALOG).ok_or_else(|| {
                DataFusionError::Internal("the session has no catalog".to_owned())
            })?;
            if catalog.schema(schema).is_none() {
                catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
            }
        }
        self.context.deregister_table(reference(name))?;
        self.context.register_table(reference(name), table)?;
        Ok(())
    }

    /// Makes the SELECT readable under a name. It is planned now, against the names registered so
    /// far, and merged into the plans of its readers.
    pub async fn register_view(&self, name: &Name, sql: &str) -> Result<(), Error> {
        let logical = functions::without_places(self.logical(sql).await?)?;
        self.register_table(
            name,
            Arc::new(ViewTable::new(logical, Some(sql.to_owned()))),
        )
    }

    /// Plans exactly one SELECT. Names, types and functions are checked as they will be when it
    /// runs.
    pub async fn plan(&self, sql: &str) -> Result<Plan, Error> {
        let statement = select(parse(sql)?)?;
        match self.planned(statement.clone()).await {
            Ok((written, logical)) => {
                let state = self.state();
                ambiguous::check(&state, &statement, &written).await?;
                Ok(Plan {
                    logical,
                    written: Arc::new(written),
                    state,
                    staged: Arc::default(),
                })
            }
            Err(error) => Err(self.placed(sql, &statement, error).await),
        }
    }

    /// The plan as the text says it, and as it will be run.
    pub(super) async fn planned(
        &self,
        statement: Statement,
    ) -> Result<(LogicalPlan, LogicalPlan), DataFusionError> {
        let state = self.state();
        let written = state.statement_to_plan(statement).await?;
        let options = state.config_options();
        let analyzer = state.analyzer();
        let logical = match subquery::concerns(&written) {
            false => analyzer.execute_and_check(written.clone(), options, |_, _| {})?,
            // Lineage and meaning are read from a plan that still has the subqueries. It is rewritten
            // again when it runs.
            true => {
                analyzer.execute_and_check(written.clone(), options, |_, _| {})?;
                let rules = analyzer.rules.iter();
                let mut rules = rules.filter(|rule| rule.name() != subquery::NAME);
                rules.try_fold(written.clone(), |plan, rule| {
                    let analyzed = rule.analyze(plan, options);
                    analyzed.map_err(|error| error.context(rule.name()))
                })?
            }
        };
        if self.strict {
            self.would_run(&state, &logical).await?;
        }
        Ok((written, logical))
    }

    /// # Errors
    /// What fails in a run of the plan whatever the rows are: it is optimized and made physical as a
    /// run does it, and its expressions are tried.
    pub(super) async fn would_run(
        &self,
        state: &SessionState,
        logical: &LogicalPlan,
    ) -> Result<(), DataFusionError> {
        sound::check(logical)?;
        let optimized = state.optimize(logical)?;
        trial::check(&optimized, state)?;
        let planner = state.query_planner();
        let physical = planner.create_physical_plan(&optimized, state).await?;
        trial::aggregates(&physical)
    }

    /// The planner's error with a place, which is searched for where it gives none.
    async fn placed(&self, sql: &str, statement: &Statement, error: DataFusionError) -> Error {
        let error = self.explain(sql, error);
        if error.position.is_some() || matches!(error.kind, Kind::Resources | Kind::Io) {
            return error;
        }
        let place = self.narrowed(statement, &error).await;
        error.at(place)
    }

    /// Runs the SELECT and gives up to `limit` rows as JSON values.
    pub async fn rows_as_json(&self, sql: &str, limit: usize) -> Result<Answer, Error> {
        let plan = self.plan(sql).await?;
        plan.answer(limit).await.map_err(|e| self.told(sql, e))
    }

    /// Puts the place and the names that exist into an error of running `sql`.
    pub fn told(&self, sql: &str, error: Error) -> Error {
        let Some(written) = error.written.clone() else {
            return error;
        };
        let place = match error.kind {
            Kind::UnknownFunction => locate::function(sql, &written),
            _ => locate::identifier(sql, &written),
        };
        // The planner's own place comes first: a name may occur more than once.
        let place = error.position.or(place);
        if let (Kind::UnknownColumn, Some(at)) = (error.kind, place)
            && let Some(text) = locate::quoted(sql, at)
            && closest(&text, error.candidates.iter().map(String::as_str)).is_none()
        {
            let error = Error::new(Kind::UnknownColumn, error.message.clone());
            return error.at(place).help(format!(
                "double quotes name a column; a text stands in single ones: `'{text}'`"
            ));
        }
        let candidates = match error.kind {
            Kind::UnknownTable => {
                let ctes = locate::ctes(sql);
                if ctes.contains(&written) {
                    let help = format!("`{written}` is defined further down: move it up");
                    return error.at(place).help(help);
                }
                self.table_names().into_iter().chain(ctes).collect()
            }
            Kind::UnknownColumn if written.eq_ignore_ascii_case("as_of") => {
                return error.at(place).help(elsewhere::AS_OF);
            }
            Kind::UnknownColumn if locate::is_own_alias(sql, &written) => {
                let help = format!(
                    "`{written}` is what this SELECT calls a result, and is not known inside of it: \
                     repeat the expression, or filter in a query around this one"
                );
                return error.at(place).help(help);
            }
            Kind::UnknownFunction if self.state().window_functions().contains_key(&written) => {
                return Error::new(
                    Kind::UnknownFunction,
                    format!("`{written}` works on a window, and none is given"),
                )
                .at(place)
                .help(format!(
                    "say over which rows: `{written}() over (partition by … order by …)`"
                ));
            }
            Kind::UnknownFunction if elsewhere::help(&written).is_some() => {
                let help = elsewhere::help(&written).unwrap_or_default();
                return error.at(place).help(help);
            }
            Kind::UnknownFunction => {
                let state = self.state();
                state.udfs().into_iter().chain(state.udafs()).collect()
            }
            _ => Vec::new(),
        };
        error.at(place).candidates(candidates)
    }

    fn explain(&self, sql: &str, error: DataFusionError) -> Error {
        self.told(sql, Error::from(error))
    }

    async fn logical(&self, sql: &str) -> Result<LogicalPlan, Error> {
        let statement = select(parse(sql)?)?;
        let state = self.state();
        match state.statement_to_plan(statement.clone()).await {
            Ok(logical) => {
                ambiguous::check(&state, &statement, &logical).await?;
                Ok(logical)
            }
            Err(error) => Err(self.placed(sql, &statement, error).await),
        }
    }

    fn table_names(&self) -> Vec<String> {
        let Some(catalog) = self.context.catalog(CATALOG) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for schema in catalog.schema_names() {
            let tables = catalog.schema(&schema).map(|schema| schema.table_names());
            names.extend(tables.unwrap_or_default().into_iter().map(|table| {
                if schema == SCHEMA {
                    table
                } else {
                    format!("{schema}.{table}")
                }
            }));
        }
        names
    }
}

pub(crate) fn reference(name: &Name) -> TableReference {
    match &name.schema {
        Some(schema) => TableReference::full(CATALOG, schema.as_str(), name.table.as_str()),
        None => TableReference::full(CATALOG, SCHEMA, name.table.as_str()),
    }
}

pub(super) fn parse(sql: &str) -> Result<Vec<Statement>, Error> {
    chain::check(sql)?;
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| slip::of(sql).unwrap_or_else(|| at_the_end(sql, error.into())))?;
    for statement in &mut statements {
        if let Statement::Statement(inner) = statement {
            prepare(inner.as_mut());
        }
        using::merge_columns(statement)?;
    }
    Ok(statements.into())
}

/// A text that ends too early is wrong behind its last word.
fn at_the_end(sql: &str, error: Error) -> Error {
    match error.position {
        Some(_) => error,
        None => error.at(locate::last(sql)),
    }
}

/// The one SELECT among the statements, or why there is none.
fn select(statements: Vec<Statement>) -> Result<Statement, Error> {
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Statement(statement)), None)
            if matches!(statement.as_ref(), ast::Statement::Query(_)) =>
        {
            Ok(Statement::Statement(statement))
        }
        (None, _) => Err(Error::new(Kind::Syntax, "there is no SELECT")),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Syntax,
            "expected one SELECT, found several statements",
        )
        .help("put what runs before or after into a hook")),
        (Some(other), None) => {
            let text = other.to_string();
            let word = text.split_whitespace().next().unwrap_or_default();
            Err(Error::new(
                Kind::Syntax,
                format!("expected a SELECT, found `{}`", word.to_lowercase()),
            )
            .help("a model only selects; put other statements into a hook"))
        }
    }
}
