//! The file of tokens: sealed under a key of its own, written whole or not at all.

use super::{Rate, TOKENS_MAX, TokenId};
use crate::api::model::TokenScope;
use crate::{dice, files};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fs;
use std::io;
use std::path::Path;
use waxwing_protocol::crypto::derive::{TOKENS, expand};
use waxwing_protocol::crypto::seal::{open_x, seal_x};
use waxwing_protocol::id::{AccountId, B32, Fixed};
use waxwing_protocol::private::Secret;
use waxwing_protocol::time::Millis;
use zeroize::Zeroizing;

/// What the file begins with; also the associated data of its seal.
const MAGIC: &[u8; 8] = b"wx1toke1";
const NONCE_BYTES: usize = 24;
/// A token takes a few hundred bytes.
const FILE_BYTES_MAX: u64 = 1024 * TOKENS_MAX as u64;

/// A token as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(with = "text")]
    pub(super) id: TokenId,
    #[serde(with = "text")]
    pub(super) hash: B32,
    pub(super) name: Option<String>,
    pub(super) scope: TokenScope,
    #[serde(with = "maybe")]
    pub(super) contact: Option<AccountId>,
    pub(super) created: Millis,
    pub(super) expires: Option<Millis>,
    pub(super) used: Option<Millis>,
    pub(super) rate: Rate,
    #[serde(with = "maybe")]
    pub(super) by: Option<TokenId>,
}

/// The key that the file is sealed under.
pub(super) fn key(data_key: &Secret<32>) -> Secret<32> {
    expand(data_key.expose(), &[TOKENS.bytes()])
}

/// What the file keeps; nothing if there is none. A file that cannot be opened is put aside.
pub(super) fn load(file: &Path, key: &Secret<32>) -> io::Result<Vec<Kept>> {
    let bytes = match files::read_small(file, FILE_BYTES_MAX) {
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(bytes)) => bytes,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
        Err(error) => return Err(error),
    };
    if let Some(list) = open(&bytes, key) {
        return Ok(list);
    }
    fs::rename(file, files::beside(file, ".damaged"))?;
    tracing::error!("the list of tokens is damaged and was put aside: programs need new tokens");
    Ok(Vec::new())
}

fn open(bytes: &[u8], key: &Secret<32>) -> Option<Vec<Kept>> {
    let sealed = bytes.strip_prefix(MAGIC)?;
    let (nonce, ct) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let plain = open_x(key, nonce, ct, MAGIC).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// Writes the file.
pub(super) fn save(file: &Path, key: &Secret<32>, list: Vec<Kept>) -> io::Result<()> {
    let plain = Zeroizing::new(serde_json::to_vec(&list)?);
    let nonce: [u8; NONCE_BYTES] = dice::bytes();
    let ct = seal_x(key, &nonce, &plain, MAGIC);
    files::write_atomic(file, &[&MAGIC[..], &nonce, &ct].concat())
}

/// Ids and hashes in base32.
mod text {
    use super::*;

    pub(super) fn serialize<S: Serializer, const N: usize>(
        id: &Fixed<N>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&id.to_text())
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>, const N: usize>(
        from: D,
    ) -> Result<Fixed<N>, D::Error> {
        let text = String::deserialize(from)?;
        Fixed::from_text(&text).ok_or_else(|| D::Error::custom("no id"))
    }
}

/// The same where there may be none.
mod maybe {
    use super::*;

    pub(super) fn serialize<S: Serializer, const N: usize>(
        id: &Option<Fixed<N>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        id.as_ref().map(Fixed::to_text).serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>, const N: usize>(
        from: D,
    ) -> Result<Option<Fixed<N>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        let id = Fixed::from_text(&text).ok_or_else(|| D::Error::custom("no id"))?;
        Ok(Some(id))
    }
}
