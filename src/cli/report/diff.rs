//! What a change of code means, for a terminal, a program and a merge request.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::args::DiffOutput;
use super::Report;
use super::documents::VERSION;
use super::wording::{BAD, CAREFUL, FAINT, GOOD, Line, PLAIN, STRONG, count};
use refx_core::manifest::{Manifest, Node, NodeId};
use refx_engine::check::diff::{
    Changed, ColumnChange, Difference, ModelChange, ModelChangeKind, Reached, ReachedExposure,
    RowsChange,
};

impl Report {
    /// Prints the difference between the code as it is and that of a folder of artifacts.
    pub fn difference(
        &self,
        manifest: &Manifest,
        difference: &Difference,
        state: &Path,
        output: DiffOutput,
    ) {
        let state = state.display().to_string();
        let text = match output {
            DiffOutput::Text => self.difference_as_text(manifest, difference, &state),
            DiffOutput::Json => as_json(manifest, difference).to_string(),
            DiffOutput::Markdown => self.difference_as_markdown(manifest, difference, &state),
        };
        self.result(&text);
    }

    fn difference_as_text(
        &self,
        manifest: &Manifest,
        difference: &Difference,
        state: &str,
    ) -> String {
        let mut lines = Vec::new();
        for model in &difference.models {
            lines.extend(self.changed_model(manifest, model));
            lines.push(Line::default());
        }
        if !difference.reached.is_empty() || !difference.exposures.is_empty() {
            lines.push(Line::default().push("reaches", STRONG));
            for reached in &difference.reached {
                let what = told(reached);
                lines.push(self.head(&reached.id).push(what, PLAIN));
            }
            for exposure in &difference.exposures {
                let through: Vec<String> = exposure
                    .through
                    .iter()
                    .map(|id| self.tables.name(id))
                    .collect();
                lines.push(
                    Line::default()
                        .push("  ", PLAIN)
                        .push(title(manifest, exposure), STRONG)
                        .push(format!("  through {}", through.join(", ")), PLAIN),
                );
            }
            lines.push(Line::default());
        }
        for id in &difference.unknown {
            lines.push(
                self.head(id)
                    .push("cannot be planned, and so not be compared", CAREFUL),
            );
        }
        lines.push(Line::default().push(counted(difference, state), STRONG));
        let painted = lines
            .iter()
            .map(|line| line.paint(None, self.options.colour));
        painted.collect::<Vec<_>>().join("\n")
    }

    fn head(&self, id: &NodeId) -> Line {
        Line::default().push("  ", PLAIN).column(
            &self.tables.name(id),
            self.tables.table_width,
            STRONG,
        )
    }

    fn changed_model(&self, manifest: &Manifest, model: &ModelChange) -> Vec<Line> {
        let (word, style) = match &model.kind {
            ModelChangeKind::Added => ("added", GOOD),
            ModelChangeKind::Removed => ("removed", BAD),
            ModelChangeKind::Changed(_) => ("changed", CAREFUL),
        };
        let name = match manifest.get(&model.id) {
            Some(_) => self.tables.name(&model.id),
            None => local(&model.id),
        };
        let mut lines = vec![
            Line::default()
                .column(word, 7, style)
                .push(name, STRONG)
                .push(increment(&model.kind), FAINT),
        ];
        let ModelChangeKind::Changed(changed) = &model.kind else {
            return lines;
        };
        let width = changed
            .columns
            .iter()
            .map(|(name, _)| super::wording::width(name));
        let width = width.max().unwrap_or(0);
        for (name, change) in &changed.columns {
            let (sign, style) = match change {
                ColumnChange::Added { .. } => ("+", GOOD),
                ColumnChange::Removed => ("-", BAD),
                ColumnChange::Retyped { .. } | ColumnChange::Meaning => ("~", CAREFUL),
            };
            lines.push(
                Line::default()
                    .push("   ", PLAIN)
                    .push(format!("{sign} "), style)
                    .column(name, width, PLAIN)
                    .push(said(change), style),
            );
        }
        if let Some(rows) = rows(changed) {
            lines.push(
                Line::default()
                    .push("   ", PLAIN)
                    .push(format!("~ {rows}"), CAREFUL),
            );
        }
        if changed.unchanged > 0 {
            let unchanged = count(changed.unchanged as u64, "column");
            lines.push(Line::default().push(format!("     {unchanged} unchanged"), FAINT));
        }
        lines
    }

    fn difference_as_markdown(
        &self,
        manifest: &Manifest,
        difference: &Difference,
        state: &str,
    ) -> String {
        let mut text = String::from("### What this change means\n\n");
        if difference.is_empty() {
            text.push_str("No query means anything else than before.\n");
            return text;
        }
        if !difference.models.is_empty() {
            text.push_str("| model | indicator | change |\n|---|---|---|\n");
        }
        for model in &difference.models {
            for (what, change) in cells(model) {
                let name = local(&model.id);
                let _ = writeln!(text, "| `{name}` | {what} | {change} |");
            }
        }
        if !difference.reached.is_empty() || !difference.exposures.is_empty() {
            text.push_str("\n**Reaches**\n\n");
        }
        for reached in &difference.reached {
            let _ = writeln!(text, "- `{}`: {}", local(&reached.id), told(reached));
        }
        for exposure in &difference.exposures {
            let through: Vec<String> = exposure
                .through
                .iter()
                .map(|id| format!("`{}`", local(id)))
                .collect();
            let _ = writeln!(
                text,
                "- {} (reads {})",
                title(manifest, exposure),
                through.join(", ")
            );
        }
        for id in &difference.unknown {
            let _ = writeln!(text, "- `{}` cannot be planned", local(id));
        }
        let _ = write!(text, "\n{}", counted(difference, state));
        text
    }
}

