//! Rows into a table by their key, through deltalake's MERGE: update what differs, insert the rest.
//!
//! Where new values only replace old ones, or old ones stay, MERGE compares the rows itself. All
//! other rules are applied before, in [`super::changes`], and MERGE gets the rows that change.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Column, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, lit};
use deltalake::DeltaTable;
use deltalake::operations::merge::{MergeBuilder, MergeMetrics};

use super::change::{Applied, Change, files};
use super::changes::{self, CHANGE, Changes, Kind};
use super::compare::{SOURCE, TARGET, source, target};
use super::inspect::{schema, snapshot};
use super::rules::Rules;
use super::schema::Fit;
use super::{Counts, Error, PrimaryKey, prune};
use crate::engine::{self, Session, Staged};
use crate::project::config::{OnMatch, OnMissing};

/// How new rows meet those of their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    pub key: PrimaryKey,
    pub update: UpdateColumns,
    /// What becomes of the columns that are updated.
    pub on_match: OnMatch,
    /// Over both sides: an update is made only where it holds.
    pub update_when: Option<String>,
    /// Over `source.`: a new row is inserted only where it holds.
    pub insert_when: Option<String>,
    /// Over `source.`: the row of the key is deleted, and none is inserted.
    pub delete_when: Option<String>,
    pub on_missing: OnMissing,
    /// Over `target.`: the missing rows that `on_missing` is about.
    pub missing_when: Option<String>,
    /// The part of the table that `on_missing` may delete, from 0 to 1.
    pub max_delete_ratio: f64,
    /// SQL conditions over `source.` and `target.` (dbt's `DBT_INTERNAL_SOURCE.` and
    /// `DBT_INTERNAL_DEST.`) that limit which rows can match.
    pub predicates: Vec<String>,
    /// Columns that tell apart which files can hold rows that match.
    pub prune_by: Vec<String>,
    /// Over `target.`: the part of the table that the rows replace, where it is not all of it. No
    /// other row has one of their keys.
    pub within: Option<Expr>,
    /// What conditions call the sides besides.
    pub source_alias: Option<String>,
    pub target_alias: Option<String>,
    /// When rows go missing, if they do.
    pub as_of: DateTime<Utc>,
}

impl Merge {
    /// The part of a table that a merge may delete where nothing else is said.
    pub const MAX_DELETE_RATIO: f64 = 0.05;

    /// The rows become the table, or the part of it that `within` says.
    pub(super) fn replacing(key: PrimaryKey, within: Option<Expr>) -> Merge {
        Merge {
            on_missing: OnMissing::Delete,
            max_delete_ratio: 1.0,
            within,
            ..Merge::on(key)
        }
    }

    pub fn on(key: PrimaryKey) -> Merge {
        Merge {
            key,
            update: UpdateColumns::All,
            on_match: OnMatch::default(),
            update_when: None,
            insert_when: None,
            delete_when: None,
            on_missing: OnMissing::Keep,
            missing_when: None,
            max_delete_ratio: Merge::MAX_DELETE_RATIO,
            predicates: Vec::new(),
            prune_by: Vec::new(),
            within: None,
            source_alias: None,
            target_alias: None,
            as_of: DateTime::UNIX_EPOCH,
        }
    }
}

/// Which columns a merge updates in rows that are there; it inserts all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpdateColumns {
    #[default]
    All,
    /// dbt's `merge_update_columns`.
    Only(Vec<String>),
    /// dbt's `merge_exclude_columns`.
    Except(Vec<String>),
}

/// Plans the rules without a row, so that what is wrong in them is told before the query runs, and
/// by the first run that only makes the table.
pub(super) fn check(
    session: &Session,
    present: Option<&Schema>,
    fit: &Fit,
    merge: &Merge,
) -> Result<(), Error> {
    let present = present.unwrap_or(&fit.schema);
    Rules::of(session.state(), merge, fit, present)?;
    prune::columns(merge, fit, present).map(|_| ())
}

/// The rows that come into a table that has none, or is replaced: not those that say "deleted". As in
/// dbt, the other conditions are of merges.
pub(super) async fn admitted(
    session: &Session,
    fit: &Fit,
    staged: Staged,
    merge: &Merge,
) -> Result<Staged, Error> {
    let context = super::change::context(session, false);
    let rules = Rules::of(context.state(), merge, fit, &fit.schema)?;
    let Some(condition) = rules.delete_when.map(Expr::is_not_true) else {
        return Ok(staged);
    };
    let rows = context.read_table(staged.table()?);
    let rows = rows.and_then(|rows| rows.filter(unnormalize_col(condition)));
    Ok(engine::keep(rows.map_err(engine::Error::from)?).await?)
}

