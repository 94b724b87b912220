//! Foreign keys: from what a constraint says to the table that it means.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::{Constraint, ConstraintKind, Spanned};
use crate::template::RefCall;

use super::outside::expression;
use super::resolve::{find, readable, unknown_source};
use super::{Found, Manifest, Model, Node, NodeId};

/// A foreign key of a model whose table is known.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// The constraint's own name.
    pub name: Option<String>,
    pub columns: Vec<Spanned<String>>,
    /// The model's own id, where the table refers to itself.
    pub to: NodeId,
    /// As many as `columns`, in their order.
    pub to_columns: Vec<Spanned<String>>,
    /// Where the constraint says what it points to.
    pub span: Span,
}

/// The foreign keys of all models, by model, and what is wrong with those that lead nowhere.
pub(super) fn resolve(manifest: &Manifest) -> (BTreeMap<NodeId, Vec<ForeignKey>>, Vec<Diagnostic>) {
    let mut found: BTreeMap<NodeId, Vec<ForeignKey>> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for node in manifest.nodes.values() {
        let Some(model) = node.as_model() else {
            continue;
        };
        for (constraint, columns) in model.all_constraints() {
            if constraint.kind.value != ConstraintKind::ForeignKey {
                continue;
            }
            match one(manifest, node, constraint, columns) {
                Ok(key) => found.entry(node.id().clone()).or_default().push(key),
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
    }
    (found, diagnostics)
}

fn one(
    manifest: &Manifest,
    node: &Node,
    constraint: &Constraint,
    columns: Vec<Spanned<String>>,
) -> Result<ForeignKey, Box<Diagnostic>> {
    let (other, span, written) = match (&constraint.to, &constraint.expression) {
        (Some(to), _) => {
            let other = named(manifest, node, to).map_err(|wrong| wrong.at(to.span.clone()))?;
            (other, to.span.clone(), Vec::new())
        }
        (None, Some(expression)) => {
            let (other, columns) = described(manifest, expression)
                .map_err(|wrong| wrong.at(expression.span.clone()))?;
            (other, expression.span.clone(), columns)
        }
        (None, None) => {
            return Err(Box::new(
                Diagnostic::error(
                    Code::InvalidConfig,
                    "a foreign key does not say what it points to",
                )
                .at(constraint.kind.span.clone())
                .help("write it: `to: ref('users')`, `to_columns: [user_id]`"),
            ));
        }
    };
    let to_columns = match (constraint.to_columns.as_slice(), written.as_slice()) {
        ([], []) => key_of(other, &span),
        ([], _) => written,
        (columns, _) => columns.to_vec(),
    };
    if columns.is_empty() || to_columns.len() != columns.len() {
        return Err(Box::new(unequal(other, &columns, &to_columns, &span)));
    }
    Ok(ForeignKey {
        name: constraint.name.clone(),
        columns,
        to: other.id().clone(),
        to_columns,
        span,
    })
}

/// What `ref('users')` or `source('crm', 'users')` means.
fn named<'a>(
    manifest: &'a Manifest,
    node: &Node,
    to: &Spanned<String>,
) -> Result<&'a Node, Diagnostic> {
    let calls = expression(&to.value, &to.span);
    if let Some((call, _)) = calls.refs.first() {
        return readable(manifest, node, call);
    }
    match calls.sources.first() {
        Some((source, table, _)) => manifest
            .find_source(source, table)
            .ok_or_else(|| unknown_source(manifest, source, table)),
        None => Err(Diagnostic::error(
            Code::InvalidConfig,
            format!("`{}` is neither a model nor a source", to.value),
        )
        .help("write `ref('users')` or `source('crm', 'users')`")),
    }
}

