//! This account and this device: their keys, and the objects that they sign.

use super::account::{Genesis, RootStatement, SUITE, Signed};
use super::bundle::{self, PrekeyRow};
use super::list::{AccountRow, Chain, Device, DeviceList, ListRef};
use super::words::Entropy;
use crate::crypto::agree::AgreeKey;
use crate::crypto::derive;
use crate::crypto::sign::SignKey;
use crate::id::{AccountId, B32, DeviceId, Fixed, Hash16};
use crate::limits::LIST_LIFE_S;
use crate::private::Secret;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::Secs;
use alloc::string::String;
use alloc::vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// This account and device, with every key that it signs and agrees with.
#[derive(Clone, Debug, Encode, Decode)]
pub struct OwnRow {
    /// Account id.
    #[n(0)]
    pub account: AccountId,
    /// Self-declared name.
    #[n(1)]
    pub name: String,
    /// Unix seconds.
    #[n(2)]
    pub created: Secs,
    /// This device.
    #[n(3)]
    pub device: DeviceId,
    /// Device signing key.
    #[n(4)]
    pub dsk: SignKey,
    /// Device identity key.
    #[n(5)]
    pub dik: AgreeKey,
    /// Account signing key.
    #[n(6)]
    pub ask: SignKey,
    /// Address key.
    #[n(7)]
    pub ak: SignKey,
    /// Backup key.
    #[n(8)]
    pub backup: Secret<32>,
    /// libp2p key.
    #[n(9)]
    pub network: SignKey,
    /// The list we speak under.
    #[n(10)]
    pub list: ListRef,
    /// Public half of the address key.
    #[n(11)]
    pub ak_public: B32,
    /// Public half of the libp2p key.
    #[n(12)]
    pub peer: B32,
}

fn own_key() -> Key {
    Key::one(Table::Own, *b"me")
}

fn words_key() -> Key {
    Key::one(Table::Own, *b"words")
}

fn bundle_key() -> Key {
    Key::one(Table::Own, *b"bundle")
}

/// Where a contact's, or our own, account objects are stored.
pub fn account_key(account: &AccountId) -> Key {
    Key::one(Table::Account, account.0)
}

fn prekey_key(hash: &B32) -> Key {
    Key::one(Table::Prekey, hash.0)
}

/// Makes the account, its first device and its first prekeys.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn create(
    tx: &mut Tx<'_>,
    name: String,
    now: Secs,
    rng: &mut dyn CryptoRng,
) -> Result<OwnRow, StoreError> {
    let entropy = Entropy::new(Secret::random(rng));
    let root = entropy.root();
    let (ask, ak) = (SignKey::random(rng), SignKey::random(rng));
    let (dsk, dik) = (SignKey::random(rng), AgreeKey::random(rng));
    let network = SignKey::random(rng);
    let device = Device {
        id: DeviceId::random(rng),
        dsk: dsk.public(),
        dik: dik.public(),
        added: now,
        caps: SUITE,
    };
    let genesis = Genesis {
        suite: SUITE,
        root: root.public(),
        spare_hash: B32::ZERO,
        created: now,
        salt: Fixed::random(rng),
    };
    let genesis = Signed::make(derive::SIG_GENESIS, &root, &genesis);
    let account = super::account::account_id(&genesis);
    let statement = RootStatement {
        account,
        epoch: 1,
        ask: ask.public(),
        ak: ak.public(),
        created: now,
        spare: None,
    };
    let statement = Signed::make(derive::SIG_ROOT_STATEMENT, &root, &statement);
    let list = DeviceList {
        account,
        epoch: 1,
        version: 1,
        issued: now,
        expires: now + LIST_LIFE_S,
        devices: vec![device.clone()],
        revoked: vec![],
        previous: Hash16::ZERO,
    };
    let list = Signed::make(derive::SIG_DEVICE_LIST, &ask, &list);
    let own = OwnRow {
        account,
        name,
        created: now,
        device: device.id,
        list: ListRef {
            epoch: 1,
            version: 1,
            hash: list.hash16(),
        },
        ak_public: ak.public(),
        peer: network.public(),
        backup: entropy.backup(),
        dsk,
        dik,
        ask,
        ak,
        network,
    };
    tx.put(
        account_key(&account),
        &AccountRow {
            genesis,
            statement,
            list,
            revoked: vec![],
        },
    );
    tx.put(words_key(), &entropy);
    save(tx, &own);
    rotate_prekeys(tx, &own, now, rng)?;
    Ok(own)
}

