//! Device lists: which devices speak for an account, and how a verifier keeps them in order.

use super::account::{
    Genesis, RootStatement, Signed, Untrusted, account_id, open_genesis, open_statement,
};
use crate::crypto::derive;
use crate::id::{AccountId, B32, DeviceId, Hash16};
use crate::limits::{
    CLOCK_SKEW_S, DEVICES_MAX, LIST_GRACE_S, LIST_LIFE_S, REVOKED_KEPT_MAX, REVOKED_LISTED_MAX,
};
use crate::time::Secs;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// One device in a list.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Device {
    /// Random.
    #[n(1)]
    pub id: DeviceId,
    /// Device signing key.
    #[n(2)]
    pub dsk: B32,
    /// Device identity key (X25519).
    #[n(3)]
    pub dik: B32,
    /// Unix seconds.
    #[n(4)]
    pub added: Secs,
    /// Highest suite it speaks.
    #[n(5)]
    pub caps: u8,
}

/// A snapshot of an account's devices, signed by its ASK.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceList {
    /// The account.
    #[n(1)]
    pub account: AccountId,
    /// Epoch of the RootStatement whose ASK signed.
    #[n(2)]
    pub epoch: u32,
    /// Counts up within an epoch.
    #[n(3)]
    pub version: u32,
    /// Unix seconds.
    #[n(4)]
    pub issued: Secs,
    /// At most 30 days after `issued`.
    #[n(5)]
    pub expires: Secs,
    /// One to ten.
    #[n(6)]
    pub devices: Vec<Device>,
    /// The newest 32 revoked ones.
    #[n(7)]
    pub revoked: Vec<DeviceId>,
    /// Hash of the previous list; zeros for the first.
    #[n(8)]
    pub previous: Hash16,
}

/// Which list somebody spoke under: `[epoch, version, hash16]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct ListRef {
    /// Epoch.
    #[n(0)]
    pub epoch: u32,
    /// Version.
    #[n(1)]
    pub version: u32,
    /// Hash of the body.
    #[n(2)]
    pub hash: Hash16,
}

/// An account's objects after the whole chain was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The account.
    pub account: AccountId,
    /// Genesis body.
    pub genesis: Genesis,
    /// RootStatement body.
    pub statement: RootStatement,
    /// DeviceList body.
    pub list: DeviceList,
    /// Names the list.
    pub list_ref: ListRef,
}

impl Chain {
    /// Verifies Genesis, RootStatement and DeviceList together. Expiry is the caller's question:
    /// see [`Freshness`].
    ///
    /// # Errors
    /// [`Untrusted`] in any of its kinds.
    pub fn open(genesis: &Signed, statement: &Signed, list: &Signed) -> Result<Self, Untrusted> {
        let (account, genesis) = open_genesis(genesis)?;
        let statement = open_statement(statement, &account, &genesis)?;
        let body: DeviceList = list.open(derive::SIG_DEVICE_LIST, &statement.ask)?;
        if body.account != account || body.epoch != statement.epoch {
            return Err(Untrusted::Mismatch);
        }
        well_formed(&body)?;
        let list_ref = ListRef {
            epoch: body.epoch,
            version: body.version,
            hash: list.hash16(),
        };
        Ok(Self {
            account,
            genesis,
            statement,
            list: body,
            list_ref,
        })
    }

    /// How old the list is.
    pub fn freshness(&self, now: Secs) -> Freshness {
        if self.list.issued > now + CLOCK_SKEW_S {
            Freshness::FromTheFuture
        } else if now <= self.list.expires {
            Freshness::Fresh
        } else if now <= self.list.expires.saturating_add(LIST_GRACE_S) {
            Freshness::Grace
        } else {
            Freshness::Expired
        }
    }
}

/// How a list stands to the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Valid.
    Fresh,
    /// Expired within the last 14 days: accepted of pinned contacts, with a warning.
    Grace,
    /// Expired for longer.
    Expired,
    /// Issued more than ten minutes ahead of our clock.
    FromTheFuture,
}

fn well_formed(list: &DeviceList) -> Result<(), Untrusted> {
    let ids = || list.devices.iter().map(|device| device.id);
    let distinct = ids()
        .enumerate()
        .all(|(i, id)| ids().take(i).all(|other| other != id));
    let ok = (1..=DEVICES_MAX).contains(&list.devices.len())
        && list.revoked.len() <= REVOKED_LISTED_MAX
        && list.version >= 1
        && distinct
        && list.issued < list.expires
        && list.expires - list.issued <= LIST_LIFE_S;
    if ok {
        Ok(())
    } else {
        Err(Untrusted::Malformed)
    }
}

/// What a verifier stores of an account (`docs/spec/01-identity.md`).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct AccountRow {
    /// Genesis.
    #[n(0)]
    pub genesis: Signed,
    /// Newest RootStatement.
    #[n(1)]
    pub statement: Signed,
    /// Highest DeviceList.
    #[n(2)]
    pub list: Signed,
    /// Every device ever seen revoked in this epoch; only grows.
    #[n(3)]
    pub revoked: Vec<DeviceId>,
}

