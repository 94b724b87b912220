//! The type of a column whose values are texts.
//!
//! A type is guessed only where it gives back each of the values as it was written: `007`, `+33…` and
//! numbers with more digits than a number holds stay texts, or become decimals.

use chrono::{DateTime, Timelike, Utc};
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit};

/// What is known of a column from the values seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    text: bool,
    boolean: bool,
    /// Whole numbers.
    integer: bool,
    /// Numbers with a point or an exponent.
    fraction: bool,
    /// `nan`, `inf`: numbers only among numbers.
    special: bool,
    date: bool,
    timestamp: bool,
    /// Digits before and after the point.
    before: usize,
    after: usize,
    /// A number that only its exponent makes short.
    exponent: bool,
    /// More digits than a double keeps.
    long: bool,
    /// An integer that a bigint does not hold.
    beyond: bool,
    /// Finer than a microsecond; outside of what nanoseconds reach.
    fine: bool,
    far: bool,
}

const DIGITS_OF_DECIMAL: usize = 38;

impl Guess {
    pub(super) fn see(&mut self, text: &str) {
        if self.text {
            return;
        }
        match text.as_bytes().first() {
            Some(b'0'..=b'9') if self.date(text) || self.timestamp(text) => {}
            Some(b'0'..=b'9' | b'-' | b'.') if self.number(text) => {}
            Some(b't' | b'T' | b'f' | b'F')
                if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") =>
            {
                self.boolean = true;
            }
            _ if is_special(text) => self.special = true,
            _ => self.text = true,
        }
    }

    /// A text that is a text whatever it looks like.
    pub(super) fn see_text(&mut self) {
        self.text = true;
    }

    pub(super) fn and(self, other: Guess) -> Guess {
        Guess {
            text: self.text || other.text,
            boolean: self.boolean || other.boolean,
            integer: self.integer || other.integer,
            fraction: self.fraction || other.fraction,
            special: self.special || other.special,
            date: self.date || other.date,
            timestamp: self.timestamp || other.timestamp,
            before: self.before.max(other.before),
            after: self.after.max(other.after),
            exponent: self.exponent || other.exponent,
            long: self.long || other.long,
            beyond: self.beyond || other.beyond,
            fine: self.fine || other.fine,
            far: self.far || other.far,
        }
    }

    /// The type of all values. Of a column without values none, or text where more rows follow.
    pub(super) fn data_type(&self, complete: bool) -> DataType {
        let kinds = [
            self.boolean,
            self.integer || self.fraction,
            self.date || self.timestamp,
        ];
        match kinds.iter().filter(|kind| **kind).count() {
            _ if self.text => DataType::Utf8,
            0 if self.special || !complete => DataType::Utf8,
            0 => DataType::Null,
            1 if self.boolean && !self.special => DataType::Boolean,
            1 if self.integer || self.fraction => self.numeric(),
            1 if self.special => DataType::Utf8,
            1 => match (self.timestamp, self.fine) {
                (false, _) => DataType::Date32,
                (true, false) => DataType::Timestamp(TimeUnit::Microsecond, None),
                (true, true) if !self.far => DataType::Timestamp(TimeUnit::Nanosecond, None),
                (true, true) => DataType::Utf8,
            },
            _ => DataType::Utf8,
        }
    }

    fn numeric(&self) -> DataType {
        let floating = self.fraction || self.special;
        if !floating && !self.beyond {
            return DataType::Int64;
        }
        if floating && !self.long {
            return DataType::Float64;
        }
        let digits = self.before.max(1) + self.after;
        match i8::try_from(self.after) {
            Ok(scale) if !self.special && !self.exponent && digits <= DIGITS_OF_DECIMAL => {
                DataType::Decimal128(38, scale)
            }
            _ => DataType::Utf8,
        }
    }

