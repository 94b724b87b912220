//! `to_timestamp`, `date_trunc` and `date_bin` in microseconds.
//!
//! DataFusion computes all three in nanoseconds, whatever they are given.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime};
use datafusion::arrow::array::types::{Float64Type, Int64Type};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, FieldRef, IntervalMonthDayNano, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions::datetime;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::instants::{MICROS, micros};

/// The functions of calendars that refx brings.
pub(super) fn all(config: &ConfigOptions) -> Vec<ScalarUDF> {
    vec![
        to_timestamp(config),
        ScalarUDF::new_from_impl(DateTrunc {
            inner: datetime::date_trunc(),
        }),
        ScalarUDF::new_from_impl(DateBin {
            signature: Signature::user_defined(Volatility::Immutable),
            inner: datetime::date_bin(),
        }),
    ]
}

pub(super) fn to_timestamp(config: &ConfigOptions) -> ScalarUDF {
    ScalarUDF::new_from_impl(ToTimestamp {
        signature: Signature::variadic_any(Volatility::Immutable),
        text_micros: datetime::to_timestamp_micros(config),
    })
}

/// `to_timestamp` in microseconds: of text, with or without formats, or of seconds since 1970.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToTimestamp {
    signature: Signature,
    text_micros: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        "to_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.text_micros.return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type().clone();
        let of_seconds = args.args.len() == 1
            && (args.args[0].data_type().is_numeric() || args.args[0].data_type().is_temporal());
        if !of_seconds {
            return self.of_text(args);
        }
        let (seconds, scalar) = match &args.args[0] {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let times = from_seconds(&seconds, &returns)?;
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&times, 0)?),
            false => ColumnarValue::Array(times),
        })
    }
}

impl ToTimestamp {
    /// DataFusion reads the texts; far from today it cannot, and they are read again.
    fn of_text(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type().clone();
        let (given, rows) = (args.args.clone(), args.number_rows);
        self.text_micros.invoke_with_args(args).or_else(|error| {
            let scalar = given
                .iter()
                .all(|one| matches!(one, ColumnarValue::Scalar(_)));
            let rows = if scalar { 1 } else { rows };
            let texts = given.iter().map(|one| {
                let array = one.to_array(rows)?;
                Ok(cast_with_options(&array, &DataType::Utf8, &FAILING)?)
            });
            let texts = texts.collect::<Result<Vec<ArrayRef>>>()?;
            let Some(times) = read(&texts, &returns) else {
                return Err(error);
            };
            Ok(match scalar {
                true => ColumnarValue::Scalar(ScalarValue::try_from_array(&times, 0)?),
                false => ColumnarValue::Array(times),
            })
        })
    }
}

const FAILING: CastOptions = CastOptions {
    safe: false,
    format_options: datafusion::arrow::util::display::FormatOptions::new(),
};

/// The texts of the first column, by the formats of the others.
fn read(texts: &[ArrayRef], returns: &DataType) -> Option<ArrayRef> {
    let (texts, formats) = texts.split_first()?;
    if formats.is_empty() {
        return cast_with_options(texts, returns, &FAILING).ok();
    }
    let texts = texts.as_string::<i32>();
    let times = (0..texts.len()).map(|row| {
        if texts.is_null(row) {
            return Some(None);
        }
        let mut formats = formats.iter().map(|formats| formats.as_string::<i32>());
        let time = formats.find_map(|formats| by_format(texts.value(row), formats.value(row)));
        time.map(Some)
    });
    let times: TimestampMicrosecondArray = times.collect::<Option<Vec<_>>>()?.into();
    Some(Arc::new(times.with_data_type(returns.clone())))
}

fn by_format(text: &str, format: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_str(text, format) {
        return Some(time.timestamp_micros());
    }
    let time = NaiveDateTime::parse_from_str(text, format).ok();
    let time = time.or_else(|| {
        let date = NaiveDate::parse_from_str(text, format).ok()?;
        date.and_hms_opt(0, 0, 0)
    });
    Some(time?.and_utc().timestamp_micros())
}

