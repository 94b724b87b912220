//! From a rendered text back to the template.

use std::ops::Range;

use minijinja::{OutputSpan, OutputSpanKind};

use crate::diagnostic::Span;

use super::Source;
use super::failure::Place;

/// Which part of the source each part of the text came from.
///
/// ```text
/// select {{ cents('price') }} from x
/// └─────┘└──────────────────┘└─────┘   text is led back character by character,
///                                       what an expression wrote to the whole expression
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanMap {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
struct Piece {
    output: Range<usize>,
    span: Span,
    /// Whether the text was copied, so that offsets run along.
    copied: bool,
}

impl SpanMap {
    pub(super) fn verbatim(source: &Source, length: usize) -> Self {
        SpanMap {
            pieces: vec![Piece {
                output: 0..length,
                span: source.span(&(0..length)),
                copied: true,
            }],
        }
    }

    pub(super) fn new(text: &str, spans: Vec<OutputSpan>, place: &Place) -> Self {
        let pieces = spans
            .into_iter()
            .map(|found| {
                let output = found.output_range();
                let mut range = place.rewritten.original_range(&found.source_range());
                let mut copied = found.kind() == OutputSpanKind::Raw;
                if copied {
                    // minijinja trims blanks beside `{%-`; where the trimmed text begins is searched.
                    let written = text.get(output.clone()).unwrap_or_default();
                    let stands = place.source.text.get(range.clone()).unwrap_or_default();
                    match stands.find(written) {
                        Some(at) => {
                            range = range.start + at..range.start + at + written.len();
                        }
                        None => copied = false,
                    }
                }
                Piece {
                    output,
                    span: place.source.span(&range),
                    copied,
                }
            })
            .collect();
        SpanMap { pieces }
    }

    /// The place in the source that a range of the text came from: exact where the text stands in the
    /// source as it is, the expression that wrote it elsewhere. None when the text came from nowhere.
    pub fn locate(&self, range: Range<usize>) -> Option<Span> {
        let first = self.piece(range.start)?;
        let start = if first.copied {
            first.span.start + (range.start - first.output.start)
        } else {
            first.span.start
        };
        let last = match range.end.checked_sub(1).filter(|end| *end >= range.start) {
            Some(end) => self.piece(end).unwrap_or(first),
            None => first,
        };
        let end = if range.is_empty() && first.copied {
            start
        } else if last.copied {
            last.span.start + (range.end - last.output.start).min(last.output.len())
        } else {
            last.span.end
        };
        Some(Span::new(first.span.file.clone(), start..end))
    }

    /// Whether the text at the offset stands in the source as it is, rather than an expression that
    /// wrote it.
    pub fn is_copied(&self, offset: usize) -> bool {
        self.piece(offset).is_some_and(|piece| piece.copied)
    }

    fn piece(&self, offset: usize) -> Option<&Piece> {
        let after = self
            .pieces
            .partition_point(|piece| piece.output.start <= offset);
        self.pieces.get(after.checked_sub(1)?)
    }
}
