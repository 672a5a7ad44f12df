//! Writing rows to sled that the journal holds already, on a thread of their own.
//!
//! A row that was written a hundred times meanwhile is written to sled once, and one that came and
//! went not at all. Until the rows are durable there, reads find them in the frozen batch, and a
//! crash finds them in the journal.

use super::rows::SledRows;
use super::seal::PREFIX_BYTES;
use super::{COMMITS_KEY, LIVE_KEY};
use super::{from_io, from_sled};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use waxwing_protocol::private::Secret;
use waxwing_protocol::store::{Batch, Key, StoreError, Table};

/// Where rows go, and what is needed to put them there.
pub(super) struct Target {
    pub(super) rows: SledRows,
    /// The database's log, for a sync of our own.
    pub(super) file: Arc<File>,
    /// Generation and key for the tables that rotate.
    pub(super) state: (u32, Secret<32>),
}

impl Target {
    /// Writes the rows and then, once they are durable, that everything up to `commits` is there.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails; the database may then hold some of the rows.
    pub(super) fn write(
        &self,
        batch: &Batch,
        commits: u64,
        thorough: bool,
    ) -> Result<(), StoreError> {
        let state = (self.state.0, &self.state.1);
        let mut place = Place::default();
        for (key, value) in batch {
            let stored_key = place.of(&self.rows, key);
            let value = value.as_ref();
            self.rows
                .put(state, key.table(), stored_key, value, thorough)?;
        }
        self.sync()?;
        let failed = |error: sled::Error| from_sled(&error);
        let count = &commits.to_be_bytes()[..];
        self.rows.db.insert(COMMITS_KEY, count).map_err(failed)?;
        let live = self.rows.live.load(Ordering::Relaxed).to_be_bytes();
        self.rows.db.insert(LIVE_KEY, &live).map_err(failed)?;
        self.sync()
    }

    /// sled's flush does not survive a power cut without a sync of our own.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.rows.db.flush().map_err(|error| from_sled(&error))?;
        self.file.sync_data().map_err(|error| from_io(&error))
    }
}

/// Where rows go: the beginning of a stored key is the same for all rows of a scope, which follow
/// each other in a batch.
#[derive(Default)]
struct Place<'a> {
    scope: Option<(Table, &'a [u8])>,
    prefix: [u8; PREFIX_BYTES],
}

impl<'a> Place<'a> {
    fn of(&mut self, rows: &SledRows, key: &'a Key) -> Vec<u8> {
        let scope = (key.table(), key.scope());
        if self.scope != Some(scope) {
            self.scope = Some(scope);
            self.prefix = rows.keys.prefix(scope.0, scope.1);
        }
        [&self.prefix[..], key.suffix()].concat()
    }
}

/// A batch on its way to sled.
pub(super) struct Checkpoint {
    /// What it writes.
    pub(super) batch: Arc<Batch>,
    /// The last commit whose rows are among them.
    commits: u64,
    /// An earlier try may have been cut short.
    thorough: bool,
    /// Writes, once begun.
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Checkpoint {
    /// Rows that wait to be written: everything up to `commits`.
    pub(super) fn new(batch: Batch, commits: u64, thorough: bool) -> Self {
        Self {
            batch: Arc::new(batch),
            commits,
            thorough,
            thread: None,
        }
    }

    /// Begins to write, unless that is under way.
    pub(super) fn begin(&mut self, target: Target) -> io::Result<()> {
        if self.thread.is_none() {
            let rows = Arc::clone(&self.batch);
            let (commits, thorough) = (self.commits, self.thorough);
            let thread = thread::Builder::new()
                .name("checkpoint".into())
                .spawn(move || target.write(&rows, commits, thorough))?;
            self.thread = Some(thread);
        }
        Ok(())
    }

    /// It is through, or failed.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Waits for its end; writes here and now what has not begun.
    pub(super) fn finish(self, target: &Target) -> Result<(), StoreError> {
        let Some(thread) = self.thread else {
            return target.write(&self.batch, self.commits, self.thorough);
        };
        match thread.join() {
            Ok(written) => written,
            Err(_) => Err(StoreError::Failed("a bug in the store engine".into())),
        }
    }
}
