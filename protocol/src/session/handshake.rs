//! The handshake HS: X3DH with an ML-KEM prekey and the initiator's identity sealed inside.
//!
//! Symbols as in `docs/spec/03-sessions.md`: A initiates towards B's bundle.

use super::Letter;
use crate::crypto::agree::{AgreeKey, LowOrder};
use crate::crypto::derive::{self, hkdf};
use crate::crypto::hash::{hash, sha256};
use crate::crypto::kem::{self, BadKemKey, KemCiphertext};
use crate::crypto::seal::{open, seal};
use crate::id::{AccountId, B32, DeviceId, Fixed, Hash16, SessionId};
use crate::identity::account::{SUITE, Signed};
use crate::identity::bundle::{Bundle, PrekeyRow};
use crate::identity::device::OwnRow;
use crate::identity::list::AccountRow;
use crate::limits::INIT_FRAME_BYTES_MAX;
use crate::private::Secret;
use crate::time::Secs;
use crate::wire::codec::{Blob, decode, encode};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};
use rand_core::CryptoRng;

/// F: keeps the key input apart from a plain X25519 output.
const F: [u8; 32] = [0xff; 32];
const ZERO_NONCE: [u8; 12] = [0; 12];

/// The public part of an init.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HsPublic {
    /// 1.
    #[n(1)]
    pub suite: u8,
    /// B's device.
    #[n(2)]
    pub device: DeviceId,
    /// A's fresh X25519 key EK.
    #[n(3)]
    pub ek: B32,
    /// Number of SPK_B.
    #[n(4)]
    pub spk: u32,
    /// Number of PQSPK_B.
    #[n(5)]
    pub pq: u32,
    /// ML-KEM ciphertext to PQSPK_B.
    #[n(6)]
    pub ct: KemCiphertext,
    /// SHA-256 of the bundle body.
    #[n(7)]
    pub bundle: B32,
    /// Number of OPK_B.
    #[n(8)]
    pub opk: Option<u32>,
    /// Names the pre-shared key.
    #[n(9)]
    pub psk: Option<Hash16>,
}

/// A's bundle, or its hash where an init has no room for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BundleOrHash {
    /// The bundle.
    Bundle(Signed),
    /// SHA-256 of its body.
    Hash(B32),
}

impl<C> Encode<C> for BundleOrHash {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Bundle(signed) => signed.encode(e, ctx),
            Self::Hash(hash) => hash.encode(e, ctx),
        }
    }
}

impl<'b, C> Decode<'b, C> for BundleOrHash {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? == Type::Bytes {
            B32::decode(d, ctx).map(Self::Hash)
        } else {
            Signed::decode(d, ctx).map(Self::Bundle)
        }
    }
}

/// A bridge at which A registered tags: `[bridge_id, [addr]]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct TagBridge {
    /// The bridge's signing key.
    #[n(0)]
    pub bridge: B32,
    /// Where it is.
    #[n(1)]
    pub addrs: Vec<String>,
}

/// A's identity, sealed inside an init.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Ident {
    /// A's account.
    #[n(1)]
    pub account: AccountId,
    /// A's device.
    #[n(2)]
    pub device: DeviceId,
    /// A's identity key DIK.
    #[n(3)]
    pub dik: B32,
    /// Genesis.
    #[n(4)]
    pub genesis: Signed,
    /// RootStatement.
    #[n(5)]
    pub statement: Signed,
    /// DeviceList.
    #[n(6)]
    pub list: Signed,
    /// Bundle of A's device.
    #[n(7)]
    pub bundle: BundleOrHash,
    /// At most two.
    #[n(8)]
    pub bridges: Vec<TagBridge>,
    /// Orders sessions of one device pair.
    #[n(9)]
    pub born: Secs,
}

/// A whole first message: `[pb, eid, letter]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Init {
    /// [`HsPublic`].
    #[n(0)]
    pub pb: Blob,
    /// Sealed [`Ident`].
    #[n(1)]
    pub eid: Blob,
    /// First letter, or a later one before B's first reply.
    #[n(2)]
    pub letter: Letter,
}

/// Names a first message in `init_seen`.
pub fn init_hash(pb: &[u8], eid: &[u8]) -> B32 {
    sha256(&[pb, eid].concat())
}

