//! What is stored of other people's accounts, and what it says about their devices.

use crate::id::{AccountId, B32};
use crate::identity::account::{Signed, address};
use crate::identity::contact::ContactRow;
use crate::identity::device::account_key;
use crate::identity::list::{AccountRow, Chain, Device, Merge};
use crate::outbox::Cx;
use crate::store::{ReadExt, StoreError, Table};
use alloc::string::String;
use alloc::vec::Vec;

/// Characters of an address that stand in for a name: enough to tell requests apart.
const STAND_IN_CHARS: usize = 12;

/// Stores verified account objects and what letters and queues need of them. The caller puts
/// `contact` back.
pub(super) fn keep_account(
    cx: &mut Cx<'_, '_, '_>,
    contact: &mut ContactRow,
    genesis: &Signed,
    statement: &Signed,
    list: &Signed,
    chain: &Chain,
) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Damaged(Table::Account);
    let (row, merge) = merged(cx, genesis, statement, list, chain)?;
    if merge == Merge::Fork {
        let text = "two device lists of one version were signed: a key may be cloned";
        cx.notice(Some(contact.no), "device_list_fork", text)?;
    }
    let stored = row.chain().map_err(damaged)?;
    contact.list = Some(stored.list_ref);
    contact.ak = stored.statement.ak;
    let devices = effective(&row)?;
    contact
        .devices
        .retain(|id| devices.iter().any(|d| d.id == *id));
    cx.tx.put(account_key(&chain.account), &row);
    Ok(())
}

/// What is stored of an account once verified objects are merged in; nothing is written.
pub(super) fn merged(
    cx: &Cx<'_, '_, '_>,
    genesis: &Signed,
    statement: &Signed,
    list: &Signed,
    chain: &Chain,
) -> Result<(AccountRow, Merge), StoreError> {
    let Some(mut row) = cx.tx.row::<AccountRow>(&account_key(&chain.account))? else {
        let row = AccountRow::new(genesis.clone(), statement.clone(), list.clone(), chain);
        return Ok((row, Merge::Newer));
    };
    let merge = row
        .merge(statement, list, chain)
        .map_err(|_| StoreError::Damaged(Table::Account))?;
    Ok((row, merge))
}

/// The devices that an account has after every revocation ever seen.
pub(super) fn effective(row: &AccountRow) -> Result<Vec<Device>, StoreError> {
    row.devices()
        .map_err(|_| StoreError::Damaged(Table::Account))
}

/// The beginning of an account's address: its name until it says one.
pub(super) fn stand_in(account: &AccountId, ak: &B32) -> String {
    address(account, ak).chars().take(STAND_IN_CHARS).collect()
}
