//! Values in another type, without loss.
//!
//! The engine's own casts round, cut and wrap where a value does not fit. What refx converts by itself
//! (files of sources and seeds, rows of unit tests) goes through here instead: a value becomes an equal
//! value of the other type, or an error that names it.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, ListArray, MapArray,
    PrimitiveArray, StringArray, StructArray, make_comparator, new_null_array,
};
use datafusion::arrow::compute::kernels::cast_utils::{
    Parser, string_to_datetime, string_to_time_nanoseconds,
};
use datafusion::arrow::compute::{CastOptions, SortOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, Decimal128Type, Decimal256Type, DecimalType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::array_value_to_string;

use super::query::sql_type;

/// A value that the type does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inexact {
    pub(crate) row: usize,
    pub(crate) value: String,
    /// The type, in SQL's words.
    pub(crate) wanted: String,
    /// What the type cannot keep of the value, where it is not of another kind altogether.
    pub(crate) why: Option<String>,
}

impl std::fmt::Display for Inexact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inexact { value, wanted, .. } = self;
        match &self.why {
            Some(why) => write!(f, "`{value}` does not fit {wanted}: {why}"),
            None => write!(f, "`{value}` is not of type {wanted}"),
        }
    }
}

/// Why a text is no value of a type: the reason where the type is right and too small.
type Refused = Option<String>;

/// The values in the type, each equal to what it was.
///
/// `format` is chrono's notation of dates and timestamps that are read from text.
///
/// # Errors
/// The first value that the type does not have, or has only in part.
pub(crate) fn exact(
    values: &ArrayRef,
    to: &DataType,
    format: Option<&str>,
) -> Result<ArrayRef, Inexact> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    if *to == DataType::Null && values.null_count() == values.len() {
        return Ok(new_null_array(to, values.len()));
    }
    match (values.data_type(), to) {
        (DataType::Utf8, _) => texts(values.as_string::<i32>(), to, format),
        (DataType::LargeUtf8 | DataType::Utf8View, _) => {
            exact(&strict(values, &DataType::Utf8, to)?, to, format)
        }
        (DataType::Dictionary(_, plain), _) => exact(&strict(values, plain, to)?, to, format),
        (DataType::List(_), DataType::List(item)) => {
            let list = values.as_list::<i32>();
            let inner = exact(list.values(), item.data_type(), format)
                .map_err(|bad| outer(bad, list.value_offsets()))?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            made(
                ListArray::try_new(Arc::clone(item), offsets, inner, nulls),
                to,
            )
        }
        (DataType::List(_), DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            let list = exact(values, &DataType::List(Arc::clone(item)), format)?;
            strict(&list, to, to)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let source = values.as_struct();
            let lacks = |name: &&String| !fields.iter().any(|field| field.name() == *name);
            let mut names = source.fields().iter().map(|field| field.name());
            if let (Some(name), Some(row)) = (names.find(lacks), first(values)) {
                let why = format!("it has a field `{name}`");
                return Err(refused(values, row, to, Some(why)));
            }
            let columns = fields
                .iter()
                .map(|field| match source.column_by_name(field.name()) {
                    Some(column) => exact(column, field.data_type(), format),
                    None => Ok(new_null_array(field.data_type(), source.len())),
                });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let nulls = source.nulls().cloned();
            let length = source.len();
            made(
                StructArray::try_new_with_length(fields.clone(), columns, nulls, length),
                to,
            )
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = values.as_map();
            let pairs: ArrayRef = Arc::new(map.entries().clone());
            let inner = exact(&pairs, entries.data_type(), format)
                .map_err(|bad| outer(bad, map.value_offsets()))?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let inner = inner.as_struct().clone();
            made(
                MapArray::try_new(Arc::clone(entries), offsets, inner, nulls, *sorted),
                to,
            )
        }
        (from, _) if of_another_kind(from, to) => match first(values) {
            Some(row) => Err(refused(values, row, to, None)),
            None => Ok(new_null_array(to, values.len())),
        },
        (_, DataType::Utf8) => strict(values, to, to),
        _ => there_and_back(values, to),
    }
}

