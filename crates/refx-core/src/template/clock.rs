//! Instants and dates as templates see them. None of them is the wall clock.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

use super::arguments::{bind, text};
use super::failure::error;

/// `as_of()`: prints as a SQL literal, `timestamp '2024-09-01 00:00:00'`.
#[derive(Debug)]
pub(super) struct AsOf(DateTime<Utc>);

impl AsOf {
    pub fn value(at: DateTime<Utc>) -> Value {
        Value::from_object(AsOf(at))
    }
}

impl Object for AsOf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        part(&self.0.naive_utc(), key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "date" => Ok(Value::from(format!("date '{}'", self.0.date_naive()))),
            _ => Moment {
                at: self.0.naive_utc(),
                utc: true,
            }
            .method(method, args),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.naive_utc();
        write!(f, "timestamp '{}", at.format("%Y-%m-%d %H:%M:%S"))?;
        match at.and_utc().timestamp_subsec_micros() {
            0 => f.write_str("'"),
            micros => write!(f, ".{micros:06}'"),
        }
    }
}

/// Python's `datetime`, with UTC or without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub at: NaiveDateTime,
    pub utc: bool,
}

impl Moment {
    pub fn value(at: DateTime<Utc>) -> Value {
        Value::from_object(Moment {
            at: at.naive_utc(),
            utc: true,
        })
    }

    fn iso(&self, separator: char) -> String {
        let mut text = self.at.format("%Y-%m-%d").to_string();
        text.push(separator);
        let _ = write!(text, "{}", self.at.format("%H:%M:%S"));
        let micros = self.at.and_utc().timestamp_subsec_micros();
        if micros != 0 {
            let _ = write!(text, ".{micros:06}");
        }
        if self.utc {
            text.push_str("+00:00");
        }
        text
    }

