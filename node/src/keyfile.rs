//! The data key of a home, plain or wrapped under a passphrase (`docs/spec/07-storage.md`).
//!
//! The file begins with `wx1data` and one byte that says how the key is kept:
//!
//! | byte | then | bytes |
//! |---|---|---|
//! | 0 plain | data key 32 ‖ first 16 bytes of the SHA-256 of all before | 56 |
//! | 1 wrapped | memory KiB u32 ‖ passes u32 ‖ lanes u32 ‖ salt 16 ‖ commitment 32 ‖ nonce 24 ‖ sealed key 48 | 140 |
//!
//! Wrapped: KEK = Argon2id(passphrase, salt); commitment = HMAC(KEK, `wx1/commit`), checked
//! first; the key is sealed with XChaCha20-Poly1305 under the KEK with everything before it as
//! associated data. Numbers are big-endian.

use crate::{dice, files};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use waxwing_protocol::crypto::derive::COMMIT;
use waxwing_protocol::crypto::hash::{hash16, hmac};
use waxwing_protocol::crypto::seal::{open_x, seal_x};
use waxwing_protocol::private::{Bytes, Secret};
use zeroize::Zeroizing;

const MAGIC: &[u8; 7] = b"wx1data";
const PLAIN: u8 = 0;
const WRAPPED: u8 = 1;
/// Argon2id: 64 MiB, 3 passes, 1 lane.
const COST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 3,
    lanes: 1,
};
/// Most that a file may ask for; more would be a damaged file, or a trap.
const COST_MAX: Cost = Cost {
    memory_kib: 1024 * 1024,
    passes: 16,
    lanes: 16,
};
/// Longer than either form.
const FILE_BYTES_MAX: u64 = 1024;
/// A passphrase file: one line that a person can remember, or a key in base64.
const PASSPHRASE_BYTES_MAX: u64 = 4096;

/// The bytes of a passphrase.
pub(crate) type Passphrase = Zeroizing<Vec<u8>>;

/// Why there is no data key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the data key is wrapped under a passphrase")]
    NeedsPassphrase,
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    #[error("the file of the data key is damaged")]
    Damaged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How a data key is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// As it is: whoever reads the file has everything.
    Plain,
    /// Under a passphrase.
    Wrapped,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Makes the data key of a new home, wrapped if there is a passphrase.
pub(crate) fn create(path: &Path, passphrase: Option<&Passphrase>) -> Result<Secret<32>, KeyError> {
    let key = dice::secret();
    match passphrase {
        Some(passphrase) => files::write_atomic(path, &wrap(&key, passphrase)?)?,
        None => files::write_atomic(path, &plain(&key))?,
    }
    Ok(key)
}

