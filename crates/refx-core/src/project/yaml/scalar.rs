//! What a plain (unquoted) word of YAML means.
//!
//! The rules are those of PyYAML, which dbt reads with (YAML 1.1, `yaml/resolver.py`): `yes`, `no`,
//! `on` and `off` are booleans, `010` is octal, `1e5` is text. Two things differ on purpose, since
//! nobody wants them: `6:30` is text and not a number in base 60, and a date is text.

use super::Value;

/// The value of an unquoted scalar.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Value::String(text.to_owned());
    }
    if let Some(value) = int(text) {
        return Value::Int(value);
    }
    if let Some(value) = float(text) {
        return Value::Float(value);
    }
    Value::String(text.to_owned())
}

/// A whole number. One that does not fit 64 bits is none: it stays text, with all its digits.
fn int(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if text.starts_with('-') => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", text),
    };
    let (radix, digits) = if let Some(digits) = digits.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = digits.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = digits.strip_prefix("0o") {
        (8, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let signed = |exponent: &str| {
        exponent.strip_prefix(['-', '+']).is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let first = if whole.is_empty() { fraction } else { whole };
    if !digits(whole)
        || !digits(fraction)
        || !first.starts_with(|first: char| first.is_ascii_digit())
        || !exponent.is_none_or(signed)
    {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_mean_to_dbt() {
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", Value::String("y".into())),
            ("~", Value::Null),
            ("12", Value::Int(12)),
            ("-1_000", Value::Int(-1000)),
            ("010", Value::Int(8)),
            ("08", Value::String("08".into())),
            ("0x1F", Value::Int(31)),
            ("1.5", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("1.0e+3", Value::Float(1000.0)),
            ("1e5", Value::String("1e5".into())),
            ("1.0.0", Value::String("1.0.0".into())),
            ("6:30", Value::String("6:30".into())),
            ("2024-08-31", Value::String("2024-08-31".into())),
            ("-", Value::String("-".into())),
            (".", Value::String(".".into())),
            ("+", Value::String("+".into())),
            (
                "99999999999999999999",
                Value::String("99999999999999999999".into()),
            ),
            ("-9223372036854775808", Value::Int(i64::MIN)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
