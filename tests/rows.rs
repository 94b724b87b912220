//! Rows of made-up queries, held against those of DuckDB. `tests/rows/check.py` does it, in the
//! interpreter of the readers.
//!
//! `REFX_ROWS=2000` tries that many queries, `REFX_SEED` draws others.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::readers::{python, remove, work_folder};

#[test]
fn rows_of_random_queries_are_those_of_duckdb() {
    let Some(python) = python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = work_folder("rows");
    let mut check = Command::new(python);
    check
        .arg(root.join("tests/rows/check.py"))
        .args(["--refx", env!("CARGO_BIN_EXE_refx"), "--work"])
        .arg(&work)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = check.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the rows:\n{text}\n{errors}");
    // Not by `println!`, which a test that passes keeps to itself.
    let _ = writeln!(std::io::stderr(), "\nrows: {text}");
    remove(&work);
}
