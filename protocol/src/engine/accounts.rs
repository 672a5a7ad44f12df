//! What is stored of other people's accounts, and what it says about their devices.

use crate::id::{AccountId, B32};
use crate::identity::account::{SPARE_EPOCH_MIN, Signed, address};
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
    let before = cx.tx.row::<AccountRow>(&account_key(&chain.account))?;
    let (row, merge) = merged(cx, genesis, statement, list, chain)?;
    let alarm = match merge {
        Merge::Fork => Some((
            "device_list_fork",
            "two device lists of one version were signed: a key may be cloned",
        )),
        Merge::RootFork => Some((
            "root_fork",
            "two statements of one epoch were signed: somebody else may have the recovery words",
        )),
        Merge::Same | Merge::Newer | Merge::Older => None,
    };
    if let Some((code, text)) = alarm {
        cx.notice(Some(contact.no), code, text)?;
    }
    let stored = row.chain().map_err(damaged)?;
    contact.list = Some(stored.list_ref);
    contact.ak = stored.statement.ak;
    let devices = effective(&row)?;
    contact
        .devices
        .retain(|id| devices.iter().any(|d| d.id == *id));
    cx.tx.put(account_key(&chain.account), &row);
    match before {
        Some(before) => tell_changes(cx, contact, &before, &row),
        None => Ok(()),
    }
}

/// Tells the owner what is new about a contact's account: who rules it, who speaks for it. The
/// safety number stays the same, and so does the verified mark: root 0 is what it binds.
fn tell_changes(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    before: &AccountRow,
    after: &AccountRow,
) -> Result<(), StoreError> {
    let epoch = |row: &AccountRow| -> Result<u32, StoreError> {
        let chain = row.chain();
        let chain = chain.map_err(|_| StoreError::Damaged(Table::Account))?;
        Ok(chain.list_ref.epoch)
    };
    let (old, new) = (epoch(before)?, epoch(after)?);
    if old < SPARE_EPOCH_MIN && new >= SPARE_EPOCH_MIN {
        let text = "their account is ruled by its spare root from now on, for good: ask them, \
                    in person, whether they did that";
        cx.notice(Some(contact.no), "root_changed", text)?;
    } else if old != new {
        let text = "their account has another signing key: ask them whether they did that";
        cx.notice(Some(contact.no), "account_key_changed", text)?;
    }
    let (old, new) = (effective(before)?, effective(after)?);
    let lacks = |list: &[Device], device: &Device| {
        let same = |d: &Device| d.id == device.id && d.dik == device.dik && d.dsk == device.dsk;
        !list.iter().any(same)
    };
    if new.iter().any(|device| lacks(&old, device)) {
        let text = if contact.verified {
            "another device speaks for this verified contact: ask them whether it is theirs"
        } else {
            "another device speaks for them"
        };
        cx.notice(Some(contact.no), "device_added", text)?;
    }
    if old.iter().any(|device| lacks(&new, device)) {
        let text = "a device no longer speaks for them";
        cx.notice(Some(contact.no), "device_removed", text)?;
    }
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
