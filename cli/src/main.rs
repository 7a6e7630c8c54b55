//! The command: parse arguments, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    fwspec_cli::run(std::env::args_os())
}
