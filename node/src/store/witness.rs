//! Two looks at a database that sled itself does not take.
//!
//! Where sled finds a segment that it cannot read, it takes the log to end there, cuts the file
//! off and goes on: rows that were acknowledged are gone without a word. So the segments' headers
//! are looked at before sled may touch them, and every commit is counted twice: in a row of the
//! database, and, once that row is durable, in a file beside it. A row that is behind the file
//! says that commits were lost. The file need not be synced: it may be behind, never ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use waxwing_protocol::crypto::hash::hash16;

/// sled's segments; a setting that never changes for a database.
pub(super) const SEGMENT_BYTES: usize = 512 * 1024;
/// CRC-32 of the rest, log sequence number, highest stable number.
const HEADER_BYTES: usize = 20;
/// The count, and its check.
const COUNT_BYTES: usize = 8 + 16;

/// No segment of a database has a header that sled neither wrote nor wiped. A header lies within
/// one sector, so a power cut does not tear it.
pub(super) fn segments_are_sound(db: &Path) -> io::Result<bool> {
    let file = match File::open(db.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    let mut at = 0;
    while at + HEADER_BYTES as u64 <= length {
        file.read_exact_at(&mut header, at)?;
        if !is_sound(&header) {
            return Ok(false);
        }
        at += SEGMENT_BYTES as u64;
    }
    Ok(true)
}

fn is_sound(header: &[u8; HEADER_BYTES]) -> bool {
    let (check, rest) = header.split_at(4);
    header.iter().all(|byte| *byte == 0) || check == (!crc32(rest)).to_le_bytes()
}

/// CRC-32 as in IEEE 802.3, a bit at a time: a header is sixteen bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// The file that counts commits.
pub(super) struct Witness(File);

impl Witness {
    /// Opens the file, and reads how many commits it saw; none if it was never written whole.
    pub(super) fn open(db: &Path) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(db.join("commits"))?;
        let mut bytes = [0; COUNT_BYTES];
        let seen = match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
            Ok(()) => count(&bytes).unwrap_or(0),
        };
        Ok((Self(file), seen))
    }

    /// So many commits are durable.
    pub(super) fn saw(&self, commits: u64) -> io::Result<()> {
        let count = commits.to_be_bytes();
        let bytes = [&count[..], &hash16(&count).0].concat();
        self.0.write_all_at(&bytes, 0)
    }
}

fn count(bytes: &[u8; COUNT_BYTES]) -> Option<u64> {
    let (count, check) = bytes.split_first_chunk()?;
    (hash16(count).0 == check).then(|| u64::from_be_bytes(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_count_comes_back_and_a_torn_one_counts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Witness::open(dir.path()).unwrap();
        assert_eq!(open().1, 0);
        open().0.saw(7).unwrap();
        open().0.saw(300).unwrap();
        assert_eq!(open().1, 300);
        open().0.0.write_all_at(&[0x55], 9).unwrap();
        assert_eq!(open().1, 0);
    }
}
