//! A bridge's side: mailboxes for others, and boxes opened.
//!
//! It holds no state of its own. Whatever it says is said after what it did is durable: the
//! caller performs what is in [`Host::said`] once the transaction is.

use super::block::{Block, day};
use super::blocks::{BlockStore, Held, Put, Rows};
use super::descriptor::{Custody, Descriptor, ForwardKeys};
use super::forward::{Answer, Forward, Request};
use super::talk::{Ask, Over, Tell, Why, ask, proves};
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive;
use crate::crypto::hash::{hash16, sha256};
use crate::crypto::kem::KemKey;
use crate::crypto::sign::SignKey;
use crate::id::{B32, Fixed, Hash16, Peer, Tag};
use crate::identity::account::Signed;
use crate::limits::{
    BLOCK_LIFE_S, CHALLENGE_S, FETCH_BLOCKS_MAX, FORWARD_AHEAD_S, FORWARD_GRACE_S,
    FORWARD_KEY_KEEP_S, FRAME_BYTES_MAX, MAILBOX_BLOCKS_MAX, MAILBOX_BYTES_MAX, MAILBOX_KEEP_S,
    OPENED_DAYS, SWEEP_ROWS, TAG_BLOCKS_MAX, TAG_BYTES_MAX, TAG_UNTIL_S_MAX, TAGS_PER_MAILBOX_MAX,
};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::time::{DAY_S, HOUR_S, Millis, Secs, secs};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// Room that blocks leave for their numbers and heads in one frame.
const FETCH_BYTES: usize = FRAME_BYTES_MAX - 2_048;

/// What this bridge is set to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Hold blocks.
    pub mailbox: bool,
    /// Hand boxes on.
    pub forward: bool,
    /// Bytes of blocks in all.
    pub quota_bytes: u64,
}

/// What is said to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Say {
    /// To a bridge that keeps a mailbox of ours.
    Ask(Ask),
    /// To a device that keeps one here.
    Tell(Tell),
    /// Between bridges, or bringing a box oneself.
    Over(Over),
}

/// What is to be looked at later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Later {
    /// A mailbox: what expired in it.
    Mailbox(B32),
    /// The queue of boxes for a bridge.
    Queue(B32),
}

/// This bridge's own keys.
#[derive(Clone, Debug, Encode, Decode)]
pub struct HostRow {
    /// Signs for the bridge; its public half is the bridge's id.
    #[n(0)]
    pub key: SignKey,
    /// Newest descriptor.
    #[n(1)]
    pub descriptor: Option<Signed>,
}

/// What was counted since the home was made, and what there is.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Counts {
    /// Mailboxes now.
    #[n(0)]
    pub mailboxes: u64,
    /// Tags now.
    #[n(1)]
    pub tags: u64,
    /// Blocks now.
    #[n(2)]
    pub blocks: u64,
    /// Their bytes.
    #[n(3)]
    pub bytes: u64,
    /// Blocks taken.
    #[n(4)]
    pub deposits: u64,
    /// Blocks handed over.
    #[n(5)]
    pub collects: u64,
    /// Boxes handed on.
    #[n(6)]
    pub forwards: u64,
    /// Boxes waiting now.
    #[n(7)]
    pub queued: u64,
    /// Refusals, by reason.
    #[n(8)]
    pub refused: Vec<(Why, u64)>,
    /// Deposits under a tag that nobody registered.
    #[n(9)]
    pub not_here: u64,
}

/// A mailbox.
#[derive(Clone, Debug, Encode, Decode)]
pub struct MailboxRow {
    /// When its device was last here: unix seconds.
    #[n(0)]
    pub seen: Secs,
    /// Its tags.
    #[n(1)]
    pub tags: u64,
    /// Boxes of its device that wait to be handed on.
    #[n(2)]
    pub queued: u32,
    /// What the device left.
    #[n(3)]
    pub cookie: Blob,
    /// The run of this node and the peer through which the device speaks.
    #[n(4)]
    pub caller: Option<(u64, Peer)>,
    /// Number of the next tag in the order of their ends.
    #[n(5)]
    pub tag_no: u64,
}

#[derive(Clone, Debug, Encode, Decode)]
struct TagRow {
    #[n(0)]
    mailbox: B32,
    #[n(1)]
    until: Secs,
    #[n(2)]
    blocks: u32,
    #[n(3)]
    bytes: u64,
}

