//! Sums and averages of whole numbers and decimals, which never wrap: they are added up in a wider type.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, PrimitiveArray,
};
use datafusion::arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Int64Type, UInt64Type, i256,
};
use datafusion::common::{DataFusionError, Result};

use super::exact::{LOWEST, round, take};
use super::place::Place;
use super::totals::{Group, Measure};

/// A type of whole numbers, decimals among them.
pub(super) trait Number: ArrowPrimitiveType + Send + Sync {
    fn widen(value: Self::Native) -> i256;
    /// The value where it fits 128 bits, as all do but those of `Decimal256`.
    fn small(value: Self::Native) -> i128;
    fn narrow(value: i256) -> Option<Self::Native>;
}

macro_rules! number {
    ($($kind:ty: $native:ty),*) => {$(
        impl Number for $kind {
            fn widen(value: $native) -> i256 {
                i256::from_i128(i128::from(value))
            }

            #[inline]
            fn small(value: $native) -> i128 {
                i128::from(value)
            }

            fn narrow(value: i256) -> Option<$native> {
                value.to_i128()?.try_into().ok()
            }
        }
    )*};
}

number!(
    Int64Type: i64,
    UInt64Type: u64,
    DurationSecondType: i64,
    DurationMillisecondType: i64,
    DurationMicrosecondType: i64,
    DurationNanosecondType: i64,
    Decimal32Type: i32,
    Decimal64Type: i64,
    Decimal128Type: i128
);

impl Number for Decimal256Type {
    fn widen(value: i256) -> i256 {
        value
    }

    fn small(value: i256) -> i128 {
        value.as_i128()
    }

    fn narrow(value: i256) -> Option<i256> {
        Some(value)
    }
}

/// What the numbers are added up in.
pub(super) trait Adder: Clone + Default + fmt::Debug + Send + Sync + 'static {
    fn add<T: Number>(&mut self, value: T::Native);
    fn remove<T: Number>(&mut self, value: T::Native);
    fn merge(&mut self, other: &Self);
    /// None where it left even 256 bits.
    fn total(&self) -> Option<i256>;
    fn encode(&self, bytes: &mut Vec<u8>);
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// Enough for 2^63 whole numbers, and for 10^10 decimals of up to [`SMALL_DECIMAL`] digits.
pub(super) type Small = i128;

/// Digits of a decimal that [`Small`] adds up.
pub(super) const SMALL_DECIMAL: u8 = 27;

impl Adder for Small {
    #[inline]
    fn add<T: Number>(&mut self, value: T::Native) {
        *self = self.wrapping_add(T::small(value));
    }

    #[inline]
    fn remove<T: Number>(&mut self, value: T::Native) {
        *self = self.wrapping_sub(T::small(value));
    }

    fn merge(&mut self, other: &Small) {
        *self = self.wrapping_add(*other);
    }

    fn total(&self) -> Option<i256> {
        Some(i256::from_i128(*self))
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Small> {
        take(bytes).map(i128::from_le_bytes)
    }
}

/// For decimals of any size. What leaves the 256 bits is counted, so that it may come back.
#[derive(Clone, Debug, Default)]
pub(super) struct Large {
    sum: i256,
    carried: i64,
}

impl Large {
    fn enter(&mut self, value: i256) {
        let sum = self.sum.wrapping_add(value);
        let negative = value.is_negative();
        if self.sum.is_negative() == negative && sum.is_negative() != negative {
            self.carried += if negative { -1 } else { 1 };
        }
        self.sum = sum;
    }
}

impl Adder for Large {
    fn add<T: Number>(&mut self, value: T::Native) {
        self.enter(T::widen(value));
    }

    fn remove<T: Number>(&mut self, value: T::Native) {
        self.enter(T::widen(value).wrapping_neg());
    }

    fn merge(&mut self, other: &Large) {
        self.enter(other.sum);
        self.carried += other.carried;
    }

    fn total(&self) -> Option<i256> {
        (self.carried == 0).then_some(self.sum)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.sum.to_le_bytes());
        bytes.extend_from_slice(&self.carried.to_le_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Large> {
        Some(Large {
            sum: i256::from_le_bytes(take(bytes)?),
            carried: take(bytes).map(i64::from_le_bytes)?,
        })
    }
}

/// What becomes of the sum.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Sum,
    /// The average as a double.
    Mean,
    /// The average as a decimal with so many digits more behind its point.
    DecimalMean {
        more: u32,
    },
    /// The average, cut to a whole number.
    WholeMean,
}

pub(super) struct Whole<T, A> {
    outcome: Outcome,
    returns: DataType,
    place: Place,
    kinds: PhantomData<fn() -> (T, A)>,
}

impl<T, A> Clone for Whole<T, A> {
    fn clone(&self) -> Whole<T, A> {
        Whole {
            outcome: self.outcome.clone(),
            returns: self.returns.clone(),
            place: self.place.clone(),
            kinds: PhantomData,
        }
    }
}

impl<T, A> fmt::Debug for Whole<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} as {}", self.outcome, self.returns)
    }
}

