//! Expressions that fail whatever the rows are: each operator and function is tried alone.
//!
//! An operator's arguments are its constants, and columns of the types that its other arguments
//! have. It is evaluated over no rows, and then over rows of sample values. What fails over no rows,
//! or over each sample with the same message, fails in a run as well: `date_trunc('mnth', day)`.
//!
//! A constant that fails (`1 / 0`) is a mistake only where each row reaches it. In a branch of a CASE
//! or behind an `and` it may be there to raise an error, or never be reached.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Case, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// Texts that a function of a text is tried on: one of them is right for most.
const TEXTS: [&str; 5] = ["a", "", "1", "2024-01-01", "2024-01-01 00:00:00"];

/// Tries the expressions of an optimized plan: of these, constants are folded and what no row can
/// reach is gone.
///
/// # Errors
/// The error of the first expression that fails whatever the rows are.
pub(super) fn check(plan: &LogicalPlan, state: &SessionState) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        let trial = Trial {
            state,
            schema: merge_schema(&node.inputs()),
        };
        node.apply_expressions(|expr| {
            trial.visit(expr, true)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// Makes the aggregates of a plan ready to take rows: `count(distinct a, b)` is refused no sooner.
///
/// # Errors
/// The error of the first one that cannot be made.
pub(super) fn aggregates(plan: &Arc<dyn ExecutionPlan>) -> Result<(), DataFusionError> {
    plan.apply(|node| {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            for call in aggregate.aggr_expr() {
                match call.groups_accumulator_supported() {
                    true => drop(call.create_groups_accumulator()?),
                    false => drop(call.create_accumulator()?),
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// What is known of an expression's value.
enum Value {
    Constant(ScalarValue),
    /// It depends on the row, or is not evaluated here.
    Varying,
}

struct Trial<'a> {
    state: &'a SessionState,
    schema: DFSchema,
}

impl Trial<'_> {
    /// `certain` says whether each row reaches the expression.
    fn visit(&self, expr: &Expr, certain: bool) -> Result<Value, DataFusionError> {
        match expr {
            Expr::Literal(value, _) => Ok(Value::Constant(value.clone())),
            Expr::Alias(alias) => self.visit(&alias.expr, certain),
            Expr::Case(case) => self.case(case, certain),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And | Operator::Or,
                right,
            }) => {
                self.visit(left, certain)?;
                self.visit(right, false)?;
                Ok(Value::Varying)
            }
            Expr::ScalarFunction(call) if call.func.short_circuits() => {
                self.short_circuiting(call, certain)
            }
            Expr::ScalarFunction(_)
            | Expr::BinaryExpr(_)
            | Expr::Cast(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Negative(_) => self.operation(expr, certain),
            // A filter of an aggregate decides which rows reach its arguments.
            Expr::AggregateFunction(call) => {
                let certain = certain && call.params.filter.is_none();
                self.children(expr, certain)
            }
            // The variables of a lambda have no type here.
            Expr::HigherOrderFunction(_) | Expr::Lambda(_) => Ok(Value::Varying),
            _ => self.children(expr, certain),
        }
    }

    fn children(&self, expr: &Expr, certain: bool) -> Result<Value, DataFusionError> {
        expr.apply_children(|child| {
            self.visit(child, certain)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(Value::Varying)
    }

    /// Each row reaches the first condition, and no other part for certain.
    fn case(&self, case: &Case, certain: bool) -> Result<Value, DataFusionError> {
        if let Some(operand) = &case.expr {
            self.visit(operand, certain)?;
        }
        for (at, (when, then)) in case.when_then_expr.iter().enumerate() {
            self.visit(when, certain && at == 0)?;
            self.visit(then, false)?;
        }
        if let Some(otherwise) = &case.else_expr {
            self.visit(otherwise, false)?;
        }
        Ok(Value::Varying)
    }

    fn short_circuiting(
        &self,
        call: &ScalarFunction,
        certain: bool,
    ) -> Result<Value, DataFusionError> {
        let (always, sometimes) = call
            .func
            .conditional_arguments(&call.args)
            .unwrap_or_else(|| (Vec::new(), call.args.iter().collect()));
        for argument in always {
            self.visit(argument, certain)?;
        }
        for argument in sometimes {
            self.visit(argument, false)?;
        }
        Ok(Value::Varying)
    }

    /// An operator or a function: its arguments, then itself.
    fn operation(&self, expr: &Expr, certain: bool) -> Result<Value, DataFusionError> {
        let mut arguments = Vec::new();
        expr.apply_children(|child| {
            arguments.push(self.visit(child, certain)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        if is_volatile(expr) {
            return Ok(Value::Varying);
        }
        let varying = arguments
            .iter()
            .filter(|argument| matches!(argument, Value::Varying))
            .count();
        let Some(alone) = self.alone(expr, &arguments) else {
            return Ok(Value::Varying);
        };
        if varying == 0 {
            return match alone.evaluate(1, 0) {
                Some(Ok(value)) => Ok(constant(value)),
                Some(Err(error)) if certain => Err(error),
                _ => Ok(Value::Varying),
            };
        }
        if let Some(Err(error)) = alone.evaluate(0, 0) {
            return Err(error);
        }
        if certain || reads_a_pattern(expr) {
            alone.samples()?;
        }
        Ok(Value::Varying)
    }

    /// The operation over its constants, and over a column for each argument that varies; none where
    /// that cannot be built.
    fn alone(&self, expr: &Expr, arguments: &[Value]) -> Option<Alone> {
        let mut fields = Vec::new();
        let mut at = 0;
        let replaced = expr
            .clone()
            .map_children(|child| {
                let value = &arguments[at];
                at += 1;
                Ok(Transformed::yes(match value {
                    Value::Constant(value) => Expr::Literal(value.clone(), None),
                    Value::Varying => {
                        let name = format!("argument_{at}");
                        let data_type = child.get_type(&self.schema)?;
                        fields.push(Field::new(&name, data_type, true));
                        Expr::Column(Column::new_unqualified(name))
                    }
                }))
            })
            .ok()?;
        let schema = DFSchema::try_from(Schema::new(fields)).ok()?;
        let physical = self
            .state
            .create_physical_expr(replaced.data, &schema)
            .ok()?;
        Some(Alone {
            physical,
            schema: Arc::clone(schema.inner()),
        })
    }
}

/// One operation, over columns that stand for its arguments.
struct Alone {
    physical: Arc<dyn PhysicalExpr>,
    schema: Arc<Schema>,
}

impl Alone {
    /// Evaluates over `rows` rows of the sample of that number; none where that says nothing about a
    /// run.
    fn evaluate(
        &self,
        rows: usize,
        sample: usize,
    ) -> Option<Result<ColumnarValue, DataFusionError>> {
        let columns = self.schema.fields().iter().map(|field| {
            let value = self::sample(field.data_type(), sample);
            value.to_array_of_size(rows)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>().ok()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options).ok()?;
        // Some functions expect that a batch has rows.
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.physical.evaluate(&batch))).ok()?;
        match evaluated {
            Err(error) if is_for_the_optimizer(&error) => None,
            evaluated => Some(evaluated),
        }
    }

    /// # Errors
    /// The error that each sample gives.
    fn samples(&self) -> Result<(), DataFusionError> {
        let mut same: Option<DataFusionError> = None;
        for sample in 0..TEXTS.len() {
            match (self.evaluate(1, sample), &same) {
                (Some(Err(error)), None) => same = Some(error),
                (Some(Err(error)), Some(first)) if error.to_string() == first.to_string() => {}
                _ => return Ok(()),
            }
        }
        match same {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// A value of the type; NULL where there is none to choose.
fn sample(data_type: &DataType, number: usize) -> ScalarValue {
    let chosen = match data_type {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(TEXTS[number].to_owned()))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some(TEXTS[number].to_owned()))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(TEXTS[number].to_owned()))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(number.is_multiple_of(2)))),
        DataType::Date32 => i32::try_from(number * 10_000)
            .ok()
            .map(|days| ScalarValue::Date32(Some(days))),
        _ if data_type.is_numeric() => match number {
            0 => ScalarValue::new_one(data_type).ok(),
            1 => ScalarValue::new_default(data_type).ok(),
            2 => ScalarValue::new_negative_one(data_type).ok(),
            _ => ScalarValue::new_ten(data_type).ok(),
        },
        DataType::Timestamp(..) => ScalarValue::new_default(data_type).ok(),
        _ => None,
    };
    let null = || ScalarValue::try_new_null(data_type).unwrap_or(ScalarValue::Null);
    chosen.unwrap_or_else(null)
}

fn constant(value: ColumnarValue) -> Value {
    match value {
        ColumnarValue::Scalar(value) => Value::Constant(value),
        ColumnarValue::Array(array) if array.len() == 1 => {
            let value = ScalarValue::try_from_array(&array, 0);
            value.map_or(Value::Varying, Value::Constant)
        }
        ColumnarValue::Array(_) => Value::Varying,
    }
}

fn is_volatile(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Volatile,
        _ => false,
    }
}

/// Whether the expression has an argument that is a small language of its own: a slip there is one
/// wherever it stands.
fn reads_a_pattern(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(_) | Expr::Like(_) | Expr::SimilarTo(_) => true,
        Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
            op,
            Operator::RegexMatch
                | Operator::RegexIMatch
                | Operator::RegexNotMatch
                | Operator::RegexNotIMatch
        ),
        _ => false,
    }
}

/// Whether the function is one that the optimizer replaces, and that is not made to be invoked.
fn is_for_the_optimizer(error: &DataFusionError) -> bool {
    let message = error.to_string();
    message.contains("should have been simplified") || message.contains("should not be called")
}

#[cfg(test)]
mod tests {
    use crate::engine::tests::without_rows;
    use crate::engine::{Error, Session};

    /// Values of each type that are none of the samples: a function that takes one of them is right.
    const VALUES: &[(&str, &[&str])] = &[
        ("bigint", &["2", "5", "100"]),
        ("double", &["0.5", "2.0", "-3.5"]),
        (
            "varchar",
            &[
                "'day'",
                "'2'",
                "'hex'",
                "'{}'",
                "'utf-8'",
                "'md5'",
                "'2020-02-03T04:05:06Z'",
            ],
        ),
        ("date", &["date '2020-02-03'"]),
        ("timestamp", &["timestamp '2020-02-03 04:05:06'"]),
        ("boolean", &["true"]),
    ];

    async fn tables() -> Session {
        let columns: Vec<String> = (0..2)
            .flat_map(|at| {
                VALUES
                    .iter()
                    .map(move |(name, _)| format!("{name}_{at} {name}"))
            })
            .collect();
        without_rows(&[("t", &columns.join(", "))]).await
    }

    async fn told(sql: &str) -> Option<Error> {
        let users = (
            "users",
            "user_id bigint, name varchar, born date, weight double",
        );
        let session = without_rows(&[users]).await.strict();
        session.plan(sql).await.err()
    }

    /// The message and the place of the error that a check gives.
    async fn refused(sql: &str, place: (usize, usize), message: &str) {
        let error = told(sql).await.expect(sql);
        assert!(error.message.contains(message), "{sql}: {}", error.message);
        let at = error.position.map(|at| (at.line, at.column));
        assert_eq!(at, Some(place), "{sql}");
    }

    async fn taken(sql: &str) {
        let error = told(sql).await;
        assert!(error.is_none(), "{sql}: {}", error.unwrap());
    }

    #[tokio::test]
    async fn what_fails_for_any_rows_is_refused_where_it_stands() {
        refused("select user_id,\n  1 / 0 as x from users", (2, 3), "zero").await;
        refused("select user_id % 0 as x from users", (1, 8), "zero").await;
        refused(
            "select * from (select 1 / 0 as x from users) as t",
            (1, 23),
            "zero",
        )
        .await;
        refused(
            "with a as (select user_id, 1 / 0 as x from users)\nselect x from a",
            (1, 28),
            "zero",
        )
        .await;
        refused(
            "select date_trunc('mnth', born) as x from users",
            (1, 8),
            "mnth",
        )
        .await;
        refused(
            "select extract(dwo from born) as x from users",
            (1, 25),
            "dwo",
        )
        .await;
        refused(
            "select user_id from users where regexp_like(name, '[a-z')",
            (1, 33),
            "`[a-z` is no regular expression",
        )
        .await;
        refused(
            "select case when user_id > 1 then split_part(name, ',', 0) end as x from users",
            (1, 35),
            "zero",
        )
        .await;
        refused(
            "select user_id from users where exists (select 1 from users as u where u.user_id / 0 = 1)",
            (1, 72),
            "zero",
        )
        .await;
    }

    #[tokio::test]
    async fn aggregates_are_made() {
        refused(
            "select count(distinct user_id, name) as x from users",
            (1, 8),
            "distinct",
        )
        .await;
        taken("select count(distinct user_id) as x, count(distinct name) filter (where user_id > 1) as y from users").await;
    }

    #[tokio::test]
    async fn what_no_row_need_reach_is_taken() {
        for expression in [
            "case when false then 1 / 0 else 1 end",
            "case when user_id > 1 then 1 / 0 end",
            "case user_id when 1 then 2 when 1 / 0 then 3 end",
            "coalesce(user_id, 1 / 0)",
            "nvl(user_id, 1 / 0)",
            "1 / nullif(0, 0)",
            "user_id / nullif(user_id, 0)",
            "user_id > 0 or 1 / 0 = 1",
            "user_id > 0 and 1 / 0 = 1",
            "weight / 0",
            "try_cast(name as date)",
            "cast(name as date)",
            "to_date(name, '%Y')",
            "to_timestamp(name)",
            "decode(name, 'base64')",
            "substr(name, user_id)",
            "repeat(name, user_id)",
            "array_agg(name)[1]",
            "random() / (random() - random())",
            "now() - interval '1 day'",
            "name like 'a%'",
            "name ~ '^[a-z]+$'",
            "sum(1 / 0) filter (where user_id is null)",
        ] {
            taken(&format!("select {expression} as x from users")).await;
        }
        taken("select 1 / 0 as x from users where false").await;
        taken("select 1 / 0 as x from users limit 0").await;
        taken("with a as (select user_id, 1 / 0 as x from users) select user_id from a").await;
    }

    /// Each function of the engine over columns of each type: what a check refuses fails in a run for
    /// every value that is tried.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_function_is_refused_that_some_value_is_right_for() {
        let session = tables().await;
        let strict = session.clone().strict();
        let mut names: Vec<String> = session.state().scalar_functions().keys().cloned().collect();
        names.sort();
        let mut wrong = Vec::new();
        let mut refused = 0;
        for name in names {
            for (left, left_values) in VALUES {
                let calls = VALUES.iter().map(|(right, values)| (Some(*right), *values));
                for (right, right_values) in std::iter::once((None, &["0"][..])).chain(calls) {
                    let call = |left: &str, right: &str| match right {
                        "" => format!("{name}({left})"),
                        right => format!("{name}({left}, {right})"),
                    };
                    let second = right.map(|right| format!("{right}_1")).unwrap_or_default();
                    let sql = format!("select {} as x from t", call(&format!("{left}_0"), &second));
                    // What cannot be planned is no matter of trials.
                    if session.plan(&sql).await.is_err() || strict.plan(&sql).await.is_ok() {
                        continue;
                    }
                    refused += 1;
                    for one in *left_values {
                        for other in right_values {
                            let second = right.map_or(String::new(), |_| "b".to_owned());
                            let run = format!(
                                "select {} as x from (values ({one}, {other})) as t (a, b)",
                                call("a", &second)
                            );
                            let Ok(plan) = session.plan(&run).await else {
                                continue;
                            };
                            if plan.collect(None).await.is_ok() {
                                wrong.push(run);
                            }
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{refused} refused, wrongly: {wrong:#?}");
    }
}
