//! Which types a table holds, and how the columns of a query fit those of a table.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, cast};

use super::evolve::{SchemaChange, may_widen, unified};
use super::{Error, OwnColumn, PrimaryKey};
use crate::engine::{plain, sql_type};
use refx_core::diagnostic::closest;
use refx_core::project::config::OnSchemaChange;

/// How the rows of a query become rows of a table.
pub(super) struct Fit {
    /// One expression a column, in the order of `schema`.
    pub(super) columns: Vec<Expr>,
    pub(super) schema: SchemaRef,
    /// Columns that the table gets with this write.
    pub(super) added: Vec<FieldRef>,
    /// The columns that the table has to have before, where its own do not do.
    pub(super) reshaped: Option<SchemaRef>,
    /// What the write changes of the table's columns.
    pub(super) changes: Vec<SchemaChange>,
    /// The key in the spelling of `schema`.
    pub(super) key: Vec<String>,
}

impl Fit {
    /// For a new table, or one that is replaced: the query decides.
    pub(super) fn fresh(query: &Schema, key: Option<&PrimaryKey>) -> Result<Fit, Error> {
        let fields = storable(query)?;
        let columns = query.fields().iter().zip(&fields);
        Ok(Fit {
            columns: columns.map(|(from, to)| convert(from, to)).collect(),
            key: spelled(key, &fields)?,
            schema: Arc::new(Schema::new(fields)),
            added: Vec::new(),
            reshaped: None,
            changes: Vec::new(),
        })
    }

    /// For a table that stays: its columns decide, as far as the policy lets them.
    pub(super) fn into(
        table: &Schema,
        query: &Schema,
        key: Option<&PrimaryKey>,
        policy: &Policy<'_>,
    ) -> Result<Fit, Error> {
        let found = storable(query)?;
        let mut columns = Vec::new();
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut added = Vec::new();
        let mut changes = Vec::new();
        let mut kept: Vec<FieldRef> = table.fields().iter().cloned().collect();
        for (from, field) in query.fields().iter().zip(&found) {
            let known = named(table, field.name());
            let at = kept.iter().position(|one| known == Some(one));
            let Some(at) = at else {
                match policy.change {
                    _ if policy.own == Some(field.name()) => {}
                    OnSchemaChange::Ignore => continue,
                    OnSchemaChange::Fail => return Err(new_column(field)),
                    OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns => {}
                }
                changes.push(SchemaChange::added(field));
                columns.push(convert(from, field));
                fields.push(Arc::clone(field));
                added.push(Arc::clone(field));
                continue;
            };
            let present = &kept[at];
            let to = fitting(field, present, policy.change)?;
            if !same(to.data_type(), present.data_type()) {
                changes.push(SchemaChange::widened(present, to.data_type()));
                let nullable = present.is_nullable();
                kept[at] = Arc::new(to.as_ref().clone().with_nullable(nullable));
            }
            columns.push(convert(from, &to));
            fields.push(to);
        }
        let key = spelled(key, &fields)?;
        for column in table.fields() {
            let is_given = fields.iter().any(|field| field.name() == column.name());
            match policy.change {
                _ if is_given => {}
                OnSchemaChange::AppendNewColumns => {}
                OnSchemaChange::SyncAllColumns if !policy.partition_by.contains(column.name()) => {
                    kept.retain(|one| one.name() != column.name());
                    changes.push(SchemaChange::Dropped {
                        column: column.name().clone(),
                    });
                }
                change => return Err(lost_column(column, change)),
            }
        }
        let reshaped = Schema::new(kept);
        Ok(Fit {
            columns,
            key,
            schema: Arc::new(Schema::new(fields)),
            added,
            reshaped: (!same_columns(&reshaped, table)).then(|| Arc::new(reshaped)),
            changes,
        })
    }
}

