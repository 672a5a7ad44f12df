//! `waxwing man`

use crate::args::Args;
use crate::error::CliError;
use crate::out::Out;
use clap::{Command, CommandFactory};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands into a directory.
///
/// Works without a node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing man | man -l -
  waxwing man ~/.local/share/man/man1     then: man waxwing-send")]
pub struct Man {
    /// Write one page for each command into this directory, which is made if missing
    dir: Option<PathBuf>,
}

/// # Errors
/// [`CliError`] if stdout or the directory cannot be written.
pub fn run(args: &Man, out: Out) -> Result<(), CliError> {
    let mut command = Args::command().disable_help_subcommand(true);
    let Some(dir) = &args.dir else {
        return out.bytes(&page(command)?.1);
    };
    command.build();
    let failed = |error| {
        let text = format!("cannot write pages into {}: {error}", dir.display());
        CliError::failed("man", text)
    };
    fs::create_dir_all(dir).map_err(failed)?;
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        // Last in, first out: turned round, they come in the order of `--help`.
        let within: Vec<_> = command.get_subcommands().cloned().collect();
        left.extend(
            within
                .into_iter()
                .rev()
                .filter(|command| command.get_name() != "help"),
        );
        let (name, bytes) = page(command)?;
        let path = dir.join(name);
        fs::write(&path, bytes).map_err(failed)?;
        let shown = path.display().to_string();
        out.object(&json!({ "file": shown }), || shown.clone())?;
    }
    Ok(())
}

/// A page and its file name, `waxwing-send.1`.
fn page(command: Command) -> Result<(String, Vec<u8>), CliError> {
    let man = clap_mangen::Man::new(command);
    let mut bytes = Vec::new();
    man.render(&mut bytes)?;
    Ok((man.get_filename(), bytes))
}
