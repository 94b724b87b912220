//! Names that a manifest makes: of generic tests, and of their ids.

use md5::Md5;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest name of a table that keeps a generic test's failures. Source: dbt.
const LONGEST: usize = 63;

/// The name of a generic test from what it checks: `not_null_user_360_user_id`.
///
/// Follows dbt (`synthesize_generic_test_names`): test, subject, then the values of the arguments in
/// order of their names, all that is not a letter, digit or underscore replaced.
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
    format!("{test}_{subject}_{}", parts.join("__"))
}

/// The name of the table for a test's failures: the test's own, cut short where it is too long.
pub(super) fn failures(test: &str) -> String {
    if test.len() <= LONGEST {
        return test.to_string();
    }
    let head: String = test.chars().take(30).collect();
    let digits = Md5::digest(test.as_bytes());
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{head}_{digits}")
}

/// A value as part of a name, spelled as in Python.
fn word(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_string(),
        Value::Bool(true) => "True".to_string(),
        Value::Bool(false) => "False".to_string(),
        value => value.to_string(),
    };
    let mut clean = String::new();
    let mut replacing = false;
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            clean.push(letter);
            replacing = false;
        } else if !replacing {
            clean.push('_');
            replacing = true;
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
    fn names_are_dbt_s() {
        assert_eq!(
            name(
                "relationships",
                "orders",
                json!({"to": "ref('users')", "field": "user_id", "column_name": "user_id"})
            ),
            "relationships_orders_user_id__user_id__ref_users_"
        );
        assert_eq!(
            name(
                "in_range",
                "orders",
                json!({"strict": true, "column_name": "n"})
            ),
            "in_range_orders_n__True"
        );
    }

    #[test]
    fn a_table_of_failures_has_a_name_that_is_not_too_long() {
        let test = "accepted_values_stg_payments_payment_method__credit_card__coupon__gift_card";
        assert_eq!(
            failures(test),
            "accepted_values_stg_payments_p_3f225ee6aabde118df1c4b0440b3671e"
        );
        assert_eq!(failures("unique_orders_id"), "unique_orders_id");
    }
}
