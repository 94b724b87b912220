//! The settings of a model as a merge, and what can be known of them before a row is there.

use chrono::{DateTime, Utc};

use super::arrive::{self, OwnColumn};
use super::schema::Fit;
use super::{Error, Merge, PrimaryKey, UpdateColumns, merge};
use crate::engine::{Plan, Session};
use refx_core::manifest::Model;
use refx_core::project::Spanned;

impl Merge {
    /// The merge of a model's rows, as its settings want it.
    pub fn of(model: &Model, key: PrimaryKey, as_of: DateTime<Utc>) -> Merge {
        let config = &model.config;
        let text =
            |setting: &Option<Spanned<String>>| setting.as_ref().map(|text| text.value.clone());
        let predicates = config.incremental_predicates.iter();
        let predicates = predicates.flat_map(|all| all.iter());
        let ratio = config.max_delete_ratio.as_ref();
        Merge {
            update: match (&config.merge_update_columns, &config.merge_exclude_columns) {
                (Some(columns), _) => UpdateColumns::Only(columns.value.0.clone()),
                (None, Some(columns)) => UpdateColumns::Except(columns.value.0.clone()),
                (None, None) => UpdateColumns::All,
            },
            on_match: value(&config.on_match),
            update_when: text(&config.update_when),
            insert_when: text(&config.insert_when),
            delete_when: text(&config.delete_when),
            on_missing: value(&config.on_missing),
            missing_when: text(&config.not_matched_by_source_condition),
            max_delete_ratio: ratio.map_or(Merge::MAX_DELETE_RATIO, |ratio| ratio.value.0),
            predicates: predicates.map(|text| text.value.clone()).collect(),
            prune_by: value(&config.prune_by).0,
            source_alias: text(&config.source_alias),
            target_alias: text(&config.target_alias),
            as_of,
            ..Merge::on(key)
        }
    }
}

/// Plans what a model's settings say about its merge, over the columns that its query gives to both
/// sides. No table is looked at, and no row.
///
/// # Errors
/// What the first load would tell: a column that is not selected, a condition that is none.
pub fn rules(session: &Session, plan: &Plan, model: &Model, key: PrimaryKey) -> Result<(), Error> {
    let own = OwnColumn::of(&value(&model.config.on_missing));
    let on_duplicate_key = value(&model.config.on_duplicate_key);
    let shaped = arrive::shaped(plan, &on_duplicate_key, Some(&key), own.as_ref())?;
    let fit = Fit::fresh(&shaped.schema(), Some(&key))?;
    let merge = Merge::of(model, key, DateTime::UNIX_EPOCH);
    merge::check(session, None, &fit, &merge)
}

/// What a setting says, or its default.
pub(super) fn value<T: Clone + Default>(setting: &Option<Spanned<T>>) -> T {
    let setting = setting.as_ref();
    setting
        .map(|setting| setting.value.clone())
        .unwrap_or_default()
}
