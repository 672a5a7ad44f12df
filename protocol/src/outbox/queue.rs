//! Queueing: for whom, in which order, and what is sealed anew.

use super::items::{OutState, drop_item, items, mid_key, put_item, put_state, state_key};
use super::plain::plain;
use super::{Cx, Item, PAGE, Sealed, What, pump, state};
use crate::feed::body::Body;
use crate::feed::view::MessageRow;
use crate::id::{DeviceId, Mid, SessionId};
use crate::identity::contact::{ContactNo, ContactRow, ContactState, INVITER};
use crate::session::ratchet::SessionRow;
use crate::store::{ReadExt, StoreError};
use crate::wire::codec::encode;
use alloc::vec::Vec;

/// Devices that letters to a contact are queued for.
pub fn targets(contact: &ContactRow) -> Vec<DeviceId> {
    if contact.devices.is_empty() {
        alloc::vec![INVITER]
    } else {
        contact.devices.clone()
    }
}

/// Whether letters may go to a contact at all.
pub fn may_send(state: ContactState) -> bool {
    matches!(state, ContactState::Pending | ContactState::Connected)
}

/// Whether a message of ours, or its newest edit, is still on its way to one of their devices: what
/// will be said is read from its row.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn waits(
    store: &(impl ReadExt + ?Sized),
    contact: &ContactRow,
    row: &MessageRow,
) -> Result<bool, StoreError> {
    let mids = [Some(row.mid), row.edit.map(|edit| edit.mid)];
    for device in targets(contact) {
        for mid in mids.iter().flatten() {
            if row.mine
                && store
                    .row::<u64>(&mid_key(contact.no, &device, mid))?
                    .is_some()
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Queues an item for one device.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    mid: Mid,
    what: What,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    if let What::Current { kind, .. } = what {
        if state.current.iter().any(|(queued, _)| *queued == kind) {
            return Ok(());
        }
        state.current.push((kind, state.next));
    }
    let item = Item {
        mid,
        what,
        queued_at: cx.at.now,
        sealed: None,
        last_sent: None,
        sends: 0,
        copies: Vec::new(),
    };
    let seq = state.next;
    state.next += 1;
    state.waiting += 1;
    put_state(cx, no, device, &state);
    put_item(cx, no, device, seq, &item);
    cx.tx.put(mid_key(no, device, &mid), &seq);
    Ok(())
}

/// Puts a body before everything else and seals it at once on a given session: the first letter
/// of a repair, which may not wait behind what does not fit into a first flight.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue_first(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    session: &mut SessionRow,
    body: &Body,
) -> Result<(), StoreError> {
    let no = contact.no;
    let mut state = state(cx.tx, no, device)?;
    let oldest = items(cx, no, device, 0, 1)?
        .first()
        .map_or(state.next, |(seq, _)| *seq);
    let seq = oldest.saturating_sub(1);
    let mut item = Item {
        mid: Mid::random(cx.at.rng),
        what: What::Body {
            body: body.to_typed(),
            clock: None,
        },
        queued_at: cx.at.now,
        sealed: None,
        last_sent: None,
        sends: 0,
        copies: Vec::new(),
    };
    let Some(plain) = plain(cx, contact, &item, true)? else {
        return Ok(());
    };
    if let Ok(letter) = session.seal(&encode(&plain), cx.at.now, cx.at.rng) {
        item.sealed = Some(Sealed {
            session: session.id,
            letter,
            at: cx.at.now,
        });
    }
    state.waiting += 1;
    rewind(cx, no, device, &mut state)?;
    state.cursor = state.cursor.min(seq);
    put_state(cx, no, device, &state);
    put_item(cx, no, device, seq, &item);
    cx.tx.put(mid_key(no, device, &item.mid), &seq);
    Ok(())
}

/// Queues a body for all devices of a contact, each under an id of its own.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue_current(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    kind: u16,
) -> Result<(), StoreError> {
    for device in targets(contact) {
        let mid = Mid::random(cx.at.rng);
        enqueue(
            cx,
            contact.no,
            &device,
            mid,
            What::Current { kind, note: None },
        )?;
        pump(cx, contact.no, &device)?;
    }
    Ok(())
}

/// Moves what was queued before the inviter's devices were known to its device.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn readdress(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
) -> Result<(), StoreError> {
    let mut old = state(cx.tx, no, &INVITER)?;
    loop {
        let page = items(cx, no, &INVITER, 0, PAGE)?;
        if page.is_empty() {
            break;
        }
        for (seq, item) in page {
            drop_item(cx, no, &INVITER, &mut old, seq, &item);
            enqueue(cx, no, device, item.mid, item.what)?;
        }
    }
    cx.tx.delete(state_key(no, &INVITER));
    Ok(())
}

/// Forgets the letters of sessions that `gone` names, so that their items are sealed anew, and
/// starts again at the oldest item.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn unseal(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    gone: impl Fn(&SessionId) -> bool,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    let mut from = 0;
    loop {
        let page = items(cx, no, device, from, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        let mut sealed = false;
        for (seq, mut item) in page {
            sealed |= item.sealed.is_some();
            if item.sealed.as_ref().is_some_and(|s| gone(&s.session)) {
                item.sealed = None;
                // What bridges hold is of a letter that is not the item's any more.
                item.copies.clear();
                put_item(cx, no, device, seq, &item);
            }
        }
        // Items are sealed in order: a page without a letter ends the sealed part.
        if !sealed {
            break;
        }
    }
    rewind(cx, no, device, &mut state)?;
    state.deposited = 0;
    put_state(cx, no, device, &state);
    Ok(())
}

/// Starts again at the oldest item.
pub(super) fn rewind(
    cx: &Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
) -> Result<(), StoreError> {
    state.cursor = items(cx, no, device, 0, 1)?
        .first()
        .map_or(state.next, |(seq, _)| *seq);
    state.flying = 0;
    Ok(())
}
