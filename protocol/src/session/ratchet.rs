//! The Double Ratchet with sparse ML-KEM steps. Symbols as in `docs/spec/03-sessions.md`.
//!
//! State moves on a copy; the caller writes it only after the letter opened. A letter is sealed,
//! made durable, and only then sent.

use super::Letter;
use super::handshake::SessionKeys;
use super::skipped::{self, Spare};
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive::{self, expand, hkdf};
use crate::crypto::hash::{hash16, hmac};
use crate::crypto::kem::{self, KemCiphertext, KemKey, KemPublic};
use crate::crypto::seal::{open, seal};
use crate::id::{B32, DeviceId, Fixed, Hash16, SessionId};
use crate::identity::contact::ContactNo;
use crate::limits::{ADVANCE_AFTER_MS, ADVANCE_MAX, PQ_EVERY_MS, PQ_LETTERS, SKIP_MAX};
use crate::private::{Bytes, Secret};
use crate::store::{ReadExt, StoreError};
use crate::time::{Millis, Secs};
use crate::wire::codec::{Blob, encode};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// The header of a letter: in the clear, authenticated.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// Session.
    #[n(1)]
    pub sid: SessionId,
    /// Sender's ratchet key DHs.
    #[n(2)]
    pub dh: B32,
    /// Length of the sender's previous chain PN.
    #[n(3)]
    pub pn: u32,
    /// Number in this chain N.
    #[n(4)]
    pub n: u32,
    /// Answer to a proposal; on every letter of the chain.
    #[n(5)]
    pub ct: Option<KemCiphertext>,
    /// Proposal; on every letter of the chain, never together with `ct`.
    #[n(6)]
    pub ek: Option<KemPublic>,
    /// Random, so that a restored old copy never repeats a key and nonce.
    #[n(7)]
    pub salt: Fixed<16>,
}

/// What makes the first message of a session, kept until the peer's first reply.
#[derive(Clone, Debug, Encode, Decode)]
pub struct FirstFlight {
    /// Encoded public part.
    #[n(0)]
    pub pb: Blob,
    /// Sealed identity.
    #[n(1)]
    pub eid: Blob,
    /// Letters sealed so far.
    #[n(2)]
    pub sealed: u32,
}

/// State of a session.
#[derive(Clone, Debug, Encode, Decode)]
pub struct SessionRow {
    /// Session id.
    #[n(0)]
    pub id: SessionId,
    /// Whose.
    #[n(1)]
    pub contact: ContactNo,
    /// Which of their devices.
    #[n(2)]
    pub device: DeviceId,
    /// Associated data.
    #[n(3)]
    pub ad: B32,
    /// Root key RK.
    #[n(4)]
    pub rk: Secret<32>,
    /// Own ratchet key DHs, while its chain sends.
    #[n(5)]
    pub dhs: Option<AgreeKey>,
    /// Peer's ratchet key DHr.
    #[n(6)]
    pub dhr: Option<B32>,
    /// Sending chain CKs.
    #[n(7)]
    pub cks: Option<Secret<32>>,
    /// Receiving chain CKr.
    #[n(8)]
    pub ckr: Option<Secret<32>>,
    /// Letters sealed in the sending chain, Ns.
    #[n(9)]
    pub ns: u32,
    /// Letters expected in the receiving chain, Nr.
    #[n(10)]
    pub nr: u32,
    /// Length of the previous sending chain, PN.
    #[n(11)]
    pub pn: u32,
    /// Public half of DHs, for headers.
    #[n(12)]
    pub dhs_public: Option<B32>,
    /// Peer's proposal, not yet answered.
    #[n(13)]
    pub ek_r: Option<KemPublic>,
    /// Our proposal, not yet answered.
    #[n(14)]
    pub dk: Option<KemKey>,
    /// Field 5 of the sending chain.
    #[n(15)]
    pub chain_ct: Option<KemCiphertext>,
    /// Field 6 of the sending chain.
    #[n(16)]
    pub chain_ek: Option<KemPublic>,
    /// Letters sealed and opened since the last ML-KEM step.
    #[n(17)]
    pub since: u32,
    /// Time of the last ML-KEM step.
    #[n(18)]
    pub last_pq: Millis,
    /// What every letter is wrapped in until the peer's first reply.
    #[n(19)]
    pub first: Option<FirstFlight>,
    /// Since when a letter beyond the skip limit waits.
    #[n(20)]
    pub beyond_since: Option<Millis>,
    /// Born, as in the device row.
    #[n(21)]
    pub born: Secs,
}