fn from_seconds(seconds: &ArrayRef, returns: &DataType) -> Result<ArrayRef> {
    let cast = |to: &DataType| cast_with_options(seconds, to, &FAILING);
    let far = |value: &dyn std::fmt::Display| {
        DataFusionError::Execution(format!("{value} seconds since 1970 are no timestamp"))
    };
    let times: TimestampMicrosecondArray = match seconds.data_type() {
        data_type if data_type.is_temporal() => return Ok(cast(returns)?),
        data_type if data_type.is_integer() => {
            let seconds = cast(&DataType::Int64)?;
            let seconds = seconds.as_primitive::<Int64Type>();
            let micros = |value: i64| value.checked_mul(MICROS).ok_or_else(|| far(&value));
            seconds.try_unary(micros)?
        }
        data_type if data_type.is_decimal() => {
            let seconds = cast(&DataType::Decimal128(38, 6))?;
            let seconds = seconds.as_primitive::<Decimal128Type>();
            seconds.try_unary(|value: i128| i64::try_from(value).map_err(|_| far(&value)))?
        }
        _ => {
            let seconds = cast(&DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            seconds.try_unary(|value: f64| {
                let micros = (value * MICROS as f64).round();
                match micros.abs() < i64::MAX as f64 {
                    true => Ok(micros as i64),
                    false => Err(far(&value)),
                }
            })?
        }
    };
    Ok(Arc::new(times.with_data_type(returns.clone())))
}

/// `date_trunc` of any year.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
}

/// The calendar repeats itself after 400 years, weeks included.
const PERIOD: i64 = 146_097 * 86_400 * MICROS;
/// 1770-01-01: with the 400 years after it, DataFusion's nanoseconds reach it.
const NEAR: i64 = -73_049 * 86_400 * MICROS;

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let far = match &args.args[1] {
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(time), _)) => {
                is_far(*time)
            }
            ColumnarValue::Array(array) => {
                match array.as_primitive_opt::<TimestampMicrosecondType>() {
                    Some(times) => times.iter().flatten().any(is_far),
                    None => false,
                }
            }
            ColumnarValue::Scalar(_) => false,
        };
        if !far {
            return self.inner.invoke_with_args(args);
        }
        let scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
        let rows = if scalar { 1 } else { args.number_rows };
        let times = args.args[1].to_array(rows)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let data_type = times.data_type().clone();
        let near: TimestampMicrosecondArray = times.unary(|time| time - periods(time) * PERIOD);
        args.args[1] = ColumnarValue::Array(Arc::new(near.with_data_type(data_type.clone())));
        args.number_rows = rows;
        let cut = self.inner.invoke_with_args(args)?.to_array(rows)?;
        let cut = cut.as_primitive::<TimestampMicrosecondType>();
        let back = cut.iter().zip(times.iter());
        let back: TimestampMicrosecondArray = back
            .map(|(cut, time)| Some(cut? + periods(time?) * PERIOD))
            .collect();
        let back: ArrayRef = Arc::new(back.with_data_type(data_type));
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&back, 0)?),
            false => ColumnarValue::Array(back),
        })
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// How often 400 years lie between a time and those that DataFusion reaches.
fn periods(time: i64) -> i64 {
    match is_far(time) {
        true => (i128::from(time) - i128::from(NEAR)).div_euclid(i128::from(PERIOD)) as i64,
        false => 0,
    }
}

fn is_far(time: i64) -> bool {
    !(NEAR..NEAR + PERIOD).contains(&time)
}

