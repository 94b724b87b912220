//! The settings of a merge: dbt-databricks' names taken as refx's own, and contradictions told.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::config::{ColumnRule, ModelConfig, OnMatch, OnMissing, OnSchemaChange};
use crate::project::yaml::{Many, Spanned};

use super::settings::Settings;
use super::{Materialization, Strategy};

/// Brings the settings of a merge into refx's own names, and refuses those that contradict each
/// other or have nothing to act on. What only a folder's settings say is dropped there instead.
pub(super) fn settle(
    config: &mut ModelConfig,
    key: &[String],
    materialization: &Materialization,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) {
    names_of_dbt(config, diagnostics);
    if key.is_empty()
        && let Some(setting) = &config.on_duplicate_key
    {
        let span = setting.span.clone();
        config.on_duplicate_key = None;
        if !settings.is_of_folder(&["on_duplicate_key"]) {
            diagnostics.push(
                invalid("`on_duplicate_key` needs a primary key", &span)
                    .help("name the columns that identify a row: `primary_key: [user_id]`"),
            );
        }
    }
    if *materialization != Materialization::Incremental(Strategy::Merge) {
        return without_merge(config, settings, diagnostics);
    }
    rules_and_key(config, key, diagnostics);
    rules_and_columns(config, diagnostics);
    missing_rows(config, key, settings, diagnostics);
}

fn names_of_dbt(config: &mut ModelConfig, diagnostics: &mut Vec<Diagnostic>) {
    let condition = config.matched_condition.take();
    fold(
        ("update_when", &mut config.update_when),
        ("matched_condition", condition, "the same"),
        diagnostics,
    );
    let asked = |flag: Option<Spanned<bool>>| flag.filter(|flag| flag.value);
    let skips_inserts = asked(config.skip_not_matched_step.take());
    let condition = config.not_matched_condition.take();
    let (name, condition, meaning) = match skips_inserts {
        // In dbt the step is skipped, whatever its condition.
        Some(flag) => (
            "skip_not_matched_step",
            Some(flag.with("false".to_owned())),
            "`false`",
        ),
        None => ("not_matched_condition", condition, "the same"),
    };
    fold(
        ("insert_when", &mut config.insert_when),
        (name, condition, meaning),
        diagnostics,
    );
    if let Some(flag) = asked(config.skip_matched_step.take()) {
        config.merge_update_columns = None;
        config.merge_exclude_columns = None;
        let keep = OnMatch {
            others: ColumnRule::Keep,
            columns: Vec::new(),
        };
        fold(
            ("on_match", &mut config.on_match),
            (
                "skip_matched_step",
                Some(flag.with(keep)),
                "`on_match: keep`",
            ),
            diagnostics,
        );
    }
    let action = config.not_matched_by_source_action.take();
    let action = action.and_then(|action| match OnMissing::of_action(&action.value) {
        Some(value) => Some(action.with(value)),
        None => {
            let message = format!("`{}` is no action on missing rows", action.value);
            diagnostics.push(
                invalid(message, &action.span)
                    .help("write `delete`, or `update set COLUMN = EXPRESSION`"),
            );
            None
        }
    });
    fold(
        ("on_missing", &mut config.on_missing),
        ("not_matched_by_source_action", action, "the same"),
        diagnostics,
    );
    if config.on_schema_change.is_none() {
        let evolves = config.merge_with_schema_evolution.as_ref();
        config.on_schema_change = evolves.map(|evolves| match evolves.value {
            true => OnSchemaChange::AppendNewColumns,
            false => OnSchemaChange::Ignore,
        });
    }
}

/// Takes over what dbt's name says; two that differ are an error, and refx's own stands.
fn fold<T: PartialEq>(
    (ours, setting): (&str, &mut Option<Spanned<T>>),
    (theirs, value, meaning): (&str, Option<Spanned<T>>, &str),
    diagnostics: &mut Vec<Diagnostic>,
) {
    match (&setting, value) {
        (None, value) => *setting = value,
        (Some(known), Some(value)) if known.value != value.value => diagnostics.push(
            invalid(
                format!("`{ours}` and `{theirs}` contradict each other"),
                &value.span,
            )
            .related(known.span.clone(), format!("`{ours}` is set here"))
            .help(format!("keep one of them: `{theirs}` means {meaning}")),
        ),
        (Some(_), _) => {}
    }
}

/// Warns where rows may be missing only because the increment leaves them out.
pub(super) fn partial(config: &ModelConfig, diagnostics: &mut Vec<Diagnostic>) {
    let missing = config.on_missing.as_ref();
    if let Some(missing) = missing.filter(|missing| missing.value != OnMissing::Keep)
        && config.not_matched_by_source_condition.is_none()
    {
        let message = "`on_missing` needs all rows, and the model asks `is_incremental()`";
        diagnostics.push(
            Diagnostic::warning(Code::InvalidConfig, message)
                .at(missing.span.clone())
                .note("a row that the increment leaves out counts as missing")
                .help(
                    "give all rows in each run, or say with `not_matched_by_source_condition` \
                     which rows the increment stands for",
                ),
        );
    }
}

