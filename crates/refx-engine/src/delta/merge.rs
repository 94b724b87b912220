//! Rows into a table by their key: update what differs, insert the rest, and what else the rules of a
//! model say. [`super::changes`] finds the rows that change, [`super::apply`] writes them.

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::Schema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use deltalake::DeltaTable;

use super::change::{Applied, Change};
use super::changes::{self, Kind};
use super::inspect::{schema, snapshot};
use super::rules::Rules;
use super::schema::Fit;
use super::{Counts, Error, PrimaryKey, apply, groups, prune};
use crate::engine::{self, Session, Staged};
use refx_core::project::config::{OnMatch, OnMissing};

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

/// Plans the rules without a row, so that what is wrong in them is reported before the query runs, and
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
        (None, true) => {
            let key = groups::exact(change, &change.fit.key);
            let by_key = prune::bounded(change.rows()?, &key).await?;
            let ranges = [prune::range(change, &table, merge).await?, by_key];
            let of_table = prune::of_table(&rules.predicates);
            of_table
                .chain(ranges.into_iter().flatten())
                .reduce(Expr::and)
        }
        // Rows that the query lacks may be anywhere in the table.
        (None, false) => None,
    };
    let found = changes::resolve(change, &table, merge, &rules, range).await?;
    let count = |kind| found.count(kind);
    let given = count(Kind::Insert) + count(Kind::Update) + count(Kind::Delete);
    let rows = Counts {
        inserted: count(Kind::Insert),
        updated: count(Kind::Update) + count(Kind::Mark),
        deleted: count(Kind::Delete) + count(Kind::Drop),
        unchanged: change.staged.rows.saturating_sub(given),
        ..Counts::default()
    };
    match found.staged.rows == 0 && change.fit.added.is_empty() {
        true => Ok(change.unchanged(table, rows.unchanged)),
        false => apply::apply(change, table, &found, rows).await,
    }
}
