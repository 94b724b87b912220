//! Properties of unit tests → nodes. They come last: what they name has to be there.

use std::sync::Arc;

use super::rows::{Texts, Written};
use super::{Content, Expect, Given, Input, Overrides, Rows, UnitTest};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::build::Builder;
use crate::manifest::outside::{expression, folders};
use crate::manifest::settings::Layers;
use crate::manifest::{
    Manifest, Materialization, Model, Node, NodeId, fingerprint, instant, resolve,
};
use crate::project::{Spanned, TestedVersions, UnitTestConfig, UnitTestProperties};

impl Builder<'_> {
    /// Puts the unit tests into the manifest.
    pub(in crate::manifest) fn unit_tests(&mut self, manifest: &mut Manifest) {
        let project = self.project;
        for properties in &project.properties {
            for test in &properties.unit_tests {
                match tested(manifest, test) {
                    Ok(models) => {
                        for model in models {
                            self.unit_test(manifest, &properties.file, test, &model);
                        }
                    }
                    Err(diagnostic) => self.diagnostics.push(diagnostic),
                }
            }
        }
    }

    fn unit_test(
        &mut self,
        manifest: &mut Manifest,
        file: &Arc<str>,
        properties: &UnitTestProperties,
        model: &NodeId,
    ) {
        let enabled = manifest.nodes.contains_key(model);
        let tested = match manifest.nodes.get(model) {
            Some(node) => node.as_model(),
            None => manifest.disabled.get(model).and_then(Node::as_model),
        };
        let Some(tested) = tested else { return };
        let name = properties.name.value.as_str();
        let package = self.invocation.project.clone();
        let mut fqn = vec![package.to_string()];
        fqn.extend(folders(file));
        fqn.extend([tested.common.name.clone(), name.to_owned()]);
        let mut layers = Layers::new(self.project.file.unit_tests.as_ref(), &fqn);
        layers.push(properties.config.as_ref());
        let merged = layers.merge();
        let mut diagnostics = Vec::new();
        let config: UnitTestConfig = merged.decode(self.unknown_keys(), &mut diagnostics);

        let mut id = format!("unit_test.{package}.{}.{name}", tested.common.name);
        if let Some(version) = &tested.version {
            id.push_str(&format!("_v{version}"));
        }
        let id = NodeId::new(id);
        let mut common = self.common(id.clone(), name, file, fqn, &merged);
        common.span = properties.name.span.clone();
        common.properties_path = Some(file.clone());
        common.description = self.description(properties.description.as_ref(), &mut diagnostics);
        common.label(&config.tags.0, &config.meta);
        common.depends_on = vec![model.clone()];
        let content = self.content(manifest, properties, tested, &mut diagnostics);
        let version = tested.version.clone();
        self.diagnostics.append(&mut diagnostics);
        let Some((given, expect, overrides)) = content else {
            return;
        };
        let mut node = Node::UnitTest(UnitTest {
            common,
            model: model.clone(),
            version,
            given,
            expect,
            overrides,
        });
        node.common_mut().fingerprint = fingerprint::of(&node, self.macros);
        if !enabled || !config.enabled.unwrap_or(true) {
            manifest.disabled.insert(id, node);
            return;
        }
        if let Some(rival) = manifest.nodes.get(&id) {
            self.diagnostics.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("two unit tests of one model are named `{name}`"),
                )
                .at(properties.name.span.clone())
                .related(rival.common().span.clone(), "the other one is here")
                .help("give each a name that says what it shows"),
            );
            return;
        }
        manifest.nodes.insert(id, node);
    }

    /// What the test is made of; none where something of it is broken.
    fn content(
        &self,
        manifest: &Manifest,
        properties: &UnitTestProperties,
        model: &Model,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(Vec<Given>, Expect, Overrides)> {
        let before = errors(diagnostics);
        let files = &self.project.files;
        let texts = Texts {
            fixtures: &self.project.fixtures,
            file: &|path| files.get(path).map(|(_, text)| text.clone()),
        };
        let mut given: Vec<Given> = Vec::new();
        for one in &properties.given {
            let input = match input(manifest, model, &one.input) {
                Ok((input, warning)) => {
                    diagnostics.extend(warning);
                    input
                }
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
                    continue;
                }
            };
            if let Some(first) = given.iter().find(|known| known.input == input) {
                diagnostics.push(
                    Diagnostic::error(
                        Code::InvalidInput,
                        format!("`{}` is given twice", one.input.value),
                    )
                    .at(one.input.span.clone())
                    .related(first.written.span.clone(), "the first time is here")
                    .help("put all of its rows into one entry"),
                );
                continue;
            }
            let written = Written {
                rows: one.rows.as_ref(),
                format: one.format.as_ref(),
                fixture: one.fixture.as_ref(),
                place: &one.input.span,
            };
            match written.read(texts) {
                Ok(rows) => given.push(Given {
                    input,
                    written: one.input.clone(),
                    rows,
                }),
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
        }
        let expect = expected(properties, model, texts, diagnostics);
        let overrides = self.overrides(properties, diagnostics);
        (errors(diagnostics) == before).then_some((given, expect, overrides))
    }

    fn overrides(
        &self,
        properties: &UnitTestProperties,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Overrides {
        let written = &properties.overrides;
        let as_of = written.as_of.as_ref().and_then(|text| {
            let read = instant(&text.value);
            if read.is_none() {
                diagnostics.push(
                    Diagnostic::error(
                        Code::InvalidValue,
                        format!("`{}` is not an instant", &*text.value),
                    )
                    .at(text.span.clone())
                    .help("write a date such as 2024-08-31, or an instant such as 2024-08-31T06:00:00Z"),
                );
            }
            read
        });
        let known = self.macros.names(&self.invocation.project);
        for (name, value) in &written.macros {
            if !known.iter().any(|macro_name| macro_name == name) {
                let diagnostic =
                    Diagnostic::warning(Code::UnknownMacro, format!("no macro named `{name}`"))
                        .at(value.span.clone())
                        .did_you_mean(name, known.iter().map(String::as_str));
                diagnostics.push(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => diagnostic.help("leave it out: nothing calls it"),
                });
            }
        }
        let json =
            |(name, value): (&String, &crate::project::Node)| (name.clone(), value.to_json());
        Overrides {
            macros: written.macros.iter().map(json).collect(),
            vars: written.vars.iter().map(json).collect(),
            env_vars: (written.env_vars.iter())
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
            as_of,
        }
    }
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|known| known.is_error()).count()
}

