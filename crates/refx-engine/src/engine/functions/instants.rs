//! Dates and times: microseconds rather than nanoseconds, and time zones as PostgreSQL has them.
//!
//! Nanoseconds of 64 bits end in the year 2262, and many tables say "for ever" with 9999-12-31. So
//! `timestamp` is a number of microseconds, and nanoseconds are only what is asked for:
//! `timestamp(9)`, `to_timestamp_nanos`.

use std::sync::Arc;

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::types::ArrowTimestampType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::sql::sqlparser::ast;

/// The function that `x at time zone 'z'` is: `timezone('z', x)`, as PostgreSQL has it.
pub(super) const TIME_ZONE: &str = "timezone";
/// The zone of instants, and of the session.
const UTC: &str = "UTC";
pub(super) const MICROS: i64 = 1_000_000;

pub(super) fn micros(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from))
}

/// `timestamp` without a precision is a number of microseconds.
#[derive(Debug)]
pub(super) struct Microseconds;

impl TypePlanner for Microseconds {
    fn plan_type_field(&self, written: &ast::DataType) -> Result<Option<FieldRef>> {
        use ast::TimezoneInfo::{Tz, WithTimeZone};
        let zone = match written {
            ast::DataType::Timestamp(None, Tz | WithTimeZone) => Some(UTC),
            ast::DataType::Timestamp(None, _) => None,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", micros(zone), true))))
    }
}

/// The functions of instants that refx brings.
pub(super) fn all() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::new_from_impl(AtTimeZone::default()),
        ScalarUDF::new_from_impl(Now::default()),
    ]
}

/// `timezone(zone, x)`: the wall time of an instant in a zone, or the instant of a wall time there.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    signature: Signature,
}

impl Default for AtTimeZone {
    fn default() -> AtTimeZone {
        AtTimeZone {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        TIME_ZONE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        use TimeUnit::Nanosecond;
        let [zone, time] = types else {
            return Err(DataFusionError::Plan(
                "`timezone` takes 2 arguments: a zone and a timestamp".to_owned(),
            ));
        };
        let zone = match zone {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                DataType::Utf8
            }
            other => {
                return Err(DataFusionError::Plan(format!(
                    "Function 'timezone' requires a time zone such as 'Europe/Paris', but received {other}"
                )));
            }
        };
        let time = match time {
            DataType::Timestamp(Nanosecond, _) => time.clone(),
            DataType::Timestamp(_, zone) => micros(zone.as_deref()),
            // A day begins at midnight of the zone's own wall.
            DataType::Date32 | DataType::Date64 | DataType::Null => micros(None),
            other => {
                return Err(DataFusionError::Plan(format!(
                    "Function 'timezone' requires a timestamp, but received {other}"
                )));
            }
        };
        Ok(vec![zone, time])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.get(1) {
            Some(DataType::Timestamp(unit, Some(_))) => Ok(DataType::Timestamp(*unit, None)),
            Some(DataType::Timestamp(unit, None)) => {
                Ok(DataType::Timestamp(*unit, Some(UTC.into())))
            }
            other => Err(DataFusionError::Internal(format!("timezone of {other:?}"))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [zones, times] = args.args.as_slice() else {
            return Err(DataFusionError::Internal(
                "timezone of one argument".to_owned(),
            ));
        };
        let zones = match zones {
            ColumnarValue::Scalar(zone) => {
                Zones::One(zone.try_as_str().flatten().map(parsed).transpose()?)
            }
            ColumnarValue::Array(zones) => Zones::Each(Arc::clone(zones)),
        };
        let scalar = matches!(times, ColumnarValue::Scalar(_)) && matches!(zones, Zones::One(_));
        let times = match scalar {
            true => times.to_array(1)?,
            false => times.to_array(args.number_rows)?,
        };
        let returns = args.return_field.data_type();
        let moved: ArrayRef = match times.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Arc::new(
                moved::<TimestampNanosecondType>(&times, &zones)?.with_data_type(returns.clone()),
            ),
            _ => Arc::new(
                moved::<TimestampMicrosecondType>(&times, &zones)?.with_data_type(returns.clone()),
            ),
        };
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&moved, 0)?),
            false => ColumnarValue::Array(moved),
        })
    }
}

/// The zones of the rows.
enum Zones {
    /// None where it is NULL.
    One(Option<Tz>),
    Each(ArrayRef),
}

impl Zones {
    fn of(&self, row: usize) -> Result<Option<Tz>> {
        match self {
            Zones::One(zone) => Ok(*zone),
            Zones::Each(zones) if zones.is_null(row) => Ok(None),
            Zones::Each(zones) => parsed(zones.as_string::<i32>().value(row)).map(Some),
        }
    }
}

fn parsed(zone: &str) -> Result<Tz> {
    zone.parse().map_err(|_| {
        let help = "write a name of the IANA database, such as `Europe/Paris`, or an offset, such as `+01:00`";
        let error = super::super::Error::new(
            super::super::Kind::Execution,
            format!("there is no time zone `{zone}`"),
        );
        DataFusionError::External(Box::new(error.help(help)))
    })
}

/// Instants as wall times of the zones, or wall times as instants.
fn moved<T: ArrowTimestampType>(times: &ArrayRef, zones: &Zones) -> Result<PrimitiveArray<T>> {
    let times = times.as_primitive::<T>();
    let per_second = match T::UNIT {
        TimeUnit::Nanosecond => 1_000 * MICROS,
        _ => MICROS,
    };
    let instants = times.timezone().is_some();
    let move_one = |(row, time): (usize, Option<i64>)| {
        let (Some(time), Some(zone)) = (time, zones.of(row)?) else {
            return Ok(None);
        };
        let (seconds, rest) = (time.div_euclid(per_second), time.rem_euclid(per_second));
        let local = DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc());
        let offset = local.map(|local| match instants {
            true => i64::from(
                zone.offset_from_utc_datetime(&local)
                    .fix()
                    .local_minus_utc(),
            ),
            false => -offset_of_wall(zone, &local),
        });
        let moved = offset.and_then(|offset| {
            (seconds + offset)
                .checked_mul(per_second)?
                .checked_add(rest)
        });
        moved.map(Some).ok_or_else(|| {
            DataFusionError::Execution(format!("the timestamp {time} has no time in another zone"))
        })
    };
    let all = times.iter().enumerate().map(move_one);
    Ok(all.collect::<Result<Vec<_>>>()?.into_iter().collect())
}

/// Seconds that a wall time of the zone is ahead of UTC. As in PostgreSQL, an hour that comes twice is
/// the second one, and an hour that is skipped is counted on from before it.
fn offset_of_wall(zone: Tz, wall: &NaiveDateTime) -> i64 {
    let offset = match zone.offset_from_local_datetime(wall) {
        MappedLocalTime::Single(offset) => offset,
        MappedLocalTime::Ambiguous(_, second) => second,
        MappedLocalTime::None => zone.offset_from_utc_datetime(&(*wall - Duration::days(1))),
    };
    i64::from(offset.fix().local_minus_utc())
}

/// `now()` in microseconds.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    signature: Signature,
    aliases: Vec<String>,
}

impl Default for Now {
    fn default() -> Now {
        Now {
            signature: Signature::nullary(Volatility::Stable),
            aliases: vec!["current_timestamp".to_owned()],
        }
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(micros(Some(UTC)))
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("now", micros(Some(UTC)), false)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = info.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let now = ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some(UTC.into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(now, None)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(
            "now() was not settled when it was planned".to_owned(),
        ))
    }
}
