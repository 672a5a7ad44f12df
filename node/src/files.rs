//! Small files that survive a crash: written beside their place, synced, then moved into it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

/// The path with an ending appended to its last part.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes a file's name durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The directory that holds a path.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Writes a file of mode 0600, wholly or not at all, and durably.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_dir(parent(path))
}

/// Makes the directory with mode 0700, or takes everybody else's permissions away from the one
/// that is there. Says whether it had to.
pub(crate) fn private_dir(path: &Path) -> io::Result<bool> {
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        sync_dir(parent(path))?;
    }
    let meta = fs::metadata(path)?;
    if !meta.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    tighten(path, &meta, 0o700)
}

/// Takes everybody else's permissions away from a file. Says whether it had to.
pub(crate) fn private_file(path: &Path) -> io::Result<bool> {
    tighten(path, &fs::metadata(path)?, 0o600)
}

fn tighten(path: &Path, meta: &fs::Metadata, mode: u32) -> io::Result<bool> {
    if meta.permissions().mode() & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(true)
}

/// A whole file of at most `max` bytes; a longer one is an error, a missing one is `None`.
pub(crate) fn read_small(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&file, max + 1), &mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "longer than such a file may be",
        ));
    }
    Ok(Some(bytes))
}

/// The disk has no room, or the user's share of it is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_is_private_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(beside(&path, ".new"), b"left by a crash").unwrap();
        for text in [b"one", b"two"] {
            write_atomic(&path, text).unwrap();
            assert_eq!(read_small(&path, 3).unwrap().as_deref(), Some(&text[..]));
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(read_small(&path, 2).is_err());
        assert!(read_small(&dir.path().join("b"), 2).unwrap().is_none());
    }

    #[test]
    fn lax_permissions_are_taken_away_once() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("x/home");
        assert!(!private_dir(&home).unwrap());
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_dir(&home).unwrap());
        assert!(!private_dir(&home).unwrap());
    }
}