    fn method(&self, method: &str, args: &[Value]) -> Result<Value, Error> {
        Ok(match method {
            "isoformat" => {
                let [separator] = bind("isoformat", ["sep"], args)?;
                let separator = separator.and_then(|s| s.as_str()?.chars().next());
                Value::from(self.iso(separator.unwrap_or('T')))
            }
            "strftime" => strftime(&self.at, args)?,
            "date" => Value::from_object(Date(self.at.date())),
            "timestamp" => {
                let micros = self.at.and_utc().timestamp_micros();
                // Microseconds of any date that chrono knows fit in the 53 bits of a float.
                Value::from(micros as f64 / 1_000_000.0)
            }
            "weekday" => Value::from(self.at.weekday().num_days_from_monday()),
            "isoweekday" => Value::from(self.at.weekday().number_from_monday()),
            "replace" => {
                let [year, month, day, hour, minute, second, micros, _zone] = bind(
                    "replace",
                    [
                        "year",
                        "month",
                        "day",
                        "hour",
                        "minute",
                        "second",
                        "microsecond",
                        "tzinfo",
                    ],
                    args,
                )?;
                let at = moment([
                    number(year, self.at.year())?,
                    number(month, unsigned(self.at.month()))?,
                    number(day, unsigned(self.at.day()))?,
                    number(hour, unsigned(self.at.hour()))?,
                    number(minute, unsigned(self.at.minute()))?,
                    number(second, unsigned(self.at.second()))?,
                    number(
                        micros,
                        unsigned(self.at.and_utc().timestamp_subsec_micros()),
                    )?,
                ])?;
                Value::from_object(Moment { at, ..*self })
            }
            "astimezone" => Value::from_object(Moment { utc: true, ..*self }),
            "__sub__"
                if let [other] = args
                    && let Some(other) = instant(other) =>
            {
                Value::from_object(Delta(self.at - other))
            }
            "__add__" | "__sub__" => {
                let [delta] = bind(method, ["delta"], args)?;
                let at = shifted(self.at, method, delta)?;
                Value::from_object(Moment { at, ..*self })
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

fn unsigned(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// An argument as a whole number.
fn number(value: Option<Value>, default: i32) -> Result<i32, Error> {
    match value {
        None => Ok(default),
        Some(value) => i32::try_from(value.clone())
            .map_err(|_| error(format!("a whole number is expected, not `{value}`"))),
    }
}

/// Year, month, day, hour, minute, second, microsecond.
fn moment(parts: [i32; 7]) -> Result<NaiveDateTime, Error> {
    let [year, rest @ ..] = parts;
    let rest = rest.map(u32::try_from);
    if let [
        Ok(month),
        Ok(day),
        Ok(hour),
        Ok(minute),
        Ok(second),
        Ok(micros),
    ] = rest
        && let Some(date) = NaiveDate::from_ymd_opt(year, month, day)
        && let Some(at) = date.and_hms_micro_opt(hour, minute, second, micros)
    {
        return Ok(at);
    }
    Err(error(format!("there is no such date as {parts:?}")))
}

/// The instant of a `datetime` or a `date`.
fn instant(value: &Value) -> Option<NaiveDateTime> {
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return Some(moment.at);
    }
    let date = value.downcast_object_ref::<Date>()?;
    Some(date.0.into())
}

fn shifted(at: NaiveDateTime, method: &str, delta: Option<Value>) -> Result<NaiveDateTime, Error> {
    let delta = delta
        .as_ref()
        .and_then(|delta| delta.downcast_object_ref::<Delta>())
        .ok_or_else(|| error("a `timedelta` is expected"))?;
    let moved = match method {
        "__add__" => at.checked_add_signed(delta.0),
        _ => at.checked_sub_signed(delta.0),
    };
    moved.ok_or_else(|| error("the date is out of range"))
}

fn strftime(at: &NaiveDateTime, args: &[Value]) -> Result<Value, Error> {
    let [format] = bind("strftime", ["format"], args)?;
    let format = text("strftime", "format", format)?;
    // Python's `%f` is microseconds, chrono's is nanoseconds.
    let format = format.replace("%f", "%6f");
    let mut out = String::new();
    write!(out, "{}", at.format(&format))
        .map_err(|_| error(format!("`{format}` is not a format of dates")))?;
    Ok(Value::from(out))
}

fn part(at: &NaiveDateTime, name: &str) -> Option<Value> {
    Some(match name {
        "year" => Value::from(at.year()),
        "month" => Value::from(at.month()),
        "day" => Value::from(at.day()),
        "hour" => Value::from(at.hour()),
        "minute" => Value::from(at.minute()),
        "second" => Value::from(at.second()),
        "microsecond" => Value::from(at.and_utc().timestamp_subsec_micros()),
        _ => return None,
    })
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        part(&self.at, key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        self.method(method, args)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(Moment::cmp(self, other.downcast_ref::<Moment>()?))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

/// Python's `date`.
#[derive(Debug)]
pub(super) struct Date(pub NaiveDate);

impl Object for Date {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            name @ ("year" | "month" | "day") => part(&self.0.into(), name),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let at = NaiveDateTime::from(self.0);
        Ok(match method {
            "isoformat" => Value::from(self.0.to_string()),
            "strftime" => strftime(&at, args)?,
            "weekday" => Value::from(self.0.weekday().num_days_from_monday()),
            "isoweekday" => Value::from(self.0.weekday().number_from_monday()),
            "replace" => {
                let [year, month, day] = bind("replace", ["year", "month", "day"], args)?;
                let year = number(year, self.0.year())?;
                let month = number(month, unsigned(self.0.month()))?;
                let day = number(day, unsigned(self.0.day()))?;
                Value::from_object(Date(moment([year, month, day, 0, 0, 0, 0])?.date()))
            }
            "__sub__"
                if let [other] = args
                    && let Some(other) = instant(other) =>
            {
                Value::from_object(Delta(at - other))
            }
            "__add__" | "__sub__" => {
                let [delta] = bind(method, ["delta"], args)?;
                Value::from_object(Date(shifted(at, method, delta)?.date()))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Date>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Python's `timedelta`.
#[derive(Debug)]
pub(super) struct Delta(TimeDelta);

impl Object for Delta {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "days" => Some(Value::from(self.0.num_days())),
            "seconds" => Some(Value::from(
                self.0.num_seconds() - self.0.num_days() * 86_400,
            )),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            // Whole milliseconds of a delta fit in the 53 bits of a float.
            "total_seconds" => Ok(Value::from(self.0.num_milliseconds() as f64 / 1000.0)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seconds", self.0.num_seconds())
    }
}

/// `modules.datetime.datetime(2024, 9, 1)`.
pub(super) fn new_moment(args: &[Value]) -> Result<Value, Error> {
    let names = [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "microsecond",
        "tzinfo",
    ];
    let [year, month, day, hour, minute, second, micros, zone] = bind("datetime", names, args)?;
    let at = moment([
        number(year, -1)?,
        number(month, -1)?,
        number(day, -1)?,
        number(hour, 0)?,
        number(minute, 0)?,
        number(second, 0)?,
        number(micros, 0)?,
    ])?;
    let utc = zone.is_some_and(|zone| !zone.is_none());
    Ok(Value::from_object(Moment { at, utc }))
}

/// `modules.datetime.date(2024, 9, 1)`.
pub(super) fn new_date(args: &[Value]) -> Result<Value, Error> {
    let [year, month, day] = bind("date", ["year", "month", "day"], args)?;
    let parts = [number(year, -1)?, number(month, -1)?, number(day, -1)?];
    let [year, month, day] = parts;
    Ok(Value::from_object(Date(
        moment([year, month, day, 0, 0, 0, 0])?.date(),
    )))
}

/// `modules.datetime.timedelta(days=1)`.
pub(super) fn new_delta(args: &[Value]) -> Result<Value, Error> {
    let names = [
        "days",
        "seconds",
        "microseconds",
        "milliseconds",
        "minutes",
        "hours",
        "weeks",
    ];
    const MICROS: [f64; 7] = [86_400e6, 1e6, 1.0, 1e3, 60e6, 3_600e6, 604_800e6];
    let mut micros = 0.0;
    for (value, unit) in bind("timedelta", names, args)?.into_iter().zip(MICROS) {
        if let Some(value) = value {
            let count = f64::try_from(value.clone())
                .map_err(|_| error(format!("a number is expected, not `{value}`")))?;
            micros += count * unit;
        }
    }
    // The cast saturates: what is out of range then fails where it is added.
    Ok(Value::from_object(Delta(TimeDelta::microseconds(
        micros.round() as i64,
    ))))
}

/// `modules.datetime.datetime.strptime('2024-09-01', '%Y-%m-%d')`.
pub(super) fn parse_moment(args: &[Value]) -> Result<Value, Error> {
    let [value, format] = bind("strptime", ["date_string", "format"], args)?;
    let value = text("strptime", "date_string", value)?;
    let format = text("strptime", "format", format)?;
    let parsed = NaiveDateTime::parse_from_str(&value, &format)
        .or_else(|_| NaiveDate::parse_from_str(&value, &format).map(NaiveDateTime::from));
    match parsed {
        Ok(at) => Ok(Value::from_object(Moment { at, utc: false })),
        Err(_) => Err(error(format!("`{value}` is not of the format `{format}`"))),
    }
}

/// `modules.datetime.datetime.fromisoformat('2024-09-01T10:00:00')`.
pub(super) fn parse_iso(args: &[Value]) -> Result<Value, Error> {
    let [value] = bind("fromisoformat", ["date_string"], args)?;
    let value = text("fromisoformat", "date_string", value)?;
    if let Ok(at) = DateTime::parse_from_rfc3339(&value) {
        return Ok(Moment::value(at.with_timezone(&Utc)));
    }
    let written = value.replacen(' ', "T", 1);
    let parsed = written
        .parse::<NaiveDateTime>()
        .or_else(|_| written.parse::<NaiveDate>().map(NaiveDateTime::from));
    match parsed {
        Ok(at) => Ok(Value::from_object(Moment { at, utc: false })),
        Err(_) => Err(error(format!("`{value}` is not a date in ISO format"))),
    }
}