/// `date_bin` of any year.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    signature: Signature,
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        use DataType::{Date32, Date64, Interval, Null, Time32, Time64, Timestamp};
        let refused = |what: &str| {
            let message = format!("Function 'date_bin' requires {what}");
            Err(DataFusionError::Plan(message))
        };
        let (stride, source, origin) = match types {
            [stride, source] => (stride, source, None),
            [stride, source, origin] => (stride, source, Some(origin)),
            _ => return refused(&format!("2 or 3 arguments, but received {}", types.len())),
        };
        if !(matches!(stride, Interval(_) | Null) || stride.is_string()) {
            return refused(&format!("an interval, but received {stride}"));
        }
        let binned = match source {
            Timestamp(TimeUnit::Nanosecond, _) | Time64(_) | Time32(_) => source.clone(),
            Timestamp(_, zone) => micros(zone.as_deref()),
            Date32 | Date64 | Null => micros(None),
            text if text.is_string() => micros(None),
            other => return refused(&format!("a timestamp, but received {other}")),
        };
        let mut coerced = vec![Interval(IntervalUnit::MonthDayNano), binned.clone()];
        coerced.extend(origin.map(|_| binned));
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let in_micros = matches!(
            args.args[1].data_type(),
            DataType::Timestamp(TimeUnit::Microsecond, _)
        );
        let origin = match args.args.get(2) {
            None => Some(0),
            Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(origin, _))) => *origin,
            Some(_) => None,
        };
        let stride = match &args.args[0] {
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(stride))) => {
                Stride::of(*stride)
            }
            _ => None,
        };
        // What is left, an error mostly, is DataFusion's.
        let (true, Some(stride), Some(origin)) = (in_micros, stride, origin) else {
            return self.inner.invoke_with_args(args);
        };
        let scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
        let times = args.args[1].to_array(if scalar { 1 } else { args.number_rows })?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let binned: TimestampMicrosecondArray = times.try_unary(|time| {
            stride.bin(time, origin).ok_or_else(|| {
                DataFusionError::Execution(format!("date_bin of {time} leaves the calendar"))
            })
        })?;
        let binned: ArrayRef =
            Arc::new(binned.with_data_type(args.return_field.data_type().clone()));
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&binned, 0)?),
            false => ColumnarValue::Array(binned),
        })
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// The width of a bin.
enum Stride {
    Months(i64),
    Micros(i64),
}

impl Stride {
    /// None for what is neither whole months nor whole microseconds, and not above zero.
    fn of(stride: IntervalMonthDayNano) -> Option<Stride> {
        let (months, days, nanos) = (stride.months, stride.days, stride.nanoseconds);
        if months > 0 && days == 0 && nanos == 0 {
            return Some(Stride::Months(i64::from(months)));
        }
        let micros = i64::from(days).checked_mul(86_400 * MICROS)?;
        let micros = micros.checked_add(nanos / 1_000)?;
        (months == 0 && nanos % 1_000 == 0 && micros > 0).then_some(Stride::Micros(micros))
    }

    /// The start of the bin that a time is in.
    fn bin(&self, time: i64, origin: i64) -> Option<i64> {
        match *self {
            Stride::Micros(width) => {
                let distance = i128::from(time) - i128::from(origin);
                let bins = distance.div_euclid(i128::from(width));
                i64::try_from(i128::from(origin) + bins * i128::from(width)).ok()
            }
            Stride::Months(width) => {
                let from = DateTime::from_timestamp_micros(origin)?;
                let at = DateTime::from_timestamp_micros(time)?;
                let month =
                    |time: &DateTime<_>| i64::from(time.year()) * 12 + i64::from(time.month0());
                let bins = (month(&at) - month(&from)).div_euclid(width);
                let start = |bins: i64| {
                    let months = u32::try_from((bins * width).unsigned_abs()).ok()?;
                    match bins < 0 {
                        true => from.checked_sub_months(Months::new(months)),
                        false => from.checked_add_months(Months::new(months)),
                    }
                };
                // An origin late in its month may lie behind a time early in its own.
                let first = start(bins)?;
                let start = if first > at { start(bins - 1)? } else { first };
                Some(start.timestamp_micros())
            }
        }
    }
}
