//! What every store of blocks has to do: the suite that another engine behind a bridge's mailboxes
//! has to pass.

use std::collections::BTreeMap;
use waxwing_protocol::id::{B32, Fixed};
use waxwing_protocol::mailbox::blocks::{BlockStore, Held, Put, Rows, Usage};
use waxwing_protocol::store::{Store, Tx};
use waxwing_protocol::wire::codec::Blob;

const ONE: B32 = Fixed([1; 32]);
const OTHER: B32 = Fixed([2; 32]);
/// Calls of the comparison with a list in memory.
const ROUNDS: u32 = 400;
/// More than any mailbox here holds.
const ALL: usize = 1_000;
const ANY_BYTES: usize = usize::MAX;

/// Blocks, and what makes durable all that was done in one piece of work.
pub trait Shelf {
    /// Does a piece of work; once this returns it outlives a crash.
    fn work(&mut self, job: &mut dyn FnMut(&mut dyn BlockStore));
}

/// Blocks as rows of a store.
pub struct InRows(pub Box<dyn Store>);

impl Shelf for InRows {
    fn work(&mut self, job: &mut dyn FnMut(&mut dyn BlockStore)) {
        let mut tx = Tx::new(&*self.0);
        job(&mut Rows(&mut tx));
        let batch = tx.into_batch();
        self.0.apply(batch).expect("applies");
    }
}

/// Checks a store of blocks. `make` gives a new, empty one at every call.
///
/// # Panics
/// If it does anything else than it should.
pub fn check(mut make: impl FnMut() -> Box<dyn Shelf>) {
    numbers_grow_and_are_never_used_again(&mut *make());
    the_same_block_is_kept_once(&mut *make());
    pages_have_bounds(&mut *make());
    single_blocks_are_acknowledged(&mut *make());
    blocks_have_an_end(&mut *make());
    work_is_cut_into_steps(&mut *make());
    like_a_list(&mut *make());
}

/// Checks that blocks outlive the store's owner. `open` opens the same store at every call, empty at
/// the first, and is called only after the one before was dropped.
///
/// # Panics
/// If a block is missing that was put, or one is back that was acknowledged.
pub fn check_durable(mut open: impl FnMut() -> Box<dyn Shelf>) {
    for round in 1..=5u8 {
        let mut shelf = open();
        shelf.work(&mut |blocks| {
            let there = numbers(blocks, &ONE);
            let last = u64::from(round - 1);
            assert_eq!(there, if last == 0 { vec![] } else { vec![last] });
            assert_eq!(
                put(blocks, &ONE, held(round, 900, 50)),
                Put::Stored(last + 1)
            );
            assert_eq!(acknowledge(blocks, &ONE, last, &[]).0, u64::from(last > 0));
        });
    }
}

fn held(id: u8, bytes: usize, until: u64) -> Held {
    Held {
        block: Blob(vec![id; bytes]),
        id: Fixed([id; 16]),
        received: 7,
        until,
    }
}

fn put(blocks: &mut dyn BlockStore, mailbox: &B32, held: Held) -> Put {
    blocks.put(mailbox, held).expect("puts")
}

fn acknowledge(blocks: &mut dyn BlockStore, mailbox: &B32, upto: u64, ids: &[u64]) -> (u64, u64) {
    let done = blocks.acknowledge(mailbox, upto, ids, ALL);
    done.expect("acknowledges")
}

fn numbers(blocks: &dyn BlockStore, mailbox: &B32) -> Vec<u64> {
    let (found, more) = blocks.fetch(mailbox, 0, ALL, ANY_BYTES).expect("fetches");
    assert!(!more);
    found.into_iter().map(|(number, _)| number).collect()
}

fn usage(blocks: &dyn BlockStore, mailbox: &B32) -> (u64, u64, u64) {
    let Usage {
        newest,
        blocks,
        bytes,
    } = blocks.usage(mailbox).expect("counts");
    (newest, blocks, bytes)
}

fn numbers_grow_and_are_never_used_again(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        assert_eq!(usage(blocks, &ONE), (0, 0, 0));
        assert_eq!(put(blocks, &ONE, held(1, 10, 50)), Put::Stored(1));
        assert_eq!(put(blocks, &ONE, held(2, 20, 50)), Put::Stored(2));
        assert_eq!(put(blocks, &OTHER, held(1, 30, 50)), Put::Stored(1));
    });
    shelf.work(&mut |blocks| {
        assert_eq!(acknowledge(blocks, &ONE, 2, &[]), (2, 30));
        assert_eq!(usage(blocks, &ONE), (2, 0, 0));
        assert_eq!(usage(blocks, &OTHER), (1, 1, 30));
    });
    shelf.work(&mut |blocks| {
        assert_eq!(put(blocks, &ONE, held(3, 40, 50)), Put::Stored(3));
        assert_eq!(numbers(blocks, &ONE), [3]);
        assert_eq!(blocks.get(&ONE, 3), Ok(Some(held(3, 40, 50))));
        assert_eq!(blocks.get(&ONE, 1), Ok(None));
        assert_eq!(blocks.get(&OTHER, 1), Ok(Some(held(1, 30, 50))));
    });
}

fn the_same_block_is_kept_once(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        assert_eq!(put(blocks, &ONE, held(1, 10, 50)), Put::Stored(1));
        assert_eq!(put(blocks, &ONE, held(1, 10, 90)), Put::Known(1));
    });
    shelf.work(&mut |blocks| {
        assert_eq!(put(blocks, &ONE, held(1, 10, 90)), Put::Known(1));
        assert_eq!(usage(blocks, &ONE), (1, 1, 10));
        // Once it is gone it is another one.
        assert_eq!(acknowledge(blocks, &ONE, 1, &[]), (1, 10));
        assert_eq!(put(blocks, &ONE, held(1, 10, 90)), Put::Stored(2));
    });
}

