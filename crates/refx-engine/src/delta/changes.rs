//! What a merge with rules of its own comes to, row by row, before the table is touched.
//!
//! The new rows are joined to those that are there, each rule is applied, and only the rows that
//! change anything are kept, each with what is to be done with it. The merge proper then only has
//! to do that: its counts are known before, and what changes nothing does not even begin.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, DFSchema, DataFusionError, JoinType, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, cast, lit, when};
use deltalake::DeltaTable;

use super::audit::number;
use super::change::Change;
use super::compare::{differs, join, source, target};
use super::packed::{Packed, ROW, Unpacked, rows_differ};
use super::rules::{Rules, null};
use super::{Error, Merge};
use crate::engine::{self, Staged};
use refx_core::project::config::OnMissing;

/// The column that says what is done with a row. The table never gets it.
pub(super) const CHANGE: &str = "__refx_change";

/// The column that says in which file of the table a row is. The table never gets it either.
pub(super) const FILE: &str = "__refx_file";

/// What is done with a row of the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
    /// An update of a row that the query no longer gives.
    Mark,
    /// The deletion of a row that the query no longer gives.
    Drop,
}

impl Kind {
    const ALL: [Kind; 5] = [
        Kind::Insert,
        Kind::Update,
        Kind::Delete,
        Kind::Mark,
        Kind::Drop,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Insert => "insert",
            Kind::Update => "update",
            Kind::Delete => "delete",
            Kind::Mark => "mark",
            Kind::Drop => "drop",
        }
    }
}

/// The rows that change something, and how many of each kind there are.
pub(super) struct Changes {
    pub(super) staged: Staged,
    /// The columns that an update sets.
    pub(super) columns: Vec<String>,
    counts: [u64; Kind::ALL.len()],
}

impl Changes {
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }
}

