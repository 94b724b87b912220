//! The binary: reads the arguments, hands them over, returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(refx::cli::run(std::env::args_os()))
}
