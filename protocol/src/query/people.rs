//! This account, contacts, requests, and figures over all of them.

use super::{ContactView, Me, NoticeView, RequestView, SafetyView, StatusView};
use crate::feed::draft::{self, DraftRow};
use crate::feed::{changes, notices};
use crate::id::{AccountId, Peer};
use crate::identity::account::address;
use crate::identity::contact::{self, ContactRow};
use crate::identity::device;
use crate::identity::safety::{self, roots};
use crate::input::Reach;
use crate::outbox;
use crate::output::ContactState;
use crate::private::Secret;
use crate::store::{Key, Read, ReadExt, StoreError, Table};
use alloc::string::String;
use alloc::vec::Vec;

/// Contacts that one scan reads.
const CONTACTS_PAGE: usize = 256;

/// This account, or `None` before `Command::Create`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn me(store: &dyn Read) -> Result<Option<Me>, StoreError> {
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    Ok(Some(Me {
        account: own.account,
        address: address(&own.account, &own.ak_public),
        name: own.name,
        device: own.device,
        peer: own.peer,
        created: own.created,
        words_kept: device::words(store)?.is_some(),
        starts: store.row(&Key::one(Table::Meta, *b"starts"))?.unwrap_or(0),
    }))
}

/// Seed of this device's libp2p key.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn network_seed(store: &dyn Read) -> Result<Option<Secret<32>>, StoreError> {
    Ok(device::load(store)?.map(|own| own.network.seed().clone()))
}

/// The 24 recovery words, while they are kept.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn words(store: &dyn Read) -> Result<Option<String>, StoreError> {
    Ok(device::words(store)?.map(|entropy| entropy.words()))
}

/// Contacts in order of name, without requests and declined ones.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn contacts(store: &dyn Read) -> Result<Vec<ContactView>, StoreError> {
    let mut views = Vec::new();
    for_each_contact(store, |row| {
        if !matches!(row.state, ContactState::Requested | ContactState::Declined) {
            views.push(contact_view(store, row)?);
        }
        Ok(())
    })?;
    views.sort_by_key(|view: &ContactView| view.name.to_lowercase());
    Ok(views)
}

/// One contact by petname or address, whatever its state.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn contact(store: &dyn Read, name: &str) -> Result<Option<ContactView>, StoreError> {
    contact::named(store, name)?
        .map(|row| contact_view(store, &row))
        .transpose()
}

/// One contact by account id, whatever its state.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn contact_of(
    store: &dyn Read,
    account: &AccountId,
) -> Result<Option<ContactView>, StoreError> {
    contact::by_account(store, account)?
        .map(|row| contact_view(store, &row))
        .transpose()
}

/// Requests in order of arrival.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn requests(store: &dyn Read) -> Result<Vec<RequestView>, StoreError> {
    let mut views = Vec::new();
    for_each_contact(store, |row| {
        if row.state == ContactState::Requested {
            views.push(request_view(store, row)?);
        }
        Ok(())
    })?;
    views.sort_by_key(|view: &RequestView| view.received_at);
    Ok(views)
}

/// Figures.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn status(store: &dyn Read) -> Result<StatusView, StoreError> {
    let mut status = StatusView {
        cursor: changes::newest(store)?,
        ..StatusView::default()
    };
    for_each_contact(store, |row| {
        match row.state {
            ContactState::Declined => {}
            ContactState::Requested => status.requests += 1,
            _ => {
                status.contacts += 1;
                if row.state == ContactState::Connected && reach(store, row)?.0.is_some() {
                    status.connected += 1;
                }
                for device in outbox::targets(row) {
                    status.outbox += outbox::state(store, row.no, &device)?.waiting;
                }
            }
        }
        Ok(())
    })?;
    Ok(status)
}

