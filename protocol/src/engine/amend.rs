//! Reactions, edits and deletions: said by us, and by contacts.

use super::commands::{addressee, allowed, fit_text, has_room, no_such_message};
use super::{Outcome, refuse};
use crate::agenda::{self, Job};
use crate::feed::amend::{self, Amend, ReactionRow, Version};
use crate::feed::body::{Body, Delete, Reaction, TypedBody};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::segments;
use crate::feed::view::{self, MessageRow, State};
use crate::id::Mid;
use crate::identity::contact::{self, ContactNo, ContactRow};
use crate::limits::{REACTION_BYTES_MAX, TOMBSTONE_KEEP_MS};
use crate::outbox::{self, Cx, What};
use crate::output::{Answer, RefusalKind};
use crate::store::StoreError;
use crate::time::Millis;
use crate::wire::codec::Blob;
use alloc::string::String;

/// A message that something is said of.
struct Target {
    contact: ContactRow,
    order: Blob,
    row: MessageRow,
}

pub(super) fn react(cx: &mut Cx<'_, '_, '_>, to: Mid, emoji: String) -> Outcome<Answer> {
    let emoji = String::from(emoji.trim());
    if emoji.len() > REACTION_BYTES_MAX || emoji.chars().any(char::is_control) {
        let message = "a reaction is one emoji, or nothing to take it back";
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "bad_reaction",
            message,
            None,
        )));
    }
    let mut target = allowed!(find(cx, &to, false)?);
    allowed!(addressee(cx, &target.contact.name)?);
    allowed!(has_room(cx, &target.contact)?);
    let (mid, clock) = next(cx, &mut target.contact);
    let reaction = ReactionRow {
        mine: true,
        emoji: emoji.clone(),
        clock,
        mid,
    };
    amend(cx, &mut target, Amend::Reaction(reaction))?;
    let body = Body::Reaction(Reaction { to, emoji }).to_typed();
    queue(cx, &target.contact, mid, &aside(body, clock))?;
    Ok(Ok(answer(&target)))
}

pub(super) fn edit(cx: &mut Cx<'_, '_, '_>, of: Mid, text: String) -> Outcome<Answer> {
    allowed!(fit_text(&text));
    let mut target = allowed!(find(cx, &of, true)?);
    if !matches!(target.row.open_body(), Body::Text(_)) {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "not_a_text",
            "only texts can be edited",
            None,
        )));
    }
    allowed!(addressee(cx, &target.contact.name)?);
    allowed!(has_room(cx, &target.contact)?);
    let (mid, clock) = next(cx, &mut target.contact);
    let version = Version { clock, mid };
    let said = Amend::Edit {
        mine: true,
        text,
        version,
    };
    amend(cx, &mut target, said)?;
    let order = target.order.clone();
    queue(cx, &target.contact, mid, &What::Edit { order })?;
    Ok(Ok(answer(&target)))
}

/// Deletes a message of ours here, and asks the other side to do the same.
pub(super) fn delete(cx: &mut Cx<'_, '_, '_>, of: Mid) -> Outcome<Answer> {
    let mut target = match find(cx, &of, true)? {
        Ok(target) => target,
        Err(refusal) if refusal.code == "deleted" => {
            let state = State::Deleted;
            return Ok(Ok(Answer::Message { id: of, state }));
        }
        // Gone here, and perhaps not there yet.
        Err(refusal) if refusal.code == "disappeared" => match left(cx, &of)? {
            Some(target) => target,
            None => return Ok(Err(refusal)),
        },
        Err(refusal) => return Ok(Err(refusal)),
    };
    let told = outbox::may_send(target.contact.state);
    if told {
        allowed!(has_room(cx, &target.contact)?);
    }
    let (mid, clock) = next(cx, &mut target.contact);
    if amend(cx, &mut target, Amend::Delete { mine: true })? {
        cx.log(ChangeKind::State {
            no: target.contact.no,
            mid: of,
            state: State::Deleted,
        })?;
    }
    if told {
        let body = Body::Delete(Delete { to: of }).to_typed();
        queue(cx, &target.contact, mid, &aside(body, clock))?;
    }
    Ok(Ok(answer(&target)))
}

fn answer(target: &Target) -> Answer {
    Answer::Message {
        id: target.row.mid,
        state: target.row.state,
    }
}

/// A message that is there and says something; `own`: one of ours.
fn find(cx: &Cx<'_, '_, '_>, mid: &Mid, own: bool) -> Outcome<Target> {
    let places = view::places(cx.tx, mid)?;
    let Some(place) = places.iter().find(|p| p.mine || !own) else {
        return Ok(Err(if places.is_empty() {
            no_such_message()
        } else {
            let message = "this message is not yours";
            refuse(RefusalKind::Policy, "not_yours", message, None)
        }));
    };
    let Some(row) = view::get(cx.tx, place.no, &place.order)? else {
        let gone = gone::left(cx.tx, place.no, &place.order)?.is_some();
        let message = "this message has disappeared";
        return Ok(Err(if gone {
            refuse(RefusalKind::Conflict, "disappeared", message, None)
        } else {
            no_such_message()
        }));
    };
    if row.deleted_at.is_some() {
        let message = "this message was deleted";
        return Ok(Err(refuse(RefusalKind::Conflict, "deleted", message, None)));
    }
    // What is stored of a contact that was removed goes in steps.
    let Some(contact) = contact::get(cx.tx, place.no)? else {
        return Ok(Err(no_such_message()));
    };
    Ok(Ok(Target {
        contact,
        order: place.order.clone(),
        row,
    }))
}

