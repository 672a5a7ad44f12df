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
use minicbor::{Decode, Encode};

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
    let span = Span::all(Table::Cleared, no.to_be_bytes(), SWEEP_ROWS).until(until);
    let rows = tx.rows::<bool>(&span)?;
    forget_ids(tx, no, &rows)?;
    Ok(rows.len() == SWEEP_ROWS)
}

fn forget_ids(tx: &mut Tx<'_>, no: ContactNo, rows: &[(Vec<u8>, bool)]) -> Result<(), StoreError> {
    for (suffix, mine) in rows {
        if let Some(mid) = suffix.get(8..).and_then(Mid::from_slice) {
            // It may have been taken in again from a copy.
            view::forget_erased(tx, no, &mid, *mine)?;
        }
        tx.delete(Key::new(Table::Cleared, no.to_be_bytes(), suffix.clone()));
    }
    Ok(())
}

/// What is stored of a conversation, in the order in which it goes.
const TABLES: [Table; 7] = [
    Table::Message,
    Table::Gone,
    Table::Unread,
    Table::Segment,
    Table::Unpacked,
    Table::Waiting,
    Table::Cleared,
];

/// How far what is stored of a removed contact's conversation is erased.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Rest {
    /// Which of [`TABLES`].
    #[n(0)]
    table: u8,
    /// Suffix behind which it goes on: what is gone is not passed over again.
    #[n(1)]
    from: Blob,
}

/// One step of erasing everything that is stored of a conversation whose contact is gone. Gives
/// where to go on, or `None` at the end.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn remove(tx: &mut Tx<'_>, no: ContactNo, rest: &Rest) -> Result<Option<Rest>, StoreError> {
    let Some(table) = TABLES.get(usize::from(rest.table)).copied() else {
        return Ok(None);
    };
    let scope = no.to_be_bytes();
    let mut span = Span::all(table, scope, SWEEP_ROWS);
    if !rest.from.is_empty() {
        span = span.from([&rest.from[..], &[0]].concat());
    }
    let last = match table {
        Table::Message | Table::Gone => {
            let rows = tx.rows::<MessageRow>(&span)?;
            for (suffix, row) in &rows {
                view::forget_id(tx, no, &row.mid, row.mine)?;
                if table == Table::Message {
                    view::take_out(tx, no, suffix);
                } else {
                    tx.delete(Key::new(table, scope, suffix));
                }
            }
            last_of(rows)
        }
        Table::Cleared => {
            let rows = tx.rows::<bool>(&span)?;
            forget_ids(tx, no, &rows)?;
            last_of(rows)
        }
        _ => {
            let rows = tx.scan(&span)?;
            for (suffix, _) in &rows {
                tx.delete(Key::new(table, scope, suffix.clone()));
            }
            last_of(rows)
        }
    };
    Ok(Some(match last {
        Some(from) => Rest {
            table: rest.table,
            from: Blob(from),
        },
        None => Rest {
            table: rest.table + 1,
            from: Blob(Vec::new()),
        },
    }))
}

/// The last suffix of a full page.
fn last_of<T>(mut rows: Vec<(Vec<u8>, T)>) -> Option<Vec<u8>> {
    let full = rows.len() == SWEEP_ROWS;
    rows.pop().filter(|_| full).map(|(suffix, _)| suffix)
}
