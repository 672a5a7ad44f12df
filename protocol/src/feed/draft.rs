//! What was begun to a contact and not sent: one text each.

use crate::identity::contact::{ContactNo, ContactRow};
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::Millis;
use alloc::string::String;
use minicbor::{Decode, Encode};

/// A draft.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct DraftRow {
    /// What it says so far.
    #[n(0)]
    pub text: String,
    /// When it was kept.
    #[n(1)]
    pub at: Millis,
}

fn draft_key(no: ContactNo) -> Key {
    Key::one(Table::Draft, no.to_be_bytes())
}

/// The draft to a contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn get(
    store: &(impl ReadExt + ?Sized),
    contact: &ContactRow,
) -> Result<Option<DraftRow>, StoreError> {
    if contact.drafted.is_none() {
        return Ok(None);
    }
    store.row(&draft_key(contact.no))
}

/// Keeps a draft in place of the one before. The caller puts `contact` back.
pub fn keep(tx: &mut Tx<'_>, contact: &mut ContactRow, text: String, at: Millis) {
    contact.drafted = Some(at);
    tx.put(draft_key(contact.no), &DraftRow { text, at });
}

/// Forgets the draft. The caller puts `contact` back.
pub fn forget(tx: &mut Tx<'_>, contact: &mut ContactRow) {
    if contact.drafted.take().is_some() {
        tx.delete(draft_key(contact.no));
    }
}
