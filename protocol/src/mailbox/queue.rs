//! Handing on: boxes of devices that keep a mailbox here, for other bridges.

use super::block::{Block, day};
use super::blocks::{BlockStore, Held, Rows};
use super::descriptor::{ForwardKeys, Queued};
use super::forward::Forward;
use super::host::{Host, Later, counts};
use super::known::{self, KnownRow};
use super::talk::{Over, Tell, Why, ask};
use crate::crypto::derive;
use crate::crypto::hash::hash16;
use crate::id::{B32, Hash16, Peer};
use crate::identity::account::Signed;
use crate::limits::{
    FORWARD_AHEAD_S, FORWARD_GRACE_S, FORWARD_KEEP_MS, FORWARDS_FLYING_MAX, MAILBOX_BLOCKS_MAX,
    QUEUED_PER_BRIDGE_MAX, QUEUED_PER_MAILBOX_MAX, SWEEP_ROWS, retry_ms,
};
use crate::store::{Key, ReadExt, Span, StoreError, Table, suffix_u64};
use crate::time::{DAY_MS, Millis, secs};
use crate::wire::codec::Blob;
use alloc::boxed::Box;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Keys and heads of a box, beside what is sealed in it.
const BOX_HEADS: u64 = 1_200;

/// Days that are swept: a bridge that was off for longer leaves some rows behind.
const DAYS_SWEPT: u32 = 45;

/// A box, or what is remembered of one that was handed on.
#[derive(Clone, Debug, Encode, Decode)]
struct QueueRow {
    /// Whose it is.
    #[n(0)]
    mailbox: B32,
    /// Which bridge it is for.
    #[n(1)]
    to: B32,
    /// Until when it is tried: unix seconds.
    #[n(2)]
    until: u64,
    /// Its place in the queue for that bridge.
    #[n(3)]
    place: u64,
    /// The box, until it was answered.
    #[n(4)]
    forward: Option<Box<Forward>>,
}

/// Bytes that a box takes while it waits, about.
fn room_of(forward: &Forward) -> u64 {
    forward.sealed.len() as u64 + BOX_HEADS
}

fn queue_key(fid: &Hash16) -> Key {
    Key::one(Table::Queue, fid.0)
}

fn place_key(to: &B32, place: u64) -> Key {
    Key::new(Table::QueueTo, to.0, place.to_be_bytes())
}

fn done_key(day: u32, fid: &Hash16) -> Key {
    Key::new(Table::QueueTo, day.to_be_bytes(), fid.0)
}

impl Host<'_, '_> {
    /// Keeps a box to hand it on, and promises that.
    pub(super) fn queue(
        &mut self,
        from: &Peer,
        mailbox: &B32,
        forward: Box<Forward>,
    ) -> Result<(), StoreError> {
        let (fid, to, until) = (forward.fid(), forward.to, forward.until);
        if let Some(row) = self.tx.row::<QueueRow>(&queue_key(&fid))? {
            self.promise(from, fid, row.until);
            return Ok(());
        }
        let now = secs(self.now);
        if !self.rules.forward || to == self.id() {
            return self.not_queued(from, fid, Why::Closed);
        }
        if until <= now || until > now + FORWARD_AHEAD_S {
            return self.not_queued(from, fid, Why::Until);
        }
        let Some(mut known) = known::get(self.tx, &to)? else {
            return self.not_queued(from, fid, Why::UnknownBridge);
        };
        let Some(mut owner) = self.mailbox(mailbox)? else {
            return self.not_queued(from, fid, Why::Proof);
        };
        let room = room_of(&forward);
        let all = counts(self.tx)?;
        let held = Rows(self.tx).usage(mailbox)?.blocks;
        // Each box has an answer in the end, which lies in the mailbox until it is fetched.
        if owner.queued >= QUEUED_PER_MAILBOX_MAX
            || held + u64::from(owner.queued) >= MAILBOX_BLOCKS_MAX
            || known.queue.waiting >= QUEUED_PER_BRIDGE_MAX
            || all.bytes + all.queued_bytes + room > self.rules.quota_bytes
        {
            return self.not_queued(from, fid, Why::Full);
        }
        let row = QueueRow {
            mailbox: *mailbox,
            to,
            until,
            place: known.queue.next,
            forward: Some(forward),
        };
        self.tx.put(queue_key(&fid), &row);
        self.tx.put(place_key(&to, row.place), &fid);
        known.queue.next += 1;
        known.queue.waiting += 1;
        known::put(self.tx, &to, &known);
        owner.queued += 1;
        self.put_mailbox(mailbox, &owner);
        self.count(|counts| {
            counts.queued += 1;
            counts.queued_bytes += room;
        })?;
        self.promise(from, fid, until);
        self.hand_on(&to)
    }

