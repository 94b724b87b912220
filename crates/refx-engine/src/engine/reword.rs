//! What the planner says, in SQL's words: its own name types as Arrow does, and functions by their
//! signatures.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Error, Kind};

/// A sentence of the planner, and what is said in its place.
struct Sentence {
    pattern: &'static str,
    kind: Kind,
    says: fn(&Captures) -> String,
    help: &'static str,
    /// Whether the first group is the name of a function, which leads to its place.
    function: bool,
}

const SENTENCES: &[Sentence] = &[
    Sentence {
        pattern: r"^(a subquery that is used as one value gives \d+ rows)$",
        kind: Kind::Execution,
        says: |said| said[1].to_owned(),
        help: "aggregate it (`max(…)`), or narrow it with a condition until one row is left",
        function: false,
    },
    Sentence {
        pattern: r"^(a subquery (?:in|with|that) .+)$",
        kind: Kind::Plan,
        says: |said| format!("not supported: {}", &said[1]),
        help: "write it as a join, or compute its rows in a CTE and join that",
        function: false,
    },
    Sentence {
        pattern: r"^Cannot coerce arithmetic expression (.+) (\S+) (.+) to valid types$",
        kind: Kind::Type,
        says: |said| {
            format!(
                "`{}` does not go between {} and {}",
                &said[2], &said[1], &said[3]
            )
        },
        help: "cast one of them: `cast(… as bigint)`",
        function: false,
    },
    Sentence {
        pattern: r"^Cannot infer common argument type for logical boolean operation (.+) (AND|OR) (.+)$",
        kind: Kind::Type,
        says: |said| {
            let word = said[2].to_lowercase();
            format!(
                "`{word}` joins conditions, and gets {} and {}",
                &said[1], &said[3]
            )
        },
        help: "compare each side with something",
        function: false,
    },
    Sentence {
        pattern: r"^Cannot infer common argument type for comparison operation (.+) (\S+) (.+)$",
        kind: Kind::Type,
        says: |said| {
            format!(
                "{} and {} cannot be compared with `{}`",
                &said[1], &said[3], &said[2]
            )
        },
        help: "cast one of them, or compare with a value of the same type",
        function: false,
    },
    Sentence {
        pattern: r"^Cannot create filter with non-boolean predicate '(.+)' returning (.+)$",
        kind: Kind::Type,
        says: |said| {
            format!(
                "a condition has to be true or false, and `{}` is {}",
                &said[1], &said[2]
            )
        },
        help: "compare it with something: `= …`, `is not null`",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^.*?[Ff]unction '(\w+)' expects (\d+) arguments? but received (\d+).*$",
        kind: Kind::Type,
        says: |said| {
            let plural = if &said[2] == "1" { "" } else { "s" };
            format!(
                "`{}` takes {} argument{plural}, and gets {}",
                &said[1], &said[2], &said[3]
            )
        },
        help: "",
        function: true,
    },
    Sentence {
        pattern: r"(?s)^Function 'timezone' user-defined coercion failed with.* requires (.+?), but received (\w+).*$",
        kind: Kind::Type,
        says: |said| format!("`at time zone` takes {}, and gets {}", &said[1], &said[2]),
        help: "write `timestamp '2024-09-01 06:30:00' at time zone 'Europe/Paris'`",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^Function '(\w+)' user-defined coercion failed with.*$",
        kind: Kind::Type,
        says: |said| format!("the arguments of `{}` have no type in common", &said[1]),
        help: "cast them to one type",
        function: true,
    },
    Sentence {
        pattern: r"^UNION queries have different number of columns.*$",
        kind: Kind::Plan,
        says: |_| "the parts of the union have different numbers of columns".to_owned(),
        help: "select the same columns in each part, with `null as …` for those that one lacks",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^Incompatible inputs for Union: Previous inputs were of type (.+), but got incompatible type (.+) on column '(.+)'.*$",
        kind: Kind::Type,
        says: |said| {
            format!(
                "the parts of the union do not fit: `{}` is {} where the part before has {}",
                &said[3], &said[2], &said[1]
            )
        },
        help: "select the columns in the same order in each part, or cast one of them",
        function: false,
    },
    Sentence {
        pattern: r"^Unsupported SQL type (.+)$",
        kind: Kind::Type,
        says: |said| format!("no type named `{}`", &said[1]),
        help: "use a SQL type such as `varchar`, `bigint`, `double`, `decimal(10,2)`, `date`",
        function: false,
    },
    Sentence {
        pattern: r"^Cannot find column with position (\d+) in SELECT clause\. Valid columns: 1 to (\d+).*$",
        kind: Kind::Plan,
        says: |said| {
            format!(
                "there is no column {}: the SELECT has {}",
                &said[1], &said[2]
            )
        },
        help: "name the column rather than its position",
        function: false,
    },
    Sentence {
        pattern: r"^Order by column out of bounds, specified: (\d+), max: (\d+).*$",
        kind: Kind::Plan,
        says: |said| {
            format!(
                "there is no column {}: the SELECT has {}",
                &said[1], &said[2]
            )
        },
        help: "name the column rather than its position",
        function: false,
    },
    Sentence {
        pattern: r"^Window function '(\w+)' in a filter$",
        kind: Kind::Plan,
        says: |said| {
            format!(
                "`{}` stands in a filter, which is about rows one by one",
                &said[1]
            )
        },
        help: "compute it in an inner query, and filter outside of it; or use `qualify`",
        function: false,
    },
    Sentence {
        pattern: r"^No cast from (.+) to (.+)$",
        kind: Kind::Type,
        says: |said| format!("{} cannot be cast to {}", &said[1], &said[2]),
        help: "",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^The text '(.*)' is no (.+)$",
        kind: Kind::Type,
        says: |said| format!("`{}` is no {}", &said[1], &said[2]),
        help: "write a value of that type, or cast the other side to text",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^regex parse error:\s*\n\s*(.*?)\s*\n[\s^]*error: (.*)$",
        kind: Kind::Execution,
        says: |said| format!("`{}` is no regular expression: {}", &said[1], &said[2]),
        help: "put `\\` before a sign that is meant as it is",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^Unsupported date_trunc granularity: '(.*?)'\. Supported values are: (.*)$",
        kind: Kind::Execution,
        says: |said| format!("`date_trunc` knows no `{}`", &said[1]),
        help: "write `year`, `quarter`, `month`, `week`, `day`, `hour`, `minute` or `second`",
        function: false,
    },
    Sentence {
        pattern: r"^Date part '(.*?)' not supported$",
        kind: Kind::Execution,
        says: |said| format!("a date has no part `{}`", &said[1]),
        help: "write `year`, `quarter`, `month`, `week`, `day`, `dow`, `doy`, `hour`, `minute`, `second` or `epoch`",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^Cannot cast string '(.*)' to value of (.+) type$",
        kind: Kind::Execution,
        says: |said| format!("`{}` cannot be cast to {}", &said[1], &said[2]),
        help: "correct the value, or write `try_cast`, which gives NULL in its place",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^COUNT DISTINCT with multiple arguments.*$",
        kind: Kind::Plan,
        says: |_| "`count(distinct …)` takes one column".to_owned(),
        help: "count the rows of a `select distinct`, or one value made of both: `count(distinct struct(a, b))`",
        function: false,
    },
    Sentence {
        pattern: r"(?s)^Substring without for/from is not valid.*$",
        kind: Kind::Type,
        says: |_| "`substr` needs the place where the part begins".to_owned(),
        help: "write `substr(text, 1, 3)`: from the first letter on, three of them",
        function: false,
    },
    Sentence {
        pattern: r"^Aggregate functions are not allowed in the WHERE clause.*$",
        kind: Kind::Plan,
        says: |_| "an aggregate stands in `where`, which is about single rows".to_owned(),
        help: "filter the groups with `having`, after `group by`",
        function: false,
    },
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = SENTENCES.iter().map(|sentence| sentence.pattern);
    patterns
        .map(|pattern| Regex::new(pattern).expect("the pattern is ours"))
        .collect()
});

