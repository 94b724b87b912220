//! Arithmetic that does not wrap.
//!
//! DataFusion computes `+`, `-` and `*` of whole numbers modulo 2^64, and lets a decimal have more
//! digits than its type. An optimizer rule, the first one, puts a function in the place of such an
//! operator. It has the same name and type, so no other rule sees a difference, and constants are
//! folded with it. What reads a plan before that (lint, lineage, meaning) sees the operator.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION,
    DECIMAL256_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, Field, FieldRef,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::aggregates::Exactly;
use super::place::Place;

/// Replaces operators that may wrap, and tells the aggregates where they are.
#[derive(Debug)]
pub(super) struct CheckArithmetic;

impl OptimizerRule for CheckArithmetic {
    fn name(&self) -> &str {
        "check_arithmetic"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up_with_subqueries(|node| {
            if !computes(&node)? {
                return Ok(Transformed::no(node));
            }
            let schema = schema(&node);
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                // A FILTER of an aggregate shows operators with parentheses, and calls without.
                let name = names.save(&expr);
                let (expr, _) = checked(expr, &schema)?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })
    }
}

/// Whether a node has anything to check or to place.
fn computes(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found = found
            || expr.exists(|part| {
                Ok(match part {
                    Expr::BinaryExpr(binary) => Sign::of(binary.op).is_some(),
                    Expr::Negative(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                        true
                    }
                    _ => false,
                })
            })?;
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// The columns that the expressions of a node may name.
fn schema(node: &LogicalPlan) -> DFSchema {
    if let LogicalPlan::TableScan(scan) = node {
        let columns = scan.source.schema();
        let named = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &columns);
        return named.unwrap_or_else(|_| DFSchema::empty());
    }
    merge_schema(&node.inputs())
}

/// The expression with its arithmetic checked; and its type, where it was arithmetic.
fn checked(expr: Expr, schema: &DFSchema) -> Result<(Transformed<Expr>, Option<DataType>)> {
    match expr {
        Expr::BinaryExpr(binary) => of_binary(binary, schema),
        Expr::Negative(inner) => {
            let (inner, known) = checked(*inner, schema)?;
            let data_type = typed(&inner.data, known, schema);
            if !data_type.as_ref().is_some_and(may_wrap) {
                return Ok((
                    inner.update_data(|inner| Expr::Negative(Box::new(inner))),
                    data_type,
                ));
            }
            let call = Checked::call(Sign::Negative, vec![inner.data]);
            Ok((Transformed::yes(call), data_type))
        }
        other => {
            let other =
                other.map_children(|child| checked(child, schema).map(|(child, _)| child))?;
            Ok((other.transform_data(|expr| Ok(placed(expr)))?, None))
        }
    }
}

fn of_binary(
    BinaryExpr { left, op, right }: BinaryExpr,
    schema: &DFSchema,
) -> Result<(Transformed<Expr>, Option<DataType>)> {
    let (left, of_left) = checked(*left, schema)?;
    let (right, of_right) = checked(*right, schema)?;
    let changed = left.transformed || right.transformed;
    let whole = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    };
    let unchanged = |left: Expr, right: Expr| {
        Transformed::new(whole(left, right), changed, TreeNodeRecursion::Continue)
    };
    let Some(sign) = Sign::of(op) else {
        return Ok((unchanged(left.data, right.data), None));
    };
    let types = typed(&left.data, of_left, schema).zip(typed(&right.data, of_right, schema));
    let Some((of_left, of_right)) = types.filter(|(left, right)| may_wrap(left) && may_wrap(right))
    else {
        return Ok((unchanged(left.data, right.data), None));
    };
    let data_type = result(&of_left, op, &of_right)?;
    let call = Checked::call(sign, vec![left.data, right.data]);
    Ok((Transformed::yes(call), Some(data_type)))
}

fn typed(expr: &Expr, known: Option<DataType>, schema: &DFSchema) -> Option<DataType> {
    known.or_else(|| expr.get_type(schema).ok())
}

fn result(left: &DataType, op: Operator, right: &DataType) -> Result<DataType> {
    BinaryTypeCoercer::new(left, &op, right).get_result_type()
}

fn may_wrap(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_decimal()
}

/// An aggregate of refx that knows where in the text it is.
fn placed(expr: Expr) -> Transformed<Expr> {
    match &expr {
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            match Exactly::placed(func, || Place::of(&expr)) {
                Some(func) => Transformed::yes(Expr::AggregateFunction(AggregateFunction {
                    func: Arc::new(func),
                    params: params.clone(),
                })),
                None => Transformed::no(expr),
            }
        }
        Expr::WindowFunction(call) => {
            let WindowFunctionDefinition::AggregateUDF(func) = &call.fun else {
                return Transformed::no(expr);
            };
            match Exactly::placed(func, || Place::of(&expr)) {
                Some(func) => Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction {
                    fun: WindowFunctionDefinition::AggregateUDF(Arc::new(func)),
                    params: call.params.clone(),
                }))),
                None => Transformed::no(expr),
            }
        }
        _ => Transformed::no(expr),
    }
}

/// The operators that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sign {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
    Negative,
}

impl Sign {
    fn of(op: Operator) -> Option<Sign> {
        Some(match op {
            Operator::Plus => Sign::Plus,
            Operator::Minus => Sign::Minus,
            Operator::Multiply => Sign::Times,
            Operator::Divide => Sign::Over,
            Operator::Modulo => Sign::Modulo,
            _ => return None,
        })
    }