/// The models of a unit test: one, or each version that it is for.
fn tested(manifest: &Manifest, properties: &UnitTestProperties) -> Result<Vec<NodeId>, Diagnostic> {
    let name = &properties.model;
    let all = manifest.nodes.values().chain(manifest.disabled.values());
    let named: Vec<&Node> = all
        .filter(|node| matches!(node, Node::Model(_) | Node::Seed(_)))
        .filter(|node| node.name() == name.value)
        .collect();
    let versions = properties.versions.as_ref();
    let models: Vec<NodeId> = named
        .iter()
        .filter_map(|node| node.as_model())
        .filter(|model| versions.is_none_or(|versions| is_meant(versions, model)))
        .map(|model| model.common.id.clone())
        .collect();
    if !models.is_empty() {
        return Ok(models);
    }
    Err(match named.first() {
        None => {
            let diagnostic = resolve::unknown_model(manifest, &name.value);
            diagnostic.at(name.span.clone())
        }
        Some(Node::Seed(_)) => Diagnostic::error(
            Code::UnknownRef,
            format!("`{}` is a seed, and unit tests are of models", name.value),
        )
        .at(name.span.clone())
        .help("test a model that reads it, and give its rows as an input"),
        Some(_) => Diagnostic::error(
            Code::UnknownRef,
            format!("no version of `{}` is meant by `versions`", name.value),
        )
        .at(name.span.clone())
        .help("name versions that the model has under `include`"),
    })
}

fn is_meant(versions: &TestedVersions, model: &Model) -> bool {
    let version = model.version.as_deref();
    let among = |list: &crate::project::yaml::Many<crate::project::yaml::Text>| {
        list.iter()
            .any(|text| Some(&**text) == version || &**text == "all" || &**text == "*")
    };
    versions.include.as_ref().is_none_or(among) && !versions.exclude.as_ref().is_some_and(among)
}

