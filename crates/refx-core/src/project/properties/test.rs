//! A data test as it stands in a properties file, in any of dbt's spellings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::Deserializer;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::yaml::{self, Node, Value};

/// Keys of a test that are settings, whether they stand under `config:` or beside the arguments
/// (dbt: `TestBuilder.CONFIG_ARGS`).
pub const TEST_SETTINGS: [&str; 16] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
    "group",
    "sql_header",
];

/// A generic test put on a model, a column or a source table.
///
/// All of these are the same test:
///
/// ```yaml
/// data_tests:
///   - accepted_values: { values: [a, b], severity: warn }
///   - accepted_values: { arguments: { values: [a, b] }, config: { severity: warn } }
///   - test_name: accepted_values
///     arguments: { values: [a, b] }
///     config: { severity: warn }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TestSpec {
    /// Where the test is named.
    pub span: Span,
    /// The test: `unique`, `package.test`.
    pub test: String,
    /// A name of its own, given with `name:`.
    pub name: Option<String>,
    /// What the test is given. Jinja in it is not rendered: it stands for expressions such as
    /// `ref('users')` which only the test itself can evaluate.
    pub arguments: Vec<(String, Node)>,
    /// Settings, from `config:` and from beside the arguments, as one map. Rendered, except `where`.
    pub config: Option<Node>,
    pub description: Option<String>,
    /// The column to test, where it is not the one that the test stands under.
    pub column_name: Option<String>,
}

impl<'de> Deserialize<'de> for TestSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, TestSpec::read)
    }
}

impl TestSpec {
    fn read(node: Node) -> Result<Self, Diagnostic> {
        let Value::Map(entries) = node.value else {
            let Some(test) = node.as_str() else {
                return Err(yaml::wrong_type("the name of a test", &node)
                    .help("write the name, `- unique`, or the name with its arguments below it"));
            };
            return Ok(TestSpec {
                test: test.to_owned(),
                ..TestSpec::new(node.span)
            });
        };
        let named = entries
            .iter()
            .position(|(key, _)| key.as_str() == Some("test_name"));
        if let Some(position) = named {
            let mut rest = entries;
            let (_, test) = rest.remove(position);
            let mut spec = TestSpec::new(test.span.clone());
            spec.test = text(&test)?;
            spec.fill(rest)?;
            return Ok(spec);
        }
        let mut entries = entries.into_iter();
        let Some((key, value)) = entries.next() else {
            return Err(Diagnostic::error(Code::MissingKey, "a test without a name")
                .at(node.span)
                .help("write the name of the test: `- unique`"));
        };
        if let Some((other, _)) = entries.next() {
            let (test, key_of) = (word(&key), word(&other));
            return Err(Diagnostic::error(
                Code::UnknownKey,
                format!("`{key_of}` stands beside the test `{test}` and not below it"),
            )
            .at(other.span)
            .help(format!("indent `{key_of}:` further than `{test}:`")));
        }
        let mut spec = TestSpec::new(key.span.clone());
        spec.test = word(&key);
        match value.value {
            Value::Null => {}
            Value::Map(entries) => spec.fill(entries)?,
            _ => {
                return Err(
                    yaml::wrong_type("the arguments of the test by name", &value).help(format!(
                        "write the argument's name before the value, as `{}: {{ values: [a, b] }}`",
                        spec.test
                    )),
                );
            }
        }
        Ok(spec)
    }

    fn new(span: Span) -> Self {
        TestSpec {
            span,
            test: String::new(),
            name: None,
            arguments: Vec::new(),
            config: None,
            description: None,
            column_name: None,
        }
    }

    /// Sorts the keys below a test into arguments, settings and what is the test's own.
    fn fill(&mut self, entries: Vec<(Node, Node)>) -> Result<(), Diagnostic> {
        let mut settings: Vec<(Node, Node)> = Vec::new();
        for (key, value) in entries {
            match key.as_str().unwrap_or_default() {
                "name" => self.name = Some(text(&value)?),
                "description" => self.description = Some(text(&value)?),
                "column_name" => self.column_name = Some(text(&value)?),
                "arguments" => match value.value {
                    Value::Null => {}
                    Value::Map(arguments) => {
                        for (key, value) in arguments {
                            self.argument(key, value)?;
                        }
                    }
                    _ => return Err(yaml::wrong_type("keys and values", &value)),
                },
                "config" => match value.value {
                    Value::Null => {}
                    Value::Map(entries) => {
                        for (key, value) in entries {
                            setting(&mut settings, key, value)?;
                        }
                    }
                    _ => return Err(yaml::wrong_type("keys and values", &value)),
                },
                name if TEST_SETTINGS.contains(&name) => setting(&mut settings, key, value)?,
                _ => self.argument(key, value)?,
            }
        }
        if let Some((first, _)) = settings.first() {
            let span = first.span.clone();
            self.config = Some(Node::new(Value::Map(settings), span));
        }
        Ok(())
    }

    fn argument(&mut self, key: Node, value: Node) -> Result<(), Diagnostic> {
        let name = word(&key);
        if name == "column_name" {
            self.column_name = Some(text(&value)?);
            return Ok(());
        }
        if self.arguments.iter().any(|(other, _)| *other == name) {
            return Err(twice(&name, key.span));
        }
        self.arguments.push((name, value));
        Ok(())
    }
}

fn setting(settings: &mut Vec<(Node, Node)>, key: Node, value: Node) -> Result<(), Diagnostic> {
    if settings.iter().any(|(other, _)| other.value == key.value) {
        return Err(twice(&word(&key), key.span));
    }
    settings.push((key, value));
    Ok(())
}

fn twice(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        Code::InvalidValue,
        format!("`{name}` is given twice for one test"),
    )
    .at(span)
    .help("keep one of them")
}

fn word(key: &Node) -> String {
    key.as_str().unwrap_or_default().to_owned()
}

fn text(node: &Node) -> Result<String, Diagnostic> {
    yaml::decode::<yaml::Text>(node).map(|text| text.0)
}

impl JsonSchema for TestSpec {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a test, or the name with its arguments below it.",
            "anyOf": [
                { "type": "string", "examples": ["unique", "not_null"] },
                { "type": "object", "minProperties": 1 }
            ]
        })
    }
}
