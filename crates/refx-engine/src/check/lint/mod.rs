//! Lint over a project: what the rules find, how grave the project says it is, and what it silences.
//!
//! Findings in queries are made with the plans and remembered with them; rules over the models as a
//! whole look at all answers. Levels come from `lint:` of the model's settings, then of the project,
//! then from the rule itself; `-- refx: allow(rule)` silences a place.

mod allow;
mod described;
mod meanings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Answers;
use crate::engine::{Filled, Finding, Keys, Name, Plan, Session, Subject};
use allow::Allow;
use refx_core::compile::Compiled;
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::graph::NodeSet;
use refx_core::manifest::{Manifest, Model, Node, NodeId, TestKind};
use refx_core::project::config::{Level, Lint};
use refx_core::project::{Constraint, ConstraintKind};

/// What the rules say of nodes that were checked. `text` gives the text of a file of the project.
pub fn lint<'a>(
    manifest: &Manifest,
    answers: &Answers,
    nodes: &NodeSet,
    text: &dyn Fn(&str) -> Option<&'a str>,
) -> Vec<Diagnostic> {
    let mut found = of_queries(manifest, answers);
    found.extend(described::check(manifest, answers));
    found.extend(meanings::check(manifest, answers));
    found.retain(|(id, _)| nodes.contains(id));

    let mut comments = Comments::default();
    let looked_at = nodes.iter().filter_map(|id| Some((id, manifest.get(id)?)));
    for (id, node) in looked_at.clone() {
        if let (Node::Model(model), Some(answer)) = (node, answers.get(id)) {
            // Of a model that does not plan nobody knows what its comments silence.
            let complete = answer.planned().is_some();
            comments.read(&model.common.path, text, complete.then_some(model));
        }
    }
    let mut told = Vec::new();
    for (id, mut diagnostic) in found {
        let Some(model) = manifest.get(&id).and_then(Node::as_model) else {
            continue;
        };
        let Some(severity) = level(manifest, model, diagnostic.code).severity() else {
            continue;
        };
        let places = diagnostic.span.iter();
        let places: Vec<_> = places
            .chain(diagnostic.related.iter().map(|r| &r.span))
            .collect();
        for place in &places {
            comments.read(&place.file, text, None);
        }
        if !comments.silence(diagnostic.code, &places) {
            diagnostic.severity = severity;
            told.push(diagnostic);
        }
    }
    told.extend(comments.unused(manifest));
    told
}

/// What was found in the queries of models.
fn of_queries(manifest: &Manifest, answers: &Answers) -> Vec<(NodeId, Diagnostic)> {
    let mut found = Vec::new();
    for (id, answer) in answers {
        let query = answer.planned().and_then(|planned| planned.query.as_ref());
        if let (Some(query), Some(Node::Model(_))) = (query, manifest.get(id)) {
            let findings = query.findings.iter().cloned();
            found.extend(findings.map(|finding| (id.clone(), finding)));
        }
    }
    found
}

fn level(manifest: &Manifest, model: &Model, rule: Code) -> Level {
    let own = model.config.lint.level(rule);
    own.or_else(|| manifest.lint.level(rule))
        .unwrap_or_else(|| Lint::default_level(rule))
}

/// Whether the project says itself that a rule applies.
fn is_set(manifest: &Manifest, model: &Model, rule: Code) -> bool {
    model.config.lint.level(rule).is_some() || manifest.lint.level(rule).is_some()
}

/// The comments of the files that were looked at.
#[derive(Default)]
struct Comments<'a> {
    files: BTreeMap<Arc<str>, File<'a>>,
    /// The places of comments that silenced something.
    used: BTreeSet<(Arc<str>, usize)>,
    mistakes: Vec<Diagnostic>,
}

struct File<'a> {
    text: &'a str,
    allows: Vec<Allow>,
    /// The model of the file, where all is known that its comments could silence.
    model: Option<NodeId>,
}

impl<'a> Comments<'a> {
    fn read(
        &mut self,
        path: &Arc<str>,
        text: &dyn Fn(&str) -> Option<&'a str>,
        model: Option<&Model>,
    ) {
        if self.files.contains_key(path) {
            return;
        }
        let Some(text) = text(path) else {
            return;
        };
        let (allows, mistakes) = allow::parse(path, text);
        self.mistakes.extend(mistakes);
        let file = File {
            text,
            allows,
            model: model.map(|model| model.common.id.clone()),
        };
        self.files.insert(path.clone(), file);
    }

    /// Whether a comment silences a rule at one of the places.
    fn silence(&mut self, rule: Code, places: &[&Span]) -> bool {
        let mut silenced = false;
        for place in places {
            let Some(file) = self.files.get(&place.file) else {
                continue;
            };
            for allow in file.allows.iter().filter(|allow| allow.rule == rule) {
                if allow.covers(place, file.text) {
                    self.used.insert((place.file.clone(), allow.place.start));
                    silenced = true;
                }
            }
        }
        silenced
    }

    /// Mistakes in comments, and those that silenced nothing.
    fn unused(self, manifest: &Manifest) -> Vec<Diagnostic> {
        let mut told = self.mistakes;
        for (path, file) in &self.files {
            let Some(Node::Model(model)) = file.model.as_ref().and_then(|id| manifest.get(id))
            else {
                continue;
            };
            let Some(severity) = level(manifest, model, Code::UnusedAllow).severity() else {
                continue;
            };
            for allow in &file.allows {
                let off = level(manifest, model, allow.rule) == Level::Off;
                if off || self.used.contains(&(path.clone(), allow.place.start)) {
                    continue;
                }
                let diagnostic = Diagnostic::warning(
                    Code::UnusedAllow,
                    format!("there is nothing for `allow({})` to silence", allow.rule),
                )
                .at(allow.place.clone())
                .help("remove the comment, or put it on the line that it is for");
                told.push(Diagnostic {
                    severity,
                    ..diagnostic
                });
            }
        }
        told
    }
}

