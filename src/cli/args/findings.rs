//! How mistakes are handed to programs, and `refx explain`.

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct FindingsArgs {
    /// How to print what is wrong: for people, as JSON, for GitHub (SARIF) or GitLab (Code Quality)
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub output: FindingsOutput,
}

/// A list of diagnostics as one document, or as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FindingsOutput {
    #[default]
    Text,
    Json,
    Sarif,
    #[value(alias = "codeclimate")]
    Gitlab,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code in brackets of an error or a warning; all of them are listed where it is left out
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
    /// How to print it [default: text, or json with `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<ExplainOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainOutput {
    Text,
    Json,
}
