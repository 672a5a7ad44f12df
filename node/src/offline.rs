//! A home without a running node: who lives there, and its database made small.

use crate::compacting::Compaction;
use crate::home::Home;
use crate::node::StartError;
use crate::passphrase::Passphrase;
use crate::store::{Compacting, Disk};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use waxwing_protocol::query::{self, Me};
use waxwing_protocol::store::StoreError;

/// Between two looks at a copy of the database.
const POLL: Duration = Duration::from_millis(10);

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

/// Copies the live rows of a home's database into a new one, and nothing of what was deleted. `None`
/// if there is no home.
///
/// # Errors
/// [`StartError`] if the home is in use, its passphrase is missing or wrong, or the disk failed;
/// the database is then as it was.
pub fn compact(
    root: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Option<Compaction>, StartError> {
    if !root.join("db").is_dir() {
        return Ok(None);
    }
    let failed = |error: StoreError| StartError::Store(error.to_string());
    let began = Instant::now();
    let home = Home::open(root)?;
    let place = home.place(home.data_key(passphrase.map(|phrase| &phrase.0))?);
    let mut store = home.store(&place)?;
    let before_bytes = store.used_bytes().ok();
    store.compact().map_err(failed)?;
    let mut rows = 0;
    loop {
        match store.compacting().map_err(failed)? {
            Compacting::Going(copied) => rows = copied,
            Compacting::Whole | Compacting::No => break,
            Compacting::Failed(why) => return Err(StartError::Store(why)),
        }
        thread::sleep(POLL);
    }
    drop(store);
    let store = home.store(&place)?;
    Ok(Some(Compaction {
        running: false,
        rows,
        before_bytes,
        after_bytes: store.used_bytes().ok(),
        took_ms: u64::try_from(began.elapsed().as_millis()).ok(),
        failed: None,
    }))
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
