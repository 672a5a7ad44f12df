//! What is written, batch by batch, and what must therefore be there after any of them.
//!
//! Everything follows from the seed. A batch puts its number into one row, appends a row to a log
//! and drops the oldest there, and writes or deletes rows at random among some that are sealed under
//! the rotating key. One batch in a few holds a row longer than the store keeps in one piece.

use crate::dice::{Dice, Purpose};
use std::collections::BTreeMap;
use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::{Batch, Key, Read, Span, StoreError, Table};

/// Rows of the log that are kept.
const LOG_ROWS: u64 = 300;
/// Rows under the rotating key; more than one step of a rotation seals anew.
const SLOTS: u64 = 300;
/// Of them a batch touches at most so many.
const TOUCHED_MAX: u64 = 16;
const DELETED: f64 = 0.2;
const LONG: f64 = 0.1;
const SHORT_BYTES: (u64, u64) = (1, 400);
const LONG_BYTES: (u64, u64) = (3_900, 24_000);
/// Differences named in a report.
const SHOWN: usize = 5;

/// What a seed has written.
pub struct Book(u64);

impl Book {
    /// The book of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The row that holds the number of the newest batch.
    pub fn number() -> Key {
        Key::one(Table::Meta, *b"number")
    }

    /// The number that such a row holds; 0 if there is none.
    pub fn read_number(row: Option<&Bytes>) -> u64 {
        let bytes = row.and_then(|row| row.first_chunk());
        bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    fn log(n: u64) -> Key {
        Key::new(Table::Message, *b"log", n.to_be_bytes())
    }

    fn slot(n: u64) -> Key {
        Key::one(Table::Session, n.to_be_bytes())
    }

    /// The keys of batch `n`, counted from 1, in their order, and whether they get a value.
    fn keys(&self, n: u64) -> Vec<(Key, bool)> {
        let mut dice = Dice::new(self.0, Purpose::Script, place(n), 0);
        let mut keys = vec![(Self::log(n), true)];
        if n > LOG_ROWS {
            keys.push((Self::log(n - LOG_ROWS), false));
        }
        for _ in 0..=dice.below(TOUCHED_MAX) {
            let slot = Self::slot(dice.below(SLOTS));
            keys.push((slot, !dice.chance(DELETED)));
        }
        keys
    }

    /// What batch `n` writes under the key of that place.
    fn value(&self, n: u64, at: usize) -> Bytes {
        let mut dice = Dice::new(self.0, Purpose::Script, place(n), 1 + at);
        let range = if dice.chance(LONG) {
            LONG_BYTES
        } else {
            SHORT_BYTES
        };
        let len = usize::try_from(dice.between(range)).unwrap_or(1);
        Bytes::new(dice.bytes(len))
    }

    /// Batch `n`, counted from 1.
    pub fn batch(&self, n: u64) -> Batch {
        let keys = self.keys(n).into_iter().enumerate();
        let rows = keys.map(|(at, (key, given))| (key, given.then(|| self.value(n, at))));
        let mut batch: Batch = rows.collect();
        let number = n.to_be_bytes().to_vec();
        batch.insert(Self::number(), Some(Bytes::new(number)));
        batch
    }

    /// Compares a store with what it must hold after batch `n`, and names some differences.
    ///
    /// # Errors
    /// [`StoreError`] if a row cannot be read.
    pub fn compare(&self, store: &dyn Read, n: u64) -> Result<Vec<String>, StoreError> {
        let mut last = BTreeMap::new();
        for n in 1..=n {
            for (at, (key, given)) in self.keys(n).into_iter().enumerate() {
                last.insert(key, given.then_some((n, at)));
            }
        }
        let given = last.into_iter();
        let mut there: BTreeMap<Key, Bytes> = given
            .filter_map(|(key, given)| given.map(|(n, at)| (key, self.value(n, at))))
            .collect();
        let mut wrong = Vec::new();
        let rows = store.scan(&Span::all(Table::Message, *b"log", usize::MAX))?;
        for (suffix, value) in rows {
            let key = Key::new(Table::Message, *b"log", suffix);
            if there.remove(&key).as_ref() != Some(&value) {
                wrong.push(format!("{key:?} holds something else, or should be gone"));
            }
        }
        for n in 0..SLOTS {
            let key = Self::slot(n);
            if store.get(&key)? != there.remove(&key) {
                wrong.push(format!("slot {n} is not as it was left"));
            }
        }
        let missing = there.into_keys();
        wrong.extend(missing.map(|key| format!("{key:?} is missing")));
        wrong.truncate(SHOWN);
        Ok(wrong)
    }
}

fn place(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::store::{MemoryStore, Store};

    fn written(book: &Book, batches: u64) -> MemoryStore {
        let mut store = MemoryStore::default();
        for n in 1..=batches {
            store.apply(book.batch(n)).unwrap();
        }
        store
    }

    #[test]
    fn what_was_written_is_found_and_any_difference_is_named() {
        let book = Book::new(7);
        let store = written(&book, 400);
        assert!(book.compare(&store, 400).unwrap().is_empty());
        assert!(!book.compare(&store, 399).unwrap().is_empty());
        assert!(!book.compare(&store, 401).unwrap().is_empty());
        assert!(!Book::new(8).compare(&store, 400).unwrap().is_empty());
    }

    #[test]
    fn a_batch_that_is_there_by_half_is_noticed() {
        let book = Book::new(7);
        for (key, value) in book.batch(51) {
            let mut store = written(&book, 50);
            if store.get(&key).unwrap() == value {
                continue;
            }
            let is_number = key == Book::number();
            store.apply(Batch::from([(key, value)])).unwrap();
            let number = Book::read_number(store.get(&Book::number()).unwrap().as_ref());
            assert_eq!(number, if is_number { 51 } else { 50 });
            assert!(!book.compare(&store, number).unwrap().is_empty());
        }
    }
}
