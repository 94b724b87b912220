//! The key of a Z-order: the bits of several columns, one of each in turn.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Bytes of each column that count.
const BYTES: usize = 16;

/// Values that are near each other in each column have keys that are near each other.
pub(super) fn key(columns: Vec<Expr>) -> Expr {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::from(ZOrder { signature }).call(columns)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ZOrder {
    signature: Signature,
}

impl ScalarUDFImpl for ZOrder {
    fn name(&self) -> &str {
        "zorder_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().map(|column| column.into_array(rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return exec_err!("a Z-order has at least one column");
        }
        Ok(ColumnarValue::Array(keys(&columns, rows)?))
    }
}

fn keys(columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    // Arrow's rows are bytes that sort as the values do.
    let sorted = columns.iter().map(|column| {
        let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
        Ok(converter.convert_columns(std::slice::from_ref(column))?)
    });
    let sorted = sorted.collect::<Result<Vec<_>>>()?;
    let width = columns.len() * BYTES;
    let mut keys = BinaryBuilder::with_capacity(rows, rows * width);
    let mut key = vec![0_u8; width];
    for row in 0..rows {
        key.fill(0);
        for (place, values) in sorted.iter().enumerate() {
            let value = values.row(row);
            for (index, byte) in value.as_ref().iter().take(BYTES).enumerate() {
                for bit in 0..8 {
                    if byte & (0x80 >> bit) != 0 {
                        let to = (index * 8 + bit) * columns.len() + place;
                        key[to / 8] |= 0x80 >> (to % 8);
                    }
                }
            }
        }
        keys.append_value(&key);
    }
    Ok(Arc::new(keys.finish()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array};

    use super::*;

    #[test]
    fn keys_take_a_bit_of_each_column_in_turn() {
        let numbers = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let (x, y) = (numbers(&[0, 1, 0, 1, 2]), numbers(&[0, 0, 1, 1, 0]));
        let keys = keys(&[y, x], 5).unwrap();
        let keys: Vec<&[u8]> = keys.as_binary::<i32>().iter().flatten().collect();
        // The curve: right, up to the left, right, and then on.
        assert!(keys.is_sorted());
        assert_eq!(keys[0].len(), 2 * BYTES);
        assert_ne!(keys[0], keys[1]);
    }
}
