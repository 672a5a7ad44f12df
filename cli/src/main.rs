//! The `waxwing` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    waxwing::run(std::env::args_os())
}
