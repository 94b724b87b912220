//! Text → [`Node`]: the events of the YAML parser made into a tree, with bounds on what a hostile
//! file can make of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::explain::{explain, jinja_at};
use super::scalar;
use super::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::TextFile;

/// How deep lists and maps may nest. Everything that walks a tree may recurse, thanks to it.
const MAX_DEPTH: usize = 100;

/// How much the aliases of one file may copy: nodes and bytes of text together.
const MAX_COPIED: usize = 10_000_000;

/// Reads one YAML file. An empty file is null.
///
/// Keys are always text, as they were written. Anchors, aliases and merge keys (`<<`) are resolved:
/// an alias's values keep the place where they were written. A key that stands twice in a map is an
/// error.
pub fn parse(file: &str, text: &str) -> Result<Node, Diagnostic> {
    let (skipped, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ('\u{feff}'.len_utf8(), body),
        None => (0, text),
    };
    let file: Arc<str> = file.into();
    let mut builder = Builder {
        places: Places::new(file, body, skipped),
        open: Vec::new(),
        anchors: HashMap::new(),
        copied: 0,
        root: None,
    };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(body);
    loop {
        let (event, range) = match parser.next_event() {
            None => break,
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(explain(&error, &builder.places)),
        };
        let span = builder.places.span(range);
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(Diagnostic::error(
                        Code::BrokenYaml,
                        "a second document starts here",
                    )
                    .at(span)
                    .help("remove the line `---`: a file holds one document"));
                }
            }
            event => builder.event(event, span)?,
        }
    }
    let nothing = builder.places.whole();
    Ok(builder.root.unwrap_or_else(|| Node::null(nothing)))
}

