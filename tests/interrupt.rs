//! Ctrl-C: what was committed stays, what was not leaves no trace, and the same command goes on.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A model that is done at once, one that takes hours unless `rows` says otherwise, and its reader.
const FILES: [(&str, &str); 4] = [
    (
        "project.yml",
        "name: slow\nmodels:\n  +materialized: table\n",
    ),
    (
        "models/quick.sql",
        "select value as id from generate_series(1, 100)\n",
    ),
    (
        "models/slow.sql",
        "select count(*) as pairs\n\
         from {{ ref('quick') }} as a\n\
         cross join generate_series(1, {{ var('rows', 100000000000) }}) as b\n\
         where a.id * b.value % 7 = 3\n",
    ),
    ("models/reader.sql", "select pairs from {{ ref('slow') }}\n"),
];

/// A query of one call that takes hours: there is no point at which it could look up.
const DEEP: &str = "select levenshtein(repeat('a', 1000000 + id), repeat('b', 1000000 + id)) as n\n\
    from {{ ref('quick') }} where id <= {{ var('rows', 2) }}\n";

const ASKS: &str = "{% set n = run_query('select count(*) as n from generate_series(1, 100) as a \
    cross join generate_series(1, 100000000000) as b where a.value * b.value % 7 = 3') %}\n\
    select 1 as id\n";

#[test]
fn an_interrupted_build_loses_nothing_and_goes_on() {
    let project = Project::new("once");
    let mut build = project.build(&["--threads", "2"]);
    let begun = read_until(&mut build, "quick");
    interrupt(&build);
    let (code, rest) = end(build);
    let told = begun + &rest;
    assert_eq!(code, Some(130), "{told}");
    for expected in [
        "ok    quick   create       v0",
        "skip  slow    create",
        "skip  reader  create",
        "not run: interrupted",
        ": 2 models skipped, 1 table written",
        "next: the same command goes on from here; what was committed stays",
    ] {
        assert!(told.contains(expected), "`{expected}` is not in\n{told}");
    }
    assert!(project.has_table("quick"));
    assert!(!project.has_table("slow"), "a half table is visible");
    assert!(project.root.join(".refx/run_results.json").is_file());

    let again = project.build(&["--threads", "2", "--vars", "rows: 10"]);
    let (code, told) = end(again);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2 tables written, 1 unchanged"), "{told}");
}

#[test]
fn a_query_that_never_looks_up_is_left_to_itself() {
    let project = Project::new("deep");
    // As many as there are cores, so that no thread of the queries is free.
    let deep = thread::available_parallelism().map_or(2, usize::from) + 1;
    for number in 0..deep {
        project.write(&format!("models/deep{number}.sql"), DEEP);
    }
    project.write("models/asks.sql", ASKS);
    let threads = (deep + 2).to_string();
    let select = ["--select", "quick", "deep*", "asks", "--threads", &threads];
    let mut build = project.build(&select);
    read_until(&mut build, "quick");
    // They are at work by then, or will not begin.
    thread::sleep(Duration::from_millis(500));
    interrupt(&build);
    let (code, told) = end(build);
    assert_eq!(code, Some(130), "{told}");
    assert!(
        told.contains("what was committed stays"),
        "there is no summary in\n{told}"
    );
    for name in ["asks", "deep0", "deep1"] {
        assert!(!project.has_table(name), "a half table is visible");
    }
    let again = project.build(&["--select", "quick", "deep0", "--vars", "rows: 0"]);
    let (code, told) = end(again);
    assert_eq!(code, Some(0), "{told}");
}

struct Project {
    root: PathBuf,
}

impl Project {
    fn new(name: &str) -> Project {
        let root = std::env::temp_dir().join(format!("refx-int-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("models")).expect("the temporary folder can be written");
        for (path, text) in FILES {
            fs::write(root.join(path), text).expect("the temporary folder can be written");
        }
        Project { root }
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.root.join(path), text).expect("the folder can be written");
    }

    fn build(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_refx"))
            .arg("build")
            .args(arguments)
            .current_dir(&self.root)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary is built")
    }

    fn has_table(&self, name: &str) -> bool {
        let log = Path::new("warehouse").join(name).join("_delta_log");
        self.root
            .join(log)
            .join("00000000000000000000.json")
            .is_file()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Reads the output up to the first line that holds the word.
fn read_until(build: &mut Child, word: &str) -> String {
    let output = build.stdout.as_mut().expect("the output is piped");
    let mut text = String::new();
    // One byte at a time, so that nothing of what follows is lost in a buffer.
    let mut lines = BufReader::with_capacity(1, output);
    while lines.read_line(&mut text).is_ok_and(|read| read > 0) {
        if text.lines().last().is_some_and(|line| line.contains(word)) {
            return text;
        }
    }
    panic!("`{word}` never came:\n{text}");
}

fn interrupt(build: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &build.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
}

fn end(mut build: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    if let Some(output) = build.stdout.as_mut() {
        let _ = output.read_to_string(&mut text);
    }
    let status = build.wait().expect("the process was started here");
    (status.code(), text)
}