pub(super) async fn merge(
    change: &Change<'_>,
    table: DeltaTable,
    merge: &Merge,
) -> Result<Applied, Error> {
    let keeps_missing = merge.on_missing == OnMissing::Keep;
    if change.staged.rows == 0 && change.fit.added.is_empty() && keeps_missing {
        return Ok(change.unchanged(table, 0));
    }
    let present = schema(snapshot(&table, change.location())?);
    let rules = Rules::of(change.context.state(), merge, &change.fit, &present)?;
    prune::hides_none(change, &table, &rules).await?;
    let range = match (&merge.within, keeps_missing) {
        (Some(within), _) => Some(within.clone()),
        (None, true) => prune::range(change, &table, merge).await?,
        // Rows that the query lacks may be anywhere in the table.
        (None, false) => None,
    };
    if rules.plain {
        return compared(change, table, &rules, range).await;
    }
    let found = changes::resolve(change, &table, merge, &rules, range.clone()).await?;
    resolved(change, table, found, range).await
}

/// MERGE of the rows as they came: it compares them with those that are there.
async fn compared(
    change: &Change<'_>,
    table: DeltaTable,
    rules: &Rules,
    range: Option<Expr>,
) -> Result<Applied, Error> {
    let is_added = |name: &str| change.fit.added.iter().any(|field| field.name() == name);
    let changed = rules.updated().map(|(name, value)| match is_added(name) {
        true => value.clone().is_not_null(),
        false => super::compare::differs(target(name), value.clone()),
    });
    let changed = changed.reduce(Expr::or);
    let updated: Vec<String> = rules.updated().map(|(name, _)| name.clone()).collect();
    let conditions = prune::writable(&rules.predicates).chain(range);
    let run = Run::begin(change, &table)?;
    let mut builder = begin(change, table, change.rows()?, conditions);
    if let Some(changed) = changed {
        builder = update(change, builder, changed, &updated)?;
    }
    builder = insert(change, builder, None)?;
    let (table, metrics) = builder.await.map_err(|error| change.told(error))?;
    let (inserted, updated) = (
        metrics.num_target_rows_inserted as u64,
        metrics.num_target_rows_updated as u64,
    );
    run.end(
        change,
        table,
        Counts {
            inserted,
            updated,
            unchanged: change.staged.rows.saturating_sub(inserted + updated),
            ..Counts::default()
        },
    )
}

/// MERGE of the rows that change, each of which says what is to be done with it.
async fn resolved(
    change: &Change<'_>,
    table: DeltaTable,
    found: Changes,
    range: Option<Expr>,
) -> Result<Applied, Error> {
    let count = |kind| found.count(kind);
    let given = count(Kind::Insert) + count(Kind::Update) + count(Kind::Delete);
    let rows = Counts {
        inserted: count(Kind::Insert),
        updated: count(Kind::Update) + count(Kind::Mark),
        deleted: count(Kind::Delete) + count(Kind::Drop),
        unchanged: change.staged.rows.saturating_sub(given),
        ..Counts::default()
    };
    if found.staged.rows == 0 && change.fit.added.is_empty() {
        return Ok(change.unchanged(table, rows.unchanged));
    }
    let changes = change.context.read_table(found.staged.table()?);
    let changes = changes.map_err(engine::Error::from)?;
    let run = Run::begin(change, &table)?;
    let mut builder = begin(change, table, changes, range);
    if rows.deleted > 0 {
        let deletes = is(Kind::Delete).or(is(Kind::Drop));
        builder = builder
            .when_matched_delete(|delete| delete.predicate(deletes))
            .map_err(|error| change.told(error))?;
    }
    if rows.updated > 0 {
        let updates = is(Kind::Update).or(is(Kind::Mark));
        builder = update(change, builder, updates, &found.columns)?;
    }
    // A row that is there is never inserted again, even if MERGE should not find it.
    builder = insert(change, builder, Some(is(Kind::Insert)))?;
    let (table, metrics) = builder.await.map_err(|error| change.told(error))?;
    hold(change, &rows, &metrics)?;
    run.end(change, table, rows)
}

