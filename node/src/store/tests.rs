mod compacting;

use super::*;
use crate::dice;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use waxwing_protocol::time::DAY_S;

/// A home whose place outlives the stores opened in it.
struct Home {
    dir: TempDir,
    place: Place,
}

const NOW: Secs = 1_800_000_000;

fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let place = Place {
        db: dir.path().join("db"),
        state_key: dir.path().join("state-key"),
        data_key: dice::secret(),
    };
    Home { dir, place }
}

impl Home {
    fn open(&self) -> SledStore {
        if self.place.db.exists() {
            open(&self.place, NOW).unwrap()
        } else {
            create(&self.place, NOW).unwrap()
        }
    }

    /// Every stored row as it is on disk.
    fn raw(&self) -> Vec<(sled::IVec, sled::IVec)> {
        let store = self.open();
        store.rows.db.iter().map(Result::unwrap).collect()
    }
}

fn key(table: Table, n: u32) -> Key {
    Key::new(table, *b"scope of a person", n.to_be_bytes())
}

fn put(store: &mut SledStore, table: Table, rows: std::ops::Range<u32>, value: &[u8]) {
    let batch = rows
        .map(|n| (key(table, n), Some(Bytes::new(value.to_vec()))))
        .collect();
    store.apply(batch).unwrap();
}

#[test]
fn it_conforms() {
    let homes = RefCell::new(Vec::new());
    conformance::check(|| {
        let home = home();
        let store = home.open();
        homes.borrow_mut().push(home);
        Box::new(store)
    });
    conformance::check(|| Box::new(MemoryStore::default()));
}

#[test]
fn blocks_in_it_conform() {
    let homes = RefCell::new(Vec::new());
    blocks::check(|| {
        let home = home();
        let store = home.open();
        homes.borrow_mut().push(home);
        Box::new(blocks::InRows(Box::new(store)))
    });
    blocks::check(|| Box::new(blocks::InRows(Box::new(MemoryStore::default()))));
}

#[test]
fn blocks_outlive_their_owner() {
    let home = home();
    blocks::check_durable(|| Box::new(blocks::InRows(Box::new(home.open()))));
}

#[test]
fn rows_outlive_their_owner() {
    let home = home();
    conformance::check_durable(|| Box::new(home.open()));
}

#[test]
fn nothing_stored_is_in_the_clear_or_long_enough_to_leave_the_log() {
    let home = home();
    let mut store = home.open();
    for table in [Table::Contact, Table::Session] {
        put(
            &mut store,
            table,
            0..40,
            &b"name of a person ".repeat(3_000),
        );
    }
    drop(store);
    let rows = home.raw();
    assert!(rows.iter().all(|(_, value)| value.len() <= PIECE_BYTES));
    assert_eq!(
        fs::read_dir(home.place.db.join("blobs")).unwrap().count(),
        0
    );
    for needle in ["name of a person", "scope of a person"] {
        for file in ["db", "conf"] {
            let bytes = fs::read(home.place.db.join(file)).unwrap();
            assert!(
                !bytes
                    .windows(16)
                    .any(|window| needle.as_bytes().starts_with(window))
            );
        }
    }
}

/// The home as a crash at this moment leaves it.
fn crashed(home: &Home) -> Home {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(home.dir.path(), dir.path());
    let place = Place {
        db: dir.path().join("db"),
        state_key: dir.path().join("state-key"),
        data_key: home.place.data_key.clone(),
    };
    Home { dir, place }
}

#[test]
fn a_crash_loses_nothing_that_only_the_journal_holds() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Message, 0..5, b"in the database");
    store.settle().unwrap();
    put(&mut store, Table::Message, 3..8, b"in the journal");
    put(&mut store, Table::Session, 0..2, &[4; 9_000]);
    store
        .apply(Batch::from([(key(Table::Message, 0), None)]))
        .unwrap();
    // The last commit before the crash was not yet whole: what is written over the end of the
    // journal stands for it.
    for torn in [false, true] {
        let copy = crashed(&home);
        if torn {
            let path = copy.place.db.join(journal::FILES[1]);
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes[end + 1..end + 30].fill(9);
            fs::write(path, bytes).unwrap();
        }
        for _ in 0..2 {
            let store = copy.open();
            let get = |n| store.get(&key(Table::Message, n)).unwrap();
            assert_eq!(get(0), None);
            assert_eq!(*get(2).unwrap(), b"in the database");
            for n in 3..8 {
                assert_eq!(*get(n).unwrap(), b"in the journal");
            }
            assert_eq!(
                *store.get(&key(Table::Session, 1)).unwrap().unwrap(),
                [4; 9_000]
            );
        }
    }
    // A record that was acknowledged and does not open is damage, not an end.
    let copy = crashed(&home);
    let path = copy.place.db.join(journal::FILES[1]);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    fs::write(path, bytes).unwrap();
    let opened = open(&copy.place, NOW);
    assert!(matches!(opened, Err(OpenError::Quarantined { .. })));
}

