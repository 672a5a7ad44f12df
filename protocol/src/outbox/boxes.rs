//! Boxes that are out: what each carries, and what the bridges said of it.

use super::deposit::deposit_soon;
use super::items::{Stands, drop_item, item_key, put_item, put_state};
use super::{Cx, Item, What, state};
use crate::agenda::{self, Job};
use crate::crypto::derive;
use crate::crypto::hash::hash16;
use crate::feed::changes::ChangeKind;
use crate::feed::view::{self, AtBridge, Refused, State};
use crate::id::{B32, DeviceId, Hash16, Mid, Peer};
use crate::identity::account::Signed;
use crate::identity::contact::{ContactNo, device_scope};
use crate::limits::{FULL_AGAIN_MS, FULL_AGAIN_MS_MAX, SWEEP_ROWS};
use crate::mailbox::descriptor::{Custody, Queued};
use crate::mailbox::forward::{Answer, open_reply};
use crate::mailbox::{client, known};
use crate::private::Secret;
use crate::store::{Key, ReadExt, Span, StoreError, Table};
use crate::time::{MINUTE_MS, Millis, Secs};
use minicbor::{Decode, Encode};

/// A bridge that did not take a box is tried again after this.
const NOT_QUEUED_MS: Millis = 10 * MINUTE_MS;

/// What a box of ours carries.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct BoxRow {
    /// Whose letter.
    #[n(0)]
    pub(super) no: ContactNo,
    #[n(1)]
    pub(super) device: DeviceId,
    /// Sequence number of the item.
    #[n(2)]
    pub(super) seq: u64,
    #[n(3)]
    pub(super) mid: Mid,
    /// The bridge that opens it.
    #[n(4)]
    pub(super) to: B32,
    /// The one that hands it on.
    #[n(5)]
    pub(super) via: Option<B32>,
    /// Opens its answer.
    #[n(6)]
    pub(super) key: Secret<32>,
    /// SHA-256 of the box.
    #[n(7)]
    pub(super) hash: B32,
    /// SHA-256 of the block in it.
    #[n(8)]
    pub(super) block: B32,
    /// When it is forgotten.
    #[n(9)]
    pub(super) forget_at: Millis,
    /// When the letter in it was sealed: an item may be sealed anew.
    #[n(10)]
    pub(super) sealed_at: Option<Millis>,
}

fn box_key(fid: &Hash16) -> Key {
    Key::one(Table::Box, fid.0)
}

/// The same box among those of its recipient.
fn of_key(kept: &BoxRow, fid: &Hash16) -> Key {
    // Hashed: the clear part of a key is not what the bridge knows.
    let name = hash16(&fid.0);
    Key::new(Table::Box, device_scope(kept.no, &kept.device), name.0)
}

/// Keeps what a box carries, until its time is up.
pub(super) fn keep_box(cx: &mut Cx<'_, '_, '_>, fid: Hash16, kept: &BoxRow) {
    cx.tx.put(box_key(&fid), kept);
    cx.tx.put(of_key(kept, &fid), &fid);
    agenda::at(cx.tx, kept.forget_at, &Job::ForgetBox { fid });
}

/// Forgets boxes for a device, some a step; says whether there may be more.
pub(super) fn forget_of(cx: &mut Cx<'_, '_, '_>, scope: &[u8]) -> Result<bool, StoreError> {
    let span = Span::all(Table::Box, scope, SWEEP_ROWS);
    let found = cx.tx.rows::<Hash16>(&span)?;
    let more = found.len() == SWEEP_ROWS;
    for (suffix, fid) in found {
        forget_box(cx, &fid)?;
        cx.tx.delete(Key::new(Table::Box, scope, suffix));
    }
    Ok(more)
}

/// Notes in the message's story that its letter is sealed.
pub(super) fn sealed(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    item: &Item,
) -> Result<(), StoreError> {
    let at = item.sealed.as_ref().map(|sealed| sealed.at);
    story(cx, no, device, item, |trail| trail.sealed_at = at)?;
    Ok(())
}

