//! HKDF, and the one table of labels.
//!
//! A label is its ASCII bytes followed by one zero byte. None contains another zero, so none is a
//! prefix of another and no two uses can collide.

use crate::private::Secret;
use hkdf::Hkdf;
use sha2::Sha256;

/// A domain-separation label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(&'static str);

impl Label {
    /// The label as it is hashed: ASCII, then one zero byte.
    pub const fn bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $( $(#[$doc])* pub const $name: Label = Label(concat!($text, "\0")); )*

        /// Every label of this version, for the test that keeps them apart and for the spec.
        pub const ALL: &[Label] = &[$($name),*];
    };
}

labels! {
    /// HKDF salt for everything that comes from the recovery words.
    RECOVERY = "wx1/recovery";
    /// Root signing keys.
    ROOT = "wx1/root";
    /// Backup key.
    BACKUP = "wx1/backup";
    /// Account id.
    ACCOUNT = "wx1/account";
    /// Checksum of an address.
    ADDRESS = "wx1/addr";
    /// Safety number.
    SAFETY = "wx1/safety";
    /// Id of a direct conversation.
    CONVERSATION = "wx1/conv";
    /// Signature over a Genesis.
    SIG_GENESIS = "wx1/sig/genesis";
    /// Signature over a RootStatement.
    SIG_ROOT_STATEMENT = "wx1/sig/root-statement";
    /// Signature over a DeviceList.
    SIG_DEVICE_LIST = "wx1/sig/device-list";
    /// Signature over a prekey bundle.
    SIG_BUNDLE = "wx1/sig/bundle";
    /// Invite id.
    INVITE_ID = "wx1/inv/id";
    /// Invite pre-shared key.
    INVITE_PSK = "wx1/inv/psk";
    /// Key of the invite's objects.
    INVITE_CARD = "wx1/inv/card";
    /// First transcript hash.
    HS_TH1 = "wx1/HS/th1";
    /// Second transcript hash.
    HS_TH2 = "wx1/HS/th2";
    /// Key of the initiator's identity.
    HS_IDENT = "wx1/HS/id";
    /// Session keys.
    HS_KEYS = "wx1/HS/sk";
    /// Associated data of a session.
    AD = "wx1/AD";
    /// Root step of the ratchet.
    DR_ROOT = "wx1/DR/root";
    /// Key and nonce of one letter.
    DR_MESSAGE = "wx1/DR/msg";
    /// Pre-shared key of a repair.
    HEAL_PSK = "wx1/heal";
    /// Id of a repair's pre-shared key.
    HEAL_ID = "wx1/heal/id";
    /// Tag of a day.
    TAG = "wx1/tag";
    /// Key of a day's envelopes.
    ENVELOPE = "wx1/env";
    /// Keys of a box.
    FORWARD = "wx1/fwd";
    /// Answer to a mailbox's challenge.
    MAILBOX_AUTH = "wx1/mbx/auth";
    /// Names an operator.
    OPERATOR = "wx1/operator";
    /// Signature over a bridge's descriptor.
    SIG_DESCRIPTOR = "wx1/sig/descriptor";
    /// Signature over a bridge's keys of a day.
    SIG_FORWARD_KEYS = "wx1/sig/forward-keys";
    /// Signature over a promise to hold.
    SIG_CUSTODY = "wx1/sig/custody";
    /// Signature over a promise to hand on.
    SIG_QUEUED = "wx1/sig/queued";
    /// Commitment to the key that wraps a home's data key.
    COMMIT = "wx1/commit";
    /// Key that blinds the scopes of stored rows.
    DB_KEYS = "wx1/db/keys";
    /// Key of one table.
    DB_TABLE = "wx1/db/tree";
    /// Key of rotating state.
    DB_STATE = "wx1/db/state";
    /// Key of one turn of a store's journal.
    DB_JOURNAL = "wx1/db/journal";
    /// Names a closed receiving chain among the letters seen. Local.
    CLOSED_CHAIN = "wx1/local/closed";
    /// Fingerprint of a command under an idempotency key. Local.
    COMMAND = "wx1/local/command";
    /// Key of the file that keeps the local API's tokens. Local.
    TOKENS = "wx1/local/tokens";
}

/// HKDF-SHA256(salt, ikm, info, N); `info` is the parts, joined.
pub fn hkdf<const N: usize>(salt: &[u8], ikm: &[&[u8]], info: &[&[u8]]) -> Secret<N> {
    let mut extract = hkdf::HkdfExtract::<Sha256>::new(Some(salt));
    for part in ikm {
        extract.input_ikm(part);
    }
    let (_, prk) = extract.finalize();
    fill(&prk, info)
}

/// HKDF-Expand with a uniform 32-byte key as PRK.
pub fn expand<const N: usize>(prk: &[u8; 32], info: &[&[u8]]) -> Secret<N> {
    match Hkdf::<Sha256>::from_prk(prk) {
        Ok(prk) => fill(&prk, info),
        Err(_) => unreachable!("32 bytes are a whole hash"),
    }
}

/// HKDF-Extract, for the one value that keeps a PRK (the recovery words).
pub fn extract(salt: &[u8], ikm: &[u8]) -> Secret<32> {
    let (mut prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
    let out = Secret::from_slice(&prk);
    zeroize::Zeroize::zeroize(prk.as_mut_slice());
    out
}

fn fill<const N: usize>(prk: &Hkdf<Sha256>, info: &[&[u8]]) -> Secret<N> {
    let mut out = zeroize::Zeroizing::new([0; N]);
    match prk.expand_multi_info(info, out.as_mut_slice()) {
        Ok(()) => Secret::new(*out),
        Err(_) => unreachable!("no output here is near 255 hashes long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::hmac;
    use data_encoding::HEXLOWER;

    #[test]
    fn no_label_is_a_prefix_of_another() {
        for (i, a) in ALL.iter().enumerate() {
            assert_eq!(a.bytes().iter().filter(|b| **b == 0).count(), 1);
            assert!(a.bytes().starts_with(b"wx1/"));
            for b in &ALL[i + 1..] {
                assert!(!a.bytes().starts_with(b.bytes()), "{a:?} {b:?}");
                assert!(!b.bytes().starts_with(a.bytes()), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn rfc_5869_case_1() {
        let ikm = [0x0b; 22];
        let salt: alloc::vec::Vec<u8> = (0..13).collect();
        let info: alloc::vec::Vec<u8> = (0xf0..0xfa).collect();
        let okm = hkdf::<42>(&salt, &[&ikm], &[&info]);
        assert_eq!(
            HEXLOWER.encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        let prk = extract(&salt, &ikm);
        assert_eq!(expand::<42>(prk.expose(), &[&info]).expose(), okm.expose());
    }

    #[test]
    fn rfc_4231_case_with_a_32_byte_key_is_a_plain_hmac() {
        // HMAC pads short keys with zeros, so case 2 ("Jefe") fits a zero-padded key.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            HEXLOWER.encode(&hmac(&key, b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
