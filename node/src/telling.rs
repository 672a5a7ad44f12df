//! Telling clients what changed, right behind the commit that changed it.
//!
//! The engine's thread has the rows at hand: a listener that had to ask for them would wait for two
//! more hops between threads. Nobody depends on it: whoever misses something, or comes later, reads
//! on from its cursor.

use crate::runtime::Told;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::broadcast;
use waxwing_protocol::query::{self, Changes};
use waxwing_protocol::store::{Read, StoreError};

/// Rows read at once: enough to catch up fast, few enough that a query stays short.
const PAGE_ROWS: usize = 128;
/// The same as a distance between cursors.
const PAGE_SPAN: u64 = PAGE_ROWS as u64;
/// Batches of one group; listeners read the rest by themselves.
const PAGES_MAX: usize = 8;

pub(crate) struct Telling {
    told: broadcast::Sender<Arc<Told>>,
    /// Told up to here; nothing before the first change of a run.
    upto: Option<u64>,
}

impl Telling {
    pub(crate) fn new(told: broadcast::Sender<Arc<Told>>) -> Self {
        Self { told, upto: None }
    }

    /// Everything up to `newest` is durable.
    pub(crate) fn tell(&mut self, store: &dyn Read, newest: u64) {
        let Some(mut after) = self.upto.replace(newest) else {
            return;
        };
        for _ in 0..PAGES_MAX {
            if after >= newest || self.told.receiver_count() == 0 {
                return;
            }
            let read = || page(store, after, newest);
            // Whoever listens finds the failure, or the bug, by its own reading.
            let Ok(Ok(Some(told))) = catch_unwind(AssertUnwindSafe(read)) else {
                return;
            };
            after = told.upto;
            // Nobody may be left by now.
            let _ = self.told.send(Arc::new(told));
        }
    }
}

/// The next changes after a cursor and up to `newest` at the most, as many as are read at once; `None` if
/// the log no longer reaches back to it.
pub(crate) fn page(store: &dyn Read, after: u64, newest: u64) -> Result<Option<Told>, StoreError> {
    let Changes::Rows(rows) = query::changes(store, after, PAGE_ROWS)? else {
        return Ok(None);
    };
    let upto = match rows.last() {
        Some(last) => last.cursor,
        // Changes whose objects are gone by now have no view: a whole page of them is passed over.
        // One cursor has one row at most, so none of another kind is.
        None => newest.min(after + PAGE_SPAN).max(after),
    };
    Ok(Some(Told { after, upto, rows }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::engine;
    use waxwing_protocol::feed::changes::{self, ChangeKind};
    use waxwing_protocol::input::{Command, Input, Moment, Settings};
    use waxwing_protocol::store::{MemoryStore, Store, Tx};

    /// Somebody's store, who has seen nothing yet.
    fn store() -> MemoryStore {
        let mut store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        let mut moment = Moment {
            now: 1,
            rng: &mut crate::dice::dice(),
            settings: &Settings::default(),
        };
        let create = Input::Command {
            reply_to: 0,
            key: None,
            command: Command::Create {
                name: "alice".into(),
            },
        };
        engine::handle(&mut tx, &mut moment, create).unwrap();
        let batch = tx.into_batch();
        store.apply(batch).unwrap();
        store
    }

    fn log(store: &mut MemoryStore, rows: usize) -> u64 {
        let mut tx = Tx::new(store);
        let mut newest = 0;
        for _ in 0..rows {
            let notice = ChangeKind::Notice {
                no: None,
                code: "code".into(),
                text: "text".into(),
            };
            newest = changes::log(&mut tx, 1, notice).unwrap();
        }
        let batch = tx.into_batch();
        store.apply(batch).unwrap();
        newest
    }

    #[test]
    fn what_is_told_follows_without_a_gap_and_only_to_those_who_listen() {
        let (sender, mut told) = broadcast::channel(16);
        let mut telling = Telling::new(sender.clone());
        let mut store = store();
        // Where a run begins is for listeners to read.
        let mut at = log(&mut store, 5);
        telling.tell(&store, at);
        assert!(told.try_recv().is_err());

        for rows in [1, PAGE_ROWS, 3 * PAGE_ROWS + 7] {
            let newest = log(&mut store, rows);
            telling.tell(&store, newest);
            while at < newest {
                let told = told.try_recv().unwrap();
                assert_eq!(told.after, at);
                let cursors: Vec<u64> = told.rows.iter().map(|row| row.cursor).collect();
                assert_eq!(cursors, (at + 1..=told.upto).collect::<Vec<_>>());
                at = told.upto;
            }
            assert_eq!(at, newest);
        }

        drop(told);
        let missed = log(&mut store, 3);
        telling.tell(&store, missed);
        let mut told = sender.subscribe();
        let newest = log(&mut store, 1);
        telling.tell(&store, newest);
        assert_eq!(told.try_recv().unwrap().after, missed);
    }
}
