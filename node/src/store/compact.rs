//! Copying a database that has grown far beyond its live rows into a new one, at start.
//!
//! sled never gives disk space back. The copy is made in `db.new` and synced; then `db` becomes
//! `db.old` and `db.new` becomes `db`. [`finish`] brings any crash in between to one of the two
//! ends: as long as `db` is there, `db.new` may be half done; once it is not, `db.new` is whole.

use super::open::{Trouble, raw, released, sync_tree};
use crate::{disk, files};
use std::fs;
use std::io;
use std::path::Path;

/// Below this, a home is small whatever its live rows are.
const DISK_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Worth a copy when the disk holds more than so many times the live rows.
const RATIO: u64 = 4;
/// What is kept free beside the copy.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;
/// Rows and bytes of one batch of the copy.
const BATCH_ROWS: usize = 4_096;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Deletes or completes what a crash left of an earlier copy.
pub(super) fn finish(db: &Path) -> io::Result<()> {
    let (new, old) = (files::beside(db, ".new"), files::beside(db, ".old"));
    if !db.exists() {
        if !old.exists() {
            return Ok(());
        }
        fs::rename(if new.exists() { &new } else { &old }, db)?;
        files::sync_dir(files::parent(db))?;
    }
    for leftover in [new, old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    Ok(())
}

/// The database is large, mostly dead, and there is room for a copy.
pub(super) fn wanted(db: &sled::Db) -> Result<bool, super::OpenError> {
    let failed = |error: sled::Error| super::from_sled(&error);
    let used = db.size_on_disk().map_err(failed)?;
    if used <= DISK_BYTES_MIN {
        return Ok(false);
    }
    let mut live = 0u64;
    for row in db.iter() {
        let (key, value) = row.map_err(failed)?;
        live += (key.len() + value.len()) as u64;
    }
    Ok(used > RATIO * live)
}

/// Copies the rows as they are, sealed, and puts the copy in the database's place.
pub(super) fn copy(db: sled::Db, dir: &Path) -> io::Result<()> {
    let (new, old) = (files::beside(dir, ".new"), files::beside(dir, ".old"));
    let used = db.size_on_disk().map_err(io::Error::from)?;
    if disk::free_bytes(dir)? < used / RATIO * 2 + SPARE_BYTES {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let copy = match raw(&new) {
        Ok(copy) => copy,
        Err(Trouble::Io(error)) => return Err(error),
        Err(Trouble::Damage) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let mut batch = sled::Batch::default();
    let (mut rows, mut bytes) = (0, 0);
    for row in db.iter() {
        let (key, value) = row.map_err(io::Error::from)?;
        rows += 1;
        bytes += key.len() + value.len();
        batch.insert(key, value);
        if rows >= BATCH_ROWS || bytes >= BATCH_BYTES {
            copy.apply_batch(std::mem::take(&mut batch))
                .map_err(io::Error::from)?;
            (rows, bytes) = (0, 0);
        }
    }
    copy.apply_batch(batch).map_err(io::Error::from)?;
    copy.flush().map_err(io::Error::from)?;
    drop(copy);
    drop(db);
    // sled's threads write by path: neither directory moves before they have let go.
    released(&new)?;
    released(dir)?;
    sync_tree(&new)?;
    fs::rename(dir, &old)?;
    fs::rename(&new, dir)?;
    files::sync_dir(files::parent(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(dir: &Path, rows: std::ops::Range<u32>) -> sled::Db {
        let Ok(db) = raw(dir) else {
            panic!("the database opens");
        };
        for n in rows {
            db.insert(n.to_be_bytes(), &[1; 64][..]).unwrap();
        }
        db.flush().unwrap();
        db
    }

    fn count(dir: &Path) -> usize {
        let rows = database(dir, 0..0).len();
        released(dir).unwrap();
        rows
    }

    #[test]
    fn a_copy_holds_every_row_and_leaves_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let db = database(&dir, 0..10_000);
        assert!(!wanted(&db).unwrap());
        copy(db, &dir).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 10_000);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_crash_at_any_step_keeps_one_whole_database() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let (new, old) = (files::beside(&dir, ".new"), files::beside(&dir, ".old"));
        // The copy was under way.
        drop(database(&dir, 0..3));
        drop(database(&new, 0..1));
        released(&new).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 3);
        // The copy was whole and the database moved aside.
        drop(database(&new, 0..4));
        released(&new).unwrap();
        fs::rename(&dir, &old).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 4);
        // The copy was in place.
        fs::create_dir(&old).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 4);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
