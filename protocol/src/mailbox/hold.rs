//! Mailboxes: what is put in, fetched, acknowledged, and has had its time.

use super::block::Block;
use super::blocks::{BlockStore, Held, Put, Rows};
use super::descriptor::Custody;
use super::forward::Answer;
use super::host::{Host, Say, counts, mailbox_key};
use super::talk::{Tell, Why};
use crate::crypto::derive;
use crate::crypto::hash::{hash16, sha256};
use crate::id::{B32, Peer, Tag};
use crate::identity::account::Signed;
use crate::limits::{
    BLOCK_LIFE_S, FETCH_BLOCKS_MAX, FRAME_BYTES_MAX, MAILBOX_BLOCKS_MAX, MAILBOX_BYTES_MAX,
    MAILBOX_KEEP_S, SWEEP_ROWS, TAG_BLOCKS_MAX, TAG_BYTES_MAX, TAG_UNTIL_S_MAX,
    TAGS_PER_MAILBOX_MAX,
};
use crate::store::{Key, ReadExt, Span, StoreError, Table};
use crate::time::{DAY_S, HOUR_S, Millis, Secs, secs};
use crate::wire::codec::Blob;
use minicbor::{Decode, Encode};

/// Room that blocks leave for their numbers and heads in one frame.
const FETCH_BYTES: usize = FRAME_BYTES_MAX - 2_048;

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

fn tag_key(tag: &Tag) -> Key {
    Key::one(Table::Tag, tag.0)
}

impl Host<'_, '_> {
    pub(super) fn register(
        &mut self,
        mailbox: &B32,
        tags: &[Tag],
        until: Secs,
    ) -> Result<Why, StoreError> {
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

    pub(super) fn fetch(
        &mut self,
        from: &Peer,
        mailbox: &B32,
        after: u64,
        limit: u32,
    ) -> Result<(), StoreError> {
        let now = secs(self.now);
        if let Some(mut row) = self.mailbox(mailbox)?
            && now > row.seen.saturating_add(DAY_S)
        {
            row.seen = now;
            self.put_mailbox(mailbox, &row);
        }
        let limit = limit.clamp(1, FETCH_BLOCKS_MAX) as usize;
        let blocks = Rows(self.tx);
        let (found, more) = blocks.fetch(mailbox, after, limit, FETCH_BYTES)?;
        let found = found.into_iter().map(|(number, held)| (number, held.block));
        let found = found.collect();
        self.tell(from, Tell::Blocks(found, more));
        Ok(())
    }

    pub(super) fn acknowledge(
        &mut self,
        mailbox: &B32,
        upto: u64,
        ids: &[u64],
    ) -> Result<(), StoreError> {
        let (blocks, bytes) = Rows(self.tx).acknowledge(mailbox, upto, ids, SWEEP_ROWS)?;
        self.count(|counts| {
            counts.blocks = counts.blocks.saturating_sub(blocks);
            counts.bytes = counts.bytes.saturating_sub(bytes);
            counts.collects += blocks;
        })
    }

    pub(super) fn deposit(&mut self, block: Blob, ttl: Secs) -> Result<Answer, StoreError> {
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
            || all.bytes + all.queued_bytes + bytes > self.rules.quota_bytes;
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
}