    fn promise(&mut self, to: &Peer, fid: Hash16, until: u64) {
        let promise = Queued { fid, until };
        let signed = Signed::make(derive::SIG_QUEUED, &self.own.key, &promise);
        self.tell(to, Tell::Queued(signed));
    }

    pub(super) fn not_queued(
        &mut self,
        to: &Peer,
        fid: Hash16,
        why: Why,
    ) -> Result<(), StoreError> {
        self.refused(why)?;
        self.tell(to, Tell::NotQueued(fid, why));
        Ok(())
    }

    /// Writes what waits for a bridge to its connection; reaches for it if there is none.
    pub(super) fn hand_on(&mut self, to: &B32) -> Result<(), StoreError> {
        let Some(mut known) = known::get(self.tx, to)? else {
            return Ok(());
        };
        let Some(peer) = self.reached(&known)? else {
            if known.queue.attend_at.is_none() {
                self.dial_later(to, &mut known, true);
                known::put(self.tx, to, &known);
            }
            return Ok(());
        };
        let room = FORWARDS_FLYING_MAX.saturating_sub(known.queue.flying) as usize;
        let span = Span::all(Table::QueueTo, to.0, room).from(known.queue.cursor.to_be_bytes());
        for (suffix, fid) in self.tx.rows::<Hash16>(&span)? {
            known.queue.cursor = suffix_u64(&suffix) + 1;
            let row: Option<QueueRow> = self.tx.row(&queue_key(&fid))?;
            if let Some(forward) = row.and_then(|row| row.forward) {
                known.queue.flying += 1;
                self.over(&peer, Over::Forward(forward));
            }
        }
        if known.queue.attend_at.is_none() && known.queue.waiting > 0 {
            self.dial_later(to, &mut known, false);
        }
        known::put(self.tx, to, &known);
        Ok(())
    }

    /// The peer of a bridge, if it is connected.
    fn reached(&self, known: &KnownRow) -> Result<Option<Peer>, StoreError> {
        let damaged = |_| StoreError::Damaged(Table::Known);
        let said: super::descriptor::Descriptor = known.descriptor.peek().map_err(damaged)?;
        Ok((self.online)(self.tx, &said.peer)?.then_some(said.peer))
    }

    fn dial_later(&mut self, to: &B32, known: &mut KnownRow, dial: bool) {
        if dial {
            self.dials.push(*to);
        }
        let at = self.now + retry_ms(known.queue.tries);
        known.queue.tries = known.queue.tries.saturating_add(1);
        known.queue.attend_at = Some(at);
        self.later.push((at, Later::Queue(*to)));
    }