/// Reads many files at the same time; the answers are in the order of the files.
pub fn parse_all(files: &[TextFile]) -> Vec<Result<Node, Diagnostic>> {
    let parse_some = |files: &[TextFile]| -> Vec<_> {
        files
            .iter()
            .map(|file| parse(&file.path, &file.text))
            .collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(threads).max(8);
    if files.len() <= share {
        return parse_some(files);
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(move || parse_some(files)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(documents) => documents,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// Where characters of the text stand, in bytes of the file.
pub(super) struct Places<'a> {
    file: Arc<str>,
    pub(super) text: &'a str,
    /// Bytes of the file before the text: its byte order mark.
    skipped: usize,
    /// The byte at which each character starts; none where every character is one byte.
    starts: Option<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn new(file: Arc<str>, text: &'a str, skipped: usize) -> Self {
        let starts =
            (!text.is_ascii()).then(|| text.char_indices().map(|(start, _)| start).collect());
        Places {
            file,
            text,
            skipped,
            starts,
        }
    }

    pub(super) fn byte(&self, character: usize) -> usize {
        match &self.starts {
            Some(starts) => starts.get(character).copied().unwrap_or(self.text.len()),
            None => character.min(self.text.len()),
        }
    }

    /// The range without the white space at its end, which block texts take in.
    fn span(&self, range: saphyr_parser::Span) -> Span {
        let (start, end) = (self.byte(range.start.index()), self.byte(range.end.index()));
        let written = self.text.get(start..end).unwrap_or_default().trim_end();
        self.at(start, start + written.len())
    }

    pub(super) fn at(&self, start: usize, end: usize) -> Span {
        Span::new(self.file.clone(), start + self.skipped..end + self.skipped)
    }

    fn whole(&self) -> Span {
        self.at(0, 0)
    }

    fn written(&self, span: &Span) -> &'a str {
        let range = span.start.saturating_sub(self.skipped)..span.end.saturating_sub(self.skipped);
        self.text.get(range).unwrap_or_default()
    }
}

/// A list or map whose end is still to come.
enum Open {
    List {
        items: Vec<Node>,
    },
    Map {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
        /// The maps named by `<<`, which give the keys that the map itself lacks.
        merged: Vec<Node>,
    },
}

struct Frame {
    open: Open,
    anchor: usize,
    span: Span,
}

struct Builder<'a> {
    places: Places<'a>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span)?;
                self.value(node, anchor)
            }
            Event::Alias(anchor) => {
                let node = self.alias(anchor, span)?;
                self.value(node, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                known_tag(tag.as_deref(), &span)?;
                self.start(Open::List { items: Vec::new() }, anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                known_tag(tag.as_deref(), &span)?;
                let open = Open::Map {
                    entries: Vec::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.start(open, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            _ => Ok(()),
        }
    }

    fn start(&mut self, open: Open, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        if let Some(Frame {
            open: Open::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err(self.not_a_key(span));
        }
        self.open.push(Frame { open, anchor, span });
        Ok(())
    }

    fn end(&mut self, end: &Span) -> Result<(), Diagnostic> {
        let Some(Frame { open, anchor, span }) = self.open.pop() else {
            return Ok(());
        };
        let node = match open {
            Open::List { items } => {
                let last = items.last().map_or(span.end, |item| item.span.end);
                let range = span.start..end.end.max(last);
                let span = Span::new(span.file, self.trimmed(range));
                Node::new(Value::List(items), span)
            }
            Open::Map {
                mut entries,
                merged,
                ..
            } => {
                let first = entries
                    .first()
                    .map_or(span.start, |(key, _)| key.span.start);
                let last = entries
                    .last()
                    .map_or(span.end, |(key, value)| key.span.end.max(value.span.end));
                let range = span.start.min(first)..end.end.max(last);
                unique_keys(&entries)?;
                for map in merged {
                    let Value::Map(more) = map.value else {
                        continue;
                    };
                    for (key, value) in more {
                        if !entries.iter().any(|(own, _)| own.value == key.value) {
                            entries.push((key, value));
                        }
                    }
                }
                let span = Span::new(span.file, self.trimmed(range));
                Node::new(Value::Map(entries), span)
            }
        };
        self.value(node, anchor)
    }

    /// The end of a block is where its successor starts: cut back to what was written.
    fn trimmed(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let span = Span::new(self.places.file.clone(), range.clone());
        range.start..range.start + self.places.written(&span).trim_end().len()
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Node, Diagnostic> {
        known_tag(tag, &span)?;
        let value = match (style, tag) {
            (ScalarStyle::Plain, None) => scalar::resolve(text),
            (ScalarStyle::Plain, Some(tag)) if tag.is_yaml_core_schema() && tag.suffix != "str" => {
                scalar::resolve(text)
            }
            _ => Value::String(text.to_owned()),
        };
        Ok(match style {
            ScalarStyle::Plain => Node::plain(text, value, span),
            _ => Node::new(value, span),
        })
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Diagnostic> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(
                Code::BrokenYaml,
                "an alias inside of what it stands for",
            )
            .at(span)
            .help("write the values out, or name another anchor"));
        };
        let (size, depth) = measure(node);
        self.copied = self.copied.saturating_add(size);
        if self.copied > MAX_COPIED {
            return Err(Diagnostic::error(
                Code::BrokenYaml,
                "the aliases of this file copy too much",
            )
            .at(span)
            .help("aliases of aliases multiply: write the values out"));
        }
        if self.open.len() + depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        Ok(node.clone())
    }

    /// Puts a finished value where it belongs: into the list or map that is open, or at the root.
    fn value(&mut self, mut node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List { items }) => items.push(node),
            Some(Open::Map {
                entries,
                key: slot,
                merged,
            }) => match slot.take() {
                None => match node.value {
                    Value::List(_) | Value::Map(_) => return Err(self.not_a_key(node.span)),
                    Value::String(_) => *slot = Some(node),
                    // `on:` and `2024:` are the text that was written.
                    _ => {
                        let written = self.places.written(&node.span).to_owned();
                        *slot = Some(Node::text(written, node.span));
                    }
                },
                Some(key) if key.as_str() == Some("<<") => merge(node, merged)?,
                Some(key) => {
                    if node.is_null() && node.span.start == node.span.end {
                        node.span = key.span.clone();
                    }
                    entries.push((key, node));
                }
            },
        }
        Ok(())
    }

    fn not_a_key(&self, span: Span) -> Diagnostic {
        let at = span.start.saturating_sub(self.places.skipped);
        match jinja_at(&self.places, at) {
            Some(diagnostic) => diagnostic,
            None => Diagnostic::error(Code::BrokenYaml, "a list or a map cannot be a key")
                .at(span)
                .help("keys are words: `name: value`"),
        }
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(
        Code::BrokenYaml,
        format!("lists and maps nest more than {MAX_DEPTH} deep"),
    )
    .at(span)
}

/// Nodes and bytes of text in a tree, and its depth.
fn measure(node: &Node) -> (usize, usize) {
    let children = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((1, 1), |(size, depth), (more, deeper)| {
            (size + more, depth.max(deeper + 1))
        })
    };
    match &node.value {
        Value::String(text) => (1 + text.len(), 0),
        Value::List(items) => children(&mut items.iter().map(measure)),
        Value::Map(entries) => children(&mut entries.iter().map(|(key, value)| {
            let (size, depth) = measure(value);
            (size + measure(key).0, depth)
        })),
        _ => (1, 0),
    }
}

/// Takes the value of `<<`: a map, or a list of maps of which the first wins.
fn merge(node: Node, merged: &mut Vec<Node>) -> Result<(), Diagnostic> {
    match node.value {
        Value::Map(_) => merged.push(node),
        Value::List(items) => {
            for item in items {
                merge(item, merged)?;
            }
        }
        _ => {
            return Err(Diagnostic::error(
                Code::BrokenYaml,
                format!("`<<` takes a map, found {}", node.describe()),
            )
            .at(node.span)
            .help("name an anchor of a map: `<<: *defaults`"));
        }
    }
    Ok(())
}

fn unique_keys(entries: &[(Node, Node)]) -> Result<(), Diagnostic> {
    if entries.len() < 2 {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(entries.len());
    for (key, _) in entries {
        let name = key.as_str().unwrap_or_default();
        if !seen.insert(name) {
            let mut diagnostic =
                Diagnostic::error(Code::BrokenYaml, format!("the key `{name}` stands twice"))
                    .at(key.span.clone())
                    .help("keep one of them, or put both values under the one key");
            if let Some((first, _)) = entries.iter().find(|(other, _)| other.value == key.value) {
                diagnostic = diagnostic.related(first.span.clone(), "it stands here first");
            }
            return Err(diagnostic);
        }
    }
    Ok(())
}

fn known_tag(tag: Option<&Tag>, span: &Span) -> Result<(), Diagnostic> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() && !tag.suffix.is_empty() => {
            Err(Diagnostic::error(
                Code::BrokenYaml,
                format!("a tag that refx does not know: `{tag}`"),
            )
            .at(span.clone())
            .help("put quotes round text that begins with `!`"))
        }
        _ => Ok(()),
    }
}
