//! Signed account objects: Genesis and RootStatement, and the address that people pass around.

use crate::crypto::derive::{self, Label};
use crate::crypto::hash::{hash, hash16, sha256};
use crate::crypto::sign::{Sig, SignKey, verify};
use crate::id::{AccountId, B32, Fixed, Hash16, from_base32, to_base32};
use crate::time::Secs;
use crate::wire::codec::{Blob, decode, encode};
use alloc::format;
use alloc::string::String;
use minicbor::{Decode, Encode};

/// The one suite of this version.
pub const SUITE: u8 = 1;

/// Epochs from here on are under the spare root.
pub const SPARE_EPOCH_MIN: u32 = 1 << 31;

/// Exact body bytes and the signature over them: `[body, sig]`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Signed {
    /// Deterministic CBOR of the body.
    #[n(0)]
    pub body: Blob,
    /// Over the type's label and the body.
    #[n(1)]
    pub sig: Sig,
}

/// Why an object is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untrusted {
    /// Not canonical CBOR of the type, or a field out of its range.
    #[error("malformed object")]
    Malformed,
    /// The signature does not verify.
    #[error("bad signature")]
    Signature,
    /// It belongs to another account, epoch or device.
    #[error("objects do not belong together")]
    Mismatch,
    /// A suite that this version does not speak.
    #[error("unknown suite")]
    Suite,
    /// It is no longer or not yet valid.
    #[error("expired")]
    Expired,
}

impl Signed {
    /// Encodes and signs a body.
    pub fn make<T: Encode<()>>(label: Label, key: &SignKey, body: &T) -> Self {
        let body = encode(body);
        let sig = key.sign(label, &body);
        Self {
            body: Blob(body),
            sig,
        }
    }

    /// Decodes the body without looking at the signature, for rows that were verified before and
    /// for objects that carry the key they are verified with.
    ///
    /// # Errors
    /// [`Untrusted::Malformed`].
    pub fn peek<T: Encode<()> + for<'b> Decode<'b, ()>>(&self) -> Result<T, Untrusted> {
        decode(&self.body).map_err(|_| Untrusted::Malformed)
    }

    /// Verifies over the stored bytes, then decodes.
    ///
    /// # Errors
    /// [`Untrusted::Signature`] or [`Untrusted::Malformed`].
    pub fn open<T: Encode<()> + for<'b> Decode<'b, ()>>(
        &self,
        label: Label,
        key: &B32,
    ) -> Result<T, Untrusted> {
        verify(key, label, &self.body, &self.sig).map_err(|_| Untrusted::Signature)?;
        self.peek()
    }

    /// SHA-256 of the body.
    pub fn hash(&self) -> B32 {
        sha256(&self.body)
    }

    /// First 16 bytes of [`Signed::hash`].
    pub fn hash16(&self) -> Hash16 {
        hash16(&self.body)
    }
}

/// The first object of an account, signed by root 0. Its hash is the account id.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Genesis {
    /// 1.
    #[n(1)]
    pub suite: u8,
    /// Root 0.
    #[n(2)]
    pub root: B32,
    /// SHA-256 of the spare root's public key; zeros: no rotation.
    #[n(3)]
    pub spare_hash: B32,
    /// Unix seconds.
    #[n(4)]
    pub created: Secs,
    /// Random.
    #[n(5)]
    pub salt: Fixed<16>,
}

/// Which keys speak for the account, signed by root 0 or the spare root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RootStatement {
    /// The account.
    #[n(1)]
    pub account: AccountId,
    /// Higher ends lower.
    #[n(2)]
    pub epoch: u32,
    /// Account signing key.
    #[n(3)]
    pub ask: B32,
    /// Address key.
    #[n(4)]
    pub ak: B32,
    /// Unix seconds.
    #[n(5)]
    pub created: Secs,
    /// The spare root, in statements that it signs.
    #[n(6)]
    pub spare: Option<B32>,
}

/// The account id of a Genesis body.
pub fn account_id(genesis: &Signed) -> AccountId {
    hash(derive::ACCOUNT, &[&genesis.body])
}

/// Verifies a Genesis with its own root.
///
/// # Errors
/// [`Untrusted`] in any of its kinds.
pub fn open_genesis(signed: &Signed) -> Result<(AccountId, Genesis), Untrusted> {
    let body: Genesis = signed.peek()?;
    if body.suite != SUITE {
        return Err(Untrusted::Suite);
    }
    let body: Genesis = signed.open(derive::SIG_GENESIS, &body.root)?;
    Ok((account_id(signed), body))
}