    /// A bridge is connected, anew: everything that waits for it is written again.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn reached_bridge(&mut self, bridge: &B32) -> Result<(), StoreError> {
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return Ok(());
        };
        known.queue.cursor = 0;
        known.queue.flying = 0;
        known.queue.tries = 0;
        // What was asked over an earlier connection may have ended with it.
        known.asked_at = 0;
        known::put(self.tx, bridge, &known);
        if !known.asking.is_empty() {
            self.ask_keys(bridge)?;
        }
        self.hand_on(bridge)
    }

    /// Looks after the queue for a bridge: gives up what is too old, tries again.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn look_at_queue(&mut self, bridge: &B32, set: Millis) -> Result<(), StoreError> {
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return Ok(());
        };
        if known.queue.attend_at != Some(set) {
            return Ok(());
        }
        known.queue.attend_at = None;
        known::put(self.tx, bridge, &known);
        let now = secs(self.now);
        let span = Span::all(Table::QueueTo, bridge.0, SWEEP_ROWS);
        for (_, fid) in self.tx.rows::<Hash16>(&span)? {
            let row: Option<QueueRow> = self.tx.row(&queue_key(&fid))?;
            if row.is_some_and(|row| now > row.until.saturating_add(FORWARD_GRACE_S)) {
                self.settle(bridge, fid, None)?;
            }
        }
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return Ok(());
        };
        if known.queue.waiting == 0 && known.asking.is_empty() {
            return Ok(());
        }
        let reached = self.reached(&known)?.is_some();
        if reached && known.queue.tries > 1 {
            // Whatever had no answer for so long is written again.
            known.queue.cursor = 0;
            known.queue.flying = 0;
        }
        self.dial_later(bridge, &mut known, !reached);
        known::put(self.tx, bridge, &known);
        if !reached {
            return Ok(());
        }
        if !known.asking.is_empty() {
            self.ask_keys(bridge)?;
        }
        self.hand_on(bridge)
    }

    /// What a bridge made of a box: its sealed answer, or nothing. Says whether it was a box of
    /// ours.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn answered(
        &mut self,
        from: &Peer,
        fid: Hash16,
        reply: Option<Blob>,
    ) -> Result<bool, StoreError> {
        let Some(row) = self.tx.row::<QueueRow>(&queue_key(&fid))? else {
            return Ok(false);
        };
        let bridge = row.to;
        if !known::is_peer(self.tx, &bridge, from)? {
            return Ok(false);
        }
        let mine = self.settle(&bridge, fid, reply)?;
        if mine {
            self.hand_on(&bridge)?;
        }
        Ok(mine)
    }

    /// A box has its end: the answer goes into its sender's mailbox.
    fn settle(
        &mut self,
        bridge: &B32,
        fid: Hash16,
        reply: Option<Blob>,
    ) -> Result<bool, StoreError> {
        let Some(mut row) = self.tx.row::<QueueRow>(&queue_key(&fid))? else {
            return Ok(false);
        };
        if row.to != *bridge || row.forward.is_none() {
            return Ok(row.to == *bridge);
        }
        let room = row.forward.take().map_or(0, |forward| room_of(&forward));
        self.tx.put(queue_key(&fid), &row);
        self.tx.delete(place_key(bridge, row.place));
        self.tx.put(done_key(day(self.now), &fid), &());
        if let Some(mut known) = known::get(self.tx, bridge)? {
            known.queue.waiting = known.queue.waiting.saturating_sub(1);
            known.queue.tries = 0;
            if row.place < known.queue.cursor {
                known.queue.flying = known.queue.flying.saturating_sub(1);
            }
            known::put(self.tx, bridge, &known);
        }
        let forwarded = u64::from(reply.is_some());
        self.count(|counts| {
            counts.queued = counts.queued.saturating_sub(1);
            counts.queued_bytes = counts.queued_bytes.saturating_sub(room);
            counts.forwards += forwarded;
        })?;
        let Some(mut owner) = self.mailbox(&row.mailbox)? else {
            return Ok(true);
        };
        owner.queued = owner.queued.saturating_sub(1);
        self.put_mailbox(&row.mailbox, &owner);
        let block = match reply {
            Some(reply) => Block::Reply(fid, reply),
            None => Block::GaveUp(fid),
        };
        let block = block.to_bytes();
        let now = secs(self.now);
        let held = Held {
            id: hash16(&block),
            block: Blob(block),
            received: now,
            until: now + secs(FORWARD_KEEP_MS),
        };
        self.hold(&row.mailbox, held)?;
        Ok(true)
    }

    /// Forgets boxes that were handed on long ago; says whether there are more.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn forget_handed_on(&mut self) -> Result<bool, StoreError> {
        let keep = u32::try_from(FORWARD_KEEP_MS / DAY_MS).unwrap_or(u32::MAX);
        let today = day(self.now);
        for back in keep + 1..keep + DAYS_SWEPT {
            let scope = today.saturating_sub(back).to_be_bytes();
            let rows = self.tx.scan_keys(Table::QueueTo, &scope, SWEEP_ROWS)?;
            let more = rows.len() == SWEEP_ROWS;
            for suffix in rows {
                if let Some(fid) = Hash16::from_slice(&suffix) {
                    self.tx.delete(queue_key(&fid));
                }
                self.tx.delete(Key::new(Table::QueueTo, scope, suffix));
            }
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A bridge that a device tells of.
    pub(super) fn know(&mut self, from: &Peer, signed: &Signed) -> Result<(), StoreError> {
        let why = match known::learn(self.tx, signed, known::By::Other)? {
            Ok(Some(_)) => Why::Ok,
            Ok(None) => Why::Full,
            Err(_) => Why::Malformed,
        };
        self.result(from, ask::KNOW, why)
    }

    /// Gives the keys of a bridge, asking it first if they are not here.
    pub(super) fn keys_of(&mut self, from: &Peer, bridge: &B32) -> Result<(), StoreError> {
        if *bridge == self.id() {
            if let Some(signed) = self.keys()? {
                self.tell(from, Tell::Keys(signed));
            }
            return Ok(());
        }
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return self.result(from, ask::KEYS_OF, Why::UnknownBridge);
        };
        if let Some((keys, signed)) = known.keys_for(day(self.now))
            && keys.day == day(self.now)
        {
            let signed = signed.clone();
            self.tell(from, Tell::Keys(signed));
            return Ok(());
        }
        known.asks(from);
        known::put(self.tx, bridge, &known);
        self.ask_keys(bridge)
    }

    fn ask_keys(&mut self, bridge: &B32) -> Result<(), StoreError> {
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return Ok(());
        };
        let peer = self.reached(&known)?;
        if let Some(peer) = &peer
            && known.ask_now(self.now)
        {
            self.over(peer, Over::KeysPlease);
        }
        if known.queue.attend_at.is_none() {
            self.dial_later(bridge, &mut known, peer.is_none());
        }
        known::put(self.tx, bridge, &known);
        Ok(())
    }

    /// Keys of a bridge came: whoever asked for them gets them.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn keys_came(&mut self, bridge: &B32) -> Result<(), StoreError> {
        let Some(mut known) = known::get(self.tx, bridge)? else {
            return Ok(());
        };
        let asking: Vec<Peer> = core::mem::take(&mut known.asking);
        if asking.is_empty() {
            return Ok(());
        }
        known::put(self.tx, bridge, &known);
        let signed = known
            .keys_for(day(self.now))
            .map(|(_, signed)| signed.clone());
        if let Some(signed) = signed {
            for peer in asking {
                self.tell(&peer, Tell::Keys(signed.clone()));
            }
        }
        Ok(())
    }
}

/// Keeps the keys that a bridge says are its own; says which bridge that is, if they verify.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn take_keys(
    tx: &mut crate::store::Tx<'_>,
    bridge: &B32,
    signed: Signed,
) -> Result<bool, StoreError> {
    let Some(mut known) = known::get(tx, bridge)? else {
        return Ok(false);
    };
    let Ok(keys) = ForwardKeys::open(&signed, bridge) else {
        return Ok(false);
    };
    known.keep_keys(&keys, signed);
    known.asked_at = 0;
    known::put(tx, bridge, &known);
    Ok(true)
}
