//! What properties files say, sorted by what they say it of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::{ModelProperties, ModelVersion, SingularTestProperties};
use crate::template::{self, BlockKind, Source as Text};

use super::build::Builder;

/// What properties files say, by the name of what they say it of.
#[derive(Default)]
pub(super) struct Described<'a> {
    pub models: HashMap<&'a str, &'a ModelProperties>,
    /// Models with versions, by the name of the version's file.
    pub versions: HashMap<String, (&'a ModelProperties, &'a ModelVersion)>,
    pub seeds: HashMap<&'a str, &'a ModelProperties>,
    pub tests: HashMap<&'a str, &'a SingularTestProperties>,
    /// The properties file of each model and seed; tests have their own names.
    pub files: HashMap<&'a str, Arc<str>>,
}

impl<'a> Builder<'a> {
    /// The texts of the `{% docs %}` blocks, by name.
    pub(super) fn docs(&mut self) -> BTreeMap<String, String> {
        let mut docs = BTreeMap::new();
        for file in &self.project.docs {
            let source = Text::whole(file.path.clone(), file.text.clone());
            match template::blocks(&source) {
                Ok(blocks) => {
                    for block in blocks
                        .into_iter()
                        .filter(|block| block.kind == BlockKind::Docs)
                    {
                        let body = file.text.get(block.body.clone()).unwrap_or_default().trim();
                        let qualified = format!("{}.{}", self.invocation.project, block.name);
                        docs.insert(qualified, body.to_string());
                        docs.insert(block.name, body.to_string());
                    }
                }
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
        docs
    }

    /// Sorts the entries of the properties files by name, and reports names that come twice.
    pub(super) fn described(&mut self) -> Described<'a> {
        let mut described = Described::default();
        let mut seen: HashMap<(&str, &str), &Span> = HashMap::new();
        for properties in &self.project.properties {
            let entries = (properties.models.iter().map(|entry| ("model", &entry.name)))
                .chain(properties.seeds.iter().map(|entry| ("seed", &entry.name)))
                .chain(
                    properties
                        .data_tests
                        .iter()
                        .map(|entry| ("test", &entry.name)),
                );
            for (kind, name) in entries {
                if let Some(first) = seen.insert((kind, &name.value), &name.span) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            Code::DuplicateName,
                            format!("the {kind} `{}` is described twice", name.value),
                        )
                        .at(name.span.clone())
                        .related(first.clone(), "the other description is here")
                        .help("put both into one entry"),
                    );
                }
                if kind != "test" {
                    described.files.insert(&name.value, properties.file.clone());
                }
            }
            for entry in &properties.models {
                for version in &entry.versions {
                    let file = file_of(entry, version);
                    described.versions.insert(file, (entry, version));
                }
                described.models.insert(&entry.name.value, entry);
            }
            for entry in &properties.seeds {
                described.seeds.insert(&entry.name.value, entry);
            }
            for entry in &properties.data_tests {
                described.tests.insert(&entry.name.value, entry);
            }
        }
        self.unknown_names();
        described
    }

    /// Warns of descriptions of what does not exist.
    fn unknown_names(&mut self) {
        let project = self.project;
        let models: BTreeSet<&str> = project.models.iter().map(|file| &*file.name).collect();
        let seeds: BTreeSet<&str> = project.seeds.iter().map(|file| &*file.name).collect();
        let tests: BTreeSet<&str> = project
            .singular_tests
            .iter()
            .map(|file| &*file.name)
            .collect();
        for properties in &project.properties {
            let entries = properties
                .models
                .iter()
                .filter(|entry| entry.versions.is_empty())
                .map(|entry| ("model", &entry.name, &models))
                .chain(
                    properties
                        .seeds
                        .iter()
                        .map(|entry| ("seed", &entry.name, &seeds)),
                )
                .chain(
                    properties
                        .data_tests
                        .iter()
                        .map(|entry| ("test", &entry.name, &tests)),
                );
            for (kind, name, known) in entries {
                if !known.contains(name.as_str()) {
                    let diagnostic = Diagnostic::warning(
                        Code::UnknownProperty,
                        format!("there is no {kind} named `{}`", name.value),
                    )
                    .at(name.span.clone())
                    .did_you_mean(&name.value, known.iter().copied());
                    self.diagnostics.push(match diagnostic.help {
                        Some(_) => diagnostic,
                        None => diagnostic.help("correct the name, or remove the entry"),
                    });
                }
            }
            for (entry, version) in properties
                .models
                .iter()
                .flat_map(|entry| entry.versions.iter().map(move |version| (entry, version)))
            {
                let file = file_of(entry, version);
                if !models.contains(file.as_str()) {
                    self.diagnostics.push(
                        Diagnostic::error(
                            Code::UnknownProperty,
                            format!(
                                "version `{}` of `{}` has no file `{file}.sql`",
                                &*version.v.value, entry.name.value
                            ),
                        )
                        .at(version.v.span.clone())
                        .help("add the file, or name another with `defined_in`"),
                    );
                }
            }
        }
    }
}

/// The name of a version's file, without its ending.
fn file_of(model: &ModelProperties, version: &ModelVersion) -> String {
    match &version.defined_in {
        Some(file) => file.value.clone(),
        None => format!("{}_v{}", model.name.value, &*version.v.value),
    }
}
