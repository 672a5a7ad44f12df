//! Looking for what must not be there: planted words and keys in files and logs, in every form in
//! which a program may write them by mistake.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use waxwing_protocol::id::{to_base32, to_base64url};

/// What is looked for first; shorter needles would be found by chance.
const HEAD_BYTES: usize = 8;

/// Things that must not be found, with a name for each that says what it is.
#[derive(Default)]
pub struct Needles {
    by_head: BTreeMap<[u8; HEAD_BYTES], Vec<(String, Vec<u8>)>>,
    count: usize,
}

impl Needles {
    /// Adds bytes as they are.
    ///
    /// # Panics
    /// If they are so short that chance would find them.
    pub fn bytes(&mut self, what: &str, bytes: &[u8]) {
        let head = bytes.get(..HEAD_BYTES).expect("eight bytes or more");
        let head = head.try_into().expect("eight bytes");
        let list = self.by_head.entry(head).or_default();
        list.push((what.to_owned(), bytes.to_vec()));
        self.count += 1;
    }

    /// Adds a text as it is, in base64 and in hex.
    pub fn text(&mut self, what: &str, text: &str) {
        self.bytes(what, text.as_bytes());
        self.encoded(what, text.as_bytes());
    }

    /// Adds a key or an id: raw, in hex, base32, base64, and as a list of numbers.
    pub fn key(&mut self, what: &str, key: &[u8]) {
        self.bytes(what, key);
        self.encoded(what, key);
        let base32 = to_base32(key);
        self.bytes(&format!("{what} in base32"), base32.as_bytes());
        let upper = base32.to_uppercase();
        self.bytes(&format!("{what} in BASE32"), upper.as_bytes());
        let numbers: Vec<String> = key.iter().map(u8::to_string).collect();
        for joint in [", ", ","] {
            self.bytes(
                &format!("{what} in numbers"),
                numbers.join(joint).as_bytes(),
            );
        }
    }

    fn encoded(&mut self, what: &str, bytes: &[u8]) {
        let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.bytes(&format!("{what} in hex"), lower.as_bytes());
        let upper = lower.to_uppercase();
        self.bytes(&format!("{what} in HEX"), upper.as_bytes());
        let url = to_base64url(bytes);
        self.bytes(&format!("{what} in base64url"), url.as_bytes());
        let plain = url.replace('-', "+").replace('_', "/");
        self.bytes(&format!("{what} in base64"), plain.as_bytes());
    }

    /// How many forms are looked for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What of it stands in some bytes.
    pub fn find(&self, hay: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, head) in hay.windows(HEAD_BYTES).enumerate() {
            // Empty space is most of a database. A key that begins with two zeros is rare enough.
            if head[0] == 0 && head[1] == 0 {
                continue;
            }
            let Some(list) = self.by_head.get(head) else {
                continue;
            };
            for (what, needle) in list {
                if hay[at..].starts_with(needle) {
                    found.push(what.as_str());
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// All regular files below a directory, in order.
///
/// # Errors
/// What the disk says.
pub fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_and_nothing_else() {
        let mut needles = Needles::default();
        needles.key("a key", &[0xfb; 16]);
        needles.text("a text", "a planted text");
        for (hay, what) in [
            ("..fbfbfbfbfbfbfbfbfbfbfbfbfbfbfbfb..", "a key in hex"),
            ("x+/v7+/v7+/v7+/v7+/v7+w", "a key in base64"),
            ("-_v7-_v7-_v7-_v7-_v7-w", "a key in base64url"),
            ("said: a planted text!", "a text"),
        ] {
            assert_eq!(needles.find(hay.as_bytes()), [what], "{hay}");
        }
        assert_eq!(needles.find(&[0xfb; 20]), ["a key"]);
        assert!(needles.find(&[0xfb; 15]).is_empty());
        assert!(needles.find(b"a planted tex").is_empty());
    }
}