/// The columns of the table that a query of these columns makes, and the one that refx adds.
///
/// # Errors
/// Where a table cannot hold them, or a column of the key is not among them.
pub fn landed(
    query: &Schema,
    key: Option<&PrimaryKey>,
    own: Option<&OwnColumn>,
) -> Result<SchemaRef, Error> {
    let fit = Fit::fresh(query, key)?;
    let mut fields: Vec<FieldRef> = fit.schema.fields().iter().cloned().collect();
    if let Some(own) = own
        && named(&fit.schema, own.name()).is_none()
    {
        fields.push(Arc::new(Field::new(own.name(), own.data_type(), true)));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// What a load of a query with these columns would change of the table's.
///
/// # Errors
/// Where the columns do not fit the table, and the policy allows no change.
pub fn would_change(
    table: &Schema,
    query: &Schema,
    key: Option<&PrimaryKey>,
    own: Option<&OwnColumn>,
    partition_by: &[String],
    change: OnSchemaChange,
) -> Result<Vec<SchemaChange>, Error> {
    let policy = Policy {
        change,
        own: own.map(OwnColumn::name),
        partition_by,
    };
    let own = own.filter(|own| named(query, own.name()).is_none());
    let fields = query.fields().iter().cloned();
    let own = own.map(|own| Arc::new(Field::new(own.name(), own.data_type(), true)));
    let query = Schema::new(fields.chain(own).collect::<Vec<_>>());
    Ok(Fit::into(table, &query, key, &policy)?.changes)
}

/// What may become of the columns of a table that stays.
pub(super) struct Policy<'a> {
    pub(super) change: OnSchemaChange,
    /// The column that refx keeps in the table: it is no change of the model's.
    pub(super) own: Option<&'a str>,
    /// The columns that the table is partitioned by.
    pub(super) partition_by: &'a [String],
}

fn new_column(field: &Field) -> Error {
    Error::schema(
        field.name(),
        format!(
            "the table has no column `{}`, which the model selects",
            field.name()
        ),
        "set `on_schema_change: append_new_columns`, or rebuild with `--full-refresh`",
    )
}

fn lost_column(column: &Field, change: OnSchemaChange) -> Error {
    let help = match change {
        OnSchemaChange::SyncAllColumns => {
            "the table is partitioned by it: rebuild it with `--full-refresh`"
        }
        _ => {
            "select it again, set `on_schema_change: append_new_columns` to keep the old values, or rebuild with `--full-refresh`"
        }
    };
    Error::schema(
        column.name(),
        format!(
            "the model no longer selects `{}`, which the table has",
            column.name()
        ),
        help,
    )
}

fn convert(from: &Field, to: &Field) -> Expr {
    let column = Expr::Column(Column::new_unqualified(from.name()));
    if from.data_type() == to.data_type() && from.name() == to.name() {
        return column;
    }
    let converted = match from.data_type() == to.data_type() {
        true => column,
        false => cast(column, to.data_type().clone()),
    };
    converted.alias(to.name())
}

pub(super) fn named<'a>(schema: &'a Schema, name: &str) -> Option<&'a FieldRef> {
    let same = |field: &&FieldRef| field.name() == name;
    // Delta's names differ by more than case.
    let alike = |field: &&FieldRef| field.name().to_lowercase() == name.to_lowercase();
    let fields = schema.fields();
    fields
        .iter()
        .find(same)
        .or_else(|| fields.iter().find(alike))
}

/// The key as the columns spell it.
fn spelled(key: Option<&PrimaryKey>, fields: &[FieldRef]) -> Result<Vec<String>, Error> {
    let Some(key) = key else {
        return Ok(Vec::new());
    };
    let schema = Schema::new(fields.iter().cloned().collect::<Fields>());
    let columns = key.columns().iter().map(|name| match named(&schema, name) {
        Some(field) => Ok(field.name().clone()),
        None => {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            Err(Error::schema(
                name,
                format!("the model does not select `{name}`, a column of its primary key"),
                match closest(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "select it, or correct the primary key".to_owned(),
                },
            ))
        }
    });
    columns.collect()
}

/// The columns in types that Delta has, all of them nullable.
fn storable(query: &Schema) -> Result<Vec<FieldRef>, Error> {
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(query.fields().len());
    for field in query.fields() {
        if !seen.insert(field.name().to_lowercase()) {
            return Err(Error::schema(
                field.name(),
                format!("two columns are named `{}`", field.name()),
                "names in a table differ by more than case: rename one with `as`",
            ));
        }
        let stored = stored_type(field.data_type()).ok_or_else(|| {
            Error::schema(
                field.name(),
                format!(
                    "column `{}` is of type {}, which tables cannot hold",
                    field.name(),
                    sql_type(field.data_type())
                ),
                match field.data_type() {
                    DataType::Interval(_) | DataType::Duration(_) => {
                        "turn it into a number: `extract(epoch from …)`"
                    }
                    _ => "cast it to `varchar`",
                },
            )
        })?;
        fields.push(Arc::new(Field::new(field.name(), stored, true)));
    }
    Ok(fields)
}

