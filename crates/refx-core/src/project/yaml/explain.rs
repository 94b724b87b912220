//! What is wrong with a text that is not YAML: the parser's complaint as a steward's mistake.

use saphyr_parser::ScanError;

use super::parse::Places;
use crate::diagnostic::{Code, Diagnostic, Span};

/// The parser's complaint as a steward's mistake: the likely cause first, its own words as a note.
pub fn explain(error: &ScanError, places: &Places<'_>) -> Diagnostic {
    let at = places.byte(error.marker().index());
    let line = line_at(places.text, at);
    let before = line_before(places.text, &line);
    let lines = [Some(&line), before.as_ref()];
    let info = error.info();
    let broken = |message: &str, span: Span| Diagnostic::error(Code::BrokenYaml, message).at(span);
    let here = places.at(
        at,
        at + places.text[at..].chars().next().map_or(0, char::len_utf8),
    );

    let invisible = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
    if let Some(at) = places.text.find(invisible) {
        let letter = places.text[at..].chars().next();
        return broken(
            "an invisible control character",
            places.at(at, at + letter.map_or(0, char::len_utf8)),
        )
        .help("delete it: it may have come with a copied text");
    }
    for line in lines.into_iter().flatten() {
        if let Some(start) = unquoted_jinja(line.text) {
            return jinja_without_quotes(places, line.start + start);
        }
    }
    for line in lines.into_iter().flatten() {
        let indent = &line.text[..line.text.len() - line.text.trim_start().len()];
        if let Some(tab) = indent.find('\t') {
            let start = line.start + tab;
            return broken("a tab where spaces belong", places.at(start, start + 1))
                .help("indent with spaces: YAML takes no tabs");
        }
    }
    for line in lines.into_iter().flatten() {
        if let Some(colon) = missing_space(line.text) {
            let start = line.start + colon;
            return broken("no space after the colon", places.at(start, start + 1))
                .help("write `key: value`, with a space after the colon");
        }
    }
    if info.contains("tab") {
        return broken("a tab where spaces belong", here)
            .help("use spaces: YAML takes no tabs here");
    }
    if info.contains("mapping values are not allowed") {
        let indent = |line: &Line<'_>| line.text.len() - line.text.trim_start().len();
        if line.text.matches(": ").count() > 1 {
            return broken("a second `: ` in one line", here)
                .help("put quotes round a text that holds `: `");
        }
        if let Some(before) = before.filter(|before| indent(before) == indent(&line)) {
            let (start, end) = (indent(&before), before.text.trim_end().len());
            let span = places.at(before.start + start, before.start + end);
            return broken("a line without a colon", span).help("write `key: value`");
        }
        return broken(
            "this line is indented further than the one above allows",
            here,
        )
        .help("indent the keys of one map alike");
    }
    let (message, help) = if info.contains("simple key expect") || info.contains("expected key") {
        (
            "this line does not fit the ones above: no colon, or another indentation",
            "write `key: value`, and indent the keys of one map alike",
        )
    } else if info.contains("quoted scalar")
        && ["end of stream", "indentation", "document indicator"]
            .iter()
            .any(|word| info.contains(word))
    {
        (
            "a quotation mark that is never closed",
            "close it; inside of single quotes, write two for an apostrophe: 'the user''s'",
        )
    } else if info.contains("quoted scalar") && info.contains("escape") {
        (
            "a backslash that YAML does not understand",
            "use single quotes, where a backslash is only a backslash",
        )
    } else if info.contains("double-quoted scalar") {
        (
            "text after the closing quotation mark",
            "put quotes round the whole value, and single quotes outside where it holds double ones",
        )
    } else if ["flow", "bracket", "illegal placement"]
        .iter()
        .any(|word| info.contains(word))
    {
        (
            "a `[` or `{` without its end, or a comma missing inside",
            "close it, or put quotes round a text that begins with `[` or `{`",
        )
    } else if info.contains("unexpected character") || info.contains("anchor") {
        (
            "a value that begins with a sign which YAML keeps for itself",
            "put quotes round it",
        )
    } else if info.contains("'-' indicator") || info.contains("indent") || info.contains("block") {
        (
            "this line is indented differently from its neighbours",
            "indent the items of one list, and the keys of one map, alike",
        )
    } else {
        (
            "this is not YAML",
            "look for a missing colon, a tab, or a line indented differently from its neighbours",
        )
    };
    broken(message, here)
        .help(help)
        .note(format!("the YAML reader says: {info}"))
}

/// One line of a text.
struct Line<'a> {
    start: usize,
    text: &'a str,
}

fn line_at(text: &str, at: usize) -> Line<'_> {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[start..]
        .find('\n')
        .map_or(text.len(), |newline| start + newline);
    Line {
        start,
        text: text[start..end].trim_end_matches('\r'),
    }
}

/// The last line before this one that says something.
fn line_before<'a>(text: &'a str, line: &Line<'a>) -> Option<Line<'a>> {
    let mut start = line.start;
    while start > 0 {
        let line = line_at(text, start - 1);
        let said = line.text.trim_start();
        if !said.is_empty() && !said.starts_with('#') {
            return Some(line);
        }
        start = line.start;
    }
    None
}

/// Where a line's value begins with Jinja that has no quotes round it.
fn unquoted_jinja(line: &str) -> Option<usize> {
    ["{{", "{%"]
        .iter()
        .filter_map(|brace| {
            line.match_indices(brace)
                .map(|(start, _)| start)
                .find(|&start| {
                    let before = line[..start].trim_end();
                    before.is_empty() || before.ends_with([':', '-', '[', ','])
                })
        })
        .min()
}

/// Jinja without quotes in the line of a byte, where that is what is wrong.
pub fn jinja_at(places: &Places<'_>, at: usize) -> Option<Diagnostic> {
    let line = line_at(places.text, at);
    let start = unquoted_jinja(line.text)?;
    Some(jinja_without_quotes(places, line.start + start))
}

fn jinja_without_quotes(places: &Places<'_>, start: usize) -> Diagnostic {
    let line = line_at(places.text, start);
    let end = line.start + line.text.trim_end().len();
    let written = places.text.get(start..end).unwrap_or_default();
    let quote = if written.contains('"') { '\'' } else { '"' };
    let help = if written.contains('"') && written.contains('\'') {
        "put quotes round it, and use the other kind of quotes inside".to_owned()
    } else {
        format!("put quotes round it: `{quote}{written}{quote}`")
    };
    Diagnostic::error(Code::BrokenYaml, "Jinja without quotes round it")
        .at(places.at(start, end))
        .help(help)
}

/// Where a line has a key and a value without a space between: `name:orders`.
fn missing_space(line: &str) -> Option<usize> {
    let said = line.trim_start_matches([' ', '-']);
    let (key, value) = said.split_once(':')?;
    let word = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-+".contains(letter));
    let joined = !value.is_empty() && !value.starts_with([' ', '/', '\t']);
    (word && joined).then(|| line.len() - said.len() + key.len())
}
