//! `sum`, `avg` and the statistical aggregates in place of DataFusion's own.
//!
//! DataFusion's `sum` wraps, and its sums of doubles depend on the order of the rows. These have the
//! same names, arguments and types; what is theirs is how they add up.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Field, FieldRef, Int64Type, TimeUnit, UInt64Type,
};
use datafusion::common::types::{
    NativeType, logical_int8, logical_int16, logical_int32, logical_int64, logical_uint8,
    logical_uint16, logical_uint32, logical_uint64,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::functions_aggregate as theirs;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Coercion, Documentation, GroupsAccumulator,
    ReversedUDAF, SetMonotonicity, Signature, TypeSignature, TypeSignatureClass,
};

use super::moments::{Moments, Outcome, Part};
use super::place::Place;
use super::totals::{Distinct, Many, Measure, One, STATE};
use super::whole::{self, Large, SMALL_DECIMAL, Small, Whole};

/// The aggregates that refx brings.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    use theirs::{average, correlation, covariance, regr, stddev, sum, variance};
    let variance_of = |of, sample| Outcome::Variance { of, sample };
    [
        (sum::sum_udaf(), Outcome::Sum),
        (average::avg_udaf(), Outcome::Mean),
        (variance::var_samp_udaf(), variance_of(Part::XX, true)),
        (variance::var_pop_udaf(), variance_of(Part::XX, false)),
        (stddev::stddev_udaf(), Outcome::Deviation { sample: true }),
        (
            stddev::stddev_pop_udaf(),
            Outcome::Deviation { sample: false },
        ),
        (
            covariance::covar_samp_udaf(),
            Outcome::Covariance { sample: true },
        ),
        (
            covariance::covar_pop_udaf(),
            Outcome::Covariance { sample: false },
        ),
        (correlation::corr_udaf(), Outcome::Correlation),
        (regr::regr_slope_udaf(), Outcome::Slope),
        (regr::regr_intercept_udaf(), Outcome::Intercept),
        (regr::regr_count_udaf(), Outcome::Count),
        (regr::regr_r2_udaf(), Outcome::R2),
        (regr::regr_avgx_udaf(), Outcome::Mean),
        (regr::regr_avgy_udaf(), Outcome::MeanOfY),
        (regr::regr_sxx_udaf(), Outcome::Around { of: Part::XX }),
        (regr::regr_syy_udaf(), Outcome::Around { of: Part::YY }),
        (regr::regr_sxy_udaf(), Outcome::Around { of: Part::XY }),
    ]
    .into_iter()
    .map(|(inner, outcome)| Exactly::of(inner, outcome))
    .map(|exactly| Arc::new(AggregateUDF::new_from_impl(exactly)))
    .collect()
}

/// One of DataFusion's aggregates, added up exactly.
#[derive(Clone, Debug)]
pub(super) struct Exactly {
    inner: Arc<AggregateUDF>,
    outcome: Outcome,
    signature: Signature,
    place: Option<Place>,
}

/// The place tells where an error is, and not what is computed.
impl PartialEq for Exactly {
    fn eq(&self, other: &Exactly) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Exactly {}

impl Hash for Exactly {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl Exactly {
    fn of(inner: Arc<AggregateUDF>, outcome: Outcome) -> Exactly {
        let signature = match inner.name() {
            "avg" => with_whole_numbers(inner.signature()),
            _ => inner.signature().clone(),
        };
        Exactly {
            inner,
            outcome,
            signature,
            place: None,
        }
    }

    /// The same at a place in the text, for what is one of these and has none yet.
    pub(super) fn placed(
        function: &AggregateUDF,
        place: impl FnOnce() -> Place,
    ) -> Option<AggregateUDF> {
        let exactly = function.inner().downcast_ref::<Exactly>()?;
        if exactly.place.is_some() {
            return None;
        }
        Some(AggregateUDF::new_from_impl(Exactly {
            place: Some(place()),
            ..exactly.clone()
        }))
    }

    fn place(&self, name: &str) -> Place {
        let place = self.place.clone();
        place.unwrap_or_else(|| Place::named(name))
    }

    /// Makes an accumulator of the measure that fits the types.
    fn made<B: Builder>(
        &self,
        fields: &[FieldRef],
        returns: &DataType,
        name: &str,
        builder: B,
    ) -> Result<B::Out> {
        use DataType::{
            Decimal32, Decimal64, Decimal128, Decimal256, Duration, Float64, Int64, UInt64,
        };
        let unknown = || {
            let types: Vec<String> = fields
                .iter()
                .map(|one| one.data_type().to_string())
                .collect();
            let message = format!("{} of {}", self.inner.name(), types.join(", "));
            DataFusionError::NotImplemented(message)
        };
        let first = fields.first().ok_or_else(unknown)?.data_type();
        macro_rules! whole {
            ($kind:ty, $adder:ty) => {{
                let outcome = self.of_whole(first, returns).ok_or_else(unknown)?;
                let place = self.place(name);
                Ok(builder.build(Whole::<$kind, $adder>::new(outcome, returns.clone(), place)))
            }};
        }
        match first {
            Float64 => self.moments(fields.len(), builder).ok_or_else(unknown),
            Int64 => whole!(Int64Type, Small),
            UInt64 => whole!(UInt64Type, Small),
            Decimal32(..) => whole!(Decimal32Type, Small),
            Decimal64(..) => whole!(Decimal64Type, Small),
            Decimal128(precision, _) if *precision <= SMALL_DECIMAL => {
                whole!(Decimal128Type, Small)
            }
            Decimal128(..) => whole!(Decimal128Type, Large),
            Decimal256(..) => whole!(Decimal256Type, Large),
            Duration(TimeUnit::Second) => whole!(DurationSecondType, Small),
            Duration(TimeUnit::Millisecond) => whole!(DurationMillisecondType, Small),
            Duration(TimeUnit::Microsecond) => whole!(DurationMicrosecondType, Small),
            Duration(TimeUnit::Nanosecond) => whole!(DurationNanosecondType, Small),
            _ => Err(unknown()),
        }
    }