/// MERGE of groups that are deleted and rows that are inserted, each of which says what it is.
pub(super) async fn replaced(
    change: &Change<'_>,
    table: DeltaTable,
    changes: DataFrame,
    matches: Expr,
    rows: Counts,
) -> Result<Applied, Error> {
    let run = Run::begin(change, &table)?;
    let mut builder = matching(change, table, changes, matches);
    builder = builder
        .when_matched_delete(|delete| delete.predicate(is(Kind::Drop)))
        .map_err(|error| change.told(error))?;
    builder = insert(change, builder, Some(is(Kind::Insert)))?;
    let (table, metrics) = builder.await.map_err(|error| change.told(error))?;
    hold(change, &rows, &metrics)?;
    run.end(change, table, rows)
}

/// What MERGE did is what was found before, or it is not published.
fn hold(change: &Change<'_>, found: &Counts, done: &MergeMetrics) -> Result<(), Error> {
    let done = [
        done.num_target_rows_inserted as u64,
        done.num_target_rows_updated as u64,
        done.num_target_rows_deleted as u64,
    ];
    match done == [found.inserted, found.updated, found.deleted] {
        true => Ok(()),
        false => Err(Error::Io {
            what: format!(
                "`{}`: the merge inserted {}, updated {} and deleted {} rows, and {}, {} and {} were to be",
                change.location().shown(),
                done[0],
                done[1],
                done[2],
                found.inserted,
                found.updated,
                found.deleted
            ),
            help: Some(
                "nothing was published; please report this with the model's text".to_owned(),
            ),
        }),
    }
}

/// A table before a merge.
struct Run {
    version: Option<u64>,
    files: std::collections::HashSet<String>,
}

impl Run {
    fn begin(change: &Change<'_>, table: &DeltaTable) -> Result<Run, Error> {
        Ok(Run {
            version: table.version(),
            files: files(table, change.location())?,
        })
    }

    fn end(self, change: &Change<'_>, table: DeltaTable, rows: Counts) -> Result<Applied, Error> {
        match table.version() == self.version {
            true => Ok(change.unchanged(table, rows.unchanged)),
            false => change.committed(&self.files, table, rows),
        }
    }
}

fn begin(
    change: &Change<'_>,
    table: DeltaTable,
    rows: DataFrame,
    conditions: impl IntoIterator<Item = Expr>,
) -> MergeBuilder {
    let keys = change.fit.key.iter();
    let matches = keys
        .map(|column| target(column).eq(searched(change, column)))
        .reduce(Expr::and)
        .unwrap_or_else(|| lit(false));
    matching(
        change,
        table,
        rows,
        conditions.into_iter().fold(matches, Expr::and),
    )
}

fn matching(
    change: &Change<'_>,
    table: DeltaTable,
    rows: DataFrame,
    matches: Expr,
) -> MergeBuilder {
    table
        .merge(rows, matches)
        .with_source_alias(SOURCE)
        .with_target_alias(TARGET)
        .with_merge_schema(!change.fit.added.is_empty())
        .with_session_state(Arc::new(change.context.state()))
        .with_commit_properties(change.commit_properties())
}

fn update(
    change: &Change<'_>,
    builder: MergeBuilder,
    when: Expr,
    columns: &[String],
) -> Result<MergeBuilder, Error> {
    let updated = builder.when_matched_update(|update| {
        let columns = columns.iter();
        columns.fold(update.predicate(when), |update, name| {
            update.update(to(name), source(name))
        })
    });
    updated.map_err(|error| change.told(error))
}

fn insert(
    change: &Change<'_>,
    builder: MergeBuilder,
    when: Option<Expr>,
) -> Result<MergeBuilder, Error> {
    let inserted = builder.when_not_matched_insert(|insert| {
        let insert = match when {
            Some(when) => insert.predicate(when),
            None => insert,
        };
        let fields = change.fit.schema.fields().iter();
        fields.fold(insert, |insert, field| {
            insert.set(to(field.name()), source(field.name()))
        })
    });
    inserted.map_err(|error| change.told(error))
}

/// A column of the key as MERGE looks for it.
///
/// deltalake reads only the files whose statistics meet the least and greatest of the new keys, and
/// NaN is in no file's statistics: a row of that key would be inserted a second time. It makes no
/// such bounds of what it cannot look through.
fn searched(change: &Change<'_>, column: &str) -> Expr {
    let field = change.fit.schema.field_with_name(column);
    match field.is_ok_and(|field| field.data_type().is_floating()) {
        true => coalesce(vec![source(column), source(column)]),
        false => source(column),
    }
}

/// A column that MERGE sets.
fn to(name: &str) -> Column {
    Column::new(Some(TableReference::bare(TARGET)), name)
}

pub(super) fn is(kind: Kind) -> Expr {
    source(CHANGE).eq(lit(kind.word()))
}
