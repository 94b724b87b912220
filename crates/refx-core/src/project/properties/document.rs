//! One properties file.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::render::render;
use super::{ColumnProperties, Meta, ModelProperties, SourceProperties, UnitTestProperties};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::project::Render;
use crate::project::config::{Docs, Owner};
use crate::project::yaml::{self, Many, Node, Spanned, Value};

/// One properties file, parsed. What it describes need not exist: the manifest finds out.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Properties {
    #[schemars(skip)]
    pub file: Arc<str>,
    /// The models of this folder.
    pub models: Vec<ModelProperties>,
    /// Tables that refx reads and does not make.
    pub sources: Vec<SourceProperties>,
    /// Small tables kept as CSV files in the project.
    pub seeds: Vec<ModelProperties>,
    /// Tables that keep every state of another one.
    pub snapshots: Vec<ModelProperties>,
    /// Queries that are compiled and not run.
    pub analyses: Vec<ModelProperties>,
    /// Macros and their arguments.
    pub macros: Vec<MacroProperties>,
    /// What is made of the models outside of refx: dashboards, campaigns.
    pub exposures: Vec<ExposureProperties>,
    /// Groups of models with one owner.
    pub groups: Vec<GroupProperties>,
    /// Singular tests: the `*.sql` under the test paths. `tests` is read as the same.
    pub data_tests: Vec<SingularTestProperties>,
    /// Unit tests: a model, its given rows and the rows expected.
    pub unit_tests: Vec<UnitTestProperties>,
    /// dbt's semantic layer. Accepted.
    #[schemars(with = "Vec<Node>")]
    pub semantic_models: Vec<Node>,
    /// dbt's semantic layer. Accepted.
    #[schemars(with = "Vec<Node>")]
    pub metrics: Vec<Node>,
    /// dbt's semantic layer. Accepted.
    #[schemars(with = "Vec<Node>")]
    pub saved_queries: Vec<Node>,
    /// User-defined functions of a warehouse. Accepted for dbt.
    #[schemars(with = "Vec<Node>")]
    pub functions: Vec<Node>,
}

/// The keys at the top of a properties file.
const KEYS: [&str; 18] = [
    "version",
    "models",
    "sources",
    "seeds",
    "snapshots",
    "analyses",
    "macros",
    "exposures",
    "groups",
    "data_tests",
    "tests",
    "unit_tests",
    "semantic_models",
    "metrics",
    "saved_queries",
    "functions",
    "anchors",
    "config-version",
];

/// A macro, as its properties file describes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MacroProperties {
    /// The name of the macro.
    pub name: Spanned<String>,
    /// What the macro does.
    pub description: Option<Spanned<String>>,
    /// Its arguments, in order.
    #[serde(default)]
    pub arguments: Vec<MacroArgument>,
    /// How the documentation shows the macro.
    pub docs: Option<Docs>,
    /// Keys and values of one's own.
    #[serde(default)]
    pub meta: Meta,
    /// Settings.
    pub config: Option<Node>,
}

/// An argument of a macro.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MacroArgument {
    /// The name of the argument.
    pub name: Spanned<String>,
    /// What it may be: `string`, `list[string]`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it is for.
    pub description: Option<Spanned<String>>,
}

/// Something made of the models outside of refx.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExposureProperties {
    /// The name, to select it by.
    pub name: Spanned<String>,
    /// The name to show.
    pub label: Option<String>,
    /// What it is: `dashboard`, `notebook`, `analysis`, `ml`, `application`.
    #[serde(rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// How far it can be relied on: `high`, `medium`, `low`.
    pub maturity: Option<Spanned<String>>,
    /// Where it is.
    pub url: Option<String>,
    /// What it shows.
    pub description: Option<Spanned<String>>,
    /// What it reads: `ref('user_360')`, `source('raw', 'users')`.
    #[serde(default)]
    pub depends_on: Many<Spanned<String>>,
    /// Who answers for it.
    pub owner: Option<Spanned<Owner>>,
    /// Words to select it by.
    #[serde(default)]
    pub tags: Many<String>,
    /// Keys and values of one's own.
    #[serde(default)]
    pub meta: Meta,
    /// Settings.
    pub config: Option<Node>,
    /// Whether it counts.
    pub enabled: Option<bool>,
}

