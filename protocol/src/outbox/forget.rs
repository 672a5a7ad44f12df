//! What waits for somebody who was removed is never sent.

use super::items::{item_key, mid_key, state_key};
use super::reach::dials_key;
use super::receipts::due_key;
use super::{Cx, Item, boxes, state};
use crate::agenda::{self, Job};
use crate::id::DeviceId;
use crate::identity::contact::{ContactNo, device_scope};
use crate::limits::SWEEP_ROWS;
use crate::mailbox::{client, known};
use crate::store::{ReadExt, Span, StoreError, Table, Tx, suffix_u64};

/// A device is not looked after any more, and nothing is sent to it.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn close(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId) -> Result<(), StoreError> {
    let (device, out) = (*device, state(cx.tx, no, device)?);
    if let Some(set) = out.attend_at {
        agenda::cancel(cx.tx, set, &Job::Attend { no, device });
    }
    if let Some(set) = out.deposit_at {
        agenda::cancel(cx.tx, set, &Job::Deposit { no, device });
    }
    for bridge in client::theirs(cx.tx, no, &device)? {
        if let Some(mut known) = known::get(cx.tx, &bridge)? {
            known.wanting.retain(|wanting| *wanting != (no, device));
            known::put(cx.tx, &bridge, &known);
        }
    }
    let device = &device;
    cx.tx.delete(state_key(no, device));
    cx.tx.delete(due_key(no, device));
    Ok(())
}

/// Erases items of a device that was closed, from a sequence number on, a bounded number at once.
/// Gives where to go on, or `None` at the end.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    from: u64,
) -> Result<Option<u64>, StoreError> {
    let scope = device_scope(no, device);
    if boxes::forget_of(cx, &scope)? {
        return Ok(Some(from));
    }
    // The row that says where this outbox ends is gone.
    let span = Span::all(Table::Outbox, scope, SWEEP_ROWS).from(from.to_be_bytes());
    let page = cx.tx.rows::<Item>(&span)?;
    let full = page.len() == SWEEP_ROWS;
    let last = page.last().map(|(suffix, _)| suffix_u64(suffix));
    let next = last.map(|seq| seq + 1).filter(|_| full);
    for (suffix, item) in page {
        let seq = suffix_u64(&suffix);
        cx.tx.delete(item_key(no, device, seq));
        cx.tx.delete(mid_key(no, device, &item.mid));
    }
    Ok(next)
}

/// Forgets how a contact was reached for.
pub fn forget_dials(tx: &mut Tx<'_>, no: ContactNo) {
    tx.delete(dials_key(no));
}