    fn operator(self) -> Option<Operator> {
        Some(match self {
            Sign::Plus => Operator::Plus,
            Sign::Minus => Operator::Minus,
            Sign::Times => Operator::Multiply,
            Sign::Over => Operator::Divide,
            Sign::Modulo => Operator::Modulo,
            Sign::Negative => return None,
        })
    }

    fn compute(self, values: &[&dyn Datum]) -> Result<ArrayRef, ArrowError> {
        match (self, values) {
            (Sign::Plus, [left, right]) => numeric::add(*left, *right),
            (Sign::Minus, [left, right]) => numeric::sub(*left, *right),
            (Sign::Times, [left, right]) => numeric::mul(*left, *right),
            (Sign::Over, [left, right]) => numeric::div(*left, *right),
            (Sign::Modulo, [left, right]) => numeric::rem(*left, *right),
            (Sign::Negative, [value]) => numeric::neg(value.get().0),
            _ => Err(ArrowError::InvalidArgumentError(format!(
                "{self:?} of {} values",
                values.len()
            ))),
        }
    }
}

/// The operator that a call stands for, none for a negation, and its place.
pub(super) fn operation(call: &ScalarFunction) -> Option<(Option<Operator>, &Place)> {
    let checked = call.func.inner().downcast_ref::<Checked>()?;
    Some((checked.sign.operator(), &checked.place))
}

/// An operator as a function that fails rather than wrap.
#[derive(Debug)]
struct Checked {
    sign: Sign,
    place: Place,
    signature: Signature,
}

/// The place tells where an error is, and not what is computed: equal expressions are computed once.
impl PartialEq for Checked {
    fn eq(&self, other: &Checked) -> bool {
        self.sign == other.sign
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sign.hash(state);
    }
}

impl Checked {
    fn call(sign: Sign, args: Vec<Expr>) -> Expr {
        let place = Place::of_operation(sign.operator(), &args);
        let signature = Signature::any(args.len(), Volatility::Immutable);
        let function = ScalarUDF::new_from_impl(Checked {
            sign,
            place,
            signature,
        });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
    }

    fn failed(&self, error: ArrowError, data_type: &DataType) -> DataFusionError {
        match error {
            ArrowError::ArithmeticOverflow(_) => self.place.overflow(data_type),
            ArrowError::DivideByZero => self.place.division_by_zero(),
            other => DataFusionError::from(other),
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.sign {
            Sign::Plus => "checked_add",
            Sign::Minus => "checked_subtract",
            Sign::Times => "checked_multiply",
            Sign::Over => "checked_divide",
            Sign::Modulo => "checked_modulo",
            Sign::Negative => "checked_negate",
        }
    }

    /// The name that the operator gives a column.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match (self.sign.operator(), args) {
            (Some(op), [left, right]) => {
                format!("{} {op} {}", left.schema_name(), right.schema_name())
            }
            (_, args) => {
                let names: Vec<String> = args
                    .iter()
                    .map(|arg| arg.schema_name().to_string())
                    .collect();
                format!("(- {})", names.join(", "))
            }
        })
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match (self.sign.operator(), args) {
            (Some(op), [left, right]) => format!("{left} {op} {right}"),
            (_, args) => {
                let names: Vec<String> = args.iter().map(ToString::to_string).collect();
                format!("(- {})", names.join(", "))
            }
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.sign.operator(), types) {
            (Some(op), [left, right]) => result(left, op, right),
            (_, [value, ..]) => Ok(value.clone()),
            _ => Err(DataFusionError::Internal(format!("{self:?} of nothing"))),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|one| one.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(
            self.name(),
            self.return_type(&types)?,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type();
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let values = args.args.iter().map(datum).collect::<Result<Vec<_>>>()?;
        let values: Vec<&dyn Datum> = values.iter().map(AsRef::as_ref).collect();
        let computed = self.sign.compute(&values);
        let computed = computed.map_err(|error| self.failed(error, data_type))?;
        if exceeds(&computed) {
            return Err(self.place.overflow(data_type));
        }
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&computed, 0)?),
            false => ColumnarValue::Array(computed),
        })
    }
}

fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(Arc::clone(array)),
        ColumnarValue::Scalar(scalar) => Box::new(scalar.to_scalar()?),
    })
}

/// Whether a decimal has more digits than its type. Below the greatest precision the type of the
/// result has room for every result.
fn exceeds(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Decimal32(precision @ DECIMAL32_MAX_PRECISION, _) => array
            .as_primitive::<Decimal32Type>()
            .validate_decimal_precision(*precision)
            .is_err(),
        DataType::Decimal64(precision @ DECIMAL64_MAX_PRECISION, _) => array
            .as_primitive::<Decimal64Type>()
            .validate_decimal_precision(*precision)
            .is_err(),
        DataType::Decimal128(precision @ DECIMAL128_MAX_PRECISION, _) => array
            .as_primitive::<Decimal128Type>()
            .validate_decimal_precision(*precision)
            .is_err(),
        DataType::Decimal256(precision @ DECIMAL256_MAX_PRECISION, _) => array
            .as_primitive::<Decimal256Type>()
            .validate_decimal_precision(*precision)
            .is_err(),
        _ => false,
    }
}
