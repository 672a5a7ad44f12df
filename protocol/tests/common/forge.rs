//! First messages made by hand: what an honest program would never send.

use super::persona::Persona;
use rand_core::CryptoRng;
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::crypto::derive::{self, expand, hkdf};
use waxwing_protocol::crypto::hash::{hash, hmac};
use waxwing_protocol::crypto::kem;
use waxwing_protocol::crypto::seal::seal;
use waxwing_protocol::id::{B32, Fixed, Hash16, SessionId};
use waxwing_protocol::identity::account::SUITE;
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::private::Secret;
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::handshake::{BundleOrHash, HsPublic, Ident, Init};
use waxwing_protocol::session::ratchet::Header;
use waxwing_protocol::time::Secs;
use waxwing_protocol::wire::codec::{Blob, encode};

/// The identity that a persona would send.
pub fn ident(who: &Persona, born: Secs) -> Ident {
    Ident {
        account: who.own.account,
        device: who.own.device,
        dik: who.own.dik.public(),
        genesis: who.objects.genesis.clone(),
        statement: who.objects.statement.clone(),
        list: who.objects.list.clone(),
        bundle: BundleOrHash::Bundle(who.prekeys.bundle.clone()),
        bridges: vec![],
        born,
    }
}

/// What a forger decides.
pub struct Forgery<'a> {
    /// B's bundle and the hash that pb will name.
    pub bundle: &'a Bundle,
    pub bundle_hash: B32,
    pub opk: Option<(u32, B32)>,
    pub psk: Option<(Hash16, Secret<32>)>,
    pub ident: Ident,
    /// The private half of the identity's DIK; `None`: DH1 is taken to be zero.
    pub dik: Option<AgreeKey>,
    /// AD with the roles of A and B exchanged.
    pub swapped: bool,
    pub suite: u8,
}

/// A forged first message that is right in everything that was not asked to be wrong.
pub struct Forged {
    pub pb: Vec<u8>,
    pub eid: Vec<u8>,
    pub rk: [u8; 32],
    pub sid: SessionId,
    pub ad: B32,
    spk: B32,
}

impl Forgery<'_> {
    pub fn make(&self, rng: &mut dyn CryptoRng) -> Forged {
        self.make_around(&encode(&self.ident), rng)
    }

    /// Seals any bytes in place of the identity.
    pub fn make_around(&self, ident: &[u8], rng: &mut dyn CryptoRng) -> Forged {
        let b = self.bundle;
        let ek = AgreeKey::random(rng);
        let (ct, ss) = kem::encapsulate(&b.pq.key, rng).unwrap();
        let pb = encode(&HsPublic {
            suite: self.suite,
            device: b.device,
            ek: ek.public(),
            spk: b.spk.id,
            pq: b.pq.id,
            ct,
            bundle: self.bundle_hash,
            opk: self.opk.map(|(id, _)| id),
            psk: self.psk.as_ref().map(|(id, _)| *id),
        });
        let agree = |key: &AgreeKey, with: &B32| *key.agree(with).unwrap().expose();
        let dh1 = match &self.dik {
            Some(dik) => agree(dik, &b.spk.key),
            None => [0; 32],
        };
        let (dh2, dh3) = (agree(&ek, &b.dik), agree(&ek, &b.spk.key));
        let dh4: Vec<u8> = self
            .opk
            .map_or(vec![], |(_, key)| agree(&ek, &key).to_vec());
        let s0 = self.psk.as_ref().map_or([0; 32], |(_, psk)| *psk.expose());
        let th1 = hash(derive::HS_TH1, &[&pb]);
        let f = [0xff; 32];
        let k_id: Secret<32> = hkdf(
            &s0,
            &[&f, &dh2, &dh3, &dh4, ss.expose()],
            &[derive::HS_IDENT.bytes(), &th1.0],
        );
        let eid = seal(&k_id, &[0; 12], ident, &pb);
        let th2 = hash(derive::HS_TH2, &[&th1.0, &eid]);
        let out: Secret<104> = hkdf(
            &s0,
            &[&f, &dh1, &dh2, &dh3, &dh4, ss.expose()],
            &[derive::HS_KEYS.bytes(), &th2.0],
        );
        let a: [&[u8]; 2] = [&self.ident.account.0, &self.ident.device.0];
        let to: [&[u8]; 2] = [&b.account.0, &b.device.0];
        let parts = if self.swapped {
            [to[0], to[1], a[0], a[1], &th2.0]
        } else {
            [a[0], a[1], to[0], to[1], &th2.0]
        };
        Forged {
            pb,
            eid,
            rk: out.expose()[..32].try_into().unwrap(),
            sid: Fixed(out.expose()[64..72].try_into().unwrap()),
            ad: hash(derive::AD, &parts),
            spk: b.spk.key,
        }
    }
}

impl Forged {
    /// The first letter, under a fresh ratchet key or under `dh`, whose results are zero.
    pub fn letter(&self, plain: &[u8], dh: Option<B32>, rng: &mut dyn CryptoRng) -> Letter {
        let dhs = AgreeKey::random(rng);
        let shared = match dh {
            Some(_) => [0; 32],
            None => *dhs.agree(&self.spk).unwrap().expose(),
        };
        let out: Secret<64> = hkdf(
            &self.rk,
            &[&shared, &[0; 32]],
            &[derive::DR_ROOT.bytes(), &[0]],
        );
        let ck: [u8; 32] = out.expose()[32..].try_into().unwrap();
        let header = Header {
            sid: self.sid,
            dh: dh.unwrap_or_else(|| dhs.public()),
            pn: 0,
            n: 0,
            ct: None,
            ek: None,
            salt: Fixed::random(rng),
        };
        seal_letter(&Secret::new(hmac(&ck, &[1])), &header, &self.ad, plain)
    }

    pub fn init(&self, letter: Letter) -> Init {
        Init {
            pb: Blob(self.pb.clone()),
            eid: Blob(self.eid.clone()),
            letter,
        }
    }
}

/// A letter under a given message key.
pub fn seal_letter(mk: &Secret<32>, header: &Header, ad: &B32, plain: &[u8]) -> Letter {
    let hdr = encode(header);
    let out: Secret<44> = expand(mk.expose(), &[derive::DR_MESSAGE.bytes(), &header.salt.0]);
    let key = Secret::new(out.expose()[..32].try_into().unwrap());
    let nonce = out.expose()[32..].try_into().unwrap();
    let ct = seal(&key, &nonce, plain, &[&ad.0[..], &hdr].concat());
    Letter {
        hdr: Blob(hdr),
        ct: Blob(ct),
    }
}

/// A forgery that is right in everything.
pub fn honest<'a>(who: &Persona, bundle: &'a Bundle, bundle_hash: B32, born: Secs) -> Forgery<'a> {
    Forgery {
        bundle,
        bundle_hash,
        opk: None,
        psk: None,
        ident: ident(who, born),
        dik: Some(who.own.dik.clone()),
        swapped: false,
        suite: SUITE,
    }
}
