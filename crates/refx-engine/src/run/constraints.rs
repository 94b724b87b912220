//! The constraints of a model as its commits are held to them.

use crate::delta::{Constraint, Error, Rule};
use crate::engine::Name;
use refx_core::diagnostic::Span;
use refx_core::manifest::{ForeignKey, Manifest, Model, Node, fragment};
use refx_core::project::{self, ConstraintKind, Spanned};

/// All that every commit of the model's table is held to, beside its key.
pub(super) fn of_model(manifest: &Manifest, model: &Model) -> Vec<Constraint> {
    let all = all(manifest, model).into_iter();
    all.map(|(constraint, _)| constraint).collect()
}

/// Where the constraint is declared that rows do not fulfil.
pub(super) fn place(manifest: &Manifest, model: &Model, error: &Error) -> Option<Span> {
    let Error::Constraint { name, .. } = error else {
        return None;
    };
    let mut all = all(manifest, model).into_iter();
    let found = all.find(|(constraint, _)| constraint.name == *name);
    found.map(|(_, span)| span)
}

fn all(manifest: &Manifest, model: &Model) -> Vec<(Constraint, Span)> {
    let mut found = Vec::new();
    for (constraint, columns) in model.all_constraints() {
        let span = match &constraint.expression {
            Some(condition) => &condition.span,
            None => &constraint.kind.span,
        };
        let constraints = of_rows(model, constraint, columns).into_iter();
        found.extend(constraints.map(|constraint| (constraint, span.clone())));
    }
    for key in &model.foreign_keys {
        let constraint = foreign_key(manifest, model, key);
        found.extend(constraint.map(|constraint| (constraint, key.span.clone())));
    }
    found
}

fn of_rows(
    model: &Model,
    constraint: &project::Constraint,
    columns: Vec<Spanned<String>>,
) -> Vec<Constraint> {
    let columns: Vec<String> = columns.into_iter().map(|name| name.value).collect();
    let not_null = |column: String| Constraint {
        name: format!("`{column}` is not null"),
        rule: Rule::NotNull { column },
    };
    match (constraint.kind.value, &constraint.expression) {
        (ConstraintKind::NotNull, _) => columns.into_iter().map(not_null).collect(),
        (ConstraintKind::Check, Some(condition)) => vec![Constraint {
            name: match &constraint.name {
                Some(name) => format!("`{name}`: `{}`", condition.value),
                None => format!("`{}`", condition.value),
            },
            rule: Rule::Check {
                condition: fragment(&condition.value)
                    .unwrap_or(&condition.value)
                    .to_owned(),
            },
        }],
        (ConstraintKind::Unique, _) if !columns.is_empty() => vec![unique(columns)],
        // Where the settings say another key, the constraint holds beside it.
        (ConstraintKind::PrimaryKey, _) if !is_key(model, constraint, &columns) => {
            let nulls = columns.iter().cloned().map(not_null);
            nulls.chain([unique(columns.clone())]).collect()
        }
        (
            ConstraintKind::Check
            | ConstraintKind::Unique
            | ConstraintKind::PrimaryKey
            | ConstraintKind::ForeignKey
            | ConstraintKind::Custom,
            _,
        ) => Vec::new(),
    }
}

/// Whether the columns are the key that every commit is held to anyway. Columns that each say
/// `primary_key` are one key together.
fn is_key(model: &Model, constraint: &project::Constraint, columns: &[String]) -> bool {
    let of_table = !constraint.columns.is_empty();
    columns
        .iter()
        .all(|column| model.primary_key.contains(column))
        && (!of_table || columns.len() == model.primary_key.len())
}

fn unique(columns: Vec<String>) -> Constraint {
    let verb = if columns.len() == 1 { "is" } else { "are" };
    Constraint {
        name: format!("{} {verb} unique", quoted(&columns)),
        rule: Rule::Unique { columns },
    }
}

fn foreign_key(manifest: &Manifest, model: &Model, key: &ForeignKey) -> Option<Constraint> {
    let other = manifest.get(&key.to)?;
    let to = match key.to == model.common.id {
        true => None,
        false => Some(Name::of(other.relation()?)),
    };
    let values = |columns: &[Spanned<String>]| -> Vec<String> {
        columns.iter().map(|name| name.value.clone()).collect()
    };
    let (columns, to_columns) = (values(&key.columns), values(&key.to_columns));
    let verb = if columns.len() == 1 {
        "refers"
    } else {
        "refer"
    };
    let told = format!(
        "{} {verb} to {} of `{}`",
        quoted(&columns),
        quoted(&to_columns),
        Node::name(other)
    );
    Some(Constraint {
        name: match &key.name {
            Some(name) => format!("`{name}`: {told}"),
            None => told,
        },
        rule: Rule::ForeignKey {
            columns,
            to,
            to_columns,
        },
    })
}

fn quoted(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    columns.join(", ")
}
