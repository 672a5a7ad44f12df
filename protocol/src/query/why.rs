//! The custody story of a message.

use super::people::reach;
use super::talk::by_id;
use super::{NextStep, Step, What, WhyView};
use crate::feed::view::{AtBridge, MessageRow, Refused, Trail};
use crate::id::{B32, DeviceId, Mid};
use crate::identity::contact::{self, ContactRow, INVITER};
use crate::input::{DialError, Reach};
use crate::mailbox::known;
use crate::outbox::{self, DialRow, DialWhat};
use crate::output::{ContactState, State};
use crate::store::{Read, StoreError};
use crate::time::Millis;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Where a step stands in the story among those of the same moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Reaching,
    Sealed,
    Sent,
    Forwarded,
    Held,
    Retried,
    Lost,
    Delivered,
    Read,
    Ended,
    Gone,
}

/// The custody story of a message: steps in order of time, and of the story within a moment.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn why(store: &dyn Read, id: &Mid, now: Millis) -> Result<Option<WhyView>, StoreError> {
    let Some((own, contact, row)) = by_id(store, id)? else {
        return Ok(None);
    };
    let (to, mut steps, next) = if row.imported.is_some() {
        // Its letters were another home's.
        let next = NextStep {
            at: None,
            what: "nothing; it was imported, and its story stayed in the home it comes from".into(),
        };
        let to = if row.mine { contact.name } else { own.name };
        (to, Vec::new(), Some(next))
    } else if row.mine {
        let steps = our_story(store, &contact, &row)?;
        let next = next_step(store, &contact, &row, now)?;
        (contact.name, steps, next)
    } else {
        let next = row.deleted_at.is_none().then(|| fading(&row)).flatten();
        (own.name, their_story(own.device, &row), next)
    };
    if let (Some(at), Some(_)) = (row.deleted_at, row.expires_at) {
        let step = Step {
            at,
            what: What::Disappeared,
            device: None,
            by: None,
            until: None,
            reason: Some("its time was up".to_string()),
        };
        steps.push((Turn::Gone, step));
    }
    // Stable: dials of one moment keep the order of their log.
    steps.sort_by_key(|(turn, step)| (step.at, *turn));
    Ok(Some(WhyView {
        id: *id,
        state: row.state,
        to,
        steps: steps.into_iter().map(|(_, step)| step).collect(),
        next,
    }))
}

fn their_story(device: DeviceId, row: &MessageRow) -> Vec<(Turn, Step)> {
    let step = |at, what, reason: &str| Step {
        at,
        what,
        device: Some(device),
        by: None,
        until: None,
        reason: Some(reason.to_string()),
    };
    let stored = step(row.at, What::Delivered, "stored on this device");
    let read = row
        .read_at
        .map(|at| step(at, What::Read, "read on this device"));
    let mut steps = vec![(Turn::Delivered, stored)];
    steps.extend(read.map(|step| (Turn::Read, step)));
    steps
}

fn our_story(
    store: &dyn Read,
    contact: &ContactRow,
    row: &MessageRow,
) -> Result<Vec<(Turn, Step)>, StoreError> {
    let mut steps = Vec::new();
    let dials = outbox::dials(store, contact.no)?;
    for trail in &row.trails {
        let how = match (trail.device, trail.sent_at) {
            (Some(device), Some(at)) => how(store, contact, &dials, &device, at)?,
            _ => None,
        };
        trail_steps(trail, how.and_then(way), &mut steps);
        for at in &trail.bridges {
            bridge_steps(store, trail.device, at, &mut steps)?;
        }
    }
    // Until the first write the story is that of reaching the contact at all.
    let first_sent = row.trails.iter().filter_map(|trail| trail.sent_at).min();
    let waiting = first_sent.is_none() || row.state < State::Delivered;
    let until = if waiting {
        Millis::MAX
    } else {
        first_sent.unwrap_or(Millis::MAX)
    };
    for dial in &dials {
        if dial.at >= row.at && dial.at <= until {
            steps.extend(dial_step(dial));
        }
    }
    match row.state {
        State::Expired => steps.push((Turn::Ended, ending(row, contact, What::Expired))),
        State::Refused => steps.push((Turn::Ended, ending(row, contact, What::Refused))),
        _ => {}
    }
    Ok(steps)
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
        by: None,
        until: None,
        reason: Some(reason.to_string()),
    }
}

/// How a device was reached at a time, as far as that is remembered: by the story of its
/// connections, or else, if the device was not known when it came, by the one that still stands.
fn how(
    store: &dyn Read,
    contact: &ContactRow,
    dials: &[DialRow],
    device: &DeviceId,
    at: Millis,
) -> Result<Option<Reach>, StoreError> {
    let of_device = dials.iter().filter(|dial| dial.device == *device);
    let up = of_device.rev().find_map(|dial| match dial.what {
        DialWhat::Up { how } if dial.at <= at => Some(how),
        _ => None,
    });
    let peer = contact::device(store, contact.no, device)?.peer;
    match (up, peer) {
        (None, Some(peer)) => {
            let since = outbox::online_since(store, &peer)?;
            let stood = since.is_some_and(|since| since <= at);
            Ok(outbox::reach_of(store, &peer)?.filter(|_| stood))
        }
        (up, _) => Ok(up),
    }
}