/// What is said in place of a sentence of the planner, where there is something better.
pub(super) fn reword(message: &str) -> Option<Error> {
    let known = PATTERNS.iter().zip(SENTENCES);
    let (said, sentence) = known
        .filter_map(|(pattern, sentence)| Some((pattern.captures(message)?, sentence)))
        .next()?;
    let mut error = Error::new(sentence.kind, types(&(sentence.says)(&said)));
    if !sentence.help.is_empty() {
        error = error.help(sentence.help);
    }
    Some(match sentence.function {
        true => error.written(&said[1]),
        false => error,
    })
}

/// Arrow's names of types in SQL's words.
pub(super) fn types(message: &str) -> String {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| {
        let names = r"\b(Utf8View|LargeUtf8|Utf8|Int8|Int16|Int32|Int64|UInt8|UInt16|UInt32|UInt64|Float32|Float64|Date32|Boolean|Decimal128|Timestamp\((?:s|ms|µs|us|ns|Second|Millisecond|Microsecond|Nanosecond)(?:, [^)]*)?\))";
        Regex::new(names).expect("the pattern is ours")
    });
    let named = NAMES.replace_all(message, |name: &Captures| match &name[1] {
        "Utf8View" | "LargeUtf8" | "Utf8" => "varchar",
        "Int8" => "tinyint",
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "UInt8" => "tinyint unsigned",
        "UInt16" => "smallint unsigned",
        "UInt32" => "integer unsigned",
        "UInt64" => "bigint unsigned",
        "Float32" => "float",
        "Float64" => "double",
        "Date32" => "date",
        "Boolean" => "boolean",
        "Decimal128" => "decimal",
        timestamp if timestamp.contains('+') || timestamp.contains("UTC") => "timestamptz",
        _ => "timestamp",
    });
    named.into_owned()
}
