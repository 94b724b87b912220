//! What a dbt project may hold and refx does not run yet: told once for each kind, since silence would
//! be taken for success.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::template::{self, BlockKind, Source as Text};

use super::build::Builder;

impl Builder<'_> {
    /// Warns of snapshots, and gives their names with the place of each.
    pub(super) fn snapshots(&mut self) -> BTreeMap<String, Span> {
        let mut names = BTreeMap::new();
        for file in &self.project.snapshots {
            let source = Text::whole(file.path.clone(), file.text.clone());
            match template::blocks(&source) {
                Ok(blocks) => names.extend(
                    blocks
                        .into_iter()
                        .filter(|block| block.kind == BlockKind::Snapshot)
                        .map(|block| (block.name, block.name_span)),
                ),
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
        for entry in self
            .project
            .properties
            .iter()
            .flat_map(|file| &file.snapshots)
        {
            let name = entry.name.value.clone();
            names.entry(name).or_insert_with(|| entry.name.span.clone());
        }
        if let Some(place) = names.values().min() {
            self.diagnostics.push(
                Diagnostic::warning(
                    Code::Unsupported,
                    match names.len() {
                        1 => "1 snapshot is not taken".to_string(),
                        count => format!("{count} snapshots are not taken"),
                    },
                )
                .at(place.clone())
                .note("refx does not take snapshots yet; all else runs")
                .help("go on taking them with dbt, and read their tables as sources"),
            );
        }
        names
    }

    /// Refuses models in Python: what reads them could not run either.
    pub(super) fn python_models(&mut self) {
        for path in &self.project.python_models {
            self.diagnostics.push(
                Diagnostic::error(Code::Unsupported, format!("`{path}` is a model in Python"))
                    .at(Span::file(path.clone()))
                    .help("write it in SQL; or make its table outside of refx, and read it as a source"),
            );
        }
    }
}