/// Why a letter did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// Too far ahead: letters before it are still to come.
    NotYet,
    /// Its key was used or has expired: the peer is an old copy, or we are.
    Used,
    /// It contradicts the state: a wrong header or a failed tag.
    Broken,
}

/// A letter that opened, with everything that is to be written.
#[derive(Debug)]
pub struct Opened {
    /// The plaintext.
    pub plain: Bytes,
    /// The state after it.
    pub next: SessionRow,
    /// Keys of letters that were passed over.
    pub spares: Vec<Spare>,
    /// It used a stored key, which is to be erased.
    pub spare_used: Option<(B32, u32)>,
    /// The receiving chain that it closed.
    pub closed: Option<B32>,
}

/// Nothing can be sealed: the peer's key is bad, or there is none yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CannotSeal;

impl SessionRow {
    /// A's session: its first sending chain starts from SPK_B.
    pub fn initiator(
        keys: &SessionKeys,
        contact: ContactNo,
        device: DeviceId,
        spk: B32,
        first: FirstFlight,
        born: Secs,
        now: Millis,
    ) -> Self {
        Self {
            dhr: Some(spk),
            first: Some(first),
            ..Self::new(keys, contact, device, born, now)
        }
    }

    /// B's session: its first ratchet key is SPK_B, for the first receive step only.
    pub fn responder(
        keys: &SessionKeys,
        contact: ContactNo,
        device: DeviceId,
        spk: AgreeKey,
        born: Secs,
        now: Millis,
    ) -> Self {
        Self {
            dhs: Some(spk),
            ..Self::new(keys, contact, device, born, now)
        }
    }

    fn new(
        keys: &SessionKeys,
        contact: ContactNo,
        device: DeviceId,
        born: Secs,
        now: Millis,
    ) -> Self {
        Self {
            id: keys.sid,
            contact,
            device,
            ad: keys.ad,
            rk: keys.rk.clone(),
            dhs: None,
            dhr: None,
            cks: None,
            ckr: None,
            ns: 0,
            nr: 0,
            pn: 0,
            dhs_public: None,
            ek_r: None,
            dk: None,
            chain_ct: None,
            chain_ek: None,
            since: 0,
            last_pq: now,
            first: None,
            beyond_since: None,
            born,
        }
    }

    /// Seals a plaintext. The state must be durable before the letter leaves.
    ///
    /// # Errors
    /// [`CannotSeal`] if the peer's key is bad or not known yet.
    pub fn seal(
        &mut self,
        plain: &[u8],
        now: Millis,
        rng: &mut dyn CryptoRng,
    ) -> Result<Letter, CannotSeal> {
        if self.cks.is_none() {
            self.begin_chain(now, rng)?;
        }
        let (Some(ck), Some(dh)) = (&self.cks, self.dhs_public) else {
            return Err(CannotSeal);
        };
        let (mk, next) = step(ck);
        let salt = Fixed::random(rng);
        let header = Header {
            sid: self.id,
            dh,
            pn: self.pn,
            n: self.ns,
            ct: self.chain_ct,
            ek: self.chain_ek,
            salt,
        };
        let hdr = encode(&header);
        let (key, nonce) = letter_key(&mk, &salt);
        let ct = seal(&key, &nonce, plain, &self.aad(&hdr));
        self.cks = Some(next);
        self.ns += 1;
        self.since = self.since.saturating_add(1);
        if let Some(first) = &mut self.first {
            first.sealed += 1;
        }
        Ok(Letter {
            hdr: Blob(hdr),
            ct: Blob(ct),
        })
    }

