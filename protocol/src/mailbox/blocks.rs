//! Where a bridge keeps the blocks of its mailboxes: ordered lists with an end to every entry.
//!
//! The trait says all that a mailbox host asks of a disk. Nothing in it goes over all mailboxes,
//! and nothing of a mailbox stays in memory, so an engine that spreads over many machines can
//! stand behind it.

use crate::id::{B32, Hash16};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx, suffix_u64};
use crate::time::Secs;
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// What a mailbox holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Usage {
    /// Number of the newest block there ever was; 0: none.
    #[n(0)]
    pub newest: u64,
    /// Blocks now.
    #[n(1)]
    pub blocks: u64,
    /// Their bytes.
    #[n(2)]
    pub bytes: u64,
}

/// A block that is held.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Held {
    /// The block.
    #[n(0)]
    pub block: Blob,
    /// Names it: a second one with this id is the same block.
    #[n(1)]
    pub id: Hash16,
    /// When it came: unix seconds.
    #[n(2)]
    pub received: Secs,
    /// When it goes, fetched or not: unix seconds.
    #[n(3)]
    pub until: Secs,
}

/// What came of a put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It is the mailbox's newest block.
    Stored(u64),
    /// It was there already: its number.
    Known(u64),
}

/// Lists of blocks, one per mailbox. Numbers of a mailbox grow by one and are never used again.
pub trait BlockStore {
    /// Adds a block, unless one with its id is held.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn put(&mut self, mailbox: &B32, held: Held) -> Result<Put, StoreError>;

    /// Blocks with numbers greater than `after`, in order, at most `limit` and at most
    /// `bytes_max` bytes; at least one if there is any. And whether there are more.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn fetch(
        &self,
        mailbox: &B32,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<(u64, Held)>, bool), StoreError>;

    /// One block that is held.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn get(&self, mailbox: &B32, number: u64) -> Result<Option<Held>, StoreError>;

    /// Drops blocks up to a number, and single ones; at most `limit` in one call. Says how many
    /// blocks and bytes went.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn acknowledge(
        &mut self,
        mailbox: &B32,
        upto: u64,
        ids: &[u64],
        limit: usize,
    ) -> Result<(u64, u64), StoreError>;

    /// Drops blocks whose end has come; at most `limit` in one call. Says how many blocks and
    /// bytes went.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn expire(&mut self, mailbox: &B32, now: Secs, limit: usize) -> Result<(u64, u64), StoreError>;

    /// What a mailbox holds.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn usage(&self, mailbox: &B32) -> Result<Usage, StoreError>;
}

/// Blocks as rows of the transaction that everything else of a call belongs to.
pub struct Rows<'a, 't>(pub &'a mut Tx<'t>);

fn usage_key(mailbox: &B32) -> Key {
    Key::new(Table::Mailbox, mailbox.0, *b"usage")
}

fn block_key(mailbox: &B32, number: u64) -> Key {
    Key::new(Table::Block, mailbox.0, number.to_be_bytes())
}

fn id_key(mailbox: &B32, id: &Hash16) -> Key {
    Key::one(Table::BlockId, [&mailbox.0[..], &id.0].concat())
}

fn end_suffix(until: Secs, number: u64) -> Vec<u8> {
    [until.to_be_bytes(), number.to_be_bytes()].concat()
}

impl Rows<'_, '_> {
    /// A block by its id.
    pub fn find(&self, mailbox: &B32, id: &Hash16) -> Result<Option<Held>, StoreError> {
        match self.0.row(&id_key(mailbox, id))? {
            Some(number) => self.get(mailbox, number),
            None => Ok(None),
        }
    }

    /// Forgets how far the numbers of a mailbox went; it must be empty.
    pub fn forget(&mut self, mailbox: &B32) {
        self.0.delete(usage_key(mailbox));
    }

    fn drop_block(&mut self, mailbox: &B32, number: u64, held: &Held) {
        self.0.delete(block_key(mailbox, number));
        self.0.delete(id_key(mailbox, &held.id));
        let end = end_suffix(held.until, number);
        self.0.delete(Key::new(Table::BlockEnd, mailbox.0, end));
    }

