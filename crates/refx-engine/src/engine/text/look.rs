//! The columns that a text file shows.

use futures::StreamExt;

use super::chunks::{Piece, TextFile, pieces};
use super::guess::Guess;
use super::json::{self, Kind};
use super::records::{Dialect, Grammar, starts};
use super::{csv, not_an_object, ragged};
use crate::engine::{self, Error};

/// How much of a file is looked at for its types: at least so many rows and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    rows: usize,
    bytes: usize,
}

impl Default for Sample {
    /// All of a file that is small, else as many rows as DuckDB looks at.
    fn default() -> Sample {
        Sample {
            rows: 20_480,
            bytes: 8 << 20,
        }
    }
}

impl Sample {
    /// The whole file.
    pub const ALL: Sample = Sample {
        rows: usize::MAX,
        bytes: usize::MAX,
    };

    /// A number of rows; of less than none, the whole file, as DuckDB has it.
    pub fn of_rows(rows: i64) -> Sample {
        match usize::try_from(rows) {
            Ok(rows) => Sample { rows, bytes: 0 },
            Err(_) => Sample::ALL,
        }
    }
}

/// What a file shows of its columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// In the order of the file.
    pub(super) columns: Vec<(String, Kind)>,
    pub(super) rows: usize,
    /// Whether all rows were looked at.
    pub(super) complete: bool,
}

/// Looks at the first rows of a file; an empty one has no columns.
pub(super) async fn look(
    file: &TextFile,
    grammar: Grammar,
    nulls: &[String],
    sample: Sample,
) -> Result<Look, Error> {
    let mut pieces = pieces(file, grammar);
    let mut look = Look::default();
    let (mut seen, mut known) = (0, Kind::default());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if look.rows >= sample.rows && seen >= sample.bytes {
            return Ok(Look {
                columns: columns(look.columns, known),
                ..look
            });
        }
        seen += piece.bytes.len();
        match grammar {
            Grammar::Csv(dialect) => of_csv(file, dialect, nulls, &piece, &mut look)?,
            Grammar::Json => known = of_json(file, &piece, known, &mut look)?,
        }
    }
    Ok(Look {
        columns: columns(look.columns, known),
        complete: true,
        ..look
    })
}

fn columns(of_csv: Vec<(String, Kind)>, known: Kind) -> Vec<(String, Kind)> {
    match known {
        Kind::Object(keys) => keys.into_iter().collect(),
        _ => of_csv,
    }
}

/// The names of a CSV file's columns: those of its header, or their numbers.
pub(super) fn names(dialect: Dialect, first: Vec<String>) -> Vec<String> {
    match dialect.header {
        true => first,
        false => (1..=first.len()).map(|at| format!("column_{at}")).collect(),
    }
}

fn of_csv(
    file: &TextFile,
    dialect: Dialect,
    nulls: &[String],
    piece: &Piece,
    look: &mut Look,
) -> Result<(), Error> {
    if piece.first {
        let first = csv::first(dialect, &piece.bytes).unwrap_or_default();
        let names = names(dialect, first).into_iter();
        look.columns = names.map(|name| (name, Kind::default())).collect();
    }
    let wanted: Vec<Option<usize>> = (0..look.columns.len()).map(Some).collect();
    let reading = csv::Reading {
        dialect,
        skip: piece.first && dialect.header,
        width: wanted.len(),
        wanted: &wanted,
        nulls,
    };
    let rows = csv::rows(&piece.bytes, &reading, usize::MAX);
    for rows in rows.map_err(|bad| ragged(file, piece, &bad))? {
        look.rows += rows.starts.len();
        for ((_, kind), values) in look.columns.iter_mut().zip(&rows.columns) {
            let mut guess = match kind {
                Kind::Scalar(guess) => *guess,
                _ => Guess::default(),
            };
            values.iter().flatten().for_each(|value| guess.see(value));
            *kind = Kind::Scalar(guess);
        }
    }
    Ok(())
}

fn of_json(
    file: &TextFile,
    piece: &Piece,
    mut known: Kind,
    look: &mut Look,
) -> Result<Kind, Error> {
    for record in records(piece) {
        let bytes = &piece.bytes[record.clone()];
        known = json::look(bytes, known)
            .map_err(|broken| not_an_object(file, piece, record.start, broken))?;
        look.rows += 1;
    }
    Ok(known)
}

/// The places of a piece's records.
pub(super) fn records(piece: &Piece) -> impl Iterator<Item = std::ops::Range<usize>> {
    let starts = starts(Grammar::Json, &piece.bytes);
    let ends = starts
        .clone()
        .into_iter()
        .skip(1)
        .chain([piece.bytes.len()]);
    starts
        .into_iter()
        .zip(ends.collect::<Vec<_>>())
        .map(|(start, end)| start..end)
}

/// What all files of a source show together.
pub(super) fn together(looks: &[(&TextFile, &Look)]) -> Result<Vec<(String, Kind)>, Error> {
    let mut all: Vec<(String, Kind)> = Vec::new();
    for (file, look) in looks {
        for (name, kind) in &look.columns {
            let Some((_, known)) = all.iter_mut().find(|(known, _)| known == name) else {
                all.push((name.clone(), kind.clone()));
                continue;
            };
            *known = std::mem::take(known).and(kind.clone()).ok_or_else(|| {
                Error::new(
                    engine::Kind::Source,
                    format!(
                        "column `{name}` has lists or objects in `{}` or in the files before it, and \
                         other values in the others",
                        file.shown
                    ),
                )
                .help("split the source")
            })?;
        }
    }
    Ok(all)
}
