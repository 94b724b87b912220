//! DataFusion's errors in our words.
//!
//! DataFusion wraps its errors in contexts, backtraces and prefixes. This file takes them off.

use std::sync::LazyLock;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Diagnostic as PlannerNote, SchemaError};
use datafusion::object_store;
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::parser::ParserError;
use regex::Regex;

use super::error::system_error;
use super::files::shown;
use super::refused::refused;
use super::reword::{reword, types};
use super::{CATALOG, Error, Kind, Position, SCHEMA};

pub(super) fn explain(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Diagnostic(note, inner) => with_note(note, explain(inner)),
        // Several mistakes of one SELECT list: the first is shown, the rest appear once it is gone.
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => explain(first),
            None => Error::new(Kind::Execution, "the query failed"),
        },
        DataFusionError::Context(_, inner) => explain(inner),
        DataFusionError::Shared(inner) => explain(inner),
        DataFusionError::SQL(parser, _) => syntax(parser),
        DataFusionError::SchemaError(schema, _) => names(schema),
        DataFusionError::Plan(message) => plan(message),
        DataFusionError::NotImplemented(message) => reword(strip(message)).unwrap_or_else(|| {
            let message = first_lower(without_tree(strip(message)));
            Error::new(Kind::Plan, format!("not supported: {message}"))
        }),
        DataFusionError::Configuration(message) => Error::new(Kind::Plan, strip(message)),
        DataFusionError::ResourcesExhausted(message) => resources(message),
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::ParquetError(inner) => parquet(inner),
        DataFusionError::ObjectStore(inner) => store(inner),
        DataFusionError::IoError(inner) => Error::io("reading or writing failed", inner),
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::ExecutionJoin(inner) => failed(&inner.to_string()),
        DataFusionError::Execution(message) if message.starts_with("Table '") => plan(message),
        DataFusionError::Execution(message)
        | DataFusionError::Internal(message)
        | DataFusionError::Substrait(message) => failed(message),
        other => failed(&other.to_string()),
    }
}

/// What fails while it runs, and has no more than a text.
fn failed(message: &str) -> Error {
    // So tokio tells of a task that panicked. Bytes that no check of a reader caught are the usual
    // cause: a damaged file may break off the decoder far from where it is read.
    match message.split_once(" panicked") {
        Some((_, why)) => {
            let why = why.trim_start_matches(" with message ").trim_matches('"');
            let message = match why.is_empty() {
                true => "the engine broke off".to_owned(),
                false => format!("the engine broke off: {why}"),
            };
            Error::new(Kind::Execution, message).help(
                "a damaged file is the usual cause: check the files that this reads; \
                 otherwise please report it with the model's text",
            )
        }
        None => reword(strip(message))
            .unwrap_or_else(|| Error::new(Kind::Execution, first_lower(strip(message)))),
    }
}

/// An error of another crate may hide one of DataFusion, of a store or of the system.
fn external(error: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(inner) = error.downcast_ref::<Error>() {
        return inner.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return explain(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow(inner);
    }
    if let Some(inner) = error.downcast_ref::<ParquetError>() {
        return parquet(inner);
    }
    if let Some(inner) = error.downcast_ref::<object_store::Error>() {
        return store(inner);
    }
    if let Some(inner) = error.downcast_ref::<std::io::Error>() {
        return Error::io("reading or writing failed", inner);
    }
    match error.source() {
        Some(inner) => external(inner),
        None => failed(&error.to_string()),
    }
}

/// The planner's own note adds the place, and often says it better than the error.
fn with_note(note: &PlannerNote, error: Error) -> Error {
    let position = note.span.map(|span| Position {
        line: span.start.line as usize,
        column: span.start.column as usize,
    });
    let error = error.at(position);
    if error.kind != Kind::Plan {
        return error;
    }
    if let Some(reworded) = reword(note.message.trim()) {
        let place = error.position.filter(|_| reworded.written.is_none());
        return reworded.at(place);
    }
    let message = backticks(&first_lower(&note.message));
    let kind = match message.contains("incompatible types") {
        true => Kind::Type,
        false => Kind::Plan,
    };
    // Where types clash, only the error itself names the two.
    let told = match kind {
        Kind::Type => Error::new(kind, error.message.clone()),
        _ => Error::new(kind, message),
    };
    let told = told.at(error.position);
    match note.helps.first() {
        Some(help) => told.help(backticks(&first_lower(&help.message))),
        None => told,
    }
}

pub(super) fn syntax(error: &ParserError) -> Error {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return Error::new(Kind::Syntax, "the SQL is nested too deeply");
        }
    };
    let (said, position) = split_position(strip(text));
    let said = match said
        .strip_prefix("Expected: ")
        .and_then(|rest| rest.split_once(", found: "))
    {
        Some((wanted, "EOF")) => {
            format!("expected {}, found the end of the text", expected(wanted))
        }
        Some((wanted, found)) => format!("expected {}, found `{}`", expected(wanted), found.trim()),
        None => first_lower(said.trim()),
    };
    Error::new(Kind::Syntax, said).at(position)
}

