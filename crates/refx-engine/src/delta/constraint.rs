//! Constraints: what every row of a table has to fulfil, held on the candidate before it is published.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::SessionContext;
use deltalake::kernel::{EagerSnapshot, MetadataValue};

use super::Error;
use super::audit::{ROWS, SHOWN, any_null, columns, counted, engine, number, samples};
use super::compare::join;
use super::sample::Sample;
use crate::engine::{Name, expression_without_places, planned};

/// What the rows of a table have to fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// How a message calls it.
    pub name: String,
    pub rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    NotNull {
        column: String,
    },
    /// An SQL condition; as in SQL, NULL fulfils it.
    Check {
        condition: String,
    },
    /// No two rows have the same values. As in SQL, rows with a NULL among them do not count.
    Unique {
        columns: Vec<String>,
    },
    /// The values are those of a row of another table. As in SQL, rows with a NULL among them do not
    /// count.
    ForeignKey {
        columns: Vec<String>,
        /// The table's name in the session that writes; none where a table refers to itself.
        to: Option<Name>,
        /// As many as `columns`, in their order.
        to_columns: Vec<String>,
    },
}

/// Refuses rows that do not fulfil a constraint.
pub(super) async fn check(
    context: &SessionContext,
    rows: Arc<dyn TableProvider>,
    constraints: &[Constraint],
    key: &[String],
) -> Result<(), Error> {
    if constraints.is_empty() {
        return Ok(());
    }
    let frame = context.read_table(rows).map_err(engine)?;
    let mut of_rows = Vec::new();
    for constraint in constraints {
        if let Some(condition) = broken(&constraint.rule, context, &frame)? {
            of_rows.push((constraint, condition));
        }
    }
    check_rows(&frame, &of_rows, key).await?;
    for constraint in constraints {
        let offenders = match &constraint.rule {
            Rule::NotNull { .. } | Rule::Check { .. } => continue,
            Rule::Unique { columns } => twice(&frame, &spelled(&frame, columns)?),
            Rule::ForeignKey {
                columns,
                to,
                to_columns,
            } => {
                let there = match to {
                    Some(name) => context.table(crate::engine::reference(name)).await,
                    None => Ok(frame.clone()),
                };
                let there = there.map_err(engine)?;
                let to_columns = spelled(&there, to_columns)?;
                orphans(&frame, &spelled(&frame, columns)?, there, &to_columns)
            }
        };
        let offenders = offenders.map_err(engine)?;
        let totals = offenders
            .clone()
            .aggregate(Vec::new(), vec![sum(per_key()).alias(ROWS)])
            .map_err(engine)?;
        let totals = totals.collect().await.map_err(engine)?;
        let found = number(&totals, 0);
        if found > 0 {
            return Err(Error::Constraint {
                name: constraint.name.clone(),
                rows: found,
                samples: values(offenders).await?,
            });
        }
    }
    Ok(())
}

fn per_key() -> Expr {
    Expr::Column(Column::new_unqualified(ROWS))
}

/// All conditions of single rows, in one scan.
/// The offenders are shown by their keys and by the columns that the condition names.
async fn check_rows(
    frame: &DataFrame,
    conditions: &[(&Constraint, Expr)],
    key: &[String],
) -> Result<(), Error> {
    if conditions.is_empty() {
        return Ok(());
    }
    let mut counted = Vec::with_capacity(conditions.len());
    for (at, (_, broken)) in conditions.iter().enumerate() {
        let one = when(broken.clone(), lit(1_i64)).otherwise(lit(0_i64));
        counted.push(sum(one.map_err(engine)?).alias(format!("broken {at}")));
    }
    let totals = frame
        .clone()
        .aggregate(Vec::new(), counted)
        .map_err(engine)?;
    let totals = totals.collect().await.map_err(engine)?;
    for (at, (constraint, broken)) in conditions.iter().enumerate() {
        let found = number(&totals, at);
        if found > 0 {
            let sample = frame.clone().filter(broken.clone()).map_err(engine)?;
            return Err(Error::Constraint {
                name: constraint.name.clone(),
                rows: found,
                samples: samples(sample, &shown(key, broken)).await?,
            });
        }
    }
    Ok(())
}

/// The columns of the key, and those of a condition.
fn shown(key: &[String], condition: &Expr) -> Vec<String> {
    let named = condition.column_refs().into_iter();
    let mut named: Vec<String> = named.map(|column| column.name.clone()).collect();
    named.sort();
    let mut shown = key.to_vec();
    for name in named {
        if !shown.contains(&name) {
            shown.push(name);
        }
    }
    shown
}

/// The rows that do not fulfil a rule of single rows; none where the rule is of the table.
fn broken(rule: &Rule, context: &SessionContext, frame: &DataFrame) -> Result<Option<Expr>, Error> {
    Ok(match rule {
        Rule::NotNull { column } => {
            let name = &spelled(frame, std::slice::from_ref(column))?[0];
            Some(Expr::Column(Column::new_unqualified(name)).is_null())
        }
        Rule::Check { condition } => {
            let condition = planned(&context.state(), condition, frame.schema())
                .and_then(expression_without_places);
            Some(condition.map_err(engine)?.is_false())
        }
        Rule::Unique { .. } | Rule::ForeignKey { .. } => None,
    })
}

