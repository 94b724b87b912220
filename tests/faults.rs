//! Faults, counted: the short form of `tests/faults/run.py`, which kills builds, races them, fills
//! their disk, tears their files and feeds them nonsense.
//!
//! It needs the Python packages of `tests/readers/requirements.txt`, in the interpreter that
//! `REFX_READERS_PYTHON` names. Without it the test says loudly that it was left out; in CI it fails.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn no_fault_breaks_a_promise() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = env::var_os("REFX_READERS_PYTHON") else {
        assert!(
            env::var_os("CI").is_none(),
            "REFX_READERS_PYTHON is not set, and CI must count the faults"
        );
        tell("left out: faults are not counted; set REFX_READERS_PYTHON (README tells how)");
        return;
    };
    let output = Command::new(python)
        .arg(root.join("tests/faults/run.py"))
        .args(["--short", "--refx", env!("CARGO_BIN_EXE_refx")])
        .current_dir(root)
        .output()
        .unwrap_or_else(|error| panic!("tests/faults/run.py: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    println!("{text}");
    for line in text.lines().filter(|line| line.starts_with("!!")) {
        tell(line.trim_start_matches("!! "));
    }
}

/// Not by `eprintln!`, which a test that passes keeps to itself.
fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "\n!! {what}\n");
}
