//! Settings that name columns: the key, partitions, and all that decides about a merge.

use datafusion::arrow::datatypes::Schema;

use super::{Declared, landed, named, unselected};
use crate::delta::{self, PrimaryKey};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Materialization, Model, Strategy};
use refx_core::project::{ConstraintKind, Spanned};

pub(super) fn check(declared: &Declared<'_>, query: &Schema) -> Vec<Diagnostic> {
    let model = declared.model;
    let mut diagnostics = key(declared, query);
    if !model.materialization.lands() {
        return diagnostics;
    }
    diagnostics.extend(partitions(model, query));
    let merges = model.materialization == Materialization::Incremental(Strategy::Merge);
    let keyed = |column: &String| named(query, column).is_some();
    if merges
        && model.primary_key.iter().all(keyed)
        && let Some(key) = PrimaryKey::new(&model.primary_key)
        && let Err(error) = delta::rules(declared.session, declared.plan, model, key)
    {
        let place = error.place(model);
        diagnostics.push(error.into_diagnostic().at(place));
    }
    diagnostics
}

/// The key is selected, and is not NULL throughout.
fn key(declared: &Declared<'_>, query: &Schema) -> Vec<Diagnostic> {
    let model = declared.model;
    // A key that a constraint declares is looked at with the constraints.
    let Some(place) = model.config.primary_key.as_ref() else {
        return Vec::new();
    };
    let nulls = declared.plan.null_columns();
    let mut diagnostics = Vec::new();
    for column in &model.primary_key {
        let name = Spanned {
            value: column.clone(),
            span: place.span.clone(),
        };
        if named(query, column).is_none() {
            // Of a table it is told where its columns are made of the query's.
            if !model.materialization.lands() {
                diagnostics.push(unselected("the primary key", &name, query));
            }
        } else if nulls.iter().any(|null| null.eq_ignore_ascii_case(column)) && !told(model, column)
        {
            diagnostics.push(
                Diagnostic::error(
                    Code::NullKey,
                    format!("`{column}` of the primary key is NULL in every row"),
                )
                .at(name.span)
                .help("select a value for it, or correct the primary key"),
            );
        }
    }
    diagnostics
}

/// Whether a constraint on the column says the same.
fn told(model: &Model, column: &str) -> bool {
    model.all_constraints().any(|(constraint, columns)| {
        matches!(
            constraint.kind.value,
            ConstraintKind::NotNull | ConstraintKind::PrimaryKey
        ) && columns
            .iter()
            .any(|name| name.value.eq_ignore_ascii_case(column))
    })
}

fn partitions(model: &Model, query: &Schema) -> Vec<Diagnostic> {
    let Some(by) = &model.config.partition_by else {
        return Vec::new();
    };
    let columns = landed(model, query);
    let missing = by
        .value
        .iter()
        .filter(|name| named(&columns, name).is_none());
    missing
        .map(|name| {
            let name = Spanned {
                value: name.clone(),
                span: by.span.clone(),
            };
            unselected("`partition_by`", &name, &columns)
        })
        .collect()
}
