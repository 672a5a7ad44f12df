//! Notices of a conversation: what its owner was told about the contact, kept in its place.

use crate::identity::contact::ContactNo;
use crate::limits::NOTICES_MAX;
use crate::store::{Key, ReadExt, StoreError, Table, Tx};
use crate::time::Millis;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// One notice.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct NoticeRow {
    /// When.
    #[n(0)]
    pub at: Millis,
    /// Highest clock of the conversation then: it stands behind the messages up to this one.
    #[n(1)]
    pub clock: Millis,
    /// Snake-case word.
    #[n(2)]
    pub code: String,
    /// One sentence.
    #[n(3)]
    pub text: String,
}

fn notices_key(no: ContactNo) -> Key {
    Key::one(Table::Notice, no.to_be_bytes())
}

/// The notices of a conversation, oldest first.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn list(store: &(impl ReadExt + ?Sized), no: ContactNo) -> Result<Vec<NoticeRow>, StoreError> {
    Ok(store.row(&notices_key(no))?.unwrap_or_default())
}

/// Keeps a notice; the oldest makes room.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn keep(tx: &mut Tx<'_>, no: ContactNo, notice: NoticeRow) -> Result<(), StoreError> {
    let mut rows = list(tx, no)?;
    let surplus = (rows.len() + 1).saturating_sub(NOTICES_MAX);
    rows.drain(..surplus);
    rows.push(notice);
    tx.put(notices_key(no), &rows);
    Ok(())
}

/// Forgets the notices of a conversation.
pub fn erase(tx: &mut Tx<'_>, no: ContactNo) {
    tx.delete(notices_key(no));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use alloc::format;

    #[test]
    fn the_newest_stay() {
        let store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        for at in 0..NOTICES_MAX as u64 + 3 {
            let notice = NoticeRow {
                at,
                clock: at,
                code: "x".into(),
                text: format!("{at}"),
            };
            keep(&mut tx, 7, notice).unwrap();
        }
        let kept = list(&tx, 7).unwrap();
        assert_eq!(kept.len(), NOTICES_MAX);
        assert_eq!((kept[0].at, kept[NOTICES_MAX - 1].at), (3, 66));
        assert!(list(&tx, 8).unwrap().is_empty());
        erase(&mut tx, 7);
        assert!(list(&tx, 7).unwrap().is_empty());
    }
}