/// What came of merging newly seen objects into a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Nothing new.
    Same,
    /// The row holds the new ones now.
    Newer,
    /// They are older than the row's and were not stored; revocations in them still count.
    Older,
    /// Two lists of one version: somebody signs twice. The smaller hash stays.
    Fork,
    /// Two statements of one epoch: somebody else has the root. That of the smaller hash stays,
    /// with its list.
    RootFork,
}

impl AccountRow {
    /// From objects just verified.
    pub fn new(genesis: Signed, statement: Signed, list: Signed, chain: &Chain) -> Self {
        Self {
            genesis,
            statement,
            list,
            revoked: chain.list.revoked.clone(),
        }
    }

    /// The bodies, which were verified before they were stored.
    ///
    /// # Errors
    /// [`Untrusted::Malformed`] if the row is damaged.
    pub fn chain(&self) -> Result<Chain, Untrusted> {
        let list: DeviceList = self.list.peek()?;
        let list_ref = ListRef {
            epoch: list.epoch,
            version: list.version,
            hash: self.list.hash16(),
        };
        Ok(Chain {
            account: account_id(&self.genesis),
            genesis: self.genesis.peek()?,
            statement: self.statement.peek()?,
            list,
            list_ref,
        })
    }

    /// Devices of the list that were never seen revoked.
    ///
    /// # Errors
    /// [`Untrusted::Malformed`] if the row is damaged.
    pub fn devices(&self) -> Result<Vec<Device>, Untrusted> {
        let list: DeviceList = self.list.peek()?;
        Ok(list
            .devices
            .into_iter()
            .filter(|d| !self.revoked.contains(&d.id))
            .collect())
    }

