//! The disk: rows in sled, sealed and durable.
//!
//! sled 0.34.7 is used within what was measured to be safe: one tree, so that a batch is atomic;
//! a commit is `apply_batch`, `flush`, and a `sync_data` of our own, because sled's own flush does
//! not survive a power cut; and no stored value is longer than [`PIECE_BYTES`], because longer
//! pages leave the log for files that sled never syncs. Longer rows are cut into pieces.

mod cache;
mod compact;
pub mod conformance;
mod open;
mod rotate;
mod seal;
mod state_key;
mod witness;

pub use open::{OpenError, Place, create, open};

use cache::Cache;
use rotate::Sweep;
use seal::{FURTHER, Keys, PREFIX_BYTES};
use state_key::StateKeys;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::ops::Bound;
use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::{
    Batch, Key, MemoryStore, Read, Rows, Span, Store, StoreError, Table,
};
use waxwing_protocol::time::Secs;
use witness::Witness;

/// Longest stored value. sled puts a page over 128 KiB into a file of its own without syncing it;
/// a leaf holds up to 17 rows (20 after a merge), so 20 of these with their keys stay well below.
pub const PIECE_BYTES: usize = 4_000;
/// Longest suffix of a key, for the same sum.
pub const SUFFIX_BYTES_MAX: usize = 255;
/// Pieces of one row are numbered in two bytes.
const PIECES_MAX: usize = 1 << 16;

/// Table 0 holds the store's own rows. This one counts commits, in the clear …
const COMMITS_KEY: &[u8] = b"\0commits";
/// … and this one tells whether the data key is the right one.
const CHECK_KEY: &[u8] = b"\0check";

/// What the engine's thread needs of its store beyond the core's [`Store`].
pub trait Disk: Store + Send {
    /// One bounded step of housekeeping at unix time `now`. True if there is more to do now.
    ///
    /// # Errors
    /// [`StoreError`]: the store is not used again.
    fn maintain(&mut self, now: Secs) -> Result<bool, StoreError>;

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn used_bytes(&self) -> Result<u64, StoreError>;
}

impl Disk for MemoryStore {
    fn maintain(&mut self, _: Secs) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// The store of a home. One owner, one thread.
pub struct SledStore {
    db: sled::Db,
    file: File,
    keys: Keys,
    state: StateKeys,
    witness: Witness,
    /// Commits ever made to this database.
    commits: Cell<u64>,
    sweep: Option<Sweep>,
    cache: RefCell<Cache>,
    /// After a failure sled may answer with what never became durable: nothing is answered then.
    poison: RefCell<Option<StoreError>>,
}

impl SledStore {
    fn check(&self) -> Result<(), StoreError> {
        match &*self.poison.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The store is not used again.
    fn fail(&self, error: StoreError) -> StoreError {
        *self.poison.borrow_mut() = Some(error.clone());
        error
    }

    fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| self.fail(from_sled(&error)))
    }

    fn io<T>(&self, result: io::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| self.fail(from_io(&error)))
    }

    /// Applies a batch of stored rows durably.
    fn commit(&self, mut batch: sled::Batch) -> Result<(), StoreError> {
        let commits = self.commits.get() + 1;
        batch.insert(COMMITS_KEY, &commits.to_be_bytes());
        self.sled(self.db.apply_batch(batch))?;
        self.sled(self.db.flush())?;
        self.io(self.file.sync_data())?;
        self.io(self.witness.saw(commits))?;
        self.commits.set(commits);
        Ok(())
    }

    fn value(&self, stored_key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.sled(self.db.get(stored_key))
    }

    /// A whole sealed row from its first piece.
    fn whole(&self, stored_key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut whole = head.to_vec();
        let mut last = head.len();
        let mut further = Further::of(stored_key);
        while last == PIECE_BYTES {
            let Some(key) = further.next() else { break };
            let Some(piece) = self.value(&key)? else {
                break;
            };
            whole.extend_from_slice(&piece);
            last = piece.len();
        }
        Ok(whole)
    }

    fn open_row(&self, table: Table, stored_key: &[u8], head: &[u8]) -> Result<Bytes, StoreError> {
        let plain = if head.len() < PIECE_BYTES {
            self.keys.open(&self.state, table, stored_key, head)
        } else {
            let whole = self.whole(stored_key, head)?;
            self.keys.open(&self.state, table, stored_key, &whole)
        };
        plain.ok_or(StoreError::Damaged(table))
    }

    /// Keys of the further pieces that a row has now.
    fn further(&self, stored_key: &[u8], head_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        let mut last = head_bytes;
        let mut further = Further::of(stored_key);
        while last == PIECE_BYTES {
            let Some(key) = further.next() else { break };
            let Some(piece) = self.value(&key)? else {
                break;
            };
            last = piece.len();
            keys.push(key);
        }
        Ok(keys)
    }

    /// Replaces a row in a batch, further pieces and all.
    fn stage(
        &self,
        batch: &mut sled::Batch,
        key: &Key,
        value: Option<&Bytes>,
    ) -> Result<(), StoreError> {
        if key.suffix.len() > SUFFIX_BYTES_MAX {
            return Err(self.fail(StoreError::Failed("a key's suffix is too long".into())));
        }
        let stored_key = self.keys.stored_key(key.table, &key.scope, &key.suffix);
        for old in self.further_before(key, &stored_key)? {
            batch.remove(old);
        }
        let Some(value) = value else {
            batch.remove(stored_key);
            return Ok(());
        };
        let sealed = self.keys.seal(&self.state, key.table, &stored_key, value);
        self.stage_sealed(batch, stored_key, &sealed)
    }

    /// Further pieces of a row that is about to be replaced. The cache knows most rows' length.
    fn further_before(&self, key: &Key, stored_key: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let head_bytes = match self.cache.borrow_mut().get(key) {
            Some(None) => Some(0),
            Some(Some(value)) => Some((value.len() + seal::overhead(key.table)).min(PIECE_BYTES)),
            None => None,
        };
        let head_bytes = match head_bytes {
            Some(known) => known,
            None => self.value(stored_key)?.map_or(0, |head| head.len()),
        };
        self.further(stored_key, head_bytes)
    }

    fn stage_sealed(
        &self,
        batch: &mut sled::Batch,
        stored_key: Vec<u8>,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        if sealed.len() / PIECE_BYTES >= PIECES_MAX {
            return Err(self.fail(StoreError::Failed("a row is too long".into())));
        }
        let (head, mut rest) = sealed.split_at(sealed.len().min(PIECE_BYTES));
        let mut further = Further::of(&stored_key);
        let mut last = head.len();
        // A full piece says that another follows, if only an empty one.
        while last == PIECE_BYTES {
            let Some(key) = further.next() else { break };
            let (piece, after) = rest.split_at(rest.len().min(PIECE_BYTES));
            batch.insert(key, piece);
            last = piece.len();
            rest = after;
        }
        batch.insert(stored_key, head);
        Ok(())
    }
}

