//! Prekey bundles: what a stranger needs to write to a device that is not looking.

use super::account::{SUITE, Signed, Untrusted};
use super::list::Device;
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive;
use crate::crypto::kem::{KemKey, KemPublic};
use crate::crypto::sign::SignKey;
use crate::id::{AccountId, B32, DeviceId, InviteId};
use crate::limits::{BUNDLE_LIFE_S, CLOCK_SKEW_S, PREKEY_KEEP_S};
use crate::time::Secs;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// A numbered public X25519 key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct NumberedKey {
    /// From 1, counted up per device, never reused.
    #[n(0)]
    pub id: u32,
    /// The key.
    #[n(1)]
    pub key: B32,
}

/// A numbered public ML-KEM key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct NumberedKemKey {
    /// From 1, counted up per device, never reused.
    #[n(0)]
    pub id: u32,
    /// The key.
    #[n(1)]
    pub key: KemPublic,
}

/// A device's prekeys, signed by its DSK.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Bundle {
    /// 1.
    #[n(1)]
    pub suite: u8,
    /// The account.
    #[n(2)]
    pub account: AccountId,
    /// The device.
    #[n(3)]
    pub device: DeviceId,
    /// Its identity key.
    #[n(4)]
    pub dik: B32,
    /// Signed prekey SPK.
    #[n(5)]
    pub spk: NumberedKey,
    /// ML-KEM prekey PQSPK.
    #[n(6)]
    pub pq: NumberedKemKey,
    /// Unix seconds.
    #[n(7)]
    pub issued: Secs,
    /// At most 14 days after `issued`.
    #[n(8)]
    pub expires: Secs,
}

/// Private halves of one bundle, found by the bundle's hash.
#[derive(Clone, Debug, Encode, Decode)]
pub struct PrekeyRow {
    /// The published bundle.
    #[n(0)]
    pub bundle: Signed,
    /// SPK.
    #[n(1)]
    pub spk: AgreeKey,
    /// PQSPK.
    #[n(2)]
    pub pq: KemKey,
    /// When the private halves are erased, unix seconds.
    #[n(3)]
    pub erase_at: Secs,
}

/// A one-time prekey of an invite.
#[derive(Clone, Debug, Encode, Decode)]
pub struct OneTimeRow {
    /// The private half.
    #[n(0)]
    pub key: AgreeKey,
    /// The invite that gave it out.
    #[n(1)]
    pub invite: InviteId,
    /// It made a session and makes no other.
    #[n(2)]
    pub used: bool,
}

/// Makes a bundle and its private halves.
pub fn make(
    account: AccountId,
    device: DeviceId,
    dsk: &SignKey,
    dik: B32,
    number: u32,
    now: Secs,
    rng: &mut dyn CryptoRng,
) -> PrekeyRow {
    let spk = AgreeKey::random(rng);
    let pq = KemKey::random(rng);
    let body = Bundle {
        suite: SUITE,
        account,
        device,
        dik,
        spk: NumberedKey {
            id: number,
            key: spk.public(),
        },
        pq: NumberedKemKey {
            id: number,
            key: pq.public(),
        },
        issued: now,
        expires: now + BUNDLE_LIFE_S,
    };
    let bundle = Signed::make(derive::SIG_BUNDLE, dsk, &body);
    PrekeyRow {
        bundle,
        spk,
        pq,
        erase_at: body.expires + PREKEY_KEEP_S,
    }
}

/// Verifies a bundle for a device of a verified list. `grace` extends its life, for repairs only.
///
/// # Errors
/// [`Untrusted`] in any of its kinds.
pub fn open(
    signed: &Signed,
    account: &AccountId,
    device: &Device,
    now: Secs,
    grace: Secs,
) -> Result<Bundle, Untrusted> {
    let body: Bundle = signed.open(derive::SIG_BUNDLE, &device.dsk)?;
    if body.suite != SUITE {
        return Err(Untrusted::Suite);
    }
    if body.account != *account || body.device != device.id || body.dik != device.dik {
        return Err(Untrusted::Mismatch);
    }
    if body.issued >= body.expires
        || body.expires - body.issued > BUNDLE_LIFE_S
        || body.spk.id == 0
        || body.pq.id == 0
    {
        return Err(Untrusted::Malformed);
    }
    if now > body.expires.saturating_add(grace) || body.issued > now + CLOCK_SKEW_S {
        return Err(Untrusted::Expired);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::dice::Counting;
    use crate::id::Fixed;
    use crate::private::Secret;
    use crate::wire::codec::encode;

    #[test]
    fn a_bundle_belongs_to_its_device_and_time() {
        let dsk = SignKey::from_seed(Secret::new([1; 32]));
        let device = Device {
            id: Fixed([2; 16]),
            dsk: dsk.public(),
            dik: Fixed([3; 32]),
            added: 0,
            caps: 1,
        };
        let account = Fixed([4; 32]);
        let now = 1_800_000_000;
        let row = make(
            account,
            device.id,
            &dsk,
            device.dik,
            300,
            now,
            &mut Counting(0),
        );
        assert_eq!(encode(&row.bundle).len(), 1_404);
        assert!(open(&row.bundle, &account, &device, now, 0).is_ok());
        assert!(open(&row.bundle, &Fixed([5; 32]), &device, now, 0).is_err());
        let other = Device {
            dik: Fixed([9; 32]),
            ..device.clone()
        };
        assert_eq!(
            open(&row.bundle, &account, &other, now, 0),
            Err(Untrusted::Mismatch)
        );
        let late = now + BUNDLE_LIFE_S + 1;
        assert_eq!(
            open(&row.bundle, &account, &device, late, 0),
            Err(Untrusted::Expired)
        );
        assert!(open(&row.bundle, &account, &device, late, 100).is_ok());
        assert!(open(&row.bundle, &account, &device, now - CLOCK_SKEW_S - 1, 0).is_err());
    }
}