/// Whether each value of one type is a value of the other, so that a plain cast loses nothing.
pub(crate) fn loses_nothing(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Float32, Float64, Int8, Int16, Int32, Null, Timestamp, Utf8};
    match (from, to) {
        (a, b) if a == b => true,
        (Null, _) => true,
        (a, Utf8) => !a.is_nested() && !a.is_binary(),
        (a, b) if a.is_signed_integer() && b.is_signed_integer() => {
            a.primitive_width() <= b.primitive_width()
        }
        (Int8 | Int16 | Int32 | Float32, Float64) | (Int8 | Int16, Float32) => true,
        (
            Date32,
            Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, None),
        ) => true,
        _ => false,
    }
}

/// Numbers and instants: a cast between them takes the one for a count of days or nanoseconds.
fn of_another_kind(from: &DataType, to: &DataType) -> bool {
    let counts = |data_type: &DataType| data_type.is_numeric() || *data_type == DataType::Boolean;
    (counts(from) && to.is_temporal()) || (from.is_temporal() && counts(to))
}

fn first(values: &ArrayRef) -> Option<usize> {
    (0..values.len()).find(|row| values.is_valid(*row))
}

/// Casts, casts back, and compares.
fn there_and_back(values: &ArrayRef, to: &DataType) -> Result<ArrayRef, Inexact> {
    let cast = strict(values, to, to)?;
    if let Some(row) = outside(&cast) {
        return Err(refused(
            values,
            row,
            to,
            Some("it has too many digits".to_owned()),
        ));
    }
    let back = strict(&cast, values.data_type(), to)?;
    let Ok(compare) = make_comparator(values.as_ref(), back.as_ref(), SortOptions::default())
    else {
        return Ok(cast);
    };
    for row in 0..values.len() {
        if compare(row, row).is_ne() && !zeros(values, row) {
            let why = format!("it would become {}", shown(&cast, row));
            return Err(refused(values, row, to, Some(why)));
        }
    }
    Ok(cast)
}

/// The first value with more digits than its decimal type says.
pub(crate) fn outside(values: &ArrayRef) -> Option<usize> {
    fn in_type<T: DecimalType>(
        values: &PrimitiveArray<T>,
        precision: u8,
        scale: i8,
    ) -> Option<usize> {
        values.iter().position(|value| {
            value.is_some_and(|value| {
                T::validate_decimal_precision(value, precision, scale).is_err()
            })
        })
    }
    match values.data_type() {
        DataType::Decimal128(precision, scale) => {
            in_type(values.as_primitive::<Decimal128Type>(), *precision, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            in_type(values.as_primitive::<Decimal256Type>(), *precision, *scale)
        }
        _ => None,
    }
}

/// -0.0, which an integer holds as 0.
fn zeros(values: &ArrayRef, row: usize) -> bool {
    match values.data_type() {
        DataType::Float32 => values.as_primitive::<Float32Type>().value(row) == 0.0,
        DataType::Float64 => values.as_primitive::<Float64Type>().value(row) == 0.0,
        _ => false,
    }
}

/// A cast that fails where the engine's own would give NULL; the value that fails is found.
fn strict(values: &ArrayRef, to: &DataType, wanted: &DataType) -> Result<ArrayRef, Inexact> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, to, &options).map_err(|_| {
        let fails = |row: &usize| cast_with_options(&values.slice(*row, 1), to, &options).is_err();
        let row = (0..values.len()).find(fails).unwrap_or_default();
        refused(values, row, wanted, None)
    })
}

fn made(
    array: Result<impl Array + 'static, ArrowError>,
    to: &DataType,
) -> Result<ArrayRef, Inexact> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(error) => Err(Inexact {
            row: 0,
            value: error.to_string(),
            wanted: sql_type(to),
            why: None,
        }),
    }
}

/// An error of an item, told of the row that the item is in.
fn outer(bad: Inexact, offsets: &[i32]) -> Inexact {
    let within = |pair: &[i32]| {
        let place = i32::try_from(bad.row).unwrap_or(i32::MAX);
        pair[0] <= place && place < pair[1]
    };
    let row = offsets.windows(2).position(within).unwrap_or_default();
    Inexact { row, ..bad }
}

fn refused(values: &ArrayRef, row: usize, to: &DataType, why: Refused) -> Inexact {
    Inexact {
        row,
        value: shown(values, row),
        wanted: sql_type(to),
        why,
    }
}

