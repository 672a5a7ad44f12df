//! What was committed since the rows were last written to sled: one record a commit, appended and
//! synced, before anything else is done with it.
//!
//! Two files take turns. While one is appended to, the rows of the other are on their way to sled
//! (`checkpoint.rs`); a file is begun anew only when sled durably holds everything that it said.
//! After a crash they are read, oldest first, and their rows are in memory again until sled gets
//! them. Records go into a third file meanwhile if both of the others are needed.
//!
//! A file begins with a block of 4,096 bytes: `wx1jrnl1` ‖ commits before its first record u64 ‖
//! generation of the state key u32 ‖ salt 32 ‖ first 16 bytes of the SHA-256 of all before ‖ zeros.
//! Records follow without gaps: length of the sealed bytes u32 ‖ ChaCha20-Poly1305 under
//! Expand(K_state(g), "wx1/db/journal" ‖ salt), nonce 0^4 ‖ number of the commit u64, no associated
//! data. The salt is fresh whenever a file is begun, so no key meets a nonce twice, and what an
//! earlier turn left behind opens no more. The first record that does not open ends the file.

use super::state_key::StateKeys;
use crate::{dice, files};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use waxwing_protocol::crypto::derive::{DB_JOURNAL, expand};
use waxwing_protocol::crypto::hash::hash16;
use waxwing_protocol::crypto::seal::{TAG_BYTES, open, seal};
use waxwing_protocol::private::{Bytes, Secret};
use waxwing_protocol::store::{Batch, Key};
use waxwing_protocol::wire::codec::decode_row;

/// Names of the files, in the database's directory.
pub(super) const FILES: [&str; FILE_COUNT] = ["journal-0", "journal-1", "journal-2"];
const FILE_COUNT: usize = 3;
/// A file is full from here on; one commit may go beyond it.
pub(super) const FULL_BYTES: u64 = 8 * 1024 * 1024;
/// A file that once had to grow beyond this is given back when it is begun anew.
const KEPT_BYTES_MAX: u64 = 2 * FULL_BYTES;
/// Files grow by this much, in zeros: overwriting what is allocated syncs faster than appending.
const GROW_BYTES: u64 = 1024 * 1024;
const BLOCK_BYTES: u64 = 4_096;
const MAGIC: &[u8; 8] = b"wx1jrnl1";
/// Magic, commits, generation, salt.
const CHECKED_BYTES: usize = 8 + 8 + 4 + 32;
const LENGTH_BYTES: usize = 4;
/// Marks a deleted row in place of its length.
const DELETED: u32 = u32::MAX;

/// The files, one of them open for records.
pub(super) struct Journal {
    dir: PathBuf,
    /// Those that there are.
    files: [Option<File>; FILE_COUNT],
    /// Bytes allocated in each.
    allocated: [u64; FILE_COUNT],
    active: usize,
    key: Secret<32>,
    /// Where the next record goes.
    at: u64,
    record: Vec<u8>,
}

/// What the files held that sled did not.
pub(super) struct Found {
    /// The newest state of every row that was written.
    pub(super) batch: Batch,
    /// Number of the last commit, at least that of sled.
    pub(super) commits: u64,
    /// Which files say it.
    needed: [bool; FILE_COUNT],
}

impl Found {
    /// The database has everything.
    pub(super) fn nothing(commits: u64) -> Self {
        Self {
            batch: Batch::new(),
            commits,
            needed: [false; FILE_COUNT],
        }
    }

    /// Records can go on beside those that were found.
    pub(super) fn leaves_a_file(&self) -> bool {
        self.needed.contains(&false)
    }
}

