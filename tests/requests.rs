//! What a run asks of its stores: it does not grow with the history of its tables, and has a budget.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Three models over one folder of files, with a test each and one for the source itself.
const SOURCE: [(&str, &str); 7] = [
    (
        "project.yml",
        "name: sourced\nmodels:\n  +materialized: table\n",
    ),
    (
        "models/sources.yml",
        "sources:\n  - name: raw\n    tables:\n      - name: users\n        location: raw/users\n        \
         columns:\n          - name: id\n            tests: [not_null]\n",
    ),
    ("models/a.sql", READS),
    ("models/b.sql", READS),
    ("models/c.sql", READS),
    ("raw/users/1.csv", "id\n1\n2\n"),
    ("raw/users/2.csv", "id\n3\n"),
];

const READS: &str = "select {{ var('day') }} as day, id from {{ source('raw', 'users') }}\n";

/// A chain of tables, one of which changes with each build and one never.
const FILES: [(&str, &str); 4] = [
    (
        "project.yml",
        "name: history\nmodels:\n  +materialized: incremental\n  +primary_key: id\n",
    ),
    ("models/days.sql", "select {{ var('day') }} as id\n"),
    (
        "models/read.sql",
        "select count(*) as id from {{ ref('days') }}\n",
    ),
    ("models/same.sql", "select 1 as id\n"),
];

/// For each table: a listing before the plan and one before the write.
const LISTINGS: u64 = 3 * 2;

/// For each table: the hint at a checkpoint, the checkpoint and the entries since.
const LOG_READS: u64 = 3 * (2 + 10);

#[test]
fn a_long_history_costs_no_more_than_a_short_one() {
    let project = Project::new(&FILES);
    let mut at = Vec::new();
    for day in 1..=42 {
        let asked = project.build(day);
        // Where a checkpoint is written, the log is listed for entries that have expired.
        let listings = LISTINGS + if day % 10 == 0 { 2 } else { 0 };
        assert!(
            asked.listings <= listings && asked.log_reads <= LOG_READS,
            "build {day} asked {asked:?}, and {listings} listings and {LOG_READS} reads are allowed"
        );
        at.push(asked);
    }
    // Between two checkpoints as far from the last of them.
    assert_eq!(at[19].listings, at[39].listings);
    assert_eq!(at[19].log_reads, at[39].log_reads, "{at:?}");
    assert_eq!(project.checkpoints("days"), 4);
    // Nothing changes any more: nothing is written, and what was read is read again once.
    let unchanged = project.build(42);
    assert_eq!(unchanged.writes, 0, "{unchanged:?}");
    assert!(unchanged.listings <= LISTINGS, "{unchanged:?}");
}

#[test]
fn a_source_is_listed_once_for_all_that_read_it() {
    let project = Project::new(&SOURCE);
    project.build(1);
    // For the source: the look for a Delta log, and the listing of its files.
    let listings = LISTINGS + 2;
    let unchanged = project.build(1);
    assert!(unchanged.listings <= listings, "{unchanged:?}");
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    listings: u64,
    log_reads: u64,
    writes: u64,
}

struct Project {
    root: PathBuf,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let (_, first) = files[0];
        let name = first.lines().next().unwrap_or_default().replace(": ", "-");
        let root =
            std::env::temp_dir().join(format!("refx-requests-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            let path = root.join(path);
            let folder = path.parent().expect("a file is in a folder");
            fs::create_dir_all(folder).expect("the temporary folder can be written");
            fs::write(path, text).expect("the temporary folder can be written");
        }
        Project { root }
    }

    fn build(&self, day: u32) -> Asked {
        let output = Command::new(env!("CARGO_BIN_EXE_refx"))
            .args(["build", "--log-format", "json", "--vars"])
            .arg(format!("day: {day}"))
            .current_dir(&self.root)
            .env_remove("REFX_AS_OF")
            .output()
            .expect("the binary is built");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let last = text.lines().last().unwrap_or_default();
        let last: Value = serde_json::from_str(last).expect("a line is JSON");
        let requests = &last["summary"]["requests"];
        let count = |kind: &str| requests[kind].as_u64().expect("requests are counted");
        Asked {
            listings: count("listings"),
            log_reads: count("log_reads"),
            writes: count("writes"),
        }
    }

    fn checkpoints(&self, table: &str) -> usize {
        let log = self.root.join("warehouse").join(table).join("_delta_log");
        let files = fs::read_dir(log).expect("the table is there").flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.ends_with(".checkpoint.parquet"))
            .count()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
