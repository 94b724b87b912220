//! Where the steward finds what an error of a table is about.

use super::Error;
use refx_core::diagnostic::Span;
use refx_core::manifest::Model;
use refx_core::project::Spanned;

impl Error {
    /// Where an error of the table is shown: one about the key at the key's declaration, one about a
    /// setting at the setting.
    pub fn place(&self, model: &Model) -> Span {
        let config = &model.config;
        let of_key = match self {
            Error::NullKey { .. } | Error::DuplicateKey { .. } => true,
            Error::Schema { column, .. } => column
                .as_ref()
                .is_some_and(|column| model.primary_key.contains(column)),
            _ => false,
        };
        let setting = match self {
            Error::Rule { setting, .. } => *setting,
            Error::TooManyMissing { .. } => "on_missing",
            _ if of_key => "primary_key",
            _ => "",
        };
        fn span<T>(setting: &Option<Spanned<T>>) -> Option<Span> {
            setting.as_ref().map(|setting| setting.span.clone())
        }
        let found = match setting {
            "primary_key" => span(&config.primary_key),
            "on_duplicate_key" => span(&config.on_duplicate_key),
            "on_match" => span(&config.on_match),
            "update_when" => span(&config.update_when),
            "insert_when" => span(&config.insert_when),
            "delete_when" => span(&config.delete_when),
            "on_missing" | "not_matched_by_source_action" => span(&config.on_missing),
            "not_matched_by_source_condition" => span(&config.not_matched_by_source_condition),
            "prune_by" => span(&config.prune_by),
            "merge_update_columns" => span(&config.merge_update_columns),
            "merge_exclude_columns" => span(&config.merge_exclude_columns),
            "incremental_predicates" => config
                .incremental_predicates
                .as_ref()
                .and_then(|all| all.first())
                .map(|text| text.span.clone()),
            _ => None,
        };
        found.unwrap_or_else(|| model.common.span.clone())
    }
}