/// The columns as the table spells them.
fn spelled(frame: &DataFrame, wanted: &[String]) -> Result<Vec<String>, Error> {
    let fields = frame.schema().fields();
    let find = |column: &String| {
        let mut names = fields.iter().map(|field| field.name());
        let found = names.find(|name| name.eq_ignore_ascii_case(column));
        found.cloned().ok_or_else(|| {
            Error::schema(
                column,
                format!("the table has no column `{column}`, which a constraint names"),
                "select the column, or remove the constraint",
            )
        })
    };
    wanted.iter().map(find).collect()
}

/// The values that more than one row has, with how many.
fn twice(frame: &DataFrame, of: &[String]) -> Result<DataFrame, DataFusionError> {
    frame
        .clone()
        .filter(any_null(of).is_not_true())?
        .aggregate(columns(of), vec![count(lit(1_i64)).alias(ROWS)])?
        .filter(per_key().gt(lit(1_i64)))
}

/// The values that no row of the other table has, with how many rows have them.
fn orphans(
    frame: &DataFrame,
    of: &[String],
    there: DataFrame,
    to: &[String],
) -> Result<DataFrame, DataFusionError> {
    let renamed = of.iter().zip(to);
    let renamed: Vec<Expr> = renamed
        .map(|(from, to)| Expr::Column(Column::new_unqualified(to)).alias(from))
        .collect();
    let values = frame
        .clone()
        .filter(any_null(of).is_not_true())?
        .aggregate(columns(of), vec![count(lit(1_i64)).alias(ROWS)])?;
    let keys: Vec<Column> = of.iter().map(Column::new_unqualified).collect();
    join(values, there.select(renamed)?, JoinType::LeftAnti, &keys)
}

/// Some of the values, the first ones in order, with how many rows have each.
async fn values(offenders: DataFrame) -> Result<Vec<Sample>, Error> {
    let columns = offenders.schema().columns().into_iter();
    let order = columns.map(|column| Expr::Column(column).sort(true, false));
    let order = order.collect();
    let first = offenders
        .sort(order)
        .and_then(|sorted| sorted.limit(0, Some(SHOWN)))
        .map_err(engine)?;
    let first = first.collect().await.map_err(engine)?;
    Ok(counted(&first, ROWS))
}

/// Which of the table's own rules the rows break, whoever wrote it into the table: deltalake tells only
/// how many rows. `None` where none is found.
pub(super) async fn broken_of_table(
    context: &SessionContext,
    rows: DataFrame,
    table: &EagerSnapshot,
    key: &[String],
) -> Result<Option<Error>, Error> {
    for (name, condition) in own_rules(table) {
        let parsed = context
            .state()
            .create_logical_expr(&condition, rows.schema());
        // What cannot be planned over these columns is not what they broke.
        let Ok(condition) = parsed else { continue };
        let named = condition.column_refs();
        let shown = rows.schema().fields().iter().map(|field| field.name());
        let shown = shown.filter(|column| {
            key.contains(column) || named.iter().any(|named| named.name == **column)
        });
        let shown: Vec<String> = shown.cloned().collect();
        // deltalake takes NULL for a broken rule.
        let offenders = rows.clone().filter(condition.is_not_true());
        let offenders = offenders.map_err(engine)?;
        let found = offenders.clone().count().await.map_err(engine)? as u64;
        if found == 0 {
            continue;
        }
        return Ok(Some(Error::Constraint {
            name,
            rows: found,
            samples: samples(offenders, &shown).await?,
        }));
    }
    Ok(None)
}

/// What the table asks of each row, as names for a message and as conditions.
fn own_rules(table: &EagerSnapshot) -> Vec<(String, String)> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut rules = Vec::new();
    for (name, condition) in table.metadata().configuration() {
        if let Some(name) = name.strip_prefix("delta.constraints.") {
            rules.push((
                format!("`{name}` of the table: `{condition}`"),
                condition.clone(),
            ));
        }
    }
    rules.sort();
    for field in table.schema().fields() {
        let column = field.name();
        let text = |key: &str| match field.metadata().get(key) {
            Some(MetadataValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(condition) = text("delta.invariants").and_then(|text| invariant(&text)) {
            let name = format!("of the table's column `{column}`: `{condition}`");
            rules.push((name, condition));
        }
        if let Some(expression) = text("delta.generationExpression") {
            let name = format!("of the table's column `{column}`: it is `{expression}`");
            let condition = format!("{} is not distinct from ({expression})", quoted(column));
            rules.push((name, condition));
        }
        if !field.is_nullable() {
            let name = format!("of the table's column `{column}`: it is never NULL");
            rules.push((name, format!("{} is not null", quoted(column))));
        }
    }
    rules
}

/// The condition in `{"expression": {"expression": "id > 0"}}`.
fn invariant(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let condition = value.get("expression")?.get("expression")?;
    Some(condition.as_str()?.to_owned())
}
