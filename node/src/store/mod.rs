//! The disk: rows in sled, sealed and durable, behind a journal.
//!
//! A commit is one record of the journal, appended and synced; its rows stay in memory until there
//! are enough of them to be worth writing to sled, which happens on a thread of its own. Reads ask
//! the rows in memory first. So a commit costs one sync and no work in a tree, and rows that are
//! written again and again reach the tree once.
//!
//! sled 0.34.7 is used within what was measured to be safe: one tree, a `sync_data` of our own
//! after its flush, because sled's own does not survive a power cut; and no stored value is longer
//! than [`PIECE_BYTES`], because longer pages leave the log for files that sled never syncs. Longer
//! rows are cut into pieces.

pub mod blocks;
mod cache;
mod checkpoint;
mod compact;
pub mod conformance;
mod journal;
mod open;
mod rotate;
mod rows;
mod seal;
mod state_key;
mod witness;

pub use compact::Compacting;
pub use open::{OpenError, Place, create, open};

use cache::Cache;
use checkpoint::{Checkpoint, Target};
use compact::Copying;
use journal::Journal;
use rotate::Sweep;
use rows::SledRows;
use state_key::StateKeys;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::{
    Batch, BatchLayer, Key, MemoryStore, Read, Rows, Span, Store, StoreError, Table, merge,
};
use waxwing_protocol::time::Secs;
use witness::Witness;

/// Longest stored value. sled puts a page over 128 KiB into a file of its own without syncing it;
/// a leaf holds up to 17 rows (20 after a merge), so 20 of these with their keys stay well below.
pub const PIECE_BYTES: usize = 4_000;
/// Longest suffix of a key, for the same sum.
pub const SUFFIX_BYTES_MAX: usize = 255;
/// Longest scope of a key: no name or id comes near.
pub const SCOPE_BYTES_MAX: usize = 4_096;

/// While a copy is under way the journal may grow to this: some ten thousand messages.
const COPY_JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// A store at rest has no more than this in its journal, and in memory …
const REST_JOURNAL_BYTES: u64 = 512 * 1024;
/// … and looked at no more rows than these since it was opened: some ten megabytes of pages.
const REST_LOOKS: u64 = 8_192;

/// Table 0 holds the store's own rows. This one says up to which commit sled has everything, in
/// the clear …
const COMMITS_KEY: &[u8] = b"\0commits";
/// … this one how many bytes of rows live, so that nobody has to look through them at a start …
const LIVE_KEY: &[u8] = b"\0live";
/// … and this one tells whether the data key is the right one.
const CHECK_KEY: &[u8] = b"\0check";

/// How a store comes to rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// It is busy; to be asked again later.
    Later,
    /// It is at rest.
    Done,
    /// It would be, closed and opened anew.
    Anew,
}

/// What the engine's thread needs of its store beyond the core's [`Store`].
pub trait Disk: Store + Send {
    /// One bounded step of housekeeping at unix time `now`. True if there is more to do now.
    ///
    /// # Errors
    /// [`StoreError`]: the store is not used again.
    fn maintain(&mut self, now: Secs) -> Result<bool, StoreError>;

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn used_bytes(&self) -> Result<u64, StoreError>;

    /// Begins to copy the live rows, and nothing else, into a new database, beside everything that
    /// goes on. Whether it could, [`Disk::compacting`] tells.
    ///
    /// # Errors
    /// [`StoreError`]: the store is not used again.
    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Where that copy stands; to be asked until it is through.
    ///
    /// # Errors
    /// [`StoreError`]: the store is not used again.
    fn compacting(&mut self) -> Result<Compacting, StoreError> {
        Ok(Compacting::No)
    }

    /// Nothing was written for a while: what is in memory for writing's sake leaves it.
    ///
    /// # Errors
    /// [`StoreError`]: the store is not used again.
    fn rest(&mut self) -> Result<Rest, StoreError> {
        Ok(Rest::Done)
    }

    /// It was opened so large, and mostly dead, that a copy is worth while.
    fn is_bloated(&self) -> bool {
        false
    }
}

impl Disk for MemoryStore {
    fn maintain(&mut self, _: Secs) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// The store of a home. One owner, one thread.
pub struct SledStore {
    dir: PathBuf,
    rows: SledRows,
    /// sled's log, for a sync of our own.
    file: Arc<File>,
    state: StateKeys,
    witness: Witness,
    journal: Journal,
    /// Commits ever made to this database.
    commits: u64,
    /// Rows that only the journal holds.
    fresh: Batch,
    /// Rows on their way to sled.
    checkpoint: Option<Checkpoint>,
    /// A copy of what sled has; nothing is written to sled meanwhile.
    copying: Option<Copying>,
    /// Why the last copy came to nothing, until somebody asks.
    copy_failed: Option<String>,
    bloated: bool,
    sweep: Option<Sweep>,
    /// Rows that were read, as they are now.
    cache: RefCell<Cache>,
    /// After a failure sled may answer with what never became durable: nothing is answered then.
    poison: RefCell<Option<StoreError>>,
}

impl SledStore {
    fn check(&self) -> Result<(), StoreError> {
        match &*self.poison.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The store is not used again.
    fn fail(&self, error: StoreError) -> StoreError {
        *self.poison.borrow_mut() = Some(error.clone());
        error
    }

    /// Takes over a result of the disk; a damaged row alone ends nothing.
    fn tried<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|error| match error {
            StoreError::Damaged(_) => error,
            error => self.fail(error),
        })
    }

