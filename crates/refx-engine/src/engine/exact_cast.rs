//! A conversion without loss as a function of the engine.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::exact::exact;
use super::{Error, Kind};

/// Converts the values of a source's column to the type that is declared for it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactCast {
    to: DataType,
    format: Option<String>,
    /// Begins the message of an error: the files and the column.
    place: String,
    signature: Signature,
}

impl ExactCast {
    pub(super) fn new(to: DataType, format: Option<String>, place: String) -> ExactCast {
        ExactCast {
            to,
            format,
            place,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for ExactCast {
    fn name(&self) -> &str {
        "exact_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let made = exact(&arrays[0], &self.to, self.format.as_deref()).map_err(|bad| {
            let error = Error::new(Kind::Source, format!("{}: {bad}", self.place))
                .help("correct the value, or declare another type for the column");
            DataFusionError::External(Box::new(error))
        })?;
        Ok(ColumnarValue::Array(Arc::clone(&made)))
    }
}
