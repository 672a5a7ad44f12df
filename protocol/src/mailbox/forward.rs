//! Boxes: a request to one bridge that another one hands on without being able to read it. The
//! one that hands on sees who sends; the one that opens sees what for; neither sees both.

use super::descriptor::ForwardKeys;
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive::{self, hkdf};
use crate::crypto::hash::sha256;
use crate::crypto::kem::{self, KemCiphertext, KemKey, KemPublic};
use crate::crypto::seal::{open, open_x, seal, seal_x};
use crate::id::{B32, Fixed, Hash16};
use crate::identity::account::Signed;
use crate::limits::{ANSWER_BYTES, BLOCK_BYTES, BOX_EXTRA_BYTES};
use crate::private::{Bytes, Secret};
use crate::time::Secs;
use crate::wire::codec::{Blob, decode_closed, encode};
use crate::wire::pad::{pad, unpad};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

const F: [u8; 32] = [0xff; 32];

/// A sealed request on its way to a bridge.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Forward {
    /// The bridge that opens it.
    #[n(1)]
    pub to: B32,
    /// Fresh X25519 key of the sender.
    #[n(2)]
    pub ek: B32,
    /// ML-KEM ciphertext.
    #[n(3)]
    pub ct: KemCiphertext,
    /// ChaCha20-Poly1305, nonce 0: a key of its own seals each box once.
    #[n(4)]
    pub sealed: Blob,
    /// Until when it may be handed on: unix seconds.
    #[n(5)]
    pub until: Secs,
}

/// What the box is bound to: everything else in the map.
#[derive(Encode)]
#[cbor(map)]
struct Around<'a> {
    #[n(1)]
    to: &'a B32,
    #[n(2)]
    ek: &'a B32,
    #[n(3)]
    ct: &'a KemCiphertext,
    #[n(5)]
    until: Secs,
}

/// What a bridge is asked in a box.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Request {
    /// Hold this block, for at most so many seconds.
    #[n(1)]
    Deposit(#[n(0)] Blob, #[n(1)] Secs),
}

/// What it answers, sealed to whoever sent the box.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum Answer {
    /// It is held: the promise.
    #[n(0)]
    Held(#[n(0)] Signed),
    /// Nobody here reads what comes under this tag.
    #[n(1)]
    NotHere,
    /// There is no room: later.
    #[n(2)]
    Full,
}

/// Keys of one box: for the request, and for its answer.
struct BoxKeys {
    request: Secret<32>,
    reply: Secret<32>,
}

fn keys(
    ek: &B32,
    ct: &KemCiphertext,
    to: (&B32, &KemPublic),
    dh: &Secret<32>,
    ss: &Secret<32>,
) -> BoxKeys {
    let (x, kem) = to;
    let transcript = sha256(&[&ek.0[..], &ct.0, &x.0, &kem.0].concat());
    let ikm: [&[u8]; 3] = [&F, dh.expose(), ss.expose()];
    let out: Secret<64> = hkdf(&[0; 32], &ikm, &[derive::FORWARD.bytes(), &transcript.0]);
    BoxKeys {
        request: Secret::from_slice(&out.expose()[..32]),
        reply: Secret::from_slice(&out.expose()[32..]),
    }
}

/// What the sender keeps of a box.
#[derive(Clone, Debug)]
pub struct SealedBox {
    /// What travels.
    pub forward: Forward,
    /// Opens the answer.
    pub reply_key: Secret<32>,
}

/// Seals a request to a bridge's keys of the day; `None` if they are malformed or the request is
/// too long.
pub fn seal_to(
    keys_of: &ForwardKeys,
    request: &Request,
    until: Secs,
    rng: &mut dyn CryptoRng,
) -> Option<SealedBox> {
    let request = encode(request);
    let padded = BLOCK_BYTES
        .iter()
        .find_map(|size| pad(&request, size + BOX_EXTRA_BYTES))?;
    let ephemeral = AgreeKey::random(rng);
    let dh = ephemeral.agree(&keys_of.x).ok()?;
    let (ct, ss) = kem::encapsulate(&keys_of.kem, rng).ok()?;
    let ek = ephemeral.public();
    let keys = keys(&ek, &ct, (&keys_of.x, &keys_of.kem), &dh, &ss);
    let to = keys_of.bridge;
    let around = Around {
        to: &to,
        ek: &ek,
        ct: &ct,
        until,
    };
    let sealed = seal(&keys.request, &[0; 12], &padded, &encode(&around));
    let forward = Forward {
        to,
        ek,
        ct,
        sealed: Blob(sealed),
        until,
    };
    Some(SealedBox {
        forward,
        reply_key: keys.reply,
    })
}

impl Forward {
    /// SHA-256 of the whole.
    pub fn hash(&self) -> B32 {
        sha256(&encode(self))
    }

    /// Names it: the first 16 bytes of its hash.
    pub fn fid(&self) -> Hash16 {
        Hash16::from_slice(&self.hash().0[..16]).unwrap_or(Hash16::ZERO)
    }