fn shown(values: &ArrayRef, row: usize) -> String {
    array_value_to_string(values.as_ref(), row).unwrap_or_default()
}

fn texts(values: &StringArray, to: &DataType, format: Option<&str>) -> Result<ArrayRef, Inexact> {
    use DataType as T;
    let numbers = Numbers { values, to };
    match to {
        T::Utf8 => Ok(Arc::new(values.clone())),
        T::Boolean => {
            let read: BooleanArray = numbers.read(boolean)?.into();
            Ok(Arc::new(read))
        }
        T::Int8 => numbers.integers::<Int8Type>(),
        T::Int16 => numbers.integers::<Int16Type>(),
        T::Int32 => numbers.integers::<Int32Type>(),
        T::Int64 => numbers.integers::<Int64Type>(),
        T::UInt8 => numbers.integers::<UInt8Type>(),
        T::UInt16 => numbers.integers::<UInt16Type>(),
        T::UInt32 => numbers.integers::<UInt32Type>(),
        T::UInt64 => numbers.integers::<UInt64Type>(),
        T::Float32 => numbers.all::<Float32Type>(|text| {
            let value: f32 = text.parse().map_err(|_| None)?;
            float(text, f64::from(value)).map(|()| value)
        }),
        T::Float64 => numbers.all::<Float64Type>(|text| {
            let value: f64 = text.parse().map_err(|_| None)?;
            float(text, value).map(|()| value)
        }),
        T::Decimal128(precision, scale) => {
            let read = numbers.all::<Decimal128Type>(|text| {
                digits(text, *precision, *scale)?.parse().map_err(|_| None)
            })?;
            let read = read.as_primitive::<Decimal128Type>().clone();
            made(read.with_precision_and_scale(*precision, *scale), to)
        }
        T::Decimal256(precision, scale) => {
            let read = numbers.all::<Decimal256Type>(|text| {
                i256::from_string(&digits(text, *precision, *scale)?).ok_or(None)
            })?;
            let read = read.as_primitive::<Decimal256Type>().clone();
            made(read.with_precision_and_scale(*precision, *scale), to)
        }
        T::Date32 => numbers.all::<Date32Type>(|text| {
            let days = date(text, format)?.num_days_from_ce() - EPOCH;
            Ok(days)
        }),
        T::Timestamp(unit, zone) => {
            let read = |text: &str| {
                let instant = instant(text, format, zone.as_deref())?;
                count(instant, *unit)
            };
            // Only the name of the zone is added: the values are instants already.
            Ok(match unit {
                TimeUnit::Second => {
                    zoned::<TimestampSecondType>(&numbers.all::<TimestampSecondType>(read)?, zone)
                }
                TimeUnit::Millisecond => zoned::<TimestampMillisecondType>(
                    &numbers.all::<TimestampMillisecondType>(read)?,
                    zone,
                ),
                TimeUnit::Microsecond => zoned::<TimestampMicrosecondType>(
                    &numbers.all::<TimestampMicrosecondType>(read)?,
                    zone,
                ),
                TimeUnit::Nanosecond => zoned::<TimestampNanosecondType>(
                    &numbers.all::<TimestampNanosecondType>(read)?,
                    zone,
                ),
            })
        }
        T::Time32(TimeUnit::Second) => numbers.all::<Time32SecondType>(|text| {
            i32::try_from(time(text, 1_000_000_000)?).map_err(|_| None)
        }),
        T::Time32(_) => numbers.all::<Time32MillisecondType>(|text| {
            i32::try_from(time(text, 1_000_000)?).map_err(|_| None)
        }),
        T::Time64(TimeUnit::Microsecond) => {
            numbers.all::<Time64MicrosecondType>(|text| time(text, 1_000))
        }
        T::Time64(_) => numbers.all::<Time64NanosecondType>(|text| time(text, 1)),
        T::Binary => {
            let bytes = values.iter().map(|value| value.map(str::as_bytes));
            Ok(Arc::new(bytes.collect::<BinaryArray>()))
        }
        _ => {
            let values: ArrayRef = Arc::new(values.clone());
            strict(&values, to, to)
        }
    }
}

/// Days from the year 1 to 1970.
const EPOCH: i32 = 719_163;

fn zoned<T: ArrowTimestampType>(instants: &ArrayRef, zone: &Option<Arc<str>>) -> ArrayRef {
    let instants = instants.as_primitive::<T>().clone();
    Arc::new(instants.with_timezone_opt(zone.clone()))
}

