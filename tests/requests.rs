//! What a run asks of its stores: it does not grow with the history of its tables, and has a budget.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

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
    let project = Project::new();
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
    fn new() -> Project {
        let root = std::env::temp_dir().join(format!("refx-requests-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("models")).expect("the temporary folder can be written");
        for (path, text) in FILES {
            fs::write(root.join(path), text).expect("the temporary folder can be written");
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
