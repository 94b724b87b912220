//! Checks the table of ARCHITECTURE.md that says which module may import which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The sources of the packages. What one of them may not see of another, the compiler says.
const SOURCES: [&str; 3] = ["crates/refx-core/src", "crates/refx-engine/src", "src"];

/// The modules with their floor. A module imports modules of lower floors, and its own.
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
    ("check", 6),
    ("run", 6),
    ("cli", 8),
    ("demonstration", 9),
    ("reference", 9),
];

/// Imports inside of one floor that the table allows: a module, and the neighbour it may read.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("select", "graph"),
    ("compile", "plan"),
    ("delta", "engine"),
    ("run", "check"),
];

/// Crates that only some modules may name.
const CRATES: &[(&str, &[&str])] = &[
    ("datafusion", &["engine", "delta", "check", "run", "cli"]),
    ("deltalake", &["delta"]),
    ("anyhow", &["cli"]),
    ("minijinja", &["template"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("saphyr", &["project", "template"]),
];

/// What touches the world, and the beginnings of the paths of those that may.
const WORLD: &[(&str, &[&str])] = &[
    (
        "std::fs",
        &["project/read", "engine", "delta", "run", "cli", "reference"],
    ),
    (
        "std::env",
        &[
            "template/scope",
            "engine",
            "delta",
            "run",
            "cli",
            "reference",
        ],
    ),
    ("std::net", &[]),
    ("std::process", &["engine", "delta", "run", "cli"]),
    ("Utc::now", &["engine", "delta", "run", "cli"]),
];

/// Words that write to the terminal, and the one module that may.
const PRINTING: &[&str] = &["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];

#[test]
fn modules_import_only_what_is_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    let sources = SOURCES.map(|source| root.join(source));
    let files = sources.iter().flat_map(|source| {
        rust_files(source)
            .into_iter()
            .map(move |file| (source, file))
    });
    for (source, file) in files {
        let relative = file.strip_prefix(source).expect("walked from there");
        let module = relative
            .components()
            .next()
            .and_then(|part| part.as_os_str().to_str())
            .expect("a file has a first component")
            .trim_end_matches(".rs");
        if matches!(module, "main" | "lib") {
            continue;
        }
        let Some(&floor) = floors.get(module) else {
            faults.push(format!(
                "{}: `{module}` is not in the table",
                relative.display()
            ));
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file is readable");
        let code: String = text
            .lines()
            .map(|line| match line.trim_start().starts_with("//") {
                true => "\n".to_string(),
                false => format!("{line}\n"),
            })
            .collect();
        for (at, target) in paths(&code) {
            let allowed = match floors.get(target) {
                Some(&below) => {
                    target == module || below < floor || NEIGHBOURS.contains(&(module, target))
                }
                None => true,
            };
            if !allowed {
                let line = code[..at].lines().count();
                faults.push(format!(
                    "{}:{line}: `{module}` may not import `{target}`",
                    relative.display()
                ));
            }
        }
        for (number, line) in code.lines().enumerate() {
            let mut fault = |what: String| {
                faults.push(format!("{}:{}: {what}", relative.display(), number + 1));
            };
            for (name, modules) in CRATES {
                if line.contains(&format!("{name}::")) && !modules.contains(&module) {
                    fault(format!("`{module}` may not use the crate `{name}`"));
                }
            }
            for (path, files) in WORLD {
                let file = relative.to_string_lossy();
                let tests = file.contains("tests");
                if line.contains(path)
                    && !tests
                    && !files.iter().any(|known| file.starts_with(known))
                {
                    fault(format!("`{path}` is for those who touch the world"));
                }
            }
            if module != "cli" && PRINTING.iter().any(|word| line.contains(word)) {
                fault("only `cli` prints".to_string());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The modules that a text names, each with its place: `crate::module`, those of `crate::{a, b::c}`, and
/// the same of another package.
fn paths(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let packages = ["crate::", "refx_core::", "refx_engine::"];
    let named = packages.map(|package| text.match_indices(package));
    for (at, word) in named.into_iter().flatten() {
        let rest = &text[at + word.len()..];
        match rest.strip_prefix('{') {
            None => found.push((at, first_name(rest))),
            Some(group) => {
                let mut depth = 0;
                let parts = group.split_inclusive(['{', '}', ',']);
                for part in parts {
                    if depth == 0 {
                        found.push((at, first_name(part.trim_start())));
                    }
                    match part.as_bytes().last() {
                        Some(b'{') => depth += 1,
                        Some(b'}') if depth == 0 => break,
                        Some(b'}') => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn first_name(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn modules_in_braces_are_seen() {
    let names: Vec<&str> =
        paths("use refx_core::{plan, template::{self, Host}, run};\nuse crate::graph::Graph;")
            .into_iter()
            .map(|(_, name)| name)
            .filter(|name| !name.is_empty())
            .collect();
    assert_eq!(names, ["graph", "plan", "template", "run"]);
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder is readable") {
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
