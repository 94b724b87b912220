//! Names of columns as SQL has to write them.

use super::relation::{Column, quote};

/// Words that are no column where they stand alone: `select current_date`. Checked against the parser
/// and the planner of DataFusion 55.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "between",
    "case",
    "cast",
    "cross",
    "cube",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "for",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "qualify",
    "returning",
    "right",
    "rollup",
    "select",
    "session_user",
    "set",
    "some",
    "struct",
    "then",
    "top",
    "trim",
    "true",
    "union",
    "user",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
];

/// The name of a column as a test can paste it into SQL: as it is where SQL reads it so, else in
/// quotes. `known` is asked for the columns of the table where they decide; the name is then spelled as
/// the table spells it.
///
/// dbt also takes an expression for a column, `column_name: "lower(email)"`, and a name that is quoted
/// by hand. Both stay as they are.
pub fn column_name(name: &str, known: impl FnOnce() -> Option<Vec<Column>>) -> String {
    if is_plain(name) || is_quoted(name) {
        return name.to_owned();
    }
    let known = known().unwrap_or_default();
    let exact = known.iter().find(|column| column.name == name);
    let found = exact.or_else(|| {
        let mut alike = known
            .iter()
            .filter(|column| column.name.eq_ignore_ascii_case(name));
        alike.next().filter(|_| alike.next().is_none())
    });
    match found {
        Some(column) if is_plain(&column.name) => column.name.clone(),
        Some(column) => quote(&column.name),
        None if is_expression(name) => name.to_owned(),
        None => quote(name),
    }
}

/// Whether SQL reads the word as a column of that very name.
fn is_plain(name: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    name.starts_with(first)
        && name.chars().all(|c| first(c) || c.is_ascii_digit())
        && !RESERVED.contains(&name)
}

fn is_quoted(name: &str) -> bool {
    name.len() > 1 && name.starts_with('"') && name.ends_with('"')
}

/// Whether a text that names no column calls, casts, compares or joins something.
fn is_expression(text: &str) -> bool {
    text.contains(['(', '\'', '"', '['])
        || ["||", "::", "->", " + ", " - ", " * ", " / "]
            .iter()
            .any(|operator| text.contains(operator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_so_that_sql_reads_them() {
        let known: Vec<Column> = ["UserId", "id", "2024", "Code", "code", "a (b)"]
            .map(|name| Column {
                name: name.into(),
                data_type: "bigint".into(),
            })
            .into();
        for (name, alone, in_table) in [
            ("id", "id", "id"),
            ("2024", "\"2024\"", "\"2024\""),
            ("1e5", "\"1e5\"", "\"1e5\""),
            ("current_date", "\"current_date\"", "\"current_date\""),
            ("Full Name", "\"Full Name\"", "\"Full Name\""),
            ("UserId", "\"UserId\"", "\"UserId\""),
            ("USERID", "\"USERID\"", "\"UserId\""),
            ("ID", "\"ID\"", "id"),
            ("Code", "\"Code\"", "\"Code\""),
            ("CODE", "\"CODE\"", "\"CODE\""),
            ("a.b", "\"a.b\"", "\"a.b\""),
            ("say \"hi\"", "say \"hi\"", "say \"hi\""),
            ("\"User Id\"", "\"User Id\"", "\"User Id\""),
            ("lower(email)", "lower(email)", "lower(email)"),
            ("a (b)", "a (b)", "\"a (b)\""),
            (
                "country || '-' || id",
                "country || '-' || id",
                "country || '-' || id",
            ),
            ("é", "\"é\"", "\"é\""),
        ] {
            assert_eq!(column_name(name, || None), alone, "{name}");
            assert_eq!(
                column_name(name, || Some(known.clone())),
                in_table,
                "{name}"
            );
        }
    }
}
