//! A home without a running node: who lives there.

use crate::home::Home;
use crate::node::StartError;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use waxwing_protocol::query::{self, Me};

/// Who lives in a home. `None` if there is no home, or no account in it yet. Nothing is made that
/// was not there.
///
/// # Errors
/// [`StartError`] if the home is in use, locked with a passphrase, or cannot be read.
pub fn me(root: &Path) -> Result<Option<Me>, StartError> {
    if !root.join("db").is_dir() {
        return Ok(None);
    }
    let home = Home::open(root)?;
    let place = home.place(home.data_key(None)?);
    let store = home.store(&place)?;
    query::me(&store).map_err(|error| StartError::Store(error.to_string()))
}

/// Whether no node holds this home. A home that is not there is free; nothing is made.
///
/// # Errors
/// What the disk says.
pub fn is_free(root: &Path) -> io::Result<bool> {
    let lock = match File::open(root.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    // Shared, and given back at once: several that ask do not hide the home from each other.
    match lock.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