    /// Takes in objects of the same account that `chain` verified.
    ///
    /// # Errors
    /// [`Untrusted`] if the row is damaged or of another account.
    pub fn merge(
        &mut self,
        statement: &Signed,
        list: &Signed,
        chain: &Chain,
    ) -> Result<Merge, Untrusted> {
        let mine = self.chain()?;
        if mine.account != chain.account {
            return Err(Untrusted::Mismatch);
        }
        let rank = |c: &Chain| (c.list_ref.epoch, c.list_ref.version);
        if chain.list_ref.epoch > mine.list_ref.epoch {
            self.revoked.clear();
        }
        if chain.list_ref.epoch >= mine.list_ref.epoch {
            for id in &chain.list.revoked {
                if !self.revoked.contains(id) && self.revoked.len() < REVOKED_KEPT_MAX {
                    self.revoked.push(*id);
                }
            }
        }
        // The statement decides first: a list counts among those of its own statement only.
        let same_epoch = chain.list_ref.epoch == mine.list_ref.epoch;
        let (mine_root, new_root) = (self.statement.hash16(), statement.hash16());
        let root_fork = same_epoch && mine_root != new_root;
        let merge = match rank(chain).cmp(&rank(&mine)) {
            _ if root_fork => Merge::RootFork,
            core::cmp::Ordering::Greater => Merge::Newer,
            core::cmp::Ordering::Less => Merge::Older,
            core::cmp::Ordering::Equal if chain.list_ref.hash == mine.list_ref.hash => Merge::Same,
            core::cmp::Ordering::Equal => Merge::Fork,
        };
        let take = merge == Merge::Newer
            || (merge == Merge::Fork && chain.list_ref.hash < mine.list_ref.hash)
            || (merge == Merge::RootFork && new_root < mine_root);
        if take {
            self.statement = statement.clone();
            self.list = list.clone();
        }
        Ok(merge)
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::SUITE;
    use super::*;
    use crate::crypto::sign::SignKey;
    use crate::id::Fixed;
    use crate::private::Secret;
    use crate::wire::codec::encode;
    use alloc::vec;

    struct World {
        genesis: Signed,
        statement: Signed,
        account: AccountId,
        ask: SignKey,
    }

    fn world() -> World {
        let root = SignKey::from_seed(Secret::new([1; 32]));
        let ask = SignKey::from_seed(Secret::new([2; 32]));
        let genesis = Signed::make(
            derive::SIG_GENESIS,
            &root,
            &Genesis {
                suite: SUITE,
                root: root.public(),
                spare_hash: B32::ZERO,
                created: 1_800_000_000,
                salt: Fixed([0; 16]),
            },
        );
        let account = account_id(&genesis);
        let statement = Signed::make(
            derive::SIG_ROOT_STATEMENT,
            &root,
            &RootStatement {
                account,
                epoch: 1,
                ask: ask.public(),
                ak: Fixed([3; 32]),
                created: 1_800_000_000,
                spare: None,
            },
        );
        World {
            genesis,
            statement,
            account,
            ask,
        }
    }

    fn device(n: u8) -> Device {
        Device {
            id: Fixed([n; 16]),
            dsk: Fixed([n; 32]),
            dik: Fixed([n; 32]),
            added: 1_800_000_000,
            caps: 1,
        }
    }

    fn list(world: &World, version: u32, devices: &[u8], revoked: &[u8]) -> Signed {
        let body = DeviceList {
            account: world.account,
            epoch: 1,
            version,
            issued: 1_800_000_000,
            expires: 1_800_000_000 + LIST_LIFE_S,
            devices: devices.iter().map(|n| device(*n)).collect(),
            revoked: revoked.iter().map(|n| Fixed([*n; 16])).collect(),
            previous: Fixed([0; 16]),
        };
        Signed::make(derive::SIG_DEVICE_LIST, &world.ask, &body)
    }

    fn row(world: &World, list: &Signed) -> AccountRow {
        let chain = Chain::open(&world.genesis, &world.statement, list).unwrap();
        AccountRow::new(
            world.genesis.clone(),
            world.statement.clone(),
            list.clone(),
            &chain,
        )
    }

    fn merge(world: &World, row: &mut AccountRow, list: &Signed) -> Merge {
        let chain = Chain::open(&world.genesis, &world.statement, list).unwrap();
        row.merge(&world.statement, list, &chain).unwrap()
    }

    fn ids(row: &AccountRow) -> Vec<u8> {
        row.devices().unwrap().iter().map(|d| d.id.0[0]).collect()
    }

    #[test]
    fn sizes_are_those_of_the_spec() {
        let world = world();
        assert_eq!(encode(&list(&world, 300, &[1], &[])).len(), 242);
        assert_eq!(encode(&list(&world, 300, &[1, 2, 3], &[])).len(), 437);
        let ten: Vec<u8> = (1..=10).collect();
        assert_eq!(encode(&list(&world, 300, &ten, &[])).len(), 1_116);
    }

    #[test]
    fn lists_move_forward_and_revocations_only_grow() {
        let world = world();
        let mut row = row(&world, &list(&world, 3, &[1, 2, 4], &[]));
        assert_eq!(
            merge(&world, &mut row, &list(&world, 3, &[1, 2, 4], &[])),
            Merge::Same
        );
        // An older list is not stored, but what it revokes stays revoked.
        assert_eq!(
            merge(&world, &mut row, &list(&world, 2, &[1], &[4])),
            Merge::Older
        );
        assert_eq!(ids(&row), vec![1, 2]);
        assert_eq!(
            merge(&world, &mut row, &list(&world, 5, &[1, 2, 4], &[2])),
            Merge::Newer
        );
        assert_eq!(ids(&row), vec![1]);
    }

    #[test]
    fn a_fork_ends_the_same_whichever_list_comes_first() {
        let world = world();
        let (a, b) = (
            list(&world, 2, &[1, 5], &[7]),
            list(&world, 2, &[1, 7], &[5]),
        );
        let mut ab = row(&world, &a);
        assert_eq!(merge(&world, &mut ab, &b), Merge::Fork);
        let mut ba = row(&world, &b);
        assert_eq!(merge(&world, &mut ba, &a), Merge::Fork);
        assert_eq!(ab.list, ba.list);
        assert_eq!(ids(&ab), vec![1]);
        assert_eq!(ids(&ba), vec![1]);
    }

    /// Whoever has a copy of the root may say something else in the same epoch.
    #[test]
    fn two_statements_of_one_epoch_end_the_same_whichever_comes_first() {
        let world = world();
        let other = {
            let root = SignKey::from_seed(Secret::new([1; 32]));
            let ask = SignKey::from_seed(Secret::new([33; 32]));
            let mut body: RootStatement = world.statement.peek().unwrap();
            body.ask = ask.public();
            World {
                genesis: world.genesis.clone(),
                statement: Signed::make(derive::SIG_ROOT_STATEMENT, &root, &body),
                account: world.account,
                ask,
            }
        };
        // However far either gets with its versions.
        let (a, b) = (
            list(&world, 2, &[1, 7], &[5]),
            list(&other, 9, &[1, 5], &[7]),
        );
        let met = |first: &World, mine, second: &World, theirs| {
            let mut row = row(first, mine);
            assert_eq!(merge(second, &mut row, theirs), Merge::RootFork);
            row
        };
        let (ab, ba) = (met(&world, &a, &other, &b), met(&other, &b, &world, &a));
        let smaller = if world.statement.hash16() < other.statement.hash16() {
            (&world.statement, &a)
        } else {
            (&other.statement, &b)
        };
        for row in [ab, ba] {
            assert_eq!((&row.statement, &row.list), smaller);
            assert_eq!(ids(&row), vec![1], "what either revoked stays revoked");
            // The chain that is stored is whole.
            Chain::open(&row.genesis, &row.statement, &row.list).unwrap();
        }
    }

    #[test]
    fn malformed_lists_are_refused() {
        let world = world();
        for bad in [
            list(&world, 1, &[], &[]),
            list(&world, 0, &[1], &[]),
            list(&world, 1, &[1, 1], &[]),
            list(&world, 1, &(1..=11).collect::<Vec<_>>(), &[]),
            list(&world, 1, &[1], &(1..=33).collect::<Vec<_>>()),
        ] {
            assert!(Chain::open(&world.genesis, &world.statement, &bad).is_err());
        }
    }
}