/// Joins, decides and keeps what changes. `range` limits the rows of the table that can match.
///
/// # Errors
/// [`Error::TooManyMissing`] where more rows would go than the model allows.
pub(super) async fn resolve(
    change: &Change<'_>,
    table: &DeltaTable,
    merge: &Merge,
    rules: &Rules,
    range: Option<Expr>,
) -> Result<Changes, Error> {
    let keeps_missing = merge.on_missing == OnMissing::Keep;
    let kind = match keeps_missing {
        true => JoinType::Left,
        false => JoinType::Full,
    };
    let mut columns: Vec<String> = rules.columns.iter().map(|(name, _)| name.clone()).collect();
    // Columns that only the table has can be set in missing rows.
    let set = rules.set.iter().map(|one| &one.column);
    columns.extend(
        set.filter(|name| !columns.contains(name))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let rows = match rules.only_replace(merge) {
        true => replaced(change, table, &columns, kind, range),
        false => by_rules(change, table, merge, rules, &columns, kind, range),
    };
    let rows = rows.map_err(engine::Error::from)?;
    let mut staged = engine::keep(rows).await?;
    staged.require(&change.fit.key)?;
    let changes = Changes {
        counts: counted(change, &staged).await?,
        staged,
        columns,
    };
    if !keeps_missing {
        hold_limit(change, table, merge, changes.count(Kind::Drop)).await?;
    }
    Ok(changes)
}

/// The rows that change where new values replace old ones, missing rows stay or go, and nothing else is
/// asked.
fn replaced(
    change: &Change<'_>,
    table: &DeltaTable,
    columns: &[String],
    kind: JoinType,
    range: Option<Expr>,
) -> Result<DataFrame, DataFusionError> {
    let outside = |error: Error| DataFusionError::External(Box::new(error));
    let present = change.present_by_file(table, range).map_err(outside)?;
    let fields = |names: &[String]| -> Result<Vec<FieldRef>, DataFusionError> {
        let fields = names.iter().map(|name| {
            let field = change.fit.schema.field_with_name(name)?;
            Ok(Arc::new(field.clone()))
        });
        fields.collect()
    };
    let (key, values) = (fields(&change.fit.key)?, fields(columns)?);
    let mut of_table = key.clone();
    of_table.push(Arc::new(Field::new(FILE, DataType::Utf8, true)));
    let new = Packed::new(change.rows().map_err(outside)?, key, values.clone());
    let old = Packed::new(present, of_table, values);
    let keys: Vec<Column> = change.fit.key.iter().map(Column::new_unqualified).collect();
    let sides = join(
        change.context.read_table(Arc::new(new))?,
        change.context.read_table(Arc::new(old))?,
        kind,
        &keys,
    )?;
    let given = all_there(&change.fit.key, source);
    let fate = when(given.clone().is_not_true(), lit(Kind::Drop.word()))
        .when(target(FILE).is_null(), lit(Kind::Insert.word()))
        .when(
            rows_differ(source(ROW), target(ROW)),
            lit(Kind::Update.word()),
        )
        .otherwise(lit(ScalarValue::Utf8(None)))?;
    let fated = || Expr::Column(Column::new_unqualified(CHANGE));
    let decided = with(sides, fate.alias(CHANGE))?.filter(fated().is_not_null())?;
    let keys = change.fit.key.iter().map(|name| {
        let key = when(given.clone(), source(name)).otherwise(target(name))?;
        Ok(key.alias(name))
    });
    let mut values = keys.collect::<Result<Vec<Expr>, DataFusionError>>()?;
    values.extend([source(ROW).alias(ROW), fated(), target(FILE).alias(FILE)]);
    let rows = Unpacked::new(decided.select(values)?);
    change.context.read_table(Arc::new(rows))
}

/// The rows that change by rules of their own.
fn by_rules(
    change: &Change<'_>,
    table: &DeltaTable,
    merge: &Merge,
    rules: &Rules,
    columns: &[String],
    kind: JoinType,
    range: Option<Expr>,
) -> Result<DataFrame, DataFusionError> {
    let sides = sides(change, table, kind, range)?;
    let decided = decide(change, merge, rules, sides)?;
    let values = values(change, merge, rules, columns, decided.schema())?;
    decided.select(values)
}

/// Both sides beside each other; columns that the table gets only now are NULL in it.
fn sides(
    change: &Change<'_>,
    table: &DeltaTable,
    kind: JoinType,
    range: Option<Expr>,
) -> Result<DataFrame, DataFusionError> {
    let outside = |error: Error| DataFusionError::External(Box::new(error));
    let mut present = change.present_by_file(table, range).map_err(outside)?;
    // The column comes as a dictionary of the files.
    let file = Expr::Column(Column::new_unqualified(FILE));
    present = present.with_column(FILE, cast(file, DataType::Utf8))?;
    for field in &change.fit.added {
        present = present.with_column(field.name(), null(field.data_type()))?;
    }
    let keys: Vec<Column> = change.fit.key.iter().map(Column::new_unqualified).collect();
    join(change.rows().map_err(outside)?, present, kind, &keys)
}

/// Says of each row what is done with it, and leaves out those with which nothing is.
fn decide(
    change: &Change<'_>,
    merge: &Merge,
    rules: &Rules,
    sides: DataFrame,
) -> Result<DataFrame, DataFusionError> {
    let given = all_there(&change.fit.key, source);
    let known = all_there(&change.fit.key, target);
    let word = |kind: Kind| lit(kind.word());
    let nothing = || lit(ScalarValue::Utf8(None));
    let holds = |condition: &Option<Expr>, otherwise: bool| match condition {
        Some(condition) => condition.clone().is_true(),
        None => lit(otherwise),
    };
    let deleted = holds(&rules.delete_when, false);
    let inserted = holds(&rules.insert_when, true).and(deleted.clone().is_not_true());
    let changed = rules.changed().unwrap_or_else(|| lit(false));
    let missing = missing(merge, rules, word)?;
    let of_given = when(
        known.clone().is_not_true().and(inserted),
        word(Kind::Insert),
    )
    .when(known.clone().is_not_true(), nothing())
    .when(deleted, word(Kind::Delete))
    .when(changed, word(Kind::Update))
    .otherwise(nothing())?;
    let fate = when(given, of_given)
        .when(known.and(holds(&rules.missing_when, true)), missing)
        .otherwise(nothing())?;
    with(sides, fate.alias(CHANGE))?
        .filter(Expr::Column(Column::new_unqualified(CHANGE)).is_not_null())
}

/// What is done with a row that the query no longer gives.
fn missing(
    merge: &Merge,
    rules: &Rules,
    word: impl Fn(Kind) -> Expr,
) -> Result<Expr, DataFusionError> {
    let nothing = || lit(ScalarValue::Utf8(None));
    let mark = |marked: Expr| when(marked, word(Kind::Mark)).otherwise(nothing());
    match (&merge.on_missing, &rules.own) {
        (OnMissing::Delete, _) => Ok(word(Kind::Drop)),
        (OnMissing::Set(_), _) => {
            let set = rules.set.iter();
            let set = set.map(|one| differs(target(&one.column), one.value.clone()));
            mark(set.reduce(Expr::or).unwrap_or_else(|| lit(false)))
        }
        (OnMissing::Flag(_), Some(own)) => mark(target(own).is_not_true()),
        (OnMissing::ExpireAfter(days), Some(own)) => {
            let over = merge.as_of - chrono::Duration::days(i64::from(*days));
            let expired = match days {
                0 => lit(true),
                _ => target(own).lt_eq(instant(over)),
            };
            when(expired, word(Kind::Drop))
                .when(target(own).is_null(), word(Kind::Mark))
                .otherwise(nothing())
        }
        (OnMissing::Keep | OnMissing::Flag(_) | OnMissing::ExpireAfter(_), _) => Ok(nothing()),
    }
}

/// The columns of the changes: the key, the values that a row is to have, and what is done with it.
fn values(
    change: &Change<'_>,
    merge: &Merge,
    rules: &Rules,
    columns: &[String],
    sides: &DFSchema,
) -> Result<Vec<Expr>, DataFusionError> {
    let fate = || Expr::Column(Column::new_unqualified(CHANGE));
    let is = |kind: Kind| fate().eq(lit(kind.word()));
    let mut values = Vec::new();
    for name in &change.fit.key {
        let of_missing = is(Kind::Mark).or(is(Kind::Drop));
        let key = when(of_missing, target(name)).otherwise(source(name))?;
        values.push(key.alias(name));
    }
    for name in columns {
        let own = rules.own.as_deref() == Some(name.as_str());
        let mut value = when(is(Kind::Mark), marked(merge, rules, name, sides)?);
        if let Some((_, matched)) = rules.columns.iter().find(|(known, _)| known == name) {
            // Content that must not be updated stays where only the mark of the row goes.
            let matched = match (&rules.update_when, own) {
                (Some(condition), false) => {
                    when(condition.clone(), matched.clone()).otherwise(target(name))?
                }
                _ => matched.clone(),
            };
            value.when(is(Kind::Insert), source(name));
            value.when(is(Kind::Update), matched);
        }
        values.push(value.otherwise(target(name))?.alias(name));
    }
    values.push(fate());
    values.push(target(FILE).alias(FILE));
    Ok(values)
}

/// What a column becomes in a row that the query no longer gives.
fn marked(
    merge: &Merge,
    rules: &Rules,
    name: &str,
    sides: &DFSchema,
) -> Result<Expr, DataFusionError> {
    if rules.own.as_deref() == Some(name) {
        return Ok(match merge.on_missing {
            OnMissing::Flag(_) => lit(true),
            _ => instant(merge.as_of),
        });
    }
    Ok(match rules.set.iter().find(|one| one.column == name) {
        Some(one) => one
            .value
            .clone()
            .cast_to(&target(name).get_type(sides)?, sides)?,
        None => target(name),
    })
}

/// Refuses to delete more of the table than the model allows: a source that lacks so much rather is
/// incomplete.
async fn hold_limit(
    change: &Change<'_>,
    table: &DeltaTable,
    merge: &Merge,
    deleted: u64,
) -> Result<(), Error> {
    if deleted == 0 || merge.max_delete_ratio >= 1.0 {
        return Ok(());
    }
    let rows = change.present(table)?.count().await;
    let rows = rows.map_err(engine::Error::from)? as u64;
    // Compared as products, so that exactly the part that is allowed passes.
    if deleted as f64 > rows as f64 * merge.max_delete_ratio {
        return Err(Error::TooManyMissing {
            deleted,
            rows,
            limit: merge.max_delete_ratio,
        });
    }
    Ok(())
}

async fn counted(change: &Change<'_>, staged: &Staged) -> Result<[u64; Kind::ALL.len()], Error> {
    let run = async {
        let frame = change.context.read_table(staged.table()?)?;
        let each = Kind::ALL.map(|kind| {
            let fate = Expr::Column(Column::new_unqualified(CHANGE));
            let one = when(fate.eq(lit(kind.word())), lit(1_i64)).otherwise(lit(0_i64))?;
            Ok(sum(one).alias(kind.word()))
        });
        let each = each
            .into_iter()
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        Ok::<_, engine::Error>(frame.aggregate(Vec::new(), each)?.collect().await?)
    };
    let totals = run.await?;
    Ok(std::array::from_fn(|index| number(&totals, index)))
}

/// The frame with columns more, and those that it has under the names of their sides.
fn with(frame: DataFrame, more: Expr) -> Result<DataFrame, DataFusionError> {
    let (state, plan) = frame.into_parts();
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let columns: Vec<Expr> = columns.chain([more]).collect();
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    Ok(DataFrame::new(state, plan))
}

fn all_there(key: &[String], side: fn(&str) -> Expr) -> Expr {
    let columns = key.iter().map(|name| side(name).is_not_null());
    columns.reduce(Expr::and).unwrap_or_else(|| lit(false))
}

fn instant(at: DateTime<Utc>) -> Expr {
    let micros = Some(at.timestamp_micros());
    lit(ScalarValue::TimestampMicrosecond(
        micros,
        Some("UTC".into()),
    ))
}
