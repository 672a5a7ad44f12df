//! A store in memory: the reference for every other one, and the simulator's disk.

use super::{Batch, Key, Read, Rows, Span, Store, StoreError};
use crate::private::Bytes;
use alloc::collections::BTreeMap;
use core::ops::Bound;

/// Rows in a map. A clone is a copy of the disk as it was.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Key, Bytes>,
}

impl MemoryStore {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No rows at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every row, for tests that look at the whole disk.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        self.rows.iter().map(|(key, value)| (key, value.as_slice()))
    }
}

/// First and last key of a span.
pub(super) fn bounds(span: &Span) -> (Bound<Key>, Bound<Key>) {
    let at = |suffix: &[u8]| Key::new(span.table, span.scope.clone(), suffix);
    let end = match &span.to {
        Some(to) => Bound::Excluded(at(to)),
        None => {
            // The next scope in byte order begins with this one and a zero byte.
            let mut next = span.scope.clone();
            next.push(0);
            Bound::Excluded(Key::one(span.table, next))
        }
    };
    (Bound::Included(at(&span.from)), end)
}

pub(super) fn is_empty(span: &Span) -> bool {
    span.to.as_ref().is_some_and(|to| *to <= span.from)
}

impl Read for MemoryStore {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        if is_empty(span) {
            return Ok(Rows::new());
        }
        let range = self.rows.range(bounds(span));
        let row = |(key, value): (&Key, &Bytes)| (key.suffix.clone(), value.clone());
        Ok(if span.reverse {
            range.rev().take(span.limit).map(row).collect()
        } else {
            range.take(span.limit).map(row).collect()
        })
    }
}

impl Store for MemoryStore {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        for (key, value) in batch {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        Ok(())
    }
}
