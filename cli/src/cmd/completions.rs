//! `waxwing completions`

use crate::args::Args;
use crate::error::CliError;
use crate::out::Out;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a script that completes commands and flags in your shell.
///
/// Works without a node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing completions bash > ~/.local/share/bash-completion/completions/waxwing
  waxwing completions zsh > ~/.zfunc/_waxwing
  waxwing completions fish > ~/.config/fish/completions/waxwing.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// # Errors
/// [`CliError`] if stdout cannot be written.
pub fn run(args: &Completions, out: Out) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "waxwing", &mut script);
    out.bytes(&script)
}
