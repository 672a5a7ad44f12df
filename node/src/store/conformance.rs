//! What every store has to do: the suite that a new storage engine has to pass.

use waxwing_protocol::private::Bytes;
use waxwing_protocol::store::{Batch, Key, MemoryStore, Read, Rows, Span, Store, Table};

/// Batches of the comparison with the store in memory.
const ROUNDS: u32 = 120;
/// Rows of one such batch.
const ROWS: u32 = 12;
/// Longest value tried: far beyond what the engine writes in one row.
const LONG: usize = 150_000;

/// Checks a store. `make` gives a new, empty one at every call.
///
/// # Panics
/// If the store does anything else than it should.
pub fn check(mut make: impl FnMut() -> Box<dyn Store>) {
    rows_come_back(&mut *make());
    batches_take_effect_together(&mut *make());
    scans_keep_order_and_bounds(&mut *make());
    scopes_and_tables_are_apart(&mut *make());
    values_of_any_length(&mut *make());
    like_the_one_in_memory(&mut make);
}

/// Checks that rows outlive the store's owner. `open` opens the same store at every call, empty
/// at the first, and is called only after the one before was dropped.
///
/// # Panics
/// If anything that was applied is missing or anything deleted is back.
pub fn check_durable(mut open: impl FnMut() -> Box<dyn Store>) {
    let key = |table, n: u32| Key::new(table, *b"durable", n.to_be_bytes());
    let value = |n: u32| Bytes::new(vec![n as u8; n as usize * 700]);
    for round in 0..6u32 {
        let mut store = open();
        for table in [Table::Message, Table::Session] {
            for n in 0..20 {
                let there = store.get(&key(table, n)).expect("reads");
                let expected = (round > 0 && n % 6 < round).then(|| value(n * round));
                assert_eq!(there, expected, "{table:?} {n} after {round} openings");
            }
            let batch: Batch = (0..20)
                .map(|n| {
                    (
                        key(table, n),
                        (n % 6 <= round).then(|| value(n * (round + 1))),
                    )
                })
                .collect();
            store.apply(batch).expect("applies");
        }
    }
}

fn key(suffix: &[u8]) -> Key {
    Key::new(Table::Message, *b"scope", suffix)
}

fn put(store: &mut dyn Store, rows: &[(Key, &[u8])]) {
    let batch: Batch = rows
        .iter()
        .map(|(key, value)| (key.clone(), Some(Bytes::new(value.to_vec()))))
        .collect();
    store.apply(batch).expect("applies");
}

fn get(store: &dyn Store, key: &Key) -> Option<Vec<u8>> {
    store.get(key).expect("reads").map(|value| value.to_vec())
}

fn scan(store: &dyn Store, span: &Span) -> Vec<Vec<u8>> {
    let rows = store.scan(span).expect("scans");
    rows.into_iter().map(|(suffix, _)| suffix).collect()
}

fn rows_come_back(store: &mut dyn Store) {
    assert_eq!(get(store, &key(b"a")), None);
    put(
        store,
        &[(key(b"a"), b"1"), (key(b""), b"2"), (key(b"b"), b"")],
    );
    assert_eq!(get(store, &key(b"a")).as_deref(), Some(&b"1"[..]));
    assert_eq!(get(store, &key(b"")).as_deref(), Some(&b"2"[..]));
    assert_eq!(get(store, &key(b"b")).as_deref(), Some(&b""[..]));
    put(store, &[(key(b"a"), b"other")]);
    assert_eq!(get(store, &key(b"a")).as_deref(), Some(&b"other"[..]));
    let gone = Batch::from([(key(b"a"), None), (key(b"never there"), None)]);
    store.apply(gone).expect("applies");
    assert_eq!(get(store, &key(b"a")), None);
    store.apply(Batch::new()).expect("applies nothing");
}

fn batches_take_effect_together(store: &mut dyn Store) {
    put(store, &[(key(b"a"), b"1"), (key(b"b"), b"2")]);
    let batch = Batch::from([
        (key(b"a"), None),
        (key(b"b"), Some(Bytes::new(b"3".to_vec()))),
        (
            Key::one(Table::Session, *b"elsewhere"),
            Some(Bytes::new(b"4".to_vec())),
        ),
    ]);
    store.apply(batch).expect("applies");
    assert_eq!(get(store, &key(b"a")), None);
    assert_eq!(get(store, &key(b"b")).as_deref(), Some(&b"3"[..]));
    let elsewhere = Key::one(Table::Session, *b"elsewhere");
    assert_eq!(get(store, &elsewhere).as_deref(), Some(&b"4"[..]));
}

