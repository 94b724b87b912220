//! The named blocks of a file: `{% macro %}`, `{% test %}`, `{% snapshot %}`, `{% docs %}`….

use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Span};

use super::Source;
use super::tokens::{Tag, TagKind, TokenKind, scan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
    Macro,
    Test,
    Materialization,
    Snapshot,
    Docs,
}

impl BlockKind {
    fn from_keyword(word: &str) -> Option<BlockKind> {
        Some(match word {
            "macro" => BlockKind::Macro,
            "test" | "data_test" => BlockKind::Test,
            "materialization" => BlockKind::Materialization,
            "snapshot" => BlockKind::Snapshot,
            "docs" => BlockKind::Docs,
            _ => return None,
        })
    }
}

/// A named block of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub kind: BlockKind,
    pub name: String,
    pub name_span: Span,
    /// From `{%` of the first tag to `%}` of the last.
    pub span: Span,
    /// What stands between the two tags, as offsets of the file.
    pub body: Range<usize>,
}

impl Block {
    /// The body as a template of its own, for a snapshot: `source` is the one the block came from.
    pub fn body_source(&self, source: &Source) -> Source {
        let start = self.body.start - source.offset;
        let end = self.body.end - source.offset;
        Source {
            file: source.file.clone(),
            text: source.text[start..end].into(),
            offset: self.body.start,
        }
    }
}

/// The named blocks at the top level of a file, in order.
///
/// # Errors
/// [`Code::JinjaSyntax`] for a block without a name or without its end, and for a tag that never ends.
pub fn blocks(source: &Source) -> Result<Vec<Block>, Diagnostic> {
    let tags = scan(&source.text);
    let found = find(source, &tags)?;
    Ok(found.into_iter().map(|found| found.block).collect())
}

/// A block together with the indexes of its first and last tag.
pub(super) struct Found {
    pub block: Block,
    pub tags: Range<usize>,
}

pub(super) fn find(source: &Source, tags: &[Tag]) -> Result<Vec<Found>, Diagnostic> {
    let text = &*source.text;
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(tag) = tags.get(index) {
        if !tag.closed {
            return Err(unclosed(source, tag));
        }
        let Some((word, kind)) = tag
            .keyword(text)
            .and_then(|word| Some((word, BlockKind::from_keyword(word)?)))
        else {
            index += 1;
            continue;
        };
        let Some(name) = tag.tokens.get(1).filter(|t| t.kind == TokenKind::Name) else {
            return Err(Diagnostic::error(
                Code::JinjaSyntax,
                format!("`{{% {word} %}}` without a name"),
            )
            .at(source.span(&tag.range))
            .help(format!("write `{{% {word} a_name %}}`")));
        };
        let last = end_of(source, tags, index, word)?;
        let end = &tags[last];
        found.push(Found {
            block: Block {
                kind,
                name: name.text(text).to_owned(),
                name_span: source.span(&name.range),
                span: source.span(&(tag.range.start..end.range.end)),
                body: source.offset + tag.range.end..source.offset + end.range.start,
            },
            tags: index..last + 1,
        });
        index = last + 1;
    }
    Ok(found)
}

/// The index of the tag that ends the block which begins at `first`.
fn end_of(source: &Source, tags: &[Tag], first: usize, word: &str) -> Result<usize, Diagnostic> {
    let mut depth = 0usize;
    for (index, tag) in tags.iter().enumerate().skip(first) {
        if !tag.closed {
            return Err(unclosed(source, tag));
        }
        let Some(keyword) = tag.keyword(&source.text) else {
            continue;
        };
        if keyword == word {
            depth += 1;
        } else if keyword.strip_prefix("end") == Some(word) {
            depth -= 1;
            if depth == 0 {
                return Ok(index);
            }
        }
    }
    Err(Diagnostic::error(
        Code::JinjaSyntax,
        format!("`{{% {word} %}}` without its `{{% end{word} %}}`"),
    )
    .at(source.span(&tags[first].range))
    .label("begins here"))
}

pub(super) fn unclosed(source: &Source, tag: &Tag) -> Diagnostic {
    let (open, close) = match tag.kind {
        TagKind::Expression => ("{{", "}}"),
        TagKind::Statement => ("{%", "%}"),
        TagKind::Comment => ("{#", "#}"),
    };
    let start = tag.range.start;
    Diagnostic::error(Code::JinjaSyntax, format!("`{open}` without its `{close}`"))
        .at(source.span(&(start..start + 2)))
        .label("begins here")
}
