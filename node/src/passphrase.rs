//! The passphrase of a home whose node does not run: set, changed, removed.

use crate::home::{Home, HomeError};
use crate::keyfile::{self, Kept};
use std::io;
use std::path::Path;

/// A passphrase; erased from memory when it goes.
pub struct Passphrase(pub(crate) keyfile::Passphrase);

impl Passphrase {
    /// The first line of a file, which has at most 4096 bytes.
    ///
    /// # Errors
    /// What the disk says; `InvalidData` if the line is empty.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        keyfile::passphrase(path).map(Self)
    }

    /// A line as it was typed, with or without its end; `None` if it is empty.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        keyfile::first_line(line).map(Self)
    }

    /// Whether both are the same.
    pub fn is(&self, other: &Self) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]))
    }
}

/// Why a passphrase was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// There is no home at that place.
    #[error("there is no home at that place")]
    NoHome,
    /// The home has a passphrase already.
    #[error("this home has a passphrase already")]
    AlreadySet,
    /// The home has no passphrase.
    #[error("this home has no passphrase")]
    NotSet,
    /// The home is in use, the old passphrase is wrong, or the disk failed.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Wraps the data key of a home that has no passphrase. Takes up to a second, as do the others.
///
/// # Errors
/// [`PassphraseError`]; the home is then as it was.
pub fn set(root: &Path, new: &Passphrase) -> Result<(), PassphraseError> {
    rewrap(root, Kept::Plain, None, Some(new))
}

/// Wraps the data key under another passphrase.
///
/// # Errors
/// [`PassphraseError`]; the home is then as it was.
pub fn change(root: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), PassphraseError> {
    rewrap(root, Kept::Wrapped, Some(old), Some(new))
}

/// Keeps the data key plain from now on.
///
/// # Errors
/// [`PassphraseError`]; the home is then as it was.
pub fn remove(root: &Path, old: &Passphrase) -> Result<(), PassphraseError> {
    rewrap(root, Kept::Wrapped, Some(old), None)
}

/// How the data key of a home is kept. Changes nothing, and does not mind a node that runs.
///
/// # Errors
/// [`PassphraseError::NoHome`], or what the disk says.
pub fn kept(root: &Path) -> Result<Kept, PassphraseError> {
    keyfile::kept(&root.join("data-key"))
        .map_err(HomeError::from)?
        .ok_or(PassphraseError::NoHome)
}

fn rewrap(
    root: &Path,
    expected: Kept,
    old: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), PassphraseError> {
    // Looked at before the home is taken, which would make one that is not there.
    kept(root)?;
    let home = Home::open(root)?;
    let path = home.path("data-key");
    match (kept(root)?, expected) {
        (Kept::Plain, Kept::Wrapped) => return Err(PassphraseError::NotSet),
        (Kept::Wrapped, Kept::Plain) => return Err(PassphraseError::AlreadySet),
        _ => {}
    }
    let (old, new) = (old.map(|old| &old.0), new.map(|new| &new.0));
    Ok(keyfile::rewrap(&path, old, new).map_err(HomeError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::from_line(text.as_bytes()).unwrap()
    }

    #[test]
    fn each_change_fits_one_state_of_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        let (one, two) = (phrase("one\n"), phrase("two\r\n"));
        assert!(matches!(set(&root, &one), Err(PassphraseError::NoHome)));
        assert!(!root.exists());
        let home = Home::open(&root).unwrap();
        let key = home.data_key(None).unwrap();
        let held = set(&root, &one);
        assert!(matches!(
            held,
            Err(PassphraseError::Home(HomeError::Locked))
        ));
        drop(home);

        assert!(matches!(
            change(&root, &one, &two),
            Err(PassphraseError::NotSet)
        ));
        assert!(matches!(remove(&root, &one), Err(PassphraseError::NotSet)));
        set(&root, &one).unwrap();
        assert!(matches!(set(&root, &two), Err(PassphraseError::AlreadySet)));
        let wrong = change(&root, &two, &two);
        assert!(matches!(
            wrong,
            Err(PassphraseError::Home(HomeError::WrongPassphrase))
        ));
        change(&root, &one, &two).unwrap();
        assert_eq!(kept(&root).unwrap(), Kept::Wrapped);
        remove(&root, &two).unwrap();
        let again = Home::open(&root).unwrap().data_key(None).unwrap();
        assert_eq!(again.expose(), key.expose());
    }

    #[test]
    fn a_line_is_a_passphrase_without_its_end() {
        assert!(phrase("a b\r\n").is(&phrase("a b")));
        assert!(!phrase("a b").is(&phrase("a b ")));
        assert!(Passphrase::from_line(b"\n").is_none());
    }
}
