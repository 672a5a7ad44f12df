//! Messages that disappear: when their time counts, and what is left of them.
//!
//! Where a message was is remembered for as long as a duplicate could bring it back, apart from the
//! conversation: nobody sees that it was there who does not ask for its id.

use super::amend;
use super::body::Body;
use super::segments;
use super::view::{self, MessageRow};
use crate::identity::contact::{ContactNo, ContactRow};
use crate::limits::{TIMER_S_MAX, TIMER_S_MIN, TIMER_UNREAD_MS};
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::{Millis, SECOND_MS, Secs};

fn key(no: ContactNo, order: &[u8]) -> Key {
    Key::new(Table::Gone, no.to_be_bytes(), order)
}

/// The timer that somebody's message carries, brought within the bounds; what only speaks of the
/// conversation carries none.
pub fn carried(body: &Body, field: Option<u64>) -> Option<Secs> {
    let shown = matches!(body, Body::Text(_) | Body::Later);
    field
        .filter(|secs| shown && *secs > 0)
        .map(|secs| secs.clamp(TIMER_S_MIN, TIMER_S_MAX))
}

/// The time of a message counts from `from` on, unless it counts already or the message was
/// deleted. Returns when to look at it: not before `now`. The caller puts the row back.
pub fn count(row: &mut MessageRow, from: Millis, now: Millis) -> Option<Millis> {
    if row.deleted_at.is_some() {
        return None;
    }
    let span = row.timer?.saturating_mul(SECOND_MS);
    let at = *row.expires_at.get_or_insert(from.saturating_add(span));
    Some(at.max(now))
}

/// From when on a message of theirs counts that is read now.
pub fn read_at(row: &MessageRow, now: Millis) -> Millis {
    now.min(row.at.saturating_add(TIMER_UNREAD_MS))
}

/// When a message disappears, as it stands; `None`: nothing that is known yet makes it.
pub fn due(row: &MessageRow) -> Option<Millis> {
    let span = row.timer?.saturating_mul(SECOND_MS);
    if row.deleted_at.is_some() {
        return None;
    }
    let unread = || row.at.saturating_add(TIMER_UNREAD_MS).saturating_add(span);
    row.expires_at.or_else(|| (!row.mine).then(unread))
}

/// Takes a message out of its conversation; what it said is gone. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn leave(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    order: &[u8],
    row: &mut MessageRow,
    now: Millis,
) -> Result<(), StoreError> {
    let up = due(row).unwrap_or(now);
    view::clear_unread(tx, contact, row);
    amend::erase(row, now);
    row.expires_at = Some(up);
    segments::replace(tx, contact, order, None)?;
    view::take_out(tx, contact.no, order);
    tx.put(key(contact.no, order), row);
    Ok(())
}

/// What is left of a message that disappeared.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn left(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    order: &[u8],
) -> Result<Option<MessageRow>, StoreError> {
    store.row(&key(no, order))
}

/// Forgets even that it was there; the caller forgets its place.
pub fn forget(tx: &mut Tx<'_>, no: ContactNo, order: &[u8]) {
    tx.delete(key(no, order));
}