/// What is left of a message of ours that disappeared.
fn left(cx: &Cx<'_, '_, '_>, mid: &Mid) -> Result<Option<Target>, StoreError> {
    let mut places = view::places(cx.tx, mid)?.into_iter();
    let Some(place) = places.find(|place| place.mine) else {
        return Ok(None);
    };
    let Some(row) = gone::left(cx.tx, place.no, &place.order)? else {
        return Ok(None);
    };
    let contact = contact::get(cx.tx, place.no)?;
    let order = place.order;
    Ok(contact.map(|contact| Target {
        contact,
        order,
        row,
    }))
}

/// Id and clock of the next thing we say.
fn next(cx: &mut Cx<'_, '_, '_>, contact: &mut ContactRow) -> (Mid, Millis) {
    contact.clock = cx.at.now.max(contact.clock + 1);
    (Mid::random(cx.at.rng), contact.clock)
}

/// Applies what is said of a message, and tells if that changed anything. Puts the contact back.
fn amend(cx: &mut Cx<'_, '_, '_>, target: &mut Target, said: Amend) -> Result<bool, StoreError> {
    let Target {
        contact,
        order,
        row,
    } = target;
    let texts = said.is_authors();
    let changed = amend::fold(row, said, cx.at.now);
    if changed {
        if row.deleted_at.is_some() {
            view::clear_unread(cx.tx, contact, row);
            bury(cx, contact.no, order);
        }
        if texts {
            let text = segments::text_of(row);
            segments::replace(cx.tx, contact, order, text.as_deref())?;
        }
        view::put(cx.tx, contact.no, order, row);
        cx.log(ChangeKind::Message {
            no: contact.no,
            key: order.clone(),
        })?;
    }
    contact::put(cx.tx, contact);
    Ok(changed)
}

/// A tombstone is there from now on; it goes when no duplicate can bring the message back.
pub(super) fn bury(cx: &mut Cx<'_, '_, '_>, no: ContactNo, order: &[u8]) {
    let job = Job::Forget {
        no,
        order: Blob(order.to_vec()),
    };
    agenda::at(cx.tx, cx.at.now + TOMBSTONE_KEEP_MS, &job);
}

/// Removes a tombstone whose time has come.
pub(super) fn forget(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    order: &[u8],
) -> Result<(), StoreError> {
    let here = view::get(cx.tx, no, order)?;
    let there = match here {
        Some(row) => Some(row),
        None => gone::left(cx.tx, no, order)?,
    };
    let Some(mut row) = there else {
        return Ok(());
    };
    if row.deleted_at.is_some()
        && let Some(mut contact) = contact::get(cx.tx, no)?
    {
        view::forget(cx.tx, &mut contact, order, &mut row)?;
        contact::put(cx.tx, &contact);
    }
    Ok(())
}

fn aside(body: TypedBody, clock: Millis) -> What {
    What::Body {
        body,
        clock: Some(clock),
    }
}

/// Queues what we say for every device of a contact.
fn queue(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    mid: Mid,
    what: &What,
) -> Result<(), StoreError> {
    for device in outbox::targets(contact) {
        outbox::enqueue(cx, contact.no, &device, mid, what.clone())?;
        outbox::pump(cx, contact.no, &device)?;
    }
    Ok(())
}

/// Takes in what a contact says of a message, which may not be there yet.
pub(super) fn take(
    cx: &mut Cx<'_, '_, '_>,
    mut contact: ContactRow,
    to: &Mid,
    clock: Millis,
    said: Amend,
) -> Result<(), StoreError> {
    contact.clock = contact.clock.max(clock);
    let no = contact.no;
    let places = view::places(cx.tx, to)?;
    let mut here = places.into_iter().filter(|place| place.no == no).peekable();
    if here.peek().is_none() {
        amend::keep_waiting(cx.tx, &mut contact, to, said, cx.at.now)?;
        contact::put(cx.tx, &contact);
        return Ok(());
    }
    contact::put(cx.tx, &contact);
    // Of our messages they can say nothing but a reaction.
    let Some(place) = here.find(|place| !place.mine || !said.is_authors()) else {
        return Ok(());
    };
    let Some(row) = view::get(cx.tx, no, &place.order)? else {
        return Ok(());
    };
    let mut target = Target {
        contact,
        order: place.order,
        row,
    };
    amend(cx, &mut target, said)?;
    Ok(())
}
