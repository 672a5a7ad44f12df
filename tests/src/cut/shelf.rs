//! A bridge's mailbox under power cuts: with every batch comes a block, and one of long ago goes.

use crate::dice::{Dice, Purpose};
use waxwing_protocol::id::{B32, Fixed, Hash16};
use waxwing_protocol::mailbox::blocks::{BlockStore, Held, Rows};
use waxwing_protocol::store::{Batch, Read, StoreError, Tx};
use waxwing_protocol::wire::codec::Blob;

const MAILBOX: B32 = Fixed([9; 32]);
/// Blocks that are held at once.
const KEPT: u64 = 40;
/// Sizes of blocks, in pieces of so many bytes.
const PIECE: usize = 1_024;

fn held(seed: u64, n: u64) -> Held {
    let place = usize::try_from(n).unwrap_or(usize::MAX);
    let mut dice = Dice::new(seed, Purpose::Script, place, usize::MAX);
    let pieces = [1, 1, 1, 4, 4, 16][dice.index(6)];
    let block = dice.bytes(pieces * PIECE);
    Held {
        id: Hash16::from_slice(&block[..16]).unwrap_or(Hash16::ZERO),
        block: Blob(block),
        received: n,
        until: n + 1_000_000,
    }
}

/// Adds to batch `n`, counted from 1, what happens in the mailbox with it.
///
/// # Errors
/// [`StoreError`] if a row cannot be read.
pub fn add(store: &dyn Read, seed: u64, n: u64, batch: &mut Batch) -> Result<(), StoreError> {
    let mut tx = Tx::new(store);
    let mut blocks = Rows(&mut tx);
    blocks.put(&MAILBOX, held(seed, n))?;
    blocks.acknowledge(&MAILBOX, n.saturating_sub(KEPT), &[], 8)?;
    batch.extend(tx.into_batch());
    Ok(())
}

/// Compares the mailbox with what it must hold after batch `n`.
///
/// # Errors
/// [`StoreError`] if a row cannot be read.
pub fn compare(store: &dyn Read, seed: u64, n: u64) -> Result<Vec<String>, StoreError> {
    let mut tx = Tx::new(store);
    let blocks = Rows(&mut tx);
    let usage = blocks.usage(&MAILBOX)?;
    let (found, _) = blocks.fetch(&MAILBOX, 0, usize::MAX - 1, usize::MAX)?;
    let from = n.saturating_sub(KEPT) + 1;
    let expected: Vec<(u64, Held)> = (from..=n).map(|n| (n, held(seed, n))).collect();
    let bytes: usize = expected.iter().map(|(_, held)| held.block.len()).sum();
    let mut wrong = Vec::new();
    if found != expected {
        wrong.push(format!(
            "the mailbox holds {} blocks, not those after {from}",
            found.len()
        ));
    }
    if (usage.newest, usage.blocks, usage.bytes) != (n, expected.len() as u64, bytes as u64) {
        wrong.push(format!("the mailbox says {usage:?}"));
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_protocol::store::{MemoryStore, Store};

    #[test]
    fn what_was_put_is_found_and_any_difference_is_named() {
        let mut store = MemoryStore::default();
        for n in 1..=100 {
            let mut batch = Batch::new();
            add(&store, 7, n, &mut batch).unwrap();
            store.apply(batch).unwrap();
        }
        assert_eq!(compare(&store, 7, 100), Ok(Vec::new()));
        for (seed, n) in [(7, 99), (7, 101), (8, 100)] {
            assert!(!compare(&store, seed, n).unwrap().is_empty());
        }
    }
}