    /// Names its sealing: no two boxes share it.
    pub fn seal_id(&self) -> Hash16 {
        crate::crypto::hash::hash16(&[&self.ek.0[..], &self.ct.0].concat())
    }

    /// Whether the box has one of the exact sizes.
    pub fn fits(&self) -> bool {
        BLOCK_BYTES.iter().any(|size| {
            self.sealed.len() == size + BOX_EXTRA_BYTES + crate::crypto::seal::TAG_BYTES
        })
    }

    /// Opens a box with a day's private keys; gives the request, and the key for the answer.
    pub fn open(&self, x: &AgreeKey, kem: &KemKey) -> Option<(Request, Secret<32>)> {
        let dh = x.agree(&self.ek).ok()?;
        let ss = kem.decapsulate(&self.ct);
        let keys = keys(&self.ek, &self.ct, (&x.public(), &kem.public()), &dh, &ss);
        let around = Around {
            to: &self.to,
            ek: &self.ek,
            ct: &self.ct,
            until: self.until,
        };
        let padded = open(&keys.request, &[0; 12], &self.sealed, &encode(&around)).ok()?;
        let request = decode_closed(unpad(&padded)?).ok()?;
        Some((request, keys.reply))
    }

    /// Seals the answer to this box: `nonce24 ‖ ciphertext`.
    pub fn reply(&self, key: &Secret<32>, answer: &Answer, rng: &mut dyn CryptoRng) -> Vec<u8> {
        let nonce = Fixed::<24>::random(rng);
        let padded = pad(&encode(answer), ANSWER_BYTES).unwrap_or_default();
        let sealed = seal_x(key, &nonce.0, &padded, &self.hash().0);
        [&nonce.0[..], &sealed].concat()
    }
}

/// Opens an answer with what the sender kept.
pub fn open_reply(key: &Secret<32>, forward: &B32, reply: &[u8]) -> Option<Answer> {
    let (nonce, sealed) = reply.split_first_chunk::<24>()?;
    let padded: Bytes = open_x(key, nonce, sealed, &forward.0).ok()?;
    decode_closed(unpad(&padded)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::dice::Counting;
    use alloc::vec;

    fn day_keys(rng: &mut Counting) -> (AgreeKey, KemKey, ForwardKeys) {
        let (x, kem) = (AgreeKey::random(rng), KemKey::random(rng));
        let keys = ForwardKeys {
            bridge: Fixed([4; 32]),
            day: 20_000,
            x: x.public(),
            kem: kem.public(),
        };
        (x, kem, keys)
    }

    #[test]
    fn a_box_opens_for_its_bridge_alone_and_its_answer_for_its_sender() {
        let mut rng = Counting(0);
        let (x, kem, keys) = day_keys(&mut rng);
        for (block, size) in [(1_024, 1_552), (4_096, 4_624), (65_536, 66_064)] {
            let request = Request::Deposit(Blob(vec![3; block]), 60);
            let sealed = seal_to(&keys, &request, 1_770_000_000, &mut rng).unwrap();
            assert_eq!(sealed.forward.sealed.len(), size);
            assert!(sealed.forward.fits());
            assert!(encode(&sealed.forward).len() < crate::limits::FRAME_BYTES_MAX - 16);
            let (opened, reply_key) = sealed.forward.open(&x, &kem).unwrap();
            assert_eq!(opened, request);
            let reply = sealed.forward.reply(&reply_key, &Answer::Full, &mut rng);
            let hash = sealed.forward.hash();
            assert_eq!(
                open_reply(&sealed.reply_key, &hash, &reply),
                Some(Answer::Full)
            );
            assert_eq!(open_reply(&sealed.reply_key, &Fixed([0; 32]), &reply), None);

            let other = AgreeKey::random(&mut rng);
            assert!(sealed.forward.open(&other, &kem).is_none());
            let other = KemKey::random(&mut rng);
            assert!(sealed.forward.open(&x, &other).is_none());
            let bends: [fn(&mut Forward); 5] = [
                |f| f.to.0[0] ^= 1,
                |f| f.ek.0[0] ^= 1,
                |f| f.ct.0[0] ^= 1,
                |f| f.sealed.0[0] ^= 1,
                |f| f.until += 1,
            ];
            for bend in bends {
                let mut bent = sealed.forward.clone();
                bend(&mut bent);
                assert!(bent.open(&x, &kem).is_none());
                assert_ne!(bent.fid(), sealed.forward.fid());
            }
        }
        let long = Request::Deposit(Blob(vec![3; 66_100]), 60);
        assert!(seal_to(&keys, &long, 0, &mut rng).is_none());
    }

    #[test]
    fn a_key_of_low_order_seals_and_opens_nothing() {
        let mut rng = Counting(0);
        let (x, kem, mut keys) = day_keys(&mut rng);
        let request = Request::Deposit(Blob(vec![3; 9]), 60);
        let mut sealed = seal_to(&keys, &request, 0, &mut rng).unwrap();
        keys.x = Fixed([0; 32]);
        assert!(seal_to(&keys, &request, 0, &mut rng).is_none());
        sealed.forward.ek = Fixed([0; 32]);
        assert!(sealed.forward.open(&x, &kem).is_none());
    }
}
