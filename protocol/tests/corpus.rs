//! The fuzz corpus, replayed: what a fuzzer found worth keeping holds on every build. New findings
//! are put there as they are.

mod common;
mod fuzz_bodies;

use std::fs;
use std::path::Path;

/// All of a target's inputs through its body, in order of their names.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() > 4, "{target}: a corpus of its own");
    for input in inputs {
        let bytes = fs::read(&input).expect("readable");
        // The name of the input at fault is in the panic's captured output.
        println!("{}", input.display());
        body(&bytes);
    }
    body(&[]);
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), fuzz_bodies::$target);
        })*

        /// Every folder of the corpus has its test, and the whole stays small.
        #[test]
        fn the_corpus_is_small_and_whole() {
            let mut known = [$(stringify!($target)),*];
            known.sort();
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
            let mut folders: Vec<_> = fs::read_dir(corpus)
                .expect("the corpus is part of the repository")
                .map(|entry| entry.expect("readable").path())
                .collect();
            folders.sort();
            let names: Vec<_> = folders
                .iter()
                .filter_map(|f| f.file_name()?.to_str())
                .collect();
            assert_eq!(names, known);
            let (mut files, mut bytes) = (0, 0);
            for entry in folders.iter().flat_map(|f| fs::read_dir(f).expect("readable")) {
                files += 1;
                bytes += entry.and_then(|e| e.metadata()).expect("readable").len();
            }
            assert!(files <= FILES_MAX, "{files} files");
            assert!(bytes <= BYTES_MAX, "{bytes} bytes");
        }
    };
}

/// Inputs in all.
const FILES_MAX: usize = 240;
/// Bytes of all inputs.
const BYTES_MAX: u64 = 2 << 20;

replays! {
    cbor_strict
    conversation
    frame
    handshake_receive
    invite_link
    letter_receive
    mailbox
}
