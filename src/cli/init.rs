//! `refx init`: a new project, small enough to be read in five minutes, that builds as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The files of a new project. `NAME` stands for the project's name.
const FILES: &[(&str, &str)] = &[
    ("project.yml", PROJECT),
    ("models/example/user_visits.sql", MODEL),
    ("models/example/example.yml", PROPERTIES),
    ("seeds/visits.csv", SEED),
    ("seeds/seeds.yml", SEED_PROPERTIES),
    (".gitignore", IGNORED),
    ("README.md", README),
];

const PROJECT: &str = "\
name: NAME
version: \"1.0.0\"

models:
  NAME:
    # Tables are merged on their primary key: a run writes only the rows that differ.
    +materialized: incremental

targets:
  dev:
    root: warehouse          # a folder here, or a URL: s3://bucket/path, gs://…, az://…
default-target: dev
";

const MODEL: &str = "\
-- One row a user. A model is one SELECT; its file's name is the table's, its folder the theme.
--
-- `ref` reads another table of the project, and so the order of a run is known. `as_of()` is the
-- instant that the run computes for: with it, and never with now(), any past day can be built again.
select
    user_id,
    min(visited_on) as first_visit,
    max(visited_on) as last_visit,
    count(*) as visits,
    sum(pages) as pages
from {{ ref('visits') }}
where visited_on <= cast({{ as_of() }} as date)
group by user_id
";

const PROPERTIES: &str = "\
version: 2

models:
  - name: user_visits
    description: When each user came, and how much he read.
    primary_key: [user_id]
    owner: you@example.com
    cadence: daily
    columns:
      - name: user_id
        description: The user.
        data_tests: [unique, not_null]
      - name: first_visit
        description: The day of the first visit.
        data_tests: [not_null]
      - name: last_visit
        description: The day of the latest visit.
        data_tests: [not_null]
      - name: visits
        description: How often he came.
        unit: visits
      - name: pages
        description: Pages that he read, in all.
        unit: pages
";

const SEED: &str = "\
user_id,visited_on,pages
1,2024-08-29,3
1,2024-08-31,8
2,2024-08-30,1
3,2024-08-31,5
";

const SEED_PROPERTIES: &str = "\
version: 2

seeds:
  - name: visits
    description: Visits to try the example with. Real data is read with `source()`.
    config:
      column_types:
        user_id: bigint
        visited_on: date
        pages: bigint
";

const IGNORED: &str = "\
/.refx/
/warehouse/
";

const README: &str = "\
# NAME

    refx build                              # make every table and test it
    refx show user_visits                   # look at one
    refx build                              # again: nothing changed, nothing written

Now change `models/example/user_visits.sql`, for instance add a column, and see what it does:

    refx plan --select user_visits+         # what would be done, and why
    refx build --select user_visits+        # do it for this table and all that read it

Tables are in `warehouse/`, as Delta: Spark, DuckDB, Polars and others read them. What a run did is in
`.refx/`.
";

/// Makes the project in a new folder of that name, and returns the folder.
///
/// # Errors
/// A name that is none, a folder that holds something, a disk that cannot be written to.
pub fn init(parent: &Path, name: &str) -> Result<PathBuf> {
    if let Some(better) = better_name(name) {
        let hint = match better.is_empty() {
            true => String::new(),
            false => format!("; `{better}` would do"),
        };
        bail!(
            "`{name}` cannot name a project: use lower-case letters, digits and `_`, a letter first{hint}"
        );
    }
    let folder = parent.join(name);
    let taken = match fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).context(format!("cannot make `{}`", folder.display())),
    };
    if taken {
        bail!(
            "`{}` is there already and not empty; nothing was written",
            folder.display()
        );
    }
    for (path, text) in FILES {
        let path = folder.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text.replace("NAME", name)));
        written.with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(folder)
}

/// For a name that cannot be used, the nearest that can; empty where there is none.
fn better_name(name: &str) -> Option<String> {
    let better: String = name
        .to_lowercase()
        .chars()
        .map(|character| match character {
            'a'..='z' | '0'..='9' => character,
            _ => '_',
        })
        .collect();
    let better = better
        .trim_start_matches(|first: char| !first.is_ascii_lowercase())
        .to_string();
    (better != name || name.is_empty()).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_made_once_and_never_over_another() {
        let parent = std::env::temp_dir().join(format!("refx-init-{}", std::process::id()));
        let folder = init(&parent, "user_reference").unwrap();
        let project = fs::read_to_string(folder.join("project.yml")).unwrap();
        let again = init(&parent, "user_reference").unwrap_err().to_string();
        fs::write(parent.join("file"), "").unwrap();
        let on_a_file = init(&parent, "file").unwrap_err().to_string();
        fs::remove_dir_all(&parent).unwrap();
        assert!(project.starts_with("name: user_reference\n"));
        assert!(again.contains("not empty; nothing was written"));
        assert!(on_a_file.contains("cannot make"));
    }

    #[test]
    fn a_bad_name_is_answered_with_a_better_one() {
        assert_eq!(better_name("user_reference"), None);
        assert_eq!(better_name("My-Tables"), Some("my_tables".into()));
        assert_eq!(better_name("2024_plan"), Some("plan".into()));
        assert_eq!(better_name("../x"), Some("x".into()));
        assert_eq!(better_name(""), Some(String::new()));
    }

    #[test]
    fn no_file_holds_the_word_that_is_replaced_by_accident() {
        for (path, text) in FILES {
            let made = text.replace("NAME", "shop");
            assert!(!made.contains("NAME"), "{path}");
            assert!(made.ends_with('\n'), "{path}");
        }
    }
}