fn scans_keep_order_and_bounds(store: &mut dyn Store) {
    let suffixes: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
    for suffix in suffixes.iter().rev() {
        put(store, &[(key(suffix), suffix)]);
    }
    let all = Span::all(Table::Message, *b"scope", 99);
    assert_eq!(scan(store, &all), suffixes);
    let rows: Rows = store.scan(&all).expect("scans");
    assert!(rows.iter().all(|(suffix, value)| *suffix == **value));
    let mut back = suffixes;
    back.reverse();
    assert_eq!(scan(store, &all.clone().backwards()), back);

    let some = all.clone().from(*b"a").until(*b"b");
    assert_eq!(scan(store, &some), [&b"a"[..], b"a\0", b"ab"]);
    assert_eq!(scan(store, &some.backwards()), [&b"ab"[..], b"a\0", b"a"]);
    assert_eq!(scan(store, &all.clone().from(*b"aa")), suffixes[4..]);
    assert_eq!(scan(store, &all.clone().until(*b"aa")), suffixes[..4]);
    let none: [&[u8]; 0] = [];
    assert_eq!(scan(store, &all.clone().from(*b"b").until(*b"b")), none);
    assert_eq!(scan(store, &all.clone().from(*b"b").until(*b"a")), none);

    let few = |limit| Span::all(Table::Message, *b"scope", limit);
    assert_eq!(scan(store, &few(0)), none);
    assert_eq!(scan(store, &few(2)), suffixes[..2]);
    assert_eq!(scan(store, &few(2).backwards()), back[..2]);
    assert_eq!(scan(store, &few(usize::MAX)), suffixes);
}

fn scopes_and_tables_are_apart(store: &mut dyn Store) {
    let scopes: [&[u8]; 6] = [b"", b"s", b"s\0", b"s\xff", b"scope", b"t"];
    for table in [Table::Message, Table::Session, Table::Meta] {
        for scope in scopes {
            let value = [&[table as u8], scope].concat();
            put(store, &[(Key::new(table, scope, *b"k"), &value)]);
        }
    }
    for table in [Table::Message, Table::Session, Table::Meta] {
        for scope in scopes {
            let rows = store.scan(&Span::all(table, scope, 9)).expect("scans");
            let value = [&[table as u8], scope].concat();
            assert_eq!(rows, [(b"k".to_vec(), Bytes::new(value))]);
        }
    }
    let unused = Span::all(Table::Own, *b"s", 9);
    assert!(scan(store, &unused).is_empty());
}

fn values_of_any_length(store: &mut dyn Store) {
    let lengths = [
        1, 3_900, 3_955, 3_956, 3_957, 3_959, 3_960, 3_961, 4_000, 7_955, 7_956, 7_960, 8_000,
        40_000, 72_000, LONG,
    ];
    let value = |length: usize| -> Vec<u8> { (0..length).map(|n| (n % 251) as u8).collect() };
    for table in [Table::Message, Table::Session] {
        let key = |n: usize| Key::new(table, *b"long", n.to_be_bytes());
        for length in lengths {
            put(store, &[(key(length), &value(length))]);
        }
        let span = Span::all(table, *b"long", 99);
        let rows = store.scan(&span).expect("scans");
        assert_eq!(rows.len(), lengths.len());
        for (length, (_, found)) in lengths.iter().zip(&rows) {
            assert_eq!(**found, value(*length), "{length}");
        }
        // Shorter and longer over one another leave no trace, and neither does a deletion.
        for length in lengths.iter().chain(lengths.iter().rev()) {
            put(store, &[(key(0), &value(*length))]);
            assert_eq!(get(store, &key(0)), Some(value(*length)), "{length}");
        }
        store
            .apply(Batch::from([(key(0), None), (key(LONG), None)]))
            .expect("applies");
        assert_eq!(get(store, &key(LONG)), None);
        assert_eq!(scan(store, &span).len(), lengths.len() - 1);
        put(store, &[(key(LONG), b"short")]);
        assert_eq!(get(store, &key(LONG)).as_deref(), Some(&b"short"[..]));
    }
}

/// The same batches to both, and the same answers from both.
fn like_the_one_in_memory(make: &mut impl FnMut() -> Box<dyn Store>) {
    let mut store = make();
    let mut model = MemoryStore::default();
    let mut seed = 0x0077_6178_7769_6e67;
    let mut roll = |below: u32| {
        // Any repeatable mixture will do (here, xorshift).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % u64::from(below)) as u32
    };
    for round in 0..ROUNDS {
        let mut batch = Batch::new();
        for _ in 0..ROWS {
            let table = [Table::Meta, Table::Message, Table::Session][roll(3) as usize];
            let scope = [b"a", b"b"][roll(2) as usize];
            let key = Key::new(table, *scope, &roll(40).to_be_bytes()[roll(4) as usize..]);
            let length = [0, 1, 60, 3_960, 9_000][roll(5) as usize];
            let value = (roll(3) > 0).then(|| Bytes::new(vec![round as u8; length]));
            batch.insert(key, value);
        }
        model.apply(batch.clone()).expect("applies");
        store.apply(batch).expect("applies");
        for table in [Table::Meta, Table::Message, Table::Session] {
            let mut span = Span::all(table, *b"a", roll(50) as usize);
            span.reverse = roll(2) > 0;
            if roll(2) > 0 {
                span = span.from(roll(40).to_be_bytes());
            }
            if roll(2) > 0 {
                span = span.until(roll(40).to_be_bytes());
            }
            assert_eq!(store.scan(&span), model.scan(&span), "round {round}");
            let key = Key::new(table, *b"b", roll(40).to_be_bytes());
            assert_eq!(store.get(&key), model.get(&key), "round {round}");
        }
    }
}
