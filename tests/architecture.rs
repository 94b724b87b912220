//! Holds the table of ARCHITECTURE.md that says which room may import which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms with their floor. A room imports rooms of lower floors, and its own.
const FLOORS: &[(&str, u8)] = &[
    ("diagnostic", 0),
    ("project", 1),
    ("template", 1),
    ("manifest", 2),
    ("graph", 3),
    ("select", 3),
    ("plan", 4),
    ("compile", 4),
    ("load", 4),
    ("engine", 5),
    ("delta", 5),
    ("run", 6),
    ("cli", 8),
    ("reference", 9),
];

/// Imports inside of one floor that the table allows: a room, and the neighbour it may read.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("select", "graph"),
    ("compile", "plan"),
    ("delta", "engine"),
];

/// Crates that only some rooms may name.
const CRATES: &[(&str, &[&str])] = &[
    ("datafusion", &["engine", "delta", "run", "cli"]),
    ("deltalake", &["delta"]),
    ("minijinja", &["template"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("saphyr", &["project", "template"]),
];

/// Words that write to the terminal, and the one room that may.
const PRINTING: &[&str] = &["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];

#[test]
fn rooms_import_only_what_is_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    let files = rust_files(&source);
    assert!(files.len() > 20, "the walk over src/ found too little");
    for file in files {
        let relative = file.strip_prefix(&source).expect("walked from src");
        let room = relative
            .components()
            .next()
            .and_then(|part| part.as_os_str().to_str())
            .expect("a file has a first component")
            .trim_end_matches(".rs");
        if matches!(room, "main" | "lib") {
            continue;
        }
        let Some(&floor) = floors.get(room) else {
            faults.push(format!(
                "{}: `{room}` is not in the table",
                relative.display()
            ));
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file is readable");
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            let mut fault = |what: String| {
                faults.push(format!("src/{}:{}: {what}", relative.display(), number + 1));
            };
            for target in crate_paths(line) {
                match floors.get(target) {
                    Some(_) if target == room => {}
                    Some(&below) if below < floor => {}
                    Some(_) if NEIGHBOURS.contains(&(room, target)) => {}
                    Some(_) => fault(format!("`{room}` may not import `{target}`")),
                    None => {}
                }
            }
            for (name, rooms) in CRATES {
                if line.contains(&format!("{name}::")) && !rooms.contains(&room) {
                    fault(format!("`{room}` may not use the crate `{name}`"));
                }
            }
            if room != "cli" && PRINTING.iter().any(|word| line.contains(word)) {
                fault("only `cli` prints".to_string());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The rooms that a line names through `crate::room`.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").map(move |(at, word)| {
        let rest = &line[at + word.len()..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("an entry is readable").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
