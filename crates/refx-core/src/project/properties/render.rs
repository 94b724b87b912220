//! Which texts of a properties file hold Jinja for refx to render, and which are left as they are.

use super::TEST_SETTINGS;
use crate::diagnostic::Diagnostic;
use crate::project::Render;
use crate::project::yaml::{Node, Value};

/// What is rendered later, or never: descriptions call on `{% docs %}` blocks, hooks and `where`
/// run with the model; the input of a unit test and a foreign key name one.
const LATER: [&str; 9] = [
    "description",
    "input",
    "to",
    "pre_hook",
    "pre-hook",
    "post_hook",
    "post-hook",
    "sql_header",
    "where",
];

/// Renders the Jinja in a model's, source's… properties. What fails is told and stays as written.
pub fn render(node: &mut Node, render: &dyn Render, diagnostics: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::String(text) => {
            if !has_jinja(text) {
                return;
            }
            match render.value(text, &node.span) {
                Ok(value) => *node = Node::from_json(&value, &node.span),
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
        }
        Value::List(items) => {
            for item in items {
                self::render(item, render, diagnostics);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                // In a configuration tree a setting may have dbt's `+`.
                let key = key.as_str().unwrap_or_default();
                match key.trim_start_matches(['+', ' ']) {
                    "tests" | "data_tests" => render_tests(value, render, diagnostics),
                    key if LATER.contains(&key) => {}
                    _ => self::render(value, render, diagnostics),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

/// Of a test only the settings are rendered: its arguments are for the test to evaluate.
fn render_tests(node: &mut Node, render: &dyn Render, diagnostics: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::List(items) => {
            for item in items {
                render_tests(item, render, diagnostics);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                match key.as_str().unwrap_or_default() {
                    "arguments" => {}
                    key if LATER.contains(&key) => {}
                    "config" => self::render(value, render, diagnostics),
                    key if TEST_SETTINGS.contains(&key) => {
                        self::render(value, render, diagnostics);
                    }
                    _ => render_tests(value, render, diagnostics),
                }
            }
        }
        _ => {}
    }
}

pub fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}
