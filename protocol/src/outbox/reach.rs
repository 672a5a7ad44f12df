//! Who is connected, how to reach the others, and when to try again.

use super::deposit::{deposit_after, deposit_soon};
use super::items::{drop_item, items, put_state};
use super::press::{Press, Ready};
use super::pump::{schedule, write};
use super::queue::rewind;
use super::receipts::{UNTRACKED, ended};
use super::{Cx, Item, OutState, What, may_send, pump, state};
use crate::agenda::{self, Job};
use crate::discovery::invite::InviteGet;
use crate::feed::changes::ChangeKind;
use crate::feed::view::{self, State};
use crate::frame::Frame;
use crate::id::{DeviceId, Peer};
use crate::identity::contact::{
    self, ContactNo, ContactRow, ContactState, DeviceRow, INVITER, Reach,
};
use crate::input::{DialError, SendError};
use crate::limits::{
    DEPOSIT_AFTER_MS, DIALS_KEPT_MAX, REPAIR_HOLD_MS, RESEND_LETTERS_MAX, RETRY_MS, retry_ms,
};
use crate::output::Output;
use crate::store::{Key, ReadExt, StoreError, Table};
use crate::time::{HOUR_MS, Millis, secs};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// A connection's queue was full: try again after this.
const BUSY_MS: Millis = 250;
/// Sends of one letter, over an hour or more, after which a session that still brings the peer's
/// letters is taken for broken.
const REPAIR_SENDS: u32 = 8;
/// Addresses of a dial that are remembered.
const DIAL_ADDRS_KEPT: usize = 3;

/// A line in the story of how a contact was reached for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DialRow {
    /// When.
    #[n(0)]
    pub at: Millis,
    /// Which device.
    #[n(1)]
    pub device: DeviceId,
    /// What happened.
    #[n(2)]
    pub what: DialWhat,
}

/// What happened on the way to a device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DialWhat {
    /// A connection was tried.
    #[n(0)]
    Dialed {
        /// Where, at most three addresses.
        #[n(0)]
        addrs: Vec<String>,
    },
    /// No address led there.
    #[n(1)]
    Failed {
        /// Why.
        #[n(0)]
        why: DialError,
        /// Where it had been tried.
        #[n(1)]
        addrs: Vec<String>,
    },
    /// A connection is there.
    #[n(2)]
    Up {
        /// How.
        #[n(0)]
        how: Reach,
    },
    /// The connection is gone.
    #[n(3)]
    Down,
}

#[derive(Encode, Decode)]
struct OnlineRow {
    /// Rows of earlier runs do not count.
    #[n(0)]
    start: u64,
    #[n(1)]
    how: Reach,
    #[n(2)]
    since: Millis,
}

fn online_key(peer: &Peer) -> Key {
    Key::one(Table::Online, peer.0)
}

pub(super) fn dials_key(no: ContactNo) -> Key {
    Key::one(Table::Dial, no.to_be_bytes())
}

/// Number of this run of the node.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn starts(store: &(impl ReadExt + ?Sized)) -> Result<u64, StoreError> {
    Ok(store.row(&Key::one(Table::Meta, *b"starts"))?.unwrap_or(0))
}

/// How a peer is connected right now.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn reach_of(store: &(impl ReadExt + ?Sized), peer: &Peer) -> Result<Option<Reach>, StoreError> {
    Ok(online(store, peer)?.map(|row| row.how))
}

/// Since when the connection to a peer is there that is there now.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn online_since(
    store: &(impl ReadExt + ?Sized),
    peer: &Peer,
) -> Result<Option<Millis>, StoreError> {
    Ok(online(store, peer)?.map(|row| row.since))
}

fn online(store: &(impl ReadExt + ?Sized), peer: &Peer) -> Result<Option<OnlineRow>, StoreError> {
    let row: Option<OnlineRow> = store.row(&online_key(peer))?;
    let Some(row) = row else { return Ok(None) };
    Ok((row.start == starts(store)?).then_some(row))
}

/// Whether a peer is connected right now.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn is_online(store: &(impl ReadExt + ?Sized), peer: &Peer) -> Result<bool, StoreError> {
    Ok(reach_of(store, peer)?.is_some())
}