/// Keys of a row's pieces after the first: the table byte with its high bit set, the rest of the
/// stored key, and a number.
struct Further {
    key: Vec<u8>,
    next: Option<u16>,
}

impl Further {
    fn of(stored_key: &[u8]) -> Self {
        let mut key = stored_key.to_vec();
        if let Some(table) = key.first_mut() {
            *table |= FURTHER;
        }
        Self { key, next: Some(0) }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let number = self.next?;
        self.next = number.checked_add(1);
        let mut key = self.key.clone();
        key.extend_from_slice(&number.to_be_bytes());
        Some(key)
    }
}

impl Read for SledStore {
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        if let Some(known) = self.cache.borrow_mut().get(key) {
            return Ok(known.cloned());
        }
        let stored_key = self.keys.stored_key(key.table, &key.scope, &key.suffix);
        let value = match self.value(&stored_key)? {
            Some(head) => Some(self.open_row(key.table, &stored_key, &head)?),
            None => None,
        };
        self.cache.borrow_mut().set(key.clone(), value.clone());
        Ok(value)
    }

    fn scan(&self, span: &Span) -> Result<Rows, StoreError> {
        self.check()?;
        if span.to.as_ref().is_some_and(|to| *to <= span.from) {
            return Ok(Rows::new());
        }
        let prefix = self.keys.prefix(span.table, &span.scope);
        let at = |suffix: &[u8]| [&prefix[..], suffix].concat();
        let end = match &span.to {
            Some(to) => Bound::Excluded(at(to)),
            None => after(&prefix),
        };
        let mut range = self.db.range((Bound::Included(at(&span.from)), end));
        let mut rows = Rows::new();
        while rows.len() < span.limit {
            let next = if span.reverse {
                range.next_back()
            } else {
                range.next()
            };
            let Some(row) = next else { break };
            let (stored_key, head) = self.sled(row)?;
            let value = self.open_row(span.table, &stored_key, &head)?;
            rows.push((stored_key[PREFIX_BYTES..].to_vec(), value));
        }
        Ok(rows)
    }
}

/// Before the first key that does not begin with the prefix.
fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if let Some(up) = last.checked_add(1) {
            next.push(up);
            return Bound::Excluded(next);
        }
    }
    Bound::Unbounded
}

impl Store for SledStore {
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.check()?;
        let mut staged = sled::Batch::default();
        for (key, value) in &batch {
            self.stage(&mut staged, key, value.as_ref())?;
        }
        self.commit(staged)?;
        let cache = self.cache.get_mut();
        for (key, value) in batch {
            cache.set(key, value);
        }
        Ok(())
    }
}

impl Disk for SledStore {
    fn maintain(&mut self, now: Secs) -> Result<bool, StoreError> {
        self.check()?;
        self.rotate(now)
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        self.sled(self.db.size_on_disk())
    }
}

fn from_sled(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => from_io(error),
        // Others name keys or offsets; the kind is enough and says nothing personal.
        sled::Error::Corruption { .. } => StoreError::Failed("the database is corrupt".into()),
        sled::Error::Unsupported(_) => StoreError::Failed("used in an unsupported way".into()),
        sled::Error::CollectionNotFound(_) => StoreError::Failed("the tree is gone".into()),
        sled::Error::ReportableBug(_) => StoreError::Failed("a bug in the store engine".into()),
    }
}

fn from_io(error: &io::Error) -> StoreError {
    if crate::files::is_full(error) {
        StoreError::Full
    } else {
        StoreError::Failed(error.kind().to_string())
    }
}

#[cfg(test)]
mod tests;
