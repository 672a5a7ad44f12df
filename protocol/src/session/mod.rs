//! Two devices, one secret: the handshake that makes a session and the ratchet that moves it.

pub mod handshake;
pub mod ratchet;
pub mod skipped;

use crate::crypto::derive::{self, expand};
use crate::id::DeviceId;
use crate::id::{B32, Fixed, Hash16, SessionId};
use crate::identity::contact::{ContactNo, DeviceRow, SessionRef};
use crate::limits::SESSIONS_MAX;
use crate::private::Secret;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::Secs;
use crate::wire::codec::{Blob, Malformed, decode_closed};
use minicbor::{Decode, Encode};
use ratchet::SessionRow;

/// One sealed message of a session: `[hdr, ct]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Letter {
    /// Deterministic CBOR of [`ratchet::Header`]; associated data together with AD.
    #[n(0)]
    pub hdr: Blob,
    /// ChaCha20-Poly1305.
    #[n(1)]
    pub ct: Blob,
}

impl Letter {
    /// Its header.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn header(&self) -> Result<ratchet::Header, Malformed> {
        decode_closed(&self.hdr)
    }
}

fn session_key(id: &SessionId) -> Key {
    Key::one(Table::Session, id.0)
}

/// A session by id.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn load(
    store: &(impl ReadExt + ?Sized),
    id: &SessionId,
) -> Result<Option<SessionRow>, StoreError> {
    store.row(&session_key(id))
}

/// Writes a session back.
pub fn save(tx: &mut Tx<'_>, row: &SessionRow) {
    tx.put(session_key(&row.id), row);
}

/// Adds a new session to its device pair; a sixth erases the lowest in sending order.
pub fn adopt(tx: &mut Tx<'_>, device: &mut DeviceRow, row: &SessionRow, new: SessionRef) {
    device.born = device.born.max(new.born);
    tx.put(
        heal_key(&heal_id(&new.k_exp)),
        &(row.contact, row.device, new.id),
    );
    device.sessions.retain(|s| s.id != new.id);
    device.sessions.push(new);
    while device.sessions.len() > SESSIONS_MAX {
        let lowest = device
            .sessions
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.born.cmp(&b.born).then(b.th2.cmp(&a.th2)))
            .map(|(i, _)| i);
        let Some(lowest) = lowest else { break };
        let gone = device.sessions.remove(lowest);
        erase(tx, &gone);
    }
    save(tx, row);
}

/// Whether a new session would outlive its adoption: where all places are taken, one that sorts
/// before every other would be the one to be erased.
pub fn would_last(device: &DeviceRow, born: Secs, th2: &B32) -> bool {
    let lower = |s: &SessionRef| s.born.cmp(&born).then(th2.cmp(&s.th2)).is_lt();
    device.sessions.len() < SESSIONS_MAX || device.sessions.iter().any(lower)
}

/// Erases a session's state. Its device row must no longer name it.
pub fn erase(tx: &mut Tx<'_>, session: &SessionRef) {
    tx.delete(session_key(&session.id));
    tx.delete(heal_key(&heal_id(&session.k_exp)));
}

/// The pre-shared key that a repair of a broken session proves knowledge with.
pub fn heal_psk(k_exp: &Secret<32>) -> (Hash16, Secret<32>) {
    (
        heal_id(k_exp),
        expand(k_exp.expose(), &[derive::HEAL_PSK.bytes()]),
    )
}

fn heal_id(k_exp: &Secret<32>) -> Hash16 {
    let id: Secret<16> = expand(k_exp.expose(), &[derive::HEAL_ID.bytes()]);
    Fixed(*id.expose())
}

fn heal_key(id: &Hash16) -> Key {
    Key::one(Table::ByHeal, id.0)
}

/// The session whose repair a psk id stands for.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_heal_id(
    store: &(impl ReadExt + ?Sized),
    id: &Hash16,
) -> Result<Option<(ContactNo, DeviceId, SessionId)>, StoreError> {
    store.row(&heal_key(id))
}

/// What was done with a first message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InitSeenRow {
    /// The session it made.
    #[n(0)]
    pub session: SessionId,
    /// It came from somebody who was a contact already.
    #[n(1)]
    pub pinned: bool,
}

/// Where a first message is remembered: under the bundle it used, by SHA-256(pb ‖ eid). The rows
/// of a bundle go when its private halves are erased.
pub fn init_seen_key(bundle: &B32, init: &B32) -> Key {
    Key::new(Table::InitSeen, bundle.0, init.0)
}

/// A letter that was opened, or a chain that was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SeenRow {
    /// When.
    #[n(0)]
    pub at: crate::time::Millis,
    /// The message in it, if it is to be receipted.
    #[n(1)]
    pub mid: Option<crate::id::Mid>,
    /// When its receipt was last sent.
    #[n(2)]
    pub receipted_at: crate::time::Millis,
}

/// Where a session remembers a letter or a closed chain.
pub fn seen_key(session: &SessionId, hash: &Hash16) -> Key {
    Key::new(Table::Seen, session.0, hash.0)
}