    fn number(&mut self, text: &str) -> bool {
        let number = text.strip_prefix('-').unwrap_or(text);
        let (number, exponent) = match number.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, Some(exponent)),
            None => (number, None),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (number, None),
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = whole.len() + fraction.map_or(0, str::len);
        let zeros = whole.len() > 1 && whole.starts_with('0');
        if digits == 0 || zeros || !is_number(whole) || !fraction.is_none_or(is_number) {
            return false;
        }
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
            if digits.is_empty() || !is_number(digits) || !finite {
                return false;
            }
            self.exponent = true;
        }
        self.before = self.before.max(whole.len());
        let fraction_digits = fraction.map_or("", |text| text.trim_end_matches('0'));
        self.after = self.after.max(fraction_digits.len());
        match (fraction, exponent) {
            (None, None) => {
                self.integer = true;
                self.beyond |= text.parse::<i64>().is_err();
                // A double holds each integer of fifteen digits.
                self.long |= whole.len() > 15 && !in_double(text);
            }
            _ => {
                self.fraction = true;
                // No double is written with more digits than seventeen.
                let significant = number.trim_start_matches(['0', '.']).len();
                self.long |= significant > 18;
            }
        }
        true
    }

    fn date(&mut self, text: &str) -> bool {
        let is_date = text.len() == 10
            && text.as_bytes().get(4) == Some(&b'-')
            && Date32Type::parse(text).is_some();
        self.date |= is_date;
        is_date
    }

    fn timestamp(&mut self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let looks = bytes.len() >= 16
            && bytes[4] == b'-'
            && matches!(bytes[10], b'T' | b' ')
            && bytes[13] == b':';
        if !looks {
            return false;
        }
        let Ok(at) = string_to_datetime(&Utc, text) else {
            return false;
        };
        let digits = text.split_once('.').map(|(_, rest)| rest);
        let digits = digits.map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        if digits.is_some_and(|digits| digits > 9) {
            return false;
        }
        self.see_instant(at);
        true
    }

    fn see_instant(&mut self, at: DateTime<Utc>) {
        self.timestamp = true;
        self.fine |= !at.nanosecond().is_multiple_of(1_000);
        self.far |= at.timestamp_nanos_opt().is_none();
    }
}

fn in_double(text: &str) -> bool {
    let double = text.parse::<f64>().unwrap_or(f64::NAN);
    let back = double as i128;
    text.parse::<i128>().is_ok_and(|number| number == back)
}

fn is_special(text: &str) -> bool {
    let word = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "inf", "infinity"]
        .iter()
        .any(|special| word.eq_ignore_ascii_case(special))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(values: &[&str]) -> String {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value));
        crate::engine::sql_type(&guess.data_type(true))
    }

    #[test]
    fn a_type_gives_each_value_back() {
        for (values, expected) in [
            (&["1", "-20"][..], "bigint"),
            (&["1", "2.5"], "double"),
            (&["12e3"], "double"),
            (&["1", "nan", "-inf"], "double"),
            (&["007", "12"], "varchar"),
            (&["0", "0.5", "-0.5"], "double"),
            (&["00"], "varchar"),
            (&["-007"], "varchar"),
            (&["+33612345678"], "varchar"),
            (&["1_000"], "varchar"),
            (&["0x1F"], "varchar"),
            (&[" 5", "6"], "varchar"),
            (&["1", "A2"], "varchar"),
            (&["9223372036854775807"], "bigint"),
            (&["9223372036854775808", "1"], "decimal(38,0)"),
            (&["9223372036854775807", "0.5"], "decimal(38,1)"),
            (&["9007199254740992", "0.5"], "double"),
            (&["0.30000000000000004"], "double"),
            (&["0.12345678901234567890"], "decimal(38,19)"),
            (&["123456789012345678901234567890123456789"], "varchar"),
            (&["true", "False"], "boolean"),
            (&["true", "1"], "varchar"),
            (&["nan", "inf"], "varchar"),
            (&["2024-01-31"], "date"),
            (&["2024-02-30"], "varchar"),
            (&["2024-01-31", "2024-01-31 10:00:00"], "timestamp"),
            (
                &["9999-12-31 00:00:00", "2024-01-31T10:00:00.123456Z"],
                "timestamp",
            ),
            (
                &["9999-12-31 00:00:00", "2024-01-31T10:00:00.123456789"],
                "varchar",
            ),
            (&["2024-01-31 25:00:00"], "varchar"),
            (&["20240131"], "bigint"),
            (&["2024-01-31", "5"], "varchar"),
            (&["1e999"], "varchar"),
            (&[], "null"),
        ] {
            assert_eq!(guessed(values), expected, "{values:?}");
        }
    }
}
