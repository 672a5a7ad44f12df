//! `waxwing passphrase`

use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::secret;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use waxwing_node::home::HomeError;
use waxwing_node::passphrase::{self, Passphrase, PassphraseError};
use waxwing_node::{Kept, StartError};

/// Set, change or remove the passphrase of a home whose node does not run.
///
/// The passphrase wraps the key that everything in the home is sealed under. Without a file it is
/// asked for at the terminal. One that is forgotten cannot be recovered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing stop && waxwing passphrase set
  waxwing passphrase change --passphrase-file old --new-passphrase-file new")]
pub struct Args {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Give a home its first passphrase
    Set {
        #[command(flatten)]
        new: New,
    },
    /// Put another passphrase in place of the one there is
    Change {
        #[command(flatten)]
        old: Old,
        #[command(flatten)]
        new: New,
    },
    /// Keep the key without a passphrase: file permissions are all there is then
    Remove {
        #[command(flatten)]
        old: Old,
    },
}

#[derive(Debug, clap::Args)]
struct Old {
    /// File whose first line is the passphrase there is [default: ask]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct New {
    /// File whose first line is the new passphrase [default: ask]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

/// # Errors
/// [`CliError`] if the home is in use, is in no state for it, or the passphrase is wrong.
pub async fn run(args: Args, home: &Path, out: Out) -> Result<(), CliError> {
    waxwing_node::harden();
    // Said before anything is asked.
    let kept = passphrase::kept(home).map_err(explain)?;
    let done = match (args.wish, kept) {
        (Wish::Set { .. }, Kept::Wrapped) => return Err(explain(PassphraseError::AlreadySet)),
        (Wish::Change { .. } | Wish::Remove { .. }, Kept::Plain) => {
            return Err(explain(PassphraseError::NotSet));
        }
        (Wish::Set { new }, Kept::Plain) => {
            let new = new.get().await?;
            passphrase::set(home, &new).map_err(explain)?;
            "set"
        }
        (Wish::Change { old, new }, Kept::Wrapped) => {
            let (old, new) = (old.get().await?, new.get().await?);
            passphrase::change(home, &old, &new).map_err(explain)?;
            "changed"
        }
        (Wish::Remove { old }, Kept::Wrapped) => {
            let old = old.get().await?;
            passphrase::remove(home, &old).map_err(explain)?;
            "removed"
        }
    };
    out.object(&json!({ "passphrase": done }), || {
        format!("The passphrase is {done}.")
    })
}

impl Old {
    async fn get(&self) -> Result<Passphrase, CliError> {
        match &self.passphrase_file {
            Some(path) => from_file(path),
            None => secret::ask("Passphrase", "give it with --passphrase-file").await,
        }
    }
}

impl New {
    async fn get(&self) -> Result<Passphrase, CliError> {
        if let Some(path) = &self.new_passphrase_file {
            return from_file(path);
        }
        let hint = "give it with --new-passphrase-file";
        let new = secret::ask("New passphrase", hint).await?;
        let again = secret::ask("Once more", hint).await?;
        if new.is(&again) {
            Ok(new)
        } else {
            Err(CliError::usage(
                "the two are not the same; nothing was changed",
            ))
        }
    }
}

fn from_file(path: &Path) -> Result<Passphrase, CliError> {
    Passphrase::from_file(path)
        .map_err(|error| super::up::explain(StartError::PassphraseFile(error)))
}

fn explain(error: PassphraseError) -> CliError {
    match error {
        PassphraseError::NoHome => {
            CliError::new(Kind::NotFound, "no_home", "there is no home at that place")
                .hint("`waxwing up` makes one; --home says where it is")
        }
        PassphraseError::AlreadySet => CliError::new(
            Kind::Conflict,
            "passphrase_set",
            "this home has a passphrase already",
        )
        .hint("`waxwing passphrase change` puts another in its place"),
        PassphraseError::NotSet => CliError::new(
            Kind::Conflict,
            "passphrase_not_set",
            "this home has no passphrase",
        )
        .hint("`waxwing passphrase set` gives it one"),
        PassphraseError::Home(HomeError::Locked) => {
            CliError::new(Kind::Conflict, "home_locked", "a node runs in this home")
                .hint("`waxwing stop` ends it")
        }
        PassphraseError::Home(error) => super::up::explain(error.into()),
    }
}
