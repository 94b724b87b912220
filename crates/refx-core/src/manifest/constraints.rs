//! What the constraints of a model say.

use crate::diagnostic::{Code, Diagnostic};
use crate::project::{ColumnProperties, Constraint, ConstraintKind};

/// Refuses constraints that lack what they are about.
pub(super) fn check(
    of_table: &[Constraint],
    columns: &[ColumnProperties],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let told = |constraint: &Constraint, message: &str, help: &str| {
        Diagnostic::error(Code::InvalidConfig, message)
            .at(constraint.kind.span.clone())
            .help(help)
    };
    let of_columns = columns.iter().flat_map(|column| &column.constraints);
    for constraint in of_table.iter().chain(of_columns) {
        if constraint.kind.value == ConstraintKind::Check && constraint.expression.is_none() {
            diagnostics.push(told(
                constraint,
                "a `check` needs a condition",
                "write it: `expression: \"logins >= 0\"`",
            ));
        }
    }
    for constraint in of_table {
        let named = matches!(
            constraint.kind.value,
            ConstraintKind::NotNull | ConstraintKind::PrimaryKey
        );
        if named && constraint.columns.is_empty() {
            diagnostics.push(told(
                constraint,
                "a constraint of the table names no column",
                "name them, `columns: [user_id]`, or put the constraint below the column",
            ));
        }
    }
}

/// The key that a constraint names, where the settings name none.
pub(super) fn primary_key(
    of_table: &[Constraint],
    columns: &[ColumnProperties],
) -> Option<Vec<String>> {
    let is_key = |constraint: &&Constraint| constraint.kind.value == ConstraintKind::PrimaryKey;
    let of_table = of_table.iter().find(is_key).map(|constraint| {
        let columns = constraint.columns.iter();
        columns.map(|column| column.value.clone()).collect()
    });
    let of_table = of_table.filter(|columns: &Vec<String>| !columns.is_empty());
    of_table.or_else(|| {
        let columns = columns
            .iter()
            .filter(|column| column.constraints.iter().any(|one| is_key(&one)))
            .map(|column| column.name.value.to_string());
        let columns: Vec<String> = columns.collect();
        (!columns.is_empty()).then_some(columns)
    })
}