impl Journal {
    /// Reads what a database at `commits` does not hold yet. `None` if commits are missing.
    pub(super) fn recover(
        dir: &Path,
        state: &StateKeys,
        commits: u64,
    ) -> io::Result<Option<Found>> {
        let mut turns = Vec::new();
        for (at, name) in FILES.into_iter().enumerate() {
            match File::open(dir.join(name)) {
                Ok(file) => turns.extend(Turn::open(file, state)?.map(|turn| (at, turn))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        turns.sort_by_key(|(_, turn)| turn.commits);
        let mut found = Found::nothing(commits);
        for (at, mut turn) in turns {
            while let Some(batch) = turn.next()? {
                if turn.commits <= found.commits {
                    continue;
                }
                if turn.commits != found.commits + 1 {
                    return Ok(None);
                }
                found.commits = turn.commits;
                found.batch.extend(batch);
                found.needed[at] = true;
            }
        }
        Ok(Some(found))
    }

    /// Goes on behind what was found, in a file that is not needed for it.
    ///
    /// # Errors
    /// If the disk fails, or if there is no such file ([`Found::leaves_a_file`]).
    pub(super) fn begin(dir: &Path, state: &StateKeys, found: &Found) -> io::Result<Self> {
        let mut journal = Self {
            dir: dir.to_owned(),
            files: [None, None, None],
            allocated: [0; FILE_COUNT],
            active: 0,
            key: Secret::new([0; 32]),
            at: 0,
            record: Vec::new(),
        };
        let free = found.needed.iter().position(|needed| !needed);
        let free = free.ok_or_else(|| io::Error::other("every file of the journal is needed"))?;
        for (at, name) in FILES.into_iter().enumerate() {
            if at == free || dir.join(name).exists() {
                journal.open(at)?;
            }
        }
        journal.start(free, state, found.commits)?;
        Ok(journal)
    }

    fn open(&mut self, at: usize) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.dir.join(FILES[at]))?;
        self.allocated[at] = file.metadata()?.len();
        self.files[at] = Some(file);
        Ok(())
    }

    /// Goes on in another file. No record but those of the active one may be needed.
    pub(super) fn turn(&mut self, state: &StateKeys, commits: u64) -> io::Result<()> {
        let next = usize::from(self.active == 0);
        if self.files[next].is_none() {
            self.open(next)?;
            files::sync_dir(&self.dir)?;
        }
        self.start(next, state, commits)
    }

    fn start(&mut self, next: usize, state: &StateKeys, commits: u64) -> io::Result<()> {
        let (generation, state_key) = state.current();
        let salt = dice::secret();
        let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&commits.to_be_bytes());
        block.extend_from_slice(&generation.to_be_bytes());
        block.extend_from_slice(salt.expose());
        let check = hash16(&block);
        block.extend_from_slice(&check.0);
        block.resize(BLOCK_BYTES as usize, 0);
        self.active = next;
        if self.allocated[next] > KEPT_BYTES_MAX {
            self.file()?.set_len(0)?;
            self.allocated[next] = 0;
        }
        self.room(BLOCK_BYTES)?;
        let file = self.file()?;
        file.write_all_at(&block, 0)?;
        // The length may have changed too.
        file.sync_all()?;
        self.key = record_key(state_key, &salt);
        self.at = BLOCK_BYTES;
        Ok(())
    }

    fn file(&self) -> io::Result<&File> {
        let file = self.files[self.active].as_ref();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The file had better be changed before the next record.
    pub(super) fn is_full(&self) -> bool {
        self.at >= FULL_BYTES
    }

    /// Bytes of the records in the active file.
    pub(super) fn active_bytes(&self) -> u64 {
        self.at
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.allocated.iter().sum()
    }

    /// Appends one commit, durably. After an error the journal is not used again.
    pub(super) fn append(&mut self, commit: u64, batch: &Batch) -> io::Result<()> {
        let plain = encode(batch);
        let sealed = seal(&self.key, &nonce(commit), &plain, &[]);
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.record.clear();
        self.record.extend_from_slice(&length.to_be_bytes());
        self.record.extend_from_slice(&sealed);
        let bytes = self.record.len() as u64;
        self.room(self.at + bytes)?;
        let file = self.file()?;
        file.write_all_at(&self.record, self.at)?;
        file.sync_data()?;
        self.at += bytes;
        Ok(())
    }

    /// Has so many bytes allocated in the active file.
    fn room(&mut self, bytes: u64) -> io::Result<()> {
        let mut allocated = self.allocated[self.active];
        if allocated >= bytes {
            return Ok(());
        }
        let zeros = [0; 64 * 1024];
        let end = bytes.next_multiple_of(GROW_BYTES);
        let file = self.file()?;
        while allocated < end {
            let some = zeros
                .len()
                .min(usize::try_from(end - allocated).unwrap_or(zeros.len()));
            file.write_all_at(&zeros[..some], allocated)?;
            allocated += some as u64;
        }
        self.allocated[self.active] = allocated;
        Ok(())
    }
}

fn record_key(state_key: &Secret<32>, salt: &Secret<32>) -> Secret<32> {
    expand(state_key.expose(), &[DB_JOURNAL.bytes(), salt.expose()])
}

fn nonce(commit: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&commit.to_be_bytes());
    nonce
}

/// One file, read from its beginning.
struct Turn {
    file: File,
    length: u64,
    key: Secret<32>,
    at: u64,
    /// Number of the record before the next.
    commits: u64,
}

