//! What can go wrong with a table.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::common::DataFusionError;
use deltalake::kernel::transaction::TransactionError;
use deltalake::{DeltaTableError, ObjectStoreError};

use super::Location;
use super::audit::Holder;
use super::damage::unanswered;
use super::origin::Ahead;
use super::sample::Sample;
use crate::engine;
use refx_core::diagnostic::{Code, Diagnostic};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no table at `{location}`")]
    Missing { location: String },
    /// Features of Delta that refx cannot read or write.
    #[error("`{location}` cannot be {access}: {reason}")]
    Unsupported {
        location: String,
        /// `read` or `written`.
        access: &'static str,
        reason: String,
    },
    #[error("another writer keeps committing to `{location}`")]
    Conflict { location: String },
    #[error("{} NULL in the primary key {key}", counted(*rows, holder.row(), holder.rows()))]
    NullKey {
        /// The columns in backticks.
        key: String,
        rows: u64,
        /// Up to five of the keys.
        samples: Vec<Sample>,
        holder: Holder,
    },
    #[error("{} more than once in the primary key {key}, in {rows} rows{}", counted(*keys, "value occurs", "values occur"), holder.suffix())]
    DuplicateKey {
        key: String,
        keys: u64,
        rows: u64,
        /// Up to five of the keys, with how many rows have each.
        samples: Vec<Sample>,
        holder: Holder,
    },
    /// A constraint that rows do not fulfil.
    #[error("{} not fulfil the constraint {name}", counted(*rows, "row does", "rows do"))]
    Constraint {
        name: String,
        rows: u64,
        /// Up to five of the rows.
        samples: Vec<Sample>,
    },
    /// The audit that the caller asked for did not let the table pass.
    #[error("the table was not published: it did not pass its tests")]
    Held {
        /// The version that readers go on seeing.
        version: Option<i64>,
    },
    /// Conditions of the merge hide rows whose keys come again: these would be inserted a second time.
    #[error("`incremental_predicates` leave out {} whose {key} the model gives again", counted(*rows, "row", "rows"))]
    HiddenKey {
        /// The columns in backticks.
        key: String,
        rows: u64,
    },
    /// What a merge's settings say cannot be planned over its two sides.
    #[error("`{setting}`: {message}")]
    Rule {
        /// The setting's name in a model's `config`.
        setting: &'static str,
        message: String,
        help: Option<String>,
    },
    /// The table rests on something later than the run.
    #[error("{}", ahead(.0))]
    Ahead(Ahead),
    /// Only the clock tells the run from one that was applied, and its rows would add up.
    #[error(
        "whether this run repeats the one as of {} is not clear: its inputs and its code are the same",
        instant(table)
    )]
    Unclear {
        table: DateTime<Utc>,
        run: DateTime<Utc>,
        version: i64,
    },
    /// More of the table would go than the model allows.
    #[error(
        "`on_missing` would delete {} of {} ({}), more than `max_delete_ratio` {}",
        digits(*deleted), counted_in_groups(*rows), percent(*deleted as f64 / *rows as f64), percent(*limit)
    )]
    TooManyMissing {
        deleted: u64,
        /// Rows of the table before.
        rows: u64,
        /// From 0 to 1.
        limit: f64,
    },
    /// The rows do not fit the table.
    #[error("{message}")]
    Schema {
        column: Option<String>,
        message: String,
        help: String,
    },
    /// What was asked for cannot be done to this table.
    #[error("{what}")]
    Refused { what: String, help: String },
    #[error("{what}")]
    Io { what: String, help: Option<String> },
    /// A log or a file that is torn or gone.
    #[error("the table at `{location}` is broken: {what}")]
    Corrupt { location: String, what: String },
    /// The store neither took the commit nor said that it is not there.
    #[error("whether version {version} was committed is not known: {what}")]
    Unsure { version: u64, what: String },
    /// The run was given up before the commit.
    #[error("nothing was committed: the run was interrupted")]
    Stopped,
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

