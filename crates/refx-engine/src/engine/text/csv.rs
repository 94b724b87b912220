//! The records of CSV as columns of texts.

use csv::{ByteRecord, Reader, ReaderBuilder};
use datafusion::arrow::array::{StringArray, StringBuilder};

use super::records::Dialect;

/// Columns of some rows, each value a text or NULL.
pub(super) struct Rows {
    pub(super) columns: Vec<StringArray>,
    /// Where in the piece each row begins.
    pub(super) starts: Vec<usize>,
}

/// A record that does not have the columns of its file.
pub(super) struct Ragged {
    pub(super) at: usize,
    pub(super) expected: usize,
    pub(super) found: usize,
}

fn reader(dialect: Dialect, bytes: &[u8]) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .escape(dialect.escape)
        .comment(dialect.comment)
        .from_reader(bytes)
}

/// The values of the first record; none where there is no record.
pub(super) fn first(dialect: Dialect, bytes: &[u8]) -> Option<Vec<String>> {
    let mut record = ByteRecord::new();
    // Reading memory does not fail.
    let found = reader(dialect, bytes).read_byte_record(&mut record);
    let values = record.iter().map(|value| String::from_utf8_lossy(value));
    matches!(found, Ok(true)).then(|| values.map(|value| value.into_owned()).collect())
}

/// How a piece is read.
pub(super) struct Reading<'a> {
    pub(super) dialect: Dialect,
    /// Whether the first record is the header.
    pub(super) skip: bool,
    /// Values that each record has.
    pub(super) width: usize,
    /// The places of the columns that are wanted; none for one that this file lacks.
    pub(super) wanted: &'a [Option<usize>],
    /// What stands for NULL beside the empty text.
    pub(super) nulls: &'a [String],
}

/// The rows of a piece, so many at a time.
pub(super) fn rows(
    bytes: &[u8],
    reading: &Reading<'_>,
    at_once: usize,
) -> Result<Vec<Rows>, Ragged> {
    let mut reader = reader(reading.dialect, bytes);
    let mut open = Open::new(reading.wanted.len());
    let mut done = Vec::new();
    let mut record = ByteRecord::new();
    let mut skip = reading.skip;
    loop {
        let from = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        // Reading memory does not fail.
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            break;
        }
        if std::mem::take(&mut skip) {
            continue;
        }
        let (blanks, start) = blank_lines(bytes, from);
        // With a single column, a line without a sign is a row whose value is NULL.
        if reading.width == 1 {
            (0..blanks).for_each(|blank| open.push(from + blank, reading, |_| None));
        }
        if record.len() != reading.width {
            return Err(Ragged {
                at: start,
                expected: reading.width,
                found: record.len(),
            });
        }
        open.push(start, reading, |at| record.get(at));
        if open.starts.len() >= at_once {
            done.push(open.close());
        }
    }
    if !open.starts.is_empty() {
        done.push(open.close());
    }
    Ok(done)
}

/// Rows that are being read.
struct Open {
    starts: Vec<usize>,
    columns: Vec<StringBuilder>,
}

impl Open {
    fn new(columns: usize) -> Open {
        Open {
            starts: Vec::new(),
            columns: (0..columns).map(|_| StringBuilder::new()).collect(),
        }
    }

    fn push<'a>(
        &mut self,
        start: usize,
        reading: &Reading<'_>,
        value: impl Fn(usize) -> Option<&'a [u8]>,
    ) {
        self.starts.push(start);
        for (column, at) in self.columns.iter_mut().zip(reading.wanted) {
            let value = at.and_then(&value).unwrap_or_default();
            // The piece is known to be UTF-8.
            let value = std::str::from_utf8(value).unwrap_or_default();
            match value.is_empty() || reading.nulls.iter().any(|null| null == value) {
                true => column.append_null(),
                false => column.append_value(value),
            }
        }
    }

    fn close(&mut self) -> Rows {
        Rows {
            columns: self.columns.iter_mut().map(StringBuilder::finish).collect(),
            starts: std::mem::take(&mut self.starts),
        }
    }
}

/// The empty lines at a place, and where they end.
fn blank_lines(bytes: &[u8], from: usize) -> (usize, usize) {
    let mut at = from;
    // The second half of the end of the line before.
    if at > 0 && bytes.get(at - 1) == Some(&b'\r') && bytes.get(at) == Some(&b'\n') {
        at += 1;
    }
    let mut blanks = 0;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => at += 2,
            (Some(b'\r' | b'\n'), _) => at += 1,
            _ => return (blanks, at),
        }
        blanks += 1;
    }
}