    /// A new sending chain, lazily at the first send after a new DHr.
    fn begin_chain(&mut self, now: Millis, rng: &mut dyn CryptoRng) -> Result<(), CannotSeal> {
        let dhr = self.dhr.ok_or(CannotSeal)?;
        let dhs = AgreeKey::random(rng);
        let dh = dhs.agree(&dhr).map_err(|_| CannotSeal)?;
        (self.chain_ct, self.chain_ek) = (None, None);
        let mut ss = None;
        if let Some(ek) = self.ek_r.take() {
            let (ct, secret) = kem::encapsulate(&ek, rng).map_err(|_| CannotSeal)?;
            self.chain_ct = Some(ct);
            ss = Some(secret);
            self.since = 0;
            self.last_pq = now;
        } else if self.dk.is_none()
            && (self.since >= PQ_LETTERS || now.saturating_sub(self.last_pq) >= PQ_EVERY_MS)
        {
            let dk = KemKey::random(rng);
            self.chain_ek = Some(dk.public());
            self.dk = Some(dk);
        }
        let (rk, ck) = root_step(&self.rk, &dh, ss.as_ref());
        self.rk = rk;
        self.cks = Some(ck);
        self.pn = core::mem::replace(&mut self.ns, 0);
        self.dhs_public = Some(dhs.public());
        self.dhs = Some(dhs);
        Ok(())
    }

    /// A letter that the receiving chain has not reached: it was neither opened nor passed over.
    pub fn is_to_come(&self, header: &Header) -> bool {
        self.dhr == Some(header.dh) && self.ckr.is_some() && header.n >= self.nr
    }

    /// Opens a letter on a copy of the state. Duplicates are the caller's to find first.
    ///
    /// # Errors
    /// The inner error is an outcome; the outer one is the disk's.
    pub fn open(
        &self,
        store: &(impl ReadExt + ?Sized),
        letter: &Letter,
        now: Millis,
    ) -> Result<Result<Opened, OpenError>, StoreError> {
        match letter.header() {
            Ok(header) => self.open_with(store, &header, letter, now),
            Err(_) => Ok(Err(OpenError::Broken)),
        }
    }

    /// As [`SessionRow::open`], with the letter's header decoded already.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        &self,
        store: &(impl ReadExt + ?Sized),
        header: &Header,
        letter: &Letter,
        now: Millis,
    ) -> Result<Result<Opened, OpenError>, StoreError> {
        if header.sid != self.id || (header.ct.is_some() && header.ek.is_some()) {
            return Ok(Err(OpenError::Broken));
        }
        if self.is_to_come(header) {
            return Ok(self.open_in_chain(header, letter, now));
        }
        if let Some(mk) = skipped::find(store, &self.id, &header.dh, header.n)? {
            let opened = self.unlock(&mk, header, letter).map(|plain| {
                let mut next = self.clone();
                next.opened();
                let spare_used = Some((header.dh, header.n));
                Opened {
                    plain,
                    next,
                    spares: Vec::new(),
                    spare_used,
                    closed: None,
                }
            });
            return Ok(opened);
        }
        if self.dhr == Some(header.dh) && self.ckr.is_some() {
            return Ok(Err(OpenError::Used));
        }
        if store
            .get(&super::seen_key(&self.id, &closed_mark(&header.dh)))?
            .is_some()
        {
            return Ok(Err(OpenError::Used));
        }
        Ok(self.open_new_chain(header, letter, now))
    }

    fn open_in_chain(
        &self,
        header: &Header,
        letter: &Letter,
        now: Millis,
    ) -> Result<Opened, OpenError> {
        let mut next = self.clone();
        let mut spares = Vec::new();
        let mk = next.advance(header, self.limit(now), &mut spares)?;
        let plain = self.unlock(&mk, header, letter)?;
        next.opened();
        Ok(Opened {
            plain,
            next,
            spares,
            spare_used: None,
            closed: None,
        })
    }

    fn open_new_chain(
        &self,
        header: &Header,
        letter: &Letter,
        now: Millis,
    ) -> Result<Opened, OpenError> {
        let limit = self.limit(now);
        let mut next = self.clone();
        let mut spares = Vec::new();
        let closed = if self.ckr.is_some() { self.dhr } else { None };
        if let Some(dhr) = closed {
            next.skip_to(&dhr, header.pn, limit, &mut spares)?;
        }
        // A chain of the peer's answers ours: without the private half nobody can have made it.
        let dhs = next.dhs.take().ok_or(OpenError::Broken)?;
        let dh = dhs.agree(&header.dh).map_err(|_| OpenError::Broken)?;
        let ss = match (&header.ct, next.dk.take()) {
            (Some(ct), Some(dk)) => {
                next.since = 0;
                next.last_pq = now;
                Some(dk.decapsulate(ct))
            }
            (None, None) => None,
            _ => return Err(OpenError::Broken),
        };
        if header.ek.is_some() {
            next.ek_r = header.ek;
        }
        let (rk, ck) = root_step(&next.rk, &dh, ss.as_ref());
        next.rk = rk;
        next.ckr = Some(ck);
        next.dhr = Some(header.dh);
        next.nr = 0;
        next.cks = None;
        next.dhs_public = None;
        let mk = next.advance(header, limit, &mut spares)?;
        let plain = self.unlock(&mk, header, letter)?;
        next.opened();
        Ok(Opened {
            plain,
            next,
            spares,
            spare_used: None,
            closed,
        })
    }

    /// How many keys one chain step may pass over.
    fn limit(&self, now: Millis) -> u32 {
        let waited = self
            .beyond_since
            .is_some_and(|at| now.saturating_sub(at) >= ADVANCE_AFTER_MS);
        if waited { ADVANCE_MAX } else { SKIP_MAX }
    }

    /// The key of letter `n` of the receiving chain, passing over those before it.
    fn advance(
        &mut self,
        header: &Header,
        limit: u32,
        spares: &mut Vec<Spare>,
    ) -> Result<Secret<32>, OpenError> {
        self.skip_to(&header.dh, header.n, limit, spares)?;
        let ck = self.ckr.as_ref().ok_or(OpenError::Broken)?;
        let (mk, next) = step(ck);
        self.ckr = Some(next);
        self.nr = self.nr.checked_add(1).ok_or(OpenError::Broken)?;
        Ok(mk)
    }

    fn skip_to(
        &mut self,
        dh: &B32,
        n: u32,
        limit: u32,
        spares: &mut Vec<Spare>,
    ) -> Result<(), OpenError> {
        let distance = n.saturating_sub(self.nr);
        if distance > limit {
            let beyond_all = distance > ADVANCE_MAX;
            return Err(if beyond_all {
                OpenError::Broken
            } else {
                OpenError::NotYet
            });
        }
        while self.nr < n {
            let ck = self.ckr.as_ref().ok_or(OpenError::Broken)?;
            let (mk, next) = step(ck);
            self.ckr = Some(next);
            // Only the newest are worth keeping after a long wait in vain.
            if n - self.nr <= SKIP_MAX {
                spares.push(Spare {
                    dh: *dh,
                    n: self.nr,
                    key: mk,
                });
            }
            self.nr += 1;
        }
        Ok(())
    }

    fn unlock(
        &self,
        mk: &Secret<32>,
        header: &Header,
        letter: &Letter,
    ) -> Result<Bytes, OpenError> {
        let (key, nonce) = letter_key(mk, &header.salt);
        open(&key, &nonce, &letter.ct, &self.aad(&letter.hdr)).map_err(|_| OpenError::Broken)
    }

    fn opened(&mut self) {
        self.since = self.since.saturating_add(1);
        self.beyond_since = None;
        self.first = None;
    }

    fn aad(&self, hdr: &[u8]) -> Vec<u8> {
        [&self.ad.0, hdr].concat()
    }
}

