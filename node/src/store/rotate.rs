//! Changing the state key once a day, in steps small enough to run between two groups.
//!
//! Begin: the next generation is written to the keyfile, and rows are written under it from then
//! on; the journal changes files, so that none needs the older one. Sweep: rows of older
//! generations are sealed anew, a bounded batch a step, each durable. Erase: once a sweep found no
//! more, the old salt is overwritten. A start that finds two generations in the keyfile sweeps from
//! the beginning.

use super::rows::after;
use super::seal::{self, ROTATING};
use super::{SledStore, from_sled};
use std::ops::Bound;
use waxwing_protocol::store::{StoreError, Table};
use waxwing_protocol::time::{DAY_S, Secs};

/// Rows that one step reads.
const STEP_ROWS: usize = 256;
/// Age at which a generation is replaced.
const LIFE_S: Secs = DAY_S;

/// How far a sweep came.
#[derive(Default)]
pub(super) struct Sweep {
    /// Position in [`ROTATING`].
    table: usize,
    /// Last stored key that was looked at.
    at: Option<Vec<u8>>,
}

impl SledStore {
    /// One step. True if the next one is due at once.
    pub(super) fn rotate(&mut self, now: Secs) -> Result<bool, StoreError> {
        if let Some(sweep) = self.sweep.take() {
            return match self.sweep(sweep)? {
                Some(sweep) => {
                    self.sweep = Some(sweep);
                    Ok(true)
                }
                None => {
                    let erased = self.state.erase_old();
                    self.io(erased)?;
                    Ok(false)
                }
            };
        }
        if !self.state.rotating() {
            // A clock that was set back does not stop the rotation for as long as it was ahead.
            let born = self.state.born();
            if now.abs_diff(born) < LIFE_S {
                return Ok(false);
            }
            let begun = self.state.begin(now);
            self.io(begun)?;
            self.begin_checkpoint()?;
        }
        if self.state.rotating() {
            self.sweep = Some(Sweep::default());
        }
        Ok(self.sweep.is_some())
    }

    /// Seals a batch of rows anew; `None` when no table has more.
    fn sweep(&mut self, mut sweep: Sweep) -> Result<Option<Sweep>, StoreError> {
        let Some(table) = ROTATING.get(sweep.table) else {
            return Ok(None);
        };
        // Nobody else writes to sled meanwhile.
        self.reap(true)?;
        let prefix = [*table as u8];
        let from = match sweep.at.take() {
            Some(at) => Bound::Excluded(at),
            None => Bound::Included(prefix.to_vec()),
        };
        let mut batch = sled::Batch::default();
        let (mut seen, mut stale) = (0, 0);
        for row in self.rows.db.range((from, after(&prefix))).take(STEP_ROWS) {
            let (stored_key, head) = self.tried(row.map_err(|error| from_sled(&error)))?;
            if seal::generation(&head) != Some(self.state.current().0) {
                match self.reseal(&mut batch, *table, &stored_key, &head) {
                    Ok(()) => stale += 1,
                    // Nobody could read it before either: one lost row stops no rotation.
                    Err(StoreError::Damaged(table)) => {
                        tracing::warn!(?table, "a damaged row was left as it is");
                    }
                    Err(error) => return Err(self.fail(error)),
                }
            }
            seen += 1;
            sweep.at = Some(stored_key.to_vec());
        }
        if stale > 0 {
            let applied = self.rows.db.apply_batch(batch);
            self.tried(applied.map_err(|error| from_sled(&error)))?;
            self.tried(self.target().sync())?;
        }
        if seen < STEP_ROWS {
            sweep.table += 1;
            sweep.at = None;
        }
        Ok(Some(sweep))
    }

    fn reseal(
        &self,
        batch: &mut sled::Batch,
        table: Table,
        stored_key: &[u8],
        head: &[u8],
    ) -> Result<(), StoreError> {
        let plain = self.rows.open(&self.state, table, stored_key, head)?;
        let current = self.state.current();
        let sealed = self.rows.keys.seal(current, table, stored_key, &plain);
        // As long as before: every further piece is replaced by one of the same number.
        self.rows.stage(batch, stored_key.to_vec(), &sealed)
    }
}
