//! Compacting while the store is in use.

use super::*;
use std::time::Duration;
use walk::files;

mod walk {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Every file below a directory.
    pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                found.extend(files(&entry.path()));
            } else {
                found.push(entry.path());
            }
        }
        found
    }
}

/// Waits for the copy's end.
fn through(store: &mut SledStore) -> Compacting {
    loop {
        match store.compacting().unwrap() {
            Compacting::Going(_) => std::thread::sleep(Duration::from_millis(1)),
            end => return end,
        }
    }
}

fn size(home: &Home) -> u64 {
    let files = files(home.dir.path());
    files.iter().map(|f| fs::metadata(f).unwrap().len()).sum()
}

/// Whether the bytes stand anywhere in the home.
fn holds(home: &Home, bytes: &[u8]) -> bool {
    files(home.dir.path()).iter().any(|file| {
        let all = fs::read(file).unwrap();
        all.windows(bytes.len()).any(|window| window == bytes)
    })
}

fn all(store: &SledStore, table: Table) -> Vec<(Vec<u8>, Bytes)> {
    let span = Span::all(table, *b"scope of a person", usize::MAX);
    store.scan(&span).unwrap()
}

/// Rows that live, rows that are deleted, rows that were written often.
fn lived_in(home: &Home) -> SledStore {
    let mut store = home.open();
    for round in 0..20u8 {
        put(&mut store, Table::Message, 0..400, &[round; 700]);
        store.settle().unwrap();
    }
    put(&mut store, Table::Session, 0..20, b"state");
    put(&mut store, Table::Message, 400..440, &[7; 9_000]);
    store.settle().unwrap();
    store
}

fn delete(store: &mut SledStore, rows: std::ops::Range<u32>) {
    let batch = rows.map(|n| (key(Table::Message, n), None)).collect();
    store.apply(batch).unwrap();
}

#[test]
fn what_was_deleted_is_nowhere_and_what_lives_is_as_it_was() {
    let home = home();
    let mut store = lived_in(&home);
    let stored = |store: &SledStore, n| {
        let stored_key = store.rows.stored_key(&key(Table::Message, n));
        store.rows.db.get(stored_key).unwrap().unwrap().to_vec()
    };
    let (gone, stays) = (stored(&store, 17), stored(&store, 399));
    delete(&mut store, 0..300);
    store.settle().unwrap();
    assert!(holds(&home, &gone[30..90]) && holds(&home, &stays[30..90]));
    let before = size(&home);
    let rows = all(&store, Table::Message);

    store.compact().unwrap();
    store.compact().unwrap();
    assert_eq!(through(&mut store), Compacting::Whole);
    // From here on it would forget what it is told.
    assert!(
        store
            .apply(Batch::from([(key(Table::Message, 1), None)]))
            .is_err()
    );
    drop(store);
    let mut store = home.open();
    assert_eq!(all(&store, Table::Message), rows);
    assert!(!holds(&home, &gone[30..90]), "deleted, and still there");
    assert!(
        holds(&home, &stays[30..90]),
        "the search finds what is there"
    );
    assert!(size(&home) < before, "{} after {before}", size(&home));
    assert_eq!(store.compacting().unwrap(), Compacting::No);
    put(&mut store, Table::Message, 0..3, b"again");
    drop(store);
    assert_eq!(all(&home.open(), Table::Message).len(), rows.len() + 3);
}

#[test]
fn a_crash_at_any_step_of_it_keeps_what_was_acknowledged() {
    let home = home();
    let mut store = lived_in(&home);
    let mut images = Vec::new();
    let mut image = |store: &SledStore, when: &'static str| {
        let rows = (all(store, Table::Message), all(store, Table::Session));
        images.push((crashed(&home), rows, store.commits, when));
    };
    image(&store, "before");
    delete(&mut store, 0..300);
    store.compact().unwrap();
    image(&store, "begun");
    // Acknowledged while the copy is under way: rows that it has already, rows that it has not,
    // rows that it must not have.
    for n in 0..50u32 {
        put(&mut store, Table::Message, n..n + 2, b"meanwhile");
        put(&mut store, Table::Message, 800 + n..801 + n, &[1; 5_000]);
        put(&mut store, Table::Session, n % 20..n % 20 + 1, b"newer");
        delete(&mut store, 350 + n..351 + n);
        assert!(!store.maintain(NOW + 2 * DAY_S).unwrap(), "nothing rotates");
        if n % 20 == 0 {
            image(&store, "under way");
        }
    }
    let known = (all(&store, Table::Message), all(&store, Table::Session));
    let commits = store.commits;
    assert_eq!(through(&mut store), Compacting::Whole);
    images.push((crashed(&home), known.clone(), commits, "whole"));
    // It moved aside, and the copy is not yet there.
    drop(store);
    let moved = crashed(&home);
    fs::rename(
        &moved.place.db,
        crate::files::beside(&moved.place.db, ".old"),
    )
    .unwrap();
    images.push((moved, known, commits, "moved"));

    for (home, (messages, sessions), commits, when) in images {
        for _ in 0..2 {
            let mut store = open(&home.place, NOW).unwrap();
            assert!(all(&store, Table::Message) == messages, "{when}");
            assert!(all(&store, Table::Session) == sessions, "{when}");
            assert!(store.commits >= commits, "{when}");
            put(&mut store, Table::Contact, 0..1, b"goes on");
        }
        let left = fs::read_dir(home.dir.path()).unwrap().count();
        assert_eq!(left, 2, "{when}: something lies beside the database");
    }
}

#[test]
fn a_store_that_is_closed_meanwhile_loses_nothing() {
    let home = home();
    let mut store = lived_in(&home);
    store.compact().unwrap();
    put(&mut store, Table::Contact, 0..9, b"meanwhile");
    drop(store);
    let store = home.open();
    assert_eq!(all(&store, Table::Contact).len(), 9);
    assert_eq!(all(&store, Table::Message).len(), 440);
    drop(store);
    assert_eq!(fs::read_dir(home.dir.path()).unwrap().count(), 2);
}

#[test]
fn a_copy_is_called_off_when_too_much_is_written_meanwhile() {
    let home = home();
    let mut store = lived_in(&home);
    store.compact().unwrap();
    let (mut n, mut bytes) = (0, 0);
    while bytes < COPY_JOURNAL_BYTES + 4 * 1024 * 1024 {
        put(&mut store, Table::Unread, n..n + 1, &[3; 1_000_000]);
        (n, bytes) = (n + 1, bytes + 1_000_000);
    }
    let end = store.compacting().unwrap();
    assert!(
        matches!(&end, Compacting::Failed(why) if why.contains("too much")),
        "{end:?}"
    );
    assert_eq!(all(&store, Table::Unread).len(), n as usize);
    assert_eq!(all(&store, Table::Message).len(), 440);
    drop(store);
    assert_eq!(all(&home.open(), Table::Unread).len(), n as usize);
}
