//! How a row looks on disk (`docs/spec/07-storage.md`).
//!
//! Stored key = table byte ‖ HMAC-SHA256(blinding key, scope)[0..16] ‖ suffix.
//! Stored value = 24-byte random nonce ‖ XChaCha20-Poly1305 under the table's key, with the whole
//! stored key as associated data. In tables that rotate, the generation of the state key (u32,
//! big-endian) stands before the nonce.

use super::state_key::StateKeys;
use crate::dice;
use waxwing_protocol::crypto::derive::{DB_KEYS, DB_TABLE, expand};
use waxwing_protocol::crypto::hash::hmac;
use waxwing_protocol::crypto::seal::{open_x, seal_x};
use waxwing_protocol::private::{Bytes, Secret};
use waxwing_protocol::store::Table;

/// Table byte and blinded scope.
pub(super) const PREFIX_BYTES: usize = 17;
/// Bytes of the generation before a row that rotates.
const GENERATION_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
/// Table bytes from here on hold the further pieces of long rows.
pub(super) const FURTHER: u8 = 0x80;

/// Tables under the rotating state key; a test compares with `Table::rotates`.
pub(super) const ROTATING: [Table; 7] = [
    Table::Prekey,
    Table::OneTime,
    Table::Session,
    Table::Skipped,
    Table::Fading,
    Table::Waiting,
    Table::Held,
];

/// The keys of one store, all derived from its data key.
pub(super) struct Keys {
    blind: Secret<32>,
    tables: Vec<Secret<32>>,
}

impl Keys {
    pub(super) fn new(data_key: &Secret<32>) -> Self {
        let table = |n: u8| expand(data_key.expose(), &[DB_TABLE.bytes(), &[n]]);
        Self {
            blind: expand(data_key.expose(), &[DB_KEYS.bytes()]),
            tables: (0..FURTHER).map(table).collect(),
        }
    }

    /// Where the rows of a scope begin.
    pub(super) fn prefix(&self, table: Table, scope: &[u8]) -> [u8; PREFIX_BYTES] {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[0] = table as u8;
        prefix[1..].copy_from_slice(&hmac(self.blind.expose(), scope)[..PREFIX_BYTES - 1]);
        prefix
    }

    pub(super) fn stored_key(&self, table: Table, scope: &[u8], suffix: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(PREFIX_BYTES + suffix.len());
        key.extend_from_slice(&self.prefix(table, scope));
        key.extend_from_slice(suffix);
        key
    }

    /// Seals a value for its place; tables that rotate under this generation's key.
    pub(super) fn seal(
        &self,
        (generation, key): (u32, &Secret<32>),
        table: Table,
        stored_key: &[u8],
        plain: &[u8],
    ) -> Vec<u8> {
        if table.rotates() {
            seal(key, &generation.to_be_bytes(), stored_key, plain)
        } else {
            seal(&self.tables[table as usize], &[], stored_key, plain)
        }
    }

    /// Opens a stored value; `None` if it was not sealed for this place by this store.
    pub(super) fn open(
        &self,
        state: &StateKeys,
        table: Table,
        stored_key: &[u8],
        sealed: &[u8],
    ) -> Option<Bytes> {
        let own = |sealed| open(&self.tables[table as usize], stored_key, sealed);
        if !table.rotates() {
            return own(sealed);
        }
        match state.of(generation(sealed)?) {
            Some(key) => open(key, stored_key, &sealed[GENERATION_BYTES..]),
            // Rows of this table did not always rotate: those of before open until they are sealed
            // anew, within a day.
            None if table == Table::Waiting => own(sealed),
            None => None,
        }
    }

    /// Seals a value of the store itself, which lives in table 0.
    pub(super) fn seal_own(&self, stored_key: &[u8], plain: &[u8]) -> Vec<u8> {
        seal(&self.tables[0], &[], stored_key, plain)
    }

    /// Opens a value of the store itself.
    pub(super) fn open_own(&self, stored_key: &[u8], sealed: &[u8]) -> Option<Bytes> {
        open(&self.tables[0], stored_key, sealed)
    }
}

/// The generation that a row of a rotating table begins with.
pub(super) fn generation(sealed: &[u8]) -> Option<u32> {
    sealed.first_chunk().map(|g| u32::from_be_bytes(*g))
}

fn seal(key: &Secret<32>, head: &[u8], stored_key: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = dice::bytes();
    let ct = seal_x(key, &nonce, plain, stored_key);
    let mut sealed = Vec::with_capacity(head.len() + NONCE_BYTES + ct.len());
    sealed.extend_from_slice(head);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ct);
    sealed
}

fn open(key: &Secret<32>, stored_key: &[u8], sealed: &[u8]) -> Option<Bytes> {
    let (nonce, ct) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    open_x(key, nonce, ct, stored_key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::wire::codec::decode_row;

    #[test]
    fn the_rotating_tables_are_all_there_and_numbers_leave_the_high_bit_free() {
        let mut known = 0;
        for n in 0..=u8::MAX {
            let cbor = if n < 24 { vec![n] } else { vec![0x18, n] };
            let Ok(table) = decode_row::<Table>(&cbor) else {
                continue;
            };
            known += 1;
            assert!((1..FURTHER).contains(&n));
            assert_eq!(ROTATING.contains(&table), table.rotates(), "{table:?}");
        }
        assert!(known >= 28);
    }

    #[test]
    fn a_row_from_before_its_table_rotated_opens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state-key");
        let data_key = dice::secret();
        StateKeys::create(&path, 5).unwrap();
        let state = StateKeys::open(&path, &data_key).unwrap();
        let keys = Keys::new(&data_key);
        for (table, opens) in [(Table::Waiting, true), (Table::Fading, false)] {
            let key = keys.stored_key(table, b"scope", b"suffix");
            let before = seal(&keys.tables[table as usize], &[], &key, b"words");
            let opened = keys.open(&state, table, &key, &before);
            assert_eq!(opened.is_some_and(|plain| *plain == *b"words"), opens);
            let now = keys.seal(state.current(), table, &key, b"words");
            let opened = keys.open(&state, table, &key, &now);
            assert!(opened.is_some_and(|plain| *plain == *b"words"));
        }
    }
}
