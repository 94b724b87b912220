//! Python's formatting of values: `'{:>8,.2f}'.format(x)` and `'%05d' % x`.
//! Rules: the Python library reference, "Format Specification Mini-Language" and "printf-style".

use std::iter::Peekable;
use std::str::Chars;

use minijinja::Error;
use minijinja::value::{Kwargs, Value, ValueKind};

use super::environment::MAX_WIDTH;
use super::failure::error;

/// How one value is to be written.
#[derive(Clone, Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `'{} {name:>8}'.format(…)`.
pub(super) fn format(text: &str, args: &[Value], named: Option<&Kwargs>) -> Result<String, Error> {
    let fields = Fields {
        args,
        named,
        next: 0,
    };
    fields.filled(text, 0).map(|(text, _)| text)
}

struct Fields<'a> {
    args: &'a [Value],
    named: Option<&'a Kwargs>,
    /// The argument that the next `{}` takes.
    next: usize,
}

impl Fields<'_> {
    /// The text with its fields filled in. A specification may hold fields itself, one level deep.
    fn filled(mut self, text: &str, depth: usize) -> Result<(String, Self), Error> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            if rest[at + 1..].starts_with(brace) {
                out.push_str(brace);
                rest = &rest[at + 2..];
                continue;
            }
            let end = match brace {
                "{" => closing(&rest[at..]),
                _ => None,
            };
            let Some(end) = end.filter(|_| depth < 2) else {
                return Err(error(format!("a single `{brace}` in the format `{text}`")));
            };
            let field = &rest[at + 1..at + end];
            let (written, fields) = self.field(field, depth)?;
            self = fields;
            out.push_str(&written);
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        Ok((out, self))
    }

    fn field(mut self, field: &str, depth: usize) -> Result<(String, Self), Error> {
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = name.split_once('!').unwrap_or((name, ""));
        let value = self.value(name)?;
        let value = match conversion {
            "" => value,
            "s" => Value::from(value.to_string()),
            "r" | "a" => Value::from(format!("{value:?}")),
            other => return Err(error(format!("`!{other}` is no conversion"))),
        };
        let (spec, fields) = self.filled(spec, depth + 1)?;
        self = fields;
        Ok((write(&value, &Spec::parse(&spec)?)?, self))
    }

    /// `0`, `name`, `0[key]`, `name.attribute`.
    fn value(&mut self, path: &str) -> Result<Value, Error> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, mut rest) = path.split_at(end);
        let position = match name {
            "" => {
                self.next += 1;
                Some(self.next - 1)
            }
            name => name.parse::<usize>().ok(),
        };
        let found = match position {
            Some(at) => self.args.get(at).cloned(),
            None => self.named.and_then(|named| named.get(name).ok()),
        };
        let missing = || {
            error(format!(
                "the format asks for `{{{path}}}`, which is not given"
            ))
        };
        let mut value = found.ok_or_else(missing)?;
        while !rest.is_empty() {
            let (key, after) = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').ok_or_else(missing)?,
                None => {
                    let inner = &rest[1..];
                    inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
                }
            };
            value = match key.parse::<i64>() {
                Ok(index) if rest.starts_with('[') => value.get_item(&Value::from(index))?,
                _ => value.get_item(&Value::from(key))?,
            };
            rest = after;
        }
        Ok(value)
    }
}

/// The index of the brace that closes the one at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

impl Spec {
    /// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
    fn parse(text: &str) -> Result<Spec, Error> {
        let mut spec = Spec::default();
        let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
        let letters: Vec<char> = text.chars().take(2).collect();
        let mut chars = text.chars().peekable();
        if letters.get(1).is_some_and(is_align) {
            spec.fill = chars.next();
            spec.align = chars.next();
        } else if letters.first().is_some_and(is_align) {
            spec.align = chars.next();
        }
        spec.sign = chars.next_if(|c| matches!(c, '+' | '-' | ' '));
        spec.alternate = chars.next_if_eq(&'#').is_some();
        if chars.next_if_eq(&'0').is_some() {
            spec.fill = spec.fill.or(Some('0'));
            spec.align = spec.align.or(Some('='));
        }
        spec.width = number(&mut chars).unwrap_or(0);
        spec.group = chars.next_if(|c| matches!(c, ',' | '_'));
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = number(&mut chars);
        }
        spec.kind = chars.next();
        match chars.next() {
            None => Ok(spec),
            Some(_) => Err(error(format!("`{text}` is no format of a value"))),
        }
    }
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let number: Option<usize> = digits.parse().ok();
    number.map(|number| number.min(MAX_WIDTH))
}