    fn of_whole(&self, first: &DataType, returns: &DataType) -> Option<whole::Outcome> {
        let scale = |data_type: &DataType| match data_type {
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => Some(i32::from(*scale)),
            _ => None,
        };
        match (self.outcome, returns) {
            (Outcome::Sum, _) => Some(whole::Outcome::Sum),
            (Outcome::Mean, DataType::Float64) => Some(whole::Outcome::Mean),
            (Outcome::Mean, DataType::Duration(_)) => Some(whole::Outcome::WholeMean),
            (Outcome::Mean, _) => Some(whole::Outcome::DecimalMean {
                more: u32::try_from(scale(returns)? - scale(first)?).ok()?,
            }),
            _ => None,
        }
    }

    fn moments<B: Builder>(&self, arguments: usize, builder: B) -> Option<B::Out> {
        let outcome = self.outcome;
        Some(match outcome.parts().len() {
            0 => builder.build(Moments::<0>::new(outcome, arguments)?),
            1 => builder.build(Moments::<1>::new(outcome, arguments)?),
            2 => builder.build(Moments::<2>::new(outcome, arguments)?),
            3 => builder.build(Moments::<3>::new(outcome, arguments)?),
            4 => builder.build(Moments::<4>::new(outcome, arguments)?),
            _ => builder.build(Moments::<5>::new(outcome, arguments)?),
        })
    }

    /// DataFusion's own for what refx does not add up: intervals, which have no table to go to.
    fn is_theirs(fields: &[FieldRef]) -> bool {
        let first = fields.first().map(|field| field.data_type());
        matches!(first, Some(DataType::Interval(_)))
    }
}

/// `avg` takes whole numbers as they are. As doubles they would be rounded one by one.
fn with_whole_numbers(signature: &Signature) -> Signature {
    static WHOLE: LazyLock<[TypeSignature; 2]> = LazyLock::new(|| {
        let native = TypeSignatureClass::Native;
        let unsigned = [logical_uint8(), logical_uint16(), logical_uint32()];
        let signed = [logical_int8(), logical_int16(), logical_int32()];
        [
            TypeSignature::Coercible(vec![Coercion::new_implicit(
                native(logical_uint64()),
                unsigned.map(native).to_vec(),
                NativeType::UInt64,
            )]),
            TypeSignature::Coercible(vec![Coercion::new_implicit(
                native(logical_int64()),
                signed.map(native).to_vec(),
                NativeType::Int64,
            )]),
        ]
    });
    let mut signatures = WHOLE.to_vec();
    match &signature.type_signature {
        TypeSignature::OneOf(theirs) => signatures.extend(theirs.iter().cloned()),
        other => signatures.push(other.clone()),
    }
    Signature::one_of(signatures, signature.volatility)
}

/// Makes something of any measure.
trait Builder {
    type Out;

    fn build<M: Measure>(self, measure: M) -> Self::Out;
}

struct OfOne;

impl Builder for OfOne {
    type Out = Box<dyn Accumulator>;

    fn build<M: Measure>(self, measure: M) -> Self::Out {
        Box::new(One::new(measure))
    }
}

struct OfMany;

impl Builder for OfMany {
    type Out = Box<dyn GroupsAccumulator>;

    fn build<M: Measure>(self, measure: M) -> Self::Out {
        Box::new(Many::new(measure))
    }
}

struct OfDistinct(DataType);

impl Builder for OfDistinct {
    type Out = Box<dyn Accumulator>;

    fn build<M: Measure>(self, measure: M) -> Self::Out {
        Box::new(Distinct::new(measure, self.0))
    }
}

impl AggregateUDFImpl for Exactly {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if Exactly::is_theirs(args.expr_fields) {
            return self.inner.accumulator(args);
        }
        let (fields, returns) = (args.expr_fields, args.return_field.data_type());
        match args.is_distinct {
            false => self.made(fields, returns, args.name, OfOne),
            true if fields.len() == 1 => {
                let values = OfDistinct(fields[0].data_type().clone());
                self.made(fields, returns, args.name, values)
            }
            true => Err(DataFusionError::NotImplemented(format!(
                "{} of distinct pairs",
                self.inner.name()
            ))),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match Exactly::is_theirs(args.expr_fields) {
            true => self.inner.create_sliding_accumulator(args),
            false => self.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match Exactly::is_theirs(args.expr_fields) {
            true => self.inner.groups_accumulator_supported(args),
            false => !args.is_distinct,
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if Exactly::is_theirs(args.expr_fields) {
            return self.inner.create_groups_accumulator(args);
        }
        self.made(
            args.expr_fields,
            args.return_field.data_type(),
            args.name,
            OfMany,
        )
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if Exactly::is_theirs(args.input_fields) {
            return self.inner.state_fields(args);
        }
        let name = format_state_name(args.name, self.inner.name());
        let field = match (args.is_distinct, args.input_fields.first()) {
            (true, Some(first)) => {
                let value = Field::new_list_field(first.data_type().clone(), true);
                Field::new_list(name, value, true)
            }
            _ => Field::new(name, STATE, true),
        };
        Ok(vec![Arc::new(field)])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
