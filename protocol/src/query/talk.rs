//! Messages, and the log of changes.

use super::people::{contact_view, request_view};
use super::{Change, ChangeView, Changes, MessageView, Page, ReactionView};
use crate::feed::body::Body;
use crate::feed::changes::{self, ChangeKind, ChangeRow};
use crate::feed::gone;
use crate::feed::view::{self, MessageRow};
use crate::id::{AccountId, Mid};
use crate::identity::account::address;
use crate::identity::contact::{self, ContactNo, ContactRow};
use crate::identity::device::{self, OwnRow};
use crate::limits::{READ_DEFAULT, READ_MAX};
use crate::store::{Read, StoreError, Table};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Rows of the change log that one scan reads.
const CHANGES_PAGE: usize = 512;

/// Messages of a contact in canonical order, oldest first; `None`: no such contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn messages(
    store: &dyn Read,
    name: &str,
    page: &Page,
) -> Result<Option<Vec<MessageView>>, StoreError> {
    let Some(row) = contact::named(store, name)? else {
        return Ok(None);
    };
    let own = device::load(store)?.ok_or(StoreError::Damaged(Table::Own))?;
    let limit = if page.limit == 0 {
        READ_DEFAULT
    } else {
        page.limit.min(READ_MAX)
    };
    let before = match &page.before {
        Some(mid) => view::places(store, mid)?
            .into_iter()
            .find(|place| place.no == row.no),
        None => None,
    };
    let before = before.as_ref().map(|place| &place.order[..]);
    let rows = match page.after {
        Some(after) => arrived_after(store, row.no, after, before, limit)?,
        None => view::newest(store, row.no, before, limit)?,
    };
    Ok(Some(
        rows.iter()
            .map(|message| message_view(&own, &row, message))
            .collect(),
    ))
}

/// One message by id.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn message(store: &dyn Read, id: &Mid) -> Result<Option<MessageView>, StoreError> {
    let found = by_id(store, id)?;
    Ok(found.map(|(own, contact, row)| message_view(&own, &contact, &row)))
}

/// The message is there, and stands in the conversation with this account and in no other.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn is_only_with(store: &dyn Read, id: &Mid, account: &AccountId) -> Result<bool, StoreError> {
    let Some(contact) = contact::by_account(store, account)? else {
        return Ok(false);
    };
    let places = view::places(store, id)?;
    Ok(!places.is_empty() && places.iter().all(|place| place.no == contact.no))
}

/// Changes after a cursor (0: from the oldest), at most `limit`.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn changes(store: &dyn Read, after: u64, limit: usize) -> Result<Changes, StoreError> {
    let oldest = changes::oldest(store)?;
    if after.saturating_add(1) < oldest {
        return Ok(Changes::Gone { oldest });
    }
    let Some(own) = device::load(store)? else {
        return Ok(Changes::Rows(Vec::new()));
    };
    let mut views = Vec::new();
    for (cursor, row) in changes::after(store, after, limit)? {
        let at = row.at;
        if let Some(change) = change_view(store, &own, row)? {
            views.push(ChangeView { cursor, at, change });
        }
    }
    Ok(Changes::Rows(views))
}