/// Who speaks to this bridge over one connection.
#[derive(Clone, Debug, Encode, Decode)]
struct CallerRow {
    /// The mailbox that it claims to hold the key of.
    #[n(0)]
    claims: B32,
    #[n(1)]
    nonce: B32,
    #[n(2)]
    time: Secs,
    #[n(3)]
    proved: bool,
}

#[derive(Clone, Debug, Encode, Decode)]
struct ForwardKeyRow {
    #[n(0)]
    x: AgreeKey,
    #[n(1)]
    kem: KemKey,
    #[n(2)]
    signed: Signed,
}

fn host_key() -> Key {
    Key::one(Table::Own, *b"bridge")
}

fn counts_key() -> Key {
    Key::one(Table::Meta, *b"bridge")
}

pub(super) fn mailbox_key(mailbox: &B32) -> Key {
    Key::one(Table::Mailbox, mailbox.0)
}

fn tag_key(tag: &Tag) -> Key {
    Key::one(Table::Tag, tag.0)
}

/// This bridge's keys and descriptor, once it was started as one.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn own(store: &(impl ReadExt + ?Sized)) -> Result<Option<HostRow>, StoreError> {
    store.row(&host_key())
}

/// Writes them back.
pub fn put_own(tx: &mut Tx<'_>, row: &HostRow) {
    tx.put(host_key(), row);
}

/// What was counted.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn counts(store: &(impl ReadExt + ?Sized)) -> Result<Counts, StoreError> {
    Ok(store.row(&counts_key())?.unwrap_or_default())
}

/// A bridge at work on one input.
pub struct Host<'c, 't> {
    /// Reads and writes.
    pub tx: &'c mut Tx<'t>,
    /// Unix milliseconds.
    pub now: Millis,
    /// Randomness.
    pub rng: &'c mut dyn CryptoRng,
    /// What it is set to do.
    pub rules: Rules,
    /// Its keys.
    pub own: HostRow,
    /// Number of this run of the node.
    pub run: u64,
    /// Whether a peer is connected.
    pub online: fn(&Tx<'_>, &Peer) -> Result<bool, StoreError>,
    /// What is to be said once all is durable.
    pub said: Vec<(Peer, Say)>,
    /// Bridges to reach for.
    pub dials: Vec<B32>,
    /// What is to be looked at later.
    pub later: Vec<(Millis, Later)>,
}

impl Host<'_, '_> {
    /// Its id.
    pub fn id(&self) -> B32 {
        self.own.key.public()
    }

    pub(super) fn tell(&mut self, peer: &Peer, tell: Tell) {
        self.said.push((*peer, Say::Tell(tell)));
    }

    pub(super) fn over(&mut self, peer: &Peer, over: Over) {
        self.said.push((*peer, Say::Over(over)));
    }

    pub(super) fn count(&mut self, with: impl FnOnce(&mut Counts)) -> Result<(), StoreError> {
        let mut counts = counts(self.tx)?;
        with(&mut counts);
        self.tx.put(counts_key(), &counts);
        Ok(())
    }

    pub(super) fn refused(&mut self, why: Why) -> Result<(), StoreError> {
        self.count(
            |counts| match counts.refused.iter_mut().find(|(w, _)| *w == why) {
                Some((_, count)) => *count += 1,
                None => counts.refused.push((why, 1)),
            },
        )
    }

    fn caller_key(&self, peer: &Peer) -> Key {
        // Keyed, so that the clear part of the key says nothing to whoever finds the disk.
        let name = hash16(&[&self.own.key.seed().expose()[..], &peer.0].concat());
        Key::new(Table::Caller, self.run.to_be_bytes(), name.0)
    }

    pub(super) fn mailbox(&self, mailbox: &B32) -> Result<Option<MailboxRow>, StoreError> {
        self.tx.row(&mailbox_key(mailbox))
    }

    pub(super) fn put_mailbox(&mut self, mailbox: &B32, row: &MailboxRow) {
        self.tx.put(mailbox_key(mailbox), row);
    }

    /// The mailbox whose key a caller has proved to hold.
    fn proved(&self, peer: &Peer) -> Result<Option<B32>, StoreError> {
        let caller: Option<CallerRow> = self.tx.row(&self.caller_key(peer))?;
        Ok(caller.filter(|caller| caller.proved).map(|c| c.claims))
    }

