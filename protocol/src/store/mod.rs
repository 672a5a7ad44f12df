//! Rows of bytes under keys: all that the core knows of a disk.
//!
//! A key is (table, scope, suffix). The shell may blind the scope and seals the value; the suffix
//! stays in the clear and keeps its order, so nothing that names or keys a person belongs in it.

mod memory;
mod span;
mod tables;
mod tx;

pub use memory::MemoryStore;
pub use span::{BatchLayer, Layer, LayerRow, Span, merge};
pub use tables::Table;
pub use tx::Tx;

use crate::private::Bytes;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Where a row lives: kind of row; what it belongs to (blinded on disk, compared for equality only);
/// its position there (plain on disk, ordered).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    table: Table,
    scope_bytes: usize,
    /// Scope and suffix: keys are compared and copied all the time.
    bytes: Vec<u8>,
}

impl Key {
    /// A key of three parts.
    pub fn new(table: Table, scope: impl AsRef<[u8]>, suffix: impl AsRef<[u8]>) -> Self {
        let (scope, suffix) = (scope.as_ref(), suffix.as_ref());
        Self {
            table,
            scope_bytes: scope.len(),
            bytes: [scope, suffix].concat(),
        }
    }

    /// The only row of its scope.
    pub fn one(table: Table, scope: impl AsRef<[u8]>) -> Self {
        Self::new(table, scope, [])
    }

    /// Kind of row.
    pub fn table(&self) -> Table {
        self.table
    }

    /// What the row belongs to.
    pub fn scope(&self) -> &[u8] {
        &self.bytes[..self.scope_bytes]
    }

    /// Position within the scope.
    pub fn suffix(&self) -> &[u8] {
        &self.bytes[self.scope_bytes..]
    }
}

/// Why the disk failed the core. Everything else is an outcome, not an error.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space left. Nothing of the batch was kept.
    #[error("the disk is full")]
    Full,
    /// The disk or the store engine failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// A row could not be opened or decoded.
    #[error("a row of table {0:?} is damaged")]
    Damaged(Table),
}

/// Rows found, in order: suffix and value.
pub type Rows = Vec<(Vec<u8>, Bytes)>;

/// Writes that take effect together: a value, or `None` to delete.
pub type Batch = BTreeMap<Key, Option<Bytes>>;

/// Reading rows.
pub trait Read {
    /// One row.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError>;

    /// A run of rows of one scope.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn scan(&self, span: &Span) -> Result<Rows, StoreError>;
}

/// A whole store: reads, and batches that are atomic and, once applied, durable.
pub trait Store: Read {
    /// Applies all of the batch or none, durably.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch may be relied on, and the store is not used again.
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError>;
}

/// Typed reading on top of [`Read`].
pub trait ReadExt: Read {
    /// A decoded row.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or the row is damaged.
    fn row<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        self.get(key)?
            .map(|bytes| decode(key.table(), &bytes))
            .transpose()
    }

    /// Decoded rows of a run.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or a row is damaged.
    fn rows<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        span: &Span,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let table = span.table;
        self.scan(span)?
            .into_iter()
            .map(|(suffix, bytes)| Ok((suffix, decode(table, &bytes)?)))
            .collect()
    }
}

impl<R: Read + ?Sized> ReadExt for R {}

fn decode<T: for<'b> minicbor::Decode<'b, ()>>(
    table: Table,
    bytes: &[u8],
) -> Result<T, StoreError> {
    crate::wire::codec::decode_row(bytes).map_err(|_| StoreError::Damaged(table))
}

/// The number in an eight-byte suffix, zero for anything else.
pub fn suffix_u64(suffix: &[u8]) -> u64 {
    suffix
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
