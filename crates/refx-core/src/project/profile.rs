//! Which target a run uses: one of `targets:` in the project file, or of a profile in dbt's
//! `profiles.yml`, or a local folder where neither names any.

use std::sync::Arc;

use super::file::{Dialect, document};
use super::properties::render;
use super::target::{Target, Threads};
use super::yaml::{self, Node, Spanned};
use super::{Files, Render};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};

/// What the command line says of the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// `--target`.
    pub target: Option<&'a str>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// Path and text of a `profiles.yml` that is not the one beside the project file.
    pub profiles: Option<(&'a str, &'a str)>,
}

/// Chooses the target and renders it. The others are not rendered: their secrets need not be there.
/// None when there is no project, or the target that was asked for is not there.
pub fn target(
    files: &Files,
    choice: Choice<'_>,
    jinja: &dyn Render,
) -> (Option<Target>, Vec<Diagnostic>) {
    let (file, dialect, document) = match document(files) {
        Ok(found) => found,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    let mut choosing = Choosing {
        file,
        dialect,
        choice,
        jinja,
        diagnostics: Vec::new(),
    };
    let project = document.get("name").and_then(Node::as_str);
    let target = choosing.target(&document, files).map(|target| {
        let profile = match target.profile.as_str() {
            "" => project.unwrap_or_default().to_owned(),
            profile => profile.to_owned(),
        };
        Target { profile, ..target }
    });
    (target, choosing.diagnostics)
}

struct Choosing<'a> {
    file: Arc<str>,
    dialect: Dialect,
    choice: Choice<'a>,
    jinja: &'a dyn Render,
    diagnostics: Vec<Diagnostic>,
}

