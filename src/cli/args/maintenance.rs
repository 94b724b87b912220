//! Arguments of the commands that care for tables: retentions, sizes, versions.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::SelectionArgs;
use refx_core::load;
use refx_core::project::Bytes;
use refx_engine::delta::maintain::To;

#[derive(Debug, Args)]
pub struct VacuumArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Keep the files that versions of this span read, such as `7d`, `36h` or `2 weeks`
    /// [default: the table's `delta.deletedFileRetentionDuration`, or else 7 days]
    #[arg(help_heading = "Running", long, value_name = "DURATION", value_parser = duration)]
    pub retention: Option<Duration>,
    /// Allow a retention below the table's own, where nobody writes the table or reads an older
    /// version of it
    #[arg(help_heading = "Running", long)]
    pub force: bool,
    #[command(flatten)]
    pub dry: DryRunArgs,
}

#[derive(Debug, Args)]
pub struct OptimizeArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Sort the rows of each partition along a Z-order of these columns, so that a filter on any of
    /// them skips files
    #[arg(
        help_heading = "Running",
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        num_args = 1..
    )]
    pub zorder: Vec<String>,
    /// Size of the files to write, such as `256MB` [default: the table's `delta.targetFileSize`, or
    /// else 100 MB]
    #[arg(help_heading = "Running", long, value_name = "SIZE", value_parser = size)]
    pub target_size: Option<NonZeroU64>,
    #[command(flatten)]
    pub dry: DryRunArgs,
}

#[derive(Debug, Args)]
pub struct CheckpointArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub dry: DryRunArgs,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The model or seed whose table it is
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Versions to show, the newest first [default: all that the log has]
    #[arg(help_heading = "Output", long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,
    /// How to print them; `json` has all that the commits say [default: table, or json with
    /// `--log-format json`]
    #[arg(
        help_heading = "Output",
        short,
        long,
        value_name = "FORMAT",
        value_enum
    )]
    pub output: Option<HistoryOutput>,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The model or seed whose table it is
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// A version, or an instant for the last version made at it or before it: a date (its first
    /// instant) or RFC 3339, in UTC
    #[arg(long, value_name = "VERSION|INSTANT", value_parser = to)]
    pub to: To,
    #[command(flatten)]
    pub dry: DryRunArgs,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct DryRunArgs {
    /// Say what would be done, and do nothing
    #[arg(help_heading = "Running", long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistoryOutput {
    #[value(alias = "text")]
    Table,
    Json,
}

fn to(text: &str) -> Result<To, String> {
    if let Ok(version) = text.parse() {
        return Ok(To::Version(version));
    }
    load::instant(text).map(To::At).ok_or_else(|| {
        "write a version such as 12, a date such as 2024-08-31, or an instant such as \
         2024-08-31T06:00:00Z"
            .to_string()
    })
}

fn size(text: &str) -> Result<NonZeroU64, String> {
    // deltalake takes no more than what a signed number holds.
    let bytes = Bytes::parse(text).filter(|bytes| i64::try_from(bytes.0).is_ok());
    bytes
        .and_then(|bytes| NonZeroU64::new(bytes.0))
        .ok_or_else(|| "write a number with its unit: `256MB`, `1GiB`".to_string())
}

/// `7d`, `36 hours`, `90m`, `2 weeks`; zero needs no unit.
fn duration(text: &str) -> Result<Duration, String> {
    let said = || "write a number with its unit: `7d`, `36h`, `90m`, `30s`".to_string();
    let text = text.trim();
    let letters = text.find(|letter: char| !letter.is_ascii_digit());
    let (digits, unit) = text.split_at(letters.unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| said())?;
    let seconds = match unit.trim().to_lowercase().as_str() {
        "" if number == 0 => 1,
        "s" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return Err(said()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_read_with_their_units() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(duration("7d"), hours(168));
        assert_eq!(duration("36 Hours"), hours(36));
        assert_eq!(duration("2 weeks"), hours(336));
        assert_eq!(duration("0"), hours(0));
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "1.5d",
            "7 moons",
            "99999999999999999999d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size("256MB").map(NonZeroU64::get), Ok(256_000_000));
        assert!(size("0").is_err() && size("much").is_err());
    }

    #[test]
    fn a_version_or_an_instant_is_restored() {
        assert_eq!(to("12"), Ok(To::Version(12)));
        let instant = load::instant("2024-08-31").map(To::At);
        assert_eq!(to("2024-08-31").ok(), instant);
        assert!(to("yesterday").is_err());
    }
}