/// A model that does not merge has no use for the settings of a merge.
fn without_merge(config: &mut ModelConfig, settings: &Settings, diagnostics: &mut Vec<Diagnostic>) {
    fn taken<T>(setting: &mut Option<Spanned<T>>) -> Option<Span> {
        setting.take().map(|setting| setting.span)
    }
    let set = [
        ("on_match", taken(&mut config.on_match)),
        ("update_when", taken(&mut config.update_when)),
        ("insert_when", taken(&mut config.insert_when)),
        ("delete_when", taken(&mut config.delete_when)),
        ("on_missing", taken(&mut config.on_missing)),
        ("max_delete_ratio", taken(&mut config.max_delete_ratio)),
        ("prune_by", taken(&mut config.prune_by)),
        (
            "not_matched_by_source_condition",
            taken(&mut config.not_matched_by_source_condition),
        ),
    ];
    for (name, span) in set {
        let names = [&[name], names_in_dbt(name)].concat();
        let Some(span) = span.filter(|_| !settings.is_of_folder(&names)) else {
            continue;
        };
        diagnostics.push(
            invalid(
                format!("`{name}` is a setting of merges, and this model does not merge"),
                &span,
            )
            .help("set `materialized: incremental` and a `primary_key`, or remove it"),
        );
    }
}

/// A key identifies its row, so that nothing can become of it.
fn rules_and_key(config: &mut ModelConfig, key: &[String], diagnostics: &mut Vec<Diagnostic>) {
    let Some(rules) = &mut config.on_match else {
        return;
    };
    rules.value.columns.retain(|(column, _)| {
        let of_key = among(key, column);
        if of_key {
            diagnostics.push(
                invalid(
                    format!("`on_match` names `{}` of the primary key", column.value),
                    &column.span,
                )
                .help("remove it: rows match where their keys are equal"),
            );
        }
        !of_key
    });
}

/// `on_match` beside dbt's lists of columns.
fn rules_and_columns(config: &ModelConfig, diagnostics: &mut Vec<Diagnostic>) {
    let list = |columns: &Option<Spanned<Many<String>>>| {
        let columns = columns.as_ref();
        columns
            .map(|columns| columns.value.0.clone())
            .unwrap_or_default()
    };
    let (updated, excluded) = (
        list(&config.merge_update_columns),
        list(&config.merge_exclude_columns),
    );
    if let (Some(_), Some(columns)) = (&config.merge_update_columns, &config.merge_exclude_columns)
    {
        diagnostics.push(
            invalid(
                "`merge_update_columns` and `merge_exclude_columns` are both set",
                &columns.span,
            )
            .help("keep one of them: the columns to update, or those to leave as they are"),
        );
    }
    let Some(rules) = &config.on_match else {
        return;
    };
    if rules.value.others == ColumnRule::Keep
        && let Some(column) = updated
            .iter()
            .find(|name| *rules.value.of(name) == ColumnRule::Keep)
        && rules
            .value
            .columns
            .iter()
            .all(|(name, _)| !name.value.eq_ignore_ascii_case(column))
    {
        diagnostics.push(
            invalid(
                format!("`on_match` keeps `{column}`, which `merge_update_columns` updates"),
                &rules.span,
            )
            .help("say it in one place: give the columns their rules under `on_match`"),
        );
    }
    for (column, rule) in &rules.value.columns {
        let keeps = *rule == ColumnRule::Keep;
        let wrong = if keeps && among(&updated, column) {
            "which `merge_update_columns` updates"
        } else if !keeps && !updated.is_empty() && !among(&updated, column) {
            "which `merge_update_columns` does not name"
        } else if !keeps && among(&excluded, column) {
            "which `merge_exclude_columns` leaves as it is"
        } else {
            continue;
        };
        let verb = if keeps { "keeps" } else { "changes" };
        diagnostics.push(
            invalid(
                format!("`on_match` {verb} `{}`, {wrong}", column.value),
                &column.span,
            )
            .help("say it in one place: give the columns their rules under `on_match`"),
        );
    }
}

fn missing_rows(
    config: &ModelConfig,
    key: &[String],
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let missing = config.on_missing.as_ref();
    let keeps = missing.is_none_or(|missing| missing.value == OnMissing::Keep);
    if let Some(condition) = &config.not_matched_by_source_condition
        && keeps
        && !settings.is_of_folder(&["not_matched_by_source_condition"])
    {
        diagnostics.push(
            invalid(
                "`not_matched_by_source_condition` without an action on missing rows",
                &condition.span,
            )
            .help("add `on_missing`, or dbt's `not_matched_by_source_action`"),
        );
    }
    let own = missing.and_then(|missing| missing.value.own_column());
    let (Some(missing), Some(own)) = (missing, own) else {
        return;
    };
    if among(key, own) {
        diagnostics.push(
            invalid(
                format!("`on_missing` marks rows in `{own}` of the primary key"),
                &missing.span,
            )
            .help("name another column"),
        );
    }
    let rules = config
        .on_match
        .iter()
        .flat_map(|rules| &rules.value.columns);
    for (column, _) in rules.filter(|(column, _)| column.value.eq_ignore_ascii_case(own)) {
        diagnostics.push(
            invalid(
                format!("`on_match` names `{own}`, in which `on_missing` marks rows"),
                &column.span,
            )
            .help("remove it: the column says whether the row is missing"),
        );
    }
}

fn among(columns: &[String], column: &str) -> bool {
    let column = column.to_lowercase();
    columns.iter().any(|known| known.to_lowercase() == column)
}

/// The names of dbt-databricks that a setting may have been given under.
fn names_in_dbt(setting: &str) -> &'static [&'static str] {
    match setting {
        "update_when" => &["matched_condition"],
        "insert_when" => &["skip_not_matched_step", "not_matched_condition"],
        "on_match" => &["skip_matched_step"],
        "on_missing" => &["not_matched_by_source_action"],
        _ => &[],
    }
}

fn invalid(message: impl Into<String>, span: &Span) -> Diagnostic {
    Diagnostic::error(Code::InvalidConfig, message).at(span.clone())
}
