//! Letters for a device that is away: each goes to every bridge at which the device keeps a
//! mailbox, in a box that another bridge hands on where there is one.

use super::boxes::{BoxRow, keep_box, sealed};
use super::items::{Copy, Stands, drop_item, items, put_item, put_state};
use super::press::{Press, Ready};
use super::reach::{connected, is_online, starts};
use super::receipts::{UNTRACKED, pack};
use super::{Cx, Item, OutState, may_send, state};
use crate::agenda::{self, Job};
use crate::crypto::hash::sha256;
use crate::frame::Frame;
use crate::id::{B32, DeviceId, Peer};
use crate::identity::account::Signed;
use crate::identity::contact::{self, ContactNo, DeviceRow, INVITER, SessionRef};
use crate::limits::{
    DEPOSIT_AFTER_MS, DEPOSITS_FLYING_MAX, FORWARD_DAY_SLACK_MS, FORWARD_KEEP_MS, FORWARD_LIFE_S,
    HELD_AGAIN_MS, WINDOW_LETTERS,
};
use crate::mailbox::block::day;
use crate::mailbox::client::{self, BridgeRow, Stage};
use crate::mailbox::descriptor::{Descriptor, FORWARD, ForwardKeys};
use crate::mailbox::forward::{Request, seal_to};
use crate::mailbox::known;
use crate::mailbox::talk::{Ask, Over};
use crate::output::Output;
use crate::session;
use crate::store::{StoreError, Table};
use crate::time::{HOUR_MS, MINUTE_MS, Millis, Secs, secs};
use crate::wire::codec::Blob;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A box that was written to a connection and has had no word for this long is taken for lost.
const FLYING_MS: Millis = MINUTE_MS;
/// A receipt that one bridge has held for so long is done, whatever the others say.
const RECEIPT_HELD_MS: Millis = HOUR_MS;

/// How a box gets to a bridge.
struct Course {
    to: B32,
    /// Whom it is written to.
    peer: Peer,
    /// The bridge that hands it on; `None`: we bring it ourselves.
    via: Option<B32>,
    /// The clock of whoever takes it, less ours, in seconds.
    ahead_s: i64,
    keys: ForwardKeys,
}

/// Says something to a peer that is connected; nothing comes back if that fails.
pub fn say(cx: &mut Cx<'_, '_, '_>, to: &Peer, frame: &Frame) {
    cx.out.push(Output::Send {
        to: *to,
        id: UNTRACKED,
        bytes: frame.to_bytes(),
    });
}

/// Letters for a device that is away are given to its bridges after a while, or sooner. The caller
/// puts `state` back.
pub(super) fn deposit_after(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
    wait: Millis,
) -> Result<(), StoreError> {
    let at = cx.at.now + wait;
    if state
        .deposit_at
        .is_some_and(|set| set <= at && set + MINUTE_MS > cx.at.now)
        || *device == INVITER
        || client::theirs(cx.tx, no, device)?.is_empty()
    {
        return Ok(());
    }
    let job = Job::Deposit {
        no,
        device: *device,
    };
    if let Some(set) = state.deposit_at.replace(at) {
        agenda::cancel(cx.tx, set, &job);
    }
    agenda::at(cx.tx, at, &job);
    Ok(())
}

/// The same, with its own state.
pub(super) fn deposit_soon(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    wait: Millis,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    deposit_after(cx, no, device, &mut state, wait)?;
    put_state(cx, no, device, &state);
    Ok(())
}