/// `'%s of %05.1f' % (…)`: `args` are the values of a tuple, or the one value.
pub(super) fn percent(text: &str, values: &Value) -> Result<String, Error> {
    let args: Vec<Value> = match values.is_tuple() {
        true => values.try_iter()?.collect(),
        false => vec![values.clone()],
    };
    let mut args = args.into_iter();
    let mut next = || {
        let missing = || error(format!("the format `{text}` asks for more values"));
        args.next().ok_or_else(missing)
    };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut key = None;
        if chars.next_if_eq(&'(').is_some() {
            let name: String = chars.by_ref().take_while(|c| *c != ')').collect();
            key = Some(name);
        }
        let mut spec = Spec {
            align: Some('>'),
            ..Spec::default()
        };
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | ' ' | '#' | '0')) {
            match flag {
                '-' => spec.align = Some('<'),
                '#' => spec.alternate = true,
                '0' => spec.fill = Some('0'),
                sign => spec.sign = Some(sign),
            }
        }
        let star = |value: Value| {
            let wide = i64::try_from(value.clone());
            wide.map_err(|_| error(format!("`{value}` is no width")))
        };
        if chars.next_if_eq(&'*').is_some() {
            let width = star(next()?)?;
            if width < 0 {
                spec.align = Some('<');
            }
            spec.width =
                usize::try_from(width.unsigned_abs()).map_or(MAX_WIDTH, |w| w.min(MAX_WIDTH));
        } else {
            spec.width = number(&mut chars).unwrap_or(0);
        }
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = match chars.next_if_eq(&'*') {
                Some(_) => usize::try_from(star(next()?)?).ok(),
                None => Some(number(&mut chars).unwrap_or(0)),
            };
        }
        while chars.next_if(|c| matches!(c, 'h' | 'l' | 'L')).is_some() {}
        let kind = chars
            .next()
            .ok_or_else(|| error(format!("the format `{text}` ends in `%`")))?;
        let value = match &key {
            Some(key) => values.get_item(&Value::from(key.as_str()))?,
            None => next()?,
        };
        if spec.fill == Some('0') {
            spec.align = match (spec.align, kind) {
                (Some('<'), _) => Some('<'),
                (_, 's' | 'r' | 'a' | 'c') => Some('>'),
                _ => Some('='),
            };
            if spec.align != Some('=') {
                spec.fill = None;
            }
        }
        let value = match kind {
            's' => Value::from(value.to_string()),
            'r' | 'a' => Value::from(format!("{value:?}")),
            'd' | 'i' | 'u' => whole(&value)?,
            'c' if value.as_str().is_some_and(|text| text.chars().count() != 1) => {
                return Err(error(format!("`{value}` is no letter")));
            }
            _ => value,
        };
        spec.kind = Some(match kind {
            'i' | 'u' => 'd',
            'r' | 'a' => 's',
            'c' if value.as_str().is_some() => 's',
            kind => kind,
        });
        out.push_str(&write(&value, &spec)?);
    }
    Ok(out)
}

/// The whole part of a number, as `%d` has it.
fn whole(value: &Value) -> Result<Value, Error> {
    if value.is_integer() || value.kind() == ValueKind::Bool {
        return Ok(value.clone());
    }
    match f64::try_from(value.clone()) {
        Ok(number) if value.kind() == ValueKind::Number && number.abs() < 1e18 => {
            Ok(Value::from(number.trunc() as i64))
        }
        _ => Err(error(format!("`{value}` is no number"))),
    }
}

fn write(value: &Value, spec: &Spec) -> Result<String, Error> {
    let is_number = value.kind() == ValueKind::Number;
    let as_number =
        is_number || (value.kind() == ValueKind::Bool && spec.kind.is_some_and(|kind| kind != 's'));
    if !as_number {
        return text(value, spec);
    }
    let (negative, digits) = match spec.kind {
        None if value.is_integer() => whole_number(value, 10, false)?,
        Some('d' | 'n') => match value.is_integer() || value.kind() == ValueKind::Bool {
            true => whole_number(value, 10, false)?,
            false => return Err(error(format!("`{value}` is no whole number"))),
        },
        Some('x') => whole_number(value, 16, false)?,
        Some('X') => whole_number(value, 16, true)?,
        Some('o') => whole_number(value, 8, false)?,
        Some('b') => whole_number(value, 2, false)?,
        Some('c') => {
            let letter = u32::try_from(value.clone()).ok().and_then(char::from_u32);
            let letter = letter.ok_or_else(|| error(format!("`{value}` is no letter")))?;
            return Ok(padded(&letter.to_string(), "", spec, '<'));
        }
        Some('s') => return text(value, spec),
        kind => float(value, spec, kind)?,
    };
    let prefix = match (spec.alternate, spec.kind) {
        (true, Some('x')) => "0x",
        (true, Some('X')) => "0X",
        (true, Some('o')) => "0o",
        (true, Some('b')) => "0b",
        _ => "",
    };
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        (false, _) => "",
    };
    let digits = match spec.group {
        Some(sign) => grouped(
            &digits,
            sign,
            matches!(spec.kind, Some('x' | 'X' | 'o' | 'b')),
        ),
        None => digits,
    };
    Ok(padded(&digits, &format!("{sign}{prefix}"), spec, '>'))
}

