//! Where the columns that an expression names come from, while a plan is walked.
//!
//! `T` is what the walk knows of a column: its origin for lineage, its digest for the meaning.

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableScan;

use super::{Name, SCHEMA};

/// The columns that an expression may name, and those of the queries around its own.
pub(super) struct Scope<'a, T> {
    pub schema: &'a DFSchema,
    pub columns: &'a [T],
    pub outside: Option<&'a Scope<'a, T>>,
    /// Set where the query inside is a table of the same FROM (`lateral`), and no query of its own.
    pub lateral: bool,
}

impl<'a, T> Scope<'a, T> {
    pub fn column(&self, column: &Column) -> Option<&'a T> {
        self.columns.get(self.schema.maybe_index_of_column(column)?)
    }

    /// A column of a query around this one, and how many queries lie between.
    pub fn outer(&self, column: &Column) -> Option<(usize, &'a T)> {
        let mut scope = self.outside;
        let mut distance = 0;
        while let Some(around) = scope {
            distance += usize::from(!around.lateral);
            if let Some(found) = around.column(column) {
                return Some((distance, found));
            }
            scope = around.outside;
        }
        None
    }
}

/// What stands round the part of a plan that is looked at.
pub(super) struct Place<'a, T> {
    pub outside: Option<&'a Scope<'a, T>>,
    pub work: Option<&'a WorkTable<'a, T>>,
}

impl<T> Clone for Place<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Place<'_, T> {}

impl<'a, T> Place<'a, T> {
    pub fn top() -> Self {
        Place {
            outside: None,
            work: None,
        }
    }

    pub fn scope(&self, schema: &'a DFSchema, columns: &'a [T]) -> Scope<'a, T> {
        Scope {
            schema,
            columns,
            outside: self.outside,
            lateral: false,
        }
    }
}

/// What a recursive CTE reads of itself.
pub(super) struct WorkTable<'a, T> {
    pub name: &'a str,
    pub columns: &'a [T],
    pub outside: Option<&'a WorkTable<'a, T>>,
}

impl<'a, T> WorkTable<'a, T> {
    pub fn named(&self, name: &str) -> Option<&'a [T]> {
        let mut table = self;
        while table.name != name {
            table = table.outside?;
        }
        Some(table.columns)
    }
}

/// What the scan of a plan reads.
pub(super) enum Scanned<'a> {
    Table(Name),
    /// A recursive CTE, inside of itself.
    WorkTable(&'a str),
    /// A function that makes rows, such as `generate_series`.
    Function,
}

impl<'a> Scanned<'a> {
    pub fn of(scan: &'a TableScan, state: &SessionState) -> Scanned<'a> {
        let reference = &scan.table_name;
        let provider = source_as_provider(&scan.source);
        if provider.is_ok_and(|provider| provider.is::<CteWorkTable>()) {
            return Scanned::WorkTable(reference.table());
        }
        let schema = state.schema_for_ref(reference.clone());
        match schema.is_ok_and(|schema| schema.table_exist(reference.table())) {
            true => Scanned::Table(name(reference)),
            false => Scanned::Function,
        }
    }
}

fn name(reference: &TableReference) -> Name {
    match reference.schema() {
        Some(schema) if schema != SCHEMA => Name::qualified(schema, reference.table()),
        _ => Name::bare(reference.table()),
    }
}