    fn io<T>(&self, result: io::Result<T>) -> Result<T, StoreError> {
        self.tried(result.map_err(|error| from_io(&error)))
    }

    /// Takes note of a checkpoint that is through; waits for one that is not, if asked to.
    fn reap(&mut self, wait: bool) -> Result<(), StoreError> {
        let Some(checkpoint) = self.checkpoint.take_if(|it| wait || it.is_finished()) else {
            return Ok(());
        };
        let written = checkpoint.finish(&self.target());
        self.tried(written)
    }

    /// Sends the fresh rows on their way to sled; waits for those before them.
    fn begin_checkpoint(&mut self) -> Result<(), StoreError> {
        self.reap(true)?;
        let turned = self.journal.turn(&self.state, self.commits);
        self.io(turned)?;
        let batch = std::mem::take(&mut self.fresh);
        self.checkpoint = Some(Checkpoint::new(batch, self.commits, false));
        self.go_on()
    }

    /// Rows that wait for it go on their way to sled.
    fn go_on(&mut self) -> Result<(), StoreError> {
        let target = self.target();
        let begun = match &mut self.checkpoint {
            Some(checkpoint) => checkpoint.begin(target),
            None => Ok(()),
        };
        self.io(begun)
    }

    /// The journal is full. While a copy is under way it may grow, up to a point.
    fn make_room(&mut self) -> Result<(), StoreError> {
        if self.copying.is_some() && self.journal.active_bytes() < COPY_JOURNAL_BYTES {
            return Ok(());
        }
        if let Some(copying) = self.copying.take() {
            copying.cancel();
            let why = "too much was written meanwhile; try again when the node is less busy";
            self.copy_failed = Some(why.into());
        }
        self.begin_checkpoint()
    }

    /// Gives a copy what was committed since it began, and makes it the one that counts.
    fn complete(&self, copy: sled::Db) -> Result<(), StoreError> {
        let (generation, key) = self.state.current();
        let target = Target {
            rows: SledRows::new(copy, Arc::clone(&self.rows.keys))?,
            file: Arc::new(open::log(&compact::place(&self.dir)).map_err(|e| from_io(&e))?),
            state: (generation, key.clone()),
        };
        target.write(&self.fresh, self.commits, false)?;
        let copy = target.rows.db.clone();
        drop(target);
        compact::complete(copy, &self.dir).map_err(|error| from_io(&error))
    }

    /// Has every row in sled.
    fn settle(&mut self) -> Result<(), StoreError> {
        if !self.fresh.is_empty() {
            self.begin_checkpoint()?;
        }
        self.reap(true)
    }

    fn target(&self) -> Target {
        let (generation, key) = self.state.current();
        Target {
            rows: self.rows.clone(),
            file: Arc::clone(&self.file),
            state: (generation, key.clone()),
        }
    }

    /// What the rows in memory say of a row.
    fn in_memory(&self, key: &Key) -> Option<&Option<Bytes>> {
        let frozen = || self.checkpoint.as_ref()?.batch.get(key);
        self.fresh.get(key).or_else(frozen)
    }
}

/// Rows that are read again and again: who somebody is, where a session and an outbox stand.
const fn is_hot(table: Table) -> bool {
    matches!(
        table,
        Table::Meta
            | Table::Own
            | Table::Contact
            | Table::ByAccount
            | Table::ByName
            | Table::Account
            | Table::Device
            | Table::ByPeer
            | Table::Session
            | Table::Online
            | Table::OutboxState
            | Table::ReceiptDue
    )
}

impl Read for SledStore {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        let hot = is_hot(key.table());
        if hot && let Some(known) = self.cache.borrow_mut().get(key) {
            return Ok(known.cloned());
        }
        let value = match self.in_memory(key) {
            Some(known) => known.clone(),
            None => self.tried(self.rows.get(&self.state, key))?,
        };
        if hot {
            self.cache.borrow_mut().set(key.clone(), value.clone());
        }
        Ok(value)
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        self.check()?;
        if span.is_empty() {
            return Ok(Rows::new());
        }
        let nothing = Batch::new();
        let frozen = self.checkpoint.as_ref().map_or(&nothing, |it| &it.batch);
        let mut fresh = BatchLayer::new(&self.fresh, span);
        let mut frozen = BatchLayer::new(frozen, span);
        let mut sled = self.tried(self.rows.layer(&self.state, span))?;
        let layers = &mut [&mut fresh as _, &mut frozen as _, &mut sled as _];
        self.tried(merge(layers, span.reverse, span.limit))
    }
}

