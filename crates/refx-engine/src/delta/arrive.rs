//! The query's rows as the table is to get them: one of each key, and the column that refx keeps.

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::Column;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, lit};

use super::rules::null;
use super::schema::named;
use super::sides::offered;
use super::{Error, PrimaryKey};
use crate::engine::{Plan, sql_type};
use refx_core::project::config::{OnDuplicateKey, OnMissing};

const NUMBER: &str = "__refx_number";

/// A column that refx adds to a table, for what it knows of a row and the query does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnColumn {
    name: String,
    kind: Own,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    /// Whether the row is missing in the source.
    Flag,
    /// Since when it is, in UTC; NULL where it is not.
    Since,
}

impl OwnColumn {
    pub fn of(on_missing: &OnMissing) -> Option<OwnColumn> {
        let kind = match on_missing {
            OnMissing::Flag(_) => Own::Flag,
            OnMissing::ExpireAfter(_) => Own::Since,
            OnMissing::Keep | OnMissing::Delete | OnMissing::Set(_) => return None,
        };
        let name = on_missing.own_column()?.to_owned();
        Some(OwnColumn { name, kind })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn data_type(&self) -> DataType {
        match self.kind {
            Own::Flag => DataType::Boolean,
            Own::Since => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// What a row has in it that the query gives.
    fn value(&self) -> Expr {
        match self.kind {
            Own::Flag => lit(false),
            Own::Since => null(&self.data_type()),
        }
    }
}

/// The query with what a write adds to it and takes from it. Still one query, which runs once.
pub(super) fn shaped(
    plan: &Plan,
    on_duplicate_key: &OnDuplicateKey,
    key: Option<&PrimaryKey>,
    own_column: Option<&OwnColumn>,
) -> Result<Plan, Error> {
    let mut plan = match (on_duplicate_key, key) {
        (OnDuplicateKey::FirstBy(column), Some(key)) => one_each(plan, key, column, true)?,
        (OnDuplicateKey::LastBy(column), Some(key)) => one_each(plan, key, column, false)?,
        (OnDuplicateKey::Error, _) | (_, None) => plan.clone(),
    };
    if let Some(own) = own_column {
        plan = with(&plan, own)?;
    }
    Ok(plan)
}

/// Adds the column, unless the query has it.
fn with(plan: &Plan, own: &OwnColumn) -> Result<Plan, Error> {
    let schema = plan.schema();
    match (named(&schema, &own.name), own.kind) {
        (None, _) => {}
        (Some(field), Own::Flag) if *field.data_type() == DataType::Boolean => {
            return Ok(plan.clone());
        }
        (Some(field), Own::Flag) => {
            return Err(Error::Rule {
                setting: "on_missing",
                message: format!(
                    "it flags rows in `{}`, which the model selects as {}",
                    own.name,
                    sql_type(field.data_type())
                ),
                help: Some("select a boolean, or name another column".to_owned()),
            });
        }
        (Some(_), Own::Since) => {
            return Err(Error::Rule {
                setting: "on_missing",
                message: format!(
                    "it counts the days in `{}`, which the model selects",
                    own.name
                ),
                help: Some("give the model's column another name".to_owned()),
            });
        }
    }
    let value = own.value().alias(&own.name);
    Ok(plan.then(|plan| {
        let columns = columns(&plan).chain([value]).collect::<Vec<_>>();
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    })?)
}

/// Takes the first or last row of each key. Rows of a key that has a NULL stay, to be refused.
fn one_each(plan: &Plan, key: &PrimaryKey, by: &str, first: bool) -> Result<Plan, Error> {
    let schema = plan.schema();
    let spelled = key.columns().iter().map(|name| named(&schema, name));
    let Some(key) = spelled.collect::<Option<Vec<_>>>() else {
        // The key itself is wrong, which is told where the columns are fitted to the table.
        return Ok(plan.clone());
    };
    let Some(by) = named(&schema, by) else {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        return Err(Error::Rule {
            setting: "on_duplicate_key",
            message: format!("it names `{by}`, which the model does not select"),
            help: Some(offered(by, names)),
        });
    };
    if !is_sortable(by.data_type()) {
        return Err(Error::Rule {
            setting: "on_duplicate_key",
            message: format!(
                "`{}` is of type {}, which has no order",
                by.name(),
                sql_type(by.data_type())
            ),
            help: Some("name a column of numbers, texts or instants".to_owned()),
        });
    }
    let key: Vec<&str> = key.iter().map(|field| field.name().as_str()).collect();
    let (key, order) = (&key, order(&schema, key.as_slice(), by.name(), first));
    Ok(plan.then(|plan| {
        let kept: Vec<Expr> = columns(&plan).collect();
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let number = row_number()
            .partition_by(key.iter().map(|name| column(name)).collect())
            .order_by(order)
            .build()?
            .alias(NUMBER);
        let is_null = key.iter().map(|name| column(name).is_null());
        let chosen = is_null.fold(column(NUMBER).eq(lit(1_u64)), Expr::or);
        LogicalPlanBuilder::from(plan)
            .window(vec![number])?
            .filter(chosen)?
            .project(kept)?
            .build()
    })?)
}

/// By the column, then by all others, so that the same rows always give the same choice.
fn order(schema: &Schema, key: &[&str], by: &str, first: bool) -> Vec<Sort> {
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let rest = schema.fields().iter().filter(|field| {
        let name = field.name().as_str();
        name != by && !key.contains(&name) && is_sortable(field.data_type())
    });
    let rest = rest.map(|field| column(field.name()).sort(true, false));
    std::iter::once(column(by).sort(first, false))
        .chain(rest)
        .collect()
}

fn is_sortable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) | DataType::Union(..) | DataType::Null => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_sortable(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_sortable(field.data_type())),
        _ => true,
    }
}

fn columns(plan: &LogicalPlan) -> impl Iterator<Item = Expr> {
    plan.schema().columns().into_iter().map(Expr::Column)
}