/// Reads the data key. One that was plain is wrapped if there is a passphrase.
/// `None` if there is no such file.
pub(crate) fn open(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Option<Secret<32>>, KeyError> {
    let Some(bytes) = files::read_small(path, FILE_BYTES_MAX)?.map(Bytes::new) else {
        return Ok(None);
    };
    if files::private_file(path)? {
        tracing::warn!("the data key could be read by others; its permissions were tightened");
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or(KeyError::Damaged)?;
    match (rest.split_first(), passphrase) {
        (Some((&PLAIN, _)), passphrase) => {
            let key = unplain(&bytes).ok_or(KeyError::Damaged)?;
            if let Some(passphrase) = passphrase {
                replace(path, bytes.len(), &wrap(&key, passphrase)?)?;
                tracing::info!("the data key is wrapped under the passphrase from now on");
            }
            Ok(Some(key))
        }
        (Some((&WRAPPED, _)), None) => Err(KeyError::NeedsPassphrase),
        (Some((&WRAPPED, _)), Some(passphrase)) => unwrap(&bytes, passphrase).map(Some),
        _ => Err(KeyError::Damaged),
    }
}

/// How the data key is kept, by what its file says; `None` if there is no such file.
pub(crate) fn kept(path: &Path) -> Result<Option<Kept>, KeyError> {
    let Some(bytes) = files::read_small(path, FILE_BYTES_MAX)?.map(Bytes::new) else {
        return Ok(None);
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or(KeyError::Damaged)?;
    let kept = match rest.first() {
        Some(&PLAIN) => unplain(&bytes).map(|_| Kept::Plain),
        Some(&WRAPPED) => parse(&bytes).map(|_| Kept::Wrapped),
        _ => None,
    };
    kept.map(Some).ok_or(KeyError::Damaged)
}

/// Keeps the same data key under another passphrase, or under none. The new file is durable and in
/// its place before the old one is overwritten where it lay: a crash at any moment leaves one
/// whole file.
pub(crate) fn rewrap(
    path: &Path,
    old: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), KeyError> {
    let bytes = files::read_small(path, FILE_BYTES_MAX)?
        .map(Bytes::new)
        .ok_or(KeyError::Damaged)?;
    let key = match (kept(path)?, old) {
        (Some(Kept::Plain), _) => unplain(&bytes).ok_or(KeyError::Damaged)?,
        (Some(Kept::Wrapped), Some(old)) => unwrap(&bytes, old)?,
        (Some(Kept::Wrapped), None) => return Err(KeyError::NeedsPassphrase),
        (None, _) => return Err(KeyError::Damaged),
    };
    let fresh = match new {
        Some(new) => Bytes::new(wrap(&key, new)?),
        None => plain(&key),
    };
    Ok(replace(path, bytes.len(), &fresh)?)
}

/// The first line of a file, without its end.
pub(crate) fn passphrase(path: &Path) -> io::Result<Passphrase> {
    let bytes = files::read_small(path, PASSPHRASE_BYTES_MAX)?
        .map(Zeroizing::new)
        .ok_or(io::ErrorKind::NotFound)?;
    first_line(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its first line is empty"))
}

/// A passphrase as it stands in a file or was typed; `None` if the line is empty.
pub(crate) fn first_line(bytes: &[u8]) -> Option<Passphrase> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.is_empty()).then(|| Zeroizing::new(line.to_vec()))
}

fn plain(key: &Secret<32>) -> Bytes {
    let mut bytes = Bytes::new(Vec::with_capacity(64));
    bytes.extend_from_slice(MAGIC);
    bytes.push(PLAIN);
    bytes.extend_from_slice(key.expose());
    let check = hash16(&bytes);
    bytes.extend_from_slice(&check.0);
    bytes
}

fn unplain(bytes: &[u8]) -> Option<Secret<32>> {
    let (checked, check) = bytes.split_at_checked(MAGIC.len() + 1 + 32)?;
    let key = checked.last_chunk()?;
    (hash16(checked).0 == check).then(|| Secret::new(*key))
}

fn wrap(key: &Secret<32>, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let salt: [u8; 16] = dice::bytes();
    let nonce: [u8; 24] = dice::bytes();
    let kek = stretch(passphrase, &salt, COST)?;
    let mut bytes = MAGIC.to_vec();
    bytes.push(WRAPPED);
    for number in [COST.memory_kib, COST.passes, COST.lanes] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&hmac(kek.expose(), COMMIT.bytes()));
    bytes.extend_from_slice(&nonce);
    let sealed = seal_x(&kek, &nonce, key.expose(), &bytes);
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

struct Wrapped<'a> {
    cost: Cost,
    salt: [u8; 16],
    commitment: [u8; 32],
    nonce: [u8; 24],
    sealed: &'a [u8],
    before: &'a [u8],
}

fn parse(bytes: &[u8]) -> Option<Wrapped<'_>> {
    let rest = bytes.get(MAGIC.len() + 1..)?;
    let (memory, rest) = rest.split_first_chunk()?;
    let (passes, rest) = rest.split_first_chunk()?;
    let (lanes, rest) = rest.split_first_chunk()?;
    let (salt, rest) = rest.split_first_chunk()?;
    let (commitment, rest) = rest.split_first_chunk()?;
    let (nonce, sealed) = rest.split_first_chunk()?;
    let cost = Cost {
        memory_kib: u32::from_be_bytes(*memory),
        passes: u32::from_be_bytes(*passes),
        lanes: u32::from_be_bytes(*lanes),
    };
    let sane = cost.memory_kib <= COST_MAX.memory_kib
        && cost.passes <= COST_MAX.passes
        && cost.lanes <= COST_MAX.lanes;
    sane.then(|| Wrapped {
        cost,
        salt: *salt,
        commitment: *commitment,
        nonce: *nonce,
        sealed,
        before: &bytes[..bytes.len() - sealed.len()],
    })
}

fn unwrap(bytes: &[u8], passphrase: &Passphrase) -> Result<Secret<32>, KeyError> {
    let wrapped = parse(bytes).ok_or(KeyError::Damaged)?;
    let kek = stretch(passphrase, &wrapped.salt, wrapped.cost)?;
    let commitment = Secret::new(hmac(kek.expose(), COMMIT.bytes()));
    if !bool::from(subtle::ConstantTimeEq::ct_eq(
        &commitment,
        &Secret::new(wrapped.commitment),
    )) {
        return Err(KeyError::WrongPassphrase);
    }
    let key = open_x(&kek, &wrapped.nonce, wrapped.sealed, wrapped.before)
        .map_err(|_| KeyError::Damaged)?;
    let key = key.as_slice().try_into().map_err(|_| KeyError::Damaged)?;
    Ok(Secret::new(key))
}

