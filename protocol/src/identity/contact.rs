//! Contacts: local numbers, petnames, where a relation stands, and their devices.

mod device;
pub mod held;
mod parts;

pub use device::{
    DeviceRow, INVITER, SessionRef, bind_peer, bundle, by_peer, device, device_scope, drop_device,
    put_bundle, put_device, unbind_peer,
};

use super::list::ListRef;
pub use super::named::named;
pub use super::talk::{Muted, Packed, TimerRow};
use crate::id::{AccountId, DeviceId, InviteId};
use crate::limits::{ADDR_BYTES_MAX, ADDRS_MAX, NAME_BYTES_MAX};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::time::{Millis, Secs};
use crate::wire::codec::Blob;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

pub use parts::{Clearing, ContactState, HeldLetter, PendingInvite, Reach};

/// A contact's number in this home; never leaves it.
pub type ContactNo = u32;

/// One contact.
#[derive(Clone, Debug, Encode, Decode)]
pub struct ContactRow {
    /// Local number.
    #[n(0)]
    pub no: ContactNo,
    /// Account id.
    #[n(1)]
    pub account: AccountId,
    /// Petname, unique in this home.
    #[n(2)]
    pub name: String,
    /// The user chose the petname: their own name does not replace it.
    #[n(3)]
    pub name_given: bool,
    /// Address key, for `wax1…`.
    #[n(4)]
    pub ak: crate::id::B32,
    /// Where it stands.
    #[n(5)]
    pub state: ContactState,
    /// Safety numbers were compared. They bind the account id and its root 0, which is in the id.
    #[n(6)]
    pub verified: bool,
    /// What we wrote, or they wrote, when asking.
    #[n(7)]
    pub note: String,
    /// When the row was made.
    #[n(8)]
    pub added_at: Millis,
    /// Last time anything of theirs was opened.
    #[n(9)]
    pub last_seen: Option<Millis>,
    /// Received and unread messages.
    #[n(10)]
    pub unread: u64,
    /// Highest clock of the conversation.
    #[n(11)]
    pub clock: Millis,
    /// Greatest order key that was shown.
    #[n(12)]
    pub shown: Option<Blob>,
    /// The invite whose objects we wait for.
    #[n(13)]
    pub pending: Option<PendingInvite>,
    /// Letters of a requester, taken in once it is accepted.
    #[n(14)]
    pub held: Vec<HeldLetter>,
    /// Their newest list, as letters to them name it.
    #[n(15)]
    pub list: Option<ListRef>,
    /// Reactions waiting for their message.
    #[n(16)]
    pub waiting_reactions: u32,
    /// Their devices that were never seen revoked.
    #[n(17)]
    pub devices: Vec<DeviceId>,
    /// Skipped keys stored for them.
    #[n(18)]
    pub skipped: u32,
    /// When something put the verified mark in question, which took it away.
    #[n(19)]
    pub doubted: Option<Millis>,
    /// How far the conversation is packed for search; `None`: never looked at.
    #[n(20)]
    pub packed: Option<Packed>,
    /// When a draft was kept, while there is one.
    #[n(24)]
    pub drafted: Option<Millis>,
    /// The user wants no notifications of theirs.
    #[n(21)]
    pub muted: Option<Muted>,
    /// After which time messages disappear, if that was ever set.
    #[n(22)]
    pub timer: Option<TimerRow>,
    /// The history is being erased.
    #[n(25)]
    pub clearing: Option<Clearing>,
    /// The invite of theirs that was taken up last.
    #[n(26)]
    pub came_by: Option<InviteId>,
}

impl ContactRow {
    /// After how many seconds what is sent now disappears.
    pub fn disappear(&self) -> Option<Secs> {
        self.timer.map(|timer| timer.secs).filter(|secs| *secs > 0)
    }
}

impl ContactRow {
    /// Takes the verified mark away until safety numbers are compared anew; says whether it was
    /// there.
    pub fn doubt(&mut self, now: Millis) -> bool {
        if self.verified {
            self.verified = false;
            self.doubted = Some(now);
            return true;
        }
        false
    }
}