fn text(value: &Value, spec: &Spec) -> Result<String, Error> {
    if !matches!(spec.kind, None | Some('s')) {
        let kind = spec.kind.unwrap_or('s');
        return Err(error(format!("`{value}` cannot be written as `{kind}`")));
    }
    let text = value.to_string();
    let text: String = match spec.precision {
        Some(length) => text.chars().take(length).collect(),
        None => text,
    };
    Ok(padded(&text, "", spec, '<'))
}

fn padded(text: &str, prefix: &str, spec: &Spec, usual: char) -> String {
    let length = text.chars().count() + prefix.chars().count();
    let missing = spec.width.saturating_sub(length);
    let fill = spec.fill.unwrap_or(' ');
    let pad = |count: usize| fill.to_string().repeat(count);
    match spec.align.unwrap_or(usual) {
        '<' => format!("{prefix}{text}{}", pad(missing)),
        '^' => format!(
            "{}{prefix}{text}{}",
            pad(missing / 2),
            pad(missing - missing / 2)
        ),
        '=' => format!("{prefix}{}{text}", pad(missing)),
        _ => format!("{}{prefix}{text}", pad(missing)),
    }
}

/// Whether a whole number is negative, and its digits.
fn whole_number(value: &Value, radix: u32, upper: bool) -> Result<(bool, String), Error> {
    let number = match value.kind() {
        ValueKind::Bool => i128::from(value.is_true()),
        // Wider numbers print in base ten only.
        _ if radix == 10 => {
            let written = value.to_string();
            return Ok(match written.strip_prefix('-') {
                Some(digits) => (true, digits.to_owned()),
                None => (false, written),
            });
        }
        _ => i128::try_from(value.clone())
            .map_err(|_| error(format!("`{value}` is no whole number")))?,
    };
    let positive = number.unsigned_abs();
    let digits = match (radix, upper) {
        (16, false) => format!("{positive:x}"),
        (16, true) => format!("{positive:X}"),
        (8, _) => format!("{positive:o}"),
        (2, _) => format!("{positive:b}"),
        _ => positive.to_string(),
    };
    Ok((number < 0, digits))
}

fn float(value: &Value, spec: &Spec, kind: Option<char>) -> Result<(bool, String), Error> {
    let number = match value.kind() {
        ValueKind::Bool => f64::from(u8::from(value.is_true())),
        _ => f64::try_from(value.clone()).map_err(|_| error(format!("`{value}` is no number")))?,
    };
    let positive = number.abs();
    let precision = spec.precision.unwrap_or(6);
    let digits = match kind {
        _ if !number.is_finite() => python_float(positive),
        Some('f' | 'F') => format!("{positive:.precision$}"),
        Some('%') => format!("{:.precision$}%", positive * 100.0),
        Some('e' | 'E') => scientific(positive, precision),
        Some('g' | 'G' | 'n') => general(positive, precision, spec.alternate),
        None => match spec.precision {
            None => python_float(positive),
            Some(precision) => general(positive, precision, false),
        },
        Some(other) => return Err(error(format!("`{other}` is no format of a number"))),
    };
    let digits = match kind {
        Some('E' | 'G') => digits.to_uppercase(),
        _ => digits,
    };
    Ok((number.is_sign_negative() && !number.is_nan(), digits))
}

/// `1.5e+07`: at least two digits of the exponent.
fn scientific(number: f64, precision: usize) -> String {
    let written = format!("{number:.precision$e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// So many digits that count, in whichever form is shorter, without zeros at the end.
fn general(number: f64, precision: usize, zeros: bool) -> String {
    let precision = precision.max(1);
    let rounded = format!("{number:.*e}", precision - 1);
    let exponent: i32 = rounded
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let trimmed = |text: &str| match text.contains('.') && !zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= limit {
        let written = scientific(number, precision - 1);
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "+00"));
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
}

/// A float as Python prints it: the shortest text that reads back, with an exponent from 1e16 on and
/// below 0.0001.
pub(super) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let written = format!("{number:e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{number}");
    match plain.contains('.') {
        true => plain,
        false => format!("{plain}.0"),
    }
}

/// Digits in groups of three; of four in other bases than ten.
fn grouped(digits: &str, sign: char, by_four: bool) -> String {
    let end = digits
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(end);
    let size = if by_four { 4 } else { 3 };
    let length = whole.len();
    let mut out = String::with_capacity(digits.len() + length / size);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (length - at).is_multiple_of(size) {
            out.push(sign);
        }
        out.push(digit);
    }
    out.push_str(rest);
    out
}
