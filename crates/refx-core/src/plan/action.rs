//! What a step does with its rows, and why.

use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Materialization, Model, Node, Strategy, TestKind};
use crate::project::config::OnMissing;

use super::{Facts, Options};

/// What a step does with its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Check that the query of a view plans. Nothing lands.
    View,
    /// As `View`, for a model that is not a relation.
    Ephemeral,
    /// Make the table.
    Create,
    /// Replace all rows of the table in one commit; the schema may change.
    Replace,
    Merge,
    Append,
    DeleteInsert,
    InsertOverwrite,
    /// Load a seed's file.
    Seed,
    Test,
    /// Hold a model's query against rows that are expected.
    UnitTest,
}

impl Action {
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::View => "view",
            Action::Ephemeral => "ephemeral",
            Action::Create => "create",
            Action::Replace => "replace",
            Action::Merge => "merge",
            Action::Append => "append",
            Action::DeleteInsert => "delete+insert",
            Action::InsertOverwrite => "insert overwrite",
            Action::Seed => "seed",
            Action::Test => "test",
            Action::UnitTest => "unit test",
        }
    }

    /// Whether the step is about another node, and makes nothing.
    pub fn is_test(&self) -> bool {
        matches!(self, Action::Test | Action::UnitTest)
    }

    /// Whether rows join those that are there.
    pub fn is_increment(&self) -> bool {
        matches!(
            self,
            Action::Merge | Action::Append | Action::DeleteInsert | Action::InsertOverwrite
        )
    }
}

/// The action of a node, given the table that is there, and the reason for it.
pub fn decide(node: &Node, facts: Option<&Facts>, options: Options) -> (Action, String) {
    match node {
        Node::Model(model) => {
            let (action, reason) = decide_model(model, facts, options);
            match facts.and_then(|facts| facts.read_only.as_ref()) {
                Some(why) => (action, format!("will fail: {why}")),
                None => (action, reason),
            }
        }
        Node::Seed(_) => (
            Action::Seed,
            match facts {
                None => "no table yet".to_string(),
                Some(_) => "load the file again".to_string(),
            },
        ),
        Node::Test(test) => (
            Action::Test,
            match &test.kind {
                TestKind::Generic { name, .. } => format!("generic test `{name}`"),
                TestKind::Singular { .. } => "singular test".to_string(),
            },
        ),
        Node::UnitTest(_) => (Action::UnitTest, "given rows, no tables".to_string()),
        Node::Source(_) | Node::Exposure(_) | Node::Analysis(_) => {
            unreachable!("plan::build keeps only nodes that have a step")
        }
    }
}

fn decide_model(model: &Model, facts: Option<&Facts>, options: Options) -> (Action, String) {
    let strategy = match &model.materialization {
        Materialization::View => return (Action::View, "nothing lands".to_string()),
        Materialization::Ephemeral => {
            return (Action::Ephemeral, "inlined in its readers".to_string());
        }
        Materialization::Table if facts.is_none() => {
            return (Action::Create, "no table yet".to_string());
        }
        Materialization::Table => {
            return (Action::Replace, "all rows are computed again".to_string());
        }
        Materialization::Incremental(strategy) => strategy,
    };
    if facts.is_none() {
        return (Action::Create, "no table yet".to_string());
    }
    match (options.full_refresh, model.config.full_refresh) {
        (_, Some(true)) => {
            return (
                Action::Replace,
                "`full_refresh: true` in its config".to_string(),
            );
        }
        (true, None) => return (Action::Replace, "`--full-refresh`".to_string()),
        (true, Some(false)) | (false, _) => {}
    }
    let (action, mut reason) = match strategy {
        Strategy::Merge => (
            Action::Merge,
            format!(
                "rows merge on {}{}",
                list(&model.primary_key),
                missing(model)
            ),
        ),
        Strategy::Append => (Action::Append, "rows are added".to_string()),
        Strategy::DeleteInsert => (
            Action::DeleteInsert,
            format!("rows of the same {} are replaced", list(&model.delete_by)),
        ),
        Strategy::InsertOverwrite => (
            Action::InsertOverwrite,
            "partitions that have new rows are replaced".to_string(),
        ),
    };
    if options.full_refresh {
        reason.push_str("; `full_refresh: false` in its config");
    }
    if let Some(version) = changed_since(model, facts) {
        reason.push_str(&format!("; its code changed since version {version}"));
    }
    (action, reason)
}

/// What a merge does with rows that its query no longer gives.
fn missing(model: &Model) -> String {
    let missing = model.config.on_missing.as_ref();
    match missing.map(|missing| &missing.value) {
        None | Some(OnMissing::Keep) => String::new(),
        Some(OnMissing::Delete) => "; missing rows are deleted".to_string(),
        Some(OnMissing::Flag(column)) => format!("; missing rows are flagged in `{column}`"),
        Some(OnMissing::ExpireAfter(days)) => format!("; missing rows expire after {days} days"),
        Some(OnMissing::Set(_)) => "; missing rows are updated".to_string(),
    }
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Warns where the code of an incremental model is not the one that wrote its table: rows that the
/// increment does not touch keep what the old code gave.
pub fn stale_rows(model: &Model, facts: Option<&Facts>, action: &Action) -> Option<Diagnostic> {
    if !model.asks_incremental || !action.is_increment() {
        return None;
    }
    let version = changed_since(model, facts)?;
    let name = &model.common.name;
    let warning = Diagnostic::warning(
        Code::ChangedCode,
        format!("the code of `{name}` changed since version {version} of its table"),
    )
    .at(model.common.span.clone())
    .note("rows that this run does not touch keep what the old code gave");
    Some(warning.help(format!(
        "compute all of them again: `refx build --full-refresh --select {name}`"
    )))
}

/// The last version of the table that is all of one code, where another code has come since.
fn changed_since(model: &Model, facts: Option<&Facts>) -> Option<u64> {
    let facts = facts?;
    let written = facts.fingerprint.as_ref()?;
    let changed = *written != model.common.fingerprint;
    facts.older_code.or(changed.then_some(facts.version))
}

/// Whether the model runs as an increment: its table is there and the plan does not build it anew.
/// This is what `is_incremental()` answers.
pub fn is_incremental(model: &Model, facts: Option<&Facts>, options: Options) -> bool {
    decide_model(model, facts, options).0.is_increment()
}