/// The newest messages of a conversation that the log names after a cursor.
fn arrived_after(
    store: &dyn Read,
    no: ContactNo,
    after: u64,
    before: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<MessageRow>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut cursor = after;
    loop {
        let page = changes::after(store, cursor, CHANGES_PAGE)?;
        let Some((last, _)) = page.last() else { break };
        cursor = *last;
        for (_, row) in page {
            match row.kind {
                ChangeKind::Message { no: whose, key }
                    if whose == no && before.is_none_or(|before| &key[..] < before) =>
                {
                    keys.insert(key);
                    if keys.len() > limit {
                        keys.pop_first();
                    }
                }
                _ => {}
            }
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        rows.extend(view::get(store, no, &key)?);
    }
    Ok(rows)
}

pub(super) fn message_view(own: &OwnRow, contact: &ContactRow, row: &MessageRow) -> MessageView {
    let who = |mine| {
        if mine {
            own.name.clone()
        } else {
            contact.name.clone()
        }
    };
    let (mut text, mut reply_to, mut sets_disappear_s) = (None, None, None);
    match row.open_body() {
        Body::Text(body) => (text, reply_to) = (Some(body.text), body.reply_to),
        Body::Timer(timer) => sets_disappear_s = Some(timer.secs),
        _ => {}
    }
    let reactions = row
        .reactions
        .iter()
        .filter(|reaction| !reaction.emoji.is_empty())
        .map(|reaction| ReactionView {
            from: who(reaction.mine),
            mine: reaction.mine,
            emoji: reaction.emoji.clone(),
        })
        .collect();
    MessageView {
        id: row.mid,
        contact: contact.name.clone(),
        account: contact.account,
        from: who(row.mine),
        mine: row.mine,
        text,
        clock: row.clock,
        sent_at: row.sent,
        received_at: (!row.mine).then_some(row.at),
        state: row.state,
        late: row.late,
        reply_to,
        reactions,
        edited: row.edit.is_some(),
        disappear_s: row.timer,
        expires_at: row.expires_at,
        sets_disappear_s,
        muted: contact.muted.is_some(),
        imported: row.imported.is_some(),
    }
}

/// A message by id with its conversation, or what is left of it; our own first if somebody reused its id.
pub(super) fn by_id(
    store: &dyn Read,
    id: &Mid,
) -> Result<Option<(OwnRow, ContactRow, MessageRow)>, StoreError> {
    let mut places = view::places(store, id)?;
    places.sort_by_key(|place| !place.mine);
    let Some(place) = places.first() else {
        return Ok(None);
    };
    let Some(own) = device::load(store)? else {
        return Ok(None);
    };
    let Some(contact) = contact::get(store, place.no)? else {
        return Ok(None);
    };
    let row = match view::get(store, place.no, &place.order)? {
        Some(row) => Some(row),
        None => gone::left(store, place.no, &place.order)?,
    };
    Ok(row.map(|row| (own, contact, row)))
}

/// A change with its object; `None` if the object is gone, or the contact that it is about.
fn change_view(
    store: &dyn Read,
    own: &OwnRow,
    row: ChangeRow,
) -> Result<Option<Change>, StoreError> {
    let about = match &row.kind {
        ChangeKind::Message { no, .. }
        | ChangeKind::State { no, .. }
        | ChangeKind::Contact { no }
        | ChangeKind::Request { no }
        | ChangeKind::Reach { no, .. } => Some(*no),
        ChangeKind::Notice { no, .. } => *no,
        ChangeKind::Removed { .. } => None,
    };
    let contact = match about {
        Some(no) => match contact::get(store, no)? {
            Some(contact) => Some(contact),
            None => return Ok(None),
        },
        None => None,
    };
    Ok(match (row.kind, contact) {
        (ChangeKind::Message { no, key }, Some(contact)) => {
            let message = view::get(store, no, &key)?;
            message.map(|message| Change::Message(message_view(own, &contact, &message)))
        }
        (ChangeKind::State { mid, state, .. }, Some(contact)) => Some(Change::State {
            id: mid,
            contact: contact.name,
            state,
        }),
        (ChangeKind::Contact { .. }, Some(contact)) => {
            Some(Change::Contact(contact_view(store, &contact)?))
        }
        (ChangeKind::Request { .. }, Some(contact)) => {
            Some(Change::Request(request_view(store, &contact)?))
        }
        (ChangeKind::Reach { reach, .. }, Some(contact)) => Some(Change::Reach {
            contact: contact.name,
            reach,
        }),
        (ChangeKind::Notice { code, text, .. }, contact) => Some(Change::Notice {
            contact: contact.map(|contact| contact.name),
            code,
            text,
        }),
        (ChangeKind::Removed { name, account, ak }, _) => Some(Change::Removed {
            name,
            account,
            address: address(&account, &ak),
        }),
        (_, None) => None,
    })
}