/// What an input means, and a warning where the model does not read it.
fn input(
    manifest: &Manifest,
    model: &Model,
    written: &Spanned<String>,
) -> Result<(Input, Option<Diagnostic>), Diagnostic> {
    let (text, span) = (written.value.trim(), &written.span);
    if text == "this" {
        return match model.materialization {
            Materialization::Incremental(_) => Ok((Input::This, None)),
            _ => Err(Diagnostic::error(
                Code::InvalidInput,
                format!(
                    "`{}` is no incremental model, so it does not read its own table",
                    model.common.name
                ),
            )
            .at(span.clone())
            .help("leave `this` out")),
        };
    }
    let calls = expression(text, span);
    let node = match (calls.refs.as_slice(), calls.sources.as_slice()) {
        ([(call, _)], []) => match manifest.find(call) {
            resolve::Found::Node(node) => node,
            _ => {
                let reader = manifest.get(&model.common.id);
                let why = reader.map(|reader| resolve::readable(manifest, reader, call));
                return Err(match why {
                    Some(Err(diagnostic)) => diagnostic,
                    _ => resolve::unknown_ref(manifest, &call.name),
                }
                .at(span.clone()));
            }
        },
        ([], [(source, table, _)]) => match manifest.find_source(source, table) {
            Some(node) => node,
            None => {
                return Err(resolve::unknown_source(manifest, source, table).at(span.clone()));
            }
        },
        _ => {
            return Err(
                Diagnostic::error(Code::InvalidInput, format!("`{text}` is no input"))
                    .at(span.clone())
                    .help("write `ref('model')`, `source('source', 'table')` or `this`"),
            );
        }
    };
    let warning = match model.common.depends_on.contains(node.id()) {
        true => None,
        false => {
            let read = model.common.depends_on.iter();
            let read: Vec<String> = read
                .filter_map(|id| manifest.get(id))
                .map(|node| format!("`{}`", reference(node)))
                .collect();
            let name = &model.common.name;
            let warning = Diagnostic::warning(
                Code::InvalidInput,
                format!("`{name}` does not read `{text}`"),
            )
            .at(span.clone());
            Some(match read.is_empty() {
                true => warning.help("leave it out: the model reads nothing"),
                false => warning.help(format!("it reads {}", read.join(", "))),
            })
        }
    };
    Ok((Input::Node(node.id().clone()), warning))
}

/// How a model names a node that it reads.
pub fn reference(node: &Node) -> String {
    match node {
        Node::Source(source) => {
            format!("source('{}', '{}')", source.source_name, source.common.name)
        }
        node => match node.as_model() {
            // The latest version is what the bare name means.
            Some(model) if model.version != model.latest_version => format!(
                "ref('{}', v={})",
                node.name(),
                model.version.as_deref().unwrap_or_default()
            ),
            _ => format!("ref('{}')", node.name()),
        },
    }
}

fn expected(
    properties: &UnitTestProperties,
    model: &Model,
    texts: Texts<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Expect {
    let expect = &properties.expect;
    let place = &properties.name.span;
    let rows = Written {
        rows: expect.rows.as_ref(),
        format: expect.format.as_ref(),
        fixture: expect.fixture.as_ref(),
        place,
    };
    let mut read = |written: &Written<'_>| match written.read(texts) {
        Ok(rows) => Some(rows),
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            None
        }
    };
    let table = expect.table.as_ref().and_then(|table| {
        let written = Written {
            rows: table.rows.as_ref(),
            format: table.format.as_ref(),
            fixture: table.fixture.as_ref(),
            place,
        };
        read(&written)
    });
    let rows = match rows.is_empty() && expect.table.is_some() {
        true => None,
        false => read(&rows),
    };
    if let Some(table) = table.as_ref().filter(|_| !model.materialization.lands()) {
        let kind = model.materialization.as_str();
        diagnostics.push(
            Diagnostic::error(
                Code::InvalidConfig,
                format!(
                    "`{}` is materialized as `{kind}`, and has no table",
                    model.common.name
                ),
            )
            .at(table.span.clone())
            .help("expect `rows` of its query"),
        );
    }
    Expect { rows, table }
}

impl Rows {
    /// The rows as JSON: a list of objects, or the text of a query.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Sql(sql) => sql.value.to_string().into(),
            Content::Grid(grid) => {
                let row = |row: &Vec<Option<crate::project::Node>>| {
                    let named = grid.columns.iter().zip(row);
                    let cells = named.filter_map(|(column, cell)| {
                        Some((column.value.clone(), cell.as_ref()?.to_json()))
                    });
                    serde_json::Value::Object(cells.collect())
                };
                grid.rows.iter().map(row).collect()
            }
        }
    }
}
