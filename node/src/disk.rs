//! Room on the disk: a reserve to release, a mark to stop at, and the way back.
//!
//! sled fails every write on a full disk, and even opening, until space is freed; rows that were
//! acknowledged survive. So the node stops writing while there is still room, and keeps a file to
//! delete if somebody else takes the last of it.

use crate::files;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Enough for sled to open a database: where a million messages have their pages takes some fourteen
/// megabytes, which it writes anew at each start. And for a file of the journal. Rows wait in memory.
pub(crate) const RESERVE_BYTES: u64 = 20 * 1024 * 1024;
/// Writing stops with less than this free, unless configured otherwise.
pub const FREE_MIN_BYTES: u64 = 64 * 1024 * 1024;
/// Zeros written at once where the file system cannot allocate a file.
const CHUNK_BYTES: usize = 64 * 1024;

/// How the disk is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiskStatus {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes of the database.
    pub used_bytes: u64,
    /// Reading works, writing is refused.
    pub read_only: bool,
}

/// Bytes that this user may still write to the disk that holds a path.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Watches the disk of a home and decides when to stop writing.
pub(crate) struct Watermark {
    home: PathBuf,
    reserve: PathBuf,
    free_min: u64,
    status: DiskStatus,
}

impl Watermark {
    pub(crate) fn new(home: &Path, reserve: PathBuf, free_min: u64) -> Self {
        Self {
            home: home.to_owned(),
            reserve,
            free_min,
            status: DiskStatus::default(),
        }
    }

    pub(crate) fn status(&self) -> DiskStatus {
        self.status
    }

    /// Looks at the disk, and stops or takes up writing. Says whether that changed.
    pub(crate) fn look(&mut self, used_bytes: Option<u64>) -> io::Result<bool> {
        let free = free_bytes(&self.home)?;
        self.status.free_bytes = free;
        if let Some(used) = used_bytes {
            self.status.used_bytes = used;
        }
        let before = self.status.read_only;
        if free < self.free_min {
            self.status.read_only = true;
        } else if before || !self.reserve.exists() {
            // Somewhat above the mark, so that the mode does not flutter, and with the reserve
            // in place again.
            let made = self.reserve.exists() || {
                let room = self.free_min.saturating_add(RESERVE_BYTES);
                free >= room && make(&self.reserve).is_ok()
            };
            let room = self.free_min.saturating_add(self.free_min / 4);
            if made && free_bytes(&self.home)? >= room {
                self.status.read_only = false;
            }
        }
        Ok(self.status.read_only != before)
    }

    /// A write found no space: gives the reserve back to the disk and stops writing.
    pub(crate) fn ran_out(&mut self) {
        self.status.read_only = true;
        if let Err(error) = fs::remove_file(&self.reserve)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(kind = %error.kind(), "the disk reserve could not be released");
        }
    }
}

/// Makes a file that really takes up its space.
fn make(path: &Path) -> io::Result<()> {
    let fresh = files::beside(path, ".new");
    let made = fill(&fresh).and_then(|()| fs::rename(&fresh, path));
    if made.is_err() {
        // What was taken in vain is given back; if that fails too, the next try truncates it.
        let _ = fs::remove_file(&fresh);
    }
    made
}

fn fill(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let none = rustix::fs::FallocateFlags::empty();
    match rustix::fs::fallocate(&file, none, 0, RESERVE_BYTES) {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = [0; CHUNK_BYTES];
            for _ in 0..RESERVE_BYTES / CHUNK_BYTES as u64 {
                file.write_all(&zeros)?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_reserve_takes_up_its_space_and_the_mark_decides() {
        let home = tempfile::tempdir().unwrap();
        let reserve = home.path().join("reserve");
        let mut disk = Watermark::new(home.path(), reserve.clone(), 1);
        assert!(!disk.look(Some(5)).unwrap());
        assert!(fs::metadata(&reserve).unwrap().blocks() * 512 >= RESERVE_BYTES);
        assert_eq!(disk.status().used_bytes, 5);

        disk.ran_out();
        assert!(disk.status().read_only && !reserve.exists());
        assert!(disk.look(None).unwrap());
        assert!(!disk.status().read_only && reserve.exists());

        disk.free_min = u64::MAX;
        assert!(disk.look(None).unwrap());
        assert!(disk.status().read_only);
        assert!(!disk.look(None).unwrap());
        disk.free_min = 1;
        assert!(disk.look(None).unwrap());
    }
}
