//! `waxwing config`

use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::settings::{self, Flags, Found, Mistake, Settings};
use crate::text;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check or show what `up` is told by flags, environment and files.
///
/// Settings stand in `config.toml` in the home; for the home that nobody had to name, also in
/// `waxwing/config.toml` among your own settings. A flag wins over the environment, that over the
/// files, the home's file over yours.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing config check
  waxwing config show --origin
  waxwing config show --read-receipts off    what `up` would make of that flag")]
pub struct Args {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Name what is wrong in the files and the environment, with line and column
    Check {
        /// Check this file alone
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print every setting as a file would hold it
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        flags: Box<Flags>,
    },
}

/// # Errors
/// [`CliError`] if something is wrong with what was set.
pub fn run(args: Args, home: &Path, global: &Global, out: Out) -> Result<(), CliError> {
    match args.wish {
        Wish::Check { file } => check(file, home, global, out),
        Wish::Show { origin, flags } => {
            let found = find(&flags, home, global)?;
            show(&found, origin, out)
        }
    }
}

fn files(home: &Path, global: &Global) -> Vec<PathBuf> {
    settings::files(home, global.home.is_some())
}

/// What holds for `up` in this home.
///
/// # Errors
/// [`CliError`] with the words of `config check`.
pub(super) fn find(flags: &Flags, home: &Path, global: &Global) -> Result<Settings, CliError> {
    let environment = |name: &str| std::env::var_os(name);
    let files = files(home, global);
    settings::find(flags, global.verbose, environment, &files)
        .map_err(|mistakes| refused(&mistakes))
}

/// The first mistake in its own words, and how many more there are.
fn refused(mistakes: &[Mistake]) -> CliError {
    let Some(first) = mistakes.first() else {
        return CliError::failed("config", "the settings cannot be read");
    };
    let kind = if first.is_unreadable() {
        Kind::Failed
    } else {
        Kind::Usage
    };
    let more = match mistakes.len() {
        1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    let hint = match &first.hint {
        Some(hint) if more.is_empty() => hint.clone(),
        _ => "`waxwing config check` names everything that is wrong".to_owned(),
    };
    CliError::new(kind, "config", format!("{first}{more}")).hint(hint)
}

fn check(file: Option<PathBuf>, home: &Path, global: &Global, out: Out) -> Result<(), CliError> {
    let (mistakes, checked) = match file {
        // A file that somebody names has to be there.
        Some(file) if !file.exists() => {
            let what = format!("there is no file {}", file.display());
            return Err(CliError::new(Kind::NotFound, "not_found", what));
        }
        Some(file) => (
            settings::mistakes(|_| None, std::slice::from_ref(&file)),
            vec![file],
        ),
        None => {
            let files = files(home, global);
            let mistakes = settings::mistakes(|name| std::env::var_os(name), &files);
            (mistakes, files)
        }
    };
    for mistake in &mistakes {
        let line = json!({
            "at": mistake.origin.at(),
            "key": mistake.key,
            "code": mistake.code,
            "message": mistake.message,
            "hint": mistake.hint,
        });
        out.object(&line, || {
            let hint = mistake.hint.as_ref();
            let hint = hint.map_or(String::new(), |hint| {
                format!("\n  hint: {}", text::line(hint))
            });
            text::line(&mistake.to_string()) + &hint
        })?;
    }
    if mistakes.is_empty() {
        for file in checked {
            let state = if file.exists() {
                "is right"
            } else {
                "is not there, which is right too"
            };
            out.note(&format!("{} {state}", file.display()));
        }
        return Ok(());
    }
    let kind = if mistakes.iter().all(Mistake::is_unreadable) {
        Kind::Failed
    } else {
        Kind::Usage
    };
    let what = match mistakes.len() {
        1 => "there is a mistake in the settings".to_owned(),
        all => format!("there are {all} mistakes in the settings"),
    };
    Err(CliError::new(kind, "config", what).hint("`waxwing up` would not start with them"))
}

fn show(settings: &Settings, origin: bool, out: Out) -> Result<(), CliError> {
    let lines: Vec<String> = settings.0.iter().map(plain).collect();
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    for (found, line) in settings.0.iter().zip(lines) {
        let value = found.value.as_ref().map(settings::value::Value::to_json);
        let object = if origin {
            let (word, at) = (found.origin.word(), found.origin.at());
            json!({ "key": found.key, "value": value, "origin": word, "at": at })
        } else {
            json!({ "key": found.key, "value": value })
        };
        out.object(&object, || {
            if origin {
                let from = found.origin.at();
                let from = from.as_deref().unwrap_or("default");
                let line = format!("{line:width$}");
                format!("{line}  {}", out.dim(&format!("# {}", text::line(from))))
            } else {
                line
            }
        })?;
    }
    Ok(())
}

fn plain(found: &Found) -> String {
    match &found.value {
        Some(value) => text::line(&format!("{} = {}", found.key, value.to_toml())),
        None => format!("# {} is not set", found.key),
    }
}