/// The peer of a device, if that is connected right now.
pub(super) fn connected(
    store: &(impl ReadExt + ?Sized),
    row: &DeviceRow,
) -> Result<Option<Peer>, StoreError> {
    match row.peer {
        Some(peer) => Ok(is_online(store, &peer)?.then_some(peer)),
        None => Ok(None),
    }
}

/// The story of how a contact was reached for, oldest first.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn dials(store: &(impl ReadExt + ?Sized), no: ContactNo) -> Result<Vec<DialRow>, StoreError> {
    Ok(store.row(&dials_key(no))?.unwrap_or_default())
}

fn note(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    what: DialWhat,
) -> Result<(), StoreError> {
    let mut rows = dials(cx.tx, no)?;
    while rows.len() >= DIALS_KEPT_MAX as usize {
        rows.remove(0);
    }
    rows.push(DialRow {
        at: cx.at.now,
        device: *device,
        what,
    });
    cx.tx.put(dials_key(no), &rows);
    Ok(())
}

/// A connection to a peer is ready.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn up(cx: &mut Cx<'_, '_, '_>, peer: &Peer, how: Reach) -> Result<(), StoreError> {
    let start = starts(cx.tx)?;
    let since = cx.at.now;
    cx.tx
        .put(online_key(peer), &OnlineRow { start, how, since });
    let Some((no, device)) = contact::by_peer(cx.tx, peer)? else {
        return Ok(());
    };
    let contact = contact::must(cx.tx, no)?;
    if !may_send(contact.state) {
        return Ok(());
    }
    note(cx, no, &device, DialWhat::Up { how })?;
    let mut state = state(cx.tx, no, &device)?;
    state.tries = 0;
    rewind(cx, no, &device, &mut state)?;
    let soon = cx.at.now + RETRY_MS[0];
    if state.waiting > 0 {
        schedule(cx, no, &device, &mut state, soon);
    }
    put_state(cx, no, &device, &state);
    if contact.state == ContactState::Connected {
        cx.log(ChangeKind::Reach {
            no,
            reach: Some(how),
        })?;
    }
    // A link of somebody who is reached already waits for the same peer.
    if contact.pending.is_some() && contact::device(cx.tx, no, &INVITER)?.peer == Some(*peer) {
        ask_inviter(cx, &contact, &INVITER, peer)?;
    }
    super::flush(cx, no, &device)?;
    pump(cx, no, &device)
}

/// The last connection to a peer is gone.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn down(cx: &mut Cx<'_, '_, '_>, peer: &Peer) -> Result<(), StoreError> {
    if !is_online(cx.tx, peer)? {
        return Ok(());
    }
    cx.tx.delete(online_key(peer));
    let Some((no, device)) = contact::by_peer(cx.tx, peer)? else {
        return Ok(());
    };
    let contact = contact::must(cx.tx, no)?;
    if !may_send(contact.state) {
        return Ok(());
    }
    note(cx, no, &device, DialWhat::Down)?;
    let mut state = state(cx.tx, no, &device)?;
    let soon = cx.at.now + jittered(cx, RETRY_MS[0]);
    schedule(cx, no, &device, &mut state, soon);
    if state.waiting > 0 {
        deposit_after(cx, no, &device, &mut state, DEPOSIT_AFTER_MS)?;
    }
    put_state(cx, no, &device, &state);
    if contact.state == ContactState::Connected {
        cx.log(ChangeKind::Reach { no, reach: None })?;
    }
    Ok(())
}

/// No address led to a peer.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn failed(cx: &mut Cx<'_, '_, '_>, peer: &Peer, why: DialError) -> Result<(), StoreError> {
    let Some((no, device)) = contact::by_peer(cx.tx, peer)? else {
        return Ok(());
    };
    let row = contact::device(cx.tx, no, &device)?;
    note(
        cx,
        no,
        &device,
        DialWhat::Failed {
            why,
            addrs: shown(&row),
        },
    )?;
    if state(cx.tx, no, &device)?.waiting > 0 {
        deposit_soon(cx, no, &device, 0)?;
    }
    Ok(())
}

fn shown(row: &DeviceRow) -> Vec<String> {
    row.addrs.iter().take(DIAL_ADDRS_KEPT).cloned().collect()
}

