//! `same-meaning` and `two-meanings`: indicators of the published tables, compared by what they are.

use std::collections::BTreeMap;

use crate::check::Answers;
use crate::engine::{ColumnKind, Digest, Name};
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Manifest, Model, Node, NodeId};

/// A described column that its own table computes.
struct Indicator<'a> {
    model: &'a Model,
    name: &'a str,
    /// Where it is described.
    place: &'a Span,
    /// In terms of sources, so that it does not matter through which views it is computed.
    digest: Digest,
}

pub(super) fn check(manifest: &Manifest, answers: &Answers) -> Vec<(NodeId, Diagnostic)> {
    let models = manifest.nodes.values().filter_map(Node::as_model);
    let published: Vec<&Model> = models
        .filter(|model| model.materialization.lands())
        .collect();
    let tables: Vec<Name> = published
        .iter()
        .map(|model| Name::of(&model.relation))
        .collect();
    let indicators: Vec<Indicator<'_>> = published
        .iter()
        .flat_map(|model| indicators(model, answers, &tables))
        .collect();
    let mut found = same_meaning(&indicators);
    found.extend(two_meanings(&indicators));
    found
}

fn indicators<'a>(
    model: &'a Model,
    answers: &'a Answers,
    published: &[Name],
) -> Vec<Indicator<'a>> {
    let planned = answers.get(&model.common.id);
    let query = planned.and_then(|checked| checked.planned()?.query.as_ref());
    let Some(query) = query else {
        return Vec::new();
    };
    let described = model.common.columns.iter().filter_map(|column| {
        let text = &column.description.as_ref()?.value;
        let name = &*column.name.value;
        if text.trim().is_empty() || model.primary_key.iter().any(|key| key == name) {
            return None;
        }
        let at = query.own.columns.iter().position(|own| own.name == name)?;
        let lineage = query.lineage.columns.iter().find(|own| own.name == name)?;
        // What is read from elsewhere is defined there, and what is made of no column is a constant.
        let copied = query.own.columns[at].kind == ColumnKind::Copied;
        let constant = lineage.inputs.is_empty() && lineage.counts.is_empty();
        // `coalesce(visits.plays, 0) as plays` goes on with the figure of another table.
        let mut inputs = lineage.inputs.keys();
        let goes_on = inputs.any(|input| {
            input.column == name && published.iter().any(|table| table.is(&input.table))
        });
        (!copied && !constant && !goes_on).then_some(())?;
        Some(Indicator {
            model,
            name,
            place: &column.name.span,
            digest: query.whole.columns.get(at)?.digest,
        })
    });
    described.collect()
}

/// Each indicator that is computed as an earlier one.
fn same_meaning(indicators: &[Indicator<'_>]) -> Vec<(NodeId, Diagnostic)> {
    let mut first: BTreeMap<Digest, &Indicator<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for own in indicators {
        let Some(other) = first.get(&own.digest) else {
            first.insert(own.digest, own);
            continue;
        };
        let here = own.model.common.id == other.model.common.id;
        let table = &other.model.common.name;
        let help = match here {
            true => "one of the two is enough".to_owned(),
            false => {
                format!("read it from `{{{{ ref('{table}') }}}}`, so that it is defined once")
            }
        };
        let diagnostic = Diagnostic::warning(
            Code::SameMeaning,
            format!(
                "`{}` is the same indicator as `{}` of `{table}`",
                own.name, other.name
            ),
        )
        .at(own.place.clone())
        .related(other.place.clone(), "the same indicator is described here")
        .help(help);
        found.push((own.model.common.id.clone(), diagnostic));
    }
    found
}

/// Tables that are told of for one name; a name that many tables compute each in its own way hardly
/// stands for one indicator.
const TOLD: usize = 3;

/// Each indicator that has the name of an earlier one of the same key, and another meaning. At another
/// grain, a figure of one name is another figure by nature.
fn two_meanings(indicators: &[Indicator<'_>]) -> Vec<(NodeId, Diagnostic)> {
    let mut named: BTreeMap<(&str, Vec<&String>), Vec<&Indicator<'_>>> = BTreeMap::new();
    for own in indicators {
        let mut key: Vec<&String> = own.model.primary_key.iter().collect();
        key.sort();
        named.entry((own.name, key)).or_default().push(own);
    }
    let mut found = Vec::new();
    for alike in named.values() {
        let [first, rest @ ..] = alike.as_slice() else {
            continue;
        };
        let others = rest.iter().filter(|own| own.digest != first.digest);
        let others: Vec<&Indicator<'_>> = others.copied().collect();
        let left = others.len().saturating_sub(TOLD);
        for (at, own) in others.iter().take(TOLD).enumerate() {
            let mut diagnostic = other_meaning(own, first);
            if at + 1 == TOLD && left > 0 {
                diagnostic = diagnostic.note(format!("and so it does in {left} more tables"));
            }
            found.push((own.model.common.id.clone(), diagnostic));
        }
    }
    found
}

fn other_meaning(own: &Indicator<'_>, other: &Indicator<'_>) -> Diagnostic {
    Diagnostic::warning(
        Code::TwoMeanings,
        format!(
            "`{}` means something else than `{}` of `{}`",
            own.name, other.name, other.model.common.name
        ),
    )
    .at(own.place.clone())
    .related(other.place.clone(), "the other one is described here")
    .help("give one of the two another name, or let it read the other")
}
