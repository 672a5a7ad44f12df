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
use waxwing_protocol::store::Read;

/// Rows looked at for one batch.
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
            let read = || query::changes(store, after, PAGE_ROWS);
            // Whoever listens finds the failure, or the bug, by its own reading.
            let Ok(Ok(Changes::Rows(rows))) = catch_unwind(AssertUnwindSafe(read)) else {
                return;
            };
            let upto = match rows.last() {
                Some(last) => last.cursor,
                None => newest.min(after + PAGE_SPAN),
            };
            // Nobody may be left by now.
            let _ = self.told.send(Arc::new(Told { after, upto, rows }));
            after = upto;
        }
    }
}