    /// A connection came or went: whoever speaks over it proves itself anew.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn forget_caller(&mut self, peer: &Peer) -> Result<(), StoreError> {
        let Some(mailbox) = self.proved(peer)? else {
            self.tx.delete(self.caller_key(peer));
            return Ok(());
        };
        self.tx.delete(self.caller_key(peer));
        if let Some(mut row) = self.mailbox(&mailbox)?
            && row.caller.is_some_and(|(_, caller)| caller == *peer)
        {
            row.caller = None;
            self.put_mailbox(&mailbox, &row);
        }
        Ok(())
    }

    /// Callers of an earlier run; says whether there are more.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn forget_run(&mut self, run: u64) -> Result<bool, StoreError> {
        let scope = run.to_be_bytes();
        let rows = self.tx.scan_keys(Table::Caller, &scope, SWEEP_ROWS)?;
        let more = rows.len() == SWEEP_ROWS;
        for suffix in rows {
            self.tx.delete(Key::new(Table::Caller, scope, suffix));
        }
        Ok(more)
    }

    /// Takes what a device asks about its mailbox.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn asked(&mut self, from: &Peer, asked: Ask) -> Result<(), StoreError> {
        if !asked.fits() {
            let number = match &asked {
                Ask::Register(..) => ask::REGISTER,
                Ask::Ack(..) => ask::ACK,
                _ => ask::SET_COOKIE,
            };
            return self.result(from, number, Why::Malformed);
        }
        match asked {
            Ask::Hello(mailbox) => self.hello(from, mailbox),
            Ask::Auth(time, sig) => {
                let why = self.authenticate(from, time, &sig)?;
                self.result(from, ask::AUTH, why)
            }
            Ask::KeysOf(bridge) => self.keys_of(from, &bridge),
            Ask::Know(signed) => self.know(from, &signed),
            Ask::Register(tags, until) => match self.proved(from)? {
                Some(mailbox) => {
                    let why = self.register(&mailbox, &tags, until)?;
                    self.result(from, ask::REGISTER, why)
                }
                None => self.result(from, ask::REGISTER, Why::Proof),
            },
            Ask::Fetch(after, limit) => match self.proved(from)? {
                Some(mailbox) => self.fetch(from, &mailbox, after, limit),
                None => self.result(from, ask::FETCH, Why::Proof),
            },
            Ask::Ack(upto, ids) => match self.proved(from)? {
                Some(mailbox) => self.acknowledge(&mailbox, upto, &ids),
                None => self.result(from, ask::ACK, Why::Proof),
            },
            Ask::SetCookie(cookie) => match self.proved(from)? {
                Some(mailbox) => {
                    if let Some(mut row) = self.mailbox(&mailbox)? {
                        row.cookie = cookie;
                        self.put_mailbox(&mailbox, &row);
                    }
                    self.result(from, ask::SET_COOKIE, Why::Ok)
                }
                None => self.result(from, ask::SET_COOKIE, Why::Proof),
            },
            Ask::Forward(forward) => match self.proved(from)? {
                Some(mailbox) => self.queue(from, &mailbox, forward),
                None => {
                    let fid = forward.fid();
                    self.not_queued(from, fid, Why::Proof)
                }
            },
        }
    }

    pub(super) fn result(&mut self, to: &Peer, of: u8, why: Why) -> Result<(), StoreError> {
        if why != Why::Ok {
            self.refused(why)?;
        }
        self.tell(to, Tell::Result(of, why));
        Ok(())
    }

    fn hello(&mut self, from: &Peer, mailbox: B32) -> Result<(), StoreError> {
        self.forget_caller(from)?;
        let caller = CallerRow {
            claims: mailbox,
            nonce: Fixed::random(self.rng),
            time: secs(self.now),
            proved: false,
        };
        // Whoever only claims the key learns no cookie: it is sealed, but a mark of the device.
        let cookie = Blob(Vec::new());
        self.tell(from, Tell::Challenge(caller.nonce, caller.time, cookie));
        self.tx.put(self.caller_key(from), &caller);
        Ok(())
    }

    fn authenticate(
        &mut self,
        from: &Peer,
        time: Secs,
        sig: &crate::crypto::sign::Sig,
    ) -> Result<Why, StoreError> {
        let Some(mut caller) = self.tx.row::<CallerRow>(&self.caller_key(from))? else {
            return Ok(Why::Proof);
        };
        let now = secs(self.now);
        if time != caller.time || now > time.saturating_add(CHALLENGE_S) {
            return Ok(Why::Clock);
        }
        let mailbox = caller.claims;
        if !proves(&mailbox, &self.id(), &caller.nonce, time, sig) {
            return Ok(Why::Proof);
        }
        let mut row = match self.mailbox(&mailbox)? {
            Some(row) => row,
            None if !self.rules.mailbox && !self.rules.forward => return Ok(Why::Closed),
            None => {
                self.count(|counts| counts.mailboxes += 1)?;
                let soon = self.now + DAY_S * 1_000;
                self.later.push((soon, Later::Mailbox(mailbox)));
                MailboxRow {
                    seen: now,
                    tags: 0,
                    queued: 0,
                    cookie: Blob(Vec::new()),
                    caller: None,
                    tag_no: 0,
                }
            }
        };
        row.seen = row.seen.max(now);
        row.caller = Some((self.run, *from));
        caller.proved = true;
        self.tx.put(self.caller_key(from), &caller);
        self.put_mailbox(&mailbox, &row);
        Ok(Why::Ok)
    }

    fn register(&mut self, mailbox: &B32, tags: &[Tag], until: Secs) -> Result<Why, StoreError> {
        if !self.rules.mailbox {
            return Ok(Why::Closed);
        }
        let now = secs(self.now);
        if until <= now || until > now + TAG_UNTIL_S_MAX {
            return Ok(Why::Until);
        }
        let Some(mut row) = self.mailbox(mailbox)? else {
            return Ok(Why::Proof);
        };
        if row.tags + tags.len() as u64 > TAGS_PER_MAILBOX_MAX {
            return Ok(Why::Full);
        }
        let mut new = 0;
        for tag in tags {
            let known: Option<TagRow> = self.tx.row(&tag_key(tag))?;
            if known.is_some() {
                // Ours, registered again after a lost answer; or somebody else's, who came first.
                continue;
            }
            let entry = TagRow {
                mailbox: *mailbox,
                until,
                blocks: 0,
                bytes: 0,
            };
            let end = [until.to_be_bytes(), row.tag_no.to_be_bytes()].concat();
            self.tx.put(tag_key(tag), &entry);
            self.tx.put(Key::new(Table::TagEnd, mailbox.0, end), tag);
            row.tag_no += 1;
            new += 1;
        }
        row.tags += new;
        self.put_mailbox(mailbox, &row);
        self.count(|counts| counts.tags += new)?;
        Ok(Why::Ok)
    }

    fn fetch(
        &mut self,
        from: &Peer,
        mailbox: &B32,
        after: u64,
        limit: u32,
    ) -> Result<(), StoreError> {
        let limit = limit.clamp(1, FETCH_BLOCKS_MAX) as usize;
        let blocks = Rows(self.tx);
        let (found, more) = blocks.fetch(mailbox, after, limit, FETCH_BYTES)?;
        let found = found.into_iter().map(|(number, held)| (number, held.block));
        let found = found.collect();
        self.tell(from, Tell::Blocks(found, more));
        Ok(())
    }

    fn acknowledge(&mut self, mailbox: &B32, upto: u64, ids: &[u64]) -> Result<(), StoreError> {
        let (blocks, bytes) = Rows(self.tx).acknowledge(mailbox, upto, ids, SWEEP_ROWS)?;
        self.count(|counts| {
            counts.blocks = counts.blocks.saturating_sub(blocks);
            counts.bytes = counts.bytes.saturating_sub(bytes);
            counts.collects += blocks;
        })
    }

    /// Opens a box, does what is asked in it once, and answers the same ever after.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn open(&mut self, from: &Peer, forward: &Forward) -> Result<bool, StoreError> {
        let fid = forward.fid();
        let now = secs(self.now);
        let in_time = now <= forward.until.saturating_add(FORWARD_GRACE_S)
            && forward.until <= now + FORWARD_AHEAD_S;
        if forward.to != self.id() || !forward.fits() || !in_time {
            self.over(from, Over::Unopened(fid));
            return Ok(false);
        }
        let seal = forward.seal_id();
        let today = day(self.now);
        for back in 0..OPENED_DAYS {
            let key = opened_key(today.saturating_sub(back), &seal);
            if let Some(reply) = self.tx.row::<Blob>(&key)? {
                self.over(from, Over::Reply(fid, reply));
                return Ok(true);
            }
        }
        let mut live = self.forward_keys()?;
        live.reverse();
        for keys in live {
            let Some((request, reply_key)) = forward.open(&keys.x, &keys.kem) else {
                continue;
            };
            let answer = match request {
                Request::Deposit(block, ttl) => self.deposit(block, ttl)?,
            };
            let reply = Blob(forward.reply(&reply_key, &answer, self.rng));
            self.tx.put(opened_key(today, &seal), &reply);
            self.over(from, Over::Reply(fid, reply));
            return Ok(true);
        }
        self.over(from, Over::Unopened(fid));
        Ok(false)
    }

    fn deposit(&mut self, block: Blob, ttl: Secs) -> Result<Answer, StoreError> {
        if !self.rules.mailbox {
            return Ok(Answer::NotHere);
        }
        let Ok(Block::Envelope(tag, _, _)) = Block::read(&block) else {
            self.refused(Why::Malformed)?;
            return Ok(Answer::NotHere);
        };
        let now = secs(self.now);
        let row: Option<TagRow> = self.tx.row(&tag_key(&tag))?;
        let Some(mut row) = row.filter(|row| row.until > now) else {
            self.count(|counts| counts.not_here += 1)?;
            return Ok(Answer::NotHere);
        };
        let mailbox = row.mailbox;
        let bytes = block.len() as u64;
        let usage = Rows(self.tx).usage(&mailbox)?;
        let all = counts(self.tx)?;
        let full = usage.blocks >= MAILBOX_BLOCKS_MAX
            || usage.bytes + bytes > MAILBOX_BYTES_MAX
            || row.blocks >= TAG_BLOCKS_MAX
            || row.bytes + bytes > TAG_BYTES_MAX
            || all.bytes + bytes > self.rules.quota_bytes;
        let id = hash16(&block);
        let hash = sha256(&block);
        let held = Held {
            block,
            id,
            received: now,
            until: now + ttl.min(BLOCK_LIFE_S),
        };
        let known = Rows(self.tx).find(&mailbox, &id)?;
        let (received, until) = match known {
            // The same block again, in another box: one copy, one promise.
            Some(known) => (known.received, known.until),
            None if full => {
                self.refused(Why::Full)?;
                return Ok(Answer::Full);
            }
            None => {
                let times = (held.received, held.until);
                self.hold(&mailbox, held)?;
                row.blocks += 1;
                row.bytes += bytes;
                self.tx.put(tag_key(&tag), &row);
                times
            }
        };
        let promise = Custody {
            bridge: self.id(),
            block: hash,
            received: received - received % HOUR_S,
            until,
        };
        let signed = Signed::make(derive::SIG_CUSTODY, &self.own.key, &promise);
        Ok(Answer::Held(signed))
    }

    /// Puts a block into a mailbox and tells its device, if that is there.
    pub(super) fn hold(&mut self, mailbox: &B32, held: Held) -> Result<(), StoreError> {
        let bytes = held.block.len() as u64;
        let Put::Stored(number) = Rows(self.tx).put(mailbox, held)? else {
            return Ok(());
        };
        self.count(|counts| {
            counts.blocks += 1;
            counts.bytes += bytes;
            counts.deposits += 1;
        })?;
        if let Some((run, caller)) = self.mailbox(mailbox)?.and_then(|row| row.caller)
            && run == self.run
        {
            // One word for all that came in this call, with the newest number.
            let same = |(peer, said): &(Peer, Say)| {
                *peer == caller && matches!(said, Say::Tell(Tell::New(_)))
            };
            self.said.retain(|said| !same(said));
            self.tell(&caller, Tell::New(number));
        }
        Ok(())
    }

    /// Looks at a mailbox: what has had its time goes, and the whole of it if nobody came for
    /// long. Says when to look again; `None` if it is gone.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn look(&mut self, mailbox: &B32) -> Result<Option<Millis>, StoreError> {
        let Some(mut row) = self.mailbox(mailbox)? else {
            return Ok(None);
        };
        let now = secs(self.now);
        let dead = now > row.seen.saturating_add(MAILBOX_KEEP_S);
        let until = if dead { Secs::MAX - 1 } else { now };
        let (blocks, bytes) = Rows(self.tx).expire(mailbox, until, SWEEP_ROWS)?;
        let end = until.saturating_add(1).to_be_bytes();
        let span = Span::all(Table::TagEnd, mailbox.0, SWEEP_ROWS).until(end);
        let ends = self.tx.rows::<Tag>(&span)?;
        let tags = ends.len() as u64;
        for (suffix, tag) in ends {
            self.tx.delete(tag_key(&tag));
            self.tx.delete(Key::new(Table::TagEnd, mailbox.0, suffix));
        }
        row.tags = row.tags.saturating_sub(tags);
        let more = blocks == SWEEP_ROWS as u64 || tags == SWEEP_ROWS as u64;
        let gone = dead && !more;
        self.count(|counts| {
            counts.blocks = counts.blocks.saturating_sub(blocks);
            counts.bytes = counts.bytes.saturating_sub(bytes);
            counts.tags = counts.tags.saturating_sub(tags);
            counts.mailboxes = counts.mailboxes.saturating_sub(u64::from(gone));
        })?;
        if gone {
            self.tx.delete(mailbox_key(mailbox));
            Rows(self.tx).forget(mailbox);
            return Ok(None);
        }
        self.put_mailbox(mailbox, &row);
        let wait = if more { 1 } else { DAY_S * 1_000 };
        Ok(Some(self.now + wait))
    }

    /// This bridge's keys for boxes, oldest first. Makes today's, erases those that have had
    /// their time.
    fn forward_keys(&mut self) -> Result<Vec<ForwardKeyRow>, StoreError> {
        let today = day(self.now);
        let span = Span::all(Table::ForwardKey, Vec::new(), 16);
        let mut live = Vec::new();
        let mut newest = None;
        for (suffix, row) in self.tx.rows::<ForwardKeyRow>(&span)? {
            let of = <[u8; 4]>::try_from(&suffix[..]).map_or(0, u32::from_be_bytes);
            let began = u64::from(of) * DAY_S;
            if secs(self.now) > began + FORWARD_KEY_KEEP_S {
                self.tx.delete(Key::new(Table::ForwardKey, [], suffix));
                continue;
            }
            newest = Some(of);
            live.push(row);
        }
        // A clock that was set back uses the keys of the later day until that comes.
        if newest.is_none_or(|newest| newest < today) {
            let (x, kem) = (AgreeKey::random(self.rng), KemKey::random(self.rng));
            let keys = ForwardKeys {
                bridge: self.id(),
                day: today,
                x: x.public(),
                kem: kem.public(),
            };
            let signed = Signed::make(derive::SIG_FORWARD_KEYS, &self.own.key, &keys);
            let row = ForwardKeyRow { x, kem, signed };
            let key = Key::new(Table::ForwardKey, [], today.to_be_bytes());
            self.tx.put(key, &row);
            live.push(row);
        }
        Ok(live)
    }

    /// The keys of the day, for whoever asks.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn keys(&mut self) -> Result<Option<Signed>, StoreError> {
        Ok(self.forward_keys()?.pop().map(|row| row.signed))
    }

    /// Forgets boxes that were opened long ago; says whether there are more.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn forget_opened(&mut self) -> Result<bool, StoreError> {
        self.forward_keys()?;
        let today = day(self.now);
        for back in OPENED_DAYS..OPENED_DAYS + 4 {
            let scope = today.saturating_sub(back).to_be_bytes();
            let rows = self.tx.scan_keys(Table::Opened, &scope, SWEEP_ROWS)?;
            let more = rows.len() == SWEEP_ROWS;
            for suffix in rows {
                self.tx.delete(Key::new(Table::Opened, scope, suffix));
            }
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes this bridge's descriptor anew if it says something else, or is old.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn describe(&mut self, wanted: Descriptor, refresh: Secs) -> Result<(), StoreError> {
        let now = secs(self.now);
        let old: Option<Descriptor> = self.own.descriptor.as_ref().and_then(|d| d.peek().ok());
        let mut seq = now;
        if let Some(old) = old {
            let same = Descriptor {
                seq: old.seq,
                expires: old.expires,
                ..wanted.clone()
            };
            if old == same && now < old.seq.saturating_add(refresh) && now < old.expires {
                return Ok(());
            }
            seq = seq.max(old.seq + 1);
        }
        let wanted = Descriptor {
            seq,
            expires: seq + crate::limits::DESCRIPTOR_LIFE_S,
            ..wanted
        };
        self.own.descriptor = Some(super::descriptor::sign(&self.own.key, &wanted));
        let row = self.own.clone();
        put_own(self.tx, &row);
        Ok(())
    }
}

fn opened_key(day: u32, seal: &Hash16) -> Key {
    Key::new(Table::Opened, day.to_be_bytes(), seal.0)
}