impl Store for SledStore {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.check()?;
        self.reap(false)?;
        if batch.is_empty() {
            return Ok(());
        }
        let fits = |key: &Key| {
            key.suffix().len() <= SUFFIX_BYTES_MAX && key.scope().len() <= SCOPE_BYTES_MAX
        };
        if !batch.keys().all(fits) {
            return Err(self.fail(StoreError::Failed("a key is too long".into())));
        }
        if self.journal.is_full() {
            self.make_room()?;
        }
        let commits = self.commits + 1;
        let appended = self.journal.append(commits, &batch);
        self.io(appended)?;
        self.io(self.witness.saw(commits))?;
        self.commits = commits;
        let cache = self.cache.get_mut();
        for (key, value) in batch {
            if is_hot(key.table()) {
                cache.update(&key, value.as_ref());
            }
            self.fresh.insert(key, value);
        }
        Ok(())
    }
}

impl Disk for SledStore {
    fn maintain(&mut self, now: Secs) -> Result<bool, StoreError> {
        self.check()?;
        if self.copying.is_some() {
            return Ok(false);
        }
        self.reap(false)?;
        let more = self.rotate(now)?;
        // What is not written again for a while leaves memory and the journal.
        match &self.checkpoint {
            _ if more => {}
            Some(_) => self.go_on()?,
            None if self.fresh.is_empty() => {}
            None => self.begin_checkpoint()?,
        }
        Ok(more)
    }

    fn rest(&mut self) -> Result<Rest, StoreError> {
        self.check()?;
        self.reap(false)?;
        if self.copying.is_some() || self.sweep.is_some() || self.checkpoint.is_some() {
            return Ok(Rest::Later);
        }
        if self.journal.active_bytes() > REST_JOURNAL_BYTES {
            self.begin_checkpoint()?;
            return Ok(Rest::Later);
        }
        // sled gives no page back: those of its last looks stay, whatever its cache may hold.
        let swollen = self.rows.looks() > REST_LOOKS;
        Ok(if swollen { Rest::Anew } else { Rest::Done })
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        let used = self.rows.db.size_on_disk();
        Ok(self.tried(used.map_err(|error| from_sled(&error)))? + self.journal.bytes())
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.check()?;
        if self.copying.is_some() {
            return Ok(());
        }
        self.copy_failed = None;
        // What was deleted just now must not be copied.
        self.settle()?;
        let begun = match compact::has_room(&self.rows, &self.dir) {
            Ok(true) => Copying::begin(self.rows.db.clone(), &self.dir),
            Ok(false) => Err(io::ErrorKind::StorageFull.into()),
            Err(error) => Err(error),
        };
        match begun {
            Ok(copying) => self.copying = Some(copying),
            Err(error) => self.copy_failed = Some(reason(&from_io(&error))),
        }
        Ok(())
    }

    fn compacting(&mut self) -> Result<Compacting, StoreError> {
        self.check()?;
        let Some(copying) = self.copying.take_if(|copying| copying.is_finished()) else {
            return Ok(match (&self.copying, self.copy_failed.take()) {
                (Some(copying), _) => Compacting::Going(copying.rows()),
                (None, Some(why)) => Compacting::Failed(why),
                (None, None) => Compacting::No,
            });
        };
        let copied = copying.finish().map_err(|error| from_io(&error));
        match copied.and_then(|copy| self.complete(copy)) {
            Ok(()) => {
                // It has them; whatever was still written here would be lost.
                self.fresh = Batch::new();
                self.fail(StoreError::Failed("the database was compacted".into()));
                Ok(Compacting::Whole)
            }
            Err(error) => {
                compact::discard(&self.dir);
                Ok(Compacting::Failed(reason(&error)))
            }
        }
    }

    fn is_bloated(&self) -> bool {
        self.bloated
    }
}

/// Why a copy came to nothing, in words.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Full => "there is no room on the disk for a second copy of it".into(),
        other => other.to_string(),
    }
}

impl Drop for SledStore {
    /// Leaves nothing to the next start. What fails here is safe in the journal.
    fn drop(&mut self) {
        if let Some(copying) = self.copying.take() {
            copying.cancel();
        }
        if self.check().is_ok() && self.settle().is_err() {
            tracing::warn!("the journal was not written to the database; the next start does it");
        }
    }
}

fn from_sled(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => from_io(error),
        // Others name keys or offsets; the kind is enough and says nothing personal.
        sled::Error::Corruption { .. } => StoreError::Failed("the database is corrupt".into()),
        sled::Error::Unsupported(_) => StoreError::Failed("used in an unsupported way".into()),
        sled::Error::CollectionNotFound(_) => StoreError::Failed("the tree is gone".into()),
        sled::Error::ReportableBug(_) => StoreError::Failed("a bug in the store engine".into()),
    }
}

fn from_io(error: &io::Error) -> StoreError {
    if crate::files::is_full(error) {
        StoreError::Full
    } else {
        StoreError::Failed(error.kind().to_string())
    }
}

#[cfg(test)]
mod tests;