fn contact_key(no: ContactNo) -> Key {
    Key::new(Table::Contact, Vec::new(), no.to_be_bytes())
}

fn name_key(name: &str) -> Key {
    Key::one(Table::ByName, fold(name))
}

fn account_index(account: &AccountId) -> Key {
    Key::one(Table::ByAccount, account.0)
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// A name fit to be shown and typed: trimmed, single-spaced, no control characters, not empty,
/// not too long; `None` otherwise.
pub fn clean_name(name: &str) -> Option<String> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let fine = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.chars().any(|c| c.is_control() || is_format(c));
    fine.then_some(name)
}

/// Characters that change how others are shown: bidi controls, zero-width, tags.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether an address may be stored: bounded and printable.
pub fn fit_addrs(addrs: &[String]) -> bool {
    addrs.len() <= ADDRS_MAX
        && addrs
            .iter()
            .all(|a| !a.is_empty() && a.len() <= ADDR_BYTES_MAX && a.is_ascii())
}

/// One contact by number.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn get(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
) -> Result<Option<ContactRow>, StoreError> {
    store.row(&contact_key(no))
}

/// A contact that must exist, because a row of ours names it.
///
/// # Errors
/// [`StoreError`] if the disk fails or the row is missing.
pub fn must(store: &(impl ReadExt + ?Sized), no: ContactNo) -> Result<ContactRow, StoreError> {
    get(store, no)?.ok_or(StoreError::Damaged(Table::Contact))
}

/// A contact by account.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_account(
    store: &(impl ReadExt + ?Sized),
    account: &AccountId,
) -> Result<Option<ContactRow>, StoreError> {
    match store.row::<ContactNo>(&account_index(account))? {
        Some(no) => get(store, no),
        None => Ok(None),
    }
}

/// A contact by petname; case does not matter.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn by_name(
    store: &(impl ReadExt + ?Sized),
    name: &str,
) -> Result<Option<ContactRow>, StoreError> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match store.row::<ContactNo>(&name_key(&name))? {
        Some(no) => get(store, no),
        None => Ok(None),
    }
}

/// Contacts in order of their number, from one on.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn list(
    store: &(impl ReadExt + ?Sized),
    from: ContactNo,
    limit: usize,
) -> Result<Vec<ContactRow>, StoreError> {
    let span = Span::all(Table::Contact, Vec::new(), limit).from(from.to_be_bytes());
    Ok(store.rows(&span)?.into_iter().map(|(_, row)| row).collect())
}

/// Writes a contact back.
pub fn put(tx: &mut Tx<'_>, row: &ContactRow) {
    tx.put(contact_key(row.no), row);
}

/// Makes a contact with a free name near `name`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn add(
    tx: &mut Tx<'_>,
    account: AccountId,
    ak: crate::id::B32,
    name: &str,
    state: ContactState,
    now: Millis,
) -> Result<ContactRow, StoreError> {
    let no = ContactNo::try_from(tx.count_up("contacts")? + 1).unwrap_or(ContactNo::MAX);
    let name = free_name(tx, name)?;
    let row = ContactRow {
        no,
        account,
        name: name.clone(),
        name_given: false,
        ak,
        state,
        verified: false,
        note: String::new(),
        added_at: now,
        last_seen: None,
        unread: 0,
        clock: 0,
        shown: None,
        pending: None,
        held: Vec::new(),
        list: None,
        waiting_reactions: 0,
        devices: Vec::new(),
        skipped: 0,
        timer: None,
        doubted: None,
        muted: None,
        clearing: None,
        came_by: None,
        packed: None,
        drafted: None,
    };
    tx.put(name_key(&name), &no);
    tx.put(account_index(&account), &no);
    put(tx, &row);
    Ok(row)
}

/// Takes a contact out of the list: its name and its account are free, its row is gone. What else
/// is stored under its number is the caller's to erase; the number never names another one.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn remove(tx: &mut Tx<'_>, row: &ContactRow) -> Result<(), StoreError> {
    tx.delete(name_key(&row.name));
    tx.delete(account_index(&row.account));
    tx.delete(contact_key(row.no));
    tx.count_up("removed")?;
    Ok(())
}