impl<T: Number, A: Adder> Whole<T, A> {
    pub(super) fn new(outcome: Outcome, returns: DataType, place: Place) -> Whole<T, A> {
        Whole {
            outcome,
            returns,
            place,
            kinds: PhantomData,
        }
    }

    fn overflow(&self) -> DataFusionError {
        self.place.overflow(&self.returns)
    }

    fn value(&self, group: &Group<A>) -> Result<Option<T::Native>> {
        if group.count == 0 {
            return Ok(None);
        }
        let total = group.state.total();
        let count = i256::from_i128(i128::from(group.count));
        let value = match self.outcome {
            Outcome::DecimalMean { more } => total
                .and_then(|total| total.checked_mul(i256::from_i128(10).checked_pow(more)?))
                .and_then(|total| halves_up(total, count)),
            Outcome::WholeMean => total.and_then(|total| total.checked_div(count)),
            Outcome::Sum | Outcome::Mean => total,
        };
        let value = value.filter(|value| fits(*value, &self.returns));
        let value = value.and_then(T::narrow).ok_or_else(|| self.overflow())?;
        Ok(Some(value))
    }
}

/// The double nearest to the quotient of a sum of whole numbers and their count.
fn mean(total: i256, count: u64) -> f64 {
    /// Bits of the quotient behind its point.
    const BEHIND: u8 = 64;
    let small = |total: i128| (total.unsigned_abs() < 1 << 53 && count < 1 << 53).then_some(total);
    if let Some(total) = total.to_i128().and_then(small) {
        return total as f64 / count as f64;
    }
    let (sum, by) = (
        total.wrapping_abs() << BEHIND,
        i256::from_i128(i128::from(count)),
    );
    let (quotient, rest) = (sum.wrapping_div(by), sum.wrapping_rem(by));
    let bytes = quotient.to_le_bytes();
    let (limbs, _) = bytes.as_chunks::<8>();
    let limbs: Vec<u64> = limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect();
    let value = round(&limbs, -LOWEST - i64::from(BEHIND), rest != i256::ZERO);
    if total.is_negative() { -value } else { value }
}

/// The quotient, rounded to the nearest whole number, and away from zero where two are as near.
fn halves_up(total: i256, count: i256) -> Option<i256> {
    let (quotient, rest) = (total.checked_div(count)?, total.checked_rem(count)?);
    let up = rest.wrapping_abs() >= count.wrapping_sub(rest.wrapping_abs());
    Some(match (up, total.is_negative()) {
        (false, _) => quotient,
        (true, false) => quotient.wrapping_add(i256::ONE),
        (true, true) => quotient.wrapping_sub(i256::ONE),
    })
}

/// Whether a decimal has no more digits than its type; other types say so by themselves.
pub(super) fn fits(value: i256, data_type: &DataType) -> bool {
    let (DataType::Decimal32(precision, _)
    | DataType::Decimal64(precision, _)
    | DataType::Decimal128(precision, _)
    | DataType::Decimal256(precision, _)) = data_type
    else {
        return true;
    };
    let limit = i256::from_i128(10).checked_pow(u32::from(*precision));
    limit.is_none_or(|limit| value < limit && value > limit.wrapping_neg())
}

impl<T: Number, A: Adder> Measure for Whole<T, A> {
    type State = A;
    type Rows = PrimitiveArray<T>;

    fn rows(&self, arguments: &[ArrayRef]) -> Result<PrimitiveArray<T>> {
        let values = arguments[0].as_primitive_opt::<T>();
        values.cloned().ok_or_else(|| {
            let found = arguments[0].data_type();
            DataFusionError::Internal(format!("{} of {found}", self.place.text))
        })
    }

    #[inline]
    fn add(&self, state: &mut A, rows: &PrimitiveArray<T>, row: usize) {
        state.add::<T>(rows.value(row));
    }

    #[inline]
    fn remove(&self, state: &mut A, rows: &PrimitiveArray<T>, row: usize) {
        state.remove::<T>(rows.value(row));
    }

    fn merge(&self, state: &mut A, other: &A) {
        state.merge(other);
    }

    fn encode(&self, state: &A, bytes: &mut Vec<u8>) {
        state.encode(bytes);
    }

    fn decode(&self, bytes: &mut &[u8]) -> Option<A> {
        A::decode(bytes)
    }

    #[inline]
    fn heap(&self, _: &A) -> usize {
        0
    }

    fn finish(&self, groups: &[Group<A>]) -> Result<ArrayRef> {
        if let Outcome::Mean = self.outcome {
            let means = groups
                .iter()
                .map(|group| match (group.count, group.state.total()) {
                    (0, _) => Ok(None),
                    (count, Some(total)) => Ok(Some(mean(total, count))),
                    (_, None) => Err(self.overflow()),
                });
            return Ok(Arc::new(means.collect::<Result<Float64Array>>()?));
        }
        let values = groups.iter().map(|group| self.value(group));
        let values: PrimitiveArray<T> = values.collect::<Result<Vec<_>>>()?.into_iter().collect();
        Ok(Arc::new(values.with_data_type(self.returns.clone())))
    }
}