/// How a closed receiving chain is remembered among the letters seen.
pub fn closed_mark(dh: &B32) -> Hash16 {
    hash16(&[derive::CLOSED_CHAIN.bytes(), &dh.0].concat())
}

/// KDF_RK: the next root key and a new chain key.
fn root_step(
    rk: &Secret<32>,
    dh: &Secret<32>,
    ss: Option<&Secret<32>>,
) -> (Secret<32>, Secret<32>) {
    let none = Secret::new([0; 32]);
    let ikm = [&dh.expose()[..], ss.unwrap_or(&none).expose()];
    let info = [derive::DR_ROOT.bytes(), &[u8::from(ss.is_some())]];
    let out: Secret<64> = hkdf(rk.expose(), &ikm, &info);
    (
        Secret::from_slice(&out.expose()[..32]),
        Secret::from_slice(&out.expose()[32..]),
    )
}

/// One message key and the next chain key.
fn step(ck: &Secret<32>) -> (Secret<32>, Secret<32>) {
    (
        Secret::new(hmac(ck.expose(), &[1])),
        Secret::new(hmac(ck.expose(), &[2])),
    )
}

/// Key and nonce of one letter.
fn letter_key(mk: &Secret<32>, salt: &Fixed<16>) -> (Secret<32>, [u8; 12]) {
    let out: Secret<44> = expand(mk.expose(), &[derive::DR_MESSAGE.bytes(), &salt.0]);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&out.expose()[32..]);
    (Secret::from_slice(&out.expose()[..32]), nonce)
}
