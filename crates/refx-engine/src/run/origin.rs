//! What the rows of a model are computed from, as its commit records it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use sha2::{Digest, Sha256};

use super::inputs::Seen;
use super::writing::adds_up;
use super::{Inputs, Job};
use crate::delta::{Action, Input, Origin};
use crate::engine;
use refx_core::compile::{Asked, Compiled};
use refx_core::manifest::{Model, Node};
use refx_core::plan;
use refx_core::project::config::OnMissing;
use refx_core::template::{EnvironmentVars, is_secret};

/// A model whose query is planned, and what it does with its rows.
pub(super) struct Planned<'a> {
    pub model: &'a Model,
    pub compiled: &'a Compiled,
    pub plan: &'a engine::Plan,
    pub step: &'a plan::Action,
    pub action: &'a Action,
    /// Whether the template or the query read the model's own table.
    pub reads_itself: bool,
}

/// What the rows of a planned model are computed from.
///
/// # Errors
/// Where the optimizer refuses the query.
pub(super) fn origin(
    job: &Job,
    inputs: &Inputs,
    planned: &Planned<'_>,
) -> Result<Origin, engine::Error> {
    let Planned {
        model, compiled, ..
    } = *planned;
    let common = &model.common;
    let invocation = &job.basis.invocation;
    let seen = inputs
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let expires = match planned.action {
        Action::Merge(merge) => matches!(merge.on_missing, OnMissing::ExpireAfter(_)),
        _ => false,
    };
    let inlined = seen.inlined.values();
    let reads_instant = expires || inlined.chain([&compiled.asked]).any(|asked| asked.instant);
    let adds_up = adds_up(planned.action);
    Ok(Origin {
        model: common.id.to_string(),
        fingerprint: common.fingerprint.clone(),
        as_of: invocation.as_of,
        by_clock: invocation.by_clock,
        code: code(job, model, &seen),
        variables: variables(job, model, &compiled.asked, &seen),
        // Only of use where nothing else tells two runs apart.
        query: match adds_up && reads_instant {
            true => Some(digest(&planned.plan.optimized_text()?)),
            false => None,
        },
        reads_instant,
        reads_itself: planned.reads_itself,
        // A query that never asks whether it is an increment gives all rows in each run.
        keeps_rows: model.asks_incremental && planned.step.is_increment(),
        adds_up,
        allow_older: job.basis.options.allow_older,
        inputs: seen
            .tables
            .into_iter()
            .map(|(id, (version, location))| (id.to_string(), Input { version, location }))
            .collect(),
        files: seen
            .files
            .into_iter()
            .map(|(id, digest)| (id.to_string(), digest))
            .collect(),
    })
}

/// The code of a model and of those that are inlined in it.
fn code(job: &Job, model: &Model, seen: &Seen) -> String {
    let inlined = seen.inlined.keys();
    let inlined = inlined.filter_map(|id| job.basis.manifest.get(id));
    let inlined = inlined.map(|node| node.common().fingerprint.as_str());
    let all: Vec<&str> = [model.common.fingerprint.as_str()]
        .into_iter()
        .chain(inlined)
        .collect();
    digest(&all.join("\n"))
}

/// The values of all variables that the templates read, secrets excepted.
fn variables(job: &Job, model: &Model, asked: &Asked, seen: &Seen) -> String {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let environment = EnvironmentVars::process();
    let mut read = |package: &str, asked: &Asked| {
        for name in &asked.vars {
            let value = job.basis.invocation.vars.get(package, name);
            let value = value.map(ToString::to_string).unwrap_or_default();
            values.insert(format!("var {package} {name}"), value);
        }
        for name in asked.env_vars.iter().filter(|name| !is_secret(name)) {
            let value = environment.get(name).unwrap_or_default();
            values.insert(format!("env {name}"), value);
        }
    };
    read(&model.common.package, asked);
    for (id, asked) in &seen.inlined {
        if let Some(node) = job.basis.manifest.get(id) {
            read(&Node::common(node).package, asked);
        }
    }
    digest(&format!("{values:?}"))
}

/// 16 hexadecimal digits.
fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
