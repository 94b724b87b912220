//! The reference pages under `docs/` come from the code; these tests hold them to it.
//!
//! `REFX_UPDATE=1 cargo test --lib reference` writes them anew.

use std::fs;
use std::path::Path;

use refx_core::diagnostic::Code;
use refx_core::project;
use refx_core::project::config::{Level, Lint};

use crate::cli;

fn check(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    if std::env::var_os("REFX_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a page is in a folder"))
            .expect("docs/ is writable");
        fs::write(&path, expected).expect("docs/ is writable");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/{page} is not what the code says; write it anew with REFX_UPDATE=1 cargo test --lib reference"
    );
}

fn schema(page: &str, schema: &serde_json::Value) {
    let text = serde_json::to_string_pretty(schema).expect("a JSON value can be written");
    check(page, &(text + "\n"));
}

#[test]
fn schema_of_project_yml() {
    schema("schema/project.json", &project::schema());
}

#[test]
fn schema_of_properties_files() {
    schema("schema/properties.json", &project::properties_schema());
}

#[test]
fn schemas_of_json_output() {
    for (name, value) in cli::json_schemas() {
        schema(&format!("schema/{name}.json"), &value);
    }
}

#[test]
fn page_of_errors() {
    let mut page = String::from(
        "# Errors\n\nEach error and warning carries a code: `error[unknown-ref]: …`. `refx explain unknown-ref` prints what\n\
         is said here. This page is made from the comments on the codes in `crates/refx-core/src/diagnostic/codes.rs`.\n",
    );
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.as_str());
    for code in codes {
        page.push_str(&format!("\n## {code}\n\n{}\n", code.explain()));
    }
    check("errors.md", &page);
}

#[test]
fn page_of_lint() {
    let mut page = String::from(LINT);
    for (rule, level, what) in Lint::RULES {
        let level = match level {
            Level::Off => "off",
            Level::Warn => "warning",
            Level::Error => "error",
        };
        page.push_str(&format!(
            "| [`{rule}`](errors.md#{rule}) | {level} | {} |\n",
            what.trim()
        ));
    }
    check("lint.md", &page);
}

/// What stands before the table of rules.
const LINT: &str = r#"# Lint

`refx check` looks in every model for what its author can hardly mean. Data tests and analyses are
checked for errors alone. `refx explain RULE` says what a rule looks for, with an example and the way out.

Where a finding is meant, a comment silences it, at the end of its line or on a line of its own before it;
what follows the parenthesis is for the reader. Jinja comments do as well, and in YAML those with `#`.

```sql
limit 100 -- refx: allow(no-order) any hundred will do

-- refx: allow(wall-clock, no-order)
{# refx: allow(integer-division) #}
-- refx: allow-file(wall-clock)
```

A comment that silences nothing is told (`unused-allow`), and so is one that names no rule (`unknown-rule`).
`lint:` sets levels, `off`, `warn` or `error`: in `project.yml` for all models, below `models:` for a folder, in
`config()` or under `config:` for one.

```yaml
lint: {wall-clock: error}
models:
  my_project:
    staging:
      +lint: {select-star: off}
```

A key of a table is known where `primary_key` or a test `unique` says so, and is followed through filters,
joins, groups and windows. Where none is known, no rule guesses one.

This page is made from `crates/refx-core/src/project/config/lint.rs`.

| rule | | |
|---|---|---|
"#;

#[test]
fn page_of_commands() {
    let page = format!(
        "# Commands\n\nWhat `refx COMMAND --help` prints. This page is made from the definitions in `src/cli/args.rs`.\n{}",
        cli::help()
    );
    check("commands.md", &page);
}
