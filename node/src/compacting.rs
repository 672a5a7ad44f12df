//! Compacting the database while the node runs: a copy beside everything else, and at its end a
//! moment in which the store is closed and opened anew.

use crate::group::{Core, fatal};
use crate::runtime::Ended;
use crate::store::Compacting;
use std::time::Instant;
use tokio::sync::watch;
use waxwing_protocol::store::{MemoryStore, StoreError};

/// How a compaction stands, or the last one ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compaction {
    /// It is under way.
    pub running: bool,
    /// Rows copied so far.
    pub rows: u64,
    /// Bytes on disk when it began.
    pub before_bytes: Option<u64>,
    /// Bytes on disk when it was through.
    pub after_bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// Why it came to nothing; the database is as it was.
    pub failed: Option<String>,
}

/// A compaction, as the engine's thread knows it.
pub(crate) struct Compactor {
    began: Option<Instant>,
    /// The database was looked at, and copied if that was worth while.
    looked: bool,
    out: watch::Sender<Compaction>,
}

impl Compactor {
    pub(crate) fn new(out: watch::Sender<Compaction>) -> Self {
        Self {
            began: None,
            looked: false,
            out,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.began.is_some()
    }

    fn end(&mut self, change: impl FnOnce(&mut Compaction)) {
        let took = self.began.take().map(|began| began.elapsed());
        self.out.send_modify(|state| {
            state.running = false;
            state.took_ms = took.and_then(|took| u64::try_from(took.as_millis()).ok());
            change(state);
        });
    }
}

impl Core {
    /// Compacts, once a run, a database that was mostly dead when it was opened.
    pub(crate) fn compact_bloated(&mut self) -> Result<(), Ended> {
        if self.compactor.looked {
            return Ok(());
        }
        self.compactor.looked = true;
        if self.store.is_bloated() {
            tracing::info!("the database is mostly dead and is being compacted");
            self.compact()?;
        }
        Ok(())
    }

    /// Begins a compaction, unless one is under way.
    pub(crate) fn compact(&mut self) -> Result<(), Ended> {
        if self.compactor.is_running() {
            return Ok(());
        }
        let before_bytes = self.store.used_bytes().ok();
        self.compactor.began = Some(Instant::now());
        self.compactor.out.send_replace(Compaction {
            running: true,
            before_bytes,
            ..Compaction::default()
        });
        self.store.compact().map_err(|error| fatal(&error))?;
        self.look_at_copy()
    }

    /// Looks how far the copy is, and puts it in place once it is whole.
    pub(crate) fn look_at_copy(&mut self) -> Result<(), Ended> {
        if !self.compactor.is_running() {
            return Ok(());
        }
        match self.store.compacting() {
            Ok(Compacting::Going(rows)) => {
                self.compactor.out.send_modify(|state| state.rows = rows);
            }
            Ok(Compacting::Whole) => {
                self.close();
                self.open("the compacted database does not open")?;
                let after_bytes = self.store.used_bytes().ok();
                self.compactor.end(|state| state.after_bytes = after_bytes);
                tracing::info!("the database was compacted");
            }
            Ok(Compacting::Failed(why)) => {
                tracing::warn!(%why, "the database was not compacted");
                self.compactor.end(|state| state.failed = Some(why));
            }
            // The store was opened anew on a full disk, and the copy went with it.
            Ok(Compacting::No) => {
                let why = "the disk became full".to_owned();
                self.compactor.end(|state| state.failed = Some(why));
            }
            Err(StoreError::Full) => self.ran_out()?,
            Err(error) => return Err(fatal(&error)),
        }
        Ok(())
    }

    /// Closes the store.
    pub(crate) fn close(&mut self) {
        self.store = Box::new(MemoryStore::default());
    }

    /// Opens the store that was closed.
    pub(crate) fn open(&mut self, problem: &str) -> Result<(), Ended> {
        self.store = (self.reopen)().map_err(|why| Ended::Failed(format!("{problem}: {why}")))?;
        Ok(())
    }
}
