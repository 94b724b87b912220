//! What other tools see: the demonstration's tables read by Python's `deltalake` and by DuckDB, three
//! of them computed a second time from the raw files, and the artifacts read by dbt's own classes.
//!
//! The Python packages are those of `tests/readers/requirements.txt` and
//! `tests/artifacts/requirements.txt`, in the interpreter that `REFX_READERS_PYTHON` names. Without
//! it the test says loudly that it was left out; in CI it fails.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn other_tools_read_the_same_rows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = env::var_os("REFX_READERS_PYTHON") else {
        assert!(
            env::var_os("CI").is_none(),
            "REFX_READERS_PYTHON is not set, and CI must read the tables"
        );
        // Not by `eprintln!`, which a test that passes keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "\n!! left out: no independent reader; set REFX_READERS_PYTHON (README tells how)\n"
        );
        return;
    };
    let work = env::temp_dir().join(format!("refx-readers-{}", std::process::id()));
    let (warehouse, artifacts) = (work.join("warehouse"), work.join("artifacts"));
    let build = |as_of: &str| {
        let mut refx = Command::new(env!("CARGO_BIN_EXE_refx"));
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
    std::fs::remove_dir_all(&work).unwrap_or_else(|error| panic!("{}: {error}", shown(&work)));
}

fn run(what: &str, mut command: Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}:\n{text}\n{errors}");
    println!("{text}");
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
