//! Rows that were read lately, so that they are not looked up and opened anew.

use std::collections::{HashMap, VecDeque};
use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::Key;

/// Room for the hot rows of a few thousand contacts; a person's node stays small.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// A longer row is not kept: it would push out many small ones.
const ROW_BYTES_MAX: usize = 16 * 1024;
/// What an entry costs beside its bytes: two keys and the map's own.
const ENTRY_BYTES: usize = 256;

struct Entry {
    value: Option<Bytes>,
    used: bool,
}

/// A clock: entries used since the hand last passed get a second round.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    hand: VecDeque<Key>,
    bytes: usize,
}

fn cost(value: Option<&Bytes>) -> usize {
    ENTRY_BYTES + value.map_or(0, |value| value.len())
}

impl Cache {
    /// What is known of a row: its value, that there is none, or nothing.
    pub(super) fn get(&mut self, key: &Key) -> Option<Option<&Bytes>> {
        let entry = self.entries.get_mut(key)?;
        entry.used = true;
        Some(entry.value.as_ref())
    }

    /// Remembers a row as it now is.
    pub(super) fn set(&mut self, key: Key, value: Option<Bytes>) {
        let value = match value {
            Some(value) if value.len() > ROW_BYTES_MAX => return self.forget(&key),
            value => value,
        };
        self.bytes += cost(value.as_ref());
        if let Some(entry) = self.entries.get_mut(&key) {
            self.bytes -= cost(entry.value.as_ref());
            entry.value = value;
        } else {
            self.hand.push_back(key.clone());
            self.entries.insert(key, Entry { value, used: false });
        }
        while self.bytes > BYTES_MAX {
            let Some(key) = self.hand.pop_front() else {
                return;
            };
            match self.entries.get_mut(&key) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    self.hand.push_back(key);
                }
                Some(_) => self.drop_entry(&key),
                None => {}
            }
        }
    }

    /// A row changed: what is remembered of it is its new value.
    pub(super) fn update(&mut self, key: &Key, value: Option<&Bytes>) {
        if value.is_some_and(|value| value.len() > ROW_BYTES_MAX) {
            return self.forget(key);
        }
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes += cost(value);
            self.bytes -= cost(entry.value.as_ref());
            entry.value = value.cloned();
        }
    }

    fn forget(&mut self, key: &Key) {
        if self.entries.contains_key(key) {
            self.drop_entry(key);
            self.hand.retain(|other| other != key);
        }
    }

    fn drop_entry(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= cost(entry.value.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::store::Table;

    fn key(n: u32) -> Key {
        Key::new(Table::Meta, *b"s", n.to_be_bytes())
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_used() {
        let mut cache = Cache::default();
        let row = || Some(Bytes::new(vec![0; 1_000]));
        let many = u32::try_from(3 * BYTES_MAX / 1_000).unwrap();
        for n in 0..many {
            cache.set(key(n), row());
            assert!(cache.get(&key(0)).is_some());
            assert!(cache.bytes <= BYTES_MAX);
        }
        assert!(cache.get(&key(1)).is_none());
        assert_eq!(cache.hand.len(), cache.entries.len());
        let kept: usize = cache.entries.values().map(|e| cost(e.value.as_ref())).sum();
        assert_eq!(kept, cache.bytes);
    }

    #[test]
    fn it_knows_deleted_rows_and_forgets_rows_that_became_long() {
        let mut cache = Cache::default();
        cache.set(key(1), None);
        assert_eq!(cache.get(&key(1)), Some(None));
        cache.set(key(1), Some(Bytes::new(vec![0; ROW_BYTES_MAX + 1])));
        assert_eq!(cache.get(&key(1)), None);
        assert_eq!((cache.bytes, cache.hand.len()), (0, 0));
    }
}
