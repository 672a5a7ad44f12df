//! What waits for somebody who was removed is never sent.

use super::items::{item_key, items, mid_key, state_key};
use super::reach::dials_key;
use super::receipts::due_key;
use super::{Cx, state};
use crate::agenda::{self, Job};
use crate::id::DeviceId;
use crate::identity::contact::ContactNo;
use crate::limits::SWEEP_ROWS;
use crate::store::{StoreError, Tx};

/// A device is not looked after any more, and nothing is sent to it.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn close(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId) -> Result<(), StoreError> {
    if let Some(set) = state(cx.tx, no, device)?.attend_at {
        let job = Job::Attend {
            no,
            device: *device,
        };
        agenda::cancel(cx.tx, set, &job);
    }
    cx.tx.delete(state_key(no, device));
    cx.tx.delete(due_key(no, device));
    Ok(())
}

/// Erases items of a device that was closed, a bounded number at once; says whether there may be
/// more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
) -> Result<bool, StoreError> {
    let page = items(cx, no, device, 0, SWEEP_ROWS)?;
    let more = page.len() == SWEEP_ROWS;
    for (seq, item) in page {
        cx.tx.delete(item_key(no, device, seq));
        cx.tx.delete(mid_key(no, device, &item.mid));
    }
    Ok(more)
}

/// Forgets how a contact was reached for.
pub fn forget_dials(tx: &mut Tx<'_>, no: ContactNo) {
    tx.delete(dials_key(no));
}
