//! Sums and averages of doubles, variance, covariance, correlation and regression.
//!
//! The sums of x, y and their products are exact ([`Sum`]). What is made of them is computed on whole
//! numbers of any length and rounded once.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, UInt64Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::common::{DataFusionError, Result};
use num_bigint::{BigInt, BigUint, Sign};

use super::exact::{LOWEST, Sum, round};
use super::totals::{Group, Measure};

/// What is added up of each row. The first argument of a function of two is y, as in `regr_slope(y, x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    X,
    Y,
    XX,
    YY,
    XY,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Sum,
    Mean,
    MeanOfY,
    Count,
    Variance {
        of: Part,
        sample: bool,
    },
    Deviation {
        sample: bool,
    },
    Covariance {
        sample: bool,
    },
    Correlation,
    Slope,
    Intercept,
    R2,
    /// The sum of squares, or of products, around the averages.
    Around {
        of: Part,
    },
}

impl Outcome {
    /// What has to be added up.
    pub(super) fn parts(self) -> &'static [Part] {
        use Part::{X, XX, XY, Y, YY};
        match self {
            Outcome::Count => &[],
            Outcome::Sum | Outcome::Mean => &[X],
            Outcome::MeanOfY => &[Y],
            Outcome::Variance { of, .. } | Outcome::Around { of } => match of {
                YY => &[Y, YY],
                XY => &[X, Y, XY],
                _ => &[X, XX],
            },
            Outcome::Deviation { .. } => &[X, XX],
            Outcome::Covariance { .. } => &[X, Y, XY],
            Outcome::Slope | Outcome::Intercept => &[X, Y, XX, XY],
            Outcome::Correlation | Outcome::R2 => &[X, Y, XX, YY, XY],
        }
    }
}

/// `N` exact sums for each group.
#[derive(Clone, Debug)]
pub(super) struct Moments<const N: usize> {
    outcome: Outcome,
    parts: [Part; N],
    /// The argument that x is, and the one that y is.
    x: usize,
    y: usize,
}

/// The sums of one group.
#[derive(Clone, Debug)]
pub(super) struct Sums<const N: usize>([Sum; N]);

impl<const N: usize> Default for Sums<N> {
    fn default() -> Sums<N> {
        Sums(std::array::from_fn(|_| Sum::default()))
    }
}

impl<const N: usize> Moments<N> {
    /// None where the outcome needs another number of sums.
    pub(super) fn new(outcome: Outcome, arguments: usize) -> Option<Moments<N>> {
        Some(Moments {
            outcome,
            parts: outcome.parts().try_into().ok()?,
            x: arguments.saturating_sub(1),
            y: 0,
        })
    }

