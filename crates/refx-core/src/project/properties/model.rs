//! What a properties file says of models, seeds and snapshots, and of their columns.

use schemars::JsonSchema;
use serde::Deserialize;

use super::TestSpec;
use crate::project::config::{Access, Docs, Meta, Owner};
use crate::project::yaml::{Many, Node, Spanned, Text};

/// A model, seed, snapshot or analysis, as its properties file describes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelProperties {
    /// The name of the file without its ending.
    pub name: Spanned<String>,
    /// What a row of the table is. May call on a `{% docs %}` block: `{{ doc('x') }}`.
    pub description: Option<Spanned<String>>,
    /// The columns that identify a row. `unique_key` is read as the same.
    #[serde(alias = "unique_key")]
    pub primary_key: Option<Spanned<Many<String>>>,
    /// Who answers for the table.
    pub owner: Option<Spanned<Owner>>,
    /// How often the model is due: `daily`, `monthly`, a cron expression.
    pub cadence: Option<Spanned<String>>,
    /// Words to select the model by.
    pub tags: Option<Spanned<Many<String>>>,
    /// Keys and values of one's own.
    pub meta: Option<Spanned<Meta>>,
    /// Settings, as `config()` takes them in the model.
    pub config: Option<Node>,
    /// The columns, each with its definition.
    #[serde(default)]
    pub columns: Vec<ColumnProperties>,
    /// Tests of the table as a whole. `tests` is read as the same.
    #[serde(default, alias = "tests")]
    pub data_tests: Vec<TestSpec>,
    /// Constraints of the table as a whole.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// How the documentation shows the model.
    pub docs: Option<Docs>,
    /// Who may refer to the model.
    pub access: Option<Spanned<Access>>,
    /// The group that the model belongs to.
    pub group: Option<Spanned<String>>,
    /// The version that `ref()` means when it names none.
    pub latest_version: Option<Spanned<Text>>,
    /// The versions of the model.
    #[serde(default)]
    pub versions: Vec<ModelVersion>,
    /// The day from which on the model should not be used.
    pub deprecation_date: Option<Text>,
    /// The column that counts time, for metrics. Accepted for dbt.
    pub time_spine: Option<Node>,
    /// What a snapshot reads. For snapshots only.
    pub relation: Option<Spanned<String>>,
    /// dbt's semantic layer. Accepted.
    pub semantic_model: Option<Node>,
    /// dbt's quoting of names. Accepted.
    pub quote_columns: Option<bool>,
}

/// One version of a model.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// The version: a number or a word.
    pub v: Spanned<Text>,
    /// The file that holds it, without its ending, where it is not `<name>_v<v>`.
    pub defined_in: Option<Spanned<String>>,
    /// What is particular to this version.
    pub description: Option<Spanned<String>>,
    /// Settings of this version.
    pub config: Option<Node>,
    /// The columns of this version, where they differ from the model's.
    #[serde(default)]
    pub columns: Vec<VersionColumns>,
    /// Tests of this version, in place of the model's. `tests` is read as the same.
    #[serde(alias = "tests")]
    pub data_tests: Option<Vec<TestSpec>>,
    /// Constraints of this version.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// How the documentation shows this version.
    pub docs: Option<Docs>,
    /// Who may refer to this version.
    pub access: Option<Spanned<Access>>,
    /// The day from which on this version should not be used.
    pub deprecation_date: Option<Text>,
}

/// An entry of a version's `columns`.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[serde(untagged)]
pub enum VersionColumns {
    /// Which of the model's columns the version has.
    Inherit(InheritedColumns),
    /// A column of the version's own.
    Own(Box<ColumnProperties>),
}

impl<'de> Deserialize<'de> for VersionColumns {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::project::yaml::from_node(deserializer, |node| {
            if node.get("include").or(node.get("exclude")).is_some() {
                crate::project::yaml::decode(&node).map(VersionColumns::Inherit)
            } else {
                crate::project::yaml::decode(&node)
                    .map(|column| VersionColumns::Own(Box::new(column)))
            }
        })
    }
}

