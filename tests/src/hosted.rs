//! What a bridge may hold: nothing that says who writes to whom, nothing twice, nothing beyond its
//! bounds. Looked at in every batch, before the disk seals it.

use crate::person::Who;
use crate::report::stamp;
use crate::secrets::Needles;
use crate::world::World;
use std::collections::BTreeMap;
use waxwing_protocol::limits::{MAILBOX_BLOCKS_MAX, MAILBOX_BYTES_MAX, QUEUED_PER_MAILBOX_MAX};
use waxwing_protocol::mailbox::block::Block;
use waxwing_protocol::mailbox::blocks::Held;
use waxwing_protocol::query;
use waxwing_protocol::store::{Batch, Key, Table};
use waxwing_protocol::time::{DAY_MS, HOUR_MS, Millis};
use waxwing_protocol::wire::codec::decode;

/// A tag is used for a day, by clocks that are a little wrong.
const TAG_LIVES_MS: Millis = DAY_MS + HOUR_MS;
/// Bytes that are compared; chance does not repeat them.
const HEAD_BYTES: usize = 16;
/// In every long text of a storm.
const FILLER: &str = "lorem ipsum dolor sit amet";

/// A block as its bridge counts it.
#[derive(Clone, Copy, Debug)]
struct Counted {
    bytes: u64,
    /// Left by somebody; otherwise an answer that the bridge itself has put there.
    left: bool,
}

/// Where a value was seen first.
#[derive(Clone, Debug)]
struct Seen {
    bridge: Who,
    block: Vec<u8>,
    at: Millis,
}

/// What bridges were seen to hold.
#[derive(Default)]
pub struct Hosted {
    blocks: BTreeMap<(Who, Key), Counted>,
    values: BTreeMap<Vec<u8>, Seen>,
    tags: BTreeMap<Vec<u8>, Seen>,
    needles: Needles,
    /// People whose marks are among the needles.
    known: Vec<Who>,
    /// Looked for everywhere but in the tables of who is connected.
    peers: Needles,
}

impl World {
    /// A bridge is about to make a batch durable.
    pub(crate) fn watch_batch(&mut self, who: Who, batch: &Batch) {
        if !self.is_bridge(who) {
            return;
        }
        self.learn_needles();
        let mut touched = false;
        for (key, value) in batch {
            if let Some(value) = value {
                self.look_for_needles(who, key, value);
            }
            if key.table() == Table::Block {
                touched = true;
                self.count_block(who, key, value.as_ref().map(|value| &value[..]));
            }
        }
        if touched {
            self.check_quota(who);
        }
    }

    /// Whatever names a person: everybody who has an account by now and is no bridge.
    fn learn_needles(&mut self) {
        for who in self.humans() {
            if self.hosted.known.contains(&who) || self.people[who].account.is_none() {
                continue;
            }
            let store = &self.people[who].store;
            let (Ok(Some(me)), Ok(Some(seed)), Ok(Some(words))) = (
                query::me(store),
                query::network_seed(store),
                query::words(store),
            ) else {
                continue;
            };
            let hosted = &mut self.hosted;
            if hosted.known.is_empty() {
                hosted.needles.bytes("a text", FILLER.as_bytes());
            }
            hosted.needles.bytes("an account id", &me.account.0);
            hosted.needles.bytes("an address", me.address.as_bytes());
            hosted.needles.bytes("a device id", &me.device.0);
            hosted.needles.bytes("a secret key", seed.expose());
            hosted.needles.bytes("recovery words", words.as_bytes());
            if me.name.len() >= HEAD_BYTES {
                hosted.needles.bytes("a name", me.name.as_bytes());
            }
            hosted.peers.bytes("a peer", &me.peer.0);
            hosted.known.push(who);
        }
    }

    fn look_for_needles(&mut self, who: Who, key: &Key, value: &[u8]) {
        let table = key.table();
        // Whoever is connected is known to be connected; nothing else may hold that.
        let knows_peers = matches!(
            table,
            Table::Online | Table::Caller | Table::Mailbox | Table::Known
        );
        let hay = [key.scope(), key.suffix(), value];
        let mut found: Vec<String> = Vec::new();
        for part in hay {
            let all = [
                Some(&self.hosted.needles),
                (!knows_peers).then_some(&self.hosted.peers),
            ];
            for needles in all.into_iter().flatten() {
                found.extend(needles.find(part).into_iter().map(str::to_owned));
            }
        }
        for what in found {
            self.violation("bridge_knows", who, format!("{what} in {table:?}"));
        }
    }

