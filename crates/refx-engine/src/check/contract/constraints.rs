//! Constraints: their columns are there, their conditions can be planned, and somebody holds them.

use datafusion::arrow::datatypes::{DataType, Schema};

use super::{Declared, landed, named, unselected};
use crate::engine::{Position, sql_type};
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Model, fragment};
use refx_core::project::{Constraint, ConstraintKind, Spanned};

pub(super) fn check(declared: &Declared<'_>, query: &Schema) -> Vec<Diagnostic> {
    let model = declared.model;
    let columns = landed(model, query);
    let nulls = declared.plan.null_columns();
    let mut diagnostics = Vec::new();
    for (constraint, about) in model.all_constraints() {
        let kind = constraint.kind.value;
        let what = format!("a `{}` constraint", kind.as_str());
        for name in &about {
            // With a contract the column itself is told as missing.
            let told = model.contract().is_some() && constraint_of_column(constraint);
            if named(&columns, &name.value).is_none() && !told {
                diagnostics.push(unselected(&what, name, &columns));
            }
        }
        match kind {
            ConstraintKind::Check => diagnostics.extend(condition(declared, constraint, &columns)),
            ConstraintKind::NotNull | ConstraintKind::PrimaryKey => {
                let null = about.iter().filter(|name| is_among(&nulls, &name.value));
                diagnostics.extend(null.map(|name| always_null(constraint, name)));
            }
            ConstraintKind::Unique | ConstraintKind::ForeignKey | ConstraintKind::Custom => {}
        }
    }
    diagnostics.extend(unheld(model));
    diagnostics
}

/// A constraint of a column has no columns of its own.
fn constraint_of_column(constraint: &Constraint) -> bool {
    constraint.columns.is_empty()
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn always_null(constraint: &Constraint, name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        Code::BrokenConstraint,
        format!(
            "`{}` is never to be NULL, and the query gives nothing else",
            name.value
        ),
    )
    .at(constraint.kind.span.clone())
    .help("select a value for it, or remove the constraint")
}

/// The condition of a `check`, planned over the table's columns.
fn condition(
    declared: &Declared<'_>,
    constraint: &Constraint,
    columns: &Schema,
) -> Option<Diagnostic> {
    let expression = constraint.expression.as_ref()?;
    let written = match fragment(&expression.value) {
        Ok(written) => written,
        Err(fault) => return Some(fault.of("expression", expression)),
    };
    match declared.session.type_of(written, columns) {
        Ok(DataType::Boolean | DataType::Null) => None,
        Ok(other) => Some(
            Diagnostic::error(
                Code::InvalidConfig,
                format!("a `check` of type {} is no condition", sql_type(&other)),
            )
            .at(expression.span.clone())
            .help("compare it with something: `… > 0`, `… is not null`"),
        ),
        Err(error) => {
            let position = error.position;
            let written = error
                .written
                .as_ref()
                .map_or(1, |name| name.chars().count());
            let place = place(expression, position, written);
            Some(error.into_diagnostic().at(place))
        }
    }
}

/// The place in the file of one in a text that YAML holds: exact where the text stands there as it
/// is, with or without quotes; else the whole text.
fn place(text: &Spanned<String>, position: Option<Position>, letters: usize) -> Span {
    let span = &text.span;
    let quotes = (span.end - span.start).checked_sub(text.value.len());
    let (Some(position), Some(quotes @ (0 | 2))) = (position, quotes) else {
        return span.clone();
    };
    if position.line > 1 || text.value.contains('\n') {
        return span.clone();
    }
    let mut ends = text.value.char_indices().map(|(at, _)| at);
    let Some(start) = ends.nth(position.column.saturating_sub(1)) else {
        return span.clone();
    };
    let end = ends
        .nth(letters.saturating_sub(1))
        .unwrap_or(text.value.len());
    let offset = span.start + quotes / 2;
    Span::new(span.file.clone(), offset + start..offset + end)
}

/// Constraints that nothing holds, unless the steward knows.
fn unheld(model: &Model) -> Vec<Diagnostic> {
    let all = model.all_constraints().map(|(constraint, _)| constraint);
    let mut warning = all.filter(|constraint| constraint.warns());
    let told = |constraint: &Constraint, message: String| {
        Diagnostic::warning(Code::Unsupported, message).at(constraint.kind.span.clone())
    };
    if !model.materialization.lands() {
        let word = match model.materialization.as_str() {
            "ephemeral" => "an ephemeral model",
            _ => "a view",
        };
        let name = &model.common.name;
        return warning
            .next()
            .map(|constraint| {
                told(
                    constraint,
                    format!("nothing holds the constraints of `{name}`, which is {word}"),
                )
                .help("make it a table, test it, or say `warn_unenforced: false`")
            })
            .into_iter()
            .collect();
    }
    warning
        .filter(|constraint| constraint.kind.value == ConstraintKind::Custom)
        .map(|constraint| {
            told(
                constraint,
                "refx does not know `custom` constraints".to_owned(),
            )
            .help("write it as a `check`, or say `warn_unsupported: false`")
        })
        .collect()
}