    fn of<'a>(&self, group: &'a Group<Sums<N>>, part: Part) -> &'a Sum {
        let at = self.parts.iter().position(|known| *known == part);
        // `Outcome::parts` names each part that the outcome asks for.
        &group.state.0[at.expect("the part is added up")]
    }

    fn value(&self, group: &Group<Sums<N>>) -> Option<f64> {
        let count = group.count;
        let least = match self.outcome {
            Outcome::Variance { sample, .. }
            | Outcome::Deviation { sample }
            | Outcome::Covariance { sample } => 1 + u64::from(sample),
            Outcome::Correlation | Outcome::Slope | Outcome::Intercept | Outcome::R2 => 2,
            _ => 1,
        };
        if count < least {
            return None;
        }
        match self.outcome {
            Outcome::Sum => return Some(self.of(group, self.parts[0]).rounded()),
            Outcome::Mean | Outcome::MeanOfY => {
                return Some(mean(self.of(group, self.parts[0]), count));
            }
            _ => {}
        }
        if let Some(value) = self.special(group) {
            return Some(value);
        }
        let around = |of: Part| self.around(group, of);
        let n = Exact::from(count);
        let divisor = |sample: bool| Exact::from(count - u64::from(sample)).times(&n);
        match self.outcome {
            Outcome::Variance { of, sample } => Some(around(of).over(&divisor(sample))),
            Outcome::Deviation { sample } => Some(around(Part::XX).over(&divisor(sample)).sqrt()),
            Outcome::Covariance { sample } => Some(around(Part::XY).over(&divisor(sample))),
            Outcome::Around { of } => Some(around(of).over(&n)),
            _ => self.line(group, &n),
        }
    }

    /// The result where it is no finite number: nothing is around an average that is none, and squares
    /// may be greater than any double.
    fn special(&self, group: &Group<Sums<N>>) -> Option<f64> {
        let mut sums = self.parts.iter().zip(&group.state.0);
        let (part, value) = sums.find_map(|(part, sum)| Some((part, sum.special()?)))?;
        let line = matches!(
            self.outcome,
            Outcome::Correlation | Outcome::Slope | Outcome::Intercept | Outcome::R2
        );
        Some(match part {
            Part::XX | Part::YY | Part::XY if !line => value,
            _ => f64::NAN,
        })
    }

    /// What is about the line through the points.
    fn line(&self, group: &Group<Sums<N>>, n: &Exact) -> Option<f64> {
        let (xx, xy) = match self.outcome {
            Outcome::Correlation | Outcome::R2 | Outcome::Slope | Outcome::Intercept => {
                (self.around(group, Part::XX), self.around(group, Part::XY))
            }
            _ => return None,
        };
        if xx.is_zero() {
            return None;
        }
        let square = |yy: &Exact| (!yy.is_zero()).then(|| xy.times(&xy).over(&xx.times(yy)));
        match self.outcome {
            Outcome::Slope => Some(xy.over(&xx)),
            Outcome::Intercept => {
                let (x, y) = (self.exact(group, Part::X), self.exact(group, Part::Y));
                Some(y.times(&xx).minus(&xy.times(&x)).over(&n.times(&xx)))
            }
            Outcome::R2 => square(&self.around(group, Part::YY)),
            _ => {
                let root = square(&self.around(group, Part::YY))?.sqrt();
                Some(if xy.is_negative() { -root } else { root })
            }
        }
    }

    fn exact(&self, group: &Group<Sums<N>>, part: Part) -> Exact {
        Exact::of(self.of(group, part))
    }

    /// The count times the sum of products around the averages: `n * sum(x * y) - sum(x) * sum(y)`.
    fn around(&self, group: &Group<Sums<N>>, of: Part) -> Exact {
        let (left, right) = match of {
            Part::XX => (Part::X, Part::X),
            Part::YY => (Part::Y, Part::Y),
            _ => (Part::X, Part::Y),
        };
        let (left, right) = (self.exact(group, left), self.exact(group, right));
        let products = self.exact(group, of);
        Exact::from(group.count)
            .times(&products)
            .minus(&left.times(&right))
    }
}

/// The average as `sum(x) / count(x)` would give it, save that the sum may be greater than any double.
fn mean(sum: &Sum, count: u64) -> f64 {
    let rounded = sum.rounded();
    match rounded.is_infinite() && sum.special().is_none() {
        true => Exact::of(sum).over(&Exact::from(count)),
        false => rounded / count as f64,
    }
}

impl<const N: usize> Measure for Moments<N> {
    type State = Sums<N>;
    /// x, and y.
    type Rows = (Float64Array, Float64Array);

    fn rows(&self, arguments: &[ArrayRef]) -> Result<(Float64Array, Float64Array)> {
        let column = |at: usize| {
            let values = arguments[at].as_primitive_opt::<Float64Type>();
            values.cloned().ok_or_else(|| {
                let found = arguments[at].data_type();
                DataFusionError::Internal(format!("{:?} of {found}", self.outcome))
            })
        };
        Ok((column(self.x)?, column(self.y)?))
    }

    #[inline]
    fn add(&self, state: &mut Sums<N>, (x, y): &Self::Rows, row: usize) {
        let (x, y) = (x.value(row), y.value(row));
        for (sum, part) in state.0.iter_mut().zip(self.parts) {
            match part {
                Part::X => sum.add(x),
                Part::Y => sum.add(y),
                Part::XX => sum.add_product(x, x),
                Part::YY => sum.add_product(y, y),
                Part::XY => sum.add_product(x, y),
            }
        }
    }

    fn add_all(&self, state: &mut Sums<N>, rows: &Self::Rows, valid: Option<&NullBuffer>) -> bool {
        let ([sum], [part]) = (state.0.as_mut_slice(), self.parts.as_slice()) else {
            return false;
        };
        let values = match part {
            Part::X => &rows.0,
            Part::Y => &rows.1,
            _ => return false,
        };
        match valid {
            None => sum.add_all(values.values().iter().copied()),
            Some(valid) => sum.add_all(valid.valid_indices().map(|row| values.value(row))),
        }
        true
    }

