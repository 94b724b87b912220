//! How a table's columns change with its model, and the rewrite that some changes ask for.
//!
//! A column that is new is added in the log alone. A type that grows, a field inside of a struct and
//! a column that goes ask for every file to be written anew, in the same commit as the rows: old
//! files of narrower types would be for readers that know type widening only. Such a rewrite changes
//! no value, so the change feed does not tell of it.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, cast};
use deltalake::DeltaTable;
use deltalake::operations::write::{SchemaMode, WriteBuilder};
use deltalake::protocol::SaveMode;
use serde_json::Value;

use super::Error;
use super::change::Change;
use super::inspect::snapshot;
use super::schema::{same, widens};
use crate::engine::{self, sql_type};
use refx_core::project::config::OnSchemaChange;

/// The commit info of an entry that only writes the same rows anew.
pub(super) const REWRITE: &str = "refx.rewrite";

/// A change of a table's columns, in SQL's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaChange {
    Added {
        column: String,
        data_type: String,
    },
    Widened {
        column: String,
        from: String,
        to: String,
    },
    /// Of a table that is replaced: the new type need not hold the old values.
    Retyped {
        column: String,
        from: String,
        to: String,
    },
    Dropped {
        column: String,
    },
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaChange::Added { column, data_type } => {
                write!(f, "new column `{column}` ({data_type})")
            }
            SchemaChange::Widened { column, from, to } => {
                write!(f, "`{column}` widened from {from} to {to}")
            }
            SchemaChange::Retyped { column, from, to } => {
                write!(f, "`{column}` retyped from {from} to {to}")
            }
            SchemaChange::Dropped { column } => write!(f, "`{column}` dropped"),
        }
    }
}

impl SchemaChange {
    pub(super) fn added(field: &Field) -> SchemaChange {
        SchemaChange::Added {
            column: field.name().clone(),
            data_type: sql_type(field.data_type()),
        }
    }

    pub(super) fn widened(present: &Field, to: &DataType) -> SchemaChange {
        SchemaChange::Widened {
            column: present.name().clone(),
            from: sql_type(present.data_type()),
            to: sql_type(to),
        }
    }
}

/// What replacing a table of some columns by rows of others changes.
pub(super) fn difference(table: &Schema, rows: &Schema) -> Vec<SchemaChange> {
    let mut changes = Vec::new();
    for field in rows.fields() {
        match table.field_with_name(field.name()) {
            Err(_) => changes.push(SchemaChange::added(field)),
            Ok(present) if !same(present.data_type(), field.data_type()) => {
                changes.push(SchemaChange::Retyped {
                    column: field.name().clone(),
                    from: sql_type(present.data_type()),
                    to: sql_type(field.data_type()),
                });
            }
            Ok(_) => {}
        }
    }
    let gone = table.fields().iter();
    let gone = gone.filter(|column| rows.field_with_name(column.name()).is_err());
    changes.extend(gone.map(|column| SchemaChange::Dropped {
        column: column.name().clone(),
    }));
    changes
}

/// Whether a policy lets types grow.
pub(super) fn may_widen(change: OnSchemaChange) -> bool {
    matches!(
        change,
        OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns
    )
}

/// The type that holds the values of both without loss; the table's where that one does.
pub(super) fn unified(found: &DataType, present: &DataType) -> Option<DataType> {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32};
    match (found, present) {
        _ if widens(found, present) => Some(present.clone()),
        (DataType::List(a), DataType::List(b)) => {
            let item = unified(a.data_type(), b.data_type())?;
            Some(DataType::List(Arc::new(Field::new(b.name(), item, true))))
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut fields = Vec::with_capacity(b.len());
            for old in b {
                let new = a.iter().find(|new| alike(new, old));
                let data_type = match new {
                    Some(new) => unified(new.data_type(), old.data_type())?,
                    None => old.data_type().clone(),
                };
                fields.push(Field::new(old.name(), data_type, true));
            }
            let more = a.iter().filter(|new| !b.iter().any(|old| alike(new, old)));
            fields.extend(more.map(|new| new.as_ref().clone()));
            Some(DataType::Struct(fields.into()))
        }
        (Decimal128(p, s), Decimal128(q, t)) => {
            let whole = (i16::from(*p) - i16::from(*s)).max(i16::from(*q) - i16::from(*t));
            let scale = *s.max(t);
            let precision = u8::try_from(whole + i16::from(scale)).ok()?;
            (precision <= 38).then_some(Decimal128(precision, scale))
        }
        (Int8 | Int16 | Int32, Float32) | (Float32, Int8 | Int16 | Int32) => Some(Float64),
        _ if widens(present, found) => Some(found.clone()),
        _ => None,
    }
}

fn alike(left: &Field, right: &Field) -> bool {
    left.name().to_lowercase() == right.name().to_lowercase()
}

/// Writes all rows of the table anew in other types, on the branch.
pub(super) async fn rewrite(
    change: &Change<'_>,
    table: DeltaTable,
    columns: &SchemaRef,
) -> Result<DeltaTable, Error> {
    let present = snapshot(&table, change.location())?.clone();
    let by = present.metadata().partition_columns().to_vec();
    let values: Vec<Expr> = columns
        .fields()
        .iter()
        .map(|field| {
            let value = Expr::Column(Column::new_unqualified(field.name()));
            cast(value, field.data_type().clone()).alias(field.name())
        })
        .collect();
    let rows = change.present(&table)?.select(values);
    let rows = rows.map_err(engine::Error::from)?;
    WriteBuilder::new(table.log_store(), Some(present))
        .with_input_plan(rows.into_unoptimized_plan())
        .with_session_state(Arc::new(change.context.state()))
        .with_save_mode(SaveMode::Overwrite)
        .with_schema_mode(SchemaMode::Overwrite)
        .with_partition_columns(by)
        .with_commit_properties(change.properties_with(REWRITE, Value::Bool(true)))
        .await
        .map_err(|error| change.told(error))
}
