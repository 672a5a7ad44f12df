//! Safety numbers: sixty digits that two people compare.

use super::account::Genesis;
use super::device::{self, account_key};
use super::list::AccountRow;
use crate::crypto::derive;
use crate::crypto::hash::sha512_rounds;
use crate::id::{AccountId, B32, to_base64url};
use crate::store::{ReadExt, StoreError};
use alloc::format;
use alloc::string::String;

/// Rounds of SHA-512: makes a look-alike costly to search.
const ROUNDS: u32 = 5_200;

/// We and another account, each with its root 0; `None` until that is known of both.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn roots(
    store: &(impl ReadExt + ?Sized),
    other: &AccountId,
) -> Result<Option<[(AccountId, B32); 2]>, StoreError> {
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    let root = |account: &AccountId| -> Result<Option<B32>, StoreError> {
        let objects: Option<AccountRow> = store.row(&account_key(account))?;
        Ok(objects
            .and_then(|o| o.genesis.peek::<Genesis>().ok())
            .map(|genesis| genesis.root))
    };
    Ok(match (root(&own.account)?, root(other)?) {
        (Some(mine), Some(theirs)) => Some([(own.account, mine), (*other, theirs)]),
        _ => None,
    })
}

/// The full fingerprint of one account, as a QR code carries it.
pub fn fingerprint(account: &AccountId, root: &B32) -> [u8; 64] {
    sha512_rounds(derive::SAFETY, &[&account.0, &root.0], ROUNDS)
}

/// The thirty digits of one account.
fn half(account: &AccountId, root: &B32) -> String {
    let print = fingerprint(account, root);
    let mut out = String::new();
    for group in print.chunks_exact(5).take(6) {
        let number = group.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte)) % 100_000;
        out.push_str(&format!("{number:05}"));
    }
    out
}

/// Begins the text of the QR code.
const CODE_SCHEME: &str = "waxwing-safety:";

/// What a QR code carries: both full fingerprints, the smaller first. The same for both people.
pub fn code(a: (&AccountId, &B32), b: (&AccountId, &B32)) -> String {
    let mut prints = [fingerprint(a.0, a.1), fingerprint(b.0, b.1)];
    prints.sort();
    format!("{CODE_SCHEME}{}", to_base64url(&prints.concat()))
}

/// Sixty digits in twelve groups of five: the same for both people.
pub fn number(a: (&AccountId, &B32), b: (&AccountId, &B32)) -> String {
    let mut halves = [half(a.0, a.1), half(b.0, b.1)];
    halves.sort();
    let digits = halves.concat();
    let groups: alloc::vec::Vec<&str> = (0..12).map(|i| &digits[i * 5..i * 5 + 5]).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use crate::id::{Fixed, from_base64url};

    #[test]
    fn both_people_see_the_same_sixty_digits() {
        let (a, b, root) = (Fixed([1; 32]), Fixed([2; 32]), Fixed([3; 32]));
        let number = super::number((&a, &root), (&b, &root));
        assert_eq!(number, super::number((&b, &root), (&a, &root)));
        assert_eq!(number.len(), 60 + 11);
        assert!(number.chars().all(|c| c.is_ascii_digit() || c == ' '));
        assert_ne!(number, super::number((&a, &b), (&b, &root)));
    }

    #[test]
    fn the_code_carries_both_whole_fingerprints() {
        let (a, b, root) = (Fixed([1; 32]), Fixed([2; 32]), Fixed([3; 32]));
        let code = super::code((&a, &root), (&b, &root));
        assert_eq!(code, super::code((&b, &root), (&a, &root)));
        let bytes = from_base64url(code.strip_prefix("waxwing-safety:").unwrap()).unwrap();
        let mut prints = [super::fingerprint(&a, &root), super::fingerprint(&b, &root)];
        prints.sort();
        assert_eq!(bytes, prints.concat());
    }
}
