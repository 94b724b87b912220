use serde::Deserialize;

use super::*;
use crate::diagnostic::{Code, Diagnostic, Severity, render};

fn read(text: &str) -> Node {
    parse("a.yml", text).expect("the test's YAML is well-formed")
}

fn written<'a>(text: &'a str, node: &Node) -> &'a str {
    &text[node.span.start..node.span.end]
}

/// `line:column message | help`.
fn told(text: &str, diagnostic: &Diagnostic) -> String {
    let (line, column) = diagnostic
        .span
        .as_ref()
        .expect("a mistake in a file has a place")
        .position(text);
    let help = diagnostic.help.as_deref().unwrap_or_default();
    format!("{line}:{column} {} | {help}", diagnostic.message)
}

fn broken(text: &str) -> String {
    told(text, &parse("a.yml", text).expect_err("broken YAML"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Spanned<String>,
    #[serde(default)]
    tags: Vec<String>,
    rows: Option<u32>,
    kind: Option<Kind>,
    key: Option<Many<String>>,
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    View,
    Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    #[serde(default)]
    meta: serde_json::Map<String, serde_json::Value>,
    config: Option<Node>,
}

fn wrong(text: &str) -> String {
    told(text, &decode::<Table>(&read(text)).expect_err("a mistake"))
}

#[test]
fn every_value_knows_its_place() {
    for text in [
        "name: orders\ntags: [a, 'b c']\nnested:\n  - x: 1\n    y: >\n      folded\n      text\n\nlast: end\n",
        "\u{feff}name: orders # é\ntags: [a, 'b c']\nnested:\n  - x: 1\n    y: >\n      folded\n      text\n\nlast: end",
        "name: orders\r\n# où\r\ntags: [a, 'b c']\r\nnested:\r\n  - x: 1\r\n    y: >\r\n      folded\r\n      text\r\n\r\nlast: end\r\n",
    ] {
        let node = read(text);
        let get = |key| node.get(key).expect("the key is there");
        assert_eq!(written(text, get("name")), "orders");
        assert_eq!(written(text, get("tags")), "[a, 'b c']");
        let tags = get("tags").as_list().expect("a list");
        assert_eq!(written(text, &tags[1]), "'b c'");
        assert_eq!(tags[1].as_str(), Some("b c"));
        let nested = &get("nested").as_list().expect("a list")[0];
        assert_eq!(written(text, nested.get("x").expect("x")), "1");
        assert!(written(text, nested).starts_with("x: 1"));
        assert!(
            written(text, nested).ends_with("text"),
            "{:?}",
            written(text, nested)
        );
        assert_eq!(
            nested.get("y").and_then(Node::as_str),
            Some("folded text\n")
        );
        assert_eq!(written(text, get("last")), "end");
        let (key, _) = node.entry("last").expect("last");
        assert_eq!(written(text, key), "last");
    }
}

#[test]
fn anchors_and_merge_keys() {
    let text = "base: &base { a: 1, b: 2 }\nmore: &more { b: 3, c: 4 }\nx:\n  <<: [*base, *more]\n  a: 9\ny: *base\n";
    let json = read(text).to_json();
    assert_eq!(json["x"], serde_json::json!({ "a": 9, "b": 2, "c": 4 }));
    assert_eq!(json["y"], json["base"]);
}

#[test]
fn keys_are_text() {
    let node = read("on: 1\n2024: yes\n\"quoted\": no\n");
    assert_eq!(
        node.to_json(),
        serde_json::json!({ "on": 1, "2024": true, "quoted": false })
    );
}

#[test]
fn the_likely_cause_of_broken_yaml() {
    for (text, expected) in [
        (
            "models:\n\t- name: a\n",
            "2:1 a tab where spaces belong | indent with spaces: YAML takes no tabs",
        ),
        (
            "models:\n  - name:a\n    tags: b\n",
            "2:9 no space after the colon | write `key: value`, with a space after the colon",
        ),
        (
            "enabled: {{ var('x') }}\n",
            "1:10 Jinja without quotes round it | put quotes round it: `\"{{ var('x') }}\"`",
        ),
        (
            "a: 1\nenabled: {{ var(\"x\") }}\nb: 2\n",
            "2:10 Jinja without quotes round it | put quotes round it: `'{{ var(\"x\") }}'`",
        ),
        (
            "tags: [{{ x }}]\n",
            "1:8 Jinja without quotes round it | put quotes round it: `\"{{ x }}]\"`",
        ),
        (
            "enabled: {% if x %}a{% endif %}\n",
            "1:10 Jinja without quotes round it | put quotes round it: `\"{% if x %}a{% endif %}\"`",
        ),
        (
            "description: the sum: all of it\n",
            "1:21 a second `: ` in one line | put quotes round a text that holds `: `",
        ),
        (
            "key\nother: 1\n",
            "1:1 a line without a colon | write `key: value`",
        ),
        (
            "a: 1\nb: 2\na: 3\n",
            "3:1 the key `a` stands twice | keep one of them, or put both values under the one key",
        ),
        (
            "name: a\n---\nname: b\n",
            "2:1 a second document starts here | remove the line `---`: a file holds one document",
        ),
    ] {
        assert_eq!(broken(text), expected, "{text}");
    }
    for (text, word) in [
        ("a: 'open\nb: 1\n", "quotation mark"),
        ("a: [1, 2\nb: 1\n", "comma"),
        ("a: @b\n", "sign"),
        ("a: %b\n", "sign"),
        ("a: 1\n b: 2\n", "indented"),
        ("a:\n  b: 1\n c: 2\n", "line"),
        ("a: *unknown\n", "sign"),
        ("a: \"\\q\"\n", "backslash"),
        ("a: \"b\" c\n", "quotation"),
    ] {
        assert!(broken(text).contains(word), "{text}: {}", broken(text));
    }
}

#[test]
fn hostile_files_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(broken(&bomb).contains("copy too much"));
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(broken(&chain).contains("deep"));
    for opening in ["[", "{a: ", "- ", "? "] {
        let deep = opening.repeat(20_000);
        assert_eq!(
            parse("a.yml", &deep).expect_err("too deep").code,
            Code::BrokenYaml
        );
    }
    assert!(parse("a.yml", "a: &a [*a]\n").is_err());
}

/// Every cut of a file, and every file with one byte replaced, is read or refused.
#[test]
fn no_text_makes_it_panic() {
    let text = "\u{feff}a: &x {b: [1, 'é'], \"c\": \"\\u00e9\"}\r\n? k\r\n: *x\r\nd: |\n  é\n  <<\n- e: !!str 1\n%TAG\n---\n{{ x }}\n";
    let texts = text.char_indices().flat_map(|(at, letter)| {
        let rest = &text[at + letter.len_utf8()..];
        [
            text[..at].to_owned(),
            text[at..].to_owned(),
            format!("{}:{rest}", &text[..at]),
            format!("{}\t{rest}", &text[..at]),
            format!("{}{{{rest}", &text[..at]),
        ]
    });
    for text in texts {
        match parse("a.yml", &text) {
            Ok(node) => drop(decode::<Table>(&node)),
            Err(diagnostic) => drop(render(&diagnostic, &|_| Some(&text), false)),
        }
    }
}

#[test]
fn a_typed_value_and_its_places() {
    let text = "name: orders\nrows: 3\nkind: table\nkey: id\ncolumns:\n- name: id\n  meta: { a: [1, null] }\n  config: { x: y }\n";
    let table: Table = decode(&read(text)).expect("the table is right");
    assert_eq!(table.name.value, "orders");
    assert_eq!(&text[table.name.span.start..table.name.span.end], "orders");
    assert!(table.tags.is_empty());
    assert_eq!(table.rows, Some(3));
    assert_eq!(table.kind, Some(Kind::Table));
    assert_eq!(table.key.expect("key").0, ["id"]);
    let column = &table.columns[0];
    assert_eq!(column.meta["a"], serde_json::json!([1, null]));
    let config = column.config.as_ref().expect("config");
    assert_eq!(written(text, config), "{ x: y }");
}

#[test]
fn what_does_not_fit_is_told_at_its_place() {
    for (text, expected) in [
        (
            "name: a\ntags: b\n",
            "2:7 `tags`: expected a list, found text `b` | write it as a list: `[b]`",
        ),
        (
            "name: a\ntags: [b, 3]\n",
            "2:11 `tags`: expected text, found the number `3` | put quotes round it",
        ),
        (
            "name: a\nrows: many\n",
            "2:7 `rows`: expected a whole number, found text `many` | ",
        ),
        (
            "name: a\nrows: -1\n",
            "2:7 `rows`: expected a whole number that is not negative, found the number `-1` | ",
        ),
        (
            "name: a\nkind: tabel\n",
            "2:7 `kind`: `tabel` is none of its values | did you mean `table`?",
        ),
        ("nam: a\n", "1:1 unknown key `nam` | did you mean `name`?"),
        ("rows: 1\n", "1:1 `name` is missing | add the key `name:`"),
        ("name:\n", "1:1 `name`: expected text, found nothing | "),
        (
            "name: a\ncolumns:\n  - name:id\n",
            "3:5 `columns`: expected keys and values, found text `name:id` | put a space after the colon: `key: value`",
        ),
        (
            "name: a\nkey: { b: c }\n",
            "2:6 `key`: expected text, found keys of its own (`b:`) | ",
        ),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn all_mistakes_of_a_value_are_told() {
    let text = "name: a\ncolor: red\nrows: x\ncolumns:\n  - name: id\n    size: 3\n    meta: 1\n";
    let mut diagnostics = Vec::new();
    let table: Option<Table> = decode_all(&read(text), Severity::Warning, &mut diagnostics);
    let table = table.expect("the rest of the table is right");
    assert_eq!(
        (table.name.as_str(), table.columns[0].name.as_str()),
        ("a", "id")
    );
    let mut told: Vec<_> = diagnostics
        .iter()
        .map(|told| (told.is_error(), told.message.as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            (false, "unknown key `color`"),
            (false, "unknown key `size`"),
            (
                true,
                "`meta`: expected keys and values, found the number `1`"
            ),
            (true, "`rows`: expected a whole number, found text `x`"),
        ]
    );
}