/// The rows of a model in a table of changes: what changed, and how.
fn cells(model: &ModelChange) -> Vec<(String, String)> {
    let changed = match &model.kind {
        ModelChangeKind::Added => return vec![(String::new(), "added".to_string())],
        ModelChangeKind::Removed => return vec![(String::new(), "**removed**".to_string())],
        ModelChangeKind::Changed(changed) => changed,
    };
    let note = increment(&model.kind);
    let columns = changed.columns.iter();
    let mut cells: Vec<(String, String)> = columns
        .map(|(name, change)| (format!("`{name}`"), format!("{}{note}", said(change))))
        .collect();
    cells.extend(rows(changed).map(|rows| (String::new(), format!("{rows}{note}"))));
    cells
}

fn increment(kind: &ModelChangeKind) -> &'static str {
    match kind {
        ModelChangeKind::Changed(changed) if changed.only_increment => {
            ", where `is_incremental()` holds"
        }
        _ => "",
    }
}

fn said(change: &ColumnChange) -> String {
    match change {
        ColumnChange::Added { data_type } => format!("added, {data_type}"),
        ColumnChange::Removed => "removed".to_string(),
        ColumnChange::Retyped { from, to } => format!("type changed from {from} to {to}"),
        ColumnChange::Meaning => "meaning changed".to_string(),
    }
}

fn rows(changed: &Changed) -> Option<String> {
    let parts = changed.rows.iter().map(|part| match part {
        RowsChange::Tables => "tables, or filters before the grouping",
        RowsChange::Conditions => "conditions",
        RowsChange::LeftJoins => "left joins",
    });
    let parts: Vec<&str> = parts.collect();
    (!parts.is_empty()).then(|| format!("which rows come out: other {}", parts.join(", ")))
}

fn told(reached: &Reached) -> String {
    match (reached.columns.as_slice(), reached.rows) {
        ([], _) => "other rows may come out".to_string(),
        (columns, _) => columns.join(", "),
    }
}

fn title(manifest: &Manifest, exposure: &ReachedExposure) -> String {
    match manifest.get(&exposure.id) {
        Some(Node::Exposure(node)) => {
            let label = node.label.as_ref().unwrap_or(&node.common.name);
            format!("{} `{label}`", node.kind)
        }
        _ => exposure.id.to_string(),
    }
}

fn counted(difference: &Difference, state: &str) -> String {
    let changed = difference.models.len() as u64;
    let reached = difference.reached.len() as u64;
    if difference.is_empty() {
        let models = count(difference.unchanged as u64, "model");
        return format!("no query means anything else than in `{state}`: {models} compared");
    }
    format!(
        "since `{state}`: {} changed, {} reached, {} unchanged",
        count(changed, "model"),
        count(reached, "other"),
        difference.unchanged
    )
}

/// The name of a model that may be gone.
fn local(id: &NodeId) -> String {
    let name = id.as_str().splitn(3, '.').nth(2);
    name.unwrap_or(id.as_str()).to_string()
}

fn as_json(manifest: &Manifest, difference: &Difference) -> Value {
    let models = difference.models.iter().map(|model| {
        let mut entry = json!({ "unique_id": model.id.as_str(), "name": local(&model.id) });
        match &model.kind {
            ModelChangeKind::Added => entry["change"] = "added".into(),
            ModelChangeKind::Removed => entry["change"] = "removed".into(),
            ModelChangeKind::Changed(changed) => {
                entry["change"] = "changed".into();
                entry["only_increment"] = changed.only_increment.into();
                entry["rows_changed"] = (!changed.rows.is_empty()).into();
                entry["columns"] = changed.columns.iter().map(column).collect();
                entry["columns_unchanged"] = changed.unchanged.into();
            }
        }
        entry
    });
    let reached = difference.reached.iter().map(|reached| {
        json!({
            "unique_id": reached.id.as_str(),
            "columns": reached.columns,
            "rows": reached.rows,
        })
    });
    let exposures = difference.exposures.iter().map(|exposure| {
        json!({
            "unique_id": exposure.id.as_str(),
            "name": manifest.get(&exposure.id).map(Node::name),
            "through": exposure.through.iter().map(NodeId::as_str).collect::<Vec<_>>(),
        })
    });
    json!({
        "version": VERSION,
        "models": models.collect::<Vec<_>>(),
        "reached": reached.collect::<Vec<_>>(),
        "exposures": exposures.collect::<Vec<_>>(),
        "not_compared": difference.unknown.iter().map(NodeId::as_str).collect::<Vec<_>>(),
        "unchanged": difference.unchanged,
    })
}

fn column((name, change): &(String, ColumnChange)) -> Value {
    match change {
        ColumnChange::Added { data_type } => {
            json!({ "name": name, "change": "added", "data_type": data_type })
        }
        ColumnChange::Removed => json!({ "name": name, "change": "removed" }),
        ColumnChange::Retyped { from, to } => {
            json!({ "name": name, "change": "retyped", "from": from, "to": to })
        }
        ColumnChange::Meaning => json!({ "name": name, "change": "meaning" }),
    }
}
