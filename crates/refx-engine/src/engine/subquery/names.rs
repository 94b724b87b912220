//! Columns by unique names, so that no two tables of a rewritten query share one.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Projection,
};

thread_local! {
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Begins the names anew, so that the same query gives the same plan.
pub(super) fn restart() {
    NEXT.with(|next| next.set(0));
}

/// A name that no other table of the plan has.
pub(super) fn fresh(what: &str) -> TableReference {
    let number = NEXT.with(|next| next.replace(next.get() + 1));
    TableReference::bare(format!("__{what}_{number}"))
}

/// The column at a position of a plan.
pub(super) fn column(plan: &LogicalPlan, at: usize) -> Column {
    Column::from(plan.schema().qualified_field(at))
}

/// All columns of a plan.
pub(super) fn columns(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema().columns()
}

/// The expression under the name of a field.
pub(super) fn named_like(expr: Expr, field: (Option<&TableReference>, &FieldRef)) -> Expr {
    let (relation, field) = field;
    match &expr {
        Expr::Column(column)
            if column.relation.as_ref() == relation && column.name == *field.name() =>
        {
            expr
        }
        _ => expr
            .unalias()
            .alias_qualified(relation.cloned(), field.name()),
    }
}

/// The first columns of the plan, under the names of the schema.
pub(super) fn restored(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let same = plan.schema().fields().len() == schema.fields().len()
        && plan.schema().columns() == schema.columns();
    match same {
        true => Ok(plan),
        false => keep(plan, (0..schema.fields().len()).collect(), schema),
    }
}

/// Columns of the plan by their positions, under the names of the schema.
pub(super) fn keep(
    plan: LogicalPlan,
    positions: Vec<usize>,
    schema: &DFSchema,
) -> Result<LogicalPlan> {
    let exprs = positions.into_iter().enumerate();
    let exprs = exprs.map(|(to, from)| {
        named_like(
            Expr::Column(column(&plan, from)),
            schema.qualified_field(to),
        )
    });
    let exprs = exprs.collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

/// A table of the expressions, whose columns are called `__c0`, `__c1` and so on.
pub(super) fn table(
    plan: LogicalPlan,
    exprs: Vec<Expr>,
    name: &TableReference,
) -> Result<LogicalPlan> {
    let exprs = exprs.into_iter().enumerate();
    // An unqualified `__c0` would be ambiguous beside the `__c0` of another table.
    let exprs = exprs.map(|(at, expr)| {
        expr.unalias()
            .alias_qualified(Some(name.clone()), format!("__c{at}"))
    });
    LogicalPlanBuilder::from(LogicalPlan::Projection(Projection::try_new(
        exprs.collect(),
        Arc::new(plan),
    )?))
    .alias(name.clone())?
    .build()
}

/// A column of a [`table`].
pub(super) fn of_table(name: &TableReference, at: usize) -> Expr {
    Expr::Column(of_table_column(name, at))
}

pub(super) fn of_table_column(name: &TableReference, at: usize) -> Column {
    Column::new(Some(name.clone()), format!("__c{at}"))
}

/// Equal, or both NULL.
pub(super) fn same(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        Operator::IsNotDistinctFrom,
        Box::new(right),
    ))
}

/// The columns of a schema that a plan names as those of a query around it, each once.
pub(super) fn outer_columns(plan: &LogicalPlan, around: &DFSchema) -> Vec<Column> {
    let mut found = Vec::new();
    for expr in plan.all_out_ref_exprs() {
        if let Expr::OuterReferenceColumn(_, column) = expr
            && belongs(&column, around)
            && !found.contains(&column)
        {
            found.push(column);
        }
    }
    found
}

pub(super) fn belongs(column: &Column, around: &DFSchema) -> bool {
    around.maybe_index_of_column(column).is_some()
}

/// Whether the expression names one of the columns as one of a query around it.
pub(super) fn names_outer(expr: &Expr, outer: &[Column]) -> bool {
    let mut found = false;
    // The walk cannot fail: its step does not.
    let _ = expr.apply(|part| {
        found |= matches!(part, Expr::OuterReferenceColumn(_, column) if outer.contains(column));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The expression with other expressions in place of some columns of the query around it.
pub(super) fn replace_outer(
    expr: Expr,
    replacement: &dyn Fn(&Column) -> Option<Expr>,
) -> Result<Expr> {
    let replaced = expr.transform(|part| {
        Ok(match &part {
            Expr::OuterReferenceColumn(_, column) => match replacement(column) {
                Some(other) => Transformed::yes(other),
                None => Transformed::no(part),
            },
            _ => Transformed::no(part),
        })
    })?;
    Ok(replaced.data)
}
