//! Plaintexts: what an item says when it is sealed.

use super::{Cx, Item, What, addrs};
use crate::feed::body::{
    Body, Bridges, BundleBody, Edit, Lists, NO_LIST, PeerIds, Plain, Profile, TypedBody, UsedList,
    kind,
};
use crate::feed::view;
use crate::id::Mid;
use crate::identity::account::Signed;
use crate::identity::account::conversation_id;
use crate::identity::contact::{self, ContactRow};
use crate::identity::device;
use crate::mailbox::{client, known};
use crate::store::StoreError;
use crate::time::{DAY_S, secs};
use alloc::string::String;
use alloc::vec::Vec;

/// How long addresses that we tell are worth trying, in seconds.
const ADDRS_LIFE_S: u64 = 30 * DAY_S;

/// The plaintext of an item, or `None` if what it speaks of is gone. `first`: it has to fit a first
/// flight.
pub(super) fn plain(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    item: &Item,
    first: bool,
) -> Result<Option<Plain>, StoreError> {
    let (mut sent, mut timer) = (None, None);
    let (body, clock) = match &item.what {
        What::Message { order } => match view::get(cx.tx, contact.no, order)? {
            // Deleted before it was sealed: it is not said at all.
            Some(message) if message.deleted_at.is_some() => return Ok(None),
            Some(message) => {
                sent = (message.sent != message.clock).then_some(message.sent);
                timer = message.timer;
                (message.body, Some(message.clock))
            }
            None => return Ok(None),
        },
        What::Edit { order } => {
            // A later edit or a deletion is queued behind this one, and says it all.
            let message = view::get(cx.tx, contact.no, order)?;
            let Some((message, edit)) = message.and_then(|m| m.edit.map(|edit| (m, edit))) else {
                return Ok(None);
            };
            let Body::Text(text) = message.open_body() else {
                return Ok(None);
            };
            if edit.mid != item.mid {
                return Ok(None);
            }
            let body = Body::Edit(Edit {
                to: message.mid,
                text: text.text,
            });
            (body.to_typed(), Some(edit.clock))
        }
        What::Body { body, clock } => (body.clone(), *clock),
        What::Current { kind, note } => match current(cx, contact, *kind, note.clone(), first)? {
            Some(body) => (body.to_typed(), None),
            None => return Ok(None),
        },
    };
    Ok(Some(Plain {
        conversation: clock.map(|_| conversation_id(&cx.own.account, &contact.account)),
        clock,
        timer,
        sent,
        ..aside(cx, contact, item.mid, body)
    }))
}

/// The plaintext of a body that stands outside the conversation.
pub(super) fn aside(cx: &Cx<'_, '_, '_>, contact: &ContactRow, mid: Mid, body: TypedBody) -> Plain {
    Plain {
        sender_list: cx.own.list,
        recipient_list: contact.list.map_or(NO_LIST, |list| UsedList {
            version: list.version,
            hash: list.hash,
        }),
        mid,
        conversation: None,
        clock: None,
        body,
        custody: None,
        timer: None,
        sent: None,
    }
}

/// What is true of us now.
fn current(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    kind: u16,
    note: Option<String>,
    first: bool,
) -> Result<Option<Body>, StoreError> {
    let own = &cx.own;
    Ok(match kind {
        kind::PROFILE => Some(Body::Profile(Profile {
            name: own.name.clone(),
            note,
        })),
        kind::PEER_IDS => Some(Body::PeerIds(PeerIds {
            peer: own.peer,
            addrs: if first {
                addrs::listening_first(cx.tx)?
            } else {
                addrs::listening(cx.tx)?
            },
            expires: secs(cx.at.now) + ADDRS_LIFE_S,
        })),
        kind::BUNDLE => Some(Body::Bundle(BundleBody {
            bundle: device::current_bundle(cx.tx)?,
        })),
        kind::LISTS => {
            let objects = device::objects(cx.tx, own)?;
            Some(Body::Lists(Lists {
                statement: objects.statement,
                list: objects.list,
            }))
        }
        kind::BUNDLE_REQUEST => Some(Body::BundleRequest),
        kind::BRIDGES => Some(Body::Bridges(Bridges {
            descriptors: ours(cx, contact)?,
            said: client::said(cx.tx)?,
        })),
        _ => None,
    })
}

/// The bridges at which a contact's letters come to us by now.
fn ours(cx: &Cx<'_, '_, '_>, contact: &ContactRow) -> Result<Vec<Signed>, StoreError> {
    let mut sessions = Vec::new();
    for device in &contact.devices {
        let row = contact::device(cx.tx, contact.no, device)?;
        sessions.extend(row.sending().map(|session| session.id));
    }
    let mut descriptors = Vec::new();
    for bridge in client::list(cx.tx)? {
        let mut open = bridge.leaving.is_none();
        for session in &sessions {
            open &= client::registered(cx.tx, &bridge.bridge, session)?.is_some();
        }
        if open && let Some(row) = known::get(cx.tx, &bridge.bridge)? {
            descriptors.push(row.descriptor);
        }
    }
    Ok(descriptors)
}
