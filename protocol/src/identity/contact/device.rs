//! A contact's devices: where each is, how to reach it, which sessions there are.

use super::ContactNo;
use crate::id::{B32, DeviceId, Mid, Peer, SessionId};
use crate::identity::account::Signed;
use crate::private::Secret;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::{Millis, Secs};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// One session of a device pair.
#[derive(Clone, Debug, Encode, Decode)]
pub struct SessionRef {
    /// Its id.
    #[n(0)]
    pub id: SessionId,
    /// Orders sessions: the greatest is the sending one.
    #[n(1)]
    pub born: Secs,
    /// Breaks ties: smaller wins.
    #[n(2)]
    pub th2: B32,
    /// It may be sent on: always for the initiator, after its first letter for the responder.
    #[n(3)]
    pub ready: bool,
    /// Named broken by a repair: receives, never sends.
    #[n(4)]
    pub broken: bool,
    /// Feeds tags and envelopes at bridges; outlives a reset of the ratchet.
    #[n(5)]
    pub k_mbx: Secret<32>,
    /// Feeds rendezvous, LAN and repair; outlives a reset of the ratchet.
    #[n(6)]
    pub k_exp: Secret<32>,
    /// When it was made here.
    #[n(7)]
    pub made_at: Millis,
    /// We began it; `None` where that was not kept yet.
    #[n(8)]
    pub initiator: Option<bool>,
}

/// A contact's device: where it is, how to reach it, which sessions there are.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct DeviceRow {
    /// Its libp2p key, as it told inside the session.
    #[n(1)]
    pub peer: Option<Peer>,
    /// Where it was last.
    #[n(2)]
    pub addrs: Vec<String>,
    /// At most five, in no order.
    #[n(3)]
    pub sessions: Vec<SessionRef>,
    /// When repairs were made, newest last.
    #[n(4)]
    pub repairs: Vec<Millis>,
    /// Greatest born of any session of this pair, also of erased ones.
    #[n(5)]
    pub born: Secs,
    /// Last letter opened from it.
    #[n(6)]
    pub heard: Millis,
    /// A repair is scheduled.
    #[n(7)]
    pub repair_due: bool,
    /// When our list was last sent to it because it used an old one.
    #[n(8)]
    pub told: Millis,
    /// Last message id opened from it.
    #[n(9)]
    pub last: Option<Mid>,
    /// `peer` only brought its first message; the device has not said itself where it is.
    #[n(10)]
    pub provisional: bool,
}

impl DeviceRow {
    /// The session to seal on: greatest born, then smaller th2 (`docs/spec/03-sessions.md`).
    pub fn sending(&self) -> Option<&SessionRef> {
        self.sessions
            .iter()
            .filter(|s| s.ready && !s.broken)
            .max_by(|a, b| a.born.cmp(&b.born).then(b.th2.cmp(&a.th2)))
    }
}

/// The device that stands for an inviter whose devices are not known yet.
pub const INVITER: DeviceId = DeviceId::ZERO;

fn device_key(no: ContactNo, device: &DeviceId) -> Key {
    Key::one(Table::Device, device_scope(no, device))
}

fn peer_key(peer: &Peer) -> Key {
    Key::one(Table::ByPeer, peer.0)
}

/// The bundle lies apart: it is long and seldom needed, the rest is written with every letter.
fn bundle_key(no: ContactNo, device: &DeviceId) -> Key {
    Key::new(Table::Device, device_scope(no, device), *b"bundle")
}

/// The newest verified prekey bundle of a contact's device.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bundle(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
) -> Result<Option<Signed>, StoreError> {
    store.row(&bundle_key(no, device))
}

/// Keeps the newest verified prekey bundle of a contact's device.
pub fn put_bundle(tx: &mut Tx<'_>, no: ContactNo, device: &DeviceId, bundle: &Signed) {
    tx.put(bundle_key(no, device), bundle);
}

/// Scope of rows that belong to a contact's device.
pub fn device_scope(no: ContactNo, device: &DeviceId) -> Vec<u8> {
    [&no.to_be_bytes()[..], &device.0].concat()
}

/// One device of a contact; a default row if nothing is known of it.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn device(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
) -> Result<DeviceRow, StoreError> {
    Ok(store.row(&device_key(no, device))?.unwrap_or_default())
}

/// Writes a device back.
pub fn put_device(tx: &mut Tx<'_>, no: ContactNo, device: &DeviceId, row: &DeviceRow) {
    tx.put(device_key(no, device), row);
}

/// Forgets a device and its bundle.
pub fn drop_device(tx: &mut Tx<'_>, no: ContactNo, device: &DeviceId) {
    tx.delete(device_key(no, device));
    tx.delete(bundle_key(no, device));
    tx.delete(Key::new(
        Table::Device,
        device_scope(no, device),
        *b"bridges",
    ));
}

/// Whose device a peer is, as the contact told.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_peer(
    store: &(impl ReadExt + ?Sized),
    peer: &Peer,
) -> Result<Option<(ContactNo, DeviceId)>, StoreError> {
    store.row(&peer_key(peer))
}

/// Says that a peer is this device.
pub fn bind_peer(tx: &mut Tx<'_>, peer: &Peer, no: ContactNo, device: &DeviceId) {
    tx.put(peer_key(peer), &(no, *device));
}

/// Says that a peer is nobody's device any more.
pub fn unbind_peer(tx: &mut Tx<'_>, peer: &Peer) {
    tx.delete(peer_key(peer));
}
