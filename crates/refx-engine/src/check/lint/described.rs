//! Rules over what the project says of its models: who reads them, who answers, what columns are.

use std::collections::BTreeSet;

use crate::check::Answers;
use crate::engine::listed;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Access, Manifest, Model, Node, NodeId};

/// What the rules find, each with the model that it is about.
pub(super) fn check(manifest: &Manifest, answers: &Answers) -> Vec<(NodeId, Diagnostic)> {
    let read = read(manifest);
    let models: Vec<&Model> = manifest.nodes.values().filter_map(Node::as_model).collect();
    let published = || models.iter().filter(|model| model.materialization.lands());
    // A project of views alone is there to be looked at.
    let lands = published().next().is_some();
    // Who says it of none of his tables does not go by it.
    let owners = published().any(|model| has_owner(manifest, model));
    let descriptions = published().any(|model| described(model).next().is_some());
    let mut found = Vec::new();
    for model in &models {
        let id = &model.common.id;
        let mut say = |diagnostic: Diagnostic| found.push((id.clone(), diagnostic));
        let plans = answers
            .get(id)
            .is_some_and(|answer| answer.planned().is_some());
        if !model.materialization.lands() {
            let of_use = read.contains(id) || model.access == Access::Public;
            if lands && plans && !of_use {
                say(unreferenced(model));
            }
            continue;
        }
        let adopted = |rule: Code, adopted: bool| adopted || super::is_set(manifest, model, rule);
        if adopted(Code::NoOwner, owners) && !has_owner(manifest, model) {
            say(without_owner(manifest, model));
        }
        if adopted(Code::UndescribedIndicator, descriptions) {
            undescribed(model, answers).into_iter().for_each(say);
        }
    }
    found
}

/// Nodes that another one reads. A test of a node itself does not count.
fn read(manifest: &Manifest) -> BTreeSet<NodeId> {
    let mut read = BTreeSet::new();
    for node in manifest.nodes.values() {
        let itself = node.as_test().and_then(|test| test.attached.as_ref());
        let inputs = node.common().depends_on.iter();
        read.extend(inputs.filter(|input| Some(*input) != itself).cloned());
    }
    read
}

fn unreferenced(model: &Model) -> Diagnostic {
    let kind = model.materialization.as_str();
    Diagnostic::warning(
        Code::UnreferencedModel,
        format!("nothing reads the {kind} `{}`", model.common.name),
    )
    .at(model.common.span.clone())
    .help("remove it, let it land as a table, or name it in an exposure")
}

fn has_owner(manifest: &Manifest, model: &Model) -> bool {
    let group = model.common.group.as_ref();
    let group = group.and_then(|name| manifest.groups.get(name));
    model.common.owner.is_some() || group.is_some_and(|group| group.owner.is_some())
}

fn without_owner(manifest: &Manifest, model: &Model) -> Diagnostic {
    let diagnostic = Diagnostic::warning(
        Code::NoOwner,
        format!("nobody answers for the table `{}`", model.common.name),
    )
    .at(model.common.span.clone());
    match &model.common.group {
        Some(group) if manifest.groups.contains_key(group) => {
            diagnostic.help(format!("give it an `owner`, or the group `{group}` one"))
        }
        _ => diagnostic.help("give it an `owner`, or a `group` that has one"),
    }
}

/// Names of the columns that have a description.
fn described(model: &Model) -> impl Iterator<Item = &str> {
    let columns = model.common.columns.iter().filter(|column| {
        let text = column.description.as_ref();
        text.is_some_and(|text| !text.value.trim().is_empty())
    });
    columns.map(|column| &*column.name.value)
}

fn undescribed(model: &Model, answers: &Answers) -> Option<Diagnostic> {
    let planned = answers.get(&model.common.id)?.planned()?;
    let known: BTreeSet<&str> = described(model).collect();
    let query = planned.query.as_ref()?;
    // Those that a merge adds by itself are explained with the setting that asks for them, and a key
    // is no indicator.
    let columns = query.own.columns.iter().map(|column| column.name.as_str());
    let key = |name: &str| model.primary_key.iter().any(|key| key == name);
    let missing: Vec<&str> = columns
        .filter(|name| !known.contains(name) && !key(name))
        .collect();
    const SHOWN: usize = 6;
    let table = &model.common.name;
    let message = match missing.len() {
        0 => return None,
        1 => format!("{} of `{table}` has no description", listed(&missing)),
        count if count <= SHOWN => {
            format!(
                "{count} columns of `{table}` have no description: {}",
                listed(&missing)
            )
        }
        count => format!(
            "{count} columns of `{table}` have no description: {} and {} more",
            listed(&missing[..SHOWN]),
            count - SHOWN
        ),
    };
    let file = model.common.properties_path.as_deref();
    Some(
        Diagnostic::warning(Code::UndescribedIndicator, message)
            .at(model.common.span.clone())
            .help(match file {
                Some(file) => format!("say in `{file}` what they mean"),
                None => "say in a properties file what they mean".to_owned(),
            }),
    )
}