/// What there is to say of a connection.
fn way(how: Reach) -> Option<&'static str> {
    match how {
        Reach::Direct => None,
        Reach::Punched => Some("directly, through the routers of both sides"),
        Reach::Relayed => Some("through a relay, which cannot read it"),
    }
}

fn trail_steps(trail: &Trail, way: Option<&str>, steps: &mut Vec<(Turn, Step)>) {
    let mut step = |turn, at: Option<Millis>, what, reason: Option<&str>| {
        let device = trail.device;
        let reason = reason.map(String::from);
        steps.extend(at.map(|at| {
            let step = Step {
                at,
                what,
                device,
                by: None,
                until: None,
                reason,
            };
            (turn, step)
        }));
    };
    step(Turn::Sealed, trail.sealed_at, What::Sealed, None);
    step(Turn::Sent, trail.sent_at, What::Sent, way);
    let again = trail.last_sent_at.filter(|_| trail.sends > 1);
    let times = format!("sent {} times in all", trail.sends);
    step(Turn::Retried, again, What::Retried, Some(&times));
    let failed = "the connection ended before it was written";
    step(Turn::Lost, trail.failed_at, What::Failed, Some(failed));
    step(Turn::Delivered, trail.delivered_at, What::Delivered, None);
    step(Turn::Read, trail.read_at, What::Read, None);
}

/// What became of a copy at a bridge.
fn bridge_steps(
    store: &dyn Read,
    device: Option<DeviceId>,
    copy: &AtBridge,
    steps: &mut Vec<(Turn, Step)>,
) -> Result<(), StoreError> {
    let name = |bridge: &B32| -> Result<String, StoreError> {
        let said = known::descriptor(store, bridge)?;
        Ok(said.map_or_else(
            || "a bridge".to_string(),
            |said| format!("{} ({})", said.name, said.country),
        ))
    };
    let theirs = name(&copy.bridge)?;
    if let (Some(at), Some(via)) = (copy.queued_at, copy.via) {
        let step = Step {
            at,
            what: What::Forwarded,
            device,
            by: Some(via),
            until: None,
            reason: Some(format!("{} hands it on to {theirs}", name(&via)?)),
        };
        steps.push((Turn::Forwarded, step));
    }
    if let Some(at) = copy.held_at {
        let step = Step {
            at,
            what: What::Held,
            device,
            by: Some(copy.bridge),
            until: copy.until,
            reason: Some(theirs.clone()),
        };
        steps.push((Turn::Held, step));
    }
    if let Some(at) = copy.refused_at {
        let why = match copy.refusal {
            Some(Refused::NotHere) => "does not know their mailbox",
            Some(Refused::Full) => "has no room for it now",
            Some(Refused::GaveUp) => "could not be reached through the bridge that hands on",
            Some(Refused::NotQueued) | None => "was not tried: the bridge that hands on refused",
        };
        let step = Step {
            at,
            what: What::Failed,
            device,
            by: Some(copy.bridge),
            until: None,
            reason: Some(format!("{theirs} {why}")),
        };
        steps.push((Turn::Lost, step));
    }
    Ok(())
}

fn dial_step(dial: &DialRow) -> Option<(Turn, Step)> {
    let device = (dial.device != INVITER).then_some(dial.device);
    let step = |turn, what, reason| {
        let step = Step {
            at: dial.at,
            what,
            device,
            by: None,
            until: None,
            reason: Some(reason),
        };
        Some((turn, step))
    };
    match &dial.what {
        DialWhat::Dialed { addrs } => step(Turn::Reaching, What::Dialed, addrs.join(", ")),
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
            step(Turn::Reaching, What::Failed, format!("{why}{place}"))
        }
        DialWhat::Down => step(
            Turn::Lost,
            What::Failed,
            "the connection was lost".to_string(),
        ),
        DialWhat::Up { .. } => None,
    }
}

/// It disappears, once its time counts.
fn fading(row: &MessageRow) -> Option<NextStep> {
    row.expires_at.map(|at| NextStep {
        at: Some(at),
        what: "it disappears from this home".to_string(),
    })
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
        State::Delivered if row.timer.is_none() => {
            return Ok(Some(what("nothing more to do; a read receipt may come")));
        }
        State::Queued | State::Sent | State::Held => {}
        State::Deleted => return Ok(None),
        State::Expired | State::Refused | State::Delivered | State::Read => return Ok(fading(row)),
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
        (_, None) if row.state == State::Held => {
            "a bridge keeps it until their device comes for it; dial again meanwhile"
        }
        (_, None) => "they are away; dial again, and send as soon as they are connected",
        (_, Some(_)) => "waiting for their device's receipt; send again if none comes",
    };
    Ok(Some(NextStep {
        at,
        what: what.to_string(),
    }))
}