#[test]
fn rows_are_the_same_before_while_and_after_they_go_to_the_database() {
    let home = home();
    let mut store = home.open();
    let mut model = MemoryStore::default();
    // Enough for the journal to change files a few times.
    for round in 0..60u32 {
        let batch: Batch = (0..40)
            .map(|n| {
                let n = (n * 7 + round) % 90;
                let value = Bytes::new(vec![round as u8; 9_000 * (n as usize % 2)]);
                (key(Table::Message, n), (n % 5 > 0).then_some(value))
            })
            .collect();
        store.apply(batch.clone()).unwrap();
        model.apply(batch).unwrap();
        let mut span = Span::all(Table::Message, *b"scope of a person", 25);
        assert_eq!(store.scan(&span), model.scan(&span));
        span = span.backwards();
        assert_eq!(store.scan(&span), model.scan(&span));
        let key = key(Table::Message, round);
        assert_eq!(store.get(&key), model.get(&key));
    }
    assert!(store.journal.bytes() > journal::FULL_BYTES);
    drop(store);
    let store = home.open();
    let span = Span::all(Table::Message, *b"scope of a person", 99);
    assert_eq!(store.scan(&span), model.scan(&span));
}

#[test]
fn a_start_writes_nothing_that_the_journal_holds_and_loses_nothing_of_it() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Message, 0..5, b"in the database");
    store.settle().unwrap();
    let mut images = vec![home];
    // More crashes than the journal has files.
    for crash in 1..=5u32 {
        put(
            &mut store,
            Table::Message,
            crash..crash + 9,
            &[crash as u8; 9_000],
        );
        put(&mut store, Table::Session, crash..crash + 1, b"state");
        let image = crashed(images.last().unwrap());
        std::mem::forget(store);
        store = image.open();
        images.push(image);
        let get = |n| store.get(&key(Table::Message, n)).unwrap().unwrap();
        for n in crash..crash + 9 {
            assert_eq!(*get(n), [crash as u8; 9_000], "{crash}");
        }
        for n in 1..crash {
            assert_eq!(*get(n), [n as u8; 9_000], "{crash}");
        }
        let sessions = Span::all(Table::Session, *b"scope of a person", 99);
        assert_eq!(store.scan(&sessions).unwrap().len(), crash as usize);
        // Once every file is needed, its rows are written before there are new ones.
        assert_eq!(store.checkpoint.is_some(), crash != 3, "{crash}");
    }
    assert!(!store.maintain(NOW).unwrap());
    store.reap(true).unwrap();
    assert!(store.checkpoint.is_none() && store.fresh.is_empty());
    let live = |store: &SledStore| store.rows.live.load(std::sync::atomic::Ordering::Relaxed);
    let stored = |store: &SledStore| -> usize {
        let rows = store.rows.db.iter().map(Result::unwrap);
        rows.map(|(key, value)| key.len() + value.len()).sum()
    };
    // The store's own rows are not counted as they are written.
    let counted = live(&store);
    assert!(counted.abs_diff(stored(&store) as u64) < 200);
    drop(store);
    assert_eq!(live(&images.last().unwrap().open()), counted);
}

#[test]
fn a_store_without_work_writes_what_it_has_and_wants_to_be_opened_anew() {
    let home = home();
    let mut store = home.open();
    assert_eq!(store.rest(), Ok(Rest::Done));
    put(&mut store, Table::Message, 0..10, b"little");
    assert_eq!(store.rest(), Ok(Rest::Done));
    assert!(!store.fresh.is_empty());
    for n in 0..9 {
        let rows = n * 1_000..(n + 1) * 1_000;
        put(&mut store, Table::Message, rows, &[1; 90]);
    }
    assert_eq!(store.rest(), Ok(Rest::Later));
    assert!(store.fresh.is_empty());
    loop {
        match store.rest().unwrap() {
            Rest::Later => std::thread::yield_now(),
            rest => break assert_eq!(rest, Rest::Anew),
        }
    }
    drop(store);
    let mut store = home.open();
    assert_eq!(store.rest(), Ok(Rest::Done));
    let span = Span::all(Table::Message, *b"scope of a person", usize::MAX);
    assert_eq!(store.scan(&span).unwrap().len(), 9_000);
}