impl Error {
    pub(super) fn io(what: &str, error: &std::io::Error) -> Error {
        let help = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Some("free disk space and run again; nothing was published".to_owned())
            }
            _ => None,
        };
        Error::Io {
            what: format!("`{what}`: {}", engine::plain_io(error)),
            help,
        }
    }

    pub(super) fn schema(
        column: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Error {
        Error::Schema {
            column: Some(column.to_owned()),
            message: message.into(),
            help: help.into(),
        }
    }

    /// Every error of deltalake in these words.
    pub(super) fn from_delta(error: DeltaTableError, location: &Location) -> Error {
        let shown = location.shown();
        if let Some(refused) = engine::refused(&error) {
            return Error::Io {
                what: format!("`{shown}`: {}", refused.what()),
                help: Some(refused.help().to_owned()),
            };
        }
        match error {
            DeltaTableError::NotATable(_) | DeltaTableError::NotInitialized => {
                Error::Missing { location: shown }
            }
            DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::VersionMismatch(..) => {
                Error::Conflict { location: shown }
            }
            DeltaTableError::Transaction { source } => transaction(source, shown),
            DeltaTableError::ObjectStore { source } => store(&source, shown),
            DeltaTableError::Io { source } => Error::io(&shown, &source),
            DeltaTableError::UnsupportedColumnMapping { .. } => Error::Unsupported {
                location: shown,
                access: "written",
                reason: "it uses column mapping".to_owned(),
            },
            DeltaTableError::SchemaMismatch { msg }
            | DeltaTableError::InvalidData { message: msg } => Error::Schema {
                column: None,
                message: msg,
                help: "correct the model, or rebuild the table with `--full-refresh`".to_owned(),
            },
            DeltaTableError::InvalidJsonLog { version, .. } => Error::Corrupt {
                location: shown,
                what: format!("the log entry of version {version} is not valid JSON"),
            },
            DeltaTableError::InvalidVersion(version) => Error::Corrupt {
                location: shown,
                what: format!("version {version} is not in its log"),
            },
            DeltaTableError::MetadataError(what) => Error::Corrupt {
                location: shown,
                what,
            },
            other => hidden(&other, shown),
        }
    }

    /// Whether nothing is there that could be read.
    pub fn is_missing(&self) -> bool {
        match self {
            Error::Missing { .. } => true,
            Error::Engine(error) => error.kind == engine::Kind::Missing,
            _ => false,
        }
    }

    /// The error without values of personal data: `personal` are its columns, in lower case.
    pub fn masked(mut self, personal: &BTreeSet<String>) -> Error {
        if let Error::NullKey { samples, .. }
        | Error::DuplicateKey { samples, .. }
        | Error::Constraint { samples, .. } = &mut self
        {
            for sample in samples {
                sample.mask(personal);
            }
        }
        self
    }

    /// The error of a table that refx only reads: it is not refx that can make it anew.
    pub fn of_source(self) -> Error {
        match self {
            Error::Missing { location } => Error::Io {
                what: format!("there is no Delta table at `{location}`"),
                help: Some(
                    "correct `location` or `format`: a Delta table is a folder with a `_delta_log`"
                        .to_owned(),
                ),
            },
            Error::Corrupt { .. } => Error::Io {
                what: self.to_string(),
                help: Some("have the table repaired or delivered again".to_owned()),
            },
            error => error,
        }
    }

    /// What a person reads, without a place: the caller knows which model it was.
    pub fn into_diagnostic(self) -> Diagnostic {
        let message = self.to_string();
        let told = |code| Diagnostic::error(code, message);
        match self {
            Error::Engine(error) => error.into_diagnostic(),
            Error::Missing { .. } => told(Code::UnreadableSource)
                .help("build it first, or check where the target points"),
            Error::Unsupported { .. } => told(Code::UnsupportedTable)
                .help("write it with the tool that made it, or give the model another `alias`"),
            Error::Conflict { .. } => {
                told(Code::CommitConflict).help("run again when the other writer is done")
            }
            Error::NullKey {
                samples, holder, ..
            } => with_samples(told(Code::NullKey), samples).help(match holder {
                Holder::Query => "filter these rows out in the model, or correct the primary key",
                Holder::Table => FOREIGN_ROWS,
            }),
            Error::DuplicateKey {
                samples, holder, ..
            } => with_samples(told(Code::DuplicateKey), samples).help(match holder {
                Holder::Query => {
                    "deduplicate in the model, choose a row with `on_duplicate_key`, or add the \
                     missing column to the primary key"
                }
                Holder::Table => FOREIGN_ROWS,
            }),
            Error::Constraint { samples, .. } => {
                with_samples(told(Code::BrokenConstraint), samples).help(
                    "filter these rows out or correct them in the model; nothing was published",
                )
            }
            Error::Held { .. } => told(Code::TableHeld),
            Error::Ahead(ahead) => {
                let told = told(Code::TableAhead);
                let told = told.note("nothing was written: older rows would replace newer ones");
                told.help(way_on(&ahead))
            }
            Error::Unclear {
                table,
                run,
                version,
            } => told(Code::UnclearInterval)
                .note(format!(
                    "nothing was written: version {version} may have the same rows already"
                ))
                .help(format!(
                    "to resume that run, `--as-of {}`; to add rows of a new interval, `--as-of {}`",
                    seconds(&table),
                    seconds(&run)
                )),
            Error::HiddenKey { .. } => told(Code::DuplicateKey)
                .help("widen the condition until it holds for every row that may come again"),
            Error::Rule { help, .. } => match help {
                Some(help) => told(Code::InvalidConfig).help(help),
                None => told(Code::InvalidConfig),
            },
            Error::TooManyMissing { deleted, rows, .. } => told(Code::TooManyMissing)
                .note("nothing was committed")
                .help(format!(
                    "see whether the source is complete; if these rows are really gone, set \
                     `max_delete_ratio: {}` for one run",
                    // Rounded up, so that what is offered suffices.
                    (deleted as f64 / rows as f64 * 1000.0).ceil() / 1000.0
                )),
            Error::Schema { help, .. } => told(Code::SchemaMismatch).help(help),
            Error::Refused { help, .. } => told(Code::InvalidValue).help(help),
            Error::Io { help, .. } => match help {
                Some(help) => told(Code::TableFailed).help(help),
                None => told(Code::TableFailed),
            },
            Error::Unsure { .. } => told(Code::TableFailed).help(
                "run again when the store can be reached: what is committed already is not applied twice",
            ),
            Error::Stopped => told(Code::TableFailed).help("run again"),
            Error::Corrupt { .. } => told(Code::TableFailed).help(
                "nothing was written; restore its files, or move its folder away and run again: \
                     the table is built anew",
            ),
        }
    }
}

