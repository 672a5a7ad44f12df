//! A store in memory: the reference for every other one, and the simulator's disk.

use super::span::bounds;
use super::{Batch, Key, Read, Rows, Span, Store, StoreError};
use crate::private::Bytes;
use alloc::collections::BTreeMap;

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

impl Read for MemoryStore {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        if span.is_empty() {
            return Ok(Rows::new());
        }
        let range = self.rows.range(bounds(span));
        let row = |(key, value): (&Key, &Bytes)| (key.suffix().to_vec(), value.clone());
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