/// Gives letters for a device that is away to its bridges.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn deposit(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    set: Millis,
) -> Result<(), StoreError> {
    let mut out = state(cx.tx, no, device)?;
    if out.deposit_at != Some(set) {
        return Ok(());
    }
    out.deposit_at = None;
    put_state(cx, no, device, &out);
    let Some(contact) = contact::get(cx.tx, no)?.filter(|contact| may_send(contact.state)) else {
        return Ok(());
    };
    let row = contact::device(cx.tx, no, device)?;
    if connected(cx.tx, &row)?.is_some() {
        return Ok(());
    }
    pack(cx, &contact, device)?;
    let mut out = state(cx.tx, no, device)?;
    if out.waiting == 0 {
        return Ok(());
    }
    let targets = client::theirs(cx.tx, no, device)?;
    let mut courses = Vec::new();
    for to in &targets {
        courses.extend(course(cx, to, no, device)?);
    }
    if courses.is_empty() {
        return Ok(());
    }
    let Some(under) = under(cx, &row)? else {
        return Ok(());
    };
    let oldest = items(cx, no, device, 0, 1)?;
    let last = oldest.first().map_or(0, |(seq, _)| *seq) + u64::from(WINDOW_LETTERS);
    let mut press = Press::new(&contact, &row, *device);
    let page = items(cx, no, device, out.deposited, DEPOSITS_FLYING_MAX)?;
    let full = page.len() == DEPOSITS_FLYING_MAX;
    let (mut settled, mut flying) = (true, false);
    for (seq, mut item) in page {
        if seq >= last {
            settled = false;
            break;
        }
        let now = cx.at.now;
        if item.is_receipt() && item.held_since(now) > RECEIPT_HELD_MS {
            // Whoever misses it asks again; a bridge that is gone for good would keep it here.
            drop_item(cx, no, device, &mut out, seq, &item);
            continue;
        }
        let missing: Vec<&Course> = courses
            .iter()
            .filter(|course| item.misses(&course.to, now))
            .collect();
        if !missing.is_empty() {
            match press.letter(cx, &mut item)? {
                Ready::Frame(frame) => {
                    for course in missing {
                        give(cx, (no, device, &under), (seq, &mut item), course, &frame)?;
                    }
                    put_item(cx, no, device, seq, &item);
                    sealed(cx, no, device, &item)?;
                    // It says what was true when it was sealed: what comes after it goes by itself.
                    out.current.retain(|(_, queued)| *queued != seq);
                }
                Ready::Wait => {
                    settled = false;
                    break;
                }
                Ready::Gone => {
                    drop_item(cx, no, device, &mut out, seq, &item);
                    continue;
                }
            }
        }
        flying |= item.copies.iter().any(|copy| copy.stands == Stands::Flying);
        settled &= targets.iter().all(|to| item.settled(to));
        if settled {
            out.deposited = seq + 1;
        }
    }
    press.finish(cx);
    if full && settled {
        deposit_after(cx, no, device, &mut out, 0)?;
    } else if flying {
        deposit_after(cx, no, device, &mut out, FLYING_MS + 1)?;
    }
    put_state(cx, no, device, &out);
    Ok(())
}

impl Item {
    pub(super) fn copy(&mut self, bridge: &B32) -> Option<&mut Copy> {
        self.copies.iter_mut().find(|copy| copy.bridge == *bridge)
    }

    /// A bridge is to be given a copy.
    fn misses(&self, bridge: &B32, now: Millis) -> bool {
        let copy = self.copies.iter().find(|copy| copy.bridge == *bridge);
        copy.is_none_or(|copy| match copy.stands {
            Stands::Flying => now.saturating_sub(copy.at) > FLYING_MS,
            Stands::Queued(until) => secs(now) > until,
            Stands::Held(until) => now.saturating_sub(copy.at) > HELD_AGAIN_MS || secs(now) > until,
            Stands::Refused(again) => now >= again,
        })
    }

    /// For how long some bridge has held it.
    fn held_since(&self, now: Millis) -> Millis {
        let held = self.copies.iter();
        let held = held.filter(|copy| matches!(copy.stands, Stands::Held(_)));
        let since = held.map(|copy| copy.at).min();
        now.saturating_sub(since.unwrap_or(now))
    }

    /// There was a word about its copy.
    pub(super) fn settled(&self, bridge: &B32) -> bool {
        let copy = self.copies.iter().find(|copy| copy.bridge == *bridge);
        copy.is_some_and(|copy| copy.stands != Stands::Flying)
    }

    pub(super) fn stands(&mut self, bridge: &B32, at: Millis, stands: Stands) {
        let refused = matches!(stands, Stands::Refused(_));
        match self.copy(bridge) {
            Some(copy) => {
                copy.at = at;
                copy.stands = stands;
                if refused {
                    copy.refusals = copy.refusals.saturating_add(1);
                }
            }
            None => self.copies.push(Copy {
                bridge: *bridge,
                at,
                stands,
                refusals: 0,
            }),
        }
    }
}

