//! The types of operands, where DataFusion's own choice would lose a value.
//!
//! - Dates and texts beside timestamps become timestamps in microseconds. DataFusion would make
//!   nanoseconds of both, in which `9999-12-31` has no place.
//! - A difference of unsigned numbers is signed: `row_number() … - row_number() …` may be negative.
//!
//! An analyzer rule before DataFusion's own writes the casts.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Projection, Union};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, cast};
use datafusion::optimizer::AnalyzerRule;

#[derive(Debug)]
pub(super) struct OperandTypes;

impl AnalyzerRule for OperandTypes {
    fn name(&self) -> &str {
        "operand_types"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        // From the first change on, the types above may be others than before.
        let changed = Cell::new(false);
        let rewritten = plan.transform_up_with_subqueries(|node| {
            let node = rewrite(node)?;
            changed.set(changed.get() || node.transformed);
            match changed.get() {
                true => node.map_data(recomputed),
                false => Ok(node),
            }
        })?;
        Ok(rewritten.data)
    }
}

fn recomputed(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Union(union) => {
            Union::try_new_with_loose_types(union.inputs).map(LogicalPlan::Union)
        }
        plan => plan.recompute_schema(),
    }
}

fn rewrite(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Union(union) = node {
        return of_union(union);
    }
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|part| of_expression(part, &schema))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// The type that values of these types are compared in; none where DataFusion may decide.
fn common(types: &[DataType]) -> Option<DataType> {
    use TimeUnit::{Microsecond, Nanosecond};
    let mut zone = None;
    let (mut timestamps, mut others) = (0, 0);
    for data_type in types {
        match data_type {
            DataType::Timestamp(Nanosecond, _) => return None,
            DataType::Timestamp(_, of) => {
                timestamps += 1;
                zone = zone.or(of.clone());
            }
            DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View => others += 1,
            DataType::Null => {}
            _ => return None,
        }
    }
    (timestamps > 0 && others > 0).then_some(DataType::Timestamp(Microsecond, zone))
}

/// Casts what is no timestamp to the common type.
fn unify(parts: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let types: Option<Vec<DataType>> = parts
        .iter()
        .map(|part| part.get_type(schema).ok())
        .collect();
    let Some((types, common)) = types.and_then(|types| {
        let common = common(&types)?;
        Some((types, common))
    }) else {
        return false;
    };
    for (part, data_type) in parts.iter_mut().zip(types) {
        let is_timestamp = matches!(data_type, DataType::Timestamp(..));
        if is_timestamp && same_zone(&data_type, &common) || data_type == DataType::Null {
            continue;
        }
        let value = std::mem::take(*part);
        **part = cast(value, common.clone());
    }
    true
}

/// Timestamps of one zone differ in their units alone, which DataFusion evens out.
fn same_zone(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Timestamp(_, left), DataType::Timestamp(_, right)) => left == right,
        _ => false,
    }
}