impl Turn {
    /// `None` for a file that was never begun, whose beginning is torn, or whose key is gone.
    fn open(file: File, state: &StateKeys) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let mut head = [0; CHECKED_BYTES + 16];
        if length < BLOCK_BYTES {
            return Ok(None);
        }
        file.read_exact_at(&mut head, 0)?;
        let (checked, check) = head.split_at(CHECKED_BYTES);
        if hash16(checked).0 != check {
            return Ok(None);
        }
        let parts = || {
            let rest = checked.strip_prefix(MAGIC)?;
            let (commits, rest) = rest.split_first_chunk()?;
            let (generation, rest) = rest.split_first_chunk()?;
            let state_key = state.of(u32::from_be_bytes(*generation))?;
            let salt = Secret::new(*rest.first_chunk()?);
            Some((u64::from_be_bytes(*commits), record_key(state_key, &salt)))
        };
        Ok(parts().map(|(commits, key)| Self {
            file,
            length,
            key,
            at: BLOCK_BYTES,
            commits,
        }))
    }

    /// The next record's rows; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Batch>> {
        let mut length = [0; LENGTH_BYTES];
        let body = self.at + LENGTH_BYTES as u64;
        if body > self.length {
            return Ok(None);
        }
        self.file.read_exact_at(&mut length, self.at)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length < TAG_BYTES as u64 || body + length > self.length {
            return Ok(None);
        }
        let Ok(bytes) = usize::try_from(length) else {
            return Ok(None);
        };
        let mut sealed = vec![0; bytes];
        self.file.read_exact_at(&mut sealed, body)?;
        let Ok(plain) = open(&self.key, &nonce(self.commits + 1), &sealed, &[]) else {
            return Ok(None);
        };
        let batch = decode(&plain).ok_or(io::ErrorKind::InvalidData)?;
        self.at = body + length;
        self.commits += 1;
        Ok(Some(batch))
    }
}

/// Rows one after the other: table u8, lengths of scope u16, suffix u16 and value u32, then these.
fn encode(batch: &Batch) -> Bytes {
    let value_bytes = |value: &Option<Bytes>| value.as_ref().map_or(0, |value| value.len());
    let row = |(key, value): (&Key, &Option<Bytes>)| {
        9 + key.scope().len() + key.suffix().len() + value_bytes(value)
    };
    let mut plain = Bytes::new(Vec::with_capacity(batch.iter().map(row).sum()));
    for (key, value) in batch {
        plain.push(key.table() as u8);
        plain.extend_from_slice(&(key.scope().len() as u16).to_be_bytes());
        plain.extend_from_slice(&(key.suffix().len() as u16).to_be_bytes());
        let length = value.as_ref().map_or(DELETED, |value| value.len() as u32);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(key.scope());
        plain.extend_from_slice(key.suffix());
        plain.extend_from_slice(value.as_ref().map_or(&[], |value| value));
    }
    plain
}

