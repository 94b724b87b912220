//! Column lineage of the queries of TPC-H and TPC-DS, held against a second opinion and against what
//! was found by reading them. `tests/lineage/check.py` does it, in the interpreter of the readers with
//! the packages of `tests/lineage/requirements.txt`.

use std::path::Path;
use std::process::Command;

use crate::readers::{python, remove, run, work_folder};

#[test]
fn lineage_of_the_benchmarks_is_right() {
    let Some(python) = python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = work_folder("lineage");
    let mut check = Command::new(python);
    check
        .arg(root.join("tests/lineage/check.py"))
        .args(["--refx", env!("CARGO_BIN_EXE_refx"), "--work"])
        .arg(&work);
    run("the lineage", check);
    remove(&work);
}