/// What the parser wants: a sign stands in backticks.
fn expected(wanted: &str) -> String {
    match wanted.chars().all(|sign| sign.is_ascii_punctuation()) {
        true => format!("`{wanted}`"),
        false => wanted.to_owned(),
    }
}

/// Splits `… at Line: 3, Column: 7` off a message of the parser.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some(at) = text.rfind("at Line: ") else {
        return (text, None);
    };
    let numbers = &text[at + "at Line: ".len()..];
    let position = numbers.split_once(", Column: ").and_then(|(line, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Position {
            line: line.trim().parse().ok()?,
            column: digits.parse().ok()?,
        })
    });
    (text[..at].trim_end(), position)
}

fn names(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let written = field.flat_name();
            let qualified = field.relation.is_some();
            Error::new(Kind::UnknownColumn, format!("no column named `{written}`"))
                .written(written)
                .candidates(valid_fields.iter().map(|valid| match qualified {
                    true => valid.flat_name(),
                    false => valid.name.clone(),
                }))
        }
        SchemaError::AmbiguousReference { field } => ambiguous(&field.name),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => match name.contains('(') {
            // DataFusion leaves casts out of the names of aggregates.
            true => twice(name).help(
                "aggregates that differ only in a cast have one name here: cast in a CTE before, or \
                 cast the result",
            ),
            false => twice(name).help(OTHER_NAME),
        },
    }
}

const OTHER_NAME: &str = "give one of them another name with `as`";

fn twice(name: &str) -> Error {
    Error::new(Kind::Ambiguous, format!("two columns are named `{name}`")).written(name)
}

/// A name that more than one table has.
pub(super) fn ambiguous(name: &str) -> Error {
    Error::new(
        Kind::Ambiguous,
        format!("more than one column is named `{name}`"),
    )
    .help(format!(
        "say which one is meant, with the table's alias: `alias.{name}`, or name one of \
         them otherwise with `as`"
    ))
    .written(name)
}

fn plan(message: &str) -> Error {
    let message = strip(message);
    if let Some(error) = reword(message) {
        return error;
    }
    let message = without_tree(message);
    let named = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?;
        rest.split_once('\'').map(|(name, _)| name.to_owned())
    };
    let missing = ["not found", "doesn't exist", "does not exist"];
    let missing = missing.iter().any(|end| message.ends_with(end));
    if let Some(table) = named("table '")
        .or_else(|| named("Table '"))
        .filter(|_| missing)
    {
        let table = local_name(&table);
        return Error::new(Kind::UnknownTable, format!("no table named `{table}`")).written(table);
    }
    if let Some(function) = named("Invalid function '").or_else(|| named("table function '")) {
        let suggested = message
            .split_once("Did you mean '")
            .and_then(|(_, rest)| rest.split_once('\''))
            .map(|(name, _)| name.to_owned());
        return Error::new(
            Kind::UnknownFunction,
            format!("no function named `{function}`"),
        )
        .written(function)
        .candidates(suggested);
    }
    if let Some(name) = twice_named(message) {
        return twice(name).help(OTHER_NAME);
    }
    if let Some((function, wanted)) = refused_argument(message) {
        return Error::new(Kind::Type, format!("`{function}` {wanted}")).written(function);
    }
    if let Some(error) = wrong_arguments(message) {
        return error;
    }
    let signs = [
        "coerce",
        "Cannot infer common argument type",
        "No function matches",
        "does not support",
        "incompatible",
        "but received",
        "Unsupported CAST",
    ];
    let kind = match signs.iter().any(|sign| message.contains(sign)) {
        true => Kind::Type,
        false => Kind::Plan,
    };
    // A failed call says `Function 'lpad' user-defined coercion failed with …`.
    Error::new(kind, types(&first_lower(message)))
}

