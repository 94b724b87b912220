//! Tests that properties files declare: a `{% test %}` macro, called with arguments.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::config::TestConfig;
use crate::project::yaml::{Node as Yaml, Value as YamlValue};
use crate::project::{ColumnProperties, TestSpec};
use crate::template::{self, Argument, BUILTIN, Calls, Host, MacroDefinition, MacroKind};

use super::build::{Builder, Draft};
use super::files::Parsing;
use super::fragment;
use super::outside::{expression, folders};
use super::settings::Layers;
use super::{Node, NodeId, Test, TestKind, name};

/// What a list of tests stands under.
struct Subject<'a> {
    file: Arc<str>,
    id: NodeId,
    /// How the tests are named after it: `users`, of a source `raw_users`.
    name: String,
    columns: &'a [ColumnProperties],
    tests: &'a [TestSpec],
    enabled: bool,
}

impl Builder<'_> {
    pub(super) fn generic_tests(&mut self, drafts: &[Draft]) -> Vec<Draft> {
        let by_id: BTreeMap<&NodeId, &Draft> = drafts
            .iter()
            .map(|draft| (draft.node.id(), draft))
            .collect();
        let enabled = |id: &NodeId| by_id.get(id).map(|draft| draft.enabled);
        let project = self.project;
        let package = self.invocation.project.clone();
        let mut subjects = Vec::new();
        for properties in &project.properties {
            for (kind, entries) in [("model", &properties.models), ("seed", &properties.seeds)] {
                for entry in entries {
                    let mut add = |suffix: &str, label: &str, tests| {
                        let id =
                            NodeId::new(format!("{kind}.{package}.{}{suffix}", entry.name.value));
                        if let Some(enabled) = enabled(&id) {
                            subjects.push(Subject {
                                file: properties.file.clone(),
                                id,
                                name: format!("{}{label}", entry.name.value),
                                columns: &entry.columns,
                                tests,
                                enabled,
                            });
                        }
                    };
                    if entry.versions.is_empty() {
                        add("", "", &entry.data_tests);
                    }
                    for version in &entry.versions {
                        let v = &*version.v.value;
                        let tests = version.data_tests.as_ref().unwrap_or(&entry.data_tests);
                        add(&format!(".v{v}"), &format!("_v{v}"), tests);
                    }
                }
            }
            for source in &properties.sources {
                for table in &source.tables {
                    let (group, name) = (&source.name.value, &table.name.value);
                    let id = NodeId::new(format!("source.{package}.{group}.{name}"));
                    if let Some(enabled) = enabled(&id) {
                        subjects.push(Subject {
                            file: properties.file.clone(),
                            id,
                            name: format!("{group}_{name}"),
                            columns: &table.columns,
                            tests: &table.data_tests,
                            enabled,
                        });
                    }
                }
            }
        }
        let mut tests = Vec::new();
        for subject in &subjects {
            for spec in subject.tests {
                tests.extend(self.generic_test(subject, None, spec));
            }
            for column in subject.columns {
                for spec in &column.data_tests {
                    tests.extend(self.generic_test(subject, Some(column), spec));
                }
            }
        }
        tests
    }

    fn generic_test(
        &mut self,
        subject: &Subject<'_>,
        column: Option<&ColumnProperties>,
        spec: &TestSpec,
    ) -> Option<Draft> {
        let definition = match self.test_macro(spec) {
            Ok(definition) => definition,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                return None;
            }
        };
        let macro_id = definition.unique_id.to_string();
        if let Some(diagnostic) = wrong_arguments(definition, spec, column.is_some()) {
            self.diagnostics.push(diagnostic);
            return None;
        }
        let test = definition.name.trim_start_matches("test_").to_string();
        let column = match &spec.column_name {
            Some(name) => Some(name.clone()),
            None => column.map(|column| match column.quote {
                Some(true) => format!("\"{}\"", &*column.name.value),
                _ => column.name.value.to_string(),
            }),
        };
        let mut arguments = Map::new();
        let mut places = BTreeMap::new();
        for (name, value) in &spec.arguments {
            arguments.insert(name.clone(), argument(value));
            places.insert(name.clone(), value.span.clone());
        }
        let mut all = arguments.clone();
        if let Some(column) = &column {
            all.insert("column_name".into(), column.as_str().into());
        }
        // dbt's order: `dbt_utils_source_not_null_proportion_raw_users`.
        let mut full = match subject.id.as_str().starts_with("source.") {
            true => format!("source_{test}"),
            false => test.clone(),
        };
        if let Some((namespace, _)) = spec.test.split_once('.') {
            full = format!("{namespace}_{full}");
        }
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => name::generic_test(&full, &subject.name, &all),
        };
        let package = self.invocation.project.clone();
        let mut fqn = vec![package.to_string()];
        fqn.extend(folders(&subject.file));
        fqn.push(name.clone());

        let mut layers = Layers::new(self.project.file.data_tests.as_ref(), &fqn);
        layers.calls(&self.own_settings(definition, subject, &arguments, column.as_deref()));
        layers.push(spec.config.as_ref());
        let merged = layers.merge();
        let mut diagnostics = Vec::new();
        let config: TestConfig = merged.decode(self.unknown_keys(), &mut diagnostics);
        fragment::check_test(&config, &mut diagnostics);
        self.diagnostics.append(&mut diagnostics);

        let kwargs = Value::Object(all).to_string();
        let settings = Value::Object(merged.to_json()).to_string();
        let key = format!("{}{macro_id}{kwargs}{settings}", subject.id);
        let id = NodeId::new(format!("test.{package}.{name}.{}", name::digest(&key, 10)));
        let mut common = self.common(id, &name, &subject.file, fqn, &merged);
        common.span = spec.span.clone();
        common.properties_path = Some(subject.file.clone());
        common.description = spec.description.clone().unwrap_or_default();
        common.label(&config.tags.0, &config.meta);
        common.depends_on = vec![subject.id.clone()];
        let mut calls = Calls {
            macros: [macro_id.clone()].into(),
            ..Calls::default()
        };
        for (_, value) in &spec.arguments {
            collect(value, &mut calls);
        }
        Some(Draft {
            enabled: subject.enabled && config.enabled.unwrap_or(true),
            node: Node::Test(Test {
                relation: self.failures(&config, &name::failures(&name)),
                common,
                kind: TestKind::Generic {
                    name: test,
                    macro_id,
                    arguments,
                    places,
                    column,
                },
                attached: Some(subject.id.clone()),
                config: Box::new(config),
            }),
            calls,
        })
    }

    /// What the `{% test %}` block, or a macro that it calls, says itself: `{{ config(severity='warn') }}`.
    /// The test's own entry wins over it, as in dbt.
    fn own_settings(
        &self,
        definition: &MacroDefinition,
        subject: &Subject<'_>,
        arguments: &Map<String, Value>,
        column: Option<&str>,
    ) -> Vec<(Map<String, Value>, Span)> {
        // Most tests set nothing, and need no render to show it. Those of packages often set it in the
        // macro that they dispatch to.
        let sets = |id: &str| {
            let definition = self.macros.get(id);
            definition.is_some_and(|definition| definition.text.contains("config"))
        };
        let called = self.macros.depends_on(&definition.unique_id);
        if !sets(&definition.unique_id) && !called.iter().any(|id| sets(id)) {
            return Vec::new();
        }
        let model = Argument::Relation(self.invocation.relation(&subject.name));
        let values = arguments
            .iter()
            .map(|(name, value)| (name.clone(), Argument::Value(value.clone())))
            .chain([("model".to_string(), model)])
            .chain(column.map(|column| ("column_name".to_string(), Argument::Value(column.into()))))
            .collect::<Vec<_>>();
        let scope = self.invocation.scope(false);
        let host: Arc<dyn Host> = Arc::new(Parsing {
            schema: self.invocation.schema.clone(),
            config: Value::Null,
        });
        // A block that cannot be rendered without its tables is told of when the test runs.
        template::parse_call(self.macros, &definition.unique_id, &values, &scope, &host)
            .map(|calls| calls.config)
            .unwrap_or_default()
    }

    /// The macro of a test: `unique`, `my_package.unique`.
    fn test_macro(&self, spec: &TestSpec) -> Result<&MacroDefinition, Diagnostic> {
        let (package, name) = match spec.test.split_once('.') {
            Some((package, name)) => (package, name),
            None => (&*self.invocation.project, spec.test.as_str()),
        };
        let found = self.macros.resolve(package, &format!("test_{name}"));
        if let Some(definition) = found {
            return Ok(definition);
        }
        let known = self
            .macros
            .definitions()
            .iter()
            .filter(|definition| definition.kind == MacroKind::Test)
            .filter(|definition| *definition.package == *package || &*definition.package == BUILTIN)
            .map(|definition| definition.name.trim_start_matches("test_"));
        let diagnostic =
            Diagnostic::error(Code::UnknownTest, format!("no test named `{}`", spec.test))
                .at(spec.span.clone())
                .did_you_mean(name, known);
        Err(match diagnostic.help {
            Some(_) => diagnostic,
            None if spec.test.contains('.') => diagnostic
                .note("packages of `packages.yml` are not installed or read yet")
                .help(format!(
                    "put the test into tests/generic/, and name it as `{name}`"
                )),
            None => diagnostic.help(format!(
                "write it: `{{% test {name}(model, column_name) %}}` in tests/generic/"
            )),
        })
    }
}

