//! The change log: one row for every visible change, written together with the change.

use super::view::State;
use crate::id::{AccountId, B32, Mid};
use crate::identity::contact::{ContactNo, Reach};
use crate::limits::{CHANGES_KEEP_MS, CHANGES_MAX, SWEEP_ROWS};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx, suffix_u64};
use crate::time::Millis;
use crate::wire::codec::Blob;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// What changed, by reference; the object is read when the change is shown.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ChangeKind {
    /// A message came, was sent, or changed otherwise than in its state.
    #[n(0)]
    Message {
        /// Whose conversation.
        #[n(0)]
        no: ContactNo,
        /// Order key.
        #[n(1)]
        key: Blob,
    },
    /// A message moved to a state.
    #[n(1)]
    State {
        /// Whose conversation.
        #[n(0)]
        no: ContactNo,
        /// Which.
        #[n(1)]
        mid: Mid,
        /// The state it moved to.
        #[n(2)]
        state: State,
    },
    /// A contact is new or changed.
    #[n(2)]
    Contact {
        /// Which.
        #[n(0)]
        no: ContactNo,
    },
    /// A request came.
    #[n(3)]
    Request {
        /// Which.
        #[n(0)]
        no: ContactNo,
    },
    /// A contact came or went.
    #[n(4)]
    Reach {
        /// Which.
        #[n(0)]
        no: ContactNo,
        /// How it is reached; `None`: away.
        #[n(1)]
        reach: Option<Reach>,
    },
    /// A contact was removed: what was said of it by its number means nothing any more.
    #[n(6)]
    Removed {
        /// Its petname.
        #[n(0)]
        name: String,
        /// Its account.
        #[n(1)]
        account: AccountId,
        /// Its address key.
        #[n(2)]
        ak: B32,
    },
    /// Something the user should know.
    #[n(5)]
    Notice {
        /// About whom.
        #[n(0)]
        no: Option<ContactNo>,
        /// Snake-case word.
        #[n(1)]
        code: String,
        /// One sentence.
        #[n(2)]
        text: String,
    },
}

/// A row of the change log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ChangeRow {
    /// When.
    #[n(0)]
    pub at: Millis,
    /// What.
    #[n(1)]
    pub kind: ChangeKind,
}

fn change_key(cursor: u64) -> Key {
    Key::new(Table::Change, Vec::new(), cursor.to_be_bytes())
}

fn cursor_key() -> Key {
    Key::one(Table::Meta, *b"cursor")
}

fn oldest_key() -> Key {
    Key::one(Table::Meta, *b"change_oldest")
}

/// Appends a change and returns its cursor.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn log(tx: &mut Tx<'_>, at: Millis, kind: ChangeKind) -> Result<u64, StoreError> {
    let cursor = tx.count_up("cursor")? + 1;
    tx.put(change_key(cursor), &ChangeRow { at, kind });
    Ok(cursor)
}

/// The newest cursor; 0 before the first change.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn newest(store: &(impl ReadExt + ?Sized)) -> Result<u64, StoreError> {
    Ok(store.row(&cursor_key())?.unwrap_or(0))
}

/// The oldest cursor that is still there.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn oldest(store: &(impl ReadExt + ?Sized)) -> Result<u64, StoreError> {
    Ok(store.row(&oldest_key())?.unwrap_or(1))
}

/// Rows after a cursor, in order.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn after(
    store: &(impl ReadExt + ?Sized),
    cursor: u64,
    limit: usize,
) -> Result<Vec<(u64, ChangeRow)>, StoreError> {
    let from = cursor.saturating_add(1).to_be_bytes();
    let span = Span::all(Table::Change, Vec::new(), limit).from(from);
    Ok(store
        .rows(&span)?
        .into_iter()
        .map(|(s, row)| (suffix_u64(&s), row))
        .collect())
}

/// Deletes rows that are too old or too many, a bounded number at once; says whether there may be
/// more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn trim(tx: &mut Tx<'_>, now: Millis) -> Result<bool, StoreError> {
    let (newest, oldest) = (newest(tx)?, oldest(tx)?);
    let too_many = newest.saturating_sub(CHANGES_MAX);
    let mut next = oldest;
    for (cursor, row) in after(tx, oldest.saturating_sub(1), SWEEP_ROWS)? {
        if cursor > too_many && now.saturating_sub(row.at) < CHANGES_KEEP_MS {
            break;
        }
        tx.delete(change_key(cursor));
        next = cursor + 1;
    }
    if next != oldest {
        tx.put(oldest_key(), &next);
    }
    Ok(next - oldest == SWEEP_ROWS as u64)
}