/// The type of Delta that holds all values of this one.
fn stored_type(data_type: &DataType) -> Option<DataType> {
    const WIDEST: u8 = 38;
    Some(match data_type {
        DataType::Null => DataType::Utf8,
        // Counts and sums fit; the cast fails on what does not.
        DataType::UInt64 | DataType::UInt32 => DataType::Int64,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt8 => DataType::Int16,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s)
            if *s >= 0 =>
        {
            DataType::Decimal128(*p, *s)
        }
        DataType::Decimal256(p, s) if *p <= WIDEST && *s >= 0 => DataType::Decimal128(*p, *s),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            // The one name that Parquet's and Delta's readers agree on.
            let item = Field::new("element", stored_type(item.data_type())?, true);
            DataType::List(Arc::new(item))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let stored = stored_type(field.data_type())?;
                Some(Field::new(field.name(), stored, true))
            });
            DataType::Struct(fields.collect::<Option<Vec<_>>>()?.into())
        }
        DataType::Map(..) => plain(data_type),
        DataType::Dictionary(_, values) => stored_type(values)?,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary => data_type.clone(),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::LargeBinary | DataType::BinaryView => {
            plain(data_type)
        }
        _ => return None,
    })
}

/// The table's column, widened where the query's needs it and the policy allows it.
fn fitting(found: &Field, present: &FieldRef, change: OnSchemaChange) -> Result<FieldRef, Error> {
    let unified = unified(found.data_type(), present.data_type());
    let unified = unified.filter(|to| may_widen(change) || same(to, present.data_type()));
    if let Some(to) = unified {
        return Ok(Arc::new(Field::new(present.name(), to, true)));
    }
    let (old, new) = (sql_type(present.data_type()), sql_type(found.data_type()));
    Err(Error::schema(
        present.name(),
        format!(
            "column `{}` is {old} in the table and {new} in the model",
            present.name()
        ),
        format!(
            "cast it in the model: `cast({} as {old})`, or rebuild the table with `--full-refresh`",
            present.name()
        ),
    ))
}

/// Whether each value of one type is a value of the other.
pub(super) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp};
    let digits = |integer: &DataType| match integer {
        Int8 => Some(3),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (a, b) if same(a, b) => true,
        (a, b) if a.is_signed_integer() && b.is_signed_integer() => {
            a.primitive_width() <= b.primitive_width()
        }
        (Int8 | Int16 | Int32 | Float32, Float64) | (Int8 | Int16, Float32) => true,
        (Decimal128(p, s), Decimal128(wide, scale)) => {
            scale >= s && i16::from(*wide) - i16::from(*scale) >= i16::from(*p) - i16::from(*s)
        }
        (integer, Decimal128(wide, scale)) => {
            digits(integer).is_some_and(|digits| i16::from(*wide) - i16::from(*scale) >= digits)
        }
        (Date32, Timestamp(_, None)) => true,
        _ => false,
    }
}

/// Equal but for what is nullable and how list items are called.
pub(super) fn same(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::List(a), DataType::List(b)) => same(a.data_type(), b.data_type()),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(a, b)| a.name() == b.name() && same(a.data_type(), b.data_type()))
        }
        (DataType::Map(a, _), DataType::Map(b, _)) => match (a.data_type(), b.data_type()) {
            (DataType::Struct(a), DataType::Struct(b)) => a
                .iter()
                .zip(b.iter())
                .all(|(a, b)| same(a.data_type(), b.data_type())),
            _ => false,
        },
        _ => left == right,
    }
}

/// Whether two tables of these columns are of one shape.
pub(super) fn same_columns(left: &Schema, right: &Schema) -> bool {
    left.fields().len() == right.fields().len()
        && left
            .fields()
            .iter()
            .zip(right.fields())
            .all(|(a, b)| a.name() == b.name() && same(a.data_type(), b.data_type()))
}