/// This account, once there is one.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn load(store: &(impl ReadExt + ?Sized)) -> Result<Option<OwnRow>, StoreError> {
    store.row(&own_key())
}

/// Writes the row back.
pub fn save(tx: &mut Tx<'_>, own: &OwnRow) {
    tx.put(own_key(), own);
}

/// The recovery entropy, until it is erased.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn words(store: &(impl ReadExt + ?Sized)) -> Result<Option<Entropy>, StoreError> {
    store.row(&words_key())
}

/// Erases the recovery entropy.
pub fn erase_words(tx: &mut Tx<'_>) {
    tx.delete(words_key());
}

/// Our own account objects.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn objects(store: &(impl ReadExt + ?Sized), own: &OwnRow) -> Result<AccountRow, StoreError> {
    store
        .row(&account_key(&own.account))?
        .ok_or(StoreError::Damaged(Table::Account))
}

/// Makes new signed prekeys and publishes their bundle from now on. Returns them.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn rotate_prekeys(
    tx: &mut Tx<'_>,
    own: &OwnRow,
    now: Secs,
    rng: &mut dyn CryptoRng,
) -> Result<PrekeyRow, StoreError> {
    let number = u32::try_from(tx.count_up("prekeys")? + 1).unwrap_or(u32::MAX);
    let row = bundle::make(
        own.account,
        own.device,
        &own.dsk,
        own.dik.public(),
        number,
        now,
        rng,
    );
    let hash = row.bundle.hash();
    tx.put(prekey_key(&hash), &row);
    tx.put(bundle_key(), &hash);
    Ok(row)
}

/// The bundle that is published now.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn current_bundle(store: &(impl ReadExt + ?Sized)) -> Result<Signed, StoreError> {
    let damaged = StoreError::Damaged(Table::Prekey);
    let hash: B32 = store.row(&bundle_key())?.ok_or(damaged.clone())?;
    Ok(prekeys(store, &hash)?.ok_or(damaged)?.bundle)
}

/// Prekeys by the hash of their bundle, while the private halves live.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn prekeys(
    store: &(impl ReadExt + ?Sized),
    hash: &B32,
) -> Result<Option<PrekeyRow>, StoreError> {
    store.row(&prekey_key(hash))
}

/// Erases the private halves of a bundle.
pub fn erase_prekeys(tx: &mut Tx<'_>, hash: &B32) {
    tx.delete(prekey_key(hash));
}

/// Signs the device list anew: same devices, next version, a fresh month.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn refresh_list(tx: &mut Tx<'_>, own: &mut OwnRow, now: Secs) -> Result<(), StoreError> {
    let mut row = objects(tx, own)?;
    let Chain {
        mut list, list_ref, ..
    } = row
        .chain()
        .map_err(|_| StoreError::Damaged(Table::Account))?;
    list.version += 1;
    list.issued = now;
    list.expires = now + LIST_LIFE_S;
    list.previous = list_ref.hash;
    row.list = Signed::make(derive::SIG_DEVICE_LIST, &own.ask, &list);
    own.list = ListRef {
        epoch: list.epoch,
        version: list.version,
        hash: row.list.hash16(),
    };
    tx.put(account_key(&own.account), &row);
    save(tx, own);
    Ok(())
}