/// Texts on their way to a type whose values are written without white space around them.
struct Numbers<'a> {
    values: &'a StringArray,
    to: &'a DataType,
}

impl Numbers<'_> {
    fn read<T>(&self, one: impl Fn(&str) -> Result<T, Refused>) -> Result<Vec<Option<T>>, Inexact> {
        let values = self.values.iter().enumerate();
        let read = values.map(|(row, text)| match text {
            None => Ok(None),
            Some(text) => one(text.trim()).map(Some).map_err(|why| Inexact {
                row,
                value: text.to_owned(),
                wanted: sql_type(self.to),
                why,
            }),
        });
        read.collect()
    }

    fn all<T: ArrowPrimitiveType>(
        &self,
        one: impl Fn(&str) -> Result<T::Native, Refused>,
    ) -> Result<ArrayRef, Inexact> {
        let read: PrimitiveArray<T> = self.read(one)?.into_iter().collect();
        Ok(Arc::new(read))
    }

    fn integers<T: ArrowPrimitiveType>(&self) -> Result<ArrayRef, Inexact>
    where
        T::Native: std::str::FromStr,
    {
        self.all::<T>(|text| match text.parse() {
            Ok(value) => Ok(value),
            Err(_) => whole(text)?
                .parse()
                .map_err(|_| Some("it is out of range".to_owned())),
        })
    }
}

fn boolean(text: &str) -> Result<bool, Refused> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text {
        _ if is(&["true", "t", "1", "yes", "y"]) => Ok(true),
        _ if is(&["false", "f", "0", "no", "n"]) => Ok(false),
        _ => Err(None),
    }
}

/// A number as it is written: digits, and where the point is.
struct Written<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Option<Written<'a>> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let any = !whole.is_empty() || !fraction.is_empty();
        (any && is_number(whole) && is_number(fraction)).then_some(Written {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// All digits without leading zeros, and how many of them follow the point; no zeros at the end.
    fn digits(&self) -> (String, i64) {
        let mut digits = format!("{}{}", self.whole, self.fraction);
        let mut scale = self.fraction.len() as i64 - i64::from(self.exponent);
        while scale > 0 && digits.ends_with('0') {
            digits.pop();
            scale -= 1;
        }
        let digits = digits.trim_start_matches('0');
        match digits {
            "" => ("0".to_owned(), 0),
            digits => (digits.to_owned(), scale),
        }
    }
}

/// The digits of a decimal as the integer that stores it.
fn digits(text: &str, precision: u8, scale: i8) -> Result<String, Refused> {
    let written = Written::of(text).ok_or(None)?;
    let (mut digits, after) = written.digits();
    let scale = i64::from(scale);
    if after > scale {
        let plural = if after == 1 { "" } else { "s" };
        return Err(Some(format!(
            "it has {after} digit{plural} after the point"
        )));
    }
    let zeros = scale - after;
    let before = digits.len() as i64 - after;
    let room = i64::from(precision) - scale;
    if digits != "0" && before > room {
        return Err(Some(format!("it has {before} digits before the point")));
    }
    if digits != "0" {
        digits.extend(std::iter::repeat_n(
            '0',
            usize::try_from(zeros).unwrap_or_default(),
        ));
    }
    Ok(match written.negative {
        true => format!("-{digits}"),
        false => digits,
    })
}

/// A whole number that is written otherwise: `1.0`, `2e3`, `+5`.
fn whole(text: &str) -> Result<String, Refused> {
    const DIGITS: u8 = 76;
    digits(text, DIGITS, 0)
}

/// Whether a double keeps what is written: no finite number becomes infinite, no integer another one.
fn float(text: &str, value: f64) -> Result<(), Refused> {
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    if value.is_infinite() && has_digits {
        return Err(Some("it is out of range".to_owned()));
    }
    let sign = text.strip_prefix(['-', '+']).unwrap_or(text);
    // As many digits are exact in a `float`.
    if sign.len() > 7 && sign.bytes().all(|byte| byte.is_ascii_digit()) {
        let kept = text.parse::<i128>().is_ok_and(|number| {
            let back = value as i128;
            back == number
        });
        if !kept {
            return Err(Some("it has too many digits".to_owned()));
        }
    }
    Ok(())
}

fn date(text: &str, format: Option<&str>) -> Result<NaiveDate, Refused> {
    if let Some(format) = format {
        return NaiveDate::parse_from_str(text, format).map_err(|_| None);
    }
    if text.len() <= 10 || text.starts_with(['+', '-']) {
        let days = Date32Type::parse(text).ok_or(None)?;
        return NaiveDate::from_num_days_from_ce_opt(days.saturating_add(EPOCH)).ok_or(None);
    }
    let instant = string_to_datetime(&Utc, text).map_err(|_| None)?;
    match instant.time() == NaiveTime::MIN {
        true => Ok(instant.date_naive()),
        false => Err(Some("it has a time of day".to_owned())),
    }
}

/// The instant; in UTC where the text and the type name no zone.
fn instant(text: &str, format: Option<&str>, zone: Option<&str>) -> Result<DateTime<Utc>, Refused> {
    use datafusion::arrow::array::timezone::Tz;
    let zone: Tz = zone.unwrap_or("+00:00").parse().map_err(|_| None)?;
    let local = |at: NaiveDateTime| {
        let at = zone.from_local_datetime(&at).earliest().ok_or(None)?;
        Ok(at.with_timezone(&Utc))
    };
    if let Some(format) = format {
        if let Ok(at) = DateTime::parse_from_str(text, format) {
            return Ok(at.with_timezone(&Utc));
        }
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return local(at);
        }
        let day = NaiveDate::parse_from_str(text, format).map_err(|_| None)?;
        return local(day.and_time(NaiveTime::MIN));
    }
    let finest = text
        .split_once('.')
        .map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).skip(9));
    if finest.is_some_and(|mut digits| digits.any(|digit| digit != b'0')) {
        return Err(Some("it is finer than a nanosecond".to_owned()));
    }
    string_to_datetime(&zone, text)
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| None)
}