/// dbt's older form, in the words of SQL: `analytics.users (user_id)`.
fn described<'a>(
    manifest: &'a Manifest,
    written: &Spanned<String>,
) -> Result<(&'a Node, Vec<Spanned<String>>), Diagnostic> {
    let text = written.value.trim();
    let text = text.strip_prefix("references ").unwrap_or(text);
    let (table, columns) = match text.split_once('(') {
        Some((table, columns)) => (table.trim(), columns.trim_end().trim_end_matches(')')),
        None => (text, ""),
    };
    let unquoted = |name: &str| name.trim().trim_matches(['"', '`']).to_owned();
    let parts: Vec<String> = table.split('.').map(unquoted).collect();
    let name = parts.last().cloned().unwrap_or_default();
    let schema = parts.len().checked_sub(2).map(|at| &parts[at]);
    let is_meant = |node: &&Node| {
        node.relation().is_some_and(|relation| {
            relation.identifier.eq_ignore_ascii_case(&name)
                && (schema.is_none() || relation.schema.as_ref() == schema)
        })
    };
    let call = RefCall {
        package: None,
        name: name.clone(),
        version: None,
    };
    let other = match (
        manifest.nodes.values().find(is_meant),
        find(manifest, &call),
    ) {
        (Some(node), _) | (None, Found::Node(node)) => node,
        _ => {
            let known = manifest.names();
            let wrong = Diagnostic::error(
                Code::UnknownRef,
                format!("a foreign key points to `{table}`, which the project does not have"),
            )
            .did_you_mean(&name, known);
            return Err(match wrong.help {
                Some(_) => wrong,
                None => wrong.help("name a model or a source: `to: ref('users')`"),
            });
        }
    };
    let columns = columns.split(',').map(unquoted);
    let columns = columns.filter(|column| !column.is_empty());
    let columns = columns.map(|value| Spanned {
        value,
        span: written.span.clone(),
    });
    Ok((other, columns.collect()))
}

/// The columns that a reference without columns means.
fn key_of(other: &Node, span: &Span) -> Vec<Spanned<String>> {
    let key = match other {
        Node::Model(model) => model.primary_key.as_slice(),
        Node::Seed(seed) => match &seed.config.primary_key {
            Some(key) => key.value.as_slice(),
            None => &[],
        },
        _ => &[],
    };
    let spanned = key.iter().map(|column| Spanned {
        value: column.clone(),
        span: span.clone(),
    });
    spanned.collect()
}

fn unequal(
    other: &Node,
    columns: &[Spanned<String>],
    to: &[Spanned<String>],
    span: &Span,
) -> Diagnostic {
    let name = other.name();
    let wrong = |message: String| Diagnostic::error(Code::InvalidConfig, message).at(span.clone());
    match (columns, to) {
        ([], _) => wrong(format!("a foreign key to `{name}` names no column"))
            .help("name them, `columns: [user_id]`, or put the constraint below the column"),
        (_, []) => wrong(format!(
            "a foreign key to `{name}`, which has no primary key, names none of its columns"
        ))
        .help("say which: `to_columns: [user_id]`"),
        _ => wrong(format!(
            "a foreign key to `{name}` has {} and points to {}",
            counted(columns.len()),
            counted(to.len())
        ))
        .help("give as many `to_columns` as there are `columns`, in their order"),
    }
}

fn counted(columns: usize) -> String {
    match columns {
        1 => "1 column".to_owned(),
        count => format!("{count} columns"),
    }
}

impl Model {
    /// The constraints of the columns and of the table, each with the columns that it is about.
    pub fn all_constraints(&self) -> impl Iterator<Item = (&Constraint, Vec<Spanned<String>>)> {
        let of_columns = self.common.columns.iter().flat_map(|column| {
            let name = Spanned {
                value: column.name.value.to_string(),
                span: column.name.span.clone(),
            };
            let constraints = column.constraints.iter();
            constraints.map(move |constraint| (constraint, vec![name.clone()]))
        });
        let of_table = self.constraints.iter();
        of_columns.chain(of_table.map(|constraint| (constraint, constraint.columns.clone())))
    }
}