/// A frame was not written after all.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn undelivered(
    cx: &mut Cx<'_, '_, '_>,
    peer: &Peer,
    id: u64,
    why: SendError,
) -> Result<(), StoreError> {
    let Some((no, device)) = contact::by_peer(cx.tx, peer)? else {
        return Ok(());
    };
    let mut state = state(cx.tx, no, &device)?;
    if id != UNTRACKED && id < state.cursor {
        let Some((_, item)) = items(cx, no, &device, id, 1)?
            .into_iter()
            .find(|(s, _)| *s == id)
        else {
            return Ok(());
        };
        if let What::Message { order } = &item.what
            && let Some(mut message) = view::get(cx.tx, no, order)?
        {
            message.trail(&device).failed_at = Some(cx.at.now);
            view::put(cx.tx, no, order, &message);
        }
        state.cursor = id;
        let before = items(cx, no, &device, 0, state.flying as usize)?;
        let flying = before.iter().filter(|(seq, _)| *seq < id).count();
        state.flying = u32::try_from(flying).unwrap_or(u32::MAX);
    }
    let wait = match why {
        SendError::Busy => BUSY_MS,
        SendError::NotConnected => RETRY_MS[0],
    };
    let at = cx.at.now + wait;
    schedule(cx, no, &device, &mut state, at);
    put_state(cx, no, &device, &state);
    Ok(())
}

/// Looks after a device: gives up what is too old, sends again what was not receipted, or dials.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn attend(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    set: Millis,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    if state.attend_at != Some(set) {
        return Ok(());
    }
    state.attend_at = None;
    let contact = contact::must(cx.tx, no)?;
    let row = contact::device(cx.tx, no, device)?;
    if !may_send(contact.state) {
        return refuse(cx, &contact, device, state);
    }
    give_up(cx, no, device, &mut state)?;
    if *device == INVITER && !still_open(cx, contact.clone())? {
        put_state(cx, no, device, &state);
        return Ok(());
    }
    match (connected(cx.tx, &row)?, row.peer) {
        (Some(peer), _) => {
            let again = resend(cx, &contact, &row, device, &peer, &mut state)?;
            if again || state.waiting > 0 {
                next_try(cx, no, device, &mut state);
            }
            put_state(cx, no, device, &state);
            if ask_inviter(cx, &contact, device, &peer)? {
                let mut state = super::state(cx.tx, no, device)?;
                next_try(cx, no, device, &mut state);
                put_state(cx, no, device, &state);
            }
            pump(cx, no, device)
        }
        (None, Some(peer)) => {
            dial(cx, no, device, &row, peer)?;
            next_try(cx, no, device, &mut state);
            if state.waiting > 0 {
                state.deposited = 0;
                deposit_after(cx, no, device, &mut state, DEPOSIT_AFTER_MS)?;
            }
            put_state(cx, no, device, &state);
            Ok(())
        }
        (None, None) => {
            put_state(cx, no, device, &state);
            Ok(())
        }
    }
}

/// Whether an inviter is still worth reaching for; says so to the user once it is not.
fn still_open(cx: &mut Cx<'_, '_, '_>, mut contact: ContactRow) -> Result<bool, StoreError> {
    match &contact.pending {
        Some(pending) if secs(cx.at.now) <= pending.expires => Ok(true),
        Some(_) => {
            contact.pending = None;
            contact::put(cx.tx, &contact);
            let text = "the link expired before their node was reached; ask for a new one";
            cx.notice(Some(contact.no), "link_expired", text)?;
            Ok(false)
        }
        None => Ok(false),
    }
}

fn dial(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    row: &DeviceRow,
    peer: Peer,
) -> Result<(), StoreError> {
    if row.addrs.is_empty() {
        return note(
            cx,
            no,
            device,
            DialWhat::Failed {
                why: DialError::NoAddress,
                addrs: Vec::new(),
            },
        );
    }
    note(cx, no, device, DialWhat::Dialed { addrs: shown(row) })?;
    cx.out.push(Output::Dial {
        peer,
        addrs: row.addrs.clone(),
    });
    Ok(())
}

fn next_try(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId, state: &mut OutState) {
    let wait = retry_ms(state.tries);
    state.tries = state.tries.saturating_add(1);
    let at = cx.at.now + jittered(cx, wait);
    schedule(cx, no, device, state, at);
}