/// The units since 1970.
fn count(at: DateTime<Utc>, unit: TimeUnit) -> Result<i64, Refused> {
    let (a_second, unit) = match unit {
        TimeUnit::Second => (1_i64, "a second"),
        TimeUnit::Millisecond => (1_000, "a millisecond"),
        TimeUnit::Microsecond => (1_000_000, "a microsecond"),
        TimeUnit::Nanosecond => (1_000_000_000, "a nanosecond"),
    };
    let nanos = i64::from(at.nanosecond());
    let one = 1_000_000_000 / a_second;
    if nanos % one != 0 {
        return Err(Some(format!("it is finer than {unit}")));
    }
    let whole = at.timestamp().checked_mul(a_second);
    whole
        .and_then(|whole| whole.checked_add(nanos / one))
        .ok_or_else(|| Some("it is out of range".to_owned()))
}

fn time(text: &str, unit: i64) -> Result<i64, Refused> {
    let nanos = string_to_time_nanoseconds(text).map_err(|_| None)?;
    match nanos % unit {
        0 => Ok(nanos / unit),
        _ => Err(Some("it is finer than the column".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn told(values: ArrayRef, to: &DataType) -> String {
        match exact(&values, to, None) {
            Ok(made) => {
                let rows = (0..made.len()).map(|row| match made.is_null(row) {
                    true => "null".to_owned(),
                    false => shown(&made, row),
                });
                rows.collect::<Vec<_>>().join(" ")
            }
            Err(bad) => format!("{}: {bad}", bad.row),
        }
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn texts_become_equal_values_or_errors() {
        use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int8, Int64, Timestamp};
        let micros = Timestamp(TimeUnit::Microsecond, None);
        let nanos = Timestamp(TimeUnit::Nanosecond, None);
        for (values, to, expected) in [
            (&["1", " -2 ", "+3", "4.0", "5e1"][..], Int64, "1 -2 3 4 50"),
            (
                &["1", "1.9"],
                Int64,
                "1: `1.9` does not fit bigint: it has 1 digit after the point",
            ),
            (
                &["-129"],
                Int8,
                "0: `-129` does not fit tinyint: it is out of range",
            ),
            (&["a"], Int64, "0: `a` is not of type bigint"),
            (&[""], Int64, "0: `` is not of type bigint"),
            (
                &["1.20", "-0.050", "12e-1", "999.99"],
                Decimal128(5, 2),
                "1.20 -0.05 1.20 999.99",
            ),
            (
                &["1.239"],
                Decimal128(5, 2),
                "0: `1.239` does not fit decimal(5,2): it has 3 digits after the point",
            ),
            (
                &["1000"],
                Decimal128(5, 2),
                "0: `1000` does not fit decimal(5,2): it has 4 digits before the point",
            ),
            (&["00012.5"], Decimal128(3, 1), "12.5"),
            (&["0.00"], Decimal128(1, 0), "0"),
            (
                &["1e400"],
                Float64,
                "0: `1e400` does not fit double: it is out of range",
            ),
            (
                &["9007199254740993"],
                Float64,
                "0: `9007199254740993` does not fit double: it has too many digits",
            ),
            (
                &["16777217"],
                Float32,
                "0: `16777217` does not fit float: it has too many digits",
            ),
            (&["inf", "-Infinity", "NaN"], Float64, "inf -inf NaN"),
            (&["t", "NO", "1"], Boolean, "true false true"),
            (&["2"], Boolean, "0: `2` is not of type boolean"),
            (
                &["2024-02-29", "20240301", "2024-03-02 00:00:00"],
                Date32,
                "2024-02-29 2024-03-01 2024-03-02",
            ),
            (&["5"], Date32, "0: `5` is not of type date"),
            (
                &["2024-02-30"],
                Date32,
                "0: `2024-02-30` is not of type date",
            ),
            (
                &["2024-01-31 10:00:00"],
                Date32,
                "0: `2024-01-31 10:00:00` does not fit date: it has a time of day",
            ),
            (
                &["9999-12-31 23:59:59.5"],
                micros.clone(),
                "9999-12-31T23:59:59.500",
            ),
            (
                &["9999-12-31 23:59:59.5"],
                nanos,
                "0: `9999-12-31 23:59:59.5` does not fit timestamp: it is out of range",
            ),
            (
                &["2024-01-01 00:00:00.1234567"],
                micros.clone(),
                "0: `2024-01-01 00:00:00.1234567` does not fit timestamp: it is finer than a microsecond",
            ),
            (
                &["2024-01-01T02:00:00+02:00"],
                micros,
                "2024-01-01T00:00:00",
            ),
        ] {
            assert_eq!(told(texts(values), &to), expected, "{values:?}");
        }
    }

    #[test]
    fn numbers_become_equal_numbers_or_errors() {
        let doubles = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let integers = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        for (values, to, expected) in [
            (doubles(&[1.0, -0.0]), DataType::Int64, "1 0"),
            (
                doubles(&[1.9]),
                DataType::Int64,
                "0: `1.9` does not fit bigint: it would become 1",
            ),
            (
                doubles(&[f64::NAN]),
                DataType::Int64,
                "0: `NaN` is not of type bigint",
            ),
            (doubles(&[1.1]), DataType::Decimal128(5, 2), "1.10"),
            (
                doubles(&[1.239]),
                DataType::Decimal128(5, 2),
                "0: `1.239` does not fit decimal(5,2): it would become 1.24",
            ),
            (
                integers(&[1_234_567]),
                DataType::Decimal128(7, 3),
                "0: `1234567` is not of type decimal(7,3)",
            ),
            (
                integers(&[(1 << 53) + 1]),
                DataType::Float64,
                "0: `9007199254740993` does not fit double: it would become 9007199254740992.0",
            ),
            (
                integers(&[5]),
                DataType::Date32,
                "0: `5` is not of type date",
            ),
            (
                integers(&[300]),
                DataType::Int8,
                "0: `300` is not of type tinyint",
            ),
            (integers(&[5]), DataType::Utf8, "5"),
        ] {
            assert_eq!(told(values, &to), expected);
        }
    }

    #[test]
    fn lists_and_structs_are_converted_inside() {
        use datafusion::arrow::array::ListBuilder;
        use datafusion::arrow::array::StringBuilder;
        use datafusion::arrow::datatypes::Field;
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("1"), None]);
        list.append_value([Some("2.5")]);
        let list: ArrayRef = Arc::new(list.finish());
        let to = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let expected = "1: `2.5` does not fit bigint: it has 1 digit after the point";
        assert_eq!(told(list, &to), expected);
    }
}
