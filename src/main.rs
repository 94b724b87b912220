//! The binary: reads the arguments, hands them over, returns the exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Queries and templates make many small values on many threads, where the system's allocator is slow.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(refx::cli::run(std::env::args_os()))
}