    /// Drops blocks and counts them.
    fn drop_all(&mut self, mailbox: &B32, gone: &[(u64, Held)]) -> Result<(u64, u64), StoreError> {
        if gone.is_empty() {
            return Ok((0, 0));
        }
        let mut usage = self.usage(mailbox)?;
        let mut bytes = 0;
        for (number, held) in gone {
            self.drop_block(mailbox, *number, held);
            bytes += held.block.len() as u64;
        }
        let blocks = gone.len() as u64;
        usage.blocks = usage.blocks.saturating_sub(blocks);
        usage.bytes = usage.bytes.saturating_sub(bytes);
        self.0.put(usage_key(mailbox), &usage);
        Ok((blocks, bytes))
    }
}

impl BlockStore for Rows<'_, '_> {
    fn put(&mut self, mailbox: &B32, held: Held) -> Result<Put, StoreError> {
        let id = id_key(mailbox, &held.id);
        if let Some(number) = self.0.row(&id)? {
            return Ok(Put::Known(number));
        }
        let mut usage = self.usage(mailbox)?;
        usage.newest += 1;
        usage.blocks += 1;
        usage.bytes += held.block.len() as u64;
        let number = usage.newest;
        let end = end_suffix(held.until, number);
        self.0.put(usage_key(mailbox), &usage);
        self.0.put(id, &number);
        self.0.put(Key::new(Table::BlockEnd, mailbox.0, end), &());
        self.0.put(block_key(mailbox, number), &held);
        Ok(Put::Stored(number))
    }

    fn fetch(
        &self,
        mailbox: &B32,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<(u64, Held)>, bool), StoreError> {
        let from = after.saturating_add(1).to_be_bytes();
        let span = Span::all(Table::Block, mailbox.0, limit + 1).from(from);
        let mut found = Vec::new();
        let mut bytes = 0;
        for (suffix, held) in self.0.rows::<Held>(&span)? {
            bytes += held.block.len();
            if found.len() == limit || (bytes > bytes_max && !found.is_empty()) {
                return Ok((found, true));
            }
            found.push((suffix_u64(&suffix), held));
        }
        Ok((found, false))
    }

    fn get(&self, mailbox: &B32, number: u64) -> Result<Option<Held>, StoreError> {
        self.0.row(&block_key(mailbox, number))
    }

    fn acknowledge(
        &mut self,
        mailbox: &B32,
        upto: u64,
        ids: &[u64],
        limit: usize,
    ) -> Result<(u64, u64), StoreError> {
        let end = upto.saturating_add(1).to_be_bytes();
        let span = Span::all(Table::Block, mailbox.0, limit).until(end);
        let mut gone = Vec::new();
        for (suffix, held) in self.0.rows::<Held>(&span)? {
            gone.push((suffix_u64(&suffix), held));
        }
        for number in ids.iter().filter(|number| **number > upto) {
            let seen = gone.iter().any(|(known, _)| known == number);
            if let Some(held) = self.get(mailbox, *number)?.filter(|_| !seen) {
                gone.push((*number, held));
            }
        }
        self.drop_all(mailbox, &gone)
    }

    fn expire(&mut self, mailbox: &B32, now: Secs, limit: usize) -> Result<(u64, u64), StoreError> {
        let end = end_suffix(now.saturating_add(1), 0);
        let span = Span::all(Table::BlockEnd, mailbox.0, limit).until(end);
        let mut gone = Vec::new();
        for (suffix, ()) in self.0.rows::<()>(&span)? {
            let number = suffix.get(8..).map_or(0, suffix_u64);
            if let Some(held) = self.get(mailbox, number)? {
                gone.push((number, held));
            }
        }
        self.drop_all(mailbox, &gone)
    }

    fn usage(&self, mailbox: &B32) -> Result<Usage, StoreError> {
        Ok(self.0.row(&usage_key(mailbox))?.unwrap_or_default())
    }
}
