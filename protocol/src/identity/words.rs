//! The recovery phrase: 24 BIP39 words that are 32 bytes of entropy, used directly.

use crate::crypto::derive::{self, expand, extract};
use crate::crypto::sign::SignKey;
use crate::private::Secret;
use alloc::string::{String, ToString};
use bip39::{Language, Mnemonic};
use zeroize::Zeroize;

/// The entropy behind the words, from which the root keys come.
#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Entropy(#[n(0)] Secret<32>);

/// Not 24 valid words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a recovery phrase")]
pub struct BadWords;

impl Entropy {
    /// From 32 random bytes.
    pub const fn new(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// The 24 English words, separated by single spaces.
    pub fn words(&self) -> String {
        match Mnemonic::from_entropy_in(Language::English, self.0.expose()) {
            Ok(mnemonic) => mnemonic.to_string(),
            Err(_) => unreachable!("32 bytes make 24 words"),
        }
    }

    /// From the words; case and spacing do not matter.
    ///
    /// # Errors
    /// [`BadWords`] for another number of words, an unknown word or a wrong checksum.
    pub fn from_words(words: &str) -> Result<Self, BadWords> {
        let lower = words.to_lowercase();
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &spaced(&lower))
            .map_err(|_| BadWords)?;
        let (mut bytes, length) = mnemonic.to_entropy_array();
        let entropy = bytes.first_chunk::<32>().filter(|_| length == 32).copied();
        bytes.zeroize();
        entropy
            .map(|bytes| Self(Secret::new(bytes)))
            .ok_or(BadWords)
    }

    /// Root signing key 0, which signs the Genesis and the RootStatements.
    pub fn root(&self) -> SignKey {
        self.root_number(0)
    }

    /// The root key when these are the spare words.
    pub fn spare_root(&self) -> SignKey {
        self.root_number(1)
    }

    /// Backup key.
    pub fn backup(&self) -> Secret<32> {
        expand(self.prk().expose(), &[derive::BACKUP.bytes()])
    }

    fn root_number(&self, number: u32) -> SignKey {
        let info = [derive::ROOT.bytes(), &number.to_be_bytes()];
        SignKey::from_seed(expand(self.prk().expose(), &info))
    }

    fn prk(&self) -> Secret<32> {
        extract(derive::RECOVERY.bytes(), self.0.expose())
    }
}

fn spaced(words: &str) -> String {
    let mut out = String::new();
    for word in words.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        let entropy = Entropy::new(Secret::new([0x7f; 32]));
        let words = entropy.words();
        assert_eq!(words.split(' ').count(), 24);
        // BIP39's own vector for 32 bytes of 0x7f.
        assert!(words.starts_with("legal winner thank year wave sausage worth useful"));
        let loud = words.to_uppercase().replace(' ', "  \n");
        let back = Entropy::from_words(&loud).unwrap();
        assert_eq!(back.root().public(), entropy.root().public());
        assert_ne!(entropy.root().public(), entropy.spare_root().public());
    }

    #[test]
    fn other_phrases_are_refused() {
        let words = Entropy::new(Secret::new([1; 32])).words();
        let (first, _) = words.rsplit_once(' ').unwrap();
        for bad in ["", "legal", first, &words.replacen("a", "ab", 1)] {
            assert!(Entropy::from_words(bad).is_err());
        }
        // Twelve valid words are a phrase, but not ours.
        let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        assert!(Entropy::from_words(twelve).is_err());
    }
}
