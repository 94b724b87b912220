//! A text file in pieces of whole records, in the order of the file.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::records::{Grammar, Records, lines_in};
use crate::engine::{Error, Kind};

/// Bytes of a piece, and of one read of a local file.
const PIECE: usize = 1 << 20;
const READ: u64 = 4 << 20;

/// Bytes that one record may have.
const RECORD: usize = 256 << 20;

/// One file of a source.
#[derive(Clone, Debug)]
pub(super) struct TextFile {
    /// The path as the steward would write it.
    pub(super) shown: String,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) meta: ObjectMeta,
    pub(super) local: bool,
    pub(super) compression: FileCompressionType,
}

/// Whole records of a file.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// The line of the file on which the piece begins, one-based.
    pub(super) line: u64,
    /// Whether it is the first of its file.
    pub(super) first: bool,
}

impl Piece {
    /// The line of the file on which a place of the piece is.
    pub(super) fn line_of(&self, at: usize) -> u64 {
        self.line + lines_in(&self.bytes[..at.min(self.bytes.len())])
    }
}

/// The file's pieces; none of a file without records.
pub(super) fn pieces(
    file: &TextFile,
    grammar: Grammar,
) -> BoxStream<'static, Result<Piece, Error>> {
    let cut = Cut {
        file: file.shown.clone(),
        records: Records::new(grammar),
        held: Vec::new(),
        end: 0,
        line: 1,
        carriage: false,
        first: true,
    };
    let bytes = match bytes(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = Error::from(error).in_file(&file.shown);
            return futures::stream::once(async { Err(error) }).boxed();
        }
    };
    let state = (bytes, cut, VecDeque::new(), false);
    futures::stream::try_unfold(
        state,
        |(mut bytes, mut cut, mut ready, mut ended)| async move {
            loop {
                if let Some(piece) = ready.pop_front() {
                    return Ok(Some((piece, (bytes, cut, ready, ended))));
                }
                if ended {
                    return Ok(None);
                }
                match bytes.next().await {
                    Some(Ok(more)) => cut.take(&more, &mut ready)?,
                    Some(Err(error)) => return Err(Error::from(error).in_file(&cut.file)),
                    None => {
                        ended = true;
                        ready.extend(cut.rest()?);
                    }
                }
            }
        },
    )
    .boxed()
}

/// What of a file is read and not handed on yet.
struct Cut {
    file: String,
    records: Records,
    held: Vec<u8>,
    /// Where in what is held the last whole record ends.
    end: usize,
    /// The line on which what is held begins.
    line: u64,
    /// Whether the last piece ended with `\r`.
    carriage: bool,
    first: bool,
}

impl Cut {
    fn take(&mut self, more: &[u8], ready: &mut VecDeque<Piece>) -> Result<(), Error> {
        for mut part in more.chunks(PIECE) {
            if self.first && self.held.is_empty() {
                part = part.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(part);
            }
            let before = self.held.len();
            self.held.extend_from_slice(part);
            if let Some(end) = self.records.follow(part) {
                self.end = before + end;
            }
            if self.end > 0 && self.held.len() >= PIECE {
                let rest = self.held.split_off(self.end);
                let whole = std::mem::replace(&mut self.held, rest);
                ready.push_back(self.piece(whole)?);
            } else if self.held.len() - self.end > RECORD {
                let line = self.records.begun();
                return Err(Error::new(
                    Kind::Source,
                    format!(
                        "the record of line {line} has more than {} MB",
                        RECORD >> 20
                    ),
                )
                .help("close the quotes of its values, or correct `quote`")
                .in_file(&self.file));
            }
        }
        Ok(())
    }

    /// What follows the last piece; the last line may lack its end.
    fn rest(&mut self) -> Result<Option<Piece>, Error> {
        if let Some(line) = self.records.unclosed() {
            return Err(Error::new(
                Kind::Source,
                format!("a quote of line {line} is never closed"),
            )
            .help("close it, double a quote that is a part of a value, or correct `quote`")
            .in_file(&self.file));
        }
        let rest = std::mem::take(&mut self.held);
        match rest.is_empty() {
            true => Ok(None),
            false => self.piece(rest).map(Some),
        }
    }

    fn piece(&mut self, bytes: Vec<u8>) -> Result<Piece, Error> {
        // The other half of the end of the line before.
        let half = self.carriage && bytes.first() == Some(&b'\n');
        let line = self.line - u64::from(half);
        if let Err(error) = std::str::from_utf8(&bytes) {
            let line = line + lines_in(&bytes[..error.valid_up_to()]);
            return Err(Error::new(
                Kind::Source,
                format!("the text of line {line} is not UTF-8"),
            )
            .help("save the file with the encoding UTF-8")
            .in_file(&self.file));
        }
        self.line = line + lines_in(&bytes);
        self.carriage = bytes.last() == Some(&b'\r');
        self.end = 0;
        Ok(Piece {
            bytes: bytes.into(),
            line,
            first: std::mem::replace(&mut self.first, false),
        })
    }
}

fn bytes(
    file: &TextFile,
) -> Result<BoxStream<'static, Result<Bytes, DataFusionError>>, DataFusionError> {
    let TextFile { store, meta, .. } = file;
    let (store, path, size) = (Arc::clone(store), meta.location.clone(), meta.size);
    let raw = match file.local {
        // A file system is read in large parts: its own stream gives small ones, each by a thread.
        true => futures::stream::iter((0..size.div_ceil(READ)).map(move |part| {
            let (store, path) = (Arc::clone(&store), path.clone());
            let range = part * READ..size.min((part + 1) * READ);
            async move { store.get_range(&path, range).await }
        }))
        .buffered(2)
        .map_err(DataFusionError::from)
        .boxed(),
        false => futures::stream::once(async move { store.get(&path).await })
            .map_ok(|got| got.into_stream())
            .try_flatten()
            .map_err(DataFusionError::from)
            .boxed(),
    };
    file.compression.convert_stream(raw)
}
