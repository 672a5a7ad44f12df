//! Opening a home's database, and what is done when that fails.

use super::checkpoint::{Checkpoint, Target};
use super::journal::{Found, Journal};
use super::rows::SledRows;
use super::seal::Keys;
use super::state_key::StateKeys;
use super::witness::{SEGMENT_BYTES, Witness, segments_are_sound};
use super::{CHECK_KEY, COMMITS_KEY, SledStore, compact};
use crate::files;
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use waxwing_protocol::private::Secret;
use waxwing_protocol::store::{Batch, StoreError, suffix_u64};
use waxwing_protocol::time::Secs;

/// sled's page cache. The hot rows are in our own, and what sled holds beside this (pages of its
/// last 64 looks in each of 256 parts) is more.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// sled's background thread, which also collects garbage. Our commits do not wait for it.
const FLUSH_EVERY_MS: u64 = 400;
/// A database that this process has just closed is held by sled's threads for a moment.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(10);
/// With less than this free, a failure to open is blamed on the full disk, not on the database.
const ROOM_BYTES: u64 = 4 * 1024 * 1024;
const CHECK_VALUE: &[u8] = b"waxwing store 1";

/// Where a home keeps its rows, and what opens them.
#[derive(Clone)]
pub struct Place {
    /// Directory of the database.
    pub db: PathBuf,
    /// The two-slot file of state keys.
    pub state_key: PathBuf,
    /// The key that everything is sealed under.
    pub data_key: Secret<32>,
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No space left.
    #[error("the disk is full")]
    Full,
    /// The database is damaged; it was put aside whole.
    #[error(
        "the database is damaged; it was kept as {}. Put back a copy of the home, if you \
         made one, or begin with an empty home",
        kept.display()
    )]
    Quarantined {
        /// Where it is now.
        kept: PathBuf,
    },
    /// A part of the home is missing or does not belong to the rest.
    #[error("the home is damaged: {0}. Put back a copy of the home, if you made one")]
    Damaged(&'static str),
    /// The disk failed.
    #[error("the database cannot be opened: {0}")]
    Failed(String),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if files::is_full(&error) {
            Self::Full
        } else {
            Self::Failed(error.kind().to_string())
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Makes the store of a new home: the file of state keys, and an empty database.
///
/// # Errors
/// [`OpenError`] if the disk fails.
pub fn create(place: &Place, now: Secs) -> Result<SledStore, OpenError> {
    if !place.db.exists() {
        StateKeys::create(&place.state_key, now)?;
    }
    open_there(place, now, true)
}

/// Opens the store of a home that has one. Never starts an empty one in its place.
///
/// # Errors
/// [`OpenError`]; a damaged database has then been put aside.
pub fn open(place: &Place, now: Secs) -> Result<SledStore, OpenError> {
    compact::finish(&place.db)?;
    if !place.db.exists() {
        return Err(OpenError::Damaged("its database is missing"));
    }
    open_there(place, now, false)
}

/// `new`: it may be empty.
fn open_there(place: &Place, now: Secs, new: bool) -> Result<SledStore, OpenError> {
    let state = match StateKeys::open(&place.state_key, &place.data_key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Damaged("its file of state keys is missing"));
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            return Err(OpenError::Damaged("its file of state keys cannot be read"));
        }
        opened => opened?,
    };
    let keys = Keys::new(&place.data_key);
    let db = database(&place.db, now)?;
    if db.is_empty() {
        if !new {
            // sled takes a file in which it recognises nothing for a new one.
            drop(db);
            released(&place.db)?;
            return Err(put_aside(&place.db, now));
        }
        write_check(&db, &keys)?;
    }
    check_key(&db, &keys)?;
    let rows = SledRows::new(db, Arc::new(keys))?;
    let known = commits(&rows.db)?;
    let (witness, seen) = Witness::open(&place.db)?;
    let found = Journal::recover(&place.db, &state, known)?;
    let Some(found) = found.filter(|found| found.commits >= seen) else {
        drop(rows);
        released(&place.db)?;
        return Err(put_aside(&place.db, now));
    };
    let (found, checkpoint) = take_up(found, &rows, &state, &place.db, known)?;
    let journal = Journal::begin(&place.db, &state, &found)?;
    sync_tree(&place.db)?;
    Ok(SledStore {
        dir: place.db.clone(),
        file: Arc::new(log(&place.db)?),
        bloated: compact::wanted(&rows)?,
        rows,
        state,
        witness,
        journal,
        commits: found.commits,
        fresh: Batch::new(),
        checkpoint,
        copying: None,
        copy_failed: None,
        sweep: None,
        cache: RefCell::default(),
        poison: RefCell::default(),
    })
}

