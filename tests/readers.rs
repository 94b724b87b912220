//! What other tools see: tables that refx wrote, read by tools that are not refx, and the artifacts
//! read by dbt's own classes.
//!
//! The Python packages are those of `tests/readers/requirements.txt` and
//! `tests/artifacts/requirements.txt`, in the interpreter that `REFX_READERS_PYTHON` names. Without
//! it the tests say loudly that they were left out; in CI they fail.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const REFX: &str = env!("CARGO_BIN_EXE_refx");

/// The demonstration: each table as every reader sees it, three of them computed a second time from
/// the raw files, and the artifacts.
#[test]
fn other_tools_read_the_same_rows() {
    let Some(python) = python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = work_folder("demonstration");
    let (warehouse, artifacts) = (work.join("warehouse"), work.join("artifacts"));
    let build = |as_of: &str| {
        let mut refx = Command::new(REFX);
        refx.args(["build", "--quiet", "--as-of", as_of, "--target-path"])
            .arg(&artifacts)
            .env("REFX_WAREHOUSE", &warehouse)
            .current_dir(root);
        run("refx build", refx);
    };
    // The last state comes by way of an earlier one: merges, and not only first loads, are read.
    build("2024-08-20");
    build("2024-09-01");

    let mut readers = Command::new(&python);
    readers
        .arg(root.join("tests/readers/check.py"))
        .arg("--warehouse")
        .arg(&warehouse)
        .arg("--raw")
        .arg(root.join("data/raw"));
    run("the readers", readers);

    let mut dbt = Command::new(&python);
    dbt.arg(root.join("tests/artifacts/check.py"))
        .arg(&artifacts);
    run("the artifacts", dbt);
    remove(&work);
}

/// Every column type, odd names, partitions and composite keys, after each step of a table's life:
/// rows, Parquet footers and change feeds; and tables that another tool made.
#[test]
fn tables_of_every_shape_stay_readable() {
    let Some(python) = python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = work_folder("shapes");
    let mut shapes = Command::new(python);
    shapes
        .arg(root.join("tests/readers/shapes.py"))
        .args(["--refx", REFX, "--work"])
        .arg(&work);
    run("the shapes", shapes);
    remove(&work);
}

/// The interpreter that has the readers.
pub fn python() -> Option<OsString> {
    let python = env::var_os("REFX_READERS_PYTHON");
    if python.is_none() {
        assert!(
            env::var_os("CI").is_none(),
            "REFX_READERS_PYTHON is not set, and CI must read the tables"
        );
        // Not by `eprintln!`, which a test that passes keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "\n!! left out: no independent reader; set REFX_READERS_PYTHON (README tells how)\n"
        );
    }
    python
}

pub fn work_folder(name: &str) -> PathBuf {
    env::temp_dir().join(format!("refx-readers-{name}-{}", std::process::id()))
}

pub fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

/// What a script says it left out is shown even where the test passes.
pub fn run(what: &str, mut command: Command) {
    // Bytecode of the scripts would land in the repository.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}:\n{text}\n{errors}");
    println!("{text}");
    for line in text.lines().filter(|line| line.starts_with("!!")) {
        let _ = writeln!(std::io::stderr(), "\n{line}\n");
    }
}
