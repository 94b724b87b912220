//! Plans that would fail as soon as they run, whatever the rows: said before.

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::query::sql_type;

/// # Errors
/// The first part of the plan that cannot be executed: a window function in a filter, a cast that no
/// value survives, a text that is none of the type it is taken for.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::WindowFunction(window) if matches!(node, LogicalPlan::Filter(_)) => {
                        return Err(DataFusionError::Plan(format!(
                            "Window function '{}' in a filter",
                            window.fun.name()
                        )));
                    }
                    Expr::Cast(cast) => castable(cast, &schema)?,
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn castable(cast: &Cast, schema: &DFSchema) -> Result<(), DataFusionError> {
    let to = cast.field.data_type();
    if let Expr::Literal(value, _) = cast.expr.as_ref() {
        return constant(value, to);
    }
    // What has no type here, as a column of an outer query, is looked at by the planner itself.
    let Ok(from) = cast.expr.get_type(schema) else {
        return Ok(());
    };
    match can_cast_types(&from, to) {
        true => Ok(()),
        false => Err(DataFusionError::Plan(format!(
            "No cast from {} to {}",
            sql_type(&from),
            sql_type(to)
        ))),
    }
}

fn constant(value: &ScalarValue, to: &DataType) -> Result<(), DataFusionError> {
    let (ScalarValue::Utf8(Some(text))
    | ScalarValue::LargeUtf8(Some(text))
    | ScalarValue::Utf8View(Some(text))) = value
    else {
        return Ok(());
    };
    if value.cast_to(to).is_ok() {
        return Ok(());
    }
    Err(DataFusionError::Plan(format!(
        "The text '{text}' is no {}",
        sql_type(to)
    )))
}