/// sled's log.
pub(super) fn log(db: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(db.join("db"))
}

/// What only the journal holds waits in memory to be written to sled, so that a start takes no
/// longer for it, and needs no room. After crash upon crash, each before that happened, it is
/// written now: the journal has no other place to go on.
fn take_up(
    mut found: Found,
    rows: &SledRows,
    state: &StateKeys,
    dir: &Path,
    known: u64,
) -> Result<(Found, Option<Checkpoint>), OpenError> {
    if found.commits == known {
        return Ok((found, None));
    }
    let waiting = Checkpoint::new(std::mem::take(&mut found.batch), found.commits, true);
    if found.leaves_a_file() {
        return Ok((found, Some(waiting)));
    }
    let (generation, key) = state.current();
    waiting.finish(&Target {
        rows: rows.clone(),
        file: Arc::new(log(dir)?),
        state: (generation, key.clone()),
    })?;
    Ok((Found::nothing(found.commits), None))
}

/// Commits that the database remembers.
fn commits(db: &sled::Db) -> Result<u64, OpenError> {
    let row = db
        .get(COMMITS_KEY)
        .map_err(|error| super::from_sled(&error))?;
    Ok(row.map_or(0, |row| suffix_u64(&row)))
}

/// Syncs what sled leaves to chance: the names of its files and its settings.
pub(super) fn sync_tree(dir: &Path) -> io::Result<()> {
    File::open(dir.join("conf"))?.sync_all()?;
    File::open(dir.join("db"))?.sync_all()?;
    files::sync_dir(&dir.join("blobs"))?;
    files::sync_dir(dir)?;
    files::sync_dir(files::parent(dir))
}

fn write_check(db: &sled::Db, keys: &Keys) -> Result<(), OpenError> {
    db.insert(CHECK_KEY, keys.seal_own(CHECK_KEY, CHECK_VALUE))
        .and_then(|_| db.flush())
        .map_err(|error| super::from_sled(&error))?;
    Ok(())
}

fn check_key(db: &sled::Db, keys: &Keys) -> Result<(), OpenError> {
    let found = db
        .get(CHECK_KEY)
        .map_err(|error| super::from_sled(&error))?;
    match found.map(|sealed| keys.open_own(CHECK_KEY, &sealed)) {
        Some(Some(value)) if *value == CHECK_VALUE => Ok(()),
        Some(_) => Err(OpenError::Damaged(
            "its data key does not open its database",
        )),
        None => Err(OpenError::Damaged("its database lost a row of its own")),
    }
}

/// Opens a sled database; one that is damaged is put aside.
fn database(dir: &Path, now: Secs) -> Result<sled::Db, OpenError> {
    if !segments_are_sound(dir)? {
        return Err(put_aside(dir, now));
    }
    match raw(dir) {
        Ok(db) => Ok(db),
        Err(Trouble::Io(error)) => Err(error.into()),
        Err(Trouble::Damage) => {
            if crate::disk::free_bytes(dir)? < ROOM_BYTES {
                return Err(OpenError::Full);
            }
            Err(put_aside(dir, now))
        }
    }
}

fn put_aside(dir: &Path, now: Secs) -> OpenError {
    let kept = files::beside(dir, &format!(".damaged-{now}"));
    match fs::rename(dir, &kept).and_then(|()| files::sync_dir(files::parent(dir))) {
        Ok(()) => OpenError::Quarantined { kept },
        Err(error) => error.into(),
    }
}

pub(super) enum Trouble {
    Io(io::Error),
    Damage,
}

/// Opens a sled database, waiting for sled's own threads to let go of it.
pub(super) fn raw(dir: &Path) -> Result<sled::Db, Trouble> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        // sled answers some damage with a panic.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) => {
                // sled reports a held lock as an error of no kind.
                let held = error.kind() == io::ErrorKind::Other;
                if !held || Instant::now() >= give_up {
                    return Err(match error.kind() {
                        io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::NotFound => Trouble::Damage,
                        _ => Trouble::Io(error),
                    });
                }
                thread::sleep(LOCK_POLL);
            }
            Ok(Err(sled::Error::Unsupported(_))) => {
                let why = "the database was made by another version of its engine";
                return Err(Trouble::Io(io::Error::other(why)));
            }
            Ok(Err(_)) | Err(_) => return Err(Trouble::Damage),
        }
    }
}

/// Waits until sled's threads have let go of a database that was closed.
pub(super) fn released(dir: &Path) -> io::Result<()> {
    let file = File::open(dir.join("db"))?;
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return file.unlock(),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(LOCK_POLL),
            Err(error) => return Err(error.into()),
        }
    }
}
