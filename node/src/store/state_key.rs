//! The two-slot file of rotating state keys (`docs/spec/07-storage.md`).
//!
//! Old pages of a log-structured store stay on disk for long. Ratchet state is therefore sealed
//! under a key that changes every day and whose salt is overwritten in place once no live row
//! needs it. The file is never renamed after it was made: a rename would leave the old salts in
//! blocks that nothing overwrites.
//!
//! Two blocks of 4,096 bytes, one a slot: `wx1state` ‖ generation u32 ‖ born u64 (unix seconds)
//! ‖ salt 32 ‖ first 16 bytes of the SHA-256 of all before ‖ zeros. A block that does not check is
//! an empty slot: never written, overwritten, or torn by a crash while being either.

use crate::dice;
use crate::files;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use waxwing_protocol::crypto::derive::{DB_STATE, hkdf};
use waxwing_protocol::crypto::hash::hash16;
use waxwing_protocol::private::{Bytes, Secret};
use waxwing_protocol::time::Secs;

/// One slot's block: a torn write damages one slot only.
const BLOCK_BYTES: usize = 4096;
const MAGIC: &[u8; 8] = b"wx1state";
/// Magic, generation, birth, salt.
const CHECKED_BYTES: usize = 8 + 4 + 8 + 32;
const SLOT_BYTES: usize = CHECKED_BYTES + 16;

struct Slot {
    generation: u32,
    born: Secs,
    key: Secret<32>,
}

/// The state keys that live rows may be sealed under: the current one and, while a rotation is
/// under way, the one before.
pub(super) struct StateKeys {
    file: File,
    data_key: Secret<32>,
    slots: [Option<Slot>; 2],
    newest: usize,
}

impl StateKeys {
    /// Makes the file of a new home, with generation 1.
    pub(super) fn create(path: &Path, now: Secs) -> io::Result<()> {
        let mut bytes = block(1, now, &dice::secret());
        bytes.resize(2 * BLOCK_BYTES, 0);
        files::write_atomic(path, &bytes)
    }

    /// Opens the file. `InvalidData` if neither slot can be read.
    pub(super) fn open(path: &Path, data_key: &Secret<32>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = Bytes::new(vec![0; 2 * BLOCK_BYTES]);
        file.read_exact_at(&mut bytes, 0)?;
        let slot = |n: usize| read_block(&bytes[n * BLOCK_BYTES..][..SLOT_BYTES], data_key);
        let slots = [slot(0), slot(1)];
        let age = |n: usize| slots[n].as_ref().map(|slot| slot.generation);
        if age(0).or(age(1)).is_none() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let newest = usize::from(age(1) > age(0));
        Ok(Self {
            file,
            data_key: data_key.clone(),
            slots,
            newest,
        })
    }

    /// The generation that rows are written under, and its key.
    pub(super) fn current(&self) -> (u32, &Secret<32>) {
        match &self.slots[self.newest] {
            Some(slot) => (slot.generation, &slot.key),
            None => unreachable!("the newest slot is filled from opening on"),
        }
    }

    /// When the current generation was made.
    pub(super) fn born(&self) -> Secs {
        self.slots[self.newest].as_ref().map_or(0, |slot| slot.born)
    }

    /// The key of a generation that is still kept.
    pub(super) fn of(&self, generation: u32) -> Option<&Secret<32>> {
        self.slots
            .iter()
            .flatten()
            .find(|slot| slot.generation == generation)
            .map(|slot| &slot.key)
    }

    /// An older generation is still there: a rotation is under way.
    pub(super) fn rotating(&self) -> bool {
        self.slots[1 - self.newest].is_some()
    }

    /// Writes the next generation into the empty slot; rows are sealed under it from now on.
    pub(super) fn begin(&mut self, now: Secs) -> io::Result<()> {
        if self.rotating() {
            return Ok(());
        }
        let (generation, _) = self.current();
        let Some(generation) = generation.checked_add(1) else {
            // One a day: never reached in eleven million years.
            return Ok(());
        };
        let salt = dice::secret();
        let free = 1 - self.newest;
        self.write(free, &block(generation, now, &salt))?;
        self.slots[free] = Some(Slot {
            generation,
            born: now,
            key: derive(&salt, &self.data_key),
        });
        self.newest = free;
        Ok(())
    }

    /// Overwrites the older generation. Only after a durable commit that no row needs it.
    pub(super) fn erase_old(&mut self) -> io::Result<()> {
        let old = 1 - self.newest;
        self.write(old, &[0; BLOCK_BYTES])?;
        self.slots[old] = None;
        Ok(())
    }

    fn write(&self, slot: usize, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, (slot * BLOCK_BYTES) as u64)?;
        self.file.sync_all()
    }
}

fn derive(salt: &Secret<32>, data_key: &Secret<32>) -> Secret<32> {
    hkdf(salt.expose(), &[data_key.expose()], &[DB_STATE.bytes()])
}

fn block(generation: u32, born: Secs, salt: &Secret<32>) -> Bytes {
    let mut bytes = Bytes::new(Vec::with_capacity(2 * BLOCK_BYTES));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&born.to_be_bytes());
    bytes.extend_from_slice(salt.expose());
    let check = hash16(&bytes);
    bytes.extend_from_slice(&check.0);
    bytes.resize(BLOCK_BYTES, 0);
    bytes
}

fn read_block(bytes: &[u8], data_key: &Secret<32>) -> Option<Slot> {
    let (checked, check) = bytes.split_at_checked(CHECKED_BYTES)?;
    let rest = checked.strip_prefix(MAGIC)?;
    if hash16(checked).0 != check {
        return None;
    }
    let (generation, rest) = rest.split_first_chunk()?;
    let (born, rest) = rest.split_first_chunk()?;
    let salt = Secret::new(*rest.first_chunk()?);
    Some(Slot {
        generation: u32::from_be_bytes(*generation),
        born: u64::from_be_bytes(*born),
        key: derive(&salt, data_key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_old_key_until_it_is_erased() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state-key");
        let data_key = dice::secret();
        let open = || StateKeys::open(&path, &data_key).unwrap();
        StateKeys::create(&path, 5).unwrap();
        let mut keys = open();
        for generation in 1..5 {
            assert_eq!((keys.current().0, keys.rotating()), (generation, false));
            let old = keys.current().1.clone();
            keys.begin(9).unwrap();
            keys.begin(10).unwrap();
            let mut again = open();
            assert_eq!(again.current().0, generation + 1);
            assert_eq!((again.born(), again.rotating()), (9, true));
            assert_eq!(again.of(generation).unwrap().expose(), old.expose());
            again.erase_old().unwrap();
            keys = open();
            assert!(keys.of(generation).is_none());
        }
    }

    #[test]
    fn a_torn_block_is_an_empty_slot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state-key");
        let data_key = dice::secret();
        StateKeys::create(&path, 5).unwrap();
        let keys = StateKeys::open(&path, &data_key).unwrap();
        let next = block(2, 9, &dice::secret());
        keys.write(1, &next[..SLOT_BYTES - 1]).unwrap();
        let keys = StateKeys::open(&path, &data_key).unwrap();
        assert_eq!((keys.current().0, keys.rotating()), (1, false));
        keys.write(0, &[7; 20]).unwrap();
        assert!(StateKeys::open(&path, &data_key).is_err());
    }
}