/// Verifies a RootStatement against its account's Genesis.
///
/// # Errors
/// [`Untrusted`] in any of its kinds.
pub fn open_statement(
    signed: &Signed,
    account: &AccountId,
    genesis: &Genesis,
) -> Result<RootStatement, Untrusted> {
    let body: RootStatement = signed.peek()?;
    let key = match body.spare {
        None if body.epoch < SPARE_EPOCH_MIN => genesis.root,
        Some(spare)
            if body.epoch >= SPARE_EPOCH_MIN
                && genesis.spare_hash != B32::ZERO
                && sha256(&spare.0) == genesis.spare_hash =>
        {
            spare
        }
        _ => return Err(Untrusted::Mismatch),
    };
    let body: RootStatement = signed.open(derive::SIG_ROOT_STATEMENT, &key)?;
    if body.account == *account {
        Ok(body)
    } else {
        Err(Untrusted::Mismatch)
    }
}

/// `wax1` ‖ base32(account_id ‖ AK_pub ‖ checksum).
pub fn address(account: &AccountId, ak: &B32) -> String {
    let checksum = checksum(account, ak);
    format!(
        "wax1{}",
        to_base32(&[&account.0[..], &ak.0, &checksum].concat())
    )
}

/// The account id and address key in an address, or `None` if it is not one.
pub fn parse_address(text: &str) -> Option<(AccountId, B32)> {
    let bytes = from_base32(text.strip_prefix("wax1")?)?;
    let (account, rest) = bytes.split_first_chunk::<32>()?;
    let (ak, sum) = rest.split_first_chunk::<32>()?;
    let (account, ak) = (Fixed(*account), Fixed(*ak));
    (sum == checksum(&account, &ak)).then_some((account, ak))
}

fn checksum(account: &AccountId, ak: &B32) -> [u8; 2] {
    let sum = hash(derive::ADDRESS, &[&account.0, &ak.0]);
    [sum.0[0], sum.0[1]]
}

/// Id of the direct conversation of two accounts.
pub fn conversation_id(a: &AccountId, b: &AccountId) -> B32 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    hash(derive::CONVERSATION, &[&low.0, &high.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::Secret;

    fn genesis(root: &SignKey, spare: Option<&SignKey>) -> Signed {
        let body = Genesis {
            suite: SUITE,
            root: root.public(),
            spare_hash: spare.map_or(B32::ZERO, |key| sha256(&key.public().0)),
            created: 1_800_000_000,
            salt: Fixed([9; 16]),
        };
        Signed::make(derive::SIG_GENESIS, root, &body)
    }

    fn statement(key: &SignKey, account: AccountId, epoch: u32, spare: Option<B32>) -> Signed {
        let body = RootStatement {
            account,
            epoch,
            ask: Fixed([1; 32]),
            ak: Fixed([2; 32]),
            created: 1_800_000_000,
            spare,
        };
        Signed::make(derive::SIG_ROOT_STATEMENT, key, &body)
    }

    #[test]
    fn sizes_are_those_of_the_spec() {
        let root = SignKey::from_seed(Secret::new([3; 32]));
        let signed = genesis(&root, None);
        assert_eq!(encode(&signed).len(), 166);
        let statement = statement(&root, account_id(&signed), 1, None);
        assert_eq!(encode(&statement).len(), 183);
    }

    #[test]
    fn the_chain_holds_only_as_signed() {
        let root = SignKey::from_seed(Secret::new([3; 32]));
        let spare = SignKey::from_seed(Secret::new([4; 32]));
        let signed = genesis(&root, Some(&spare));
        let (account, body) = open_genesis(&signed).unwrap();
        let open = |s: &Signed| open_statement(s, &account, &body);
        assert!(open(&statement(&root, account, 1, None)).is_ok());
        let high = SPARE_EPOCH_MIN;
        assert!(open(&statement(&spare, account, high, Some(spare.public()))).is_ok());
        // The spare may not speak in the epochs of root 0, nor the other way round.
        for bad in [
            statement(&spare, account, 1, Some(spare.public())),
            statement(&root, account, high, None),
            statement(&root, account, 1, Some(root.public())),
            statement(&root, account, high, Some(root.public())),
            statement(&spare, account, 1, None),
            statement(&root, Fixed([0; 32]), 1, None),
        ] {
            assert!(open(&bad).is_err());
        }
        let without = genesis(&root, None);
        let (account, body) = open_genesis(&without).unwrap();
        let late = statement(&spare, account, high, Some(spare.public()));
        assert_eq!(
            open_statement(&late, &account, &body),
            Err(Untrusted::Mismatch)
        );
    }

    #[test]
    fn addresses_carry_a_checksum() {
        let text = address(&Fixed([5; 32]), &Fixed([6; 32]));
        assert_eq!(text.len(), 4 + 106);
        assert_eq!(parse_address(&text), Some((Fixed([5; 32]), Fixed([6; 32]))));
        let bent = text.replacen("bqga", "bqgb", 1);
        assert_ne!(bent, text);
        for bad in [bent.as_str(), &text[4..], &text[..100], "wax1", ""] {
            assert_eq!(parse_address(bad), None);
        }
    }

    #[test]
    fn a_conversation_has_one_id_for_both() {
        let (a, b) = (Fixed([1; 32]), Fixed([2; 32]));
        assert_eq!(conversation_id(&a, &b), conversation_id(&b, &a));
    }
}