/// The name in `Projections require unique expression names but the expression "Int64(1) AS x" …`.
fn twice_named(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Projections require unique expression names")?;
    let (_, rest) = rest.split_once('"')?;
    let (expression, _) = rest.split_once("\" at position")?;
    let name = match expression.rsplit_once(" AS ") {
        Some((_, alias)) => alias,
        None if expression.contains('(') => return Some(expression),
        None => expression.rsplit('.').next()?,
    };
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then_some(name)
}

/// The function, and what it `requires …, but received …`: the first of the reasons, one for each
/// signature, that DataFusion strings together.
fn refused_argument(message: &str) -> Option<(&str, &str)> {
    message.split("Function '").skip(1).find_map(|reason| {
        let (function, rest) = reason.split_once("' ")?;
        let wanted = rest.split(" (DataType").next()?;
        (wanted.starts_with("requires ") && wanted.contains("but received"))
            .then_some((function, wanted))
    })
}

/// A message up to where it prints a piece of the parser's tree: `… not valid Substring { expr: …`.
fn without_tree(message: &str) -> &str {
    static TREE: LazyLock<Regex> = LazyLock::new(|| {
        let tree = r"(?s)[:\s]*\b[A-Z]\w*\s?[{(].*(?:quote_style|Span\()";
        Regex::new(tree).expect("the pattern is ours")
    });
    match TREE.find(message) {
        Some(tree) if tree.start() > 0 => &message[..tree.start()],
        _ => message,
    }
}

/// A call whose arguments fit none of the function's signatures, which DataFusion prints as it keeps
/// them.
fn wrong_arguments(message: &str) -> Option<Error> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        let call = r"(?s)(?:argument types '(\w+)\((.*?)\)'\.|call to '(\w+)' function: coercion from (.*?) to the signature)";
        Regex::new(call).expect("the pattern is ours")
    });
    let call = CALL.captures(message)?;
    let group = |one: usize, other: usize| call.get(one).or(call.get(other));
    let function = group(1, 3)?.as_str();
    let given = types(group(2, 4)?.as_str());
    let message = match given.trim() {
        "" => format!("`{function}` is called without an argument that it needs"),
        given => format!("`{function}` does not take ({given})"),
    };
    let error = Error::new(Kind::Type, message).written(function);
    Some(error.help("give it another number of arguments, or cast them to other types"))
}

/// `refx.main.users` is `users` to whoever wrote it.
fn local_name(table: &str) -> String {
    let local = table
        .strip_prefix(CATALOG)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(table);
    local
        .strip_prefix(SCHEMA)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(local)
        .to_owned()
}

fn resources(message: &str) -> Error {
    let message = strip(message);
    if message.contains("disk space") {
        return Error::new(Kind::Resources, "the spill directory is full")
            .help("free disk space, or name another `spill_directory`");
    }
    let first = message.lines().next().unwrap_or(message);
    Error::new(
        Kind::Resources,
        format!(
            "the query needs more memory than the limit: {}",
            first_lower(first)
        ),
    )
    .help("raise `memory_limit`, or lower `threads`: they share it")
}

pub(super) fn arrow(error: &ArrowError) -> Error {
    let said = |text: &str| {
        let text = strip(text);
        reword(text).unwrap_or_else(|| Error::new(Kind::Execution, types(&first_lower(text))))
    };
    match error {
        ArrowError::DivideByZero => Error::new(Kind::Execution, "division by zero"),
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::IoError(_, inner) => Error::io("reading or writing failed", inner),
        ArrowError::CastError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::SchemaError(text) => said(text),
        ArrowError::CsvError(text) => csv(text),
        ArrowError::JsonError(text) => json(text),
        // The readers of files say so too; what a query cannot parse is no fault of a file.
        ArrowError::ParseError(text) if text.contains(" at line ") => csv(text),
        ArrowError::ParseError(text) => said(text),
        other => said(&other.to_string()),
    }
}

