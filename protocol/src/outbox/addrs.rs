//! Our own addresses: those that others are told.

use crate::limits::FIRST_ADDRS_BYTES;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use alloc::string::String;
use alloc::vec::Vec;

fn listen_key() -> Key {
    Key::one(Table::Own, *b"listen")
}

/// Our addresses.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn listening(store: &(impl ReadExt + ?Sized)) -> Result<Vec<String>, StoreError> {
    Ok(store.row(&listen_key())?.unwrap_or_default())
}

/// Our best addresses, as many as fit a first flight.
pub(super) fn listening_first(store: &(impl ReadExt + ?Sized)) -> Result<Vec<String>, StoreError> {
    let mut room = FIRST_ADDRS_BYTES;
    let mut addrs = listening(store)?;
    addrs.retain(|addr| {
        // Each has a head of at most three bytes.
        let fits = addr.len() + 3 <= room;
        room -= if fits { addr.len() + 3 } else { 0 };
        fits
    });
    Ok(addrs)
}

/// Whether a first flight tells less than all of our addresses.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn first_addrs(store: &(impl ReadExt + ?Sized)) -> Result<bool, StoreError> {
    Ok(listening_first(store)?.len() < listening(store)?.len())
}

/// Takes note of our addresses; says whether they changed.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn set_listening(tx: &mut Tx<'_>, listen: &Vec<String>) -> Result<bool, StoreError> {
    let changed = listening(tx)? != *listen;
    if changed {
        tx.put(listen_key(), listen);
    }
    Ok(changed)
}