/// Under whose tags letters go: those of the session that they are sealed on, or of an earlier one
/// as long as the other side has not answered on it, since it may not know of it.
fn under(cx: &Cx<'_, '_, '_>, row: &DeviceRow) -> Result<Option<SessionRef>, StoreError> {
    let answered = |session: &SessionRef| -> Result<bool, StoreError> {
        let known = session::load(cx.tx, &session.id)?;
        Ok(known.is_some_and(|known| known.first.is_none()))
    };
    let Some(sending) = row.sending() else {
        return Ok(None);
    };
    let mut under = sending;
    if !answered(sending)? {
        let mut newest = None;
        for session in &row.sessions {
            if newest < Some(session.born) && answered(session)? {
                newest = Some(session.born);
                under = session;
            }
        }
    }
    Ok(Some(under.clone()))
}

/// How a box gets to a bridge right now; otherwise reaches for what is missing.
fn course(
    cx: &mut Cx<'_, '_, '_>,
    to: &B32,
    no: ContactNo,
    device: &DeviceId,
) -> Result<Option<Course>, StoreError> {
    let Some(mut row) = known::get(cx.tx, to)? else {
        return Ok(None);
    };
    let damaged = |_| StoreError::Damaged(Table::Known);
    let theirs: Descriptor = row.descriptor.peek().map_err(damaged)?;
    let today = day(cx.at.now);
    let keys = row.keys_for(today).map(|(keys, _)| keys);
    let slack = FORWARD_DAY_SLACK_MS;
    let near = day(cx.at.now.saturating_sub(slack))..=day(cx.at.now + slack);
    let keys = keys.filter(|keys| near.contains(&keys.day));
    if let Some((mut via, peer)) = hop(cx, &theirs)? {
        if !via.live.told.contains(to) {
            via.live.told.push(*to);
            let know = Frame::Ask(Ask::Know(row.descriptor.clone()));
            say(cx, &peer, &know);
            client::put(cx.tx, &via);
        }
        if let Some(keys) = keys {
            return Ok(Some(Course {
                to: *to,
                peer,
                via: Some(via.bridge),
                ahead_s: via.ahead_s,
                keys,
            }));
        }
        if row.ask_now(cx.at.now) {
            say(cx, &peer, &Frame::Ask(Ask::KeysOf(*to)));
        }
    } else if is_online(cx.tx, &theirs.peer)? {
        if let Some(keys) = keys {
            return Ok(Some(Course {
                to: *to,
                peer: theirs.peer,
                via: None,
                ahead_s: 0,
                keys,
            }));
        }
        if row.ask_now(cx.at.now) {
            say(cx, &theirs.peer, &Frame::Over(Over::KeysPlease));
        }
    } else {
        cx.out.push(Output::Dial {
            peer: theirs.peer,
            addrs: theirs.addrs,
        });
    }
    row.wants(no, device);
    known::put(cx.tx, to, &row);
    Ok(None)
}

/// The bridge of ours that hands on a box for another: of another operator, if there is one.
fn hop(cx: &Cx<'_, '_, '_>, theirs: &Descriptor) -> Result<Option<(BridgeRow, Peer)>, StoreError> {
    let run = starts(cx.tx)?;
    let mut best: Option<(bool, BridgeRow, Peer)> = None;
    for row in client::list(cx.tx)? {
        let open = row.live.stage == Stage::Open && row.live.run == run;
        if !open || row.bridge == theirs.bridge {
            continue;
        }
        let Some(said) = known::descriptor(cx.tx, &row.bridge)? else {
            continue;
        };
        let other = said.operator != theirs.operator;
        let better = best.as_ref().is_none_or(|(had, ..)| other && !had);
        if said.does(FORWARD) && better {
            best = Some((other, row, said.peer));
        }
    }
    Ok(best.map(|(_, row, peer)| (row, peer)))
}