/// Which of the model's columns a version has.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InheritedColumns {
    /// Names, or `all` (also `*`).
    pub include: Option<Many<String>>,
    /// Names that are left out.
    #[serde(default)]
    pub exclude: Many<String>,
}

impl InheritedColumns {
    /// Whether the version has the model's column of a name.
    pub fn takes(&self, name: &str) -> bool {
        let all =
            |names: &Many<String>| matches!(names.as_slice(), [one] if one == "all" || one == "*");
        let among = |names: &Many<String>| names.iter().any(|known| known == name);
        let included = self.include.as_ref();
        included.is_none_or(|names| all(names) || among(names)) && !among(&self.exclude)
    }
}

/// A column: an indicator of a thematic table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnProperties {
    /// The name of the column.
    pub name: Spanned<Text>,
    /// The definition of the indicator.
    pub description: Option<Spanned<String>>,
    /// The type: `bigint`, `decimal(10, 2)`.
    pub data_type: Option<Spanned<String>>,
    /// The unit: `seconds`, `EUR`, `%`.
    pub unit: Option<String>,
    /// Who answers for the indicator.
    pub owner: Option<Owner>,
    /// Whether the name is quoted. Accepted for dbt.
    pub quote: Option<bool>,
    /// Words to select tests of the column by.
    #[serde(default)]
    pub tags: Many<String>,
    /// Keys and values of one's own.
    #[serde(default)]
    pub meta: Meta,
    /// Settings: `tags` and `meta`.
    #[serde(default)]
    pub config: ColumnConfig,
    /// Constraints of the column.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// Tests of the column. `tests` is read as the same.
    #[serde(default, alias = "tests")]
    pub data_tests: Vec<TestSpec>,
    /// Tags of a policy. Accepted for dbt.
    #[serde(default)]
    pub policy_tags: Many<String>,
    /// The length of time that a value stands for. Accepted for dbt.
    pub granularity: Option<String>,
    /// dbt's semantic layer. Accepted.
    pub entity: Option<Node>,
    /// dbt's semantic layer. Accepted.
    pub dimension: Option<Node>,
}

/// Settings of a column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnConfig {
    /// Words to select tests of the column by.
    pub tags: Many<String>,
    /// Keys and values of one's own.
    pub meta: Meta,
}

/// A constraint of a column or a table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// What must hold.
    #[serde(rename = "type")]
    pub kind: Spanned<ConstraintKind>,
    /// The constraint's own name.
    pub name: Option<String>,
    /// The condition of a `check`; of a foreign key in dbt's older form, `users (user_id)`.
    pub expression: Option<Spanned<String>>,
    /// The columns of a table's constraint.
    #[serde(default)]
    pub columns: Vec<Spanned<String>>,
    /// What a foreign key points to: `ref('users')`, `source('crm', 'users')`.
    pub to: Option<Spanned<String>>,
    /// The columns that a foreign key points to; the other model's primary key where absent.
    #[serde(default)]
    pub to_columns: Vec<Spanned<String>>,
    /// `false`: no warning where nothing holds the constraint.
    #[serde(default)]
    pub warn_unenforced: Option<bool>,
    /// `false`: no warning where refx does not know the constraint.
    #[serde(default)]
    pub warn_unsupported: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// No NULL.
    NotNull,
    /// No value twice; NULLs count as different.
    Unique,
    /// Neither NULL nor twice.
    PrimaryKey,
    /// Each value that is not NULL stands in another table.
    ForeignKey,
    /// A condition on each row.
    Check,
    /// One of the warehouse's own. Accepted for dbt.
    Custom,
}

impl Constraint {
    /// Whether the steward wants to hear that nothing holds the constraint.
    pub fn warns(&self) -> bool {
        self.warn_unenforced != Some(false) && self.warn_unsupported != Some(false)
    }
}

impl ConstraintKind {
    /// The word of properties files and artifacts.
    pub fn as_str(self) -> &'static str {
        match self {
            ConstraintKind::NotNull => "not_null",
            ConstraintKind::Unique => "unique",
            ConstraintKind::PrimaryKey => "primary_key",
            ConstraintKind::ForeignKey => "foreign_key",
            ConstraintKind::Check => "check",
            ConstraintKind::Custom => "custom",
        }
    }
}
