//! A bridge's side: mailboxes for others, and boxes opened.
//!
//! It holds no state of its own. Whatever it says is said after what it did is durable: the
//! caller performs what is in [`Host::said`] once the transaction is.

use super::descriptor::Descriptor;
use super::talk::{Ask, Over, Tell, Why, ask, proves};
use crate::crypto::hash::hash16;
use crate::crypto::sign::SignKey;
use crate::id::{B32, Fixed, Peer};
use crate::identity::account::Signed;
use crate::limits::{CHALLENGE_S, SWEEP_ROWS};
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::{DAY_S, Millis, Secs, secs};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

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
    /// Bytes of boxes waiting now.
    #[n(10)]
    #[cbor(default)]
    pub queued_bytes: u64,
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

fn host_key() -> Key {
    Key::one(Table::Own, *b"bridge")
}

fn counts_key() -> Key {
    Key::one(Table::Meta, *b"bridge")
}

pub(super) fn mailbox_key(mailbox: &B32) -> Key {
    Key::one(Table::Mailbox, mailbox.0)
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
            return self.result(from, asked.number(), Why::Malformed);
        }
        let mailbox = match (&asked, self.proved(from)?) {
            // Whoever begins, or begins anew.
            (Ask::Hello(mailbox), _) => return self.hello(from, *mailbox),
            (Ask::Auth(time, sig), _) => {
                let why = self.authenticate(from, *time, sig)?;
                return self.result(from, ask::AUTH, why);
            }
            (_, Some(mailbox)) => mailbox,
            (Ask::Forward(forward), None) => {
                let fid = forward.fid();
                return self.not_queued(from, fid, Why::Proof);
            }
            (asked, None) => return self.result(from, asked.number(), Why::Proof),
        };
        match asked {
            Ask::Hello(_) | Ask::Auth(..) => Ok(()),
            Ask::Register(tags, until) => {
                let why = self.register(&mailbox, &tags, until)?;
                self.result(from, ask::REGISTER, why)
            }
            Ask::Fetch(after, limit) => self.fetch(from, &mailbox, after, limit),
            Ask::Ack(upto, ids) => self.acknowledge(&mailbox, upto, &ids),
            Ask::SetCookie(cookie) => {
                if let Some(mut row) = self.mailbox(&mailbox)? {
                    row.cookie = cookie;
                    self.put_mailbox(&mailbox, &row);
                }
                self.result(from, ask::SET_COOKIE, Why::Ok)
            }
            Ask::Forward(forward) => self.queue(from, &mailbox, forward),
            Ask::KeysOf(bridge) => self.keys_of(from, &bridge),
            Ask::Know(signed) => self.know(from, &signed),
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
