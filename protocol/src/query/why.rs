//! The custody story of a message.

use super::people::reach;
use super::talk::by_id;
use super::{NextStep, Step, What, WhyView};
use crate::feed::view::{MessageRow, Trail};
use crate::id::Mid;
use crate::identity::contact::{ContactRow, INVITER};
use crate::input::DialError;
use crate::outbox::{self, DialRow, DialWhat};
use crate::output::{ContactState, State};
use crate::store::{Read, StoreError};
use crate::time::Millis;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The custody story of a message.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn why(store: &dyn Read, id: &Mid, now: Millis) -> Result<Option<WhyView>, StoreError> {
    let Some((own, contact, row)) = by_id(store, id)? else {
        return Ok(None);
    };
    let mut view = WhyView {
        id: *id,
        state: row.state,
        to: if row.mine {
            contact.name.clone()
        } else {
            own.name
        },
        steps: Vec::new(),
        next: None,
    };
    if row.mine {
        our_story(store, &contact, &row, now, &mut view)?;
    } else {
        let step = |at, what, reason: &str| Step {
            at,
            what,
            device: Some(own.device),
            reason: Some(reason.to_string()),
        };
        view.steps
            .push(step(row.at, What::Delivered, "stored on this device"));
        view.steps.extend(
            row.read_at
                .map(|at| step(at, What::Read, "read on this device")),
        );
    }
    view.steps.sort_by_key(|step| step.at);
    Ok(Some(view))
}

fn our_story(
    store: &dyn Read,
    contact: &ContactRow,
    row: &MessageRow,
    now: Millis,
    view: &mut WhyView,
) -> Result<(), StoreError> {
    for trail in &row.trails {
        trail_steps(trail, &mut view.steps);
    }
    // Until the first write the story is that of reaching the contact at all.
    let first_sent = row.trails.iter().filter_map(|trail| trail.sent_at).min();
    let waiting = first_sent.is_none() || row.state < State::Delivered;
    let until = if waiting {
        Millis::MAX
    } else {
        first_sent.unwrap_or(Millis::MAX)
    };
    for dial in outbox::dials(store, contact.no)? {
        if dial.at >= row.at && dial.at <= until {
            view.steps.extend(dial_step(&dial));
        }
    }
    match row.state {
        State::Expired => view.steps.push(ending(row, contact, What::Expired)),
        State::Refused => view.steps.push(ending(row, contact, What::Refused)),
        _ => {}
    }
    view.next = next_step(store, contact, row, now)?;
    Ok(())
}

fn ending(row: &MessageRow, contact: &ContactRow, what: What) -> Step {
    let reason = match what {
        What::Refused if contact.state == ContactState::Blocked => "you blocked this contact",
        What::Refused => "nothing may be sent to this contact",
        _ => "thirty days without a receipt",
    };
    let last = row
        .trails
        .iter()
        .filter_map(|trail| trail.last_sent_at)
        .max();
    Step {
        at: last.unwrap_or(row.at).max(row.at),
        what,
        device: None,
        reason: Some(reason.to_string()),
    }
}

fn trail_steps(trail: &Trail, steps: &mut Vec<Step>) {
    let step = |at, what, reason: Option<&str>| Step {
        at,
        what,
        device: trail.device,
        reason: reason.map(String::from),
    };
    steps.extend(trail.sealed_at.map(|at| step(at, What::Sealed, None)));
    steps.extend(trail.sent_at.map(|at| step(at, What::Sent, None)));
    if let (Some(at), true) = (trail.last_sent_at, trail.sends > 1) {
        let times = format!("sent {} times in all", trail.sends);
        steps.push(step(at, What::Retried, Some(&times)));
    }
    let failed = "the connection ended before it was written";
    steps.extend(
        trail
            .failed_at
            .map(|at| step(at, What::Failed, Some(failed))),
    );
    steps.extend(trail.delivered_at.map(|at| step(at, What::Delivered, None)));
    steps.extend(trail.read_at.map(|at| step(at, What::Read, None)));
}

fn dial_step(dial: &DialRow) -> Option<Step> {
    let device = (dial.device != INVITER).then_some(dial.device);
    let step = |what, reason| {
        Some(Step {
            at: dial.at,
            what,
            device,
            reason: Some(reason),
        })
    };
    match &dial.what {
        DialWhat::Dialed { addrs } => step(What::Dialed, addrs.join(", ")),
        DialWhat::Failed { why, addrs } => {
            let why = match why {
                DialError::Timeout => "nobody answered in time",
                DialError::Refused => "the connection was refused",
                DialError::Unreachable => "the network does not lead there",
                DialError::WrongPeer => "somebody else answered",
                DialError::NoTransport => "no transport that this node uses leads there",
                DialError::NoAddress => "no address is known",
                DialError::Other => "the connection failed",
            };
            let place = if addrs.is_empty() {
                String::new()
            } else {
                format!(" at {}", addrs.join(", "))
            };
            step(What::Failed, format!("{why}{place}"))
        }
        DialWhat::Down => step(What::Failed, "the connection was lost".to_string()),
        DialWhat::Up { .. } => None,
    }
}

fn next_step(
    store: &dyn Read,
    contact: &ContactRow,
    row: &MessageRow,
    now: Millis,
) -> Result<Option<NextStep>, StoreError> {
    let what = |what: &str| NextStep {
        at: None,
        what: what.to_string(),
    };
    match row.state {
        State::Delivered => {
            return Ok(Some(what("nothing more to do; a read receipt may come")));
        }
        State::Queued | State::Sent | State::Held => {}
        State::Expired | State::Refused | State::Read | State::Deleted => return Ok(None),
    }
    let mut at: Option<Millis> = None;
    for device in outbox::targets(contact) {
        let due = outbox::state(store, contact.no, &device)?.attend_at;
        at = match (at, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let at = at.map(|at| at.max(now));
    let (online, _) = reach(store, contact)?;
    let what = match (contact.state, online) {
        (ContactState::Pending, None) => {
            "their node is away; the first contact completes when it is reached"
        }
        (ContactState::Pending, Some(_)) => "waiting for their node's first answer",
        (_, None) => "they are away; dial again, and send as soon as they are connected",
        (_, Some(_)) => "waiting for their device's receipt; send again if none comes",
    };
    Ok(Some(NextStep {
        at,
        what: what.to_string(),
    }))
}
