//! Rows in sled: sealed, and cut into pieces where they are long.

use super::seal::{FURTHER, Keys, PREFIX_BYTES};
use super::state_key::StateKeys;
use super::{LIVE_KEY, PIECE_BYTES, from_sled};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use waxwing_protocol::private::{Bytes, Secret};
use waxwing_protocol::store::{Key, Layer, LayerRow, Span, StoreError, Table, suffix_u64};

/// Pieces of one row are numbered in two bytes.
const PIECES_MAX: usize = 1 << 16;

/// The database and what opens its rows. A clone is the same database.
#[derive(Clone)]
pub(super) struct SledRows {
    pub(super) db: sled::Db,
    pub(super) keys: Arc<Keys>,
    /// Bytes of the keys and values that live in it. A crash may leave it somewhat short.
    pub(super) live: Arc<AtomicU64>,
    /// Looks at rows since it was opened: each may have left a page of sled's in memory.
    looks: Arc<AtomicU64>,
}

impl SledRows {
    /// Takes note of how many bytes live. They are counted once, in a database of before that was
    /// written down.
    pub(super) fn new(db: sled::Db, keys: Arc<Keys>) -> Result<Self, StoreError> {
        let known = db.get(LIVE_KEY).map_err(|e| from_sled(&e))?;
        let live = match known {
            Some(row) => suffix_u64(&row),
            None => {
                let mut live = 0;
                for row in db.iter() {
                    let (key, value) = row.map_err(|e| from_sled(&e))?;
                    live += (key.len() + value.len()) as u64;
                }
                let row = live.to_be_bytes();
                db.insert(LIVE_KEY, &row).map_err(|e| from_sled(&e))?;
                live
            }
        };
        Ok(Self {
            db,
            keys,
            live: Arc::new(AtomicU64::new(live)),
            looks: Arc::default(),
        })
    }

    /// Looks at rows since it was opened.
    pub(super) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stored_key(&self, key: &Key) -> Vec<u8> {
        self.keys.stored_key(key.table(), key.scope(), key.suffix())
    }

    pub(super) fn get(&self, state: &StateKeys, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let stored_key = self.stored_key(key);
        match self.value(&stored_key)? {
            Some(head) => Ok(Some(self.open(state, key.table(), &stored_key, &head)?)),
            None => Ok(None),
        }
    }

    fn value(&self, stored_key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.look();
        self.db.get(stored_key).map_err(|error| from_sled(&error))
    }

    /// Opens a row from its first piece.
    pub(super) fn open(
        &self,
        state: &StateKeys,
        table: Table,
        stored_key: &[u8],
        head: &[u8],
    ) -> Result<Bytes, StoreError> {
        let plain = if head.len() < PIECE_BYTES {
            self.keys.open(state, table, stored_key, head)
        } else {
            let whole = self.whole(stored_key, head)?;
            self.keys.open(state, table, stored_key, &whole)
        };
        plain.ok_or(StoreError::Damaged(table))
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

    /// Replaces or deletes a row. Not atomic and not durable: the journal answers for it until
    /// both are made up for. `state` is the generation and key that rotating tables are sealed
    /// under; `thorough`: an earlier call for this row may have been cut short.
    pub(super) fn put(
        &self,
        state: (u32, &Secret<32>),
        table: Table,
        stored_key: Vec<u8>,
        value: Option<&Bytes>,
        thorough: bool,
    ) -> Result<(), StoreError> {
        let mut further = Further::of(&stored_key);
        let old = match value {
            None => self.remove(&stored_key)?,
            Some(value) => {
                let sealed = self.keys.seal(state, table, &stored_key, value);
                let (head, rest) = cut(&sealed)?;
                for piece in rest {
                    let Some(key) = further.next() else { break };
                    self.insert(&key, piece)?;
                }
                self.insert(&stored_key, head)?
            }
        };
        // A row that was longer before leaves no pieces.
        let mut longer = thorough || old.is_some_and(|old| old.len() == PIECE_BYTES);
        while longer && let Some(key) = further.next() {
            longer = self.remove(&key)?.is_some();
        }
        Ok(())
    }

    fn insert(&self, key: &[u8], value: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        let old = self.db.insert(key, value).map_err(|e| from_sled(&e))?;
        self.count(key, Some(value), old.as_deref());
        Ok(old)
    }

    fn remove(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        let old = self.db.remove(key).map_err(|e| from_sled(&e))?;
        self.count(key, None, old.as_deref());
        Ok(old)
    }

    /// Nobody else writes rows at the same time.
    fn count(&self, key: &[u8], new: Option<&[u8]>, old: Option<&[u8]>) {
        self.look();
        let bytes =
            |value: Option<&[u8]>| value.map_or(0, |value| (key.len() + value.len()) as u64);
        let live = self.live.load(Ordering::Relaxed) + bytes(new);
        self.live
            .store(live.saturating_sub(bytes(old)), Ordering::Relaxed);
    }

    /// Replaces a row within a batch by one of the same length.
    pub(super) fn stage(
        &self,
        batch: &mut sled::Batch,
        stored_key: Vec<u8>,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let mut further = Further::of(&stored_key);
        let (head, rest) = cut(sealed)?;
        for piece in rest {
            let Some(key) = further.next() else { break };
            batch.insert(key, piece);
        }
        batch.insert(stored_key, head);
        Ok(())
    }

    /// The rows of a span that must not be empty.
    pub(super) fn layer<'a>(
        &'a self,
        state: &'a StateKeys,
        span: &Span,
    ) -> Result<SledLayer<'a>, StoreError> {
        let prefix = self.keys.prefix(span.table, &span.scope);
        let at = |suffix: &[u8]| [&prefix[..], suffix].concat();
        let end = match &span.to {
            Some(to) => Bound::Excluded(at(to)),
            None => after(&prefix),
        };
        let mut layer = SledLayer {
            rows: self,
            state,
            table: span.table,
            reverse: span.reverse,
            range: self.db.range((Bound::Included(at(&span.from)), end)),
            at: None,
        };
        layer.step()?;
        Ok(layer)
    }
}