/// What both sides hold after HS.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// Root key RK.
    pub rk: Secret<32>,
    /// Feeds tags and envelopes at bridges.
    pub k_mbx: Secret<32>,
    /// Session id.
    pub sid: SessionId,
    /// Feeds rendezvous, LAN and repair.
    pub k_exp: Secret<32>,
    /// Associated data of every letter.
    pub ad: B32,
    /// Transcript hash.
    pub th2: B32,
}

/// Why a handshake failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HsError {
    /// A key of low order.
    #[error("low-order key")]
    LowOrder,
    /// A malformed ML-KEM key.
    #[error("malformed ML-KEM key")]
    KemKey,
    /// The identity did not open: another bundle, psk or changed bytes.
    #[error("identity did not open")]
    Unopened,
    /// The identity is not what the type says.
    #[error("malformed identity")]
    Malformed,
}

impl From<LowOrder> for HsError {
    fn from(_: LowOrder) -> Self {
        Self::LowOrder
    }
}

impl From<BadKemKey> for HsError {
    fn from(_: BadKemKey) -> Self {
        Self::KemKey
    }
}

/// Whom A writes to, verified.
pub struct Target<'a> {
    /// B's bundle.
    pub bundle: &'a Bundle,
    /// SHA-256 of its body.
    pub bundle_hash: B32,
    /// B's one-time prekey, from an invite.
    pub opk: Option<(u32, B32)>,
    /// Pre-shared key and its id.
    pub psk: Option<(Hash16, Secret<32>)>,
}

/// A's side: what to send and what to keep.
pub struct Initiated {
    /// Encoded [`HsPublic`].
    pub pb: Vec<u8>,
    /// Sealed [`Ident`].
    pub eid: Vec<u8>,
    /// The session.
    pub keys: SessionKeys,
}

/// The Diffie-Hellman and KEM results, all but DH1.
struct Shared {
    s0: Secret<32>,
    dh2: Secret<32>,
    dh3: Secret<32>,
    dh4: Option<Secret<32>>,
    ss: Secret<32>,
}

impl Shared {
    fn dh4(&self) -> &[u8] {
        self.dh4.as_ref().map_or(&[], |dh| dh.expose())
    }

    fn k_id(&self, th1: &B32) -> Secret<32> {
        let ikm = [
            &F[..],
            self.dh2.expose(),
            self.dh3.expose(),
            self.dh4(),
            self.ss.expose(),
        ];
        hkdf(self.s0.expose(), &ikm, &[derive::HS_IDENT.bytes(), &th1.0])
    }

    fn keys(
        &self,
        dh1: &Secret<32>,
        th2: B32,
        a: (&AccountId, &DeviceId),
        b: (&AccountId, &DeviceId),
    ) -> SessionKeys {
        let ikm = [
            &F[..],
            dh1.expose(),
            self.dh2.expose(),
            self.dh3.expose(),
            self.dh4(),
            self.ss.expose(),
        ];
        let out: Secret<104> = hkdf(self.s0.expose(), &ikm, &[derive::HS_KEYS.bytes(), &th2.0]);
        let bytes = out.expose();
        let mut sid = [0; 8];
        sid.copy_from_slice(&bytes[64..72]);
        SessionKeys {
            rk: Secret::from_slice(&bytes[..32]),
            k_mbx: Secret::from_slice(&bytes[32..64]),
            sid: Fixed(sid),
            k_exp: Secret::from_slice(&bytes[72..]),
            ad: hash(derive::AD, &[&a.0.0, &a.1.0, &b.0.0, &b.1.0, &th2.0]),
            th2,
        }
    }
}

fn th1(pb: &[u8]) -> B32 {
    hash(derive::HS_TH1, &[pb])
}

fn th2(th1: &B32, eid: &[u8]) -> B32 {
    hash(derive::HS_TH2, &[&th1.0, eid])
}

fn s0(psk: Option<&Secret<32>>) -> Secret<32> {
    psk.cloned().unwrap_or(Secret::new([0; 32]))
}