/// Writes into the story of a message.
fn story(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    item: &Item,
    tell: impl FnOnce(&mut view::Trail),
) -> Result<(), StoreError> {
    if let What::Message { order } = &item.what
        && let Some(mut message) = view::get(cx.tx, no, order)?
    {
        tell(message.trail(device));
        view::put(cx.tx, no, order, &message);
    }
    Ok(())
}

/// A box that is out, and the item that it carries, if that still waits.
fn find_box(
    cx: &Cx<'_, '_, '_>,
    fid: &Hash16,
) -> Result<Option<(BoxRow, Option<Item>)>, StoreError> {
    let Some(kept) = cx.tx.row::<BoxRow>(&box_key(fid))? else {
        return Ok(None);
    };
    let key = item_key(kept.no, &kept.device, kept.seq);
    let item = cx.tx.row::<Item>(&key)?;
    Ok(Some((
        kept.clone(),
        item.filter(|item| {
            item.mid == kept.mid && item.sealed.as_ref().map(|sealed| sealed.at) == kept.sealed_at
        }),
    )))
}

/// Forgets a box.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_box(cx: &mut Cx<'_, '_, '_>, fid: &Hash16) -> Result<(), StoreError> {
    if let Some(kept) = cx.tx.take::<BoxRow>(box_key(fid))? {
        cx.tx.delete(of_key(&kept, fid));
        agenda::cancel(cx.tx, kept.forget_at, &Job::ForgetBox { fid: *fid });
    }
    Ok(())
}

fn at_bridge<'a>(trail: &'a mut view::Trail, kept: &BoxRow) -> &'a mut AtBridge {
    let place = trail.bridges.iter().position(|at| at.bridge == kept.to);
    let place = place.unwrap_or_else(|| {
        trail.bridges.push(AtBridge {
            bridge: kept.to,
            via: None,
            queued_at: None,
            held_at: None,
            until: None,
            refused_at: None,
            refusal: None,
        });
        trail.bridges.len() - 1
    });
    &mut trail.bridges[place]
}

/// A bridge of ours promised to hand a box on.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn box_queued(cx: &mut Cx<'_, '_, '_>, via: &B32, signed: &Signed) -> Result<(), StoreError> {
    let Ok(promise) = signed.open::<Queued>(derive::SIG_QUEUED, via) else {
        return Ok(());
    };
    let Some((kept, Some(mut item))) = find_box(cx, &promise.fid)? else {
        return Ok(());
    };
    let now = cx.at.now;
    if item
        .copy(&kept.to)
        .is_some_and(|copy| copy.stands == Stands::Flying)
    {
        item.stands(&kept.to, now, Stands::Queued(promise.until));
        put_item(cx, kept.no, &kept.device, kept.seq, &item);
        story(cx, kept.no, &kept.device, &item, |trail| {
            let at = at_bridge(trail, &kept);
            at.via = kept.via;
            at.queued_at.get_or_insert(now);
        })?;
    }
    deposit_soon(cx, kept.no, &kept.device, 0)
}

/// A bridge of ours did not take a box.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn box_refused(cx: &mut Cx<'_, '_, '_>, fid: &Hash16) -> Result<(), StoreError> {
    refused(cx, fid, Refused::NotQueued, NOT_QUEUED_MS)
}

