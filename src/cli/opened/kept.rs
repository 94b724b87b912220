//! What an earlier run left, and what the project of today no longer keeps of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::Opened;
use crate::cli::{Exit, Told};
use refx_core::diagnostic::{Diagnostic, Severity};
use refx_core::manifest::{Node, NodeId, breaking_changes};
use refx_core::select::Snapshot;

/// What `--state` names.
pub(super) struct Kept {
    pub(super) before: Option<Snapshot>,
    pub(super) now: Snapshot,
    pub(super) same_code: BTreeMap<NodeId, bool>,
    pub(super) results: Option<BTreeMap<NodeId, String>>,
    /// What the project of today takes away from what models promised.
    pub(super) breaking: Vec<(NodeId, Diagnostic)>,
}

impl Opened<'_> {
    /// The artifacts of an earlier run, and the present manifest in the same form.
    pub(super) fn kept(&self, folder: &Path) -> anyhow::Result<Kept> {
        let folder = self.settings.root.join(folder);
        let read = |name: &str| -> anyhow::Result<Option<Value>> {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(|| {
                    format!("`{}` is not the JSON of an artifact", path.display())
                })?)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    Err(error).with_context(|| format!("`{}` cannot be read", path.display()))
                }
            }
        };
        let before = read("manifest.json")?;
        let results = read("run_results.json")?;
        anyhow::ensure!(
            before.is_some() || results.is_some(),
            "`--state {}` holds neither `manifest.json` nor `run_results.json`",
            folder.display()
        );
        let now = serde_json::to_value(self.artifact(&BTreeMap::new()))?;
        Ok(Kept {
            before: before.as_ref().map(Snapshot::of),
            now: Snapshot::of(&now),
            same_code: self.same_code(&folder)?,
            breaking: before
                .map(|before| breaking_changes(&before, &self.loaded.manifest))
                .unwrap_or_default(),
            results: results.as_ref().map(statuses),
        })
    }

    /// Tells of contracts that are broken since, and stops where a version breaks one.
    pub(super) fn tell_breaking(&self, found: Vec<(NodeId, Diagnostic)>) -> anyhow::Result<()> {
        let manifest = &self.loaded.manifest;
        let told = found.into_iter().map(|(id, diagnostic)| {
            let model = manifest.get(&id).and_then(Node::as_model);
            let versioned = model.is_some_and(|model| model.version.is_some());
            match versioned || self.settings.warn_error {
                true => diagnostic,
                false => Diagnostic {
                    severity: Severity::Warning,
                    ..diagnostic
                },
            }
        });
        let told: Vec<Diagnostic> = told.collect();
        self.report.diagnostics(&told);
        match told.iter().any(Diagnostic::is_error) {
            true => Err(Told(Exit::CouldNotRun).into()),
            false => Ok(()),
        }
    }
}

/// The status of each node in a `run_results.json`.
fn statuses(results: &Value) -> BTreeMap<NodeId, String> {
    let results = results.get("results").and_then(Value::as_array);
    results
        .into_iter()
        .flatten()
        .filter_map(|result| {
            let id = result.get("unique_id")?.as_str()?;
            Some((NodeId::new(id), result.get("status")?.as_str()?.to_string()))
        })
        .collect()
}