fn csv(text: &str) -> Error {
    let text = strip(text);
    if text.to_lowercase().contains("utf-8") {
        return Error::new(Kind::Source, "the text is not UTF-8")
            .help("save the file with the encoding UTF-8");
    }
    // `… Expected 2 records, found 3 records at line 3`, or `… for line 3, expected 2 got 3`.
    if text.contains("unequal lengths") || text.contains("incorrect number of fields") {
        let number = |before: &str| -> Option<u64> {
            let (_, rest) = text.split_once(before)?;
            let digits = rest.find(|letter: char| !letter.is_ascii_digit());
            rest[..digits.unwrap_or(rest.len())].parse().ok()
        };
        let line = number("at line ").or_else(|| number("for line "));
        // Columns of one name are taken for one, and then the header itself has too many.
        if line == Some(1) && text.contains("got more than") {
            return Error::new(
                Kind::Source,
                "two columns of the first line have the same name, or none",
            )
            .help("give each column a name of its own");
        }
        let expected = number("xpected ");
        let found = number("found ").or_else(|| number("got "));
        if let (Some(line), Some(expected), Some(found)) = (line, expected, found) {
            return Error::new(
                Kind::Source,
                format!("line {line} has {found} values where {expected} are expected"),
            )
            .help("put quotes round a value that holds the delimiter, or correct `delimiter`");
        }
    }
    Error::new(Kind::Source, first_lower(text))
}

fn json(text: &str) -> Error {
    let text = strip(text);
    if text.contains("record to be an object") {
        return Error::new(Kind::Source, "a line of JSON is not an object")
            .help("write one object a line, without `[` and `]` around them");
    }
    Error::new(Kind::Source, first_lower(text))
}

pub(super) fn parquet(error: &ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => external(inner.as_ref()),
        other => Error::new(
            Kind::Source,
            format!(
                "a Parquet file cannot be read: {}",
                strip(&other.to_string())
            ),
        )
        .help("have the file delivered again, or check the `format` of the source"),
    }
}

fn store(error: &object_store::Error) -> Error {
    use object_store::Error as Store;
    if let Some(refused) = refused(error) {
        let place = match error {
            Store::NotFound { path, .. }
            | Store::PermissionDenied { path, .. }
            | Store::Unauthenticated { path, .. } => format!("`{path}`: "),
            _ => String::new(),
        };
        return Error::new(Kind::Io, format!("{place}{}", refused.what())).help(refused.help());
    }
    match error {
        Store::NotFound { path, .. } => Error::new(Kind::Missing, format!("there is no `{path}`")),
        Store::PermissionDenied { path, .. } | Store::Unauthenticated { path, .. } => {
            Error::new(Kind::Io, format!("no permission for `{path}`"))
        }
        // Only files of sources are read on a condition.
        Store::Precondition { path, .. } => Error::new(
            Kind::Source,
            format!("`{}` changed while the run was reading it", readable(path)),
        )
        .help("run the same command again; deliver a file under its name when it is complete"),
        other => match system_error(other) {
            Some(io) => Error::io("reading or writing failed", io),
            None => Error::new(Kind::Io, strip(&other.to_string())),
        },
    }
}

/// A path inside of a store, which is the local disk where the path is there.
fn readable(path: &str) -> String {
    let local = format!("/{path}");
    match std::path::Path::new(&local).exists() {
        true => shown(&local),
        false => path.to_owned(),
    }
}

/// Takes off what DataFusion puts before and after a message.
fn strip(message: &str) -> &str {
    const PREFIXES: [&str; 14] = [
        "DataFusion error: ",
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
        "Optimizer rule 'simplify_expressions' failed\ncaused by\n",
        "type_coercion\ncaused by\n",
        "Resources exhausted: ",
        "Internal error: ",
        "Compute error: ",
        "Cast error: ",
        "Parquet error: ",
    ];
    let mut message = message;
    for cut in [
        "\n\nbacktrace:",
        "\nThis issue was likely caused by a bug",
        ".\nThis issue",
    ] {
        message = message.split(cut).next().unwrap_or(message);
    }
    while let Some(rest) = PREFIXES.iter().find_map(|p| message.strip_prefix(p)) {
        message = rest;
    }
    message.trim().trim_end_matches('.')
}

fn first_lower(text: &str) -> String {
    let mut characters = text.chars();
    let (first, second) = (characters.next(), characters.clone().next());
    match (first, second) {
        // `CSV file` keeps its capitals.
        (Some(_), Some(second)) if second.is_uppercase() => text.to_owned(),
        (Some(first), _) => first.to_lowercase().collect::<String>() + characters.as_str(),
        (None, _) => String::new(),
    }
}

/// Our messages put names in backticks where DataFusion's put them in quotes; `it's` stays.
fn backticks(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut before = None;
    while let Some(letter) = letters.next() {
        let within = |side: Option<char>| side.is_some_and(char::is_alphabetic);
        let apostrophe = within(before) && within(letters.peek().copied());
        told.push(match letter {
            '\'' if !apostrophe => '`',
            letter => letter,
        });
        before = Some(letter);
    }
    told
}