fn pages_have_bounds(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        for id in 1..=9 {
            put(blocks, &ONE, held(id, 1_000, 50));
        }
    });
    shelf.work(&mut |blocks| {
        for (after, limit, bytes, first, count, more) in [
            (0, 3, ANY_BYTES, 1, 3, true),
            (3, 6, ANY_BYTES, 4, 6, false),
            (0, ALL, 2_500, 1, 2, true),
            (0, ALL, 2_000, 1, 2, true),
            (0, ALL, 1, 1, 1, true),
            (8, ALL, 1, 9, 1, false),
            (9, ALL, ANY_BYTES, 0, 0, false),
            (u64::MAX, ALL, ANY_BYTES, 0, 0, false),
        ] {
            let page = blocks.fetch(&ONE, after, limit, bytes).expect("fetches");
            let there: Vec<u64> = page.0.iter().map(|(number, _)| *number).collect();
            let expected: Vec<u64> = (first..first + count).collect();
            assert_eq!((there, page.1), (expected, more), "after {after}");
        }
    });
}

fn single_blocks_are_acknowledged(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        for id in 1..=6 {
            put(blocks, &ONE, held(id, 10, 50));
        }
    });
    shelf.work(&mut |blocks| {
        assert_eq!(acknowledge(blocks, &ONE, 2, &[4, 1, 4, 99, 6]), (4, 40));
        assert_eq!(numbers(blocks, &ONE), [3, 5]);
    });
    shelf.work(&mut |blocks| {
        assert_eq!(acknowledge(blocks, &ONE, 2, &[4]), (0, 0));
        assert_eq!(usage(blocks, &ONE), (6, 2, 20));
        assert_eq!(acknowledge(blocks, &ONE, u64::MAX, &[]), (2, 20));
        assert_eq!(numbers(blocks, &ONE), [0; 0]);
    });
}

fn blocks_have_an_end(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        for (id, until) in [(1, 30), (2, 10), (3, 20), (4, 20)] {
            put(blocks, &ONE, held(id, 10, until));
        }
        put(blocks, &OTHER, held(1, 10, 10));
    });
    shelf.work(&mut |blocks| {
        let expire = |blocks: &mut dyn BlockStore, now| blocks.expire(&ONE, now, ALL);
        assert_eq!(expire(blocks, 9), Ok((0, 0)));
        assert_eq!(expire(blocks, 20), Ok((3, 30)));
        assert_eq!(numbers(blocks, &ONE), [1]);
        assert_eq!(numbers(blocks, &OTHER), [1]);
        // One that was acknowledged has no end any more.
        acknowledge(blocks, &ONE, 1, &[]);
        assert_eq!(expire(blocks, 99), Ok((0, 0)));
    });
}

fn work_is_cut_into_steps(shelf: &mut dyn Shelf) {
    shelf.work(&mut |blocks| {
        for id in 1..=10 {
            put(blocks, &ONE, held(id, 10, 20));
        }
        assert_eq!(blocks.acknowledge(&ONE, 9, &[], 3), Ok((3, 30)));
        assert_eq!(blocks.expire(&ONE, 20, 4), Ok((4, 40)));
        assert_eq!(numbers(blocks, &ONE), [8, 9, 10]);
    });
}

/// The same calls to a list in memory, and the same answers.
fn like_a_list(shelf: &mut dyn Shelf) {
    let mut list: BTreeMap<u64, Held> = BTreeMap::new();
    let (mut newest, mut now) = (0, 100);
    let mut seed = 0x0077_6178_7769_6e67_u64;
    let mut roll = |below: u64| {
        // Any repeatable mixture will do (here, xorshift).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..ROUNDS {
        let (kind, pick, size) = (roll(4), roll(40), roll(9_000) as usize);
        let until = now + roll(60);
        now += roll(4);
        shelf.work(&mut |blocks| {
            match kind {
                0 | 1 => {
                    let new = held(pick as u8, size, until);
                    let known = list.iter().find(|(_, old)| old.id == new.id);
                    let expected = known.map_or(Put::Stored(newest + 1), |(n, _)| Put::Known(*n));
                    assert_eq!(put(blocks, &ONE, new.clone()), expected, "round {round}");
                    if let Put::Stored(number) = expected {
                        newest = number;
                        list.insert(number, new);
                    }
                }
                2 => {
                    let upto = newest.saturating_sub(pick);
                    let gone = |number: &u64| *number <= upto || *number == newest;
                    let count = list.keys().filter(|number| gone(number)).count() as u64;
                    assert_eq!(acknowledge(blocks, &ONE, upto, &[newest]).0, count);
                    list.retain(|number, _| !gone(number));
                }
                _ => {
                    let count = list.values().filter(|held| held.until <= now).count() as u64;
                    let gone = blocks.expire(&ONE, now, ALL).expect("expires");
                    assert_eq!(gone.0, count, "round {round}");
                    list.retain(|_, held| held.until > now);
                }
            }
            let (found, _) = blocks.fetch(&ONE, 0, ALL, ANY_BYTES).expect("fetches");
            assert!(found.iter().map(|(n, held)| (n, held)).eq(list.iter()));
            let bytes: usize = list.values().map(|held| held.block.len()).sum();
            let expected = (newest, list.len() as u64, bytes as u64);
            assert_eq!(usage(blocks, &ONE), expected, "round {round}");
        });
    }
}
