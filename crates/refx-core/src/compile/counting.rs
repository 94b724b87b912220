//! The query that a test becomes: it counts what the test finds, and judges the number.

use super::Compiled;
use crate::manifest::{Test, fragment};
use crate::project::Spanned;

/// The query that judges a test.
pub struct Counting {
    pub sql: String,
    /// The lines before the test's own text.
    pub before: usize,
}

/// The test's query. What stands before the text stays, so that places in it can be told.
pub fn written(compiled: &Compiled) -> &str {
    // What is no fragment is rejected when it is planned.
    fragment(&compiled.sql).unwrap_or(&compiled.sql).trim_end()
}

/// A row of three columns: how many failures there are, whether that is a warning, and whether it is
/// an error.
pub fn counting(test: &Test, sql: &str) -> Counting {
    let config = &test.config;
    // Each setting may end with a comment, and so ends with its line.
    let setting = |written: &Option<Spanned<String>>, otherwise: &str| match written {
        Some(text) => format!("{}\n", fragment(&text.value).unwrap_or(&text.value)),
        None => otherwise.to_string(),
    };
    let warns = setting(&config.warn_if, "!= 0");
    let fails = setting(&config.error_if, "!= 0");
    let calculation = setting(&config.fail_calc, "count(*)");
    let limit = match &config.limit {
        Some(limit) => format!("limit {}", limit.value),
        None => String::new(),
    };
    let head = format!(
        "select failures, failures {warns} as should_warn, failures {fails} as should_fail from (select coalesce({calculation}, 0) as failures from (\n"
    );
    Counting {
        before: head.matches('\n').count(),
        sql: format!("{head}{sql}\n{limit}) as found) as counted"),
    }
}