/// How many contacts there are, of any state.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn count(store: &(impl ReadExt + ?Sized)) -> Result<u64, StoreError> {
    let counter = |name: &str| Key::one(Table::Meta, name);
    let made: u64 = store.row(&counter("contacts"))?.unwrap_or(0);
    let removed: u64 = store.row(&counter("removed"))?.unwrap_or(0);
    Ok(made.saturating_sub(removed))
}

/// Gives a contact another petname, near `name` if that is taken. The caller puts the row back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn rename(tx: &mut Tx<'_>, row: &mut ContactRow, name: &str) -> Result<(), StoreError> {
    if fold(&row.name) == fold(name) {
        row.name = name.to_owned();
        return Ok(());
    }
    tx.delete(name_key(&row.name));
    row.name = free_name(tx, name)?;
    tx.put(name_key(&row.name), &row.no);
    Ok(())
}

fn free_name(tx: &Tx<'_>, name: &str) -> Result<String, StoreError> {
    let mut candidate = name.to_owned();
    let mut count = 1u32;
    while tx.row::<ContactNo>(&name_key(&candidate))?.is_some() {
        count += 1;
        candidate = format!("{name} {count}");
    }
    Ok(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fixed;
    use crate::private::Secret;
    use crate::store::MemoryStore;

    #[test]
    fn names_are_cleaned_or_refused() {
        assert_eq!(
            clean_name("  alice \t smith ").as_deref(),
            Some("alice smith")
        );
        for bad in [
            "",
            "   ",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{200b}",
            &"x".repeat(129),
        ] {
            assert_eq!(clean_name(bad), None, "{bad:?}");
        }
    }

    /// Each side adds sessions in the order in which it learned of them.
    #[test]
    fn both_sides_send_on_the_same_session_whatever_came_first() {
        let session = |id: u8, born, th2: u8| SessionRef {
            id: Fixed([id; 8]),
            born,
            th2: Fixed([th2; 32]),
            ready: true,
            broken: false,
            k_mbx: Secret::new([0; 32]),
            k_exp: Secret::new([0; 32]),
            made_at: 0,
        };
        let all = [
            session(1, 5, 1),
            session(2, 7, 9),
            session(3, 7, 4),
            session(4, 6, 0),
        ];
        let sending = |sessions: Vec<SessionRef>| {
            let row = DeviceRow {
                sessions,
                ..DeviceRow::default()
            };
            row.sending().map(|s| s.id.0[0])
        };
        for turn in 0..all.len() {
            let mut sessions = all.to_vec();
            sessions.rotate_left(turn);
            assert_eq!(sending(sessions.clone()), Some(3));
            sessions.reverse();
            assert_eq!(sending(sessions.clone()), Some(3));
            // One that is not ready here, or was named broken, is passed over.
            for session in &mut sessions {
                (session.ready, session.broken) = (session.id.0[0] != 3, session.id.0[0] == 2);
            }
            assert_eq!(sending(sessions), Some(4));
        }
        assert_eq!(sending(Vec::new()), None);
    }

    #[test]
    fn clashing_names_are_counted_whatever_their_case() {
        let store = MemoryStore::default();
        let mut tx = Tx::new(&store);
        let mut add = |n: u8, name: &str| {
            add(
                &mut tx,
                Fixed([n; 32]),
                Fixed([0; 32]),
                name,
                ContactState::Connected,
                1,
            )
            .unwrap()
        };
        assert_eq!(add(1, "Bob").name, "Bob");
        assert_eq!(add(2, "bob").name, "bob 2");
        let mut third = add(3, "BOB");
        assert_eq!(third.name, "BOB 3");
        rename(&mut tx, &mut third, "carol").unwrap();
        put(&mut tx, &third);
        assert_eq!(by_name(&tx, "CAROL").unwrap().unwrap().no, third.no);
        assert!(by_name(&tx, "bob 3").unwrap().is_none());
        assert_eq!(
            by_account(&tx, &Fixed([2; 32])).unwrap().unwrap().name,
            "bob 2"
        );
    }
}