fn of_expression(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let changed = match &mut expr {
        Expr::BinaryExpr(binary) if compares(binary.op) => {
            unify(&mut [&mut binary.left, &mut binary.right], schema)
        }
        // Chains grow to the left: what is on the right is looked at first.
        Expr::BinaryExpr(binary) if binary.op == Operator::Plus => {
            let (left, right) = (&mut *binary.left, &mut *binary.right);
            match right.get_type(schema) {
                Ok(DataType::Time64(_)) => of_day_and_time(left, right, schema),
                Ok(DataType::Date32) => of_day_and_time(right, left, schema),
                _ => false,
            }
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::Minus => {
            let (left, right) = (&mut *binary.left, &mut *binary.right);
            let are = |is: fn(&DataType) -> bool| {
                let is = |expr: &Expr| expr.get_type(schema).is_ok_and(|one| is(&one));
                is(right) && is(left)
            };
            // A text there may be an interval as well.
            match (are(is_instant), are(DataType::is_unsigned_integer)) {
                (true, _) => unify(&mut [left, right], schema),
                (_, true) => {
                    for side in [left, right] {
                        *side = cast(std::mem::take(side), DataType::Int64);
                    }
                    true
                }
                (false, false) => false,
            }
        }
        Expr::Between(between) => unify(
            &mut [&mut between.expr, &mut between.low, &mut between.high],
            schema,
        ),
        Expr::InList(list) => {
            let mut parts = vec![&mut *list.expr];
            parts.extend(&mut list.list);
            unify(&mut parts, schema)
        }
        Expr::Case(case) => of_case(case, schema),
        Expr::ScalarFunction(call) => match call.name() {
            "coalesce" | "nvl" | "nullif" | "greatest" | "least" | "make_array" => {
                let mut parts: Vec<&mut Expr> = call.args.iter_mut().collect();
                unify(&mut parts, schema)
            }
            "nvl2" => {
                let mut parts: Vec<&mut Expr> = call.args.iter_mut().skip(1).collect();
                unify(&mut parts, schema)
            }
            "date_trunc" | "date_bin" => {
                let mut changed = false;
                for instant in call.args.iter_mut().skip(1) {
                    changed |= to_micros(instant, schema);
                }
                changed
            }
            _ => false,
        },
        _ => false,
    };
    Ok(match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    })
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    )
}

/// `date + time` as a timestamp and a duration.
fn of_day_and_time(day: &mut Expr, time: &mut Expr, schema: &DFSchema) -> bool {
    let is = |expr: &Expr, wanted: DataType| expr.get_type(schema).is_ok_and(|one| one == wanted);
    let nanos = TimeUnit::Nanosecond;
    let fits = is(day, DataType::Date32) && is(time, DataType::Time64(nanos));
    if fits {
        let whole = cast(std::mem::take(time), DataType::Int64);
        *time = cast(whole, DataType::Duration(nanos));
        let value = std::mem::take(day);
        *day = cast(value, DataType::Timestamp(TimeUnit::Microsecond, None));
    }
    fits
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

fn of_case(case: &mut Case, schema: &DFSchema) -> bool {
    let mut compared: Vec<&mut Expr> = case.expr.iter_mut().map(AsMut::as_mut).collect();
    let mut results: Vec<&mut Expr> = case.else_expr.iter_mut().map(AsMut::as_mut).collect();
    let alone = compared.is_empty();
    for (when, then) in &mut case.when_then_expr {
        compared.push(when);
        results.push(then);
    }
    let first = !alone && unify(&mut compared, schema);
    unify(&mut results, schema) || first
}

/// A date or a text where a function wants an instant.
fn to_micros(expr: &mut Expr, schema: &DFSchema) -> bool {
    let fits = expr.get_type(schema).is_ok_and(|data_type| {
        data_type.is_string() || matches!(data_type, DataType::Date32 | DataType::Date64)
    });
    if fits {
        let value = std::mem::take(expr);
        *expr = cast(value, DataType::Timestamp(TimeUnit::Microsecond, None));
    }
    fits
}

fn of_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let width = union.schema.fields().len();
    let typed = |input: &LogicalPlan, at: usize| {
        let fields = input.schema().fields();
        fields.get(at).map(|field| field.data_type().clone())
    };
    let targets: Vec<Option<DataType>> = (0..width)
        .map(|at| {
            let types: Option<Vec<DataType>> =
                union.inputs.iter().map(|input| typed(input, at)).collect();
            common(
                &types?
                    .into_iter()
                    .filter(|one| !one.is_string())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    if targets.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.into_iter().map(|input| {
        let columns = input.schema().columns();
        let values = columns.into_iter().zip(&targets).map(|(column, target)| {
            let (name, table) = (column.name.clone(), column.relation.clone());
            match target {
                Some(target) => {
                    cast(Expr::Column(column), target.clone()).alias_qualified(table, name)
                }
                None => Expr::Column(column),
            }
        });
        let values = values.collect();
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(
            values, input,
        )?)))
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let union = Union::try_new_with_loose_types(inputs)?;
    Ok(Transformed::yes(LogicalPlan::Union(union)))
}
