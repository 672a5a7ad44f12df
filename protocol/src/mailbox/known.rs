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
/// Bridges that say they are one and the same peer.
const CLAIMS_MAX: usize = 16;
/// A bridge is asked for its keys again after this.
const KEYS_AGAIN_MS: Millis = 10_000;
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

/// Who tells of a bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Whoever uses this home: what others told of takes no room from it.
    User,
    /// Somebody else: a contact, or a device that keeps a mailbox here.
    Other,
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

/// The bridges that say they are a peer. It is their word alone: the peer signs no descriptor, so
/// none of them keeps another from being found.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_peer(store: &(impl ReadExt + ?Sized), peer: &Peer) -> Result<Vec<B32>, StoreError> {
    Ok(store.row(&peer_key(peer))?.unwrap_or_default())
}

/// Whether a bridge that we know is reached as a peer.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn is_peer(
    store: &(impl ReadExt + ?Sized),
    bridge: &B32,
    peer: &Peer,
) -> Result<bool, StoreError> {
    Ok(descriptor(store, bridge)?.is_some_and(|said| said.peer == *peer))
}

/// Writes down which peer a bridge says it is, in place of an earlier one.
fn claim(tx: &mut Tx<'_>, bridge: &B32, old: Option<&Peer>, new: &Peer) -> Result<(), StoreError> {
    if let Some(old) = old.filter(|old| *old != new) {
        let mut claims = by_peer(tx, old)?;
        claims.retain(|claim| claim != bridge);
        if claims.is_empty() {
            tx.delete(peer_key(old));
        } else {
            tx.put(peer_key(old), &claims);
        }
    }
    let mut claims = by_peer(tx, new)?;
    if !claims.contains(bridge) && claims.len() < CLAIMS_MAX {
        claims.push(*bridge);
        tx.put(peer_key(new), &claims);
    }
    Ok(())
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
    by: By,
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
            claim(tx, &new.bridge, Some(&old.peer), &new.peer)?;
            row.descriptor = signed.clone();
            row
        }
        None => {
            let count = Key::one(Table::Meta, *b"bridges_known");
            let known: u64 = tx.row(&count)?.unwrap_or(0);
            let room = match by {
                By::Other => BRIDGES_KNOWN_MAX,
                By::User => u64::MAX,
            };
            if known >= room {
                return Ok(Ok(None));
            }
            tx.put(count, &(known + 1));
            claim(tx, &new.bridge, None, &new.peer)?;
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

    /// Whether its keys may be asked for; if so, notes that they are asked for now.
    pub fn ask_now(&mut self, now: Millis) -> bool {
        // A time ahead of us was noted before the clock was set back.
        let due = now >= self.asked_at + KEYS_AGAIN_MS || self.asked_at > now;
        if due {
            self.asked_at = now;
        }
        due
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sign::SignKey;
    use crate::id::{Fixed, peer_to_text};
    use crate::private::Secret;
    use crate::store::MemoryStore;
    use alloc::format;
    use alloc::vec;

    fn signed(seed: u8, peer: u8, seq: u64) -> Signed {
        let key = SignKey::from_seed(Secret::new([seed; 32]));
        let peer = Fixed([peer; 32]);
        let said = Descriptor {
            bridge: key.public(),
            operator: Descriptor::operator("Example"),
            country: "PT".into(),
            peer,
            addrs: vec![format!(
                "/ip4/203.0.113.7/tcp/1/p2p/{}",
                peer_to_text(&peer)
            )],
            roles: vec![],
            seq,
            expires: seq,
            name: "Example".into(),
        };
        descriptor::sign(&key, &said)
    }

    #[test]
    fn a_bridge_that_names_the_peer_of_another_hides_it_from_nobody() {
        let store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        let mut learn =
            |signed: &Signed| learn(&mut tx, signed, By::Other).unwrap().unwrap().unwrap();
        let honest = learn(&signed(1, 9, 1));
        let other = learn(&signed(2, 9, 1));
        learn(&signed(2, 9, 1));
        let peer = honest.peer;
        assert_eq!(by_peer(&tx, &peer), Ok(vec![honest.bridge, other.bridge]));
        assert_eq!(is_peer(&tx, &honest.bridge, &peer), Ok(true));
        // It goes elsewhere; an older word of it changes nothing.
        let mut learn =
            |signed: &Signed| super::learn(&mut tx, signed, By::Other).unwrap().unwrap();
        learn(&signed(2, 8, 2));
        learn(&signed(2, 9, 1));
        assert_eq!(by_peer(&tx, &peer), Ok(vec![honest.bridge]));
        assert_eq!(by_peer(&tx, &Fixed([8; 32])), Ok(vec![other.bridge]));
        assert_eq!(is_peer(&tx, &other.bridge, &peer), Ok(false));
        for seed in 10..40 {
            super::learn(&mut tx, &signed(seed, 9, 1), By::Other)
                .unwrap()
                .unwrap();
        }
        let claims = by_peer(&tx, &peer).unwrap();
        assert_eq!((claims.len(), claims[0]), (CLAIMS_MAX, honest.bridge));
    }

    #[test]
    fn what_others_told_of_takes_no_room_from_the_user() {
        let store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        tx.put(Key::one(Table::Meta, *b"bridges_known"), &BRIDGES_KNOWN_MAX);
        let told = learn(&mut tx, &signed(1, 9, 1), By::Other).unwrap();
        assert_eq!(told, Ok(None));
        let wanted = learn(&mut tx, &signed(1, 9, 1), By::User).unwrap().unwrap();
        assert!(wanted.is_some());
        // Known by now, whoever tells of it again.
        let again = learn(&mut tx, &signed(1, 9, 2), By::Other)
            .unwrap()
            .unwrap();
        assert_eq!(again.map(|said| said.seq), Some(2));
    }
}
