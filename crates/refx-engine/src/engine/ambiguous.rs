//! Names in a subquery that two tables of its FROM have.
//!
//! DataFusion 55.2 takes such a name for a column of the query around the subquery, where that has
//! one of the name; elsewhere it is ambiguous, as in SQL.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Ident, Value, VisitMut, VisitorMut};

use super::{Error, Position, explain};

/// Checks the plan of a statement.
///
/// # Errors
/// The first name that is ambiguous, at its place.
pub(super) async fn check(
    state: &SessionState,
    statement: &Statement,
    plan: &LogicalPlan,
) -> Result<(), Error> {
    let passed = passed_over(plan)?;
    if passed.is_empty() {
        return Ok(());
    }
    // A plan does not say whether a column was written with its table, and only that makes it clear.
    // So each name without a table is left out once, to see whether it was one of these.
    for number in 0.. {
        let mut without = statement.clone();
        let Some(name) = leave_out(&mut without, &passed, number) else {
            break;
        };
        let Ok(plan) = state.statement_to_plan(without).await else {
            continue;
        };
        if passed_over(&plan)?.len() < passed.len() {
            let place = Position::of(name.span.start);
            return Err(explain::ambiguous(&name.value).at(place));
        }
    }
    Ok(())
}

/// Columns of queries around a subquery that also are columns of two tables nearer to it.
fn passed_over(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    walk(plan, &mut Vec::new(), &mut found)?;
    Ok(found)
}

fn walk(plan: &LogicalPlan, around: &mut Vec<DFSchema>, found: &mut Vec<Column>) -> Result<()> {
    plan.apply(|node| {
        let own = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part {
                    let nearer = around.iter().rev();
                    let nearer = nearer.take_while(|schema| !schema.has_column(column));
                    if std::iter::once(&own)
                        .chain(nearer)
                        .any(|schema| has_two(schema, column))
                    {
                        found.push(column.clone());
                    }
                }
                if let Some(subquery) = subquery(part) {
                    around.push(own.clone());
                    let walked = walk(&subquery.subquery, around, found);
                    around.pop();
                    walked?;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn has_two(schema: &DFSchema, column: &Column) -> bool {
    schema.fields_with_unqualified_name(&column.name).len() > 1
}

fn subquery(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(is_in) => Some(&is_in.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        Expr::ScalarSubquery(subquery) => Some(subquery),
        _ => None,
    }
}

/// Puts NULL in the place of one of the columns that is written without a table, and gives its name.
fn leave_out(statement: &mut Statement, columns: &[Column], number: usize) -> Option<Ident> {
    let Statement::Statement(statement) = statement else {
        return None;
    };
    match statement.visit(&mut LeaveOut { columns, number }) {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

/// Looks for the name of this number among those of the columns, counted from 0.
struct LeaveOut<'a> {
    columns: &'a [Column],
    number: usize,
}

impl VisitorMut for LeaveOut<'_> {
    type Break = Ident;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Ident> {
        let ast::Expr::Identifier(name) = expr else {
            return ControlFlow::Continue(());
        };
        let is = |column: &Column| column.name.eq_ignore_ascii_case(&name.value);
        if !self.columns.iter().any(is) {
            return ControlFlow::Continue(());
        }
        if self.number > 0 {
            self.number -= 1;
            return ControlFlow::Continue(());
        }
        let name = name.clone();
        *expr = ast::Expr::value(Value::Null);
        ControlFlow::Break(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::engine::tests;

    const TABLES: &str = "with l(a, s) as (values (1, 'zz')), r(b, s) as (values (1, 'zz')), \
         o(k, s) as (values (7, 'b')) ";

    async fn rows(query: &str) -> Result<Value, String> {
        tests::rows(TABLES, query).await
    }

    #[tokio::test]
    async fn a_name_of_two_tables_is_no_column_of_the_query_around() {
        for query in [
            "select k from o where exists (select 1 from l join r on a = b where s = 'b')",
            "select k, (select max(s) from l join r on a = b) from o",
            "select k from o where s in (select s from l, r)",
            "select k from o where exists (select 1 from l join r on a = b where exists (select 1 from (values (1)) as n(n) where s = 'b'))",
            "select k from o where exists (select 1 from (select s as t from l cross join r) as d where t = 'b')",
        ] {
            let error = rows(query).await.unwrap_err();
            assert!(
                error.contains("more than one column is named `s`"),
                "{query}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_with_its_table_is_clear() {
        for (query, expected) in [
            (
                "select k from o where exists (select 1 from l join r on a = b where o.s = 'b')",
                json!([[7]]),
            ),
            (
                "select k from o where exists (select 1 from l join r on a = b where o.s = 'b') and exists (select 1 from (values (1)) as n(n) where s = 'b')",
                json!([[7]]),
            ),
            (
                "select k, (select max(s) from l) from o",
                json!([[7, "zz"]]),
            ),
            (
                "select k, (select max(s) from l join r using (s)) from o",
                json!([[7, "zz"]]),
            ),
            (
                "select k from o where exists (select 1 from l left join r using (s) where s = 'b')",
                json!([]),
            ),
            (
                "select k from o where exists (select 1 from (select s from l join r using (s)) as d where d.s = 'zz')",
                json!([[7]]),
            ),
        ] {
            assert_eq!(rows(query).await, Ok(expected), "{query}");
        }
    }
}