fn refused(
    cx: &mut Cx<'_, '_, '_>,
    fid: &Hash16,
    why: Refused,
    wait: Millis,
) -> Result<(), StoreError> {
    let Some((kept, item)) = find_box(cx, fid)? else {
        return Ok(());
    };
    forget_box(cx, fid)?;
    let Some(mut item) = item else { return Ok(()) };
    let now = cx.at.now;
    let refusals = item.copy(&kept.to).map_or(0, |copy| copy.refusals);
    let wait = (wait << refusals.min(8)).min(FULL_AGAIN_MS_MAX);
    item.stands(&kept.to, now, Stands::Refused(now + wait));
    put_item(cx, kept.no, &kept.device, kept.seq, &item);
    story(cx, kept.no, &kept.device, &item, |trail| {
        let at = at_bridge(trail, &kept);
        at.via = kept.via;
        at.refused_at = Some(now);
        at.refusal = Some(why);
    })?;
    deposit_soon(cx, kept.no, &kept.device, 0)
}

/// A box has its answer, or came to nothing.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn box_answered(
    cx: &mut Cx<'_, '_, '_>,
    fid: &Hash16,
    reply: Option<&[u8]>,
) -> Result<(), StoreError> {
    let Some((kept, item)) = find_box(cx, fid)? else {
        return Ok(());
    };
    let Some(reply) = reply else {
        return refused(cx, fid, Refused::GaveUp, NOT_QUEUED_MS);
    };
    let promise = match open_reply(&kept.key, &kept.hash, reply) {
        Some(Answer::Held(signed)) => signed.open::<Custody>(derive::SIG_CUSTODY, &kept.to).ok(),
        Some(Answer::NotHere) => return refused(cx, fid, Refused::NotHere, FULL_AGAIN_MS),
        Some(Answer::Full) => return refused(cx, fid, Refused::Full, FULL_AGAIN_MS),
        None => None,
    };
    // What does not open, or promises another block, is no answer: the box is tried again.
    let Some(promise) = promise.filter(|promise| promise.block == kept.block) else {
        return refused(cx, fid, Refused::GaveUp, NOT_QUEUED_MS);
    };
    forget_box(cx, fid)?;
    if let Some(via) = kept.via
        && let Some(mut bridge) = client::find(cx.tx, &via)?
    {
        bridge.held += 1;
        client::put(cx.tx, &bridge);
    }
    let Some(mut item) = item else { return Ok(()) };
    held(cx, &kept, &mut item, promise.until)
}

/// What became of a box that we brought to its bridge ourselves; nobody else's word counts.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn box_brought(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    fid: &Hash16,
    reply: Option<&[u8]>,
) -> Result<(), StoreError> {
    let Some((kept, _)) = find_box(cx, fid)? else {
        return Ok(());
    };
    let to = known::descriptor(cx.tx, &kept.to)?;
    if kept.via.is_some() || to.is_none_or(|to| to.peer != *from) {
        return Ok(());
    }
    box_answered(cx, fid, reply)
}

fn held(
    cx: &mut Cx<'_, '_, '_>,
    kept: &BoxRow,
    item: &mut Item,
    until: Secs,
) -> Result<(), StoreError> {
    let (no, device, now) = (kept.no, kept.device, cx.at.now);
    item.stands(&kept.to, now, Stands::Held(until));
    put_item(cx, no, &device, kept.seq, item);
    if item.is_receipt() {
        // It is never receipted itself: it is done once every bridge has had its word.
        let targets = client::theirs(cx.tx, no, &device)?;
        if targets.iter().all(|to| item.settled(to)) {
            let mut out = state(cx.tx, no, &device)?;
            drop_item(cx, no, &device, &mut out, kept.seq, item);
            put_state(cx, no, &device, &out);
        }
    }
    if let What::Message { order } = &item.what
        && let Some(mut message) = view::get(cx.tx, no, order)?
    {
        let at = at_bridge(message.trail(&device), kept);
        at.via = kept.via;
        at.held_at.get_or_insert(now);
        at.until = Some(until);
        let moved = message.advance(State::Held);
        view::put(cx.tx, no, order, &message);
        if moved {
            cx.log(ChangeKind::State {
                no,
                mid: item.mid,
                state: State::Held,
            })?;
        }
    }
    deposit_soon(cx, no, &device, 0)
}
