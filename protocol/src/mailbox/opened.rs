//! Boxes opened: the keys of the day, and what was answered.

use super::block::day;
use super::descriptor::ForwardKeys;
use super::forward::{Forward, Request};
use super::host::Host;
use super::talk::Over;
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive;
use crate::crypto::kem::KemKey;
use crate::id::{Hash16, Peer};
use crate::identity::account::Signed;
use crate::limits::{
    FORWARD_AHEAD_S, FORWARD_GRACE_S, FORWARD_KEY_KEEP_S, OPENED_DAYS, SWEEP_ROWS,
};
use crate::store::{Key, ReadExt, Span, StoreError, Table};
use crate::time::{DAY_S, secs};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Days that are swept: a bridge that was off for longer leaves some rows behind.
const DAYS_SWEPT: u32 = 45;

#[derive(Clone, Debug, Encode, Decode)]
struct ForwardKeyRow {
    #[n(0)]
    x: AgreeKey,
    #[n(1)]
    kem: KemKey,
    #[n(2)]
    signed: Signed,
}

fn opened_key(day: u32, seal: &Hash16) -> Key {
    Key::new(Table::Opened, day.to_be_bytes(), seal.0)
}

impl Host<'_, '_> {
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
        for back in OPENED_DAYS..OPENED_DAYS + DAYS_SWEPT {
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
}