/// A's side of HS. `first_letter` is the size of the first encoded letter: A's bundle travels in
/// the identity if the whole still fits an init's bucket, else its hash.
///
/// # Errors
/// [`HsError`] if one of B's keys is bad.
pub fn initiate(
    own: &OwnRow,
    objects: &AccountRow,
    own_bundle: &Signed,
    to: &Target<'_>,
    born: Secs,
    first_letter: usize,
    rng: &mut dyn CryptoRng,
) -> Result<Initiated, HsError> {
    let b = to.bundle;
    let ek = AgreeKey::random(rng);
    let (ct, ss) = kem::encapsulate(&b.pq.key, rng)?;
    let pb = encode(&HsPublic {
        suite: SUITE,
        device: b.device,
        ek: ek.public(),
        spk: b.spk.id,
        pq: b.pq.id,
        ct,
        bundle: to.bundle_hash,
        opk: to.opk.map(|(id, _)| id),
        psk: to.psk.as_ref().map(|(id, _)| *id),
    });
    let dh1 = own.dik.agree(&b.spk.key)?;
    let shared = Shared {
        s0: s0(to.psk.as_ref().map(|(_, psk)| psk)),
        dh2: ek.agree(&b.dik)?,
        dh3: ek.agree(&b.spk.key)?,
        dh4: to.opk.map(|(_, key)| ek.agree(&key)).transpose()?,
        ss,
    };
    let mut ident = Ident {
        account: own.account,
        device: own.device,
        dik: own.dik.public(),
        genesis: objects.genesis.clone(),
        statement: objects.statement.clone(),
        list: objects.list.clone(),
        bundle: BundleOrHash::Bundle(own_bundle.clone()),
        bridges: Vec::new(),
        born,
    };
    // Heads of the frame, of the init and of its two byte strings, and the tag.
    let fixed = 2 + 1 + 3 + pb.len() + 3 + crate::crypto::seal::TAG_BYTES + first_letter;
    if fixed + encode(&ident).len() > INIT_FRAME_BYTES_MAX {
        ident.bundle = BundleOrHash::Hash(own_bundle.hash());
    }
    let th1 = th1(&pb);
    let eid = seal(&shared.k_id(&th1), &ZERO_NONCE, &encode(&ident), &pb);
    let keys = shared.keys(
        &dh1,
        th2(&th1, &eid),
        (&own.account, &own.device),
        (&b.account, &b.device),
    );
    Ok(Initiated { pb, eid, keys })
}

/// B's side after the identity opened, before it is believed.
pub struct Opened {
    /// Who A says to be; its objects and DIK are to be checked before [`Opened::keys`] are used.
    pub ident: Ident,
    shared: Shared,
    th2: B32,
}

/// B's side of HS, first half: opens A's identity.
///
/// # Errors
/// [`HsError`] for bad keys, or if the identity does not open.
pub fn respond(
    own: &OwnRow,
    prekeys: &PrekeyRow,
    opk: Option<&AgreeKey>,
    psk: Option<&Secret<32>>,
    pb: &[u8],
    hs: &HsPublic,
    eid: &[u8],
) -> Result<Opened, HsError> {
    let shared = Shared {
        s0: s0(psk),
        dh2: own.dik.agree(&hs.ek)?,
        dh3: prekeys.spk.agree(&hs.ek)?,
        dh4: opk.map(|key| key.agree(&hs.ek)).transpose()?,
        ss: prekeys.pq.decapsulate(&hs.ct),
    };
    let th1 = th1(pb);
    let plain = open(&shared.k_id(&th1), &ZERO_NONCE, eid, pb).map_err(|_| HsError::Unopened)?;
    let ident: Ident = decode(&plain).map_err(|_| HsError::Malformed)?;
    if ident.bridges.len() > 2 || ident.bridges.iter().any(|b| b.addrs.len() != 1) {
        return Err(HsError::Malformed);
    }
    Ok(Opened {
        ident,
        shared,
        th2: th2(&th1, eid),
    })
}

impl Opened {
    /// Second half, once A's DIK is known to be its device's.
    ///
    /// # Errors
    /// [`HsError::LowOrder`].
    pub fn keys(&self, own: &OwnRow, prekeys: &PrekeyRow) -> Result<SessionKeys, HsError> {
        let dh1 = prekeys.spk.agree(&self.ident.dik)?;
        Ok(self.shared.keys(
            &dh1,
            self.th2,
            (&self.ident.account, &self.ident.device),
            (&own.account, &own.device),
        ))
    }
}