/// A group of models with one owner.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupProperties {
    /// The name that models give with `group`.
    pub name: Spanned<String>,
    /// Who answers for the group.
    pub owner: Option<Spanned<Owner>>,
    /// What the group is for.
    pub description: Option<Spanned<String>>,
    /// Settings.
    pub config: Option<Node>,
}

/// A singular test, as its properties file describes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingularTestProperties {
    /// The name of the file without its ending.
    pub name: Spanned<String>,
    /// What must hold.
    pub description: Option<Spanned<String>>,
    /// How the documentation shows the test.
    pub docs: Option<Docs>,
    /// Keys and values of one's own.
    #[serde(default)]
    pub meta: Meta,
    /// Settings.
    pub config: Option<Node>,
    /// The columns of the rows that the test finds. Accepted for dbt.
    #[serde(default)]
    pub columns: Vec<ColumnProperties>,
}

impl Properties {
    /// Reads a properties file: each thing that it describes on its own, so that a broken one
    /// leaves the others.
    pub fn read(
        file: &Arc<str>,
        document: Node,
        jinja: &dyn Render,
        unknown_keys: Severity,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut properties = Properties {
            file: file.clone(),
            ..Properties::default()
        };
        let entries = match document.value {
            Value::Map(entries) => entries,
            Value::Null => return properties,
            _ => {
                diagnostics.push(
                    yaml::wrong_type("keys and values", &document)
                        .help("a properties file begins with `models:`, `sources:`, `seeds:`…"),
                );
                return properties;
            }
        };
        for (key, value) in entries {
            let mut section = Section {
                value,
                jinja,
                unknown_keys,
                diagnostics,
            };
            match key.as_str().unwrap_or_default() {
                "models" => properties.models = section.typed(),
                "sources" => properties.sources = section.typed(),
                "seeds" => properties.seeds = section.typed(),
                "snapshots" => properties.snapshots = section.typed(),
                "analyses" => properties.analyses = section.typed(),
                "macros" => properties.macros = section.typed(),
                "exposures" => properties.exposures = section.typed(),
                "groups" => properties.groups = section.typed(),
                "data_tests" | "tests" => properties.data_tests.extend(section.typed()),
                "unit_tests" => properties.unit_tests = section.typed(),
                "semantic_models" => properties.semantic_models = section.items(),
                "metrics" => properties.metrics = section.items(),
                "saved_queries" => properties.saved_queries = section.items(),
                "functions" => properties.functions = section.items(),
                "version" | "anchors" | "config-version" => {}
                unknown => {
                    diagnostics.push(unknown_section(unknown, key.span.clone(), unknown_keys));
                }
            }
        }
        properties
    }
}

fn unknown_section(key: &str, span: Span, severity: Severity) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code::UnknownKey, format!("unknown key `{key}`"))
        .at(span)
        .did_you_mean(key, KEYS);
    let diagnostic = match diagnostic.help {
        Some(_) => diagnostic,
        None => {
            diagnostic.help("a properties file holds `models:`, `sources:`, `seeds:`, `macros:`…")
        }
    };
    Diagnostic {
        severity,
        ..diagnostic
    }
}

/// The list below one of the keys at the top.
struct Section<'a> {
    value: Node,
    jinja: &'a dyn Render,
    unknown_keys: Severity,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Section<'_> {
    fn items(&mut self) -> Vec<Node> {
        let nothing = Node::null(self.value.span.clone());
        let section = std::mem::replace(&mut self.value, nothing);
        match section.value {
            Value::List(items) => items,
            Value::Null => Vec::new(),
            _ => {
                self.diagnostics.push(
                    yaml::wrong_type("a list", &section)
                        .help("begin each item with a dash: `- name: …`"),
                );
                Vec::new()
            }
        }
    }

    fn typed<T: DeserializeOwned>(&mut self) -> Vec<T> {
        let mut found = Vec::new();
        for mut item in self.items() {
            render(&mut item, self.jinja, self.diagnostics);
            found.extend(yaml::decode_all(&item, self.unknown_keys, self.diagnostics));
        }
        found
    }
}