    #[inline]
    fn remove(&self, state: &mut Sums<N>, (x, y): &Self::Rows, row: usize) {
        let (x, y) = (x.value(row), y.value(row));
        for (sum, part) in state.0.iter_mut().zip(self.parts) {
            match part {
                Part::X => sum.remove(x),
                Part::Y => sum.remove(y),
                Part::XX => sum.remove_product(x, x),
                Part::YY => sum.remove_product(y, y),
                Part::XY => sum.remove_product(x, y),
            }
        }
    }

    fn merge(&self, state: &mut Sums<N>, other: &Sums<N>) {
        for (sum, more) in state.0.iter_mut().zip(&other.0) {
            sum.merge(more);
        }
    }

    fn encode(&self, state: &Sums<N>, bytes: &mut Vec<u8>) {
        for sum in &state.0 {
            sum.encode(bytes);
        }
    }

    fn decode(&self, bytes: &mut &[u8]) -> Option<Sums<N>> {
        let mut sums = Sums::default();
        for sum in &mut sums.0 {
            *sum = Sum::decode(bytes)?;
        }
        Some(sums)
    }

    #[inline]
    fn heap(&self, state: &Sums<N>) -> usize {
        state.0.iter().map(Sum::heap).sum()
    }

    fn finish(&self, groups: &[Group<Sums<N>>]) -> Result<ArrayRef> {
        if self.outcome == Outcome::Count {
            let counts = groups.iter().map(|group| group.count);
            return Ok(Arc::new(UInt64Array::from_iter_values(counts)));
        }
        let values = groups.iter().map(|group| self.value(group));
        Ok(Arc::new(values.collect::<Float64Array>()))
    }
}

/// `whole * 2^exponent`.
struct Exact {
    whole: BigInt,
    exponent: i64,
}

impl From<u64> for Exact {
    fn from(count: u64) -> Exact {
        Exact {
            whole: BigInt::from(count),
            exponent: 0,
        }
    }
}

impl Exact {
    /// Of a sum of finite values.
    fn of(sum: &Sum) -> Exact {
        let (negative, limbs, place) = sum.whole();
        let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        let whole = BigInt::from_bytes_le(sign, &bytes);
        let zeros = whole.trailing_zeros().unwrap_or(0);
        Exact {
            whole: whole >> zeros,
            exponent: place + LOWEST + zeros as i64,
        }
    }

    fn is_zero(&self) -> bool {
        self.whole.sign() == Sign::NoSign
    }

    fn is_negative(&self) -> bool {
        self.whole.sign() == Sign::Minus
    }

    fn times(&self, other: &Exact) -> Exact {
        Exact {
            whole: &self.whole * &other.whole,
            exponent: self.exponent + other.exponent,
        }
    }

    fn minus(&self, other: &Exact) -> Exact {
        if other.is_zero() {
            return self.times(&Exact::from(1));
        }
        if self.is_zero() {
            return other.times(&Exact::from(1)).negated();
        }
        let exponent = self.exponent.min(other.exponent);
        let aligned = |side: &Exact| &side.whole << (side.exponent - exponent).unsigned_abs();
        Exact {
            whole: aligned(self) - aligned(other),
            exponent,
        }
    }

    fn negated(self) -> Exact {
        Exact {
            whole: -self.whole,
            exponent: self.exponent,
        }
    }

    /// The quotient, rounded to the nearest double. The divisor is not zero.
    fn over(&self, divisor: &Exact) -> f64 {
        /// Bits of the quotient: those of a double, the next, and some to spare.
        const BITS: u64 = 70;
        let mut exponent = self.exponent - divisor.exponent;
        let mut whole: BigUint = self.whole.magnitude().clone();
        let by = divisor.whole.magnitude();
        let missing = (BITS + by.bits()).saturating_sub(whole.bits());
        whole <<= missing;
        exponent -= missing as i64;
        let (quotient, rest) = (&whole / by, &whole % by);
        let more = rest != BigUint::ZERO;
        let value = round(&quotient.to_u64_digits(), exponent - LOWEST, more);
        match self.is_negative() != divisor.is_negative() {
            true => -value,
            false => value,
        }
    }
}
