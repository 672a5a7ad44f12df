//! Receipts: gathered for a device, sent together; and what a received one means.

use super::deposit::deposit_soon;
use super::items::{drop_item, item_key, mid_key, put_state};
use super::plain::aside;
use super::reach::connected;
use super::{Cx, What, state};
use crate::agenda::{self, Job};
use crate::feed::body::{Body, Receipt};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::view::{self, State};
use crate::frame::Frame;
use crate::id::{DeviceId, Mid};
use crate::identity::contact::{self, ContactNo, ContactRow, ContactState, device_scope};
use crate::limits::{DEPOSIT_AFTER_MS, RECEIPT_MIDS_MAX};
use crate::output::Output;
use crate::session;
use crate::store::{Key, ReadExt, StoreError, Table};
use crate::wire::codec::encode;
use alloc::vec::Vec;

/// Sends that no item stands behind carry this id.
pub(super) const UNTRACKED: u64 = u64::MAX;

/// Receipts kept for a device that is away; the sender asks again for any that fell out.
const DUE_MAX: usize = 1_024;

pub(super) fn due_key(no: ContactNo, device: &DeviceId) -> Key {
    Key::one(Table::ReceiptDue, device_scope(no, device))
}

/// Notes that a device is owed a receipt; it leaves a moment later, with the others of that moment.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn due(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    mid: Mid,
) -> Result<(), StoreError> {
    let key = due_key(no, device);
    let mut mids: Vec<Mid> = cx.tx.row(&key)?.unwrap_or_default();
    // One row for all of one moment.
    let soon = match cx.at.settings.gather_ms {
        0 => cx.at.now,
        moment => (cx.at.now / moment)
            .saturating_add(1)
            .saturating_mul(moment),
    };
    let job = Job::Receipts {
        no,
        device: *device,
    };
    agenda::at(cx.tx, soon, &job);
    if !mids.contains(&mid) {
        if mids.len() >= DUE_MAX {
            mids.remove(0);
        }
        mids.push(mid);
    }
    cx.tx.put(key, &mids);
    if mids.len() >= RECEIPT_MIDS_MAX {
        flush(cx, no, device)
    } else {
        Ok(())
    }
}

/// Sends the receipts that a connected device is owed.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn flush(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId) -> Result<(), StoreError> {
    let key = due_key(no, device);
    let Some(mids) = cx.tx.row::<Vec<Mid>>(&key)? else {
        return Ok(());
    };
    let contact = contact::must(cx.tx, no)?;
    let row = contact::device(cx.tx, no, device)?;
    if contact.state != ContactState::Connected {
        return Ok(());
    }
    let Some(peer) = connected(cx.tx, &row)? else {
        return deposit_soon(cx, no, device, DEPOSIT_AFTER_MS);
    };
    let Some(sending) = row.sending() else {
        return Ok(());
    };
    let Some(mut session) = session::load(cx.tx, &sending.id)? else {
        return Ok(());
    };
    // An unanswered first flight has no room for receipts; its reply will bring them out.
    if session.first.is_some() {
        return Ok(());
    }
    for chunk in mids.chunks(RECEIPT_MIDS_MAX) {
        let body = Body::Receipt(Receipt {
            mids: chunk.to_vec(),
            kind: Receipt::DELIVERED,
        });
        let mid = Mid::random(cx.at.rng);
        let plain = aside(cx, &contact, mid, body.to_typed());
        let Ok(letter) = session.seal(&encode(&plain), cx.at.now, cx.at.rng) else {
            return Ok(());
        };
        let bytes = Frame::Letter(letter).to_bytes();
        cx.out.push(Output::Send {
            to: peer,
            id: UNTRACKED,
            bytes,
        });
    }
    session::save(cx.tx, &session);
    cx.tx.delete(key);
    Ok(())
}

/// Whether a device is owed a receipt.
pub(super) fn any_due(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
) -> Result<bool, StoreError> {
    Ok(store.row::<Vec<Mid>>(&due_key(no, device))?.is_some())
}

/// Receipts for a device that is away become letters like others, which its bridges can hold.
pub(super) fn pack(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
) -> Result<(), StoreError> {
    if contact.state != ContactState::Connected {
        return Ok(());
    }
    let key = due_key(contact.no, device);
    let Some(mids) = cx.tx.take::<Vec<Mid>>(key)? else {
        return Ok(());
    };
    for chunk in mids.chunks(RECEIPT_MIDS_MAX) {
        let body = Body::Receipt(Receipt {
            mids: chunk.to_vec(),
            kind: Receipt::DELIVERED,
        });
        let what = What::Body {
            body: body.to_typed(),
            clock: None,
        };
        let mid = Mid::random(cx.at.rng);
        super::enqueue(cx, contact.no, device, mid, what)?;
    }
    Ok(())
}

/// Takes in a receipt of a device of ours letters.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn receipt(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    state.tries = 0;
    let to = if receipt.kind == Receipt::READ {
        State::Read
    } else {
        State::Delivered
    };
    for mid in &receipt.mids {
        if let Some(seq) = cx.tx.row::<u64>(&mid_key(no, device, mid))?
            && let Some(item) = cx.tx.row(&item_key(no, device, seq))?
        {
            drop_item(cx, no, device, &mut state, seq, &item);
            edit_left(cx, no, &item.what)?;
        }
        let Some((order, mut message)) = view::find(cx.tx, no, true, mid)? else {
            continue;
        };
        let now = cx.at.now;
        let trail = message.trail(device);
        trail.delivered_at.get_or_insert(now);
        if to == State::Read {
            trail.read_at.get_or_insert(now);
        }
        let moved = message.advance(to);
        // Its time may have been up while it waited here for this receipt.
        if let Some(at) = gone::count(&mut message, now, now) {
            agenda::expire(cx.tx, at, no, &order);
        }
        view::put(cx.tx, no, &order, &message);
        if moved {
            cx.log(ChangeKind::State {
                no,
                mid: *mid,
                state: to,
            })?;
        }
    }
    put_state(cx, no, device, &state);
    super::pump(cx, no, device)
}

/// Moves a message that is given up or refused, with its item already dropped.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub(super) fn ended(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    what: &What,
    state: State,
) -> Result<(), StoreError> {
    let What::Message { order } = what else {
        return edit_left(cx, no, what);
    };
    let Some(mut message) = view::get(cx.tx, no, order)? else {
        return Ok(());
    };
    if message.advance(state) {
        let now = cx.at.now;
        if let Some(at) = gone::count(&mut message, now, now) {
            agenda::expire(cx.tx, at, no, order);
        }
        view::put(cx.tx, no, order, &message);
        cx.log(ChangeKind::State {
            no,
            mid: message.mid,
            state,
        })?;
    }
    Ok(())
}

/// An edit left the outbox: its message, whose time may have been up meanwhile, waited for it.
fn edit_left(cx: &mut Cx<'_, '_, '_>, no: ContactNo, what: &What) -> Result<(), StoreError> {
    let What::Edit { order } = what else {
        return Ok(());
    };
    let message = view::get(cx.tx, no, order)?;
    if let Some(at) = message.and_then(|message| message.expires_at) {
        let at = at.max(cx.at.now);
        agenda::expire(cx.tx, at, no, order);
    }
    Ok(())
}
