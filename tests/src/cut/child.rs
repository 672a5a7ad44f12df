//! The processes of a round: one that writes until it is ended, one that looks at what is left.

use super::book::Book;
use super::shelf;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use waxwing_node::store::{Disk, Place, SledStore, create, open};
use waxwing_protocol::private::Secret;
use waxwing_protocol::store::{Read, Store, StoreError};
use waxwing_protocol::time::{DAY_S, Secs};

/// Some day in 2026; each batch is an hour, so that the state key rotates whenever there is
/// housekeeping.
const BEGIN: Secs = 1_790_000_000;
const HOUR_S: Secs = DAY_S / 24;
/// Housekeeping comes after so many batches, in steps of which each comes after a further batch.
const HOUSEKEEPING_EVERY: u64 = 32;
/// In every other run of so many batches there is none: then much waits for it.
const NEGLECT: u64 = 512;

/// Opens the store as a home does: once one was made, it is never made again.
fn store(home: &Path, now: Secs) -> Result<SledStore, String> {
    let place = Place {
        db: home.join("db"),
        state_key: home.join("state-key"),
        data_key: Secret::new([7; 32]),
    };
    let made = home.join("made");
    if made.exists() {
        return open(&place, now).map_err(|error| error.to_string());
    }
    let failed = |error: io::Error| error.to_string();
    fs::create_dir_all(home).map_err(failed)?;
    let store = create(&place, now).map_err(|error| error.to_string())?;
    let synced = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    synced(home.parent().unwrap_or(home)).map_err(failed)?;
    File::create(&made).map_err(failed)?;
    synced(&made).and_then(|()| synced(home)).map_err(failed)?;
    Ok(store)
}

fn newest(store: &SledStore) -> Result<u64, String> {
    let row = store.get(&Book::number());
    let row = row.map_err(|error| error.to_string())?;
    Ok(Book::read_number(row.as_ref()))
}

/// One line, out of this process at once: what was said is not taken back by its end.
fn say(word: &str, n: impl std::fmt::Display) -> Result<(), String> {
    let line = format!("{word} {n}\n");
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(line.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| error.to_string())
}

/// Writes batches, for ever or so many, and says `begin n` before and `done n` after each.
///
/// # Errors
/// What failed.
pub fn write(home: &Path, seed: u64, batches: Option<u64>) -> Result<(), String> {
    let book = Book::new(seed);
    let mut store = store(home, BEGIN)?;
    let at = newest(&store)?;
    say("at", at)?;
    let mut more = false;
    let end = batches.map_or(u64::MAX, |batches| at.saturating_add(batches));
    for n in at + 1..=end {
        say("begin", n)?;
        let mut batch = book.batch(n);
        if let Err(error) = shelf::add(&store, seed, n, &mut batch) {
            return say("failed", error);
        }
        if let Err(error) = store.apply(batch) {
            return say("failed", error);
        }
        say("done", n)?;
        let cared_for = (n / NEGLECT).is_multiple_of(2) && n.is_multiple_of(HOUSEKEEPING_EVERY);
        if more || cared_for {
            match store.maintain(BEGIN + n * HOUR_S) {
                Ok(there_is_more) => more = there_is_more,
                Err(error) => return say("failed", error),
            }
        }
    }
    Ok(())
}

/// Opens what is left, compares it with the book and prints the number of the newest batch.
///
/// # Errors
/// What failed, or what is not as it was written.
pub fn look(home: &Path, seed: u64) -> Result<(), String> {
    let store = store(home, BEGIN)?;
    let at = newest(&store)?;
    let failed = |error: StoreError| error.to_string();
    let mut wrong = Book::new(seed).compare(&store, at).map_err(failed)?;
    wrong.extend(shelf::compare(&store, seed, at).map_err(failed)?);
    if !wrong.is_empty() {
        return Err(format!("after batch {at}: {}", wrong.join("; ")));
    }
    println!("{at}");
    Ok(())
}