/// What to do about rows that refx did not let in.
const FOREIGN_ROWS: &str = "another tool wrote them, or the key is new: correct the table, or \
    rebuild it with `--full-refresh`; nothing was published";

/// What a table is ahead of.
fn ahead(ahead: &Ahead) -> String {
    let at = |version: &Option<i64>| match version {
        Some(version) => format!(" since version {version}"),
        None => String::new(),
    };
    match ahead {
        Ahead::Instant {
            table,
            run,
            version,
        } => format!(
            "the table is as of {}{}, and the run is as of {}",
            instant(table),
            at(version),
            instant(run)
        ),
        Ahead::Input {
            input,
            table,
            run,
            version,
        } => format!(
            "the table was computed from version {table} of `{input}`{}, and the run read version {run}",
            at(version)
        ),
        Ahead::Files { input, version } => format!(
            "a run that began later wrote the table{} from other files of `{input}`",
            at(version)
        ),
    }
}

/// How to go on where a table is ahead.
fn way_on(ahead: &Ahead) -> String {
    let otherwise = "to let the table go back, `--allow-older`";
    match ahead {
        Ahead::Instant { table, .. } => format!(
            "run it as of that instant or a later one (`--as-of {}`); {otherwise}, or `refx restore` \
             to bring back an earlier version",
            seconds(table)
        ),
        Ahead::Input { .. } | Ahead::Files { .. } => {
            format!("run again: the run then reads what is there now; {otherwise}")
        }
    }
}

/// `2024-09-01 06:00:00 UTC`.
fn instant(at: &DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}

/// As `--as-of` takes it.
fn seconds(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Holder {
    fn row(self) -> &'static str {
        match self {
            Holder::Query => "row has",
            Holder::Table => "row of the table has",
        }
    }

    fn rows(self) -> &'static str {
        match self {
            Holder::Query => "rows have",
            Holder::Table => "rows of the table have",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Holder::Query => "",
            Holder::Table => " of the table",
        }
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// `1,000 rows`.
fn counted_in_groups(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", digits(rows)),
    }
}