#[test]
fn deleted_and_shortened_rows_leave_no_pieces() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Message, 0..8, &[1; 20_000]);
    drop(store);
    let mut store = home.open();
    put(&mut store, Table::Message, 0..4, b"short");
    let batch = (4..8).map(|n| (key(Table::Message, n), None)).collect();
    store.apply(batch).unwrap();
    drop(store);
    // Four rows, and three of the store's own.
    assert_eq!(home.raw().len(), 7);
}

#[test]
fn a_row_opens_only_in_its_place() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Contact, 1..3, b"value");
    store.settle().unwrap();
    let at = |n: u32| {
        store
            .rows
            .keys
            .stored_key(Table::Contact, b"scope of a person", &n.to_be_bytes())
    };
    let (one, two) = (at(1), at(2));
    let moved = store.rows.db.get(&one).unwrap().unwrap();
    store.rows.db.insert(two, moved).unwrap();
    drop(store);
    let store = home.open();
    assert!(store.get(&key(Table::Contact, 1)).unwrap().is_some());
    let damaged = Err(StoreError::Damaged(Table::Contact));
    assert_eq!(store.get(&key(Table::Contact, 2)), damaged);
}

#[test]
fn a_failed_store_answers_nothing_more() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Contact, 0..1, b"value");
    store.fail(StoreError::Full);
    assert_eq!(store.get(&key(Table::Contact, 0)), Err(StoreError::Full));
    assert_eq!(store.apply(Batch::new()), Err(StoreError::Full));
    assert_eq!(store.maintain(NOW), Err(StoreError::Full));
    drop(store);
    assert!(home.open().get(&key(Table::Contact, 0)).unwrap().is_some());
}

#[test]
fn a_foreign_data_key_opens_nothing() {
    let mut home = home();
    drop(home.open());
    home.place.data_key = dice::secret();
    // The same file of state keys can be read with any data key; the database cannot.
    assert!(matches!(open(&home.place, NOW), Err(OpenError::Damaged(_))));
}

#[test]
fn what_is_missing_is_not_made_anew() {
    let home = home();
    assert!(matches!(open(&home.place, NOW), Err(OpenError::Damaged(_))));
    drop(home.open());
    let kept = home.dir.path().join("kept");
    fs::rename(&home.place.state_key, &kept).unwrap();
    assert!(matches!(open(&home.place, NOW), Err(OpenError::Damaged(_))));
    fs::rename(&kept, &home.place.state_key).unwrap();
    fs::rename(&home.place.db, &kept).unwrap();
    assert!(matches!(open(&home.place, NOW), Err(OpenError::Damaged(_))));
    assert!(!home.place.db.exists());
}

#[test]
fn a_damaged_database_is_put_aside_whole() {
    // One byte of a header in the middle of the log, and everything.
    for all in [false, true] {
        let home = home();
        let mut store = home.open();
        put(&mut store, Table::Message, 0..3_000, &[3; 500]);
        drop(store);
        open::released(&home.place.db).unwrap();
        let file = home.place.db.join("db");
        if all {
            scramble(&file);
        } else {
            let mut bytes = fs::read(&file).unwrap();
            bytes[2 * witness::SEGMENT_BYTES + 9] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
        let before = fs::read(&file).unwrap();
        let Err(OpenError::Quarantined { kept }) = open(&home.place, NOW) else {
            panic!("a damaged database opened");
        };
        assert!(fs::read(kept.join("db")).unwrap() == before);
        // Never an empty one in its place.
        assert!(!home.place.db.exists());
        assert!(matches!(open(&home.place, NOW), Err(OpenError::Damaged(_))));
    }
}

#[test]
fn a_database_that_lost_commits_does_not_open() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Message, 0..10, b"old");
    drop(store);
    open::released(&home.place.db).unwrap();
    let file = home.place.db.join("db");
    let old = fs::read(&file).unwrap();
    let mut store = home.open();
    put(&mut store, Table::Message, 0..10, b"new");
    drop(store);
    // The journal begins anew: it could give back what the database lost.
    drop(home.open());
    open::released(&home.place.db).unwrap();
    fs::write(&file, old).unwrap();
    for entry in fs::read_dir(&home.place.db).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("snap.") {
            fs::remove_file(path).unwrap();
        }
    }
    let Err(OpenError::Quarantined { kept }) = open(&home.place, NOW) else {
        panic!("a database without its newest rows opened");
    };
    assert!(kept.exists() && !home.place.db.exists());
}

