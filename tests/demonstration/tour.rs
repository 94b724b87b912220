//! README's tour, run as it is typed: in a copy of the files that a clone has, the commands of its
//! `console` blocks are run, the edits of its `diff` blocks are made, and what comes out is compared
//! with what README shows, times and instants excepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use crate::readers::{remove, work_folder};

/// The parts of README that are run, in their order.
const PARTS: [&str; 2] = [
    "## What the first command shows",
    "## Your first edited model, in five minutes",
];

#[test]
fn the_tour_of_the_readme_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README is readable");
    let clone = clone(root);
    let mut commands = 0;
    for block in PARTS.iter().flat_map(|part| blocks(&readme, part)) {
        match block.language {
            "diff" => edit(&clone, &block),
            "console" => commands += run(&clone, &block),
            other => panic!(
                "README:{}: the tour has `console` and `diff` blocks, and this one is `{other}`",
                block.line
            ),
        }
    }
    assert!(commands >= 10, "the tour has {commands} commands only");
    remove(&clone);
}

/// A block of code between fences.
struct Block<'a> {
    language: &'a str,
    /// The line of its first line in README.
    line: usize,
    lines: Vec<&'a str>,
}

/// The blocks of code of one part of README.
fn blocks<'a>(readme: &'a str, part: &str) -> Vec<Block<'a>> {
    let mut lines = (1..).zip(readme.lines());
    lines
        .find(|(_, line)| *line == part)
        .unwrap_or_else(|| panic!("README has no part `{part}`"));
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in lines {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language,
                    line: number + 1,
                    lines: Vec::new(),
                });
            }
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.lines.push(line);
                open = Some(block);
            }
            (None, None) if line.starts_with("## ") => break,
            (None, None) => {}
        }
    }
    blocks
}

/// A copy of the files that are tracked, as a fresh clone has them.
fn clone(root: &Path) -> PathBuf {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git does not list the files");
    let clone = work_folder("tour");
    let _ = fs::remove_dir_all(&clone);
    for name in String::from_utf8_lossy(&listed.stdout)
        .split_terminator('\0')
        .filter(|name| root.join(name).is_file())
    {
        let to = clone.join(name);
        let folder = to.parent().expect("a file is in a folder");
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(root.join(name), &to))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    clone
}

/// Makes the edit of a `diff` block: `--- file`, and lines that go (`-`) before lines that come (`+`).
fn edit(clone: &Path, block: &Block) {
    let place = format!("README:{}", block.line);
    let Some(name) = block
        .lines
        .first()
        .and_then(|line| line.strip_prefix("--- "))
    else {
        panic!("{place}: the first line names the file: `--- models/…`");
    };
    let part = |sign: char| -> Vec<&str> {
        let lines = block.lines[1..].iter();
        lines.filter_map(|line| line.strip_prefix(sign)).collect()
    };
    let (old, new) = (part('-').join("\n"), part('+').join("\n"));
    let file = clone.join(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{place}: {name}: {error}"));
    assert_eq!(
        text.matches(&old).count(),
        1,
        "{place}: `{old}` is to be in {name} once"
    );
    fs::write(&file, text.replace(&old, &new))
        .unwrap_or_else(|error| panic!("{place}: {name}: {error}"));
}

/// Runs the commands of a block and says how many there were.
fn run(clone: &Path, block: &Block) -> usize {
    let mut rest = block.lines.as_slice();
    let mut commands = 0;
    while let [first, others @ ..] = rest {
        let Some(command) = first.strip_prefix("$ ") else {
            panic!("README:{}: output without a command", block.line);
        };
        let shown = others
            .iter()
            .take_while(|line| !line.starts_with("$ "))
            .count();
        compare(
            block.line,
            command,
            &others[..shown],
            &shell(clone, command),
        );
        rest = &others[shown..];
        commands += 1;
    }
    commands
}

/// What a command prints, in one stream as on a terminal.
fn shell(clone: &Path, command: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_refx"));
    let folder = binary.parent().expect("a binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(clone)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "140")
        .env("REFX_THREADS", "2")
        .env_remove("REFX_AS_OF")
        .env_remove("REFX_RAW")
        .env_remove("REFX_WAREHOUSE")
        .output()
        .unwrap_or_else(|error| panic!("{command}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Holds what a command printed against what README shows. A line `…` stands for any lines.
fn compare(line: usize, command: &str, shown: &[&str], printed: &str) {
    let shown: Vec<String> = settled(shown.iter().copied());
    let actual: Vec<String> = settled(printed.lines());
    assert!(
        matches(&shown, &actual),
        "README:{line}: `{command}` is shown as\n{}\n\nand prints\n{printed}",
        shown.join("\n")
    );
}

fn matches(shown: &[String], actual: &[String]) -> bool {
    match shown {
        [] => actual.is_empty(),
        [gap, rest @ ..] if gap == "…" => {
            (0..=actual.len()).any(|skipped| matches(rest, &actual[skipped..]))
        }
        [line, rest @ ..] => {
            actual.first() == Some(line) && matches(rest, actual.get(1..).unwrap_or_default())
        }
    }
}

/// Lines without what differs from run to run: times, instants, the widths of columns.
fn settled<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [
            (r"\b(\d+ min )?\d+(\.\d+)? (ms|s|min)\b", "[time]"),
            (r"\b20\d\d-\d\d-\d\d \d\d:\d\d UTC: its", "[instant]: its"),
            (r"\s+", " "),
        ]
        .map(|(pattern, word)| (Regex::new(pattern).expect("the pattern is ours"), word))
    });
    let settle = |line: &str| {
        RULES
            .iter()
            .fold(line.trim().to_owned(), |text, (pattern, word)| {
                pattern.replace_all(&text, *word).into_owned()
            })
    };
    lines.map(settle).filter(|line| !line.is_empty()).collect()
}