/// A waiting time and up to a tenth more, so that many nodes do not knock at once.
fn jittered(cx: &mut Cx<'_, '_, '_>, wait: Millis) -> Millis {
    let mut dice = [0; 4];
    cx.at.rng.fill_bytes(&mut dice);
    wait + u64::from(u32::from_be_bytes(dice)) % (wait / 10).max(1)
}

/// Gives up items that have lived too long.
fn give_up(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
) -> Result<(), StoreError> {
    for (seq, item) in items(cx, no, device, 0, RESEND_LETTERS_MAX)? {
        if item.dies() > cx.at.now {
            break;
        }
        drop_item(cx, no, device, state, seq, &item);
        ended(cx, no, &item.what, State::Expired)?;
    }
    Ok(())
}

/// Drops what waits for somebody to whom nothing may be sent any more, some items at a time.
fn refuse(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    mut state: OutState,
) -> Result<(), StoreError> {
    let no = contact.no;
    let page = items(cx, no, device, 0, RESEND_LETTERS_MAX)?;
    let more = page.len() == RESEND_LETTERS_MAX;
    for (seq, item) in page {
        drop_item(cx, no, device, &mut state, seq, &item);
        ended(cx, no, &item.what, State::Refused)?;
    }
    if more {
        let now = cx.at.now;
        schedule(cx, no, device, &mut state, now);
    }
    put_state(cx, no, device, &state);
    Ok(())
}

/// Sends items in flight again that have waited for their receipt. Says whether there were any.
fn resend(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    row: &DeviceRow,
    device: &DeviceId,
    peer: &Peer,
    state: &mut OutState,
) -> Result<bool, StoreError> {
    let no = contact.no;
    let mut any = false;
    let mut broken: Option<Item> = None;
    let mut press = Press::new(contact, row, *device);
    for (seq, mut item) in items(cx, no, device, 0, RESEND_LETTERS_MAX)? {
        if seq >= state.cursor {
            break;
        }
        if item
            .last_sent
            .is_some_and(|at| cx.at.now.saturating_sub(at) < RETRY_MS[0])
        {
            continue;
        }
        let Ready::Frame(bytes) = press.letter(cx, &mut item)? else {
            continue;
        };
        any = true;
        write(cx, no, device, *peer, (seq, &mut item), bytes)?;
        let sealed_at = item.sealed.as_ref().map_or(cx.at.now, |s| s.at);
        // Their letters come and ours are not receipted; or a repair is never answered.
        let old = cx.at.now.saturating_sub(sealed_at) > HOUR_MS;
        let unheard = row.heard > sealed_at + HOUR_MS || (old && press.unanswered());
        if item.sends >= REPAIR_SENDS && contact.state == ContactState::Connected && unheard {
            broken.get_or_insert(item);
        }
    }
    press.finish(cx);
    if let Some(sealed) = broken.and_then(|item| item.sealed) {
        let at = cx.at.now + REPAIR_HOLD_MS;
        let job = Job::Repair {
            no,
            device: *device,
            session: sealed.session,
            n: 0,
        };
        agenda::at(cx.tx, at, &job);
    }
    Ok(any)
}

/// Asks a connected inviter for the invite's objects. Says whether it asked.
fn ask_inviter(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    peer: &Peer,
) -> Result<bool, StoreError> {
    let Some(pending) = contact.pending.as_ref().filter(|_| *device == INVITER) else {
        return Ok(false);
    };
    let get = InviteGet {
        version: 1,
        id: pending.id,
    };
    let bytes = Frame::InviteGet(get).to_bytes();
    cx.out.push(Output::Send {
        to: *peer,
        id: UNTRACKED,
        bytes,
    });
    Ok(true)
}

/// Reaches for a device at once: asks or sends if it is connected, dials otherwise.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn attend_now(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    state.tries = 0;
    if let Some(set) = state.attend_at.replace(cx.at.now) {
        let job = Job::Attend {
            no,
            device: *device,
        };
        agenda::cancel(cx.tx, set, &job);
    }
    put_state(cx, no, device, &state);
    let now = cx.at.now;
    attend(cx, no, device, now)
}
