//! Properties files: what the `*.yml` beside models say of them.

mod document;
mod model;
mod place;
mod render;
mod source;
mod test;
mod unit;

pub use document::{
    ExposureProperties, GroupProperties, MacroArgument, MacroProperties, Properties,
    SingularTestProperties,
};
pub use model::{
    ColumnConfig, ColumnProperties, Constraint, ConstraintKind, InheritedColumns, ModelProperties,
    ModelVersion, VersionColumns,
};
pub use place::{Format, Place, ReaderOptions};
pub use render::{has_jinja, render};
pub use source::{SourceProperties, SourceTable};
pub use test::{TEST_SETTINGS, TestSpec};
pub use unit::{
    ExpectProperties, ExpectedTable, GivenProperties, Overrides, RowFormat, TestedVersions,
    UnitTestConfig, UnitTestProperties,
};

use super::config::Meta;
