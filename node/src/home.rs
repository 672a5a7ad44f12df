//! The home: one directory that holds everything of a node, private to its owner.
//!
//! | name | what |
//! |---|---|
//! | `lock` | held while a node runs; empty |
//! | `version` | schema of all this, a number; written once the first database is there |
//! | `data-key` | the key that everything is sealed under, plain or wrapped under a passphrase |
//! | `state-key` | salts of the rotating state key; overwritten in place, never renamed |
//! | `db/` | the database; beside it `db.new` and `db.old` while it is being compacted, and `db.damaged-…` |
//! | `reserve` | space to release when the disk is full |
//! | `ports` | the ports drawn at the first start |
//! | `clock` | what the clocks said when the node last started or ended |
//! | `api-token` | the local API's bearer token |
//! | `api-tokens` | what is known of programs' tokens, sealed |
//! | `api.sock` | the local API's socket |
//! | `config.toml` | what the user set; read by the command line, never written |

use crate::keyfile::{self, KeyError, Passphrase};
use crate::store::{OpenError, Place, SledStore, create, open};
use crate::{clock, dice, files};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waxwing_protocol::id::{from_base64url, to_base64url};
use waxwing_protocol::private::Secret;
use zeroize::Zeroizing;

/// The schema that this version writes and reads.
pub(crate) const SCHEMA: u32 = 1;
/// `version`, `ports` and `api-token` are a few short lines.
const SMALL_BYTES_MAX: u64 = 4096;
/// Ports remembered: one for each transport and address family, and room for more.
const PORTS_MAX: usize = 16;

/// Why a home did not open.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another node runs in this home.
    #[error("another node is running in this home")]
    Locked,
    /// A newer version of Waxwing wrote this home.
    #[error("this home was written by a newer version (schema {0}; this one knows up to 1)")]
    NewerSchema(u32),
    /// The data key is wrapped and no passphrase was given.
    #[error("passphrase needed")]
    NeedsPassphrase,
    /// The passphrase does not open the data key.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A part of the home is missing or damaged; what to do.
    #[error("{0}")]
    Damaged(String),
    /// No space left.
    #[error("the disk is full")]
    Full,
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// The disk failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for HomeError {
    fn from(error: io::Error) -> Self {
        if files::is_full(&error) {
            Self::Full
        } else {
            Self::Io(error)
        }
    }
}

impl From<KeyError> for HomeError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NeedsPassphrase => Self::NeedsPassphrase,
            KeyError::WrongPassphrase => Self::WrongPassphrase,
            KeyError::Damaged => Self::Damaged(format!(
                "{error}. Put back a copy of the home, if you made one"
            )),
            KeyError::Io(error) => error.into(),
        }
    }
}

impl From<OpenError> for HomeError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full => Self::Full,
            OpenError::Quarantined { .. } | OpenError::Damaged(_) => {
                Self::Damaged(error.to_string())
            }
            OpenError::Failed(_) => Self::Store(error.to_string()),
        }
    }
}

/// A home that this process holds. Clones share the lock, which the last one releases.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    _lock: Arc<File>,
}

impl Home {
    /// Takes a home for this process; makes the directory if it is missing.
    ///
    /// # Errors
    /// [`HomeError::Locked`], [`HomeError::NewerSchema`], or what the disk says.
    pub fn open(root: &Path) -> Result<Self, HomeError> {
        if files::private_dir(root)? {
            tracing::warn!("the home could be read by others; its permissions were tightened");
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HomeError::Locked),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let home = Self {
            root: root.to_owned(),
            _lock: Arc::new(lock),
        };
        match home.schema()? {
            Some(schema) if schema > SCHEMA => Err(HomeError::NewerSchema(schema)),
            _ => Ok(home),
        }
    }