impl Choosing<'_> {
    fn target(&mut self, document: &Node, files: &Files) -> Option<Target> {
        let targets = document.get("targets").filter(|targets| !targets.is_null());
        if let Some(targets) = targets {
            let default = document.get("default-target");
            return self.among_targets(targets, default);
        }
        let profile = match (self.choice.profile, document.get("profile")) {
            (Some(profile), _) => Some(Node::text(profile, Span::file(self.file.clone()))),
            (None, Some(profile)) => Some(self.rendered(profile)),
            (None, None) => None,
        };
        let profiles = match self.choice.profiles {
            Some((path, text)) => Some((path.to_owned(), text.to_owned())),
            None => files
                .get("profiles.yml")
                .map(|(path, text)| (path.to_string(), text.to_string())),
        };
        if let (Some(profile), Some((path, text))) = (&profile, profiles) {
            let name = profile.scalar_text().unwrap_or_default();
            let document = match yaml::parse(&path, &text) {
                Ok(document) => document,
                Err(diagnostic) => {
                    self.diagnostics.push(diagnostic);
                    return None;
                }
            };
            if let Some(found) = document.get(&name) {
                return self.of_profile(&name, found);
            }
            if self.choice.profile.is_some() {
                let names = document.as_map().unwrap_or_default();
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::UnknownTarget,
                        format!("no profile named `{name}` in `{path}`"),
                    )
                    .at(Span::file(path))
                    .did_you_mean(&name, names.iter().filter_map(|(key, _)| key.as_str())),
                );
                return None;
            }
        }
        match (self.choice.target, self.dialect) {
            (Some(name), Dialect::Refx) => {
                self.diagnostics.push(
                    Diagnostic::error(Code::UnknownTarget, format!("no target named `{name}`"))
                        .at(Span::file(self.file.clone()))
                        .help(format!(
                            "add it to `{}`: `targets: {{ {name}: {{ root: warehouse }} }}`",
                            self.file
                        )),
                );
                None
            }
            (name, _) => Some(Target::local(name.unwrap_or("dev"), &self.file)),
        }
    }

    fn among_targets(&mut self, targets: &Node, default: Option<&Node>) -> Option<Target> {
        let Some(entries) = targets.as_map() else {
            self.diagnostics.push(
                yaml::wrong_type("keys and values", targets)
                    .help("write the name of each target, and below it its `root:`"),
            );
            return None;
        };
        let default = default.map(|default| self.rendered(default));
        let (name, span) = match (self.choice.target, &default, entries) {
            (Some(name), _, _) => (name.to_owned(), targets.span.clone()),
            (None, Some(default), _) => (
                default.scalar_text().unwrap_or_default().into_owned(),
                default.span.clone(),
            ),
            (None, None, [(only, _)]) => (
                only.as_str().unwrap_or_default().to_owned(),
                only.span.clone(),
            ),
            (None, None, _) if targets.get("dev").is_some() => {
                ("dev".to_owned(), targets.span.clone())
            }
            (None, None, _) => {
                self.diagnostics.push(
                    Diagnostic::error(Code::UnknownTarget, "none of the targets is chosen")
                        .at(Span::file(self.file.clone()))
                        .help(format!(
                            "write `default-target:` in `{}`, or give `--target`: {}",
                            self.file,
                            names(entries)
                        )),
                );
                return None;
            }
        };
        let Some(found) = targets.get(&name) else {
            self.unknown(&name, entries, span);
            return None;
        };
        self.decode(&name, found)
    }

    fn of_profile(&mut self, profile: &str, node: &Node) -> Option<Target> {
        let default = node.get("target").map(|target| self.rendered(target));
        let name = match (self.choice.target, &default) {
            (Some(name), _) => name.to_owned(),
            (None, Some(default)) => default.scalar_text().unwrap_or_default().into_owned(),
            (None, None) => "default".to_owned(),
        };
        let outputs = node
            .get("outputs")
            .and_then(Node::as_map)
            .unwrap_or_default();
        let output = outputs.iter().find(|(key, _)| key.as_str() == Some(&name));
        let Some((_, output)) = output else {
            let span = default.map_or_else(|| node.span.clone(), |default| default.span);
            self.unknown(&name, outputs, span);
            return None;
        };
        let target = if output.get("type").and_then(Node::as_str) == Some("refx") {
            self.decode(&name, output)?
        } else {
            self.stand_in(&name, output)
        };
        Some(Target {
            profile: profile.to_owned(),
            ..target
        })
    }

    /// A local target in place of a warehouse that is not refx's: its name, schema and threads.
    fn stand_in(&self, name: &str, output: &Node) -> Target {
        let mut target = Target::local(name, &output.span.file);
        let setting = |key: &str| {
            let mut node = output.get(key)?.clone();
            render(&mut node, self.jinja, &mut Vec::new());
            Some(node)
        };
        target.schema = setting("schema").and_then(|node| yaml::decode(&node).ok());
        target.threads =
            setting("threads").and_then(|node| yaml::decode::<Spanned<Threads>>(&node).ok());
        target
    }

    fn decode(&mut self, name: &str, node: &Node) -> Option<Target> {
        let mut node = node.clone();
        let before = self.diagnostics.len();
        render(&mut node, self.jinja, &mut self.diagnostics);
        if self.diagnostics.len() > before {
            return None;
        }
        let target: Target = yaml::decode_all(&node, Severity::Error, &mut self.diagnostics)?;
        Some(Target {
            name: name.to_owned(),
            ..target
        })
    }

    fn rendered(&mut self, node: &Node) -> Node {
        let mut node = node.clone();
        render(&mut node, self.jinja, &mut self.diagnostics);
        node
    }

    fn unknown(&mut self, name: &str, entries: &[(Node, Node)], span: Span) {
        let diagnostic =
            Diagnostic::error(Code::UnknownTarget, format!("no target named `{name}`"))
                .at(span)
                .did_you_mean(name, entries.iter().filter_map(|(key, _)| key.as_str()));
        self.diagnostics.push(match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help(format!("choose one of {}", names(entries))),
        });
    }
}

fn names(entries: &[(Node, Node)]) -> String {
    let names: Vec<String> = entries
        .iter()
        .filter_map(|(key, _)| key.as_str())
        .map(|name| format!("`{name}`"))
        .collect();
    names.join(", ")
}
