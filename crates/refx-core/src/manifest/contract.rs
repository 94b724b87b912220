//! Contracts: what a model promises of its columns, as far as its files alone tell.

use crate::diagnostic::{Code, Diagnostic};
use crate::project::config::{Contract, ModelConfig, OnSchemaChange};
use crate::project::{ColumnProperties, Spanned};

use super::name::digest;
use super::{Common, Materialization, Model, data_type};

impl Model {
    /// The contract that the model is held to; none where it has none, or does not enforce it.
    pub fn contract(&self) -> Option<&Spanned<Contract>> {
        let contract = self.config.contract.as_ref();
        contract.filter(|contract| contract.value.enforced)
    }

    /// A digest of what the contract promises: it changes when a column, a type or a constraint
    /// does, and not with their order. None where no contract is held.
    pub fn contract_checksum(&self) -> Option<String> {
        self.contract()?;
        let mut lines: Vec<String> = self.common.columns.iter().map(line).collect();
        lines.sort();
        let mut constraints: Vec<String> = self
            .all_constraints()
            .map(|(constraint, columns)| {
                let columns: Vec<&str> = columns.iter().map(|name| name.value.as_str()).collect();
                let kind = constraint.kind.value.as_str();
                let expression = constraint.expression.as_ref();
                let expression = expression.map_or("", |text| text.value.trim());
                let to = constraint.to.as_ref().map_or("", |to| to.value.as_str());
                format!("{kind} {columns:?} {expression} {to}")
            })
            .collect();
        constraints.sort();
        lines.extend(constraints);
        Some(digest(&lines.join("\n"), 64))
    }
}

fn line(column: &ColumnProperties) -> String {
    let written = column.data_type.as_ref();
    let written = written.map_or(String::new(), |written| data_type::plain(&written.value));
    format!("{} {written}", column.name.value.to_lowercase())
}

/// Refuses contracts that do not say what they promise.
pub(super) fn check(
    config: &ModelConfig,
    common: &Common,
    materialization: &Materialization,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let contract = config.contract.as_ref();
    let Some(contract) = contract.filter(|contract| contract.value.enforced) else {
        return;
    };
    let name = &common.name;
    if common.columns.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                Code::MissingKey,
                format!("the contract of `{name}` declares no columns"),
            )
            .at(contract.span.clone())
            .help("list them under `columns:` in a properties file, each with its `data_type`"),
        );
    }
    for column in &common.columns {
        if column.data_type.is_none() {
            let told = &*column.name.value;
            diagnostics.push(
                Diagnostic::error(
                    Code::MissingKey,
                    format!("`{told}` has no `data_type`, which the contract of `{name}` needs"),
                )
                .at(column.name.span.clone())
                .help("say what it promises: `data_type: bigint`"),
            );
        }
    }
    if matches!(materialization, Materialization::Incremental(_))
        && config.on_schema_change == Some(OnSchemaChange::Ignore)
    {
        diagnostics.push(
            Diagnostic::error(
                Code::InvalidConfig,
                format!("`{name}` has a contract, and `on_schema_change: ignore` lets its table fall behind it"),
            )
            .at(contract.span.clone())
            .help("set `on_schema_change` to `append_new_columns` or `fail`"),
        );
    }
}
