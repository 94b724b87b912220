//! Which nodes are meant, and what the commands that run them have in common.

use std::path::PathBuf;

use clap::builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use refx_core::manifest::ResourceType;

/// Which nodes are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Nodes to take: a name, a theme, `tag:daily`, `+user_360`, `segmentation+`…
    #[arg(
        short,
        long,
        short_alias = 'm',
        aliases = ["models", "model"],
        value_name = "SELECTOR",
        num_args = 1..
    )]
    pub select: Vec<String>,
    /// Nodes to leave out of these
    #[arg(long, value_name = "SELECTOR", num_args = 1..)]
    pub exclude: Vec<String>,
    /// A selector of `selectors.yml`, by name
    #[arg(long, value_name = "NAME")]
    pub selector: Option<String>,
    /// Only nodes of these types
    #[arg(
        long,
        alias = "resource-types",
        value_name = "TYPE",
        num_args = 1..,
        value_parser = resource_types(),
        hide_short_help = true
    )]
    pub resource_type: Vec<ResourceType>,
    /// No nodes of these types
    #[arg(
        long,
        alias = "exclude-resource-types",
        value_name = "TYPE",
        num_args = 1..,
        value_parser = resource_types(),
        hide_short_help = true
    )]
    pub exclude_resource_type: Vec<ResourceType>,
    /// Which tests of the selected nodes come along
    #[arg(
        long,
        value_name = "MODE",
        env = "REFX_INDIRECT_SELECTION",
        hide_env = true,
        hide_short_help = true,
        value_enum
    )]
    pub indirect_selection: Option<IndirectSelection>,
    /// Folder with the artifacts of an earlier run, for `state:`, `result:` and broken contracts
    #[arg(
        long,
        value_name = "DIR",
        env = "REFX_STATE",
        hide_env = true,
        hide_short_help = true
    )]
    pub state: Option<PathBuf>,
    /// Do nothing, without an error, where the selection picks nothing
    #[arg(
        long,
        env = "REFX_ALLOW_EMPTY",
        hide_env = true,
        hide_short_help = true,
        value_parser = FalseyValueParser::new()
    )]
    pub allow_empty: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Running")]
pub struct RefreshArgs {
    /// Make incremental tables anew, from all of their input
    #[arg(
        short,
        long,
        env = "REFX_FULL_REFRESH",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub full_refresh: bool,
    /// Let a table go back: to an earlier as-of, or to earlier versions of what it reads
    #[arg(
        long,
        env = "REFX_ALLOW_OLDER",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub allow_older: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Running")]
pub struct FailuresArgs {
    /// Keep the rows that fail a test, in a table each
    #[arg(
        long,
        env = "REFX_STORE_FAILURES",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub store_failures: bool,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct JunitArgs {
    /// Write what became of each test to this file, as JUnit XML
    #[arg(long, value_name = "FILE", env = "REFX_JUNIT", hide_env = true)]
    pub junit: Option<PathBuf>,
}

/// dbt's four modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IndirectSelection {
    /// Tests that touch a selected node
    Eager,
    /// Tests that touch selected nodes only
    Cautious,
    /// As cautious, and they may touch what selected nodes read
    Buildable,
    /// None but those selected themselves
    Empty,
}

fn resource_types() -> impl TypedValueParser<Value = ResourceType> {
    PossibleValuesParser::new(ResourceType::ALL.map(ResourceType::as_str)).map(|name| {
        ResourceType::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .expect("the parser takes no name but these")
    })
}