fn decode(mut plain: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new();
    while let Some((table, rest)) = plain.split_first() {
        let (scope, rest) = rest.split_first_chunk()?;
        let (suffix, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (scope, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*scope)))?;
        let (suffix, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*suffix)))?;
        // Numbers of tables are those of their encoding.
        let cbor = [0x18, *table];
        let table = decode_row(if *table < 24 { &cbor[1..] } else { &cbor }).ok()?;
        let key = Key::new(table, scope, suffix);
        plain = match u32::from_be_bytes(*length) {
            DELETED => {
                batch.insert(key, None);
                rest
            }
            length => {
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                batch.insert(key, Some(Bytes::new(value.to_vec())));
                rest
            }
        };
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::store::Table;

    struct Home {
        dir: tempfile::TempDir,
        state: StateKeys,
    }

    fn home() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state-key");
        StateKeys::create(&path, 1).unwrap();
        let state = StateKeys::open(&path, &dice::secret()).unwrap();
        Home { dir, state }
    }

    impl Home {
        fn begin(&self, commits: u64) -> Journal {
            Journal::begin(self.dir.path(), &self.state, &Found::nothing(commits)).unwrap()
        }

        fn recover(&self, commits: u64) -> Option<Found> {
            Journal::recover(self.dir.path(), &self.state, commits).unwrap()
        }

        fn flip(&self, name: &str, at: u64) {
            let path = self.dir.path().join(name);
            let file = File::options().read(true).write(true).open(path).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
        }
    }

    fn key(n: u64) -> Key {
        Key::new(Table::Message, *b"scope", n.to_be_bytes())
    }

    fn batch(n: u64, bytes: usize) -> Batch {
        let value = |byte: u64| Some(Bytes::new(vec![byte as u8; bytes]));
        Batch::from([(key(n), value(n)), (key(0), value(n)), (key(n - 1), None)])
    }

    #[test]
    fn records_come_back_in_order_over_both_files() {
        let home = home();
        let mut journal = home.begin(7);
        journal.append(8, &batch(8, 30)).unwrap();
        journal.append(9, &batch(9, 0)).unwrap();
        journal.turn(&home.state, 9).unwrap();
        journal.append(10, &batch(10, 2_000_000)).unwrap();
        let found = home.recover(7).unwrap();
        assert_eq!((found.commits, found.batch.len()), (10, 5));
        assert_eq!(found.batch[&key(0)].as_ref().unwrap().len(), 2_000_000);
        assert_eq!(
            (&found.batch[&key(8)], &found.batch[&key(9)]),
            (&None, &None)
        );
        // What sled has already is not given to it again.
        let found = home.recover(9).unwrap();
        assert_eq!((found.commits, found.batch.len()), (10, 3));
        assert_eq!(home.recover(10).unwrap().commits, 10);
        assert_eq!(home.recover(11).unwrap().commits, 11);
    }

    #[test]
    fn crash_after_crash_every_record_stays_until_it_is_not_needed() {
        let home = home();
        let (mut at, mut files) = (0, Vec::new());
        home.begin(at).append(1, &batch(1, 30)).unwrap();
        loop {
            at += 1;
            let found = home.recover(0).unwrap();
            assert_eq!(found.commits, at);
            if !found.leaves_a_file() {
                break;
            }
            let mut journal = Journal::begin(home.dir.path(), &home.state, &found).unwrap();
            files.push(journal.active);
            // A crash before the first record leaves the file free.
            drop(journal);
            let found = home.recover(0).unwrap();
            journal = Journal::begin(home.dir.path(), &home.state, &found).unwrap();
            assert_eq!(files.last(), Some(&journal.active));
            journal.append(at + 1, &batch(at + 1, 30)).unwrap();
        }
        assert_eq!(files, [1, 2]);
        let found = home.recover(0).unwrap();
        assert!(Journal::begin(home.dir.path(), &home.state, &found).is_err());
        // The database has got what the first file says.
        let found = home.recover(1).unwrap();
        assert!(found.leaves_a_file());
        assert_eq!(found.commits, 3);
    }

    #[test]
    fn a_gap_is_found() {
        let home = home();
        let mut journal = home.begin(7);
        journal.append(8, &batch(8, 30)).unwrap();
        assert!(home.recover(6).is_none());
    }

    #[test]
    fn a_torn_record_ends_the_file_and_an_old_turn_says_nothing() {
        let home = home();
        let mut journal = home.begin(0);
        for n in 1..=5 {
            journal.append(n, &batch(n, 100)).unwrap();
        }
        let end = journal.at;
        home.flip(FILES[0], end - 1);
        assert_eq!(home.recover(0).unwrap().commits, 4);
        home.flip(FILES[0], end - 1);
        home.flip(FILES[0], BLOCK_BYTES + 2);
        assert_eq!(home.recover(0).unwrap().commits, 0);
        home.flip(FILES[0], BLOCK_BYTES + 2);
        home.flip(FILES[0], 9);
        assert_eq!(home.recover(0).unwrap().commits, 0);
        home.flip(FILES[0], 9);
        assert_eq!(home.recover(0).unwrap().commits, 5);

        // The same file again: records of before still lie behind the new ones.
        journal.turn(&home.state, 5).unwrap();
        journal.turn(&home.state, 5).unwrap();
        journal.append(6, &batch(6, 100)).unwrap();
        let found = home.recover(5).unwrap();
        assert_eq!((found.commits, found.batch.len()), (6, 3));
    }

    #[test]
    fn a_record_shows_nothing_and_opens_under_no_other_key() {
        let home = home();
        let mut journal = home.begin(0);
        let secret = Batch::from([(key(1), Some(Bytes::new(b"name of a person".to_vec())))]);
        journal.append(1, &secret).unwrap();
        let bytes = std::fs::read(home.dir.path().join(FILES[0])).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"name of "));
        let other = StateKeys::open(&home.dir.path().join("state-key"), &dice::secret()).unwrap();
        let found = Journal::recover(home.dir.path(), &other, 0)
            .unwrap()
            .unwrap();
        assert_eq!(found.commits, 0);
    }
}
