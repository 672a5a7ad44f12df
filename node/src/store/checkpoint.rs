//! Writing rows to sled that the journal holds already, on a thread of their own.
//!
//! A row that was written a hundred times meanwhile is written to sled once, and one that came and
//! went not at all. Until the rows are durable there, reads find them in the frozen batch, and a
//! crash finds them in the journal.

use super::COMMITS_KEY;
use super::rows::SledRows;
use super::{from_io, from_sled};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use waxwing_protocol::private::Secret;
use waxwing_protocol::store::{Batch, StoreError};

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
        for (key, value) in batch {
            self.rows.put(state, key, value.as_ref(), thorough)?;
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
    pub(super) fn finish(self) -> Result<Arc<Batch>, StoreError> {
        match self.thread.join() {
            Ok(written) => written.map(|()| self.batch),
            Err(_) => Err(StoreError::Failed("a bug in the store engine".into())),
        }
    }
}