#[test]
fn a_start_finds_a_database_that_is_mostly_dead() {
    let home = home();
    let mut store = home.open();
    for from in (0..3_000).step_by(100) {
        put(&mut store, Table::Message, from..from + 100, &[1; 30_000]);
    }
    let dead = (10..3_000)
        .map(|n| (key(Table::Message, n), None))
        .collect();
    store.apply(dead).unwrap();
    put(&mut store, Table::Session, 0..10, b"kept");
    let before = store.used_bytes().unwrap();
    assert!(before > 64 << 20, "{before}");
    assert!(!store.is_bloated(), "it was not when it was opened");
    drop(store);
    let mut store = home.open();
    assert!(store.is_bloated());
    store.compact().unwrap();
    while store.compacting().unwrap() != Compacting::Whole {
        std::thread::yield_now();
    }
    drop(store);
    let store = home.open();
    assert!(!store.is_bloated());
    assert!(store.used_bytes().unwrap() < before / 4);
    for n in 0..10 {
        assert!(store.get(&key(Table::Session, n)).unwrap().is_some());
        assert_eq!(
            store.get(&key(Table::Message, n)).unwrap().unwrap().len(),
            30_000
        );
    }
    assert!(store.get(&key(Table::Message, 10)).unwrap().is_none());
    // The database, and the file of state keys.
    assert_eq!(fs::read_dir(home.dir.path()).unwrap().count(), 2);
    drop(store);
    // What was counted before the copy still counts.
    home.open();
}

/// Changes every byte of a file.
fn scramble(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte ^= (n % 255) as u8 + 1;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn rotation_survives_a_crash_after_every_step() {
    const ROWS: u32 = 600;
    // However many steps were made before the crash, the next start finishes.
    for steps in 0..=12 {
        let home = home();
        let mut store = home.open();
        for table in [Table::Session, Table::Skipped] {
            put(&mut store, table, 0..ROWS, &[5; 90]);
        }
        put(&mut store, Table::Prekey, 0..3, &[6; 9_000]);
        put(&mut store, Table::Message, 0..3, b"not rotated");
        assert!(!store.maintain(NOW + DAY_S - 1).unwrap());
        let tomorrow = NOW + DAY_S;
        for _ in 0..steps {
            if !store.maintain(tomorrow).unwrap() {
                break;
            }
        }
        put(
            &mut store,
            Table::Session,
            ROWS..ROWS + 2,
            b"written meanwhile",
        );
        drop(store);

        let mut store = home.open();
        let mut guard = 0;
        while store.maintain(tomorrow).unwrap() {
            guard += 1;
            assert!(guard < 50);
        }
        assert!(!store.state.rotating());
        assert_eq!(store.state.current().0, 2, "after {steps} steps");
        drop(store);

        let store = home.open();
        for n in 0..ROWS {
            for table in [Table::Session, Table::Skipped] {
                assert_eq!(
                    **store.get(&key(table, n)).unwrap().as_ref().unwrap(),
                    [5; 90]
                );
            }
        }
        let prekey = store.get(&key(Table::Prekey, 2)).unwrap().unwrap();
        assert_eq!(*prekey, [6; 9_000]);
        assert!(store.get(&key(Table::Session, ROWS + 1)).unwrap().is_some());
        for table in seal::ROTATING {
            let prefix = [table as u8];
            for row in store.rows.db.scan_prefix(prefix) {
                assert_eq!(seal::generation(&row.unwrap().1), Some(2));
            }
        }
    }
}

#[test]
fn what_disappeared_opens_no_more_once_the_key_has_changed() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Fading, 0..2, b"words");
    store.settle().unwrap();
    let stored_key = store.rows.stored_key(&key(Table::Fading, 0));
    let left = store.rows.db.get(&stored_key).unwrap().unwrap();
    let opens = |store: &SledStore| {
        let rows = &store.rows;
        rows.open(&store.state, Table::Fading, &stored_key, &left)
            .is_ok()
    };
    store
        .apply(Batch::from([(key(Table::Fading, 0), None)]))
        .unwrap();
    assert!(opens(&store), "whoever finds it on the disk");
    while store.maintain(NOW + DAY_S).unwrap() {}
    assert!(!opens(&store));
    let stays = store.get(&key(Table::Fading, 1)).unwrap().unwrap();
    assert_eq!(**stays, *b"words");
    drop(store);
    assert!(!opens(&home.open()));
}

#[test]
fn a_damaged_row_stops_no_rotation() {
    let home = home();
    let mut store = home.open();
    put(&mut store, Table::Session, 0..3, b"value");
    store.settle().unwrap();
    let stored =
        store
            .rows
            .keys
            .stored_key(Table::Session, b"scope of a person", &1u32.to_be_bytes());
    store.rows.db.insert(stored, &[0; 60][..]).unwrap();
    while store.maintain(NOW + DAY_S).unwrap() {}
    drop(store);
    let store = home.open();
    assert!(!store.state.rotating());
    assert!(store.get(&key(Table::Session, 0)).unwrap().is_some());
    let damaged = Err(StoreError::Damaged(Table::Session));
    assert_eq!(store.get(&key(Table::Session, 1)), damaged);
}