/// What lint finds in one form of a model's query.
pub(super) fn of_query(
    session: &Session,
    (compiled, plan): (&Compiled, &Plan),
    model: &Model,
    (keys, filled): (Keys, Filled),
) -> Vec<Diagnostic> {
    let subject = Subject {
        lands: model.materialization.lands(),
        primary_key: model.primary_key.clone(),
        keys,
        filled,
    };
    let findings = session.findings(&compiled.sql, plan, &subject);
    let findings = findings.into_iter();
    findings.map(|finding| located(finding, compiled)).collect()
}

/// A finding at its place in the steward's file. How grave it is, and whether it is silenced, is
/// decided each time that it is told: settings and comments say so.
fn located(finding: Finding, compiled: &Compiled) -> Diagnostic {
    let diagnostic = Diagnostic {
        notes: finding.notes,
        help: finding.help,
        ..Diagnostic::warning(finding.code, finding.message)
    };
    match finding.position {
        Some(place) => compiled.mark(diagnostic, place.line, place.column),
        None => diagnostic.at(compiled.otherwise.clone()),
    }
}

/// Whether a finding stands in a file whose text the memory of a model does not depend on: a macro may
/// move within its file.
pub(super) fn reaches_out(findings: &[Diagnostic], model: &Model) -> bool {
    let places = findings.iter().filter_map(|found| found.span.as_ref());
    places
        .map(|span| &span.file)
        .any(|file| *file != model.common.path)
}

/// What lint finds in the two forms of an incremental model: each finding once.
pub(super) fn of_both(first: Vec<Diagnostic>, later: Vec<Diagnostic>) -> Vec<Diagnostic> {
    // A CTE that one form reads is there for that form.
    let in_one_form = |found: &Diagnostic, other: &[Diagnostic]| {
        found.code == Code::UnusedCte && !other.contains(found)
    };
    let mut both = first.clone();
    both.retain(|found| !in_one_form(found, &later));
    for found in later {
        if !both.contains(&found) && !in_one_form(&found, &first) {
            both.push(found);
        }
    }
    both
}

/// The columns that identify the rows of each node: its primary key, which refx holds, and what a
/// test `unique` holds of all its rows.
pub(super) fn keys(manifest: &Manifest) -> BTreeMap<NodeId, Vec<Vec<String>>> {
    let mut keys: BTreeMap<NodeId, Vec<Vec<String>>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        let primary_key = match node {
            Node::Model(model) if model.materialization.lands() => model.primary_key.clone(),
            Node::Seed(seed) => {
                let key = seed.config.primary_key.as_ref();
                key.map(|key| key.value.0.clone()).unwrap_or_default()
            }
            Node::Test(test) => {
                if let (
                    TestKind::Generic {
                        name,
                        column: Some(column),
                        ..
                    },
                    Some(node),
                    None,
                ) = (&test.kind, &test.attached, &test.config.filter)
                    && name == "unique"
                {
                    keys.entry(node.clone())
                        .or_default()
                        .push(vec![column.clone()]);
                }
                continue;
            }
            _ => continue,
        };
        if !primary_key.is_empty() {
            keys.entry(node.id().clone()).or_default().push(primary_key);
        }
    }
    keys
}

/// The columns of each node that hold no NULL: those of its primary key, and those of which a test
/// or a constraint says so.
pub(super) fn filled(manifest: &Manifest) -> BTreeMap<NodeId, BTreeSet<String>> {
    let mut filled: BTreeMap<NodeId, BTreeSet<String>> = BTreeMap::new();
    for node in manifest.nodes.values() {
        let columns = match node {
            Node::Model(model) => {
                let own = model.common.columns.iter();
                let own = own.filter(|column| column.constraints.iter().any(is_not_null));
                let whole = model.constraints.iter().filter(|all| is_not_null(all));
                let whole = whole.flat_map(|constraint| &constraint.columns);
                let mut columns: Vec<String> = own
                    .map(|column| column.name.value.to_string())
                    .chain(whole.map(|column| column.value.clone()))
                    .collect();
                if model.materialization.lands() {
                    columns.extend(model.primary_key.iter().cloned());
                }
                columns
            }
            Node::Seed(seed) => {
                let key = seed.config.primary_key.as_ref();
                key.map(|key| key.value.0.clone()).unwrap_or_default()
            }
            Node::Test(test) => {
                if let (
                    TestKind::Generic {
                        name,
                        column: Some(column),
                        ..
                    },
                    Some(node),
                    None,
                ) = (&test.kind, &test.attached, &test.config.filter)
                    && name == "not_null"
                {
                    filled
                        .entry(node.clone())
                        .or_default()
                        .insert(column.clone());
                }
                continue;
            }
            _ => continue,
        };
        if !columns.is_empty() {
            filled.entry(node.id().clone()).or_default().extend(columns);
        }
    }
    filled
}

fn is_not_null(constraint: &Constraint) -> bool {
    matches!(
        constraint.kind.value,
        ConstraintKind::NotNull | ConstraintKind::PrimaryKey
    )
}

/// What is known of nodes, under the names that a query has for them.
pub(super) fn named<'a, T: Clone>(
    manifest: &Manifest,
    known: &BTreeMap<NodeId, T>,
    inputs: impl Iterator<Item = &'a NodeId>,
) -> BTreeMap<Name, T> {
    let named = inputs.filter_map(|id| {
        let relation = manifest.get(id)?.relation()?;
        Some((Name::of(relation), known.get(id)?.clone()))
    });
    named.collect()
}