/// What is wrong with the arguments that a test is given, as far as its head tells.
fn wrong_arguments(
    definition: &MacroDefinition,
    spec: &TestSpec,
    on_column: bool,
) -> Option<Diagnostic> {
    let takes = |name: &str| definition.parameters.iter().any(|known| known.name == name);
    let listed: Vec<&str> = definition
        .parameters
        .iter()
        .map(|known| known.name.as_str())
        .filter(|name| !matches!(*name, "model" | "column_name"))
        .collect();
    for (name, value) in &spec.arguments {
        if !takes(name) && !definition.text.contains("kwargs") {
            let diagnostic = Diagnostic::error(
                Code::MacroArgument,
                format!("the test `{}` takes no argument `{name}`", spec.test),
            )
            .at(value.span.clone())
            .did_you_mean(name, listed.iter().copied());
            return Some(match (&diagnostic.help, listed.as_slice()) {
                (Some(_), _) => diagnostic,
                (None, []) => diagnostic.help("it takes none; settings go below `config:`"),
                (None, listed) => diagnostic.help(format!("it takes {}", listed.join(", "))),
            });
        }
    }
    let has_column = on_column || spec.column_name.is_some();
    for parameter in &definition.parameters {
        let given = match parameter.name.as_str() {
            "model" => true,
            "column_name" => has_column,
            name => spec.arguments.iter().any(|(given, _)| given == name),
        };
        if !given && !parameter.has_default {
            let diagnostic = Diagnostic::error(
                Code::MacroArgument,
                format!(
                    "the test `{}` needs the argument `{}`",
                    spec.test, parameter.name
                ),
            )
            .at(spec.span.clone());
            return Some(if parameter.name == "column_name" {
                diagnostic.help("put the test under a column, or name one with `column_name:`")
            } else {
                diagnostic.help(format!(
                    "give it below `arguments:`: `{}: …`",
                    parameter.name
                ))
            });
        }
    }
    None
}

