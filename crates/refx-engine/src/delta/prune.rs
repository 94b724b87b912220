//! Which part of a table can match: conditions that limit it, and the proof that they hide nothing.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, DataFusionError, JoinType, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{Expr, lit};
use deltalake::DeltaTable;

use super::change::Change;
use super::compare::{TARGET, join, target};
use super::rules::Rules;
use super::schema::{Fit, named};
use super::sides::offered;
use super::{Error, Merge};
use crate::engine::{self, sql_type};

/// Proves that the conditions hide no row of a known key: it would be inserted a second time.
pub(super) async fn hides_none(
    change: &Change<'_>,
    table: &DeltaTable,
    rules: &Rules,
) -> Result<(), Error> {
    let Some(condition) = rules.predicates.iter().cloned().reduce(Expr::and) else {
        return Ok(());
    };
    let run = async {
        let hidden = pairs(change, table)?.filter(condition.is_not_true());
        hidden
            .map_err(engine::Error::from)?
            .count()
            .await
            .map_err(|error| Error::Engine(error.into()))
    };
    match run.await? as u64 {
        0 => Ok(()),
        rows => {
            let key = change.fit.key.iter().map(|column| format!("`{column}`"));
            Err(Error::HiddenKey {
                key: key.collect::<Vec<_>>().join(", "),
                rows,
            })
        }
    }
}

/// Those of the conditions that are about rows of the table alone. They hold for all that matches, so that
/// they only spare files to read.
pub(super) fn of_table(conditions: &[Expr]) -> impl Iterator<Item = Expr> {
    let is_target = |column: &&Column| {
        let relation = column.relation.as_ref();
        relation.is_some_and(|relation| relation.table() == TARGET)
    };
    let conditions = conditions.iter();
    conditions
        .filter(move |condition| condition.column_refs().iter().all(is_target))
        .cloned()
}

/// The columns of `prune_by` in the table's spelling.
pub(super) fn columns(merge: &Merge, fit: &Fit, present: &Schema) -> Result<Vec<String>, Error> {
    let mut columns = Vec::new();
    for name in &merge.prune_by {
        let Some(field) = named(present, name) else {
            if named(&fit.schema, name).is_some() {
                // The table gets it with this write, and holds no value yet.
                continue;
            }
            let names = present.fields().iter().map(|field| field.name().as_str());
            return Err(Error::Rule {
                setting: "prune_by",
                message: format!("the table has no column `{name}`"),
                help: Some(offered(name, names)),
            });
        };
        let data_type = field.data_type();
        let exact = data_type.is_integer()
            || data_type.is_decimal()
            || matches!(
                data_type,
                DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..)
            );
        if !exact {
            let message = format!(
                "`{}` is of type {}, by whose values files are not told apart",
                field.name(),
                sql_type(data_type)
            );
            return Err(Error::Rule {
                setting: "prune_by",
                message,
                help: Some("name a column of dates, instants, whole numbers or texts".to_owned()),
            });
        }
        if !columns.contains(field.name()) {
            columns.push(field.name().clone());
        }
    }
    Ok(columns)
}

/// The range in which the rows of the table lie that can match, by the columns of `prune_by`.
///
/// A column of the key has in the table the values that the new rows have. Of any other, the table
/// itself says what the rows of these keys hold, so that a value that moved hides none of them.
pub(super) async fn range(
    change: &Change<'_>,
    table: &DeltaTable,
    merge: &Merge,
) -> Result<Option<Expr>, Error> {
    let present = super::inspect::schema(super::inspect::snapshot(table, change.location())?);
    let columns = columns(merge, &change.fit, &present)?;
    let (of_key, others): (Vec<String>, Vec<String>) = columns
        .into_iter()
        .partition(|name| change.fit.key.contains(name));
    let mut ranges = Vec::new();
    for (names, of_table) in [(of_key, false), (others, true)] {
        if names.is_empty() {
            continue;
        }
        ranges.extend(match of_table {
            true => bounds(pairs(change, table)?, &names, target).await?,
            false => bounded(change.rows()?, &names).await?,
        });
    }
    Ok(ranges.into_iter().reduce(Expr::and))
}

/// The range of the table's columns in which the rows have values.
pub(super) async fn bounded(rows: DataFrame, names: &[String]) -> Result<Option<Expr>, Error> {
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    match names {
        [] => Ok(None),
        names => bounds(rows, names, column).await,
    }
}

async fn bounds(
    rows: DataFrame,
    names: &[String],
    column: impl Fn(&str) -> Expr,
) -> Result<Option<Expr>, Error> {
    let bounds = names.iter().enumerate().flat_map(|(index, name)| {
        [
            min(column(name)).alias(format!("least_{index}")),
            max(column(name)).alias(format!("greatest_{index}")),
            count(column(name)).alias(format!("values_{index}")),
        ]
    });
    let bounds = bounds.chain([count(lit(1_i64)).alias("rows")]).collect();
    let run = async {
        let found = rows.aggregate(Vec::new(), bounds)?.collect().await?;
        let ranges = names.iter().enumerate();
        let ranges = ranges.map(|(index, name)| between(name, &found, index, names.len()));
        ranges.collect::<Result<Vec<_>, DataFusionError>>()
    };
    let ranges = run.await.map_err(engine::Error::from)?;
    Ok(ranges.into_iter().flatten().reduce(Expr::and))
}

/// A condition on the table's column, from the bounds that were found; none where no row matches.
fn between(
    name: &str,
    found: &[RecordBatch],
    index: usize,
    columns: usize,
) -> Result<Option<Expr>, DataFusionError> {
    let Some(bounds) = found.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(None);
    };
    let value = |at: usize| ScalarValue::try_from_array(bounds.column(at), 0);
    let (least, greatest) = (value(3 * index)?, value(3 * index + 1)?);
    let (values, rows) = (value(3 * index + 2)?, value(3 * columns)?);
    let null = target(name).is_null();
    if least.is_null() || greatest.is_null() {
        // Where no row matches, any condition is right; where their values are NULL, only this.
        return Ok((values != rows).then_some(null));
    }
    let range = target(name)
        .gt_eq(lit(least))
        .and(target(name).lt_eq(lit(greatest)));
    Ok(Some(match values == rows {
        true => range,
        false => range.or(null),
    }))
}

/// The new rows beside the rows of their keys.
fn pairs(change: &Change<'_>, table: &DeltaTable) -> Result<DataFrame, Error> {
    let keys: Vec<Column> = change.fit.key.iter().map(Column::new_unqualified).collect();
    let present = change.present(table)?;
    join(change.rows()?, present, JoinType::Inner, &keys)
        .map_err(|error| Error::Engine(error.into()))
}
