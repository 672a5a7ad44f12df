//! Writing: what waits for a connected device leaves, as far as the window allows.

use super::deposit::deposit_soon;
use super::items::{OutState, drop_item, items, put_item, put_state};
use super::press::{Press, Ready};
use super::reach::connected;
use super::{Cx, Item, PAGE, What, may_send, state};
use crate::agenda::{self, Job};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::view::{self, State};
use crate::id::{DeviceId, Peer};
use crate::identity::contact::{self, ContactNo};
use crate::limits::{DEPOSIT_AFTER_MS, RETRY_MS, WINDOW_LETTERS};
use crate::output::Output;
use crate::store::StoreError;
use crate::time::Millis;
use alloc::vec::Vec;

/// Writes what waits for a device to its connection, sealing it first where needed, as far as the
/// window allows. Does nothing while the device is away.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn pump(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId) -> Result<(), StoreError> {
    let contact = contact::must(cx.tx, no)?;
    let row = contact::device(cx.tx, no, device)?;
    if !may_send(contact.state) {
        return Ok(());
    }
    let Some(peer) = connected(cx.tx, &row)? else {
        return deposit_soon(cx, no, device, DEPOSIT_AFTER_MS);
    };
    let mut state = state(cx.tx, no, device)?;
    let mut press = Press::new(&contact, &row, *device);
    let mut wrote = false;
    'window: while state.flying < WINDOW_LETTERS {
        let page = items(cx, no, device, state.cursor, PAGE)?;
        if page.is_empty() {
            break;
        }
        for (seq, mut item) in page {
            if state.flying >= WINDOW_LETTERS {
                break 'window;
            }
            match press.letter(cx, &mut item)? {
                Ready::Frame(bytes) => {
                    write(cx, no, device, peer, (seq, &mut item), bytes)?;
                    state.current.retain(|(_, queued)| *queued != seq);
                    state.cursor = seq + 1;
                    state.flying += 1;
                    wrote = true;
                    if item.is_receipt() {
                        drop_item(cx, no, device, &mut state, seq, &item);
                    }
                }
                Ready::Wait => break 'window,
                Ready::Gone => {
                    state.cursor = seq + 1;
                    state.flying += 1;
                    drop_item(cx, no, device, &mut state, seq, &item);
                }
            }
        }
    }
    press.finish(cx);
    if wrote {
        let soon = cx.at.now + RETRY_MS[0];
        schedule(cx, no, device, &mut state, soon);
    }
    put_state(cx, no, device, &state);
    Ok(())
}

/// Hands the frame of an item to the connection, and notes that.
pub(super) fn write(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    to: Peer,
    (seq, item): (u64, &mut Item),
    bytes: Vec<u8>,
) -> Result<(), StoreError> {
    cx.out.push(Output::Send { to, id: seq, bytes });
    item.last_sent = Some(cx.at.now);
    item.sends += 1;
    put_item(cx, no, device, seq, item);
    sent(cx, no, device, item)
}

/// Makes sure that the device is looked after at `at` or before.
pub(super) fn schedule(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
    at: Millis,
) {
    if state.attend_at.is_none_or(|set| set > at) {
        let job = Job::Attend {
            no,
            device: *device,
        };
        if let Some(set) = state.attend_at.replace(at) {
            agenda::cancel(cx.tx, set, &job);
        }
        agenda::at(cx.tx, at, &job);
    }
}

/// Notes that a message was written to a connection.
fn sent(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    item: &Item,
) -> Result<(), StoreError> {
    let What::Message { order } = &item.what else {
        return Ok(());
    };
    let Some(mut message) = view::get(cx.tx, no, order)? else {
        return Ok(());
    };
    let now = cx.at.now;
    let trail = message.trail(device);
    trail.sealed_at = item.sealed.as_ref().map(|s| s.at);
    trail.sent_at.get_or_insert(now);
    trail.last_sent_at = Some(now);
    trail.sends = item.sends;
    let moved = message.advance(State::Sent);
    if message.expires_at.is_none()
        && let Some(at) = gone::count(&mut message, now, now)
    {
        agenda::expire(cx.tx, at, no, order);
    }
    view::put(cx.tx, no, order, &message);
    if moved && cx.fresh != Some(item.mid) {
        cx.log(ChangeKind::State {
            no,
            mid: item.mid,
            state: State::Sent,
        })?;
    }
    Ok(())
}