    /// Path of something in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn schema(&self) -> Result<Option<u32>, HomeError> {
        let Some(text) = self.small("version")? else {
            return Ok(None);
        };
        let number = text.trim().parse();
        number.map(Some).map_err(|_| {
            let what =
                "the file `version` of the home cannot be read. Put back a copy of the home, if you made one";
            HomeError::Damaged(what.into())
        })
    }

    fn small(&self, name: &str) -> Result<Option<String>, HomeError> {
        let bytes = files::read_small(&self.path(name), SMALL_BYTES_MAX)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The data key; made for a new home. With a passphrase, a key that was plain is wrapped.
    ///
    /// # Errors
    /// [`HomeError::NeedsPassphrase`], [`HomeError::WrongPassphrase`], or what the disk says.
    pub(crate) fn data_key(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Secret<32>, HomeError> {
        let path = self.path("data-key");
        if let Some(key) = keyfile::open(&path, passphrase)? {
            return Ok(key);
        }
        if self.schema()?.is_some() || self.path("db").exists() {
            let what = "the data key is missing from the home. Put back a copy of the home, if you made one";
            return Err(HomeError::Damaged(what.into()));
        }
        Ok(keyfile::create(&path, passphrase)?)
    }

    /// Where the rows are.
    pub(crate) fn place(&self, data_key: Secret<32>) -> Place {
        Place {
            db: self.path("db"),
            state_key: self.path("state-key"),
            data_key,
        }
    }

    /// Opens the store; makes one in a home that never had any.
    ///
    /// # Errors
    /// [`HomeError`]; a damaged database has then been put aside.
    pub(crate) fn store(&self, place: &Place) -> Result<SledStore, HomeError> {
        let now = clock::wall_s();
        if self.schema()?.is_some() {
            return Ok(open(place, now)?);
        }
        let store = create(place, now)?;
        // From here on, a missing database is a loss and not a beginning.
        files::write_atomic(&self.path("version"), format!("{SCHEMA}\n").as_bytes())?;
        Ok(store)
    }

    /// The local API's bearer token; made once.
    ///
    /// # Errors
    /// [`HomeError`] if the disk fails.
    pub fn api_token(&self) -> Result<Zeroizing<String>, HomeError> {
        let path = self.path("api-token");
        if let Some(text) = self.small("api-token")?.map(Zeroizing::new) {
            let token = text.trim();
            if from_base64url(token).is_some_and(|bytes| bytes.len() == 32) {
                if files::private_file(&path)? {
                    tracing::warn!("the API token could be read by others; tightened");
                }
                return Ok(Zeroizing::new(token.to_owned()));
            }
        }
        let token = Zeroizing::new(to_base64url(dice::secret::<32>().expose()));
        files::write_atomic(&path, token.as_bytes())?;
        Ok(token)
    }

    /// Ports drawn at an earlier start, by a name such as `udp4`. Nothing if there are none, or
    /// if the file cannot be read: ports can be drawn again.
    pub fn remembered_ports(&self) -> BTreeMap<String, u16> {
        remembered(&self.root)
    }

    /// Remembers ports for the next start, at most 16, in place of those before. Names hold no
    /// white space.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remember_ports(&self, ports: &BTreeMap<String, u16>) -> io::Result<()> {
        let lines: String = ports
            .iter()
            .filter(|(name, _)| !name.contains(char::is_whitespace))
            .take(PORTS_MAX)
            .map(|(name, port)| format!("{name} {port}\n"))
            .collect();
        files::write_atomic(&self.path("ports"), lines.as_bytes())
    }
}

/// Ports drawn at an earlier start in a home, whoever holds it.
pub(crate) fn remembered(root: &Path) -> BTreeMap<String, u16> {
    let bytes = files::read_small(&root.join("ports"), SMALL_BYTES_MAX);
    let bytes = bytes.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .filter_map(|line| {
            let (name, port) = line.split_once(' ')?;
            let port = port.trim().parse().ok().filter(|port| *port > 0)?;
            Some((name.to_owned(), port))
        })
        .take(PORTS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_home_is_private_and_one_process_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        let home = Home::open(&root).unwrap();
        assert!(matches!(Home::open(&root), Err(HomeError::Locked)));
        let clone = home.clone();
        drop(home);
        assert!(matches!(Home::open(&root), Err(HomeError::Locked)));
        drop(clone);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let home = Home::open(&root).unwrap();
        let mode = fs::metadata(home.root()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_newer_home_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("version"), "2\n").unwrap();
        let refused = Home::open(dir.path());
        assert!(matches!(refused, Err(HomeError::NewerSchema(2))));
        fs::write(dir.path().join("version"), "one").unwrap();
        let refused = Home::open(dir.path());
        assert!(matches!(refused, Err(HomeError::Damaged(_))));
    }

    #[test]
    fn a_home_that_lost_its_key_or_database_does_not_begin_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let place = home.place(home.data_key(None).unwrap());
        drop(home.store(&place).unwrap());
        drop(home.store(&place).unwrap());
        fs::rename(home.path("db"), home.path("gone")).unwrap();
        assert!(matches!(home.store(&place), Err(HomeError::Damaged(_))));
        fs::remove_file(home.path("data-key")).unwrap();
        assert!(matches!(home.data_key(None), Err(HomeError::Damaged(_))));
    }

    #[test]
    fn token_and_ports_stay() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let token = home.api_token().unwrap();
        assert_eq!(from_base64url(&token).unwrap().len(), 32);
        assert_eq!(*home.api_token().unwrap(), *token);
        fs::write(home.path("api-token"), "short").unwrap();
        assert_ne!(*home.api_token().unwrap(), *token);

        assert!(home.remembered_ports().is_empty());
        let ports = BTreeMap::from([("tcp4".to_owned(), 4711), ("udp6".to_owned(), 65_535)]);
        home.remember_ports(&ports).unwrap();
        assert_eq!(home.remembered_ports(), ports);
        fs::write(home.path("ports"), "tcp4 0\nudp4 x\nudp6 9\n\n").unwrap();
        let left = BTreeMap::from([("udp6".to_owned(), 9)]);
        assert_eq!(home.remembered_ports(), left);
    }
}