/// Adds the references in an argument, at any depth.
fn collect(value: &Yaml, calls: &mut Calls) {
    match &value.value {
        YamlValue::String(text) if is_expression(text) => {
            let found = expression(text, &value.span);
            calls.refs.extend(found.refs);
            calls.sources.extend(found.sources);
            calls.vars.extend(found.vars);
        }
        YamlValue::List(items) => items.iter().for_each(|item| collect(item, calls)),
        YamlValue::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, calls)),
        _ => {}
    }
}

/// An argument as the macro gets it. In a list of values `no` and `007` are the texts that are written:
/// `values: [NO, SE]` are countries. By itself `no` is YAML's truth value, as in `quote: no`.
fn argument(value: &Yaml) -> Value {
    match &value.value {
        YamlValue::List(items) => items.iter().map(item).collect(),
        YamlValue::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.scalar_text().unwrap_or_default().into_owned();
                (key, argument(value))
            });
            Value::Object(entries.collect())
        }
        _ => value.to_json(),
    }
}

fn item(value: &Yaml) -> Value {
    let word = value.scalar_text().unwrap_or_default();
    let is_text = match value.value {
        YamlValue::Bool(value) => !word.eq_ignore_ascii_case(&value.to_string()),
        YamlValue::Int(_) => word.len() > 1 && word.starts_with('0') && word.parse::<u64>().is_ok(),
        _ => false,
    };
    match is_text {
        true => word.into(),
        false => argument(value),
    }
}

/// Whether the text of an argument is for Jinja to evaluate. Source: dbt's `looks_like_func`.
pub fn is_expression(text: &str) -> bool {
    if text.contains("{{") || text.contains("{%") {
        return true;
    }
    let text = text.trim();
    let called = text.split('(').next().unwrap_or_default().trim_end();
    text.ends_with(')') && matches!(called, "ref" | "source" | "var" | "env_var" | "doc")
}