fn stretch(passphrase: &Passphrase, salt: &[u8; 16], cost: Cost) -> Result<Secret<32>, KeyError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|_| KeyError::Damaged)?;
    let mut kek = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, kek.as_mut_slice())
        .map_err(|_| KeyError::Damaged)?;
    Ok(Secret::new(*kek))
}

/// Puts a new file in the old one's place, then overwrites the old one where it lay.
/// The overwriting is best effort: a disk may have kept other copies.
fn replace(path: &Path, old_bytes: usize, fresh: &[u8]) -> io::Result<()> {
    let old = OpenOptions::new().write(true).open(path)?;
    files::write_atomic(path, fresh)?;
    if let Err(error) = blank(&old, old_bytes) {
        tracing::warn!(kind = %error.kind(), "the old data key could not be overwritten");
    }
    Ok(())
}

fn blank(file: &File, bytes: usize) -> io::Result<()> {
    file.write_all_at(&vec![0; bytes], 0)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn phrase(text: &str) -> Passphrase {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_plain_key_is_wrapped_once_a_passphrase_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data-key");
        assert!(open(&path, None).unwrap().is_none());
        let key = create(&path, None).unwrap();
        // A second name for the plain file shows what becomes of its bytes.
        let old = dir.path().join("old");
        fs::hard_link(&path, &old).unwrap();
        let again = open(&path, None).unwrap().unwrap();
        assert_eq!(again.expose(), key.expose());

        let right = phrase("correct horse");
        let wrapped = open(&path, Some(&right)).unwrap().unwrap();
        assert_eq!(wrapped.expose(), key.expose());
        assert_eq!(fs::read(&old).unwrap(), [0; 56]);
        assert_eq!(fs::read(&path).unwrap().len(), 140);
        assert!(matches!(open(&path, None), Err(KeyError::NeedsPassphrase)));
        let wrong = open(&path, Some(&phrase("wrong horse")));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)));
        let again = open(&path, Some(&right)).unwrap().unwrap();
        assert_eq!(again.expose(), key.expose());
    }

    #[test]
    fn a_new_key_with_a_passphrase_is_never_plain() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data-key");
        let key = create(&path, Some(&phrase("p"))).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(32).any(|window| window == key.expose()));
        assert!(matches!(open(&path, None), Err(KeyError::NeedsPassphrase)));
    }

    #[test]
    fn a_key_outlives_its_passphrases() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data-key");
        assert!(kept(&path).unwrap().is_none());
        assert!(matches!(rewrap(&path, None, None), Err(KeyError::Damaged)));
        let key = create(&path, None).unwrap();
        let (one, two) = (phrase("one"), phrase("two"));
        for (old, new, bytes) in [
            (None, Some(&one), 56),
            (Some(&one), Some(&two), 140),
            (Some(&two), None, 140),
        ] {
            let left = dir.path().join("left");
            let _ = fs::remove_file(&left);
            fs::hard_link(&path, &left).unwrap();
            if old.is_some() {
                let none = rewrap(&path, None, new);
                assert!(matches!(none, Err(KeyError::NeedsPassphrase)));
                let wrong = rewrap(&path, Some(&phrase("three")), new);
                assert!(matches!(wrong, Err(KeyError::WrongPassphrase)));
            }
            rewrap(&path, old, new).unwrap();
            assert_eq!(fs::read(&left).unwrap(), vec![0; bytes]);
            let expected = new.map_or(Kept::Plain, |_| Kept::Wrapped);
            assert_eq!(kept(&path).unwrap(), Some(expected));
            let again = open(&path, new).unwrap().unwrap();
            assert_eq!(again.expose(), key.expose());
        }
    }

    #[test]
    fn damage_and_traps_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data-key");
        create(&path, None).unwrap();
        let whole = fs::read(&path).unwrap();
        for n in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[n] ^= 0x55;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(open(&path, None), Err(KeyError::Damaged)), "{n}");
        }
        fs::write(&path, &whole[..55]).unwrap();
        assert!(matches!(open(&path, None), Err(KeyError::Damaged)));
        let mut greedy = wrap(&dice::secret(), &phrase("p")).unwrap();
        greedy[8] = 0xff;
        fs::write(&path, &greedy).unwrap();
        let refused = open(&path, Some(&phrase("p")));
        assert!(matches!(refused, Err(KeyError::Damaged)));
    }

    #[test]
    fn a_passphrase_is_a_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("phrase");
        for (text, line) in [("a b\n", "a b"), ("a b\r\nc", "a b"), (" a", " a")] {
            fs::write(&path, text).unwrap();
            assert_eq!(*passphrase(&path).unwrap(), line.as_bytes());
        }
        fs::write(&path, "\nsecond").unwrap();
        assert!(passphrase(&path).is_err());
        assert!(passphrase(&dir.path().join("none")).is_err());
    }
}
