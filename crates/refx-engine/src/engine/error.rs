//! What can go wrong in a query, told in the words of its author.
//!
//! An error keeps what a steward needs: the kind, one sentence, the place in the SQL text, and the
//! names that may have been meant.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::tokenizer::Location;

use super::explain::{arrow, explain, parquet};
use refx_core::diagnostic::{Code, Diagnostic, closest};

/// One-based line and column, in characters, of a SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The parser's, where it has one.
    pub(super) fn of(place: Location) -> Option<Position> {
        let position = Position {
            line: usize::try_from(place.line).ok()?,
            column: usize::try_from(place.column).ok()?,
        };
        (position.line > 0).then_some(position)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The text does not parse, or is not the one SELECT that it has to be.
    Syntax,
    UnknownTable,
    UnknownColumn,
    UnknownFunction,
    /// A name that more than one table has.
    Ambiguous,
    /// Types that do not fit each other.
    Type,
    /// Parses, and yet cannot be planned.
    Plan,
    /// Fails while it runs.
    Execution,
    /// Memory or disk space is used up.
    Resources,
    /// A file or a store cannot be read or written.
    Io,
    /// A source whose files are not there.
    Missing,
    /// A source whose files are not what they are said to be.
    Source,
}

/// A query that failed. Boxed, since results carry it everywhere.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

#[derive(Clone, Debug)]
pub struct Details {
    pub kind: Kind,
    /// A sentence fragment in lower case.
    pub message: String,
    /// Where in the SQL text that was given.
    pub position: Option<Position>,
    /// The name that was written, where the error is about one.
    pub written: Option<String>,
    /// Names that exist, for `did you mean`.
    pub candidates: Vec<String>,
    pub help: Option<String>,
}

impl Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Details {
            kind,
            message: message.into(),
            position: None,
            written: None,
            candidates: Vec::new(),
            help: None,
        }))
    }

    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Error {
        let error = system_error(error).unwrap_or(error);
        let told = |kind| Error::new(kind, format!("{what}: {}", plain_io(error)));
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                told(Kind::Resources).help("free disk space, or name another `spill_directory`")
            }
            _ => told(Kind::Io),
        }
    }

    /// The engine's error in another crate's, if that is what it is.
    pub(crate) fn of(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
        let datafusion = error.downcast_ref::<DataFusionError>().map(explain);
        let arrow_error = || error.downcast_ref::<ArrowError>().map(arrow);
        let parquet_error = || error.downcast_ref::<ParquetError>().map(parquet);
        datafusion.or_else(arrow_error).or_else(parquet_error)
    }

    pub(crate) fn at(mut self, position: Option<Position>) -> Error {
        self.0.position = position.or(self.0.position);
        self
    }

    /// The error of reading a file, with the file's name.
    pub(super) fn in_file(mut self, file: &str) -> Error {
        self.0.kind = Kind::Source;
        let named = format!("`{file}`");
        if !self.0.message.starts_with(&named) {
            self.0.message = format!("{named}: {}", self.0.message);
        }
        self
    }

    /// The error of a text that was wrapped with a number of lines before it.
    pub fn moved_up(mut self, lines: usize) -> Error {
        if let Some(place) = &mut self.0.position {
            place.line = place.line.saturating_sub(lines).max(1);
        }
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    pub(super) fn written(mut self, written: impl Into<String>) -> Error {
        self.0.written = Some(written.into());
        self
    }

    pub(crate) fn candidates(mut self, names: impl IntoIterator<Item = String>) -> Error {
        self.0.candidates.extend(names);
        self
    }

    pub fn code(&self) -> Code {
        match self.kind {
            Kind::Syntax => Code::SqlSyntax,
            Kind::UnknownTable => Code::UnknownTable,
            Kind::UnknownColumn => Code::UnknownColumn,
            Kind::UnknownFunction => Code::UnknownFunction,
            Kind::Ambiguous | Kind::Type | Kind::Plan => Code::SqlError,
            Kind::Execution | Kind::Resources => Code::QueryFailed,
            Kind::Io | Kind::Missing | Kind::Source => Code::UnreadableSource,
        }
    }

    /// The diagnostic without its place: the caller knows which file the SQL text came from.
    pub fn into_diagnostic(self) -> Diagnostic {
        let code = self.code();
        let details = *self.0;
        let mut diagnostic = Diagnostic::error(code, details.message);
        if let Some(written) = &details.written {
            // Names of functions run into the hundreds: only a near one helps.
            let near = closest(written, details.candidates.iter().map(String::as_str));
            if matches!(details.kind, Kind::UnknownColumn | Kind::Source)
                && near.is_none()
                && let Some(note) = list(&details.candidates)
            {
                diagnostic = diagnostic.note(format!("the columns are {note}"));
            }
            if let Some(near) = near {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
        match details.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// Up to a dozen names in backticks.
fn list(names: &[String]) -> Option<String> {
    const SHOWN: usize = 12;
    let mut seen = BTreeSet::new();
    let names: Vec<&String> = names.iter().filter(|name| seen.insert(*name)).collect();
    let shown = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match names.len() {
        0 => None,
        n if n > SHOWN => Some(format!("{shown} and {} more", n - SHOWN)),
        _ => Some(shown),
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Error {
        explain(&error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Error {
        arrow(&error)
    }
}

/// The error of the operating system at the bottom of another.
pub(crate) fn system_error<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.raw_os_error().is_some() => return Some(io),
            // Its `source` skips the error that it holds.
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    None
}

pub(crate) fn plain_io(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "no permission".to_owned(),
        ErrorKind::StorageFull => "no space left on the disk".to_owned(),
        ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file stands where a folder belongs".to_owned()
        }
        ErrorKind::IsADirectory => "a folder stands where a file belongs".to_owned(),
        _ => error.to_string(),
    }
}
