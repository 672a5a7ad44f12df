//! Copying the live rows of a database into a new one: after a start, if it has grown far beyond
//! them, and at the user's word.
//!
//! sled never gives disk space back, and what was deleted stays in its log for long. The copy is
//! made in `db.new`. Once it is whole and synced it becomes `db.whole`, and from then on nothing more
//! is written to `db`. [`finish`] puts it in the place of `db`, now or at the next start: a crash at
//! any step leaves one of the two, whole.

use super::LIVE_KEY;
use super::open::{Trouble, raw, released, sync_tree};
use super::rows::SledRows;
use crate::{disk, files};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Below this, a home is small whatever its live rows are.
const DISK_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Worth a copy after a start when the disk holds more than so many times the live rows.
const RATIO: u64 = 4;
/// What is kept free beside the copy.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;
/// Rows and bytes of one batch of the copy.
const BATCH_ROWS: usize = 4_096;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Where a copy stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compacting {
    /// None is under way.
    No,
    /// So many rows are copied.
    Going(u64),
    /// It is whole, and takes the place of this store once that is closed and opened anew.
    Whole,
    /// It came to nothing, for this reason; the store is as it was.
    Failed(String),
}

/// Puts a copy that is whole in its place, and deletes what else a crash left.
pub(super) fn finish(db: &Path) -> io::Result<()> {
    let [new, whole, old] = [".new", ".whole", ".old"].map(|end| files::beside(db, end));
    if whole.exists() {
        if db.exists() {
            // sled's threads write by path: nothing moves before they have let go.
            released(db)?;
            remove(&old)?;
            fs::rename(db, &old)?;
        }
        fs::rename(&whole, db)?;
        files::sync_dir(files::parent(db))?;
    } else if !db.exists() && old.exists() {
        fs::rename(&old, db)?;
        files::sync_dir(files::parent(db))?;
    }
    remove(&new)?;
    remove(&old)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The database is large and mostly dead.
pub(super) fn wanted(rows: &SledRows) -> Result<bool, super::OpenError> {
    let used = rows.db.size_on_disk().map_err(|e| super::from_sled(&e))?;
    let live = rows.live.load(Ordering::Relaxed);
    Ok(used > DISK_BYTES_MIN.max(RATIO.saturating_mul(live)))
}

/// There is room for a copy.
pub(super) fn has_room(rows: &SledRows, dir: &Path) -> io::Result<bool> {
    let used = rows.db.size_on_disk().map_err(io::Error::from)?;
    // A copy takes somewhat more than its rows, and never more than what it copies.
    let live = rows.live.load(Ordering::Relaxed).saturating_mul(2);
    Ok(disk::free_bytes(dir)? >= used.min(live).saturating_add(SPARE_BYTES))
}

/// What a copy and whoever waits for it share.
#[derive(Default)]
struct Progress {
    rows: AtomicU64,
    stop: AtomicBool,
}

/// A copy on its way, on a thread of its own. Nobody may write to the database meanwhile.
pub(super) struct Copying {
    dir: PathBuf,
    progress: Arc<Progress>,
    thread: JoinHandle<io::Result<sled::Db>>,
}

impl Copying {
    pub(super) fn begin(db: sled::Db, dir: &Path) -> io::Result<Self> {
        let (progress, place) = (Arc::new(Progress::default()), dir.to_owned());
        let shared = Arc::clone(&progress);
        let thread = thread::Builder::new()
            .name("compact".into())
            .spawn(move || copy(&db, &place, &shared))?;
        Ok(Self {
            dir: dir.to_owned(),
            progress,
            thread,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.progress.rows.load(Ordering::Relaxed)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The copy, once it is through; it holds every row that the database had.
    pub(super) fn finish(self) -> io::Result<sled::Db> {
        let copied = self.thread.join();
        copied.unwrap_or_else(|_| Err(io::Error::other("a bug in the store engine")))
    }

    /// Ends it before its time.
    pub(super) fn cancel(self) {
        self.progress.stop.store(true, Ordering::Relaxed);
        let dir = self.dir.clone();
        drop(self.finish());
        discard(&dir);
    }
}

/// Deletes a copy that is not needed; what cannot be deleted goes at the next start.
pub(super) fn discard(dir: &Path) {
    let new = files::beside(dir, ".new");
    if released(&new).and_then(|()| remove(&new)).is_err() {
        tracing::debug!("a copy of the database that came to nothing is still there");
    }
}

/// Where the rows of a copy are, while it is not whole.
pub(super) fn place(dir: &Path) -> PathBuf {
    files::beside(dir, ".new")
}

/// Copies the rows as they are, sealed.
fn copy(db: &sled::Db, dir: &Path, progress: &Progress) -> io::Result<sled::Db> {
    let new = place(dir);
    remove(&new)?;
    let copy = match raw(&new) {
        Ok(copy) => copy,
        Err(Trouble::Io(error)) => return Err(error),
        Err(Trouble::Damage) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let mut batch = sled::Batch::default();
    let (mut rows, mut bytes, mut live) = (0, 0, 0);
    for row in db.iter() {
        let (key, value) = row.map_err(io::Error::from)?;
        rows += 1;
        bytes += key.len() + value.len();
        live += (key.len() + value.len()) as u64;
        batch.insert(key, value);
        if rows >= BATCH_ROWS || bytes >= BATCH_BYTES {
            if progress.stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            copy.apply_batch(std::mem::take(&mut batch))
                .map_err(io::Error::from)?;
            progress.rows.fetch_add(rows as u64, Ordering::Relaxed);
            (rows, bytes) = (0, 0);
        }
    }
    copy.apply_batch(batch).map_err(io::Error::from)?;
    copy.insert(LIVE_KEY, &live.to_be_bytes())
        .map_err(io::Error::from)?;
    progress.rows.fetch_add(rows as u64, Ordering::Relaxed);
    copy.flush().map_err(io::Error::from)?;
    Ok(copy)
}

/// Makes a copy the one that counts. After this nothing may be written to the database.
pub(super) fn complete(copy: sled::Db, dir: &Path) -> io::Result<()> {
    let new = place(dir);
    copy.flush().map_err(io::Error::from)?;
    drop(copy);
    released(&new)?;
    sync_tree(&new)?;
    fs::rename(&new, files::beside(dir, ".whole"))?;
    // Until this is durable a crash finds the database, which still has everything.
    let _ = files::sync_dir(files::parent(dir));
    Ok(())
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
        let db = database(dir, 0..0);
        let rows = db.len() - usize::from(db.contains_key(LIVE_KEY).unwrap());
        drop(db);
        released(dir).unwrap();
        rows
    }

    #[test]
    fn a_copy_holds_every_row_and_leaves_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let db = database(&dir, 0..10_000);
        let copied = copy(&db, &dir, &Progress::default()).unwrap();
        drop(db);
        let live = copied.get(LIVE_KEY).unwrap().unwrap();
        assert_eq!(*live, (10_000u64 * (4 + 64)).to_be_bytes());
        complete(copied, &dir).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 10_000);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_crash_at_any_step_keeps_one_whole_database() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let [new, whole, old] = [".new", ".whole", ".old"].map(|end| files::beside(&dir, end));
        let made = |dir: &Path, rows| {
            drop(database(dir, rows));
            released(dir).unwrap();
        };
        let check = |rows| {
            finish(&dir).unwrap();
            assert_eq!(count(&dir), rows);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        };
        // The copy was under way.
        made(&dir, 0..3);
        made(&new, 0..1);
        check(3);
        // The copy was whole.
        made(&whole, 0..4);
        check(4);
        // The database had moved aside, beside an older leftover.
        made(&whole, 0..5);
        fs::rename(&dir, &old).unwrap();
        check(5);
        made(&old, 0..1);
        made(&whole, 0..6);
        check(6);
        // The copy was in place.
        fs::create_dir(&old).unwrap();
        check(6);
        // It had moved aside, and nothing had come in its place.
        fs::rename(&dir, &old).unwrap();
        check(6);
    }

    #[test]
    fn a_copy_that_is_called_off_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("db");
        let db = database(&dir, 0..20_000);
        let copying = Copying::begin(db.clone(), &dir).unwrap();
        copying.cancel();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let copying = Copying::begin(db, &dir).unwrap();
        while !copying.is_finished() {
            thread::yield_now();
        }
        assert_eq!(copying.rows(), 20_000);
        complete(copying.finish().unwrap(), &dir).unwrap();
        finish(&dir).unwrap();
        assert_eq!(count(&dir), 20_000);
    }
}
