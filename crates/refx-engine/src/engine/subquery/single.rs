//! A scalar subquery that gives more than one row is an error, as in PostgreSQL and DuckDB.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `value`, or an error where the number of rows that it comes from is greater than one.
pub(super) fn single(value: Expr, rows: Expr) -> Expr {
    ScalarUDF::from(Single::new()).call(vec![value, rows])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Single {
    signature: Signature,
}

impl Single {
    fn new() -> Single {
        Single {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Single {
    fn name(&self) -> &str {
        "single_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types
            .first()
            .cloned()
            .ok_or_else(|| DataFusionError::Internal("`single_row` has no argument".to_owned()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [value, rows] = arrays.as_slice() else {
            return Err(DataFusionError::Internal(
                "`single_row` has two arguments".to_owned(),
            ));
        };
        let rows = rows.as_any().downcast_ref::<Int64Array>();
        let most = rows.and_then(datafusion::arrow::compute::max).unwrap_or(0);
        match most > 1 {
            true => Err(DataFusionError::Execution(format!(
                "a subquery that is used as one value gives {most} rows"
            ))),
            false => Ok(ColumnarValue::Array(Arc::clone(value))),
        }
    }
}
