//! Writing rows to sled that the journal holds already, on a thread of their own.
//!
//! A row that was written a hundred times meanwhile is written to sled once, and one that came and
//! went not at all. Until the rows are durable there, reads find them in the frozen batch, and a
//! crash finds them in the journal.

use super::COMMITS_KEY;
use super::rows::SledRows;
use super::seal::PREFIX_BYTES;
use super::{from_io, from_sled};
use std::fs::File;
use std::io;
use std::sync::Arc;
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
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Checkpoint {
    /// Begins to write everything up to `commits`.
    pub(super) fn begin(target: Target, batch: Batch, commits: u64) -> io::Result<Self> {
        let batch = Arc::new(batch);
        let rows = Arc::clone(&batch);
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || target.write(&rows, commits, false))?;
        Ok(Self { batch, thread })
    }

    /// It is through, or failed.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        match self.thread.join() {
            Ok(written) => written,
            Err(_) => Err(StoreError::Failed("a bug in the store engine".into())),
        }
    }
}
