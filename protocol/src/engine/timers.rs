//! Disappearing messages: the timer of a conversation, and what it does.

use super::commands::{addressee, allowed, has_room, say};
use super::{Outcome, amend, refuse};
use crate::agenda;
use crate::feed::body::{Body, Timer};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::view::{self, State};
use crate::id::Mid;
use crate::identity::contact::{self, ContactNo, ContactRow, TimerRow};
use crate::limits::{TIMER_S_MAX, TIMER_S_MIN};
use crate::outbox::{self, Cx};
use crate::output::{Answer, RefusalKind};
use crate::store::StoreError;
use crate::time::{DAY_S, Millis, Secs};
use alloc::format;

/// Sets the timer of a conversation, for what either side sends from then on, and says so in it.
pub(super) fn set(cx: &mut Cx<'_, '_, '_>, name: &str, secs: Secs) -> Outcome<Answer> {
    if !Timer::fits(secs) {
        let message = format!(
            "messages can disappear after {TIMER_S_MIN} seconds to {} days, or stay",
            TIMER_S_MAX / DAY_S
        );
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "bad_timer",
            &message,
            None,
        )));
    }
    let contact = allowed!(addressee(cx, name)?);
    let no = contact.no;
    if contact.disappear().unwrap_or(0) == secs {
        return Ok(Ok(Answer::Timer { secs, id: None }));
    }
    allowed!(has_room(cx, &contact)?);
    let mid = say(cx, contact, Body::Timer(Timer { secs }).to_typed())?;
    let mut contact = contact::must(cx.tx, no)?;
    // Its clock is the highest of the conversation, so it is the newest that either side knows.
    contact.timer = Some(TimerRow {
        secs,
        clock: contact.clock,
        mid,
    });
    contact::put(cx.tx, &contact);
    cx.log(ChangeKind::Contact { no })?;
    let id = Some(mid);
    Ok(Ok(Answer::Timer { secs, id }))
}

/// A contact set the timer. Returns whose it changed; the caller puts `contact` back.
pub(super) fn heard(
    cx: &Cx<'_, '_, '_>,
    contact: &mut ContactRow,
    secs: Secs,
    clock: Millis,
    mid: Mid,
) -> Result<Option<ContactNo>, StoreError> {
    let newest = contact.timer.map(|timer| (timer.clock, timer.mid));
    let known = view::find(cx.tx, contact.no, false, &mid)?.is_some();
    if known || newest >= Some((clock, mid)) {
        return Ok(None);
    }
    let before = contact.disappear();
    contact.timer = Some(TimerRow { secs, clock, mid });
    Ok((contact.disappear() != before).then_some(contact.no))
}

/// Erases a message whose time is up. One of ours that still waits for its receipt is looked at
/// again when it leaves the outbox: nothing disappears that nobody has got.
pub(super) fn expire(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    order: &[u8],
) -> Result<(), StoreError> {
    let Some(mut row) = view::get(cx.tx, no, order)? else {
        return Ok(());
    };
    let Some(due) = gone::due(&row) else {
        return Ok(());
    };
    if due > cx.at.now {
        agenda::expire(cx.tx, due, no, order);
        return Ok(());
    }
    // What is stored of a contact that was removed goes in steps.
    let Some(mut contact) = contact::get(cx.tx, no)? else {
        return Ok(());
    };
    if row.mine && outbox::waits(cx.tx, &contact, &row)? {
        return Ok(());
    }
    let was_unread = row.unread.is_some();
    gone::leave(cx.tx, &mut contact, order, &mut row, cx.at.now)?;
    contact::put(cx.tx, &contact);
    amend::bury(cx, no, order);
    if was_unread {
        cx.log(ChangeKind::Contact { no })?;
    }
    cx.log(ChangeKind::State {
        no,
        mid: row.mid,
        state: State::Deleted,
    })?;
    Ok(())
}
