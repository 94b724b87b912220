//! Flags that every command takes.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use refx_core::load;

/// Where the project is, and which of its targets is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Project")]
pub struct ProjectArgs {
    /// Folder with the project file [default: this folder, or the nearest one above it]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "REFX_PROJECT_DIR",
        hide_env = true
    )]
    pub project_dir: Option<PathBuf>,
    /// Folder with `profiles.yml`, for dbt projects
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "REFX_PROFILES_DIR",
        hide_env = true,
        hide_short_help = true
    )]
    pub profiles_dir: Option<PathBuf>,
    /// Profile in `profiles.yml`, for dbt projects
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "REFX_PROFILE",
        hide_env = true,
        hide_short_help = true
    )]
    pub profile: Option<String>,
    /// Target of the project file: where the tables land
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "REFX_TARGET",
        hide_env = true
    )]
    pub target: Option<String>,
    /// Folder for artifacts and compiled SQL [default: .refx]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "REFX_TARGET_PATH",
        hide_env = true,
        hide_short_help = true
    )]
    pub target_path: Option<PathBuf>,
    /// Variables for `var()`, as YAML: `{days: 30}` or `days: 30`; may be repeated
    #[arg(
        long,
        global = true,
        value_name = "YAML",
        env = "REFX_VARS",
        hide_env = true
    )]
    pub vars: Vec<String>,
    /// Instant to compute for: a date (its first instant) or RFC 3339, in UTC [default: now]
    #[arg(
        long,
        global = true,
        value_name = "INSTANT",
        env = "REFX_AS_OF",
        hide_env = true,
        value_parser = instant
    )]
    pub as_of: Option<DateTime<Utc>>,
}

/// How steps run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct RunningArgs {
    /// Steps that run at the same time [default: the target's, or one a processor]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "REFX_THREADS",
        hide_env = true,
        value_parser = threads
    )]
    pub threads: Option<usize>,
    /// Start nothing more once a step has failed
    #[arg(
        short = 'x',
        long,
        global = true,
        env = "REFX_FAIL_FAST",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub fail_fast: bool,
    /// Treat warnings as errors
    #[arg(
        long,
        global = true,
        env = "REFX_WARN_ERROR",
        hide_env = true,
        hide_short_help = true,
        value_parser = FalseyValueParser::new()
    )]
    pub warn_error: bool,
}

/// What is printed, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print only failures and the closing line
    #[arg(
        short,
        long,
        global = true,
        env = "REFX_QUIET",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub quiet: bool,
    /// Text for people, or one JSON object a line for programs
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "REFX_LOG_FORMAT",
        hide_env = true,
        hide_short_help = true,
        value_enum,
        default_value_t = LogFormat::Text
    )]
    pub log_format: LogFormat,
    /// Least severe messages to print
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "REFX_LOG_LEVEL",
        hide_env = true,
        hide_short_help = true,
        value_enum,
        default_value_t = LogLevel::Info
    )]
    pub log_level: LogLevel,
    /// When to colour; NO_COLOR, CLICOLOR and CLICOLOR_FORCE are heeded
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "REFX_COLOR",
        hide_env = true,
        hide_short_help = true,
        value_enum,
        default_value_t = ColorWhen::Auto
    )]
    pub color: ColorWhen,
    /// The same as `--color never`
    #[arg(
        long,
        alias = "no-use-colors",
        global = true,
        overrides_with = "color",
        hide_short_help = true
    )]
    pub no_color: bool,
    /// Print plain lines even on a terminal
    #[arg(
        long,
        global = true,
        env = "REFX_NO_PROGRESS",
        hide_env = true,
        hide_short_help = true,
        value_parser = FalseyValueParser::new()
    )]
    pub no_progress: bool,
    /// Show what templates print() [the default]
    #[arg(
        long,
        global = true,
        overrides_with = "no_print",
        hide_short_help = true
    )]
    pub print: bool,
    /// Keep what templates print() to themselves
    #[arg(long, global = true, overrides_with = "print", hide_short_help = true)]
    pub no_print: bool,
}

/// Flags of dbt that change nothing here, accepted so that a script for dbt runs as it is.
#[derive(Debug, Args)]
pub struct IgnoredArgs {
    /// refx keeps no parse cache
    #[arg(long, global = true, hide = true)]
    pub no_partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    pub partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    pub no_version_check: bool,
    /// refx sends none
    #[arg(long, global = true, hide = true)]
    pub no_send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    pub use_colors: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[value(alias = "default")]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    load::instant(text).ok_or_else(|| {
        "write a date such as 2024-08-31, or an instant such as 2024-08-31T06:00:00Z".to_string()
    })
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number from 1 up".to_string()),
        Ok(threads) => Ok(threads),
    }
}
