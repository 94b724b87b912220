//! Names that a manifest makes: of generic tests, and of their ids.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest name of a generic test before it is cut short. Source: dbt.
const LONGEST: usize = 63;

/// The name of a generic test from what it checks: `not_null_user_360_user_id`.
///
/// Follows dbt: test, subject, then the values of the arguments in order of their names, all that
/// is not a letter, digit or underscore replaced; a name that is too long ends in a digest instead.
pub(super) fn generic_test(test: &str, subject: &str, arguments: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = arguments.keys().collect();
    names.sort();
    let mut parts = Vec::new();
    for name in names.into_iter().filter(|name| *name != "model") {
        match &arguments[name] {
            Value::Array(values) => parts.extend(values.iter().map(word)),
            Value::Object(values) => parts.extend(values.values().map(word)),
            value => parts.push(word(value)),
        }
    }
    let short = format!("{test}_{subject}");
    let name = format!("{short}_{}", parts.join("__"));
    let name = name.trim_end_matches('_').to_string();
    if name.len() <= LONGEST {
        return name;
    }
    let head: String = short.chars().take(30).collect();
    format!("{head}_{}", digest(&name, 32))
}

/// A value as part of a name.
fn word(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut clean = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            clean.push(letter);
        } else if !clean.ends_with('_') {
            clean.push('_');
        }
    }
    clean
}

/// The first `length` hexadecimal digits of the text's SHA-256.
pub(super) fn digest(text: &str, length: usize) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits.truncate(length);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(test: &str, subject: &str, arguments: Value) -> String {
        match arguments {
            Value::Object(arguments) => generic_test(test, subject, &arguments),
            _ => unreachable!("the tests give objects"),
        }
    }

    #[test]
    fn names_say_what_is_checked() {
        assert_eq!(
            name("not_null", "users", json!({"column_name": "user_id"})),
            "not_null_users_user_id"
        );
        assert_eq!(
            name(
                "accepted_values",
                "orders",
                json!({"values": ["placed", "on its way"], "column_name": "status"})
            ),
            "accepted_values_orders_status__placed__on_its_way"
        );
    }

    #[test]
    fn a_long_name_ends_in_a_digest() {
        let long = name(
            "accepted_values",
            "user_video_consumption",
            json!({"values": ["one", "two", "three", "four", "five", "six", "seven"]}),
        );
        assert!(
            long.starts_with("accepted_values_user_video_con_"),
            "{long}"
        );
        assert_eq!(long.len(), 63);
    }
}