/// Cuts a sealed row into its first piece and the further ones. A full piece says that another
/// follows, if only an empty one.
fn cut(sealed: &[u8]) -> Result<(&[u8], impl Iterator<Item = &[u8]>), StoreError> {
    if sealed.len() / PIECE_BYTES >= PIECES_MAX {
        return Err(StoreError::Failed("a row is too long".into()));
    }
    let piece = |number: usize| {
        let from = sealed.len().min(number * PIECE_BYTES);
        &sealed[from..sealed.len().min(from + PIECE_BYTES)]
    };
    let further = (1..=sealed.len() / PIECE_BYTES).map(piece);
    Ok((piece(0), further))
}

/// Keys of a row's pieces after the first: the table byte with its high bit set, the rest of the
/// stored key, and a number.
struct Further<'a> {
    stored_key: &'a [u8],
    next: Option<u16>,
}

impl<'a> Further<'a> {
    fn of(stored_key: &'a [u8]) -> Self {
        Self {
            stored_key,
            next: Some(0),
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let number = self.next?;
        self.next = number.checked_add(1);
        let mut key = [self.stored_key, &number.to_be_bytes()].concat();
        if let Some(table) = key.first_mut() {
            *table |= FURTHER;
        }
        Some(key)
    }
}

/// Before the first key that does not begin with the prefix.
pub(super) fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if let Some(up) = last.checked_add(1) {
            next.push(up);
            return Bound::Excluded(next);
        }
    }
    Bound::Unbounded
}

/// A run of rows; only those that are taken are opened.
pub(super) struct SledLayer<'a> {
    rows: &'a SledRows,
    state: &'a StateKeys,
    table: Table,
    reverse: bool,
    range: sled::Iter,
    at: Option<(sled::IVec, sled::IVec)>,
}

impl SledLayer<'_> {
    fn step(&mut self) -> Result<(), StoreError> {
        self.rows.look();
        let next = if self.reverse {
            self.range.next_back()
        } else {
            self.range.next()
        };
        self.at = next.transpose().map_err(|error| from_sled(&error))?;
        Ok(())
    }
}

impl Layer for SledLayer<'_> {
    fn suffix(&self) -> Option<&[u8]> {
        self.at.as_ref().map(|(key, _)| &key[PREFIX_BYTES..])
    }

    fn take(&mut self) -> Result<Option<LayerRow>, StoreError> {
        let Some((key, head)) = self.at.take() else {
            return Ok(None);
        };
        let value = self.rows.open(self.state, self.table, &key, &head)?;
        self.step()?;
        Ok(Some((key[PREFIX_BYTES..].to_vec(), Some(value))))
    }

    fn skip(&mut self) -> Result<(), StoreError> {
        self.step()
    }
}