/// Digits in groups of three.
fn digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `31.2 %`; `5 %` where there is nothing behind the point.
fn percent(ratio: f64) -> String {
    let text = format!("{:.1}", ratio * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

fn with_samples(diagnostic: Diagnostic, samples: Vec<Sample>) -> Diagnostic {
    let texts: Vec<String> = samples.iter().map(ToString::to_string).collect();
    texts
        .iter()
        .flat_map(|sample| sample.lines())
        .fold(diagnostic, |diagnostic, sample| diagnostic.note(sample))
}

fn transaction(error: TransactionError, location: String) -> Error {
    match error {
        TransactionError::VersionAlreadyExists(_)
        | TransactionError::CommitConflict(_)
        | TransactionError::MaxCommitAttempts(_) => Error::Conflict { location },
        TransactionError::DeltaTableAppendOnly => Error::Unsupported {
            location,
            access: "written",
            reason: "its property `delta.appendOnly` allows only appends".to_owned(),
        },
        TransactionError::UnsupportedTableFeatures(features) => Error::Unsupported {
            location,
            access: "written",
            reason: format!(
                "it uses {}",
                features
                    .iter()
                    .map(|feature| format!("`{}`", feature.as_ref()))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
        TransactionError::TableFeaturesRequired(feature) => Error::Unsupported {
            location,
            access: "written",
            reason: format!("it lacks the feature `{}`", feature.as_ref()),
        },
        TransactionError::ObjectStore { source } => store(&source, location),
        other => Error::Io {
            what: format!("`{location}`: {other}"),
            help: None,
        },
    }
}

fn store(error: &ObjectStoreError, location: String) -> Error {
    match error {
        ObjectStoreError::NotFound { path, .. } => Error::Corrupt {
            location,
            what: format!("the file `{path}` is gone"),
        },
        ObjectStoreError::PermissionDenied { path, .. }
        | ObjectStoreError::Unauthenticated { path, .. } => Error::Io {
            what: format!("no permission for `{path}`"),
            help: None,
        },
        other => match engine::system_error(other) {
            Some(io) => Error::io(&location, io),
            None => match unanswered(other) {
                Some(what) => unreachable(&what, &location),
                None => Error::Io {
                    what: format!("`{location}`: {other}"),
                    help: None,
                },
            },
        },
    }
}

/// The error of a call that a remote store did not answer.
fn unreachable(what: &str, location: &str) -> Error {
    Error::Io {
        what: format!("`{location}`: {what}"),
        help: Some("see whether the store can be reached, and run again".to_owned()),
    }
}

/// Errors that deltalake wraps: of the engine, of a store, of the log's reader.
fn hidden(error: &DeltaTableError, location: String) -> Error {
    use std::io::ErrorKind;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    match engine::system_error(error) {
        // A file that is gone is told below, with its name.
        Some(io) if io.kind() != ErrorKind::NotFound => return Error::io(&location, io),
        _ => {}
    }
    if let Some(what) = unanswered(error) {
        return unreachable(&what, &location);
    }
    while let Some(inner) = next {
        if let Some(ours) = inner.downcast_ref::<engine::Error>() {
            return Error::Engine(ours.clone());
        }
        if let Some(delta) = inner.downcast_ref::<TransactionError>() {
            return Error::Io {
                what: format!("`{location}`: {delta}"),
                help: None,
            };
        }
        if let Some(missing) = inner.downcast_ref::<ObjectStoreError>() {
            return store(missing, location);
        }
        if let Some(failed) = engine::Error::of(inner) {
            return match failed.kind {
                engine::Kind::Missing | engine::Kind::Source | engine::Kind::Io => Error::Corrupt {
                    location,
                    what: failed.message.clone(),
                },
                _ => Error::Engine(failed),
            };
        }
        next = inner.source();
    }
    let text = error.to_string();
    // Where backtraces are asked for, the log's reader writes them into its messages.
    let text = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    let text = text
        .trim_start_matches("Kernel error: ")
        .trim_start_matches("Generic DeltaTable error: ")
        .trim_start_matches("Generic error: ");
    // The writer's tasks hand their errors on as text.
    if text.contains("Resources exhausted") || text.contains("Not enough memory") {
        let error = DataFusionError::ResourcesExhausted(text.to_owned());
        return Error::Engine(error.into());
    }
    if let Some(reason) = unsupported(text) {
        return Error::Unsupported {
            location,
            access: "read",
            reason,
        };
    }
    let log = ["log", "checkpoint", "commit file", "json"];
    let lower = text.to_lowercase();
    match log.iter().any(|sign| lower.contains(sign)) || text.starts_with(UNREADABLE) {
        true => Error::Corrupt {
            location,
            what: broken(text),
        },
        false => Error::Io {
            what: format!("`{location}`: {text}"),
            help: None,
        },
    }
}

/// How the message begins that a data file cannot be read.
const UNREADABLE: &str = "Parquet error: Parquet error: Failed to fetch metadata for file ";

/// What of the table the log's reader does not know.
fn unsupported(text: &str) -> Option<String> {
    let text = text.strip_prefix("Unsupported: ")?;
    let version = text.strip_prefix("Unsupported minimum reader version ");
    let feature = text
        .strip_prefix("Feature '")
        .and_then(|rest| rest.split_once('\''));
    Some(match (version, feature) {
        (Some(version), _) => format!("it asks for a reader of version {version}"),
        (_, Some((feature, _))) => format!("it uses `{feature}`"),
        _ => text.to_owned(),
    })
}

/// What is torn or gone, in a steward's words where they are known.
fn broken(text: &str) -> String {
    if let Some(rest) = text.strip_prefix(UNREADABLE) {
        let path = rest.split(": ").next().unwrap_or(rest);
        let file = path.rsplit('/').next().unwrap_or(path);
        return match rest.contains("not found") {
            true => format!("its data file `{file}` is gone"),
            false => format!("its data file `{file}` cannot be read"),
        };
    }
    if text.contains("Expected contiguous commit files") {
        return "a version is missing from its log".to_owned();
    }
    match text.strip_prefix("Json error: ") {
        Some(detail) => format!("its log is not valid JSON: {detail}"),
        None => text.to_owned(),
    }
}
