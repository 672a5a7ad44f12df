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

pub use open::{OpenError, Place, create, open};

use cache::Cache;
use checkpoint::{Checkpoint, Target};
use journal::Journal;
use rotate::Sweep;
use rows::SledRows;
use state_key::StateKeys;
use std::cell::RefCell;
use std::fs::File;
use std::io;
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

/// Table 0 holds the store's own rows. This one says up to which commit sled has everything, in
/// the clear …
const COMMITS_KEY: &[u8] = b"\0commits";
/// … and this one tells whether the data key is the right one.
const CHECK_KEY: &[u8] = b"\0check";

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
        let written = checkpoint.finish();
        self.tried(written)
    }

    /// Sends the fresh rows on their way to sled; waits for those before them.
    fn begin_checkpoint(&mut self) -> Result<(), StoreError> {
        self.reap(true)?;
        let turned = self.journal.turn(&self.state, self.commits);
        self.io(turned)?;
        let batch = std::mem::take(&mut self.fresh);
        let begun = Checkpoint::begin(self.target(), batch, self.commits);
        self.checkpoint = Some(self.io(begun)?);
        Ok(())
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
            self.begin_checkpoint()?;
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
        self.reap(false)?;
        let more = self.rotate(now)?;
        // What is not written again for a while leaves memory and the journal.
        if !more && self.checkpoint.is_none() && !self.fresh.is_empty() {
            self.begin_checkpoint()?;
        }
        Ok(more)
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        let used = self.rows.db.size_on_disk();
        Ok(self.tried(used.map_err(|error| from_sled(&error)))? + self.journal.bytes())
    }
}

impl Drop for SledStore {
    /// Leaves nothing to the next start. What fails here is safe in the journal.
    fn drop(&mut self) {
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
