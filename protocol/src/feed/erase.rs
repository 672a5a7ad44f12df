//! Erasing what was said in a conversation, some rows a step.

use super::segments;
use super::view::{self, MessageRow};
use crate::id::Mid;
use crate::identity::contact::{Clearing, ContactNo, ContactRow};
use crate::limits::{SWEEP_ROWS, TOMBSTONE_KEEP_MS};
use crate::store::{Key, Read, ReadExt, Span, StoreError, Table, Tx};
use crate::time::Millis;
use crate::wire::codec::Blob;
use alloc::vec::Vec;

fn cleared_key(no: ContactNo, at: Millis, mid: &Mid) -> Key {
    let suffix = [&at.to_be_bytes()[..], &mid.0].concat();
    Key::new(Table::Cleared, no.to_be_bytes(), suffix)
}

/// One step of erasing a history: `spared` stays, and so does what came since. Gives where to go
/// on, or `None` at the end. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn step(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    clearing: &Clearing,
    now: Millis,
    spared: impl Fn(&Tx<'_>, &MessageRow) -> Result<bool, StoreError>,
) -> Result<Option<Clearing>, StoreError> {
    let no = contact.no;
    let page = view::after(tx, no, &clearing.from, SWEEP_ROWS)?;
    let full = page.len() == SWEEP_ROWS;
    let last = page.last().map(|(order, _)| Blob(order.clone()));
    let mut gone = Vec::with_capacity(page.len());
    for (order, mut row) in page {
        let new = row.arrival.is_some_and(|arrival| arrival >= clearing.upto);
        if new || spared(tx, &row)? {
            continue;
        }
        view::erase(tx, contact, &order, &mut row);
        // Whoever sent it may send it again for as long as that; older ones cannot come back.
        if now.saturating_sub(row.at) < TOMBSTONE_KEEP_MS {
            tx.put(cleared_key(no, now, &row.mid), &row.mine);
        } else {
            view::forget_id(tx, no, &row.mid, row.mine)?;
        }
        gone.push(order);
    }
    segments::erase(tx, contact, &gone)?;
    let upto = clearing.upto;
    Ok(last.filter(|_| full).map(|from| Clearing { upto, from }))
}

/// Forgets ids of erased messages that nothing can bring back any more, a bounded number at once;
/// says whether there may be more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn sweep(tx: &mut Tx<'_>, no: ContactNo, now: Millis) -> Result<bool, StoreError> {
    let until = now.saturating_sub(TOMBSTONE_KEEP_MS).to_be_bytes();
    forget_ids(
        tx,
        no,
        &Span::all(Table::Cleared, no.to_be_bytes(), SWEEP_ROWS).until(until),
    )
}

fn forget_ids(tx: &mut Tx<'_>, no: ContactNo, span: &Span) -> Result<bool, StoreError> {
    let rows = tx.rows::<bool>(span)?;
    let more = rows.len() == SWEEP_ROWS;
    for (suffix, mine) in rows {
        if let Some(mid) = suffix.get(8..).and_then(Mid::from_slice) {
            // It may have been taken in again from a copy.
            view::forget_erased(tx, no, &mid, mine)?;
        }
        tx.delete(Key::new(Table::Cleared, no.to_be_bytes(), suffix));
    }
    Ok(more)
}

/// One step of erasing everything that is stored of a conversation whose contact is gone; says
/// whether there may be more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn remove(tx: &mut Tx<'_>, no: ContactNo) -> Result<bool, StoreError> {
    let page = view::after(tx, no, &[], SWEEP_ROWS)?;
    if !page.is_empty() {
        for (order, row) in page {
            view::forget_id(tx, no, &row.mid, row.mine)?;
            tx.delete(view::message_key(no, &order));
        }
        return Ok(true);
    }
    let scope = no.to_be_bytes();
    let gone = tx.rows::<MessageRow>(&Span::all(Table::Gone, scope, SWEEP_ROWS))?;
    if !gone.is_empty() {
        for (order, row) in gone {
            view::forget_id(tx, no, &row.mid, row.mine)?;
            tx.delete(Key::new(Table::Gone, scope, order));
        }
        return Ok(true);
    }
    for table in [
        Table::Unread,
        Table::Segment,
        Table::Unpacked,
        Table::Waiting,
    ] {
        if wipe(tx, table, &scope)? {
            return Ok(true);
        }
    }
    forget_ids(tx, no, &Span::all(Table::Cleared, scope, SWEEP_ROWS))
}

/// Deletes rows of a scope; says whether there may be more.
fn wipe(tx: &mut Tx<'_>, table: Table, scope: &[u8]) -> Result<bool, StoreError> {
    let rows = tx.scan(&Span::all(table, scope, SWEEP_ROWS))?;
    let more = rows.len() == SWEEP_ROWS;
    for (suffix, _) in rows {
        tx.delete(Key::new(table, scope, suffix));
    }
    Ok(more)
}
