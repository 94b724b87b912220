//! Slips that would pass unseen: settings of folders that are not there, variables that nothing reads.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::project::layers;

use super::build::{Builder, Draft};

impl Builder<'_> {
    pub(super) fn unused_settings(&mut self, drafts: &[Draft]) {
        let file = &self.project.file;
        for (section, tree, prefix) in [
            ("models", &file.models, "model."),
            ("seeds", &file.seeds, "seed."),
        ] {
            let Some(tree) = tree else { continue };
            let fqns: Vec<Vec<&str>> = drafts
                .iter()
                .map(|draft| draft.node.common())
                .filter(|common| common.id.as_str().starts_with(prefix))
                .map(|common| common.fqn.iter().map(String::as_str).collect())
                .collect();
            self.diagnostics
                .extend(layers::unused(section, tree, &fqns));
        }
    }

    /// A variable on the command line that nothing reads is a slip that would pass unseen.
    pub(super) fn unused_vars(&mut self, drafts: &[Draft], read: &BTreeSet<String>) {
        let given = &self.invocation.vars.command_line;
        if given.is_empty() {
            return;
        }
        let mut known: BTreeSet<&str> = read.iter().map(String::as_str).collect();
        known.extend(self.invocation.vars.project.keys().map(String::as_str));
        for draft in drafts {
            known.extend(draft.calls.vars.iter().map(String::as_str));
        }
        for definition in self.macros.definitions() {
            known.extend(definition.calls.vars.iter().map(String::as_str));
        }
        for name in given.keys().filter(|name| !known.contains(name.as_str())) {
            let diagnostic = Diagnostic::error(
                Code::UnusedVar,
                format!("`--vars` gives `{name}`, which nothing in the project reads"),
            )
            .did_you_mean(name, known.iter().copied());
            self.diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help("leave it out, or read it with `var()`"),
            });
        }
    }
}