    fn count_block(&mut self, who: Who, key: &Key, value: Option<&[u8]>) {
        let place = (who, key.clone());
        let Some(value) = value else {
            self.hosted.blocks.remove(&place);
            return;
        };
        let held = decode::<Held>(value);
        let block = held
            .as_ref()
            .ok()
            .map(|held| (held, Block::read(&held.block)));
        let Some((held, Ok(block))) = block else {
            return self.violation("bad_block", who, format!("{key:?}"));
        };
        let counted = Counted {
            bytes: held.block.len() as u64,
            left: matches!(block, Block::Envelope(..)),
        };
        self.hosted.blocks.insert(place, counted);
        if let Block::Envelope(tag, nonce, ct) = block {
            let id = held.id.0.to_vec();
            self.see_once(who, "a nonce", &nonce.0, &id);
            self.see_once(who, "a ciphertext", &ct, &id);
            self.see_tag(who, &tag.0, &id);
        }
    }

    fn seen(&self, who: Who, block: &[u8]) -> Seen {
        Seen {
            bridge: who,
            block: block.to_vec(),
            at: self.now,
        }
    }

    /// No two blocks share it, wherever they are.
    fn see_once(&mut self, who: Who, what: &str, value: &[u8], block: &[u8]) {
        let new = self.seen(who, block);
        let head = value[..HEAD_BYTES.min(value.len())].to_vec();
        let old = self.hosted.values.entry(head).or_insert(new);
        if old.bridge != who || old.block != block {
            let (at, other) = (stamp(old.at), old.bridge);
            let other = self.name(other);
            let detail = format!("{what} was in another block at {other}, {at}");
            self.violation("linked", who, detail);
        }
    }

    /// Blocks under one tag are of one day and at one bridge.
    fn see_tag(&mut self, who: Who, tag: &[u8], block: &[u8]) {
        let new = self.seen(who, block);
        let old = self.hosted.tags.entry(tag.to_vec()).or_insert(new);
        if old.bridge != who || self.now > old.at + TAG_LIVES_MS {
            let (at, other) = (stamp(old.at), old.bridge);
            let other = self.name(other);
            let detail = format!("a tag was used at {other} before, {at}");
            self.violation("linked", who, detail);
        }
    }

    fn check_quota(&mut self, who: Who) {
        let quota = self.people[who].settings.bridge.as_ref();
        let quota = quota.map_or(0, |settings| settings.quota_bytes);
        // Of a mailbox: blocks and bytes that were left, answers.
        let mut mailboxes: BTreeMap<&[u8], (u64, u64, u64)> = BTreeMap::new();
        for ((_, key), counted) in self.hosted.blocks.iter().filter(|((by, _), _)| *by == who) {
            let entry = mailboxes.entry(key.scope()).or_default();
            if counted.left {
                entry.0 += 1;
                entry.1 += counted.bytes;
            } else {
                entry.2 += 1;
            }
        }
        let all: u64 = mailboxes.values().map(|(_, bytes, _)| bytes).sum();
        let over = mailboxes.values().any(|(blocks, bytes, answers)| {
            *blocks > MAILBOX_BLOCKS_MAX
                || *bytes > MAILBOX_BYTES_MAX
                || *answers > u64::from(QUEUED_PER_MAILBOX_MAX)
        });
        if over || all > quota {
            self.violation("over_quota", who, format!("{all} bytes of {quota}"));
        }
    }

    /// What a bridge says of itself is what its rows say.
    pub(crate) fn check_counts(&mut self, who: Who) {
        let store = &self.people[who].store;
        let Ok(Some(view)) = query::bridge(store) else {
            return;
        };
        let rows = crate::rows::count(store);
        let rows = |table| rows.get(&table).copied().unwrap_or(0);
        let bytes: u64 = {
            let blocks = self.hosted.blocks.iter().filter(|((by, _), _)| *by == who);
            blocks.map(|(_, counted)| counted.bytes).sum()
        };
        let said = [view.blocks, view.bytes, view.tags];
        let there = [rows(Table::Block), bytes, rows(Table::Tag)];
        if said != there {
            let detail = format!("blocks, bytes, tags: says {said:?}, there are {there:?}");
            self.violation("miscounted", who, detail);
        }
    }
}
