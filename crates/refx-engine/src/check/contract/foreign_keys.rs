//! Foreign keys: the columns that they point to exist, compare, and are a key.

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use super::{Declared, named, with_names};
use crate::engine::sql_type;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{ForeignKey, Manifest, Node, NodeId, TestKind};
use refx_core::project::ConstraintKind;

pub(super) fn check(
    declared: &Declared<'_>,
    query: &Schema,
    shapes: &dyn Fn(&NodeId) -> Option<SchemaRef>,
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let own = &declared.model.common.id;
    for key in &declared.model.foreign_keys {
        let shape = match key.to == *own {
            true => Some(query.clone().into()),
            false => shapes(&key.to),
        };
        let Some(other) = declared.manifest.get(&key.to) else {
            continue;
        };
        let wrong = shape.map(|shape| columns(key, other.name(), query, &shape));
        match wrong {
            Some(wrong) if !wrong.is_empty() => diagnostics.extend(wrong),
            _ => diagnostics.extend(not_a_key(key, other, declared.manifest)),
        }
    }
    diagnostics
}

fn columns(key: &ForeignKey, other: &str, query: &Schema, shape: &Schema) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (from, to) in key.columns.iter().zip(&key.to_columns) {
        let Some(there) = named(shape, &to.value) else {
            let diagnostic = Diagnostic::error(
                Code::UnselectedColumn,
                format!(
                    "a foreign key points to `{}`, which `{other}` does not have",
                    to.value
                ),
            )
            .at(to.span.clone());
            diagnostics.push(with_names(diagnostic, &to.value, shape));
            continue;
        };
        // A column that the model does not select is told with the constraint.
        let Some(here) = named(query, &from.value) else {
            continue;
        };
        if !compares(here.data_type(), there.data_type()) {
            diagnostics.push(
                Diagnostic::error(
                    Code::InvalidConfig,
                    format!(
                        "`{}` is {}, and `{other}.{}`, which it refers to, is {}",
                        from.value,
                        sql_type(here.data_type()),
                        to.value,
                        sql_type(there.data_type())
                    ),
                )
                .at(to.span.clone())
                .help("cast one of them, or point to another column"),
            );
        }
    }
    diagnostics
}

/// Whether equal values of the two types can be told.
fn compares(left: &DataType, right: &DataType) -> bool {
    let text = |of: &DataType| {
        matches!(
            of,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    let time = |of: &DataType| {
        matches!(
            of,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
        )
    };
    sql_type(left) == sql_type(right)
        || (left.is_numeric() && right.is_numeric())
        || (text(left) && text(right))
        || (time(left) && time(right))
}

/// Warns of a reference to rows that may be many.
fn not_a_key(key: &ForeignKey, other: &Node, manifest: &Manifest) -> Option<Diagnostic> {
    let to: Vec<&str> = key
        .to_columns
        .iter()
        .map(|name| name.value.as_str())
        .collect();
    let is_to = |columns: &[String]| {
        columns.len() == to.len()
            && columns
                .iter()
                .all(|column| to.iter().any(|name| name.eq_ignore_ascii_case(column)))
    };
    let declared = match other {
        Node::Model(model) => {
            is_to(&model.primary_key)
                || model.all_constraints().any(|(constraint, columns)| {
                    let columns: Vec<String> =
                        columns.into_iter().map(|column| column.value).collect();
                    let kind = constraint.kind.value;
                    matches!(kind, ConstraintKind::Unique | ConstraintKind::PrimaryKey)
                        && is_to(&columns)
                })
        }
        Node::Seed(seed) => {
            let key = seed.config.primary_key.as_ref();
            key.is_some_and(|key| is_to(&key.value.0))
        }
        // What a source promises is not refx's to know.
        _ => true,
    };
    if declared || is_tested(other.id(), &to, manifest) {
        return None;
    }
    let columns: Vec<String> = to.iter().map(|name| format!("`{name}`")).collect();
    let name = other.name();
    Some(
        Diagnostic::warning(
            Code::InvalidConfig,
            format!(
                "a foreign key points to {}, which is no key of `{name}`",
                columns.join(", ")
            ),
        )
        .at(key.span.clone())
        .help(format!(
            "declare it: `primary_key: [{}]` of `{name}`, or a `unique` test",
            to.join(", ")
        )),
    )
}

/// Whether a test says that the column has no value twice.
fn is_tested(id: &NodeId, to: &[&str], manifest: &Manifest) -> bool {
    let [to] = to else { return false };
    let mut tests = manifest.nodes.values().filter_map(Node::as_test);
    tests.any(|test| {
        test.attached.as_ref() == Some(id)
            && matches!(
                &test.kind,
                TestKind::Generic { name, column: Some(column), .. }
                    if name == "unique" && column.eq_ignore_ascii_case(to)
            )
    })
}