/// What was begun to a contact and not sent; the outer `None`: no such contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn draft(store: &dyn Read, name: &str) -> Result<Option<Option<DraftRow>>, StoreError> {
    match contact::named(store, name)? {
        Some(row) => Ok(Some(draft::get(store, &row)?)),
        None => Ok(None),
    }
}

fn for_each_contact(
    store: &dyn Read,
    mut look: impl FnMut(&ContactRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = 0;
    loop {
        let page = contact::list(store, from, CONTACTS_PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        from = last.no + 1;
        page.iter().try_for_each(&mut look)?;
    }
}

/// How a contact is reached: the best of its devices; and one of its peers.
pub(super) fn reach(
    store: &dyn Read,
    row: &ContactRow,
) -> Result<(Option<Reach>, Option<Peer>), StoreError> {
    let (mut best, mut peer) = (None, None);
    for id in outbox::targets(row) {
        let Some(known) = contact::device(store, row.no, &id)?.peer else {
            continue;
        };
        peer = peer.or(Some(known));
        let reach = outbox::reach_of(store, &known)?;
        best = match (best, reach) {
            (Some(a), Some(b)) => Some(core::cmp::min(a, b)),
            (a, b) => a.or(b),
        };
    }
    Ok((best, peer))
}

pub(super) fn contact_view(store: &dyn Read, row: &ContactRow) -> Result<ContactView, StoreError> {
    let (reach, peer) = reach(store, row)?;
    Ok(ContactView {
        name: row.name.clone(),
        account: row.account,
        address: address(&row.account, &row.ak),
        state: row.state,
        verified: row.verified,
        doubted: row.doubted.is_some(),
        muted: row.muted.is_some(),
        muted_until: row.muted.and_then(|muted| muted.until),
        clearing: row.clearing.is_some(),
        reach: reach.filter(|_| row.state == ContactState::Connected),
        last_seen: row.last_seen,
        unread: row.unread,
        peer,
        disappear_s: row.disappear(),
        draft: draft::get(store, row)?.map(|draft| draft.text),
    })
}

pub(super) fn request_view(store: &dyn Read, row: &ContactRow) -> Result<RequestView, StoreError> {
    Ok(RequestView {
        name: row.name.clone(),
        account: row.account,
        address: address(&row.account, &row.ak),
        note: row.note.clone(),
        received_at: row.added_at,
        safety_number: safety_number(store, row)?.unwrap_or_default(),
    })
}

/// What to compare with a contact. The outer `None`: no such contact; the inner one: its keys are
/// not known yet.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn safety(store: &dyn Read, name: &str) -> Result<Option<Option<SafetyView>>, StoreError> {
    let Some(row) = contact::named(store, name)? else {
        return Ok(None);
    };
    let roots = roots(store, &row.account)?;
    Ok(Some(roots.map(|[mine, theirs]| {
        let (mine, theirs) = ((&mine.0, &mine.1), (&theirs.0, &theirs.1));
        SafetyView {
            name: row.name.clone(),
            address: address(&row.account, &row.ak),
            number: safety::number(mine, theirs),
            code: safety::code(mine, theirs),
            verified: row.verified,
            doubted: row.doubted.is_some(),
        }
    })))
}

/// The notices of a conversation, oldest first; `None`: no such contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn notices(store: &dyn Read, name: &str) -> Result<Option<Vec<NoticeView>>, StoreError> {
    let Some(row) = contact::named(store, name)? else {
        return Ok(None);
    };
    let views = notices::list(store, row.no)?.into_iter();
    Ok(Some(
        views
            .map(|notice| NoticeView {
                contact: row.name.clone(),
                code: notice.code,
                text: notice.text,
                at: notice.at,
                clock: notice.clock,
            })
            .collect(),
    ))
}

fn safety_number(store: &dyn Read, row: &ContactRow) -> Result<Option<String>, StoreError> {
    let roots = roots(store, &row.account)?;
    Ok(roots.map(|[a, b]| safety::number((&a.0, &a.1), (&b.0, &b.1))))
}
