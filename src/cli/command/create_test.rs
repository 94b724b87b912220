//! `refx create-test`: a unit test out of real rows.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::cli::args::CreateTestArgs;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::graph::NodeSet;
use refx_core::manifest::ResourceType;
use refx_core::template;
use refx_engine::check::Sources;
use refx_engine::run::{self, Ask};

pub(crate) async fn create_test(
    report: Report,
    settings: &Settings,
    flags: &CreateTestArgs,
) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let nodes: NodeSet = opened.pick_one(&flags.model, &[ResourceType::Model])?;
    let (Some(id), 1) = (nodes.first().cloned(), nodes.len()) else {
        let message = format!(
            "`{}` picks {} models, and a test is of one",
            flags.model,
            nodes.len()
        );
        let diagnostic = Diagnostic::error(Code::InvalidSelector, message);
        let diagnostic = diagnostic.help("`refx ls --resource-type model` lists what there is");
        return Ok(refuse(&opened.report, diagnostic));
    };
    let tables = opened.tables();
    let (facts, _) = opened.inspect(&nodes, &tables).await;
    let mut job = opened.job(opened.basis(facts), tables, false)?;
    job.shapes = Arc::new(opened.check(&nodes, Sources::Read).await?.into());
    let node = job.node(&id)?;
    let Some(model) = node.as_model() else {
        unreachable!("only models were picked");
    };
    let ask = Ask {
        name: flags.name.clone(),
        condition: flags.condition.clone(),
        limit: flags.limit as usize,
    };
    let test = match run::create(&job, node, model, &ask).await {
        Ok(test) => template::redact(&test).into_owned(),
        Err(diagnostic) => {
            opened.report.diagnostics(&[diagnostic]);
            return Ok(Exit::Failed);
        }
    };
    match &flags.output {
        None => opened.report.result(&format!("unit_tests:\n{test}")),
        Some(path) => {
            add(path, &test)?;
            opened.report.note(&format!("added to {}", path.display()));
        }
    }
    Ok(Exit::Done)
}

/// Adds the test to a properties file, which is made where there is none.
fn add(path: &Path, test: &str) -> anyhow::Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("`{}` cannot be read", path.display()));
        }
    };
    std::fs::write(path, added(&text, test))
        .with_context(|| format!("`{}` cannot be written", path.display()))
}

/// The text of a properties file with one more unit test, after those that it has.
fn added(text: &str, test: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |line: &&str| line.starts_with(|first: char| first.is_alphabetic());
    let Some(start) = lines
        .iter()
        .position(|line| line.starts_with("unit_tests:"))
    else {
        let gap = match text.trim().is_empty() {
            true => "",
            false => "\n",
        };
        let ended = match text.is_empty() || text.ends_with('\n') {
            true => "",
            false => "\n",
        };
        return format!("{text}{ended}{gap}unit_tests:\n{test}");
    };
    let below = &lines[start + 1..];
    let mut end = below.iter().position(is_key).unwrap_or(below.len());
    while end > 0 && below[end - 1].trim().is_empty() {
        end -= 1;
    }
    let dash = below
        .iter()
        .find(|line| line.trim_start().starts_with("- "));
    let indent = dash.map_or(2, |line| line.len() - line.trim_start().len());
    let moved = test.lines().map(|line| match line.len() {
        0 => String::new(),
        _ => format!(
            "{}{}",
            " ".repeat(indent),
            line.strip_prefix("  ").unwrap_or(line)
        ),
    });
    // An empty list, written as one, is no place for more.
    let head = lines[..=start]
        .iter()
        .map(|line| line.trim_end_matches(" []").to_owned());
    let mut all: Vec<String> = head
        .chain(below[..end].iter().map(|line| (*line).to_owned()))
        .collect();
    all.extend(moved);
    all.extend(below[end..].iter().map(|line| (*line).to_owned()));
    all.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_comes_after_those_that_are_there() {
        let test = "  - name: new\n    model: a\n";
        for (before, after) in [
            ("", "unit_tests:\n  - name: new\n    model: a\n"),
            (
                "models: []",
                "models: []\n\nunit_tests:\n  - name: new\n    model: a\n",
            ),
            (
                "unit_tests:\n- name: old\n  model: a\n\nmodels: []\n",
                "unit_tests:\n- name: old\n  model: a\n- name: new\n  model: a\n\nmodels: []\n",
            ),
            (
                "unit_tests: []\n",
                "unit_tests:\n  - name: new\n    model: a\n",
            ),
        ] {
            assert_eq!(added(before, test), after);
        }
    }
}
