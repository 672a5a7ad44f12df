//! ML-KEM-768 against a second implementation, both ways.

use crate::common::Dice;
use libcrux_ml_kem::mlkem768::{self as other, MlKem768Ciphertext, MlKem768PublicKey};
use rand_core::Rng;
use waxwing_protocol::crypto::kem::{KemCiphertext, KemKey, KemPublic, encapsulate};
use waxwing_protocol::private::Secret;

const ROUNDS: u64 = 200;

#[test]
fn two_implementations_agree_on_keys_secrets_and_rejections() {
    for round in 0..ROUNDS {
        let mut dice = Dice(round);
        let mut seed = [0; 64];
        dice.fill_bytes(&mut seed);
        let ours = KemKey::from_seed(Secret::new(seed));
        let theirs = other::generate_key_pair(seed);
        assert_eq!(ours.public().0, *theirs.pk(), "{round}: public keys");

        // They encapsulate to us.
        let mut m = [0; 32];
        dice.fill_bytes(&mut m);
        let public = MlKem768PublicKey::from(ours.public().0);
        assert!(other::validate_public_key(&public));
        let (ct, shared) = other::encapsulate(&public, m);
        let ct = KemCiphertext::from_slice(ct.as_slice()).unwrap();
        assert_eq!(
            *ours.decapsulate(&ct).expose(),
            shared,
            "{round}: theirs to ours"
        );

        // We encapsulate to them.
        let public = KemPublic::from_slice(theirs.pk()).unwrap();
        let (ct, shared) = encapsulate(&public, &mut dice).unwrap();
        let read = |ct: &KemCiphertext| {
            other::decapsulate(theirs.private_key(), &MlKem768Ciphertext::from(ct.0))
        };
        assert_eq!(read(&ct), *shared.expose(), "{round}: ours to theirs");

        // A bent ciphertext is rejected into the same secret by both, and not into the old one.
        let mut bent = ct;
        let at = usize::try_from(dice.below(bent.0.len() as u64)).unwrap();
        bent.0[at] ^= 1 << dice.below(8);
        let rejected = read(&bent);
        assert_eq!(
            rejected,
            *ours.decapsulate(&bent).expose(),
            "{round}: rejection"
        );
        assert_ne!(rejected, *shared.expose());

        // A key with a coefficient out of range is refused by both.
        let mut wrong = ours.public();
        let at = 3 * usize::try_from(dice.below(384)).unwrap();
        (wrong.0[at], wrong.0[at + 1]) = (0xff, wrong.0[at + 1] | 0x0f);
        assert!(!other::validate_public_key(&MlKem768PublicKey::from(
            wrong.0
        )));
        assert!(encapsulate(&wrong, &mut dice).is_err());
    }
}
