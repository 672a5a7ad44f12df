//! The command line, as the end-to-end tests run it: the same entry as the real executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    waxwing::run(std::env::args_os())
}
