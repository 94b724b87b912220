//! The words of templates, for `did you mean`: minijinja does not hand out its own.

use super::tokens::{TokenKind, scan};

pub(super) const FILTERS: &[&str] = &[
    "abs",
    "as_bool",
    "as_native",
    "as_number",
    "as_text",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "float",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "undefined",
];

const TEXT_METHODS: &[&str] = &[
    "capitalize",
    "center",
    "count",
    "endswith",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isdigit",
    "islower",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rjust",
    "rpartition",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "title",
    "upper",
    "zfill",
];

const LIST_METHODS: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];

const DICT_METHODS: &[&str] = &[
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "setdefault",
    "update",
    "values",
];

/// The methods of a kind of value, by minijinja's word for it.
pub(super) fn methods(kind: &str) -> &'static [&'static str] {
    match kind {
        "string" => TEXT_METHODS,
        "sequence" => LIST_METHODS,
        "map" => DICT_METHODS,
        _ => &[],
    }
}

/// The names that a template gives values to itself: set, walked over, taken as parameters.
pub(super) fn locals(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    for tag in scan(template) {
        let word = |at: usize| tag.tokens[at].text(template);
        let end = match tag.keyword(template) {
            Some("set") => "=",
            Some("for") => "in",
            Some("macro" | "call") => ")",
            _ => continue,
        };
        let mut index = 1;
        while index < tag.tokens.len() && word(index) != end {
            let parameter = end != ")" || matches!(word(index - 1), "(" | ",");
            if tag.tokens[index].kind == TokenKind::Name && parameter {
                names.push(word(index).to_owned());
            }
            index += 1;
        }
    }
    names.retain(|name| !name.starts_with("refx__"));
    names
}

#[cfg(test)]
mod tests {
    use minijinja::ErrorKind;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_templates() {
        let environment = super::super::environment::build();
        let kind = |text: String| {
            let made = environment.compile_expression(&text);
            let given = made.and_then(|expression| expression.eval(()));
            given.err().map(|error| error.kind())
        };
        for filter in FILTERS {
            let said = kind(format!("'1' | {filter}"));
            assert_ne!(said, Some(ErrorKind::UnknownFilter), "{filter}");
        }
        for test in TESTS {
            let said = kind(format!("1 is {test}(1)"));
            assert_ne!(said, Some(ErrorKind::UnknownTest), "{test}");
        }
        for (value, of) in [("'a'", "string"), ("{}", "map")] {
            for method in methods(of).iter().filter(|name| !CHANGING.contains(name)) {
                let said = kind(format!("{value}.{method}()"));
                assert_ne!(said, Some(ErrorKind::UnknownMethod), "{method}");
            }
        }
        assert_eq!(kind("1 | no_such".into()), Some(ErrorKind::UnknownFilter));
    }

    /// Those that only the lists and dicts of templates have.
    const CHANGING: &[&str] = &["clear", "copy", "pop", "setdefault", "update"];

    #[test]
    fn names_of_a_template() {
        let text =
            "{% macro f(a, b=c) %}{% for k, v in d %}{% set x = y %}{% endfor %}{% endmacro %}";
        assert_eq!(locals(text), ["a", "b", "k", "v", "x"]);
    }
}
