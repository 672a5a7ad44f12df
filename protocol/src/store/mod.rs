//! Rows of bytes under keys: all that the core knows of a disk.
//!
//! A key is (table, scope, suffix). The shell may blind the scope and seals the value; the suffix
//! stays in the clear and keeps its order, so nothing that names or keys a person belongs in it.

mod memory;
mod tables;
mod tx;

pub use memory::MemoryStore;
pub use tables::Table;
pub use tx::Tx;

use crate::private::Bytes;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Where a row lives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Kind of row.
    pub table: Table,
    /// What the row belongs to; blinded on disk, compared for equality only.
    pub scope: Vec<u8>,
    /// Position within the scope; plain on disk, ordered.
    pub suffix: Vec<u8>,
}

impl Key {
    /// A key of three parts.
    pub fn new(table: Table, scope: impl Into<Vec<u8>>, suffix: impl Into<Vec<u8>>) -> Self {
        Self {
            table,
            scope: scope.into(),
            suffix: suffix.into(),
        }
    }

    /// The only row of its scope.
    pub fn one(table: Table, scope: impl Into<Vec<u8>>) -> Self {
        Self::new(table, scope, Vec::new())
    }
}

/// A run of rows of one scope, in order of their suffix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Kind of row.
    pub table: Table,
    /// The one scope that is scanned.
    pub scope: Vec<u8>,
    /// First suffix, inclusive; empty means from the start.
    pub from: Vec<u8>,
    /// Last suffix, exclusive; `None` means to the end.
    pub to: Option<Vec<u8>>,
    /// At most so many rows.
    pub limit: usize,
    /// From the end backwards.
    pub reverse: bool,
}

impl Span {
    /// All rows of a scope, at most `limit`.
    pub fn all(table: Table, scope: impl Into<Vec<u8>>, limit: usize) -> Self {
        Self {
            table,
            scope: scope.into(),
            from: Vec::new(),
            to: None,
            limit,
            reverse: false,
        }
    }

    /// Starting at a suffix, inclusive.
    pub fn from(mut self, suffix: impl Into<Vec<u8>>) -> Self {
        self.from = suffix.into();
        self
    }

    /// Ending before a suffix.
    pub fn until(mut self, suffix: impl Into<Vec<u8>>) -> Self {
        self.to = Some(suffix.into());
        self
    }

    /// From the end backwards.
    pub fn backwards(mut self) -> Self {
        self.reverse = true;
        self
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
            .map(|bytes| decode(key.table, &bytes))
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