/// Puts a letter's frame into an envelope, that into a box, and writes it.
fn give(
    cx: &mut Cx<'_, '_, '_>,
    (no, device, under): (ContactNo, &DeviceId, &SessionRef),
    (seq, item): (u64, &mut Item),
    course: &Course,
    frame: &[u8],
) -> Result<(), StoreError> {
    let now = cx.at.now;
    let Some(lane) = client::outgoing(under, &course.to) else {
        return Ok(());
    };
    let Some(block) = lane.seal(day(now), frame, cx.at.rng) else {
        return Ok(());
    };
    let hash = sha256(&block);
    let ttl = secs(item.dies().saturating_sub(now));
    let theirs = i64::try_from(secs(now)).unwrap_or(i64::MAX);
    let theirs = Secs::try_from(theirs.saturating_add(course.ahead_s)).unwrap_or(secs(now));
    let until = theirs + FORWARD_LIFE_S;
    let request = Request::Deposit(Blob(block), ttl);
    let Some(sealed) = seal_to(&course.keys, &request, until, cx.at.rng) else {
        return Ok(());
    };
    let fid = sealed.forward.fid();
    let forget_at = now + FORWARD_KEEP_MS + FORWARD_LIFE_S * 1_000;
    let kept = BoxRow {
        no,
        device: *device,
        seq,
        mid: item.mid,
        to: course.to,
        via: course.via,
        key: sealed.reply_key,
        hash: sealed.forward.hash(),
        block: hash,
        forget_at,
        sealed_at: item.sealed.as_ref().map(|sealed| sealed.at),
    };
    keep_box(cx, fid, &kept);
    item.stands(&course.to, now, Stands::Flying);
    let forward = Box::new(sealed.forward);
    let frame = match course.via {
        Some(_) => Frame::Ask(Ask::Forward(forward)),
        None => Frame::Over(Over::Forward(forward)),
    };
    say(cx, &course.peer, &frame);
    Ok(())
}

/// Keys of some bridge came from one of ours.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn keys_came(cx: &mut Cx<'_, '_, '_>, signed: Signed) -> Result<(), StoreError> {
    let Ok(claimed) = signed.peek::<ForwardKeys>() else {
        return Ok(());
    };
    if crate::mailbox::queue::take_keys(cx.tx, &claimed.bridge, signed)? {
        bridge_ready(cx, &claimed.bridge)?;
    }
    Ok(())
}

/// A bridge can be reached, or its keys are there: whoever's letters waited for that goes on.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bridge_ready(cx: &mut Cx<'_, '_, '_>, bridge: &B32) -> Result<(), StoreError> {
    let mut waiting = Vec::new();
    if let Some(mut row) = known::get(cx.tx, bridge)? {
        waiting.append(&mut row.wanting);
        if !waiting.is_empty() {
            known::put(cx.tx, bridge, &row);
        }
    }
    // One of ours that hands on: letters for any bridge may have waited for it.
    for mine in client::list(cx.tx)? {
        let open = mine.bridge == *bridge && mine.live.stage == Stage::Open;
        if open {
            agenda::at(cx.tx, cx.at.now, &Job::Deposits { from: 0 });
        }
    }
    for (no, device) in waiting {
        deposit_soon(cx, no, &device, 0)?;
    }
    Ok(())
}

/// A bridge of ours is there: letters for everybody who is away go on, some contacts a step.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn deposit_all(cx: &mut Cx<'_, '_, '_>, from: ContactNo) -> Result<(), StoreError> {
    let page = contact::list(cx.tx, from, crate::limits::CONTACTS_STEP)?;
    let next = page.last().map(|contact| contact.no + 1);
    for contact in page {
        for device in &contact.devices {
            let mut out = state(cx.tx, contact.no, device)?;
            let due = super::receipts::any_due(cx.tx, contact.no, device)?;
            if out.waiting > 0 || due {
                out.deposited = 0;
                deposit_after(cx, contact.no, device, &mut out, DEPOSIT_AFTER_MS)?;
                put_state(cx, contact.no, device, &out);
            }
        }
    }
    if let Some(from) = next {
        agenda::at(cx.tx, cx.at.now, &Job::Deposits { from });
    }
    Ok(())
}
