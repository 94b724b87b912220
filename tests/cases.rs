//! Runs every folder of `tests/cases/` and `tests/broken/`: a small project and a `run.txt` of commands
//! with the output that they must give. The projects of `tests/broken/` have one mistake each.
//!
//! ```text
//! $ refx build
//! ok    customers  create  3 inserted
//! exit 0
//! ```
//!
//! A line that begins with `$ ` is given to `bash` in a copy of the folder, with the built `refx` on
//! the path; the lines after it are its output, standard output and standard error as they come, and
//! its exit code. A pipe fails when any of its commands fails. What differs from run to run (times, ids, paths) is replaced by a word in brackets.
//! `REFX_CASE=name` runs the cases whose name holds the word, `REFX_UPDATE=1` writes what came out
//! into `run.txt`: read the difference before you commit it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use regex::Regex;

#[test]
fn every_case_gives_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let filter = env::var("REFX_CASE").unwrap_or_default();
    let mut cases: Vec<PathBuf> = ["cases", "broken"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).expect("the cases are readable"))
        .map(|entry| entry.expect("an entry is readable").path())
        .filter(|path| path.join("run.txt").is_file())
        .filter(|path| path.to_string_lossy().contains(&filter))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case matches");

    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = run(case) {
                        let mut failures = failures.lock().expect("no thread panics with it");
                        failures.push(failure);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics with it");
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} cases differ\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Runs one case; the error shows the lines that differ.
fn run(case: &Path) -> Result<(), String> {
    let name = case
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let script = case.join("run.txt");
    let expected = fs::read_to_string(&script).map_err(|error| format!("{name}: {error}"))?;
    let work = env::temp_dir().join(format!("refx-case-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&work);
    copy(case, &work).map_err(|error| format!("{name}: {error}"))?;
    let mut actual = String::new();
    for line in expected.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let output = shell(command, &work).map_err(|error| format!("{name}: {error}"))?;
            let _ = write!(actual, "$ {command}\n{}", settle(&output, &work));
        } else if line.starts_with('#') {
            let _ = writeln!(actual, "{line}");
        }
    }
    if let Err(error) = fs::remove_dir_all(&work) {
        return Err(format!("{name}: {error}"));
    }
    if actual.trim_end() == expected.trim_end() {
        return Ok(());
    }
    if env::var_os("REFX_UPDATE").is_some() {
        return fs::write(&script, actual.trim_end().to_string() + "\n")
            .map_err(|error| format!("{name}: {error}"));
    }
    Err(difference(&name, &expected, &actual))
}

fn shell(command: &str, folder: &Path) -> std::io::Result<String> {
    let binary = Path::new(env!("CARGO_BIN_EXE_refx"));
    let folder_of_binary = binary.parent().unwrap_or(Path::new("."));
    let path = match env::var("PATH") {
        Ok(path) => format!("{}:{path}", folder_of_binary.display()),
        Err(_) => folder_of_binary.display().to_string(),
    };
    // Both streams are one pipe, so that lines keep the order in which a person sees them.
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = Command::new("bash");
    child
        .args(["-o", "pipefail", "-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("REFX_THREADS", "1")
        .env_remove("REFX_AS_OF")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut running = child.spawn()?;
    // The command keeps the writing end open, and the output would never end.
    drop(child);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let status = running.wait()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match status.code() {
        Some(code) => Ok(format!("{text}exit {code}\n")),
        None => Ok(format!("{text}killed\n")),
    }
}

/// Replaces what differs from run to run.
fn settle(output: &str, work: &Path) -> String {
    let output = output.replace(&*work.to_string_lossy(), "[project]");
    let rules = [
        (r" *\b(\d+ min )?\d+(\.\d+)? (ms|s|min)\b", " [time]"),
        (
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            "[id]",
        ),
        (r"\b20(2[5-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d UTC", "[instant]"),
        (r"\b20[2-9]\d-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", "[instant]"),
        (r"\brun [0-9a-f]{8}\b", "run [run]"),
        // The heading of a column of times is as wide as the longest of them.
        (r" {2,}time\b", "   time"),
        (r"[ \t]+\n", "\n"),
    ];
    rules.iter().fold(output, |text, (pattern, word)| {
        Regex::new(pattern)
            .expect("the pattern is ours")
            .replace_all(&text, if *word == "\n" { "\n" } else { word })
            .into_owned()
    })
}

fn difference(name: &str, expected: &str, actual: &str) -> String {
    let mut text = format!("--- {name}\n");
    let (expected, actual): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), actual.lines().collect());
    let same = expected
        .iter()
        .zip(&actual)
        .take_while(|(left, right)| left == right)
        .count();
    for line in &expected[same.saturating_sub(3)..same.min(expected.len())] {
        let _ = writeln!(text, "    {line}");
    }
    for line in expected[same..].iter().take(40) {
        let _ = writeln!(text, "  - {line}");
    }
    for line in actual[same..].iter().take(40) {
        let _ = writeln!(text, "  + {line}");
    }
    text
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_name() != "run.txt" {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
