//! Whom somebody means.

use super::account::parse_address;
use super::contact::{ContactRow, by_account, by_name};
use crate::store::{ReadExt, StoreError};

/// A contact by the address of its account, or by petname.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn named(
    store: &(impl ReadExt + ?Sized),
    text: &str,
) -> Result<Option<ContactRow>, StoreError> {
    match parse_address(text.trim()) {
        Some((account, _)) => by_account(store, &account),
        None => by_name(store, text),
    }
}
