//! Letters of a requester that wait for the user's word.
//!
//! Some may be meant to disappear, and none is opened before it is taken in: what they say lies
//! under the key of the disk that changes every day (`Table::rotates`), apart from the contact's row.

use super::parts::HeldLetter;
use super::{ContactNo, ContactRow};
use crate::id::DeviceId;
use crate::store::{Key, StoreError, Table, Tx};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use core::mem;

fn key(no: ContactNo, place: usize) -> Key {
    // Bounded by `STRANGER_LETTERS_MAX`.
    let place = u8::try_from(place).unwrap_or(u8::MAX);
    Key::new(Table::Held, no.to_be_bytes(), [place])
}

/// Keeps a letter behind those that wait already. The caller puts `contact` back.
pub fn hold(tx: &mut Tx<'_>, contact: &mut ContactRow, device: DeviceId, plain: Vec<u8>) {
    tx.put(key(contact.no, contact.held.len()), &Blob(plain));
    let plain = Blob(Vec::new());
    contact.held.push(HeldLetter { device, plain });
}

/// Takes out what waits, in order. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn take(tx: &mut Tx<'_>, contact: &mut ContactRow) -> Result<Vec<HeldLetter>, StoreError> {
    let mut held = mem::take(&mut contact.held);
    for (place, letter) in held.iter_mut().enumerate() {
        // One that was held before these rows were there still has its words.
        if let Some(plain) = tx.take(key(contact.no, place))? {
            letter.plain = plain;
        }
    }
    Ok(held)
}

/// Erases what waits. The caller puts `contact` back.
pub fn forget(tx: &mut Tx<'_>, contact: &mut ContactRow) {
    let held = mem::take(&mut contact.held);
    (0..held.len()).for_each(|place| tx.delete(key(contact.no, place)));
}
