//! Other bridges: what they say of themselves, and their keys of the day.

use super::descriptor::{self, Descriptor, ForwardKeys};
use crate::id::{B32, DeviceId, Peer};
use crate::identity::account::{Signed, Untrusted};
use crate::identity::contact::ContactNo;
use crate::limits::BRIDGES_KNOWN_MAX;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::Millis;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Days of keys that are kept: yesterday's, today's, tomorrow's.
const KEYS_KEPT: usize = 3;
/// Callers that wait for a bridge's keys at once.
const ASKING_MAX: usize = 64;

/// A bridge that we know of.
#[derive(Clone, Debug, Encode, Decode)]
pub struct KnownRow {
    /// Newest descriptor.
    #[n(0)]
    pub descriptor: Signed,
    /// Verified keys, one a day.
    #[n(1)]
    pub keys: Vec<Signed>,
    /// When it was last asked for its keys.
    #[n(2)]
    pub asked_at: Millis,
    /// Callers who asked for its keys.
    #[n(3)]
    pub asking: Vec<Peer>,
    /// Devices whose letters wait for its keys, or for a connection to it.
    #[n(4)]
    pub wanting: Vec<(ContactNo, DeviceId)>,
    /// Where the queue of boxes for it stands.
    #[n(5)]
    pub queue: QueueState,
}

/// Where the queue of boxes for a bridge stands.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct QueueState {
    /// Next place.
    #[n(0)]
    pub next: u64,
    /// Next box to write to the current connection.
    #[n(1)]
    pub cursor: u64,
    /// Boxes before the cursor.
    #[n(2)]
    pub flying: u32,
    /// All boxes.
    #[n(3)]
    pub waiting: u64,
    /// Tries since it was last reached.
    #[n(4)]
    pub tries: u32,
    /// When it is looked after next.
    #[n(5)]
    pub attend_at: Option<Millis>,
}

fn known_key(bridge: &B32) -> Key {
    Key::one(Table::Known, bridge.0)
}

fn peer_key(peer: &Peer) -> Key {
    Key::one(Table::KnownPeer, peer.0)
}

/// A bridge by its id.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn get(store: &(impl ReadExt + ?Sized), bridge: &B32) -> Result<Option<KnownRow>, StoreError> {
    store.row(&known_key(bridge))
}

/// Writes a bridge back.
pub fn put(tx: &mut Tx<'_>, bridge: &B32, row: &KnownRow) {
    tx.put(known_key(bridge), row);
}

/// The bridge that a peer is.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_peer(store: &(impl ReadExt + ?Sized), peer: &Peer) -> Result<Option<B32>, StoreError> {
    store.row(&peer_key(peer))
}

/// What a bridge that we know says of itself.
///
/// # Errors
/// [`StoreError`] if the disk fails or the row is damaged.
pub fn descriptor(
    store: &(impl ReadExt + ?Sized),
    bridge: &B32,
) -> Result<Option<Descriptor>, StoreError> {
    let Some(row) = get(store, bridge)? else {
        return Ok(None);
    };
    let damaged = |_| StoreError::Damaged(Table::Known);
    row.descriptor.peek().map(Some).map_err(damaged)
}

/// Keeps a descriptor if it verifies and is newer than what is known; gives what it says, or
/// `None` if there is no room for another bridge.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn learn(
    tx: &mut Tx<'_>,
    signed: &Signed,
) -> Result<Result<Option<Descriptor>, Untrusted>, StoreError> {
    let new = match descriptor::open(signed) {
        Ok(new) => new,
        Err(why) => return Ok(Err(why)),
    };
    let damaged = |_| StoreError::Damaged(Table::Known);
    let row = match get(tx, &new.bridge)? {
        Some(row) if row.descriptor == *signed => return Ok(Ok(Some(new))),
        Some(mut row) => {
            let old: Descriptor = row.descriptor.peek().map_err(damaged)?;
            if old.seq >= new.seq {
                return Ok(Ok(Some(old)));
            }
            if old.peer != new.peer {
                tx.delete(peer_key(&old.peer));
            }
            row.descriptor = signed.clone();
            row
        }
        None => {
            let count = Key::one(Table::Meta, *b"bridges_known");
            let known: u64 = tx.row(&count)?.unwrap_or(0);
            if known >= BRIDGES_KNOWN_MAX {
                return Ok(Ok(None));
            }
            tx.put(count, &(known + 1));
            KnownRow {
                descriptor: signed.clone(),
                keys: Vec::new(),
                asked_at: 0,
                asking: Vec::new(),
                wanting: Vec::new(),
                queue: QueueState::default(),
            }
        }
    };
    tx.put(peer_key(&new.peer), &new.bridge);
    put(tx, &new.bridge, &row);
    Ok(Ok(Some(new)))
}

impl KnownRow {
    /// The keys for boxes sealed on a day: that day's, or those of a neighbour.
    pub fn keys_for(&self, day: u32) -> Option<(ForwardKeys, &Signed)> {
        let days = [day, day.saturating_sub(1), day.saturating_add(1)];
        days.iter().find_map(|day| {
            self.keys.iter().find_map(|signed| {
                let keys: ForwardKeys = signed.peek().ok()?;
                (keys.day == *day).then_some((keys, signed))
            })
        })
    }

    /// Whether the keys of this very day are there.
    pub fn has_keys_of(&self, day: u32) -> bool {
        self.keys_for(day).is_some_and(|(keys, _)| keys.day == day)
    }

    /// Keeps verified keys.
    pub fn keep_keys(&mut self, keys: &ForwardKeys, signed: Signed) {
        let day = |signed: &Signed| signed.peek().map_or(0, |keys: ForwardKeys| keys.day);
        self.keys.retain(|old| day(old) != keys.day);
        self.keys.push(signed);
        self.keys.sort_by_key(day);
        if self.keys.len() > KEYS_KEPT {
            self.keys.remove(0);
        }
    }

    /// Notes that a caller waits for the keys.
    pub fn asks(&mut self, peer: &Peer) {
        if !self.asking.contains(peer) && self.asking.len() < ASKING_MAX {
            self.asking.push(*peer);
        }
    }

    /// Notes that a device's letters wait.
    pub fn wants(&mut self, no: ContactNo, device: &DeviceId) {
        let entry = (no, *device);
        if !self.wanting.contains(&entry) && self.wanting.len() < ASKING_MAX {
            self.wanting.push(entry);
        }
    }
}
