//! A transaction: reads fall through to the store, writes gather into one batch.

use super::span::PageLayer;
use super::{Batch, BatchLayer, Key, Layer, Read, ReadExt, Rows, Span, StoreError, merge};
use crate::private::Bytes;
use crate::wire::codec::encode_to;
use alloc::vec::Vec;
use zeroize::Zeroize;

/// An overlay on a store. Nothing is written until its batch is applied.
pub struct Tx<'a> {
    base: &'a dyn Read,
    writes: Batch,
    wake: Option<u64>,
    /// Where rows are encoded: they are stored in as much room as they need.
    scratch: Bytes,
}

impl<'a> Tx<'a> {
    /// Begins on a store.
    pub fn new(base: &'a dyn Read) -> Self {
        Self {
            base,
            writes: Batch::new(),
            wake: None,
            scratch: Bytes::default(),
        }
    }

    /// Writes an encoded row.
    pub fn put<T: minicbor::Encode<()>>(&mut self, key: Key, value: &T) {
        encode_to(value, &mut self.scratch);
        let row = Bytes::new(self.scratch.to_vec());
        self.scratch.as_mut_slice().zeroize();
        self.scratch.clear();
        self.writes.insert(key, Some(row));
    }

    /// Deletes a row; one that does not exist is no error.
    pub fn delete(&mut self, key: Key) {
        self.writes.insert(key, None);
    }

    /// Reads a row and deletes it.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or the row is damaged.
    pub fn take<T: for<'b> minicbor::Decode<'b, ()>>(
        &mut self,
        key: Key,
    ) -> Result<Option<T>, StoreError> {
        let row = self.row(&key)?;
        if row.is_some() {
            self.delete(key);
        }
        Ok(row)
    }

    /// Adds one to a counter of the meta table and returns its value before.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or the row is damaged.
    pub fn count_up(&mut self, name: &str) -> Result<u64, StoreError> {
        let key = Key::one(super::Table::Meta, name);
        let value: u64 = self.row(&key)?.unwrap_or(0);
        self.put(key, &(value + 1));
        Ok(value)
    }

    /// Suffixes of the rows of a scope, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn scan_keys(
        &self,
        table: super::Table,
        scope: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.scan(&Span::all(table, scope, limit))?;
        Ok(rows.into_iter().map(|(suffix, _)| suffix).collect())
    }

    /// Takes over the writes of a transaction that was begun on this one.
    pub fn absorb(&mut self, batch: Batch) {
        self.writes.extend(batch);
    }

    /// Notes that a deadline was written.
    pub fn hint(&mut self, at: u64) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// The earliest deadline written since this was last asked.
    pub fn take_hint(&mut self) -> Option<u64> {
        self.wake.take()
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Everything written, to be applied at once.
    pub fn into_batch(self) -> Batch {
        self.writes
    }
}

impl Read for Tx<'_> {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        match self.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        if span.is_empty() {
            return Ok(Rows::new());
        }
        let mut mine = BatchLayer::new(&self.writes, span);
        if mine.suffix().is_none() {
            return self.base.scan(span);
        }
        let mut base = PageLayer::new(self.base, span)?;
        merge(&mut [&mut mine, &mut base], span.reverse, span.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryStore, Store, Table};
    use super::*;
    use alloc::vec;

    fn key(n: u8) -> Key {
        Key::new(Table::Meta, *b"s", [n])
    }

    fn store(rows: &[u8]) -> MemoryStore {
        let mut store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        for n in rows {
            tx.put(key(*n), n);
        }
        // Neighbours that a scan must not touch.
        tx.put(Key::new(Table::Meta, *b"s\0", [3]), &99u8);
        tx.put(Key::new(Table::Meta, *b"r", [3]), &99u8);
        let batch = tx.into_batch();
        store.apply(batch).unwrap();
        store
    }

    fn scan(tx: &Tx<'_>, limit: usize, reverse: bool) -> Vec<u8> {
        let mut span = Span::all(Table::Meta, *b"s", limit);
        span.reverse = reverse;
        tx.rows::<u8>(&span)
            .unwrap()
            .into_iter()
            .map(|(_, n)| n)
            .collect()
    }

    #[test]
    fn a_scan_sees_writes_over_the_store_in_both_directions() {
        let store = store(&[1, 3, 5, 7, 9]);
        let mut tx = Tx::new(&store);
        tx.put(key(4), &4u8);
        tx.put(key(9), &90u8);
        tx.delete(key(3));
        assert_eq!(scan(&tx, 99, false), vec![1, 4, 5, 7, 90]);
        assert_eq!(scan(&tx, 2, false), vec![1, 4]);
        assert_eq!(scan(&tx, 2, true), vec![90, 7]);
        assert_eq!(scan(&tx, 4, true), vec![90, 7, 5, 4]);
    }

    #[test]
    fn every_scan_equals_one_of_the_applied_store() {
        // All 3^4 overlays on all limits, both ways.
        for case in 0..81u32 {
            let base = store(&[1, 2, 4, 6, 8]);
            let mut applied = base.clone();
            let mut tx = Tx::new(&base);
            for (i, n) in [0u8, 2, 5, 8].into_iter().enumerate() {
                match case / 3u32.pow(u32::try_from(i).unwrap()) % 3 {
                    0 => {}
                    1 => tx.put(key(n), &(n + 100)),
                    _ => tx.delete(key(n)),
                }
            }
            for limit in 0..8 {
                for reverse in [false, true] {
                    let mut span = Span::all(Table::Meta, *b"s", limit).from([1]).until([8]);
                    span.reverse = reverse;
                    let seen = tx.scan(&span).unwrap();
                    let mut later = applied.clone();
                    later.apply(tx.writes.clone()).unwrap();
                    assert_eq!(seen, later.scan(&span).unwrap(), "{case} {limit} {reverse}");
                }
            }
            applied = base.clone();
            assert_eq!(applied.len(), base.len());
        }
    }
}
