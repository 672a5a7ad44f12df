//! What disappearing messages say, apart from their rows: sealed under the key of the disk that
//! changes every day.
//!
//! A store that never overwrites keeps what was deleted. The texts of these messages lie in a
//! table that rotates (`Table::rotates`), so that what is left of them on the disk opens no more
//! about a day after they went. They stand in no segment of the search index for the same reason.

use super::amend::ReactionRow;
use super::view::MessageRow;
use crate::identity::contact::ContactNo;
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use core::mem;
use minicbor::{Decode, Encode};

#[derive(Encode, Decode)]
struct FadingRow {
    /// Of the message's body.
    #[n(0)]
    bytes: Blob,
    #[n(1)]
    reactions: Vec<ReactionRow>,
}

fn key(no: ContactNo, order: &[u8]) -> Key {
    Key::new(Table::Fading, no.to_be_bytes(), order)
}

/// Whether a message's words belong here.
pub fn fades(row: &MessageRow) -> bool {
    row.timer.is_some() && row.deleted_at.is_none()
}

/// Writes the words of a message here. Gives its row without them.
pub(super) fn put(tx: &mut Tx<'_>, no: ContactNo, order: &[u8], row: &MessageRow) -> MessageRow {
    let mut bare = row.clone();
    let words = FadingRow {
        bytes: Blob(mem::take(&mut bare.body.bytes.0)),
        reactions: mem::take(&mut bare.reactions),
    };
    tx.put(key(no, order), &words);
    bare
}

/// Gives a row its words back.
pub(super) fn fill(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    order: &[u8],
    row: &mut MessageRow,
) -> Result<(), StoreError> {
    if fades(row)
        && let Some(words) = store.row::<FadingRow>(&key(no, order))?
    {
        row.body.bytes = words.bytes;
        row.reactions = words.reactions;
    }
    Ok(())
}

/// Erases the words of a message.
pub(super) fn erase(tx: &mut Tx<'_>, no: ContactNo, order: &[u8]) {
    tx.delete(key(no, order));
}

/// Places of disappearing messages of a conversation, newest first, before a place.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn back(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    before: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let span = Span::all(Table::Fading, no.to_be_bytes(), limit)
        .until(before)
        .backwards();
    Ok(store
        .scan(&span)?
        .into_iter()
        .map(|(order, _)| order)
        .collect())
}
